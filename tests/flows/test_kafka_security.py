"""A broker that asks for a user, a password and a certificate to trust: reached as docs/how-to/run-on-kafka.md says."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from confluent_kafka import KafkaError
from confluent_kafka.admin import ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion

from insula import cli
from insula.bootstrap import open_bus
from insula.bus.kafka_client import Link, admin_client, answers
from insula.bus.port import Outgoing, Partition
from insula.clock import SystemClock
from insula.errors import InputError
from insula.settings import Settings, load_settings
from tests.contracts.buses import take
from tests.services.kafka_security import MECHANISM, PASSWORD, USER, Secured, secured

pytestmark = pytest.mark.kafka
PATIENCE_S = 60
LATER = "open-sesame-2002"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured(tmp_path_factory.mktemp("secured")) as broker:
        yield broker


class Attempts(SystemClock):
    """Of one who tries again without waiting; ``several`` is set when it has done so."""

    def __init__(self) -> None:
        super().__init__()
        self.several = asyncio.Event()
        self._count = 0

    async def real_sleep(self, seconds: float) -> None:
        self._count += 1
        if self._count == 2:
            self.several.set()
        await super().real_sleep(0)


def settings_file(folder: Path, broker: Secured, ca: Path | None = None) -> Path:
    file = folder / "insula.toml"
    file.write_text(f"""
[bus]
kind = "kafka"
servers = "{broker.servers}"
security_protocol = "sasl_ssl"
sasl_mechanism = "{MECHANISM}"
sasl_username = "{USER}"
ssl_ca = "{ca or broker.ca}"
""")
    return file


def settings(folder: Path, broker: Secured, password: str = PASSWORD, ca: Path | None = None) -> Settings:
    return load_settings(settings_file(folder, broker, ca), {"INSULA_BUS_SASL_PASSWORD": password})


async def change_password(broker: Secured, password: str) -> None:
    secret = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    changed = UserScramCredentialUpsertion(USER, secret, password.encode())
    await answers(admin_client(broker.cluster.config).alter_user_scram_credentials([changed]))


def test_topics_are_made_with_a_password_from_the_environment(
    broker: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INSULA_BUS_SASL_PASSWORD", PASSWORD)
    with pytest.raises(SystemExit) as end:
        cli.main(["topics", "apply", "--settings", str(settings_file(tmp_path, broker))])

    assert end.value.code == 0
    assert "knx: made, partitions 12" in capsys.readouterr().out


async def test_what_is_published_is_read_alone_and_in_a_group(broker: Secured, tmp_path: Path) -> None:
    given: list[Partition] = []

    async def assigned(partitions: list[Partition]) -> None:
        given.extend(partitions)

    async def revoked(partitions: list[Partition]) -> None:
        raise AssertionError(partitions)

    async with asyncio.timeout(PATIENCE_S), open_bus(settings(tmp_path, broker), SystemClock()) as (bus, _):
        alone = await bus.subscribe(["state"], name="alone")
        member = await bus.subscribe(["state"], name="member", group="recorder", start="end")
        await bus.join("gateway-knx", "state", assigned=assigned, revoked=revoked)
        await bus.publish([Outgoing("state", "key", b"value")])
        records = await take(alone, 1) + await take(member, 1)

    assert [record.value for record in records] == [b"value", b"value"]
    assert given == [("state", 0)]


async def test_a_wrong_password_is_said_once_and_waited_for(broker: Secured, tmp_path: Path) -> None:
    later, clock = settings(tmp_path, broker, LATER), Attempts()
    with structlog.testing.capture_logs() as said:
        async with asyncio.timeout(PATIENCE_S):
            starting = asyncio.create_task(publish(later, clock))
            await clock.several.wait()
            await change_password(broker, LATER)
            await starting
            await change_password(broker, PASSWORD)

    (line,) = [line for line in said if line["log_level"] == "warning"]
    assert line["event"] == "waiting for Kafka"
    assert "invalid credentials" in line["why"]
    assert broker.servers in line["why"]
    assert LATER not in repr((said, later))


async def publish(settings: Settings, clock: SystemClock) -> None:
    async with open_bus(settings, clock) as (bus, _):
        await bus.publish([Outgoing("state", "key", b"value")])


async def test_a_broker_that_a_stranger_vouches_for_is_not_spoken_to(broker: Secured, tmp_path: Path) -> None:
    clock = Attempts()
    with structlog.testing.capture_logs() as said:
        async with asyncio.timeout(PATIENCE_S):
            starting = asyncio.create_task(publish(settings(tmp_path, broker, ca=broker.stranger), clock))
            await clock.several.wait()
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)

    (line,) = [line for line in said if line["log_level"] == "warning"]
    assert "certificate could not be verified" in line["why"]
    assert broker.servers in line["why"]


async def test_settings_that_no_client_can_work_with_are_an_error(broker: Secured, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ssl\.ca\.location"):
        await publish(settings(tmp_path, broker, ca=tmp_path / "absent.pem"), SystemClock())


def test_brokers_that_refuse_again_and_again_are_told_of_once() -> None:
    """librdkafka tells each client, at each attempt, of the refusal and that no broker is left."""
    link = Link({"bootstrap.servers": "kafka1:9092"})
    refusals = [KafkaError(KafkaError._AUTHENTICATION, "wrong"), KafkaError(KafkaError._ALL_BROKERS_DOWN, "none")]
    with structlog.testing.capture_logs() as said:
        for error in refusals * 3:
            link.failed(error)
        link.works()
        link.failed(refusals[0])

    assert [line.get("why") for line in said] == [
        "wrong (_AUTHENTICATION)",
        "none (_ALL_BROKERS_DOWN)",
        None,
        "wrong (_AUTHENTICATION)",
    ]
