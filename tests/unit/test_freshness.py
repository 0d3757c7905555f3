"""A value ages from when the device said so; one that is re-sent does not get younger."""

import pytest

from insula.building.freshness import fresh_until, is_fresh, why_stale
from insula.messages import Quality, Reading
from insula.points import MINUTE

NOW = 1_767_225_600_000
LIMIT_MS = int(30 * MINUTE * 1000)


def reading(point: str, age_ms: int, seen_ms: int | None = None, quality: Quality = "good") -> Reading:
    return Reading(
        at=NOW,
        device_id=7,
        gateway_id="g",
        point=point,
        value=0,
        measured_at=NOW - age_ms,
        changed_at=NOW - age_ms,
        seen_at=0 if seen_ms is None else NOW - seen_ms,
        quality=quality,
    )


def test_measured_value_ages_from_its_measurement_whatever_its_device_did_since() -> None:
    assert is_fresh(reading("temperature", LIMIT_MS - 1), NOW)
    assert not is_fresh(reading("temperature", LIMIT_MS, seen_ms=0), NOW)


def test_value_reported_on_change_only_ages_from_the_last_sign_of_life() -> None:
    assert is_fresh(reading("motion", 10 * LIMIT_MS, seen_ms=LIMIT_MS - 1), NOW)
    assert not is_fresh(reading("motion", 10 * LIMIT_MS, seen_ms=LIMIT_MS), NOW)


@pytest.mark.parametrize("quality", ["stale", "uncertain"])
def test_only_good_values_are_fresh(quality: Quality) -> None:
    assert fresh_until(reading("temperature", 0, quality=quality)) == 0
    assert "device 7" in why_stale(reading("temperature", 0, quality=quality), NOW)


def test_why_stale_is_silent_about_fresh_values_and_says_the_age_of_others() -> None:
    assert why_stale(reading("temperature", 0), NOW) == ""
    assert "45 min ago" in why_stale(reading("temperature", 45 * 60_000), NOW)
