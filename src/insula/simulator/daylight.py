"""The light in a room: the sky by the sun's height, what window and blinds leave of it, and the lamps."""

from datetime import UTC, datetime
from math import exp, radians, sin

from astral import Observer
from astral.sun import elevation

from insula.simulator.physical import RoomWorld

SKY_BASE_LUX, SKY_LUX = 300.0, 21_000.0
"""Overcast sky on the horizontal, 300 + 21,000 sin(height) lux: IES RP-21, Recommended Practice for the Calculation of
Daylight Availability (1984). Daylight factors are defined for this sky."""
TWILIGHT_DECAY = 0.75
"""Each degree under the horizon leaves exp(-0.75): 300 lux at sunset, 3.4 at the end of civil twilight (-6°)."""
NIGHT_BELOW = -12.0
"""° of the sun's height under which (nautical twilight) there is no daylight that a sensor would see."""

DAYLIGHT_FACTOR = 0.02
"""Share of the outside illuminance at the sensor, blinds open: EN 17037's usual order, 2 %."""
CLOSED_SHARE = 0.02
"""What a closed blind still lets through."""
SLATS_SHARE = 0.35
"""What a lowered blind with its slats level lets through."""
LAMP_LUX = 300.0
"""At the sensor, lamps at 100 %."""


def sun_height(moment: int, latitude: float, longitude: float) -> float:
    """° over the horizon (negative: under it), refraction left out, at a moment (ms UTC)."""
    when = datetime.fromtimestamp(moment / 1000, UTC)
    return float(elevation(Observer(latitude, longitude), when, with_refraction=False))


def sky_illuminance(height: float) -> float:
    """Lux outside on the horizontal with the sun ``height``° over the horizon."""
    if height >= 0:
        return SKY_BASE_LUX + SKY_LUX * sin(radians(height))
    return SKY_BASE_LUX * exp(TWILIGHT_DECAY * height) if height > NIGHT_BELOW else 0.0


def opening(room: RoomWorld) -> float:
    """Share of the light that the room's blinds let in, 0 to 1; 1 without blinds."""
    blinds = room.blinds
    if not blinds:
        return 1.0
    return sum(_opening(blind.position, blind.slat if blind.slatted else 0.0) for blind in blinds) / len(blinds)


def _opening(position: float, slat: float) -> float:
    lowered = CLOSED_SHARE + (SLATS_SHARE - CLOSED_SHARE) * slat / 100
    return lowered + (1 - lowered) * position / 100


def lamp_light(room: RoomWorld) -> float:
    """Lux at the sensor from the room's lamps: together they give LAMP_LUX."""
    lamps = room.lamps
    return LAMP_LUX * sum(lamp.level for lamp in lamps) / (100 * len(lamps)) if lamps else 0.0


def light(room: RoomWorld, illuminance: float) -> None:
    """Sets what the room's sensor sees: its daylight, and the whole."""
    room.daylight = DAYLIGHT_FACTOR * illuminance * opening(room)
    room.luminance = room.daylight + lamp_light(room)
