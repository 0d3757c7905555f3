"""The topics on a real broker: made, changed, refused; and a bus that waits for them. Each test begins without any."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from insula import cli
from insula.bus.kafka import KafkaBus
from insula.bus.kafka_client import admin_client, answers
from insula.bus.kafka_topics import KafkaTopics
from insula.bus.topics import TOPICS
from insula.clock import SystemClock
from insula.errors import InputError
from tests.services.kafka import Cluster, running

pytestmark = pytest.mark.kafka
PATIENCE_S = 30


class Patient(SystemClock):
    """Whoever waits on it is noticed, and goes on when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting = asyncio.Event()
        self.go_on = asyncio.Event()

    async def real_sleep(self, seconds: float) -> None:
        self.waiting.set()
        await self.go_on.wait()
        await super().real_sleep(seconds)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("topics")) as cluster:
        yield cluster


@pytest.fixture
async def admin(cluster: Cluster) -> AsyncIterator[AdminClient]:
    """On brokers without topics."""
    admin = admin_client(cluster.config)
    yield admin
    if there := present(admin):
        await answers(admin.delete_topics(there))
    while present(admin):
        continue


def present(admin: AdminClient) -> list[str]:
    return [name for name in TOPICS if name in admin.list_topics(timeout=PATIENCE_S).topics]


async def change(admin: AdminClient, topic: str, setting: str, value: str) -> None:
    entry = ConfigEntry(setting, value, incremental_operation=AlterConfigOpType.SET)
    await answers(
        admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])])
    )
    topics = KafkaTopics(admin, SystemClock())
    while (await topics.find())[topic].settings[setting] != value:
        continue


async def test_missing_topics_are_made_as_they_must_be_and_then_there_is_nothing_to_do(admin: AdminClient) -> None:
    topics = KafkaTopics(admin, SystemClock())
    assert len(await topics.check()) == 5

    made = await topics.apply()
    found = await topics.find()

    assert [line.split(":")[0] for line in made] == list(TOPICS)
    assert await topics.apply() == await topics.check() == []
    assert {name: topic.partitions for name, topic in found.items()} == {
        "knx": 12,
        "zwave": 12,
        "events": 12,
        "db": 1,
        "state": 1,
    }
    assert {name: topic.settings["cleanup.policy"] for name, topic in found.items()} == {
        "knx": "delete",
        "zwave": "delete",
        "events": "delete",
        "db": "compact,delete",
        "state": "compact",
    }
    assert found["db"].settings["retention.ms"] == "-1"


async def test_a_setting_that_differs_is_named_and_changed_back(admin: AdminClient) -> None:
    topics = KafkaTopics(admin, SystemClock())
    await topics.apply()
    await change(admin, "db", "cleanup.policy", "delete")

    assert await topics.check() == ["topic db has cleanup.policy = delete and must have compact,delete"]
    assert await topics.apply() == ["db: cleanup.policy = compact,delete (was delete)"]
    assert await topics.check() == []


async def test_how_long_readings_are_kept_follows_the_setting(admin: AdminClient) -> None:
    await KafkaTopics(admin, SystemClock(), retention_h=1).apply()

    assert await KafkaTopics(admin, SystemClock(), retention_h=2).apply() == [
        f"{name}: retention.ms = 7200000 (was 3600000)" for name in ("knx", "zwave", "events")
    ]


async def test_a_changed_number_of_partitions_is_refused_and_nothing_is_made(
    admin: AdminClient, cluster: Cluster
) -> None:
    await answers(admin.create_topics([NewTopic("zwave", 7, 1)]))
    while not present(admin):
        continue

    with pytest.raises(InputError, match="zwave has 7 partitions and must have 12"):
        await KafkaTopics(admin, SystemClock()).apply()
    assert list(await KafkaTopics(admin, SystemClock()).find()) == ["zwave"]
    with pytest.raises(InputError, match="zwave has 7 partitions and must have 12"):
        await KafkaBus(cluster.config, SystemClock()).start()


async def test_more_copies_than_brokers_are_refused(admin: AdminClient) -> None:
    with pytest.raises(InputError, match=r"bus\.replication = 3"):
        await KafkaTopics(admin, SystemClock(), replication=3).apply()


async def test_another_number_of_copies_is_refused(admin: AdminClient) -> None:
    await KafkaTopics(admin, SystemClock()).apply()

    with pytest.raises(InputError, match=r"replication 1 and bus\.replication says 3"):
        await KafkaTopics(admin, SystemClock(), replication=3).apply()


async def test_a_bus_does_not_start_on_a_topic_that_forgets(admin: AdminClient, cluster: Cluster) -> None:
    await KafkaTopics(admin, SystemClock()).apply()
    await change(admin, "state", "cleanup.policy", "delete")

    with pytest.raises(InputError, match=r"state has cleanup\.policy = delete and must have compact"):
        await KafkaBus(cluster.config, SystemClock()).start()


async def test_a_bus_waits_for_its_topics_and_says_so(admin: AdminClient, cluster: Cluster) -> None:
    clock = Patient()
    bus = KafkaBus(cluster.config, clock)
    with structlog.testing.capture_logs() as said:
        starting = asyncio.create_task(bus.start())
        async with asyncio.timeout(PATIENCE_S):
            await clock.waiting.wait()
            await KafkaTopics(admin, SystemClock()).apply()
            clock.go_on.set()
            await starting
            ends = await bus.end_positions(["state"])
    await bus.stop()

    waits = [line for line in said if line["event"] == "waiting for Kafka"]
    assert waits[0]["why"] == "no topic knx, zwave, events, db, state: `insula topics apply` makes them"
    assert ends == {("state", 0): 0}


async def test_a_bus_waits_for_its_brokers_and_says_so_and_the_library_prints_nothing(
    cluster: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    clock = Patient()
    bus = KafkaBus({"bootstrap.servers": "127.0.0.1:1"}, clock)
    with structlog.testing.capture_logs() as said:
        starting = asyncio.create_task(bus.start())
        async with asyncio.timeout(PATIENCE_S):
            await clock.waiting.wait()
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)

    assert [line["event"] for line in said if line["log_level"] == "warning"][-1] == "waiting for Kafka"
    assert capfd.readouterr().err == ""


def test_topics_from_the_command_line(
    admin: AdminClient,
    cluster: Cluster,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "insula.toml").write_text(f'[bus]\nkind = "kafka"\nservers = "{cluster.servers}"\n')

    def insula(*words: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        return end.value.code, capsys.readouterr().out

    assert "topic knx is missing" in str(insula("topics", "check")[0])
    assert insula("topics", "apply")[1].splitlines()[0] == "knx: made, partitions 12, replication 1"
    assert insula("topics", "apply") == insula("topics", "check") == (0, "the topics are as they must be\n")
    (tmp_path / "insula.toml").unlink()
    assert "bus.kind is not kafka" in str(insula("topics", "check")[0])
