"""Wrong passwords: guessing is slow, and nobody locks another out."""

from insula.access.attempts import PER_ADDRESS, PER_NAME, PER_PAIR, WINDOW_MS, Attempts, failed, keys, refused_until

NOW = 1_767_225_600_000
HOME, AWAY = "192.0.2.7", "198.51.100.9"


class Door:
    """Counts as the database does."""

    def __init__(self) -> None:
        self.found: dict[str, Attempts] = {}

    def fail(self, name: str, address: str, times: int = 1, at: int = NOW) -> None:
        for _ in range(times):
            for key in keys(name, address):
                self.found[key] = failed(self.found.get(key, Attempts(key, since=at)), at)

    def refuses(self, name: str, address: str, at: int = NOW, *, known: bool = False) -> bool:
        return refused_until(self.found, name, address, at, known=known) > at


def test_ten_failures_from_one_address_and_then_it_waits() -> None:
    door = Door()
    door.fail("anna", AWAY, PER_PAIR - 1)
    assert not door.refuses("anna", AWAY)
    door.fail("anna", AWAY)
    assert door.refuses("anna", AWAY, known=True)
    assert not door.refuses("anna", HOME)
    assert not door.refuses("ben", AWAY)


def test_the_failures_are_forgotten_after_a_quarter_of_an_hour() -> None:
    door = Door()
    door.fail("anna", AWAY, PER_PAIR)
    assert door.refuses("anna", AWAY, NOW + WINDOW_MS - 1)
    assert not door.refuses("anna", AWAY, NOW + WINDOW_MS)
    door.fail("anna", AWAY, at=NOW + WINDOW_MS)
    assert not door.refuses("anna", AWAY, NOW + WINDOW_MS)


def test_an_address_that_tries_many_names_waits() -> None:
    door = Door()
    for number in range(PER_ADDRESS):
        door.fail(f"user {number}", AWAY)
    assert door.refuses("anna", AWAY, known=True)
    assert not door.refuses("anna", HOME)


def test_guessing_from_everywhere_does_not_lock_out_who_signs_in_from_where_they_did_before() -> None:
    door = Door()
    for number in range(PER_NAME):
        door.fail("anna", f"203.0.113.{number}")
    assert door.refuses("anna", "203.0.113.200")
    assert not door.refuses("anna", HOME, known=True)
