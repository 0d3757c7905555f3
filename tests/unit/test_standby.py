"""What who stands by keeps, and for how long a member of a group is sure of its share."""

import pytest
from confluent_kafka import KafkaError, TopicPartition

from insula.bus import kafka_tenure
from insula.bus.kafka_tenure import Tenure
from insula.gateways.standby import OWED_MS, Untold
from insula.gateways.values import LastValues
from insula.messages import DeviceRecord, Point
from tests.a_room import NOON, reading

RADIATOR = DeviceRecord(
    device_id=2, room_id=1, room_number=1, type="knx", gateway_id="knx", kind="radiator", points=(Point(role="valve"),)
)


def test_what_the_driver_has_told_is_owed_no_more() -> None:
    untold = Untold()
    untold.add([reading("valve", value, NOON + value) for value in (1, 2, 3)])
    untold.told(reading("valve", 2))
    untold.told(reading("valve", 9))
    assert [one.value for one in untold.take(NOON)] == [3]
    assert untold.take(NOON) == []


def test_what_the_driver_never_heard_is_not_owed_for_ever() -> None:
    untold = Untold()
    untold.add([reading("valve", 1, NOON), reading("level", 2, NOON + 1)])
    assert [one.value for one in untold.take(NOON + OWED_MS + 1)] == [2]


def test_what_the_driver_knows_is_known_to_who_stands_by() -> None:
    values = LastValues("knx")
    values.keep([RADIATOR])
    values.adopt(reading("valve", 40, NOON), connected=False)
    assert [(one.value, one.quality) for one in values.again(values.keys(), NOON, NOON)] == [(40, "stale")]
    values.adopt(reading("valve", 50, NOON), connected=True)
    assert [one.value for one in values.again(values.keys(), NOON, NOON)] == [40]


class Coordinator:
    """Takes commits; ``offsets`` are those not answered yet."""

    def __init__(self) -> None:
        self.offsets: list[int] = []

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> None:
        self.offsets += [place.offset for place in offsets]


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(kafka_tenure, "monotonic_s", lambda: now[0])
    return now


def test_a_share_is_certain_for_less_than_a_session_after_a_commit_was_sent(time: list[float]) -> None:
    tenure, coordinator = Tenure(6), Coordinator()
    tenure.ask(coordinator, ("state", 0))
    assert not tenure.certain()
    time[0] += 2
    tenure.answered(None, [TopicPartition("state", 0, coordinator.offsets[0])])
    assert tenure.certain()
    time[0] += 3.1
    assert not tenure.certain()


def test_a_refused_commit_and_one_of_an_earlier_share_confirm_nothing(time: list[float]) -> None:
    tenure, coordinator = Tenure(6), Coordinator()
    tenure.ask(coordinator, ("state", 0))
    tenure.answered(KafkaError(KafkaError.UNKNOWN_MEMBER_ID), [TopicPartition("state", 0, coordinator.offsets[0])])
    time[0] += 1
    tenure.ask(coordinator, ("state", 0))
    tenure.end()
    tenure.answered(None, [TopicPartition("state", 0, coordinator.offsets[1])])
    assert not tenure.certain()
