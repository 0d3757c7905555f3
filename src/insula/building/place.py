"""Where the building is, and what follows from that at a moment: local time, sun, holidays, vacation. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from insula.building.local_time import MINUTE_MS, LocalTime, local_date, local_time
from insula.messages import BuildingSettings

SUN = frozenset({"sun_elevation", "sun_azimuth"})
DAILY = frozenset({"weekday", "month", "holiday", "vacation"})
"""What changes at midnight at most."""
NAMES = SUN | DAILY | {"local_time"}

Value = float | bool | str


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees north and east; ``vacation``: first and last day (ISO 8601), empty: none."""

    zone: ZoneInfo
    latitude: float = 0.0
    longitude: float = 0.0
    country: str = ""
    subdivision: str = ""
    vacation: tuple[str, str] = ("", "")

    def local(self, now: int) -> LocalTime:
        return local_time(now, self.zone)

    def value(self, name: str, now: int) -> Value:
        """The value of one of ``NAMES`` at a moment (ms): the sun's in degrees, azimuth from north over east."""
        if name in SUN:
            elevation, azimuth = _sun(now // MINUTE_MS, self.latitude, self.longitude)
            return elevation if name == "sun_elevation" else azimuth
        if name == "holiday":
            return is_holiday(local_date(now, self.zone), self.country, self.subdivision)
        if name == "vacation":
            first, last = self.vacation
            return bool(first) and first <= local_date(now, self.zone).isoformat() <= last
        local = local_time(now, self.zone)
        return local.text if name == "local_time" else float(local.weekday if name == "weekday" else local.month)


def place_of(settings: BuildingSettings) -> Place:
    """Raises ValueError: no such time zone."""
    try:
        zone = ZoneInfo(settings.time_zone)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"unknown time zone {settings.time_zone!r}") from error
    return Place(
        zone,
        settings.latitude,
        settings.longitude,
        settings.country,
        settings.subdivision,
        (settings.vacation_from, settings.vacation_to or settings.vacation_from),
    )


@lru_cache(maxsize=1024)
def _sun(minute: int, latitude: float, longitude: float) -> tuple[float, float]:
    """Elevation (with the air's refraction) and azimuth, degrees, at a minute since 1970."""
    from astral import Observer
    from astral.sun import azimuth, elevation

    at, where = datetime.fromtimestamp(minute * 60, UTC), Observer(latitude, longitude)
    return round(elevation(where, at), 2), round(azimuth(where, at), 2)


def is_holiday(day: date, country: str, subdivision: str = "") -> bool:
    """Whether it is a public holiday there; never without a country, or in one of which none are known."""
    return bool(country) and day in _holidays(country, subdivision, day.year)


def has_holidays(country: str, subdivision: str = "") -> bool:
    """Whether public holidays are known of it."""
    return bool(_holidays(country, subdivision, 2026))


@lru_cache(maxsize=16)
def _holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    import holidays

    try:
        return frozenset(holidays.country_holidays(country, subdiv=subdivision or None, years=year))
    except NotImplementedError:
        return frozenset()


def next_minute(names: Iterable[str], now: int) -> int | None:
    """When the sun's place is computed again, if one of these names needs it."""
    return None if SUN.isdisjoint(names) else (now // MINUTE_MS + 1) * MINUTE_MS
