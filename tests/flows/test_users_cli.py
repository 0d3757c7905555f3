"""``insula user`` and ``insula right``: accounts and rights at the console, and what the audit says of it."""

import asyncio
import io
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from insula.access.passwords import is_right
from insula.access.rights import Person, Place, Right
from insula.bootstrap import installation
from insula.clock import SystemClock
from insula.demo_people import demo_people
from insula.settings import Settings
from insula.store.accounts import get_account
from insula.store.engine import Store
from insula.store.first_admin import first_admin
from insula.store.permissions import find_persons
from tests.flows.test_command_line import Run
from tests.flows.test_command_line import house as house
from tests.flows.test_command_line import insula as insula

BENS = "a bridge too far"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{BENS}\n{BENS}s\n"))


def rows(query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect("data/insula.db")) as database:
        return database.execute(query).fetchall()


@pytest.mark.usefixtures("typed")
def test_an_account_from_its_making_to_its_end(insula: Run) -> None:
    assert insula("user", "add", "ben", "--admin")[1] == "user ben added\n"
    assert insula("user", "password", "ben")[1] == "user ben has a new password\n"
    ((kept,),) = rows('SELECT password FROM "Account"')
    assert is_right(f"{BENS}s", str(kept))
    assert insula("user", "close", "ben")[0] == "insula: one administrator must be left"
    assert insula("user", "list")[1] == "ben: administrator\n"
    assert insula("user", "remove", "nobody")[0] == "insula: there is no user 'nobody'"
    assert insula("user", "link", "ben", "https://id.example", "subject 1")[1] == "user ben linked\n"
    assert rows('SELECT issuer, subject FROM "Account"') == [("https://id.example", "subject 1")]
    assert insula("user", "unlink", "ben")[1] == "user ben unlinked\n"
    assert rows('SELECT issuer, subject FROM "Account"') == [(None, None)]
    said = [(action, target) for action, target in rows('SELECT action, target FROM "Audit" ORDER BY id')]
    linked = [("user linked", "ben"), ("user unlinked", "ben")]
    assert said == [("user added", "ben"), ("password", "ben"), *linked]


@pytest.mark.usefixtures("typed")
def test_rights_are_given_by_the_numbers_on_the_doors(insula: Run, house: Path) -> None:
    insula("building", "import", str(house))
    insula("user", "add", "ben")
    assert insula("right", "give", "drive", "--user", "ben", "--room", "10", "--there")[0] == 0
    insula("right", "give", "see", "--user", "ben", "--floor", "4")
    assert insula("right", "list")[1].splitlines() == [
        "1: user ben may drive in room 10, while there",
        "2: user ben may see in building Insula, floor 4",
    ]
    assert insula("right", "give", "see", "--user", "ben", "--room", "99")[0] == "insula: there is no room 99"
    assert insula("right", "give", "see")[0] == "insula: --user NAME or --team NAME"
    assert insula("right", "take", "1")[1] == "right 1 taken\n"
    assert insula("right", "take", "1")[0] == "insula: there is no right 1"


def test_a_password_that_is_too_short_is_refused(insula: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert insula("user", "add", "ben")[0] == "insula: a password has 10 to 1000 characters"


async def test_a_new_installation_makes_one_administrator_and_no_second(store: Store) -> None:
    clock = SystemClock()
    made = await asyncio.gather(*(first_admin(store, clock) for _ in range(3)))
    (password,) = [one for one in made if one]
    async with store.read() as connection:
        admin = await get_account(connection, "admin")
    assert is_right(password, admin.password)
    assert admin.admin


async def test_the_first_password_can_be_given(store: Store) -> None:
    assert await first_admin(store, SystemClock(), "given by the owner") == "given by the owner"


async def test_the_demo_has_somebody_with_one_room_and_says_so_each_time(tmp_path: Path) -> None:
    from insula.building.demo import demo_plan
    from insula.store.building import import_plan

    async with installation(Settings(data=str(tmp_path)), SystemClock()) as at:
        await import_plan(at.store, demo_plan())
        people = await demo_people(at.store, at.clock, tmp_path / "people.json")
        again = await demo_people(at.store, at.clock, tmp_path / "people.json")
        async with at.store.read() as connection:
            anna = await get_account(connection, "anna")
            person = (await find_persons(connection, [anna.id]))[anna.id]

    assert again == people
    assert [one.name for one in people] == ["admin", "anna"]
    assert is_right(people[1].password, anna.password)
    assert person == Person(anna.id, "anna", rights=(Right("drive", Place(room=1)),))
    assert (tmp_path / "people.json").stat().st_mode & 0o777 == 0o600
