"""Which re-sends are passed over undecoded."""

from insula.building.resends import LOOK_AGAIN_MS, Resends
from insula.messages import Reading
from insula.points import ROLES

AGAIN = {"point": "1/temperature", "resend": "1"}
FRESH_MS = round(ROLES["temperature"].fresh_s * 1000)


def reading(at: int) -> Reading:
    known = {"device_id": 1, "gateway_id": "g", "point": "temperature", "value": 20.0}
    return Reading(**known, at=at, measured_at=at, changed_at=at)


def test_what_is_known_is_looked_at_every_half_minute() -> None:
    resends = Resends()
    assert not resends.holds(AGAIN, 0), "nothing is known yet"
    resends.looked(reading(0), 0)
    assert resends.holds(AGAIN, LOOK_AGAIN_MS - 1)
    assert not resends.holds(AGAIN, LOOK_AGAIN_MS)
    assert not resends.holds({"point": "1/temperature"}, 1), "no re-send"
    assert not resends.holds({}, 1)


def test_what_soon_ages_is_followed_closely() -> None:
    resends = Resends()
    resends.looked(reading(0), FRESH_MS - LOOK_AGAIN_MS)
    assert not resends.holds(AGAIN, FRESH_MS - LOOK_AGAIN_MS)


def test_when_the_devices_change_all_is_looked_at() -> None:
    resends = Resends()
    resends.looked(reading(0), 0)
    resends.forget()
    assert not resends.holds(AGAIN, 1)
