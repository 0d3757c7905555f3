"""Passwords, tokens, sessions and rooms' codes are in no log, whatever its level, and in no answer but their own."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from msgspec.json import decode, encode

from insula.logs import configure
from insula.settings import LogSettings
from tests.flows.test_signing_in import ADMINS, ANNAS, Door, door, json

WRONG, NEW, OPENED = "wrong canary horse", "new canary for anna", "insula_canary-token-of-nobody"
TOLD = ("/health", "/metrics", "/schema/openapi.json", "/api/v1/audit", "/api/v1/users", "/api/v1/building")


async def live_through(it: Door) -> tuple[list[str], str]:
    """What signs people in is made, used in both processes, got wrong and changed. The secrets, and the room's code;
    anna's first password is also an example of the API's document, and therefore none of them."""
    anna, admin = await it.anna(level="drive"), await it.admin()
    for name in ("anna", "nobody"):
        refused = await it.browser(it.there).post("/session", json={"name": name, "password": WRONG})
        assert refused.status_code == 401
        assert WRONG not in refused.text
    token = json(await anna.post("/tokens", json={"name": "script"}), 201)["token"]
    for secret, status in ((token, 200), (OPENED, 401)):
        asked = await it.browser(it.there, Authorization=f"Bearer {secret}").get("/session")
        assert asked.status_code == status
        assert secret not in asked.text
    json(await anna.put("/password", json={"old": ANNAS, "new": NEW}))
    code = json(await admin.put("/rooms/1/guests", json={"allowed": True}))["code"]
    guest = it.browser(it.there)
    json(await guest.post("/guests", json={"code": code}))
    assert code not in (await guest.post("/guests", json={"code": f"{code}x"})).text
    sessions = [one.cookies["insula_session"] for one in (anna, admin, guest)]
    return [ADMINS, NEW, WRONG, token, OPENED, *sessions], code


def found(secrets: list[str], where: bytes) -> list[str]:
    return [secret for secret in secrets if secret.encode() in where]


async def test_no_secret_is_logged_at_any_level(tmp_path: Path) -> None:
    """In a process of its own: logging is set up once in each."""
    command = [sys.executable, "-m", "tests.flows.test_secrets", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    said, logged = await process.communicate()
    assert process.returncode == 0, logged[-2000:]
    assert b"SELECT" in logged, "the libraries' logs are shown"
    assert found([*decode(said, type=list[str]), "argon2id$"], logged) == []


async def test_no_secret_is_in_the_database_or_in_what_is_told_of_it(tmp_path: Path) -> None:
    """Rooms' codes are kept in the clear: they are shown again, to who manages the room."""
    async with door(tmp_path) as it:
        secrets, code = await live_through(it)
        for path in TOLD:
            answer = await it.home.http.get(path)
            assert answer.status_code == 200, path
            assert found([*secrets, code, "argon2id$"], answer.content) == [], path
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("insula.db*"))
    assert found([code], kept) == [code]
    assert found(secrets, kept) == []


async def _main(folder: Path) -> None:
    """Logs at debug on standard error, and says the secrets on standard output."""
    configure(LogSettings(level="debug"))
    async with door(folder) as it:
        secrets, code = await live_through(it)
    sys.stdout.buffer.write(encode([*secrets, code]))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
