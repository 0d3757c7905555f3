"""What a controller keeps of rooms that it is taking over."""

from insula.bus.port import Record
from insula.controller.aside import Aside

KNX_END, ZWAVE_END = ("knx", 2), ("zwave", 2)


def record(offset: int, point: str = "3/motion", *, at: int = 0, partition: int = 2) -> Record:
    return Record("zwave", partition, offset, "sensors_get_motion", b"{}", {"room": "2", "point": point}, at)


def test_the_last_record_of_each_point_comes_in_order_and_says_since_when_the_point_is_known() -> None:
    aside = Aside()
    aside.expect({KNX_END: 0, ZWAVE_END: 3})
    assert aside.keep(record(0, at=100))
    assert aside.keep(record(1, "3/temperature", at=200))
    assert aside.keep(record(2, at=5000))
    ((number, kept),) = aside.come({KNX_END: 0, ZWAVE_END: 3})
    assert number == 2
    assert [(one.record.offset, one.since) for one in kept] == [(1, 200), (2, 100)]
    assert not aside.keep(record(3)), "what comes from then on is taken at once"


def test_a_partition_is_kept_until_all_of_its_topics_have_come() -> None:
    aside = Aside()
    aside.expect({KNX_END: 5, ZWAVE_END: 1})
    assert aside.keep(record(0))
    assert list(aside.come({KNX_END: 4, ZWAVE_END: 1})) == []
    assert [number for number, _ in aside.come({KNX_END: 5, ZWAVE_END: 1})] == [2]


def test_commands_and_records_without_headers_are_all_kept() -> None:
    aside = Aside()
    aside.expect({ZWAVE_END: 2})
    assert all(aside.keep(Record("zwave", 2, offset, "switch", b"{}")) for offset in (0, 1))
    ((_, kept),) = aside.come({ZWAVE_END: 2})
    assert [one.record.offset for one in kept] == [0, 1]


def test_other_partitions_are_left_alone_and_what_is_given_up_is_forgotten() -> None:
    aside = Aside()
    aside.expect({ZWAVE_END: 1})
    assert not aside.keep(record(0, partition=3))
    aside.drop({2})
    assert not aside.keep(record(0))
    assert list(aside.come({ZWAVE_END: 1})) == []


def test_two_who_ask_at_once_are_given_each_partition_once() -> None:
    aside = Aside()
    aside.expect({("knx", 1): 0, ("knx", 2): 0, ("knx", 3): 0})
    end = {("knx", number): 0 for number in (1, 2, 3)}
    one, other = aside.come(end), aside.come(end)
    assert [next(one)[0], next(other)[0], next(one)[0]] == [1, 2, 3]
    assert [*one, *other] == []
