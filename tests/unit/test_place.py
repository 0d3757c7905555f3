"""What follows from where the building is: sun, holidays, vacation."""

import pytest

from insula.building.place import Place, has_holidays, next_minute, place_of
from insula.messages import BuildingSettings
from tests.a_room import MINUTE, NOON, PLACE, ZONE, local

VAUD = Place(ZONE, 46.52, 6.57, "CH", "VD", ("2026-07-20", "2026-07-31"))


def test_the_suns_place() -> None:
    """Lausanne on 21 June: 66.9° at 13:36 summer time, in the south (NOAA's solar calculator)."""
    noon = local("2026-06-21 13:36")
    assert PLACE.value("sun_elevation", noon) == pytest.approx(66.9, abs=0.1)
    assert PLACE.value("sun_azimuth", noon) == pytest.approx(180, abs=1)
    assert PLACE.value("sun_azimuth", local("2026-06-21 09:00")) == pytest.approx(88, abs=2)
    night = PLACE.value("sun_elevation", local("2026-06-21 01:36"))
    assert isinstance(night, float)
    assert night < -19


def test_it_is_computed_once_a_minute() -> None:
    assert PLACE.value("sun_elevation", NOON) == PLACE.value("sun_elevation", NOON + MINUTE - 1)
    assert PLACE.value("sun_elevation", NOON) != PLACE.value("sun_elevation", NOON + 5 * MINUTE)
    assert next_minute({"sun_elevation"}, NOON + 1) == NOON + MINUTE
    assert next_minute({"humidity"}, NOON) is None


@pytest.mark.parametrize(
    ("day", "there", "elsewhere"),
    [("2026-01-01", True, True), ("2026-09-21", True, False), ("2026-03-11", False, False)],
)
def test_holidays(day: str, there: bool, elsewhere: bool) -> None:
    now = local(f"{day} 12:00")
    assert VAUD.value("holiday", now) is there
    assert Place(ZONE, country="CH", subdivision="ZH").value("holiday", now) is elsewhere
    assert Place(ZONE).value("holiday", now) is False


def test_a_holiday_ends_at_local_midnight() -> None:
    assert VAUD.value("holiday", local("2026-01-03 00:00") - 1) is True
    assert VAUD.value("holiday", local("2026-01-03 00:00")) is False


def test_countries_without_known_holidays() -> None:
    assert has_holidays("CH", "VD")
    assert not has_holidays("CH", "XX")
    assert not has_holidays("XX")
    assert Place(ZONE, country="XX").value("holiday", NOON) is False


def test_vacation_has_both_its_days() -> None:
    answers = [VAUD.value("vacation", local(f"2026-07-{day} 12:00")) for day in (19, 20, 31)]
    assert answers == [False, True, True]
    assert VAUD.value("vacation", local("2026-08-01 00:00")) is False
    assert PLACE.value("vacation", NOON) is False


def test_as_the_building_says() -> None:
    settings = BuildingSettings(time_zone=ZONE.key, latitude=1, longitude=2, country="CH", vacation_from="2026-03-11")
    assert place_of(settings) == Place(ZONE, 1, 2, "CH", "", ("2026-03-11", "2026-03-11"))
    with pytest.raises(ValueError, match="Nowhere/Land"):
        place_of(BuildingSettings(time_zone="Nowhere/Land"))
