"""What is sent: by a real SMTP server and a real HTTP server, on this machine."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from insula.alerts.mail import Mail
from insula.alerts.notices import Notice
from insula.alerts.webhook import Webhook
from insula.errors import Unavailable
from insula.messages import Alert, BuildingSettings

NIGHT = 1_767_312_000_000
"""2026-01-02 00:00 UTC."""
BUILDING = BuildingSettings(name="Town hall", time_zone="Europe/Paris")
GATEWAY = Alert(
    key="gateway-knx.away", kind="away", severity="critical", text="gateway knx: cable pulled", raised_at=NIGHT
)
SENSOR = Alert(
    key="device-3.away",
    kind="away",
    severity="warning",
    text="Sensor in room 1: silent",
    device_id=3,
    raised_at=NIGHT,
    cleared_at=NIGHT + 60_000,
)


class Letters:
    def __init__(self) -> None:
        self.got: list[Message] = []
        self.refuse = False

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.refuse:
            return "451 try again later"
        self.got.append(BytesParser(policy=default).parsebytes(envelope.content))
        return "250 OK"


def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"insula", b"secret"), handled=False)


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.fixture
async def server(letters: Letters) -> AsyncIterator[asyncio.Server]:
    def session() -> SMTP:
        return SMTP(letters, hostname="x", authenticator=authenticate, auth_require_tls=False, enable_SMTPUTF8=True)

    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0)
    yield server
    server.close()


def mail(server: asyncio.Server, **fields: Any) -> Mail:
    port = server.sockets[0].getsockname()[1]
    known = {"sender": "insula@example.org", "to": ["anna@example.org", "ben@example.org"], "tls": "none"}
    return Mail("127.0.0.1", port, **{**known, **fields})


async def test_a_mail_says_what_is_wrong_and_what_is_over(server: asyncio.Server, letters: Letters) -> None:
    await mail(server).send(Notice(NIGHT, BUILDING, [GATEWAY, SENSOR]))
    (letter,) = letters.got
    assert (letter["Subject"], letter["To"]) == ("Town hall: 1 alerts, 1 over", "anna@example.org, ben@example.org")
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter.get_payload().replace("\r\n", "\n") == (
        "2026-01-02 01:00  critical: gateway knx: cable pulled\n"
        "2026-01-02 01:01  over: Sensor in room 1: silent (since 2026-01-02 01:00)\n"
    )


async def test_the_same_mail_twice_is_known_by_its_id(server: asyncio.Server, letters: Letters) -> None:
    for notice in (
        Notice(NIGHT, BUILDING, [GATEWAY]),
        Notice(NIGHT + 1, BUILDING, [GATEWAY]),
        Notice(NIGHT, BUILDING, [SENSOR]),
    ):
        await mail(server).send(notice)
    first, second, third = (letter["Message-ID"] for letter in letters.got)
    assert first == second != third


async def test_a_user_and_a_password(server: asyncio.Server, letters: Letters) -> None:
    await mail(server, user="insula", password="secret").send(Notice(NIGHT, BUILDING, [GATEWAY]))
    assert letters.got[0]["Subject"] == "Town hall: gateway knx: cable pulled"
    with pytest.raises(Unavailable, match="535"):
        await mail(server, user="insula", password="wrong").send(Notice(NIGHT, BUILDING, [GATEWAY]))
    assert "secret" not in repr(mail(server, password="secret"))


async def test_a_server_that_refuses_or_is_not_there(server: asyncio.Server, letters: Letters) -> None:
    letters.refuse = True
    with pytest.raises(Unavailable, match="try again later"):
        await mail(server).send(Notice(NIGHT, BUILDING, [GATEWAY]))
    with pytest.raises(Unavailable):
        await mail(server, tls="starttls").send(Notice(NIGHT, BUILDING, [GATEWAY]))
    gone = mail(server)
    server.close()
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1"):
        await gone.send(Notice(NIGHT, BUILDING, [GATEWAY]))


class Hook(BaseHTTPRequestHandler):
    got: list[Any] = []

    def do_POST(self) -> None:
        type(self).got.append(msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204 if self.path == "/hook" else 500)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not into the tests' output."""


@pytest.fixture
def hook() -> Iterator[str]:
    Hook.got = []
    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


async def test_a_webhook_gets_json(hook: str) -> None:
    await Webhook(f"{hook}/hook").send(Notice(NIGHT, BUILDING, [GATEWAY, SENSOR]))
    (body,) = Hook.got
    assert (body["building"], body["title"]) == ("Town hall", "Town hall: 1 alerts, 1 over")
    assert [alert["key"] for alert in body["raised"]] == ["gateway-knx.away"]
    assert body["cleared"][0].items() >= {"device_id": 3, "severity": "warning", "cleared_at": NIGHT + 60_000}.items()


async def test_a_webhook_that_fails(hook: str) -> None:
    with pytest.raises(Unavailable, match="500"):
        await Webhook(f"{hook}/else").send(Notice(NIGHT, BUILDING, [GATEWAY]))
    for nowhere in ("http://127.0.0.1:9/", "no address"):
        with pytest.raises(Unavailable):
            await Webhook(nowhere).send(Notice(NIGHT, BUILDING, [GATEWAY]))
