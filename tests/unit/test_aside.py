"""What a controller keeps of the rooms that others decide for."""

from insula.building.state import SETTLE_MS
from insula.bus.port import Record
from insula.controller.aside import Aside

OURS = {1}
"""The partition of room 1 and of room 13."""


def record(room: str, point: str = "3/motion", offset: int = 0) -> Record:
    return Record("zwave", 0, offset, "sensors_get_motion", b"{}", {"room": room, "point": point})


def test_only_the_last_record_of_each_point_of_others_rooms_is_kept() -> None:
    aside = Aside()
    assert aside.keep(record("2", offset=1), OURS, 100)
    assert aside.keep(record("2", "3/temperature", offset=2), OURS, 200)
    assert aside.keep(record("2", offset=3), OURS, 5000)
    assert not aside.keep(record("1"), OURS, 100)
    assert not aside.keep(record("13"), OURS, 100)
    ((room_id, records, settled_at),) = aside.rooms({2})
    assert (room_id, [one.offset for one in records]) == (2, [2, 3])
    assert settled_at == 200 + SETTLE_MS
    assert len(aside) == 0


def test_rooms_of_other_partitions_stay_aside() -> None:
    aside = Aside()
    aside.keep(record("2"), OURS, 100)
    aside.keep(record("3"), OURS, 100)
    assert [room_id for room_id, _, _ in aside.rooms({3})] == [3]
    assert len(aside) == 1


def test_a_record_goes_behind_older_ones_of_a_room_that_is_being_taken_over() -> None:
    aside = Aside()
    aside.keep(record("2", offset=1), OURS, 100)
    assert aside.keep(record("2", offset=2), {1, 2}, 200)
    ((_, records, _),) = aside.rooms({2})
    assert [one.offset for one in records] == [2]
    assert not aside.keep(record("2", offset=3), {1, 2}, 300)


def test_a_record_that_does_not_say_its_room_is_not_kept() -> None:
    aside = Aside()
    assert not aside.keep(Record("zwave", 0, 0, "sensors_get_motion", b"{}"), OURS, 100)
    assert not aside.keep(record("a room"), OURS, 100)
