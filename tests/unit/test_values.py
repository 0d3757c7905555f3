"""Last values: since when, how good, re-sends; and valves that must be told again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from insula.gateways.repeats import Repeats
from insula.gateways.values import LastValues
from insula.messages import DeviceRecord, Origin, Point, Reading
from insula.points import role

REAL = 9_000_000
DEVICE = Origin(kind="device")


def device(device_id: int = 7, kind: str = "blind", type_: str = "knx", **fields: object) -> DeviceRecord:
    points = fields.pop("points", (Point(role="position"), Point(role="motion"), Point(role="temperature")))
    return DeviceRecord(
        device_id=device_id,
        room_id=1,
        room_number=1,
        type=type_,
        gateway_id="g",
        kind=kind,
        points=points,
        **fields,
    )


@pytest.fixture
def values() -> LastValues:
    values = LastValues("g")
    values.keep([device()])
    return values


def report(
    values: LastValues, point: str, value: float, now: int, device_id: int = 7, measured_at: int | None = None
) -> Reading:
    return values.report(device_id, role(point), value, origin=DEVICE, now=now, real=REAL, measured_at=measured_at)


def again(values: LastValues, now: int) -> list[Reading]:
    return values.again(values.keys(), now, REAL + 1)


def test_nothing_is_known_before_a_report(values: LastValues) -> None:
    assert values.keys() == ()
    assert again(values, 1000) == []


@pytest.mark.parametrize("value", [0.0, 42.0, 100.0])
def test_a_first_report_has_just_changed(values: LastValues, value: float) -> None:
    reading = report(values, "position", value, 1000)
    assert (reading.value, reading.measured_at, reading.changed_at, reading.seen_at) == (value, 1000, 1000, 1000)
    assert (reading.quality, reading.at, reading.resend, reading.gateway_id) == ("good", REAL, False, "g")


def test_the_same_value_again_is_a_new_measurement_that_changed_nothing(values: LastValues) -> None:
    first, second = report(values, "position", 42, 1000), report(values, "position", 42.3, 2000)
    assert second.id != first.id
    assert (second.measured_at, second.changed_at, second.value) == (2000, 1000, 42)


def test_another_value_has_changed_now(values: LastValues) -> None:
    report(values, "position", 42, 1000)
    assert report(values, "position", 0, 2000).changed_at == 2000


@pytest.mark.parametrize(("point", "value"), [("temperature", 870.0), ("position", 101), ("motion", -1)])
def test_what_is_out_of_range_is_uncertain(values: LastValues, point: str, value: float) -> None:
    assert report(values, point, value, 1000).quality == "uncertain"


def test_a_resend_renews_nothing_but_its_time_and_the_sign_of_life(values: LastValues) -> None:
    reading = report(values, "temperature", 21.5, 1000)
    assert again(values, 6000) == [replace(reading, at=REAL + 1, resend=True)]
    values.alive(7, 7000, REAL)
    assert again(values, 8000) == [replace(reading, at=REAL + 1, resend=True, seen_at=7000)]


def test_what_can_be_read_back_on_knx_is_seen_while_the_link_holds(values: LastValues) -> None:
    report(values, "position", 42, 1000)
    report(values, "motion", 1, 1000)
    assert [reading.seen_at for reading in again(values, 60_000)] == [60_000, 1000]
    values.lost(REAL)
    assert [reading.seen_at for reading in again(values, 90_000)] == [1000, 1000]


def test_on_zwave_only_the_node_itself_is_a_sign_of_life() -> None:
    values = LastValues("g")
    values.keep([device(type_="zwave")])
    report(values, "position", 42, 1000)
    assert again(values, 60_000)[0].seen_at == 1000


def test_when_the_link_drops_all_is_stale_once_until_it_is_reported(values: LastValues) -> None:
    before = report(values, "position", 42, 1000)
    assert values.lost(REAL) == [replace(before, quality="stale")]
    assert values.lost(REAL) == []
    assert again(values, 6000)[0].quality == "stale"
    assert values.alive(7, 7000, REAL) == []
    after = report(values, "position", 42, 8000)
    assert (after.quality, after.changed_at) == ("good", 1000)


def test_a_dead_devices_values_are_stale_until_it_is_alive(values: LastValues) -> None:
    good = report(values, "temperature", 21.5, 1000)
    odd = report(values, "position", 120, 1000)
    report(values, "temperature", 20, 1000, device_id=8)
    assert [(one.point, one.quality, one.id) for one in values.dead(7, REAL)] == [
        ("temperature", "stale", good.id),
        ("position", "stale", odd.id),
    ]
    assert values.dead(7, REAL) == []
    back = values.alive(7, 5000, REAL)
    assert [(one.point, one.quality, one.seen_at) for one in back] == [
        ("temperature", "good", 5000),
        ("position", "uncertain", 5000),
    ]
    assert [one.changed_at for one in back] == [1000, 1000]
    assert report(values, "position", 40, 6000).quality == "good"


def test_what_a_silent_device_tells_only_when_it_changes_counts_when_it_is_told_again() -> None:
    values = LastValues("g")
    values.keep([device(type_="zwave")])
    report(values, "motion", 1, 1000)
    report(values, "temperature", 21, 1000)
    assert values.alive(7, 1_700_000, REAL) == []
    back = values.alive(7, 3_600_000, REAL)
    assert [(one.point, one.quality) for one in back] == [("motion", "uncertain")]
    assert values.alive(7, 3_700_000, REAL) == []
    assert report(values, "motion", 1, 3_800_000).quality == "good"


def test_a_dead_device_whose_link_dropped_must_report_again(values: LastValues) -> None:
    report(values, "temperature", 21.5, 1000)
    values.dead(7, REAL)
    values.lost(REAL)
    assert values.alive(7, 5000, REAL) == []


def test_a_report_of_a_dead_device_counts_by_itself(values: LastValues) -> None:
    report(values, "temperature", 21.5, 1000)
    values.dead(7, REAL)
    assert report(values, "temperature", 22, 2000).quality == "good"
    assert values.alive(7, 3000, REAL) == []


def test_what_the_field_bus_remembers_is_as_old_as_it_says(values: LastValues) -> None:
    reading = report(values, "temperature", 21.5, 9000, measured_at=4000)
    assert (reading.measured_at, reading.changed_at, reading.seen_at) == (4000, 4000, 4000)


def test_what_both_remember_is_the_same_reading_and_counts_again(values: LastValues) -> None:
    before = report(values, "temperature", 21.5, 4000)
    values.lost(REAL)
    assert report(values, "temperature", 21.5, 9000, measured_at=4000) == before
    changed = report(values, "temperature", 22, 9000, measured_at=4000)
    assert changed.id != before.id


def test_removed_devices_are_forgotten(values: LastValues) -> None:
    report(values, "position", 42, 1000)
    report(values, "position", 42, 1000, device_id=8)
    values.dead(7, REAL)
    values.keep([device(8)])
    assert values.keys() == ((8, "position"),)
    assert values.again([(7, "position")], 2000, REAL) == []


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 10_000)), min_size=1))
def test_changed_at_is_the_first_report_of_the_present_run_of_equal_values(steps: list[tuple[int, int]]) -> None:
    values, now, since, last = LastValues("g"), 0, 0, None
    for value, gap in steps:
        now += gap
        since, last = (since if value == last else now), value
        reading = report(values, "position", value, now)
        assert (reading.measured_at, reading.changed_at) == (now, since)


# --- valves

TEN_MINUTES = 600_000


def valve(device_id: int = 3, kind: str = "radiator", **options: float) -> DeviceRecord:
    return device(device_id, kind, points=(Point(role="valve"),), options=options)


@pytest.fixture
def repeats() -> Repeats:
    repeats = Repeats()
    repeats.keep([valve()])
    return repeats


def test_a_valve_is_told_again_every_ten_minutes(repeats: Repeats) -> None:
    repeats.told(3, "valve", 0, 1000)
    assert repeats.due(TEN_MINUTES) == []
    assert repeats.due(1000 + TEN_MINUTES) == [(3, 0)]
    assert repeats.due(2 * TEN_MINUTES) == []
    assert repeats.due(1000 + 2 * TEN_MINUTES) == [(3, 0)]


def test_a_valve_that_only_reported_is_told_what_it_said(repeats: Repeats) -> None:
    repeats.said(3, "valve", 30, 1000, by_hand=False)
    repeats.said(3, "valve", 40, 2000, by_hand=False)
    assert repeats.due(1000 + TEN_MINUTES) == [(3, 40)]


def test_positions_on_the_way_do_not_replace_what_it_was_told(repeats: Repeats) -> None:
    repeats.told(3, "valve", 90, 1000)
    repeats.said(3, "valve", 45, 2000, by_hand=False)
    assert repeats.due(1000 + TEN_MINUTES) == [(3, 90)]


def test_what_somebody_else_told_it_does(repeats: Repeats) -> None:
    repeats.told(3, "valve", 90, 1000)
    repeats.said(3, "valve", 20, 2000, by_hand=True)
    assert repeats.due(1000 + TEN_MINUTES) == [(3, 20)]


def test_a_valve_of_which_nothing_is_known_is_told_nothing(repeats: Repeats) -> None:
    assert repeats.due(10 * TEN_MINUTES) == []


def test_other_points_and_devices_are_not_repeated(repeats: Repeats) -> None:
    repeats.told(3, "position", 90, 0)
    repeats.said(3, "temperature", 20, 0, by_hand=False)
    repeats.told(4, "valve", 90, 0)
    repeats.said(4, "valve", 90, 0, by_hand=False)
    assert repeats.due(10 * TEN_MINUTES) == []


@pytest.mark.parametrize(
    ("record", "seconds"),
    [
        (valve(repeat_s=60), 60),
        (valve(kind="towel_rail", repeat_s=90), 90),
        (valve(), 600),
        (valve(repeat_s=0), None),
        (valve(kind="towel_rail"), None),
        (device(3, "radiator", points=(Point(role="setpoint"),)), None),
        (device(3, "radiator", points=(Point(role="valve"),), options={"repeat_s": "often"}), None),
    ],
)
def test_how_often_is_an_option_of_the_device(record: DeviceRecord, seconds: int | None) -> None:
    repeats = Repeats()
    repeats.keep([record])
    repeats.told(3, "valve", 50, 0)
    assert repeats.due((seconds or 10_000) * 1000 - 1) == []
    assert bool(repeats.due((seconds or 10_000) * 1000)) is (seconds is not None)


def test_a_new_list_keeps_what_is_known_and_takes_the_new_period(repeats: Repeats) -> None:
    repeats.told(3, "valve", 50, 0)
    repeats.keep([valve(repeat_s=60), valve(4)])
    assert repeats.due(TEN_MINUTES) == [(3, 50)]
    assert repeats.due(TEN_MINUTES + 60_000) == [(3, 50)]
    repeats.keep([valve(4)])
    assert repeats.due(10 * TEN_MINUTES) == []
