"""Apache Kafka for tests: real brokers (KRaft, broker and controller in one process) on free ports of loopback."""

import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException

from insula.bus.kafka_client import admin_client

JARS = Path(__file__).parents[2] / ".services" / "kafka"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
READY_S = 120
STOP_S = 30
JAVA = ("java", "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*")
PROPERTIES = """\
process.roles=broker,controller
node.id={number}
controller.quorum.voters={voters}
listeners={listeners}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/log
auto.create.topics.enable=false
default.replication.factor={copies}
min.insync.replicas={in_sync}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=65536
"""
FAILOVER = {
    "broker.session.timeout.ms": 1000,
    "broker.heartbeat.interval.ms": 200,
    "controller.quorum.fetch.timeout.ms": 600,
    "metadata.max.idle.interval.ms": 150,  # what the quorum's members hear from their leader, four times in the above
    "controller.quorum.election.timeout.ms": 150,
    "controller.quorum.election.backoff.max.ms": 150,
    "controller.quorum.request.timeout.ms": 600,
    "replica.fetch.backoff.ms": 100,  # its second was added where a follower heard of a new leader before that one did
    "replica.fetch.wait.max.ms": 100,  # so long a follower's request stands before it asks for more partitions
}
"""How soon the others go on without a broker that died; ``deploy/compose.three-brokers.yaml`` says the same."""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


@dataclass
class Broker:
    number: int
    port: int
    folder: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"

    def start(self) -> None:
        with (self.folder / "out").open("ab") as out:
            command = [*JAVA, "kafka.Kafka", str(self.properties)]
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        """At once, as a power cut does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_S)

    def check(self) -> None:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"broker {self.number} ended:\n{(self.folder / 'out').read_text()[-2000:]}")


@dataclass
class Cluster:
    """Its brokers, which keep their ports and folders when they are started again."""

    brokers: list[Broker] = field(default_factory=list)

    @property
    def servers(self) -> str:
        return ",".join(f"127.0.0.1:{broker.port}" for broker in self.brokers)

    @property
    def config(self) -> dict[str, str]:
        return {"bootstrap.servers": self.servers}

    def wait(self) -> None:
        """Until all brokers know each other."""
        admin = admin_client(self.config)
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            for broker in self.brokers:
                broker.check()
            try:
                if len(admin.list_topics(timeout=1).brokers) == len(self.brokers):
                    return
            except KafkaException:
                continue
        raise RuntimeError("the brokers are not ready")

    def stop(self) -> None:
        running = [broker.process for broker in self.brokers if broker.process and broker.process.poll() is None]
        for process in running:
            process.terminate()
        for process in running:
            process.wait(STOP_S)


def lay_out(
    folder: Path, count: int, listener: str = "", more: Mapping[str, str] = {}, formatting: Sequence[str] = ()
) -> Cluster:
    """A new cluster in this folder, formatted and not yet started. ``listener``: one more; ``more``: properties of each
    broker; ``formatting``: options for its folder."""
    ports = free_ports(2 * count)
    cluster = Cluster([Broker(n + 1, ports[n], folder / f"broker{n + 1}") for n in range(count)])
    voters = ",".join(f"{n + 1}@127.0.0.1:{port}" for n, port in enumerate(ports[count:]))
    programs = []
    for broker, quorum_port in zip(cluster.brokers, ports[count:], strict=True):
        broker.folder.mkdir(parents=True)
        text = PROPERTIES.format(
            number=broker.number,
            voters=voters,
            listeners=",".join(filter(None, (*plain_listeners(broker.port, quorum_port), listener))),
            folder=broker.folder,
            copies=min(3, count),
            in_sync=max(1, min(3, count) - 1),
        )
        settings = {**FAILOVER, **more}
        broker.properties.write_text(text + "".join(f"{name}={value}\n" for name, value in settings.items()))
        command = [*JAVA, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(broker.properties)]
        programs.append(subprocess.Popen([*command, *formatting], stdout=subprocess.DEVNULL))
    if any(process.wait(READY_S) for process in programs):
        raise RuntimeError("the brokers' folders could not be formatted")
    return cluster


def plain_listeners(port: int, quorum_port: int) -> tuple[str, str]:
    return f"PLAINTEXT://127.0.0.1:{port}", f"CONTROLLER://127.0.0.1:{quorum_port}"


@contextmanager
def running(
    folder: Path, count: int = 1, listener: str = "", more: Mapping[str, str] = {}, formatting: Sequence[str] = ()
) -> Iterator[Cluster]:
    """A cluster of so many brokers, which know each other; stopped at the end. The rest is for ``lay_out``."""
    cluster = lay_out(folder, count, listener, more, formatting)
    try:
        for broker in cluster.brokers:
            broker.start()
        cluster.wait()
        yield cluster
    finally:
        cluster.stop()
