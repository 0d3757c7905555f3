"""The roles a point of a device can have: one line each.

Messages, Log, API, rules and clients take names, units, ranges and averages from here. A new role is a new
line in ``ROLES`` and nothing else.

Sources: KNX Datapoint Types (KNX Standard 3/7/2) for ``dpt``; Z-Wave value ids as given by zwave-js 15.
"""

from dataclasses import dataclass
from typing import Literal, TypedDict

MINUTE = 60.0
NEVER = float("inf")

Average = Literal["time", "any", "last", "none"]
Freshness = Literal["measured", "link"]


@dataclass(frozen=True, slots=True)
class Role:
    """What a point means.

    ``unit`` is the unit of its values everywhere in Insula. ``low``/``high`` bound what may be commanded, and
    what a reading may be (outside: the reading is marked ``uncertain``). ``whole``: values go out as whole numbers.
    ``average``: ``time`` = weighted by time, ``any`` = 1 if any is 1, ``last`` = the latest, ``none`` = no average.
    ``freshness``: what the age counts from: ``measured`` = the device said so; ``link`` = the device only reports
    changes, so any sign of life of it keeps the value fresh. ``fresh_s``: for so many seconds (building's clock).
    ``dpt``: default KNX datapoint type. ``inverted``: the KNX value runs the other way (DPT 5.001 of a blind:
    0 % = open). ``drives``: the role whose value a command to this one changes: ``stop`` and ``move`` drive
    ``position``, so a newer command to one replaces an older one to the other. ``alarm``: while 1, it
    blocks its device. ``alias``: its other name in rules.
    """

    name: str
    unit: str
    low: float
    high: float
    dpt: str
    whole: bool = False
    average: Average = "time"
    freshness: Freshness = "measured"
    fresh_s: float = 30 * MINUTE
    writable: bool = False
    inverted: bool = False
    drives: str = ""
    alarm: bool = False
    alias: str = ""

    @property
    def target(self) -> str:
        """The role that a command to this one changes: itself, unless ``drives`` says otherwise."""
        return self.drives or self.name

    def clean(self, value: float) -> float:
        """The value as it goes out: whole where the role is whole (halves away from zero, as people round)."""
        return float(int(value + 0.5 if value >= 0 else value - 0.5)) if self.whole else float(value)

    def in_range(self, value: float) -> bool:
        return self.low <= value <= self.high


class _Fields(TypedDict, total=False):
    unit: str
    low: float
    high: float
    whole: bool
    average: Average
    freshness: Freshness


_PERCENT: _Fields = {"unit": "%", "low": 0, "high": 100, "whole": True, "freshness": "link"}
_FLAG: _Fields = {"unit": "", "low": 0, "high": 1, "whole": True, "average": "any", "freshness": "link"}
_MOVE: _Fields = {**_PERCENT, "average": "none"}
_PULSE: _Fields = {**_FLAG, "average": "none"}

# fmt: off  (one line each; 100 % position and slat = open)
_TABLE = (
    # what can be driven
    Role("position", **_PERCENT, dpt="5.001", writable=True, inverted=True),
    Role("move", **_MOVE, dpt="1.008", writable=True, inverted=True, drives="position"),
    Role("stop", **_PULSE, dpt="1.007", writable=True, drives="position"),
    Role("slat", **_PERCENT, dpt="5.001", writable=True, inverted=True),
    Role("level", **_PERCENT, dpt="5.001", writable=True),
    Role("switch", **_FLAG, dpt="1.001", writable=True),
    Role("valve", **_PERCENT, dpt="5.001", writable=True),
    Role("setpoint", "°C", 5, 35, dpt="9.001", freshness="link", writable=True),
    Role("hvac_mode", "", 0, 4, dpt="20.102", whole=True, average="last", freshness="link", writable=True),
    # what is measured
    Role("temperature", "°C", -50, 100, dpt="9.001"),
    Role("humidity", "%", 0, 100, dpt="9.007"),
    Role("illuminance", "lux", 0, 200_000, dpt="9.004", whole=True, alias="luminance"),
    Role("motion", **_FLAG, dpt="1.002"),
    Role("co2", "ppm", 0, 10_000, dpt="9.008", whole=True),
    Role("window", **_FLAG, dpt="1.019"),  # 1 = open
    Role("wind_alarm", **_FLAG, dpt="1.005", alarm=True),
    Role("rain_alarm", **_FLAG, dpt="1.005", alarm=True),
    Role("lock_alarm", **_FLAG, dpt="1.005", alarm=True),
    Role("power", "W", 0, 1_000_000, dpt="14.056"),
    Role("energy", "kWh", 0, 10_000_000, dpt="14.031", average="last"),
    Role("battery", **_PERCENT, dpt="5.001"),
)
# fmt: on

ROLES: dict[str, Role] = {role.name: role for role in _TABLE}


def role(name: str) -> Role:
    """The role of that name; KeyError names the ones there are."""
    try:
        return ROLES[name]
    except KeyError:
        raise KeyError(f"no role {name!r}; there are: {', '.join(ROLES)}") from None
