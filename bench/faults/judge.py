"""Every reading and every command accounted for."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.faults.building import MEASURED
from bench.faults.campus import Campus
from bench.faults.chaos import Fault
from bench.faults.records import Records
from insula.messages import Command, DeviceRecord

AROUND_MS = 20_000
"""A fault explains for so long after it why a command found nobody: the gateway's start, its link."""
OF_GATEWAYS = ("knx", "zwave", "broker")
"""Faults of these may leave a command without an answer; it then expires."""

Row = tuple[str, str, str, str]
Told = tuple[str, str, float]


@dataclass
class Verdict:
    counts: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def fault(self, what: str, example: object, number: int = 1) -> None:
        self.faults[what] += number
        self.examples.setdefault(what, []).append(str(example))


def judge_readings(campus: Campus, records: Records, verdict: Verdict) -> None:
    """Each acknowledged reading that was new is in Log once, with its value; nothing else is."""
    fates: dict[tuple[str, str, str], tuple[str, float]] = {}
    for line in (campus.folder / "readings").read_text().splitlines():
        fate, device, reason, at, number = line.split("\t")
        fates[device, reason, at] = (fate, float(number))
    verdict.counts.update(f"readings {fate}" for fate, _ in fates.values())
    stored = Counter[tuple[str, str, str]]()
    sensors = [device.device_id for device in records.devices.values() if device.gateway_id == MEASURED]
    for device, reason, at, value in _log(campus, sensors):
        stored[device, reason, at] += 1
        if (device, reason, at) not in fates:
            verdict.fault("rows of Log that nobody sent", (device, reason, at, value))
        elif fates[device, reason, at][1] != float(value):
            verdict.fault("rows of Log with another value", (device, reason, at, value))
    verdict.counts["rows of Log"] = sum(stored.values())
    for key, (fate, sent) in fates.items():
        if stored[key] > 1:
            verdict.fault("readings twice in Log", key)
        if fate == "acked" and not stored[key]:
            verdict.fault("readings lost", (*key, sent))


def _log(campus: Campus, devices: Sequence[int]) -> Iterable[list[str]]:
    query = f"SELECT device, reason, timestamp, value FROM Log WHERE device BETWEEN {min(devices)} AND {max(devices)}"
    return campus.server.sql(query, campus.database.rpartition("/")[2])


def judge_commands(campus: Campus, records: Records, faults: Sequence[Fault], now: int, verdict: Verdict) -> None:
    """Each that was taken is on its topic, and has one answer, or an expiry that a fault explains.

    A producer whose brokers were away for 30 s may put a record there again. An id is carried out once all the same;
    the records of 2020 have none, and each is a command.
    """
    given = [line.split() for line in (campus.folder / "commands").read_text().splitlines()]
    verdict.counts.update(f"commands by {how} {fate}" for how, fate, *_ in given)
    verdict.counts["copies of commands"] = sum(records.copies.values()) - len(records.copies)
    there = {(one.device_id, one.point, one.value) for one in records.commands.values()}
    for how, fate, device, point, value in given:
        if fate != "unsure" and (int(device), point, float(value)) not in there:
            verdict.fault(f"commands by {how} not on the topic", (fate, device, point, value))
    for id_, command in records.commands.items():
        results = records.results.get(id_, {})
        verdict.counts.update(f"commands {result.outcome}" for result in list(results.values())[:1])
        if len(results) > 1:
            verdict.fault("commands answered twice", [f"{one.outcome} {one.reason}" for one in results.values()])
        if not results:
            _unanswered(command, faults, now, verdict)


def _unanswered(command: Command, faults: Sequence[Fault], now: int, verdict: Verdict) -> None:
    near = [
        fault
        for fault in faults
        if fault.kind in OF_GATEWAYS
        and fault.began - 1000 < command.expires_at
        and command.at < fault.ended + AROUND_MS
    ]
    if command.expires_at < now and near:
        verdict.counts["commands expired beside a fault"] += 1
    else:
        verdict.fault("commands lost silently", (command.gateway_id, command.device_id, command.at, command.id))


def judge_telegrams(campus: Campus, records: Records, verdict: Verdict) -> None:
    """No more telegrams with a value than commands that asked for it; one at least for each that is done."""
    of_address = {str(at.write): device for device in records.devices.values() if (at := device.point("position"))}
    of_node = {device.node_id: device for device in records.devices.values() if device.gateway_id == "zwave"}
    sent = Counter[tuple[int, str, float]]()
    for line in (campus.folder / "telegrams").read_text().splitlines():
        bus, name, text = line.split()
        device: DeviceRecord | None = of_address.get(name) if bus == "knx" else of_node.get(int(name))
        if device is not None:
            point, value = ("position", 100 - round(int(text) * 100 / 255)) if bus == "knx" else ("level", int(text))
            sent[device.device_id, point, value] += 1
    verdict.counts["telegrams"] = sum(sent.values())
    asked = Counter((one.device_id, one.point, one.value) for one in records.commands.values())
    for key, number in sent.items():
        if number > asked[key]:
            verdict.fault("commands carried out twice", (*key, f"{number} telegrams, {asked[key]} commands"))
    for id_, results in records.results.items():
        command = next(iter(results.values())).command
        key = (command.device_id, command.point, command.value)
        done = any(one.outcome == "done" for one in results.values())
        if done and command.point in ("position", "level") and not sent[key]:
            verdict.fault("commands done without a telegram", (*key, id_))


def judge_tables(campus: Campus, records: Records, verdict: Verdict) -> None:
    """Every result is in its table once; ``db`` lists the devices of the database; the recorders have caught up."""
    database = campus.database.rpartition("/")[2]
    rows = Counter(row[0] for row in campus.server.sql("SELECT id FROM CommandResult", database))
    known = {id_ for results in records.results.values() for id_ in results}
    verdict.counts["results"] = len(known)
    for id_ in known - rows.keys():
        verdict.fault("results not in their table", id_)
    devices = {int(row[0]) for row in campus.server.sql("SELECT id FROM Device WHERE room IS NOT NULL", database)}
    verdict.counts["devices on db"] = len(records.listed)
    for device in devices ^ records.listed:
        verdict.fault("devices missing on db, or too many", device)
    for place, number in records.behind.items():
        verdict.fault("records that the recorders did not reach", place, number)
