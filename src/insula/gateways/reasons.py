"""Why a command was not carried out: the words of its result, all of them here."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from insula.messages import Origin
from insula.points import Role

NOT_CONNECTED: Final = "not connected"
SUPERSEDED: Final = "superseded"
TOO_LATE: Final = "its time was over"
OBSERVING: Final = "observing"
NO_DEVICE: Final = "no such device"
NO_CONFIRMATION: Final = "no confirmation"
LINK_LOST: Final = "link lost while sending"
HANDED_OVER: Final = "another process has taken over the gateway"
UNATTENDED: Final = "nobody drove the gateway while it could be carried out"
OUR_FAULT: Final = "internal error, see the log"

_ALARMS: Final = {"wind_alarm": "wind alarm", "rain_alarm": "rain alarm", "lock_alarm": "locked"}


def alarm(point: str) -> str:
    return _ALARMS.get(point, point.replace("_", " "))


def no_point(point: str) -> str:
    return f"the device has no point {point}"


def read_only(point: str) -> str:
    return f"{point} cannot be written"


def out_of_range(role: Role) -> str:
    return f"{role.name} goes from {role.low:g} to {role.high:g} {role.unit}".rstrip()


def held(owner: Origin, until: int, now: int, time_zone: str) -> str:
    """``held by user anna until 14:30``, in the building's local time; with the date if that is not today's."""
    zone = _zone(time_zone)
    end, today = (datetime.fromtimestamp(moment / 1000, zone) for moment in (until, now))
    form = "%H:%M" if end.date() == today.date() else "%Y-%m-%d %H:%M"
    return f"held by {_who(owner)} until {end.strftime(form)}"


def waiting(owner: Origin) -> str:
    return f"held by {_who(owner)}: its command is about to be sent"


def _who(owner: Origin) -> str:
    return f"{owner.kind} {owner.name}".rstrip()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
