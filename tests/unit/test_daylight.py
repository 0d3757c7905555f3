"""The light in a room: night, noon, blinds, slats, lamps."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.simulator import daylight
from insula.simulator.physical import Blind, Lamp, RoomWorld

PARIS = (48.86, 2.35)
percent = st.floats(0, 100)


def moment(year: int, month: int, day: int, hour: int) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000)


def lit(illuminance: float, *, blind: Blind | None = None, lamp: float = 0.0) -> RoomWorld:
    room = RoomWorld(1, blinds=[blind] if blind else [], lamps=[Lamp(lamp)])
    daylight.light(room, illuminance)
    return room


@pytest.mark.parametrize(
    ("when", "height"),
    [((2026, 6, 21, 12), 64.5), ((2026, 12, 21, 12), 17.7), ((2026, 3, 20, 12), 41.0), ((2026, 6, 21, 0), -17.5)],
)
def test_the_sun_over_paris(when: tuple[int, int, int, int], height: float) -> None:
    assert daylight.sun_height(moment(*when), *PARIS) == pytest.approx(height, abs=0.8)


@pytest.mark.parametrize(("height", "lux"), [(90, 21_300), (30, 10_800), (0, 300), (-6, 3.33), (-12, 0), (-60, 0)])
def test_the_sky_by_the_suns_height(height: float, lux: float) -> None:
    assert daylight.sky_illuminance(height) == pytest.approx(lux, abs=0.05)


@given(st.floats(-90, 90), st.floats(-90, 90))
def test_a_higher_sun_never_gives_less_light(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert daylight.sky_illuminance(low) <= daylight.sky_illuminance(high)


@given(percent, percent, percent)
def test_a_more_open_blind_never_gives_less_light(one: float, other: float, slat: float) -> None:
    low, high = sorted((one, other))
    blinds = [Blind(position=position, slat=slat, slatted=True) for position in (low, high)]
    closed, opened = (lit(10_000, blind=blind).daylight for blind in blinds)
    assert 0 < closed <= opened + 1e-9 <= daylight.DAYLIGHT_FACTOR * 10_000 + 2e-9


@given(percent, percent)
def test_more_open_slats_never_give_less_light(one: float, other: float) -> None:
    low, high = sorted((one, other))
    closed, opened = (lit(10_000, blind=Blind(0, slat, slatted=True)).daylight for slat in (low, high))
    assert closed <= opened


def test_slats_count_only_where_there_are_slats() -> None:
    assert lit(10_000, blind=Blind(position=0, slat=100)).daylight == pytest.approx(4)
    assert lit(10_000, blind=Blind(position=0, slat=100, slatted=True)).daylight == pytest.approx(70)


def test_two_blinds_count_half_each() -> None:
    room = RoomWorld(1, blinds=[Blind(position=100), Blind(position=0)])
    assert daylight.opening(room) == pytest.approx(0.51)


def test_lamps_add_to_daylight() -> None:
    room = lit(10_000, lamp=50)
    assert (room.daylight, room.luminance) == (pytest.approx(200), pytest.approx(350))


def test_a_dark_night_without_lamp_is_zero() -> None:
    assert lit(daylight.sky_illuminance(-40)).luminance == 0
