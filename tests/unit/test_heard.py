"""What is kept for rehearsals beside Log: what counts less or more, what ``state`` says; and what Log must hold."""

import msgspec
import pytest
from msgspec.structs import replace

from insula.bus.devices import DeviceIndex
from insula.bus.port import Record
from insula.clock import ManualClock
from insula.messages import LeaseEnd, Reading
from insula.recorder.heard import Heard
from insula.recorder.selection import Selection
from insula.store.heard import LEASE_END, QUALITY, HeardIn
from tests.a_room import BLIND, MINUTE, NOON, devices, reading


@pytest.fixture
def heard() -> Heard:
    index = DeviceIndex()
    for device in devices():
        index.put(device)
    return Heard(index, ManualClock(NOON))


def state(key: str, value: bytes | None, offset: int = 0) -> Record:
    return Record(topic="state", partition=0, offset=offset, at=NOON, key=key, value=value, headers={})


def test_only_what_counts_less_or_more_than_before_is_kept(heard: Heard) -> None:
    good = reading("motion", 1, NOON)
    stale = replace(good, quality="stale", at=NOON + MINUTE)
    assert list(heard.reading(good)) == []
    (fallen,) = heard.reading(stale)
    assert (fallen.key, fallen.timestamp, fallen.room_id) == (QUALITY, NOON + MINUTE, 1)
    assert msgspec.json.decode(fallen.value, type=Reading) == stale
    assert list(heard.reading(stale)) == []
    (back,) = heard.reading(replace(good, at=NOON + 2 * MINUTE))
    assert back.id != fallen.id
    assert list(heard.reading(reading("motion", 0, NOON + 3 * MINUTE))) == []


def test_what_is_read_again_has_the_same_id(heard: Heard) -> None:
    stale = reading("motion", 1, NOON, quality="stale", id="r1")
    (first,) = heard.reading(stale)
    (second,) = Heard(DeviceIndex(), ManualClock(NOON)).reading(stale)
    assert first.id == second.id
    assert second.room_id is None


def test_of_topic_state_it_is_what_deciding_depends_on(heard: Heard) -> None:
    (kept,) = heard.state(state("rules/building", b"{}"))
    assert (kept.key, kept.value, kept.room_id) == ("rules/building", b"{}", None)
    assert list(heard.state(state("rules/building", b"{}", 1))) == []
    (gone,) = heard.state(state("rules/building", None, 2))
    assert gone.value == b""
    (room,) = heard.state(state("room/7", b"{}", 3))
    assert room.room_id == 7
    for key in ("lease/1", "health/api/1", "shadow/building", "alert/x"):
        assert list(heard.state(state(key, b"{}"))) == []


def test_an_early_end_of_a_lease_is_kept(heard: Heard) -> None:
    kept = heard.lease_end(LeaseEnd(at=NOON, device_id=BLIND))
    assert isinstance(kept, HeardIn)
    assert (kept.key, kept.room_id) == (LEASE_END, 1)


# --- Log


def test_each_measurement_of_illuminance_is_logged() -> None:
    selection = Selection(300)
    for minute in range(3):
        one = reading("illuminance", 120, NOON + minute * MINUTE, changed_at=NOON)
        row = selection.row(one, one.measured_at)
        assert row is not None
        assert row.timestamp == one.measured_at
        assert selection.row(replace(one, resend=True), one.measured_at) is None


def test_the_last_sign_of_life_before_a_silence_is_logged() -> None:
    selection = Selection(300)
    first = reading("temperature", 20, NOON)
    last = reading("temperature", 20, NOON + 4 * MINUTE, changed_at=NOON)
    assert selection.row(first, NOON) is not None
    assert selection.row(last, NOON + 4 * MINUTE) is None
    resend = replace(last, resend=True)
    rows = [selection.row(resend, NOON + minute * MINUTE) for minute in range(9, 40, 5)]
    assert [row.timestamp for row in rows if row is not None] == [NOON + 4 * MINUTE]
