"""Alerts are raised once, cleared by themselves, and no device that lives has one."""

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from insula.alerts.book import Book, device_subject
from insula.alerts.conditions import (
    DEAD_MS,
    DEVICE_KINDS,
    LIMITS,
    NOTICE_MS,
    Condition,
    Found,
    Link,
    of_device,
    of_gateway,
    of_part,
)
from insula.alerts.orders import Order, Orders
from insula.building.vitals import SILENT_MIN, Vitals, silent_after, vitals
from insula.bus.health import taken_away
from insula.messages import Alert, AlertEvent, Command, Health, Origin, Point
from tests.a_room import BLIND, NOON, SENSOR, devices, points, reading

MINUTE = 60_000
SILENT = 30 * MINUTE
ROOM = {device.device_id: device for device in devices()}
THE_SENSOR = ROOM[SENSOR]
WRONG = Condition("warning", "wrong", for_ms=20_000)
LINK = Link(0)


def found_of(
    *, seen: int | None, now: int, dead: bool = False, battery: float | None = None, link: Link = LINK
) -> Found:
    device = replace(THE_SENSOR, points=(*THE_SENSOR.points, Point(role="battery")))
    return of_device(device, Vitals(seen, dead, battery), [], None, link, now, LIMITS.battery)


# --- the book

steps = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["wrong", "well", "unsure"]), st.integers(0, 60_000)),
    max_size=60,
)


@given(steps, st.lists(st.integers(0, 60), max_size=5))
@settings(max_examples=300, deadline=None)
def test_raised_and_cleared_take_turns_whatever_happens(given: list[tuple[str, str, int]], restarts: list[int]) -> None:
    """Restarts too: the next book has what was published."""
    book, now, told = Book(), NOON, defaultdict[str, list[str]](list)
    published: dict[str, Alert] = {}
    for number, (subject, how, passed) in enumerate(given):
        now += passed
        if number in restarts:
            book = Book()
            for alert in published.values():
                book.put(alert)
        found: Found = {"wrong": {"away": WRONG}, "well": {}, "unsure": {"away": None}}[how]
        for event in book.judge(subject, ("away",), found, now, now):
            told[event.alert.key].append(event.what)
            published[event.alert.key] = event.alert
            assert how == {"raised": "wrong", "cleared": "well"}[event.what]
    for events in told.values():
        assert events == ["raised", "cleared"] * (len(events) // 2) + ["raised"] * (len(events) % 2)


def judge(book: Book, found: Found, now: int = NOON) -> list[AlertEvent]:
    return list(book.judge("device-3", DEVICE_KINDS, found, now, now))


def test_what_is_wrong_for_a_moment_is_no_alert() -> None:
    book = Book()
    assert judge(book, {"away": WRONG}) == []
    assert judge(book, {}, NOON + 10_000) == []
    assert judge(book, {"away": WRONG}, NOON + 20_000) == []
    assert [event.what for event in judge(book, {"away": WRONG}, NOON + 40_000)] == ["raised"]
    assert judge(book, {"away": WRONG}, NOON + 60_000) == []


def raised(book: Book) -> Alert:
    judge(book, {"away": WRONG})
    return judge(book, {"away": WRONG}, NOON + 20_000)[0].alert


def test_an_acknowledgement_is_of_this_very_alert_and_once() -> None:
    book = Book()
    alert = raised(book)
    assert list(book.acknowledge(alert.key, "another", "anna", NOON, NOON)) == []
    assert [event.alert.acknowledged_by for event in book.acknowledge(alert.key, alert.id, "anna", NOON, NOON)] == [
        "anna"
    ]
    assert list(book.acknowledge(alert.key, alert.id, "ben", NOON, NOON)) == []


def test_who_was_told_of_one_that_is_over_meanwhile_is_told_of_that_too() -> None:
    book = Book()
    alert = raised(book)
    assert [event.what for event in judge(book, {}, NOON + 30_000)] == ["cleared"]
    assert [one.told for one in book.told([alert], "mail")] == [("mail:raised",)]
    assert [one.told for one in book.told(list(book.alerts.values()), "mail")] == [("mail:raised", "mail:cleared")]


def test_what_is_no_part_of_the_building_any_more_is_over() -> None:
    book = Book()
    raised(book)
    assert list(book.gone({"device-3"}, NOON, NOON)) == []
    assert [event.what for event in book.gone(set(), NOON, NOON)] == ["cleared"]
    assert list(book.gone(set(), NOON, NOON)) == []


# --- devices


@given(
    gaps=st.lists(st.integers(1, SILENT // 1000 - 60), min_size=1, max_size=20),
    cuts=st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 20_000)), max_size=3),
)
@settings(max_examples=200, deadline=None)
def test_no_device_that_lives_has_an_alert(gaps: list[int], cuts: list[tuple[int, int]]) -> None:
    """It reports within its limit; its gateway is cut now and then, and hears nothing meanwhile."""
    reports, at = [NOON], NOON
    for gap in gaps:
        at += gap * 1000
        reports.append(at)
    away = [(NOON + start * 1000, NOON + (start + length) * 1000) for start, length in cuts]
    heard = [report for report in reports if not any(begin <= report < end for begin, end in away)]
    book = Book()
    for now in range(NOON, at, 20_000):
        gone = any(begin <= now < end for begin, end in away)
        back = max([end for _, end in away if end <= now], default=0)
        link = Link() if gone or (back and now - back < MINUTE) else Link(back)
        seen = max([report for report in heard if report <= now], default=None)
        dead = seen is not None and seen < back  # what the cut made stale counts again once it is reported
        events = list(book.judge("device-3", ("away",), found_of(seen=seen, now=now, dead=dead, link=link), now, now))
        assert events == []


@given(dies_after=st.integers(0, 600), look=st.integers(5, 30), marked=st.booleans())
@settings(deadline=None)
def test_a_device_that_dies_has_one_alert_within_its_limit(dies_after: int, look: int, marked: bool) -> None:
    died = NOON + dies_after * 1000
    book, told = Book(), []
    for now in range(NOON, died + 2 * SILENT, look * 1000):
        seen = min(now, died)
        found = found_of(seen=seen, now=now, dead=marked and now > died)
        told += [now for _ in book.judge("device-3", ("away",), found, now, now)]
    limit = max(DEAD_MS, NOTICE_MS) if marked else SILENT + NOTICE_MS
    assert len(told) == 1
    assert told[0] - died <= limit + 2 * look * 1000


def test_silence_behind_a_dead_gateway_says_nothing() -> None:
    assert found_of(seen=NOON, now=NOON + 10 * SILENT, link=Link()) == dict.fromkeys(DEVICE_KINDS)


def test_a_device_never_heard_of_has_its_limit_from_now_on() -> None:
    found = found_of(seen=None, now=NOON)
    assert found["away"] is not None
    assert found["away"].for_ms == SILENT


def test_a_battery_is_low_until_it_is_clearly_not() -> None:
    levels = {level: found_of(seen=NOON, now=NOON, battery=level) for level in (15, 17, 20)}
    low = {level: found.get("battery", "well") for level, found in levels.items()}
    assert isinstance(low[15], Condition)
    assert (low[17], low[20]) == (None, "well")
    assert found_of(seen=NOON, now=NOON)["battery"] is None


def test_how_long_a_device_may_be_silent() -> None:
    assert silent_after(THE_SENSOR) == SILENT
    assert silent_after(replace(THE_SENSOR, options={SILENT_MIN: 90})) == 90 * MINUTE
    assert silent_after(replace(THE_SENSOR, options={SILENT_MIN: 0})) is None
    assert silent_after(replace(THE_SENSOR, points=points("move", "stop"))) is None
    never = replace(THE_SENSOR, options={SILENT_MIN: 0})
    assert of_device(never, Vitals(NOON), [], None, LINK, NOON + 100 * SILENT, 15) == {}


def test_vitals_are_of_all_its_points() -> None:
    some = [reading("temperature", 20, NOON), reading("battery", 42, NOON - MINUTE)]
    assert vitals(some, NOON) == Vitals(NOON, False, 42)
    assert vitals([replace(one, quality="stale") for one in some], NOON) == Vitals(NOON, True, 42)
    assert vitals(some, NOON + 3 * 86_400_000).battery is None
    assert vitals([], NOON) == Vitals()


# --- commands that were never shown


def command(value: float, point: str = "position") -> Command:
    return Command(at=NOON, device_id=BLIND, gateway_id="knx", point=point, value=value, expires_at=NOON + 30_000)


def unanswered(orders: Orders, value: float, at: int, **fields: object) -> list[Order]:
    return orders.unanswered(BLIND, {"position": replace(reading("position", value, at), **fields)})


def test_a_position_that_is_shown_settles_the_command() -> None:
    orders = Orders(3 * MINUTE)
    orders.done(command(80), {"position"}, NOON)
    assert len(unanswered(orders, 10, NOON + 1000)) == 1
    assert unanswered(orders, 78, NOON + 2000) == []
    assert unanswered(orders, 10, NOON + 3000) == []


def test_a_hand_settles_it_too_and_a_stop_has_no_place() -> None:
    orders = Orders(3 * MINUTE)
    orders.done(command(80), {"position"}, NOON)
    assert unanswered(orders, 10, NOON + 1000, origin=Origin(kind="switch")) == []
    orders.done(command(80), {"position"}, NOON)
    orders.done(command(1, "stop"), {"position", "stop"}, NOON)
    assert unanswered(orders, 10, NOON + 1000) == []


def test_the_same_once_more_is_no_new_chance() -> None:
    orders = Orders(3 * MINUTE)
    orders.done(command(80), {"position"}, NOON)
    orders.done(command(80), {"position"}, NOON + 2 * MINUTE)
    (order,) = unanswered(orders, 10, NOON)
    assert orders.overdue(order, NOON + 3 * MINUTE)
    orders.done(command(70), {"position"}, NOON + 2 * MINUTE)
    (order,) = unanswered(orders, 10, NOON)
    assert not orders.overdue(order, NOON + 3 * MINUTE)


def test_a_role_without_a_place_to_show_it_is_not_waited_for() -> None:
    orders = Orders(3 * MINUTE)
    orders.done(command(100, "move"), {"move"}, NOON)
    assert orders.unanswered(BLIND, {}) == []


# --- gateways and parts


def health(**fields: object) -> Health:
    return replace(Health(part="gateway", instance="knx", at=NOON), **fields)


def test_a_gateway_is_away_when_it_says_so_or_nothing() -> None:
    assert of_gateway("knx", 4, health(), NOON, LIMITS) == {}
    for how, now in ((health(status="degraded", why="cable pulled"), NOON), (health(), NOON + 20_000), (None, NOON)):
        found = of_gateway("knx", 4, how, now, LIMITS)["away"]
        assert found is not None
        assert found.severity == "critical"
    assert of_part("recorder/1", health(status="degraded"), NOON, LIMITS)["away"] is not None


def test_a_bus_is_full_from_nine_tenths_on_and_well_again_below_seven() -> None:
    found = {
        rate: of_gateway("knx", 4, health(counters={"bus_per_s": rate, "bus_limit_per_s": 50}), NOON, LIMITS)
        for rate in (34, 40, 45)
    }
    assert (found[34], found[40]) == ({}, {"load": None})
    assert found[45]["load"] is not None


def test_who_stands_by_is_missed_by_nobody_yet() -> None:
    condition = of_part("standby/knx@south", health(part="standby", status="degraded"), NOON, LIMITS)["away"]
    assert condition is not None
    assert condition.severity == "warning"


def test_one_of_several_that_was_taken_away_is_not_waited_for() -> None:
    old, now = health(part="recorder", instance="1"), NOON + 601_000
    assert not taken_away(old, [old], now)
    assert taken_away(old, [old, health(part="recorder", instance="2", at=now)], now)
    assert not taken_away(old, [old, health(part="controller", at=now)], now)
    assert not taken_away(old, [old, health(part="recorder", instance="2", at=now)], NOON + 60_000)


def test_keys_are_fit_for_an_address() -> None:
    assert device_subject(7) == "device-7"
