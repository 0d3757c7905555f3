"""The climate of a room: it heats, it cools, it stays bounded; moisture and CO2 follow people."""

from math import isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.simulator import climate
from insula.simulator.climate import HOUR, Weather
from insula.simulator.physical import Blind, RoomWorld, Valve

FREEZING = Weather(temperature=0.0, vapour=4.0, illuminance=0.0, flow=40.0)
JANUARY, JULY = 1_768_435_200_000, 1_784_073_600_000

weathers = st.builds(
    Weather,
    temperature=st.floats(-30, 45),
    vapour=st.floats(0, 25),
    illuminance=st.floats(0, 21_300),
    flow=st.floats(climate.COMFORT, climate.FLOW_MAX),
)
rooms = st.builds(
    lambda people, temperature, humidity, valve, radiator, window: RoomWorld(
        1,
        people=people,
        temperature=temperature,
        humidity=humidity,
        radiator=radiator,
        window_open=window,
        valves=[Valve(valve)],
        blinds=[Blind(50)],
    ),
    st.integers(0, 50),
    st.floats(-20, 50),
    st.floats(0, 100),
    st.floats(0, 100),
    st.floats(0, 1),
    st.booleans(),
)


def hours(room: RoomWorld, weather: Weather, count: float, step_s: float = 10.0) -> RoomWorld:
    for _ in range(round(count * HOUR / step_s)):
        climate.step(room, weather, step_s)
    return room


def office(**values: Any) -> RoomWorld:
    valve = values.pop("valve", 0.0)
    return RoomWorld(1, valves=[Valve(valve)], **values)


def test_a_valve_at_90_warms_a_cold_room_within_some_hours() -> None:
    assert hours(office(temperature=15.0, valve=90), FREEZING, 6).temperature >= 20


def test_a_valve_at_90_stays_bearable_for_ever() -> None:
    assert 22 < hours(office(temperature=15.0, valve=90), FREEZING, 200).temperature < 28


def test_at_10_percent_a_room_cools_but_keeps_from_frost() -> None:
    assert 4 < hours(office(temperature=21.0, valve=10), FREEZING, 400).temperature < 16


def test_a_night_at_10_percent_costs_a_few_degrees() -> None:
    assert 14 < hours(office(temperature=21.0, valve=10), FREEZING, 13).temperature < 19


def test_a_radiator_follows_its_valve_slowly() -> None:
    room = office(valve=100)
    climate.step(room, FREEZING, climate.RADIATOR_S)
    assert room.radiator == pytest.approx(0.632, abs=0.001)


def test_no_radiator_heats_above_its_flow() -> None:
    with_, without = (
        hours(RoomWorld(1, temperature=50.0, valves=[Valve(v)]), FREEZING, 0.1).temperature for v in (100, 0)
    )
    assert with_ == without


def test_an_open_window_cools_fast() -> None:
    shut, opened = (hours(office(temperature=21.0, window_open=window), FREEZING, 1) for window in (False, True))
    assert opened.temperature < shut.temperature - 2


def test_a_warm_room_is_aired_unless_it_is_warmer_outside() -> None:
    room = office(temperature=28.0)
    assert climate.airing(room, 20.0) == pytest.approx(climate.WARM_AIRING)
    assert climate.airing(room, 30.0) == climate.BASE_AIRING


def test_a_closed_blind_keeps_the_suns_heat_out() -> None:
    opened, closed = (RoomWorld(1, blinds=[Blind(position)]) for position in (100, 0))
    assert climate.sun_heat(opened, 20_000) == pytest.approx(164, abs=1)
    assert climate.sun_heat(closed, 20_000) < 5


def test_a_person_fills_an_airless_room_with_co2() -> None:
    room = hours(office(people=1, temperature=21.0), FREEZING, 24)
    assert room.co2 == pytest.approx(420 + 0.018 / (0.5 * 56) * 1e6, rel=0.01)


def test_people_make_a_room_humid_and_their_leaving_dry() -> None:
    room = hours(office(people=4, temperature=21.0, humidity=30), FREEZING, 3)
    crowded = room.humidity
    room.people = 0
    assert crowded > 45
    assert hours(room, FREEZING, 6).humidity < crowded - 15


def test_saturation_is_that_of_the_tables() -> None:
    assert [climate.saturation(t) for t in (-10, 0, 20, 30)] == pytest.approx([2.36, 4.85, 17.3, 30.4], rel=0.02)


@pytest.mark.parametrize(("latitude", "winter", "summer"), [(48.9, 4, 21), (60, -6, 15), (0, 28, 28), (-35, 26, 14)])
def test_seasons_by_latitude(latitude: float, winter: float, summer: float) -> None:
    means = [
        sum(climate.outside_temperature(day + hour * 3_600_000, latitude, 0) for hour in range(24)) / 24
        for day in (JANUARY, JULY)
    ]
    assert means == pytest.approx([winter, summer], abs=2)


def test_the_afternoon_is_warmest_by_local_solar_time() -> None:
    by_hour = [climate.outside_temperature(JANUARY + hour * 3_600_000, 40, 90) for hour in range(24)]
    assert by_hour.index(max(by_hour)) == 9


def test_the_flow_follows_the_outside_within_its_limits() -> None:
    winter = climate.weather(JANUARY, 65, 0, 0)
    summer = climate.weather(JULY, 0, 0, 0)
    assert climate.COMFORT < winter.flow <= climate.FLOW_MAX
    assert summer.flow == climate.COMFORT


@given(rooms, weathers, st.floats(0, 86_400))
def test_nothing_leaves_its_bounds(room: RoomWorld, weather: Weather, seconds: float) -> None:
    """Energy: a room gets no colder than all around it, nor warmer than the warmest by more than the sun can."""
    sources = (room.temperature, weather.temperature, weather.flow, climate.SKIN)
    coldest = min(room.temperature, weather.temperature)
    sun = climate.sun_heat(room, weather.illuminance) / (climate.ENVELOPE_W_K + 9)
    climate.step(room, weather, seconds)
    assert coldest - 1e-6 <= room.temperature <= max(sources) + sun + 1e-6
    assert 0 <= room.humidity <= 100
    assert 0 <= room.radiator <= 1
    assert 400 <= room.co2 < 200_000
    assert all(isfinite(value) for value in (room.temperature, room.humidity, room.co2))


@given(rooms, weathers, st.floats(0.001, 10), st.floats(0.001, 10))
def test_two_steps_are_one(room: RoomWorld, weather: Weather, one: float, other: float) -> None:
    twin = RoomWorld(
        1,
        people=room.people,
        temperature=room.temperature,
        humidity=room.humidity,
        radiator=room.radiator,
        window_open=room.window_open,
        valves=room.valves,
        blinds=room.blinds,
    )
    climate.step(room, weather, one + other)
    climate.step(twin, weather, one)
    climate.step(twin, weather, other)
    assert twin.temperature == pytest.approx(room.temperature, abs=0.02)
    assert twin.humidity == pytest.approx(room.humidity, abs=0.5)
    assert twin.co2 == pytest.approx(room.co2, rel=0.01)
    assert twin.radiator == pytest.approx(room.radiator, abs=1e-6)
