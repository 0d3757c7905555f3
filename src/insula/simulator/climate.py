"""The climate of a room: a thermal capacity, the outside, radiators, people and the sun; moisture and CO2 of its air.

Each balance is first order with constant inputs over a step, so each step is its exact solution: stable for any
length. Constants are those of a usual office; the sources give their order of magnitude.
"""

from dataclasses import dataclass
from math import cos, exp, pi

from insula.simulator.daylight import opening
from insula.simulator.physical import RoomWorld

HOUR = 3600.0
DAY_MS = 86_400_000
YEAR_DAYS = 365.25

FLOOR_M2 = 20.0
VOLUME_M3 = FLOOR_M2 * 2.8
CAPACITY_J_K = 110_000.0 * FLOOR_M2
"""Effective heat capacity: class "light" of EN ISO 13790 table 12, 110 kJ/(m² K) of floor."""
WINDOW_M2 = 3.0
WALL_M2 = 7.0
ENVELOPE_W_K = 1.3 * WINDOW_M2 + 0.5 * WALL_M2
"""Transmission to the outside: double glazing with coating U = 1.3, renovated wall U = 0.5 W/(m² K)."""
AIR_J_M3_K = 1_200.0
"""Volumetric heat capacity of air (EN ISO 13789: 1200 J/(m³ K))."""

BASE_AIRING = 0.5 / HOUR
"""Air changes a second with everything shut (EN 12831: minimum 0.5 a hour)."""
WARM_AIRING = 4.0 / HOUR
OPEN_AIRING = 6.0 / HOUR
"""With a window wide open on one side, no wind (order of magnitude of EN 16798-7)."""
AIRED_FROM, AIRED_FULLY = 24.0, 28.0
"""°C between which the airing of a warm room rises to WARM_AIRING, if it is cooler outside."""

RADIATOR_W_K = 50.0
"""Heat for each K between flow and room with the valve open: 1,250 W at 45/20 °C, sized for a low flow."""
RADIATOR_S = 600.0
"""Time constant of a panel radiator with its water (5 to 15 minutes)."""
COMFORT = 20.0
HEATING_SLOPE, FLOW_MAX = 1.0, 60.0
"""Heating curve: the flow is COMFORT + slope x (COMFORT - outside), at most 60 °C."""

SKIN = 36.0
PERSON_W_K = 5.0
"""A person gives 70 W of sensible heat at 22 °C (ASHRAE Fundamentals, seated), less in a warmer room."""
PERSON_MOISTURE_G_S = 50.0 / HOUR
"""35 W of latent heat (ASHRAE Fundamentals, seated)."""
PERSON_CO2_M3_S = 0.018 / HOUR
"""18 litres of CO2 an hour, light office work (EN 16798-1)."""
OUTSIDE_CO2 = 420.0

SOLAR_FACTOR = 0.6
"""g of double glazing (EN 410)."""
VERTICAL_SHARE = 0.5
"""A vertical window sees half of the sky (isotropic sky)."""
LUMEN_PER_WATT = 110.0
"""Luminous efficacy of daylight."""

DAILY_SWING = 4.0
WARMEST_HOUR = 15.0
WARMEST_DAY = 200.0
"""North of the equator: 19 July."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Outside: °C, g of water in a m³ of air, lux on the horizontal, and °C of the heating's flow."""

    temperature: float
    vapour: float
    illuminance: float
    flow: float


def outside_temperature(moment: int, latitude: float, longitude: float) -> float:
    """°C at a moment (ms): a yearly and a daily sine. The mean and the yearly swing are fitted to climate normals at
    sea level: 28 °C at the equator, 12.5 ± 8.3 at 49°, 4.6 ± 10 at 60°."""
    hours = (moment / 3_600_000 + longitude / 15) % 24
    return _daily_mean(moment, latitude) + DAILY_SWING * cos(2 * pi * (hours - WARMEST_HOUR) / 24)


def _daily_mean(moment: int, latitude: float) -> float:
    day = moment / DAY_MS % YEAR_DAYS
    season = cos(2 * pi * (day - WARMEST_DAY) / YEAR_DAYS)
    return 28 - 0.0065 * latitude**2 + 0.17 * latitude * season


def weather(moment: int, latitude: float, longitude: float, illuminance: float) -> Weather:
    """The outside at a moment. Its dew point is the night's lowest temperature."""
    temperature = outside_temperature(moment, latitude, longitude)
    vapour = saturation(_daily_mean(moment, latitude) - DAILY_SWING)
    flow = min(FLOW_MAX, max(COMFORT, COMFORT + HEATING_SLOPE * (COMFORT - temperature)))
    return Weather(temperature, vapour, illuminance, flow)


def saturation(temperature: float) -> float:
    """g/m³ of water vapour in saturated air (Magnus formula, constants of Sonntag 1990)."""
    return 216.7 * 6.112 * exp(17.62 * temperature / (243.12 + temperature)) / (273.15 + temperature)


def airing(room: RoomWorld, outside: float) -> float:
    """Air changes a second."""
    if room.window_open:
        return OPEN_AIRING
    if room.temperature <= AIRED_FROM or outside >= room.temperature:
        return BASE_AIRING
    warm = min(1.0, (room.temperature - AIRED_FROM) / (AIRED_FULLY - AIRED_FROM))
    return BASE_AIRING + warm * (WARM_AIRING - BASE_AIRING)


def step(room: RoomWorld, outside: Weather, seconds: float) -> None:
    """Temperature, humidity and CO2 of a room after so many seconds with this weather, these people and valves."""
    air = airing(room, outside.temperature)
    vapour = room.humidity / 100 * saturation(room.temperature)
    _heat(room, outside, air, seconds)
    fresh = exp(-air * seconds)
    vapour = _relax(vapour, outside.vapour + room.people * PERSON_MOISTURE_G_S / (air * VOLUME_M3), fresh)
    room.humidity = min(100.0, 100 * vapour / saturation(room.temperature))
    room.co2 = _relax(room.co2, OUTSIDE_CO2 + room.people * PERSON_CO2_M3_S / (air * VOLUME_M3) * 1e6, fresh)


def _heat(room: RoomWorld, outside: Weather, air: float, seconds: float) -> None:
    warmth = _radiator(room, seconds)
    radiator = RADIATOR_W_K * warmth if outside.flow > room.temperature else 0.0
    shell = ENVELOPE_W_K + air * VOLUME_M3 * AIR_J_M3_K
    people = PERSON_W_K * room.people if room.temperature < SKIN else 0.0
    conductance = shell + radiator + people
    gain = shell * outside.temperature + radiator * outside.flow + people * SKIN + sun_heat(room, outside.illuminance)
    room.temperature = _relax(room.temperature, gain / conductance, exp(-conductance / CAPACITY_J_K * seconds))


def _radiator(room: RoomWorld, seconds: float) -> float:
    """Lets the radiators follow their valves; their mean warmth over the step, 0 to 1."""
    valves = room.valves
    wanted = sum(valve.position for valve in valves) / (100 * len(valves)) if valves else 0.0
    before, left = room.radiator, exp(-seconds / RADIATOR_S)
    room.radiator = _relax(before, wanted, left)
    return wanted + (before - wanted) * (1 - left) * RADIATOR_S / seconds if seconds else before


def sun_heat(room: RoomWorld, illuminance: float) -> float:
    """W through the window and what the blinds leave of it."""
    return SOLAR_FACTOR * VERTICAL_SHARE * WINDOW_M2 * illuminance / LUMEN_PER_WATT * opening(room)


def _relax(value: float, towards: float, left: float) -> float:
    """First-order approach: ``left`` of the way is still to go."""
    return towards + (value - towards) * left
