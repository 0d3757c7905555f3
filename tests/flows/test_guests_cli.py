"""``insula guests``: rooms that allow guests, from the console, by the numbers on the doors."""

from pathlib import Path

from tests.flows.test_command_line import Run
from tests.flows.test_command_line import house as house
from tests.flows.test_command_line import insula as insula
from tests.flows.test_users_cli import rows


def code() -> str:
    ((found,),) = rows('SELECT code FROM "GuestCode"')
    return str(found)


def test_a_room_allows_guests_from_the_first_to_the_last(insula: Run, house: Path, tmp_path: Path) -> None:
    insula("building", "import", str(house))
    assert insula("guests", "allow", "10")[1] == "room 10 allows guests\n"
    first = code()
    insula("guests", "allow", "10")
    assert code() == first
    file = tmp_path / "room10.svg"
    printed = insula("guests", "print", "10", "--url", "https://insula.example/", "--svg", str(file))[1]
    assert printed == f"{file}: https://insula.example/guest#{first}\n"
    assert file.read_text().startswith("<svg")
    assert insula("guests", "list")[1] == "room 10: 0 guests now\n"
    assert insula("guests", "renew", "10")[1] == "room 10 has a new code\n"
    assert code() != first
    assert insula("guests", "away", "10")[1] == "room 10: 0 guests sent away\n"
    assert insula("guests", "stop", "10")[1] == "room 10 allows no guests\n"
    assert rows('SELECT * FROM "GuestCode"') == []
    said = [action for (action,) in rows("SELECT action FROM \"Audit\" WHERE target = 'room 10' ORDER BY id")]
    assert said == ["guests", "guests", "guests' code renewed", "guests sent away", "guests"]


def test_what_is_not_there_is_said(insula: Run, house: Path) -> None:
    insula("building", "import", str(house))
    assert insula("guests", "allow", "999")[0] == "insula: there is no room 999"
    assert insula("guests", "renew", "10")[0] == "insula: room 10 allows no guests: insula guests allow 10"
