"""What the building file says for rules and hands: tags, modes, holds, holidays and vacation."""

import pytest

from insula.building.changes import difference
from insula.building.export import export_text
from insula.building.file import parse_plan
from insula.building.model import BuildingPlan
from tests.building_files import GATEWAYS, only_fault, rooms

LINES = (
    '{ number = 1, tags = ["office", "south", "office"], hand_hold_min = 30, empty_hold_min = 0 }',
    '{ number = 2, mode = "active" }',
)
CALENDAR = """[building]
mode = "observe"
empty_hold_min = 5
country = "CH"
subdivision = "VD"
vacation_from = 2026-07-20
vacation_to = "2026-07-31"
"""


def whole(floor: str = "") -> BuildingPlan:
    text = rooms(*LINES, before=CALENDAR)
    return parse_plan(text.replace("number = 4\n", f"number = 4\n{floor}\n"))


def test_rooms() -> None:
    first, second = whole().rooms
    assert (first.tags, first.mode, first.hand_hold_s, first.empty_hold_s) == (("office", "south"), None, 1800, 0)
    assert (second.tags, second.mode, second.hand_hold_s, second.empty_hold_s) == ((), "active", None, None)


def test_a_floors_mode_is_that_of_its_rooms() -> None:
    assert [room.mode for room in whole('mode = "observe"').rooms] == ["observe", "active"]


def test_the_buildings_calendar() -> None:
    plan = whole()
    settings = plan.settings
    assert (plan.mode, settings.empty_hold_s) == ("observe", 300)
    assert (settings.country, settings.subdivision) == ("CH", "VD")
    assert (settings.vacation_from, settings.vacation_to) == ("2026-07-20", "2026-07-31")


def test_an_export_says_it_again() -> None:
    plan = whole()
    assert parse_plan(export_text(plan)) == plan


def test_a_file_that_says_nothing_of_modes_leaves_them_as_they_are() -> None:
    before = whole('mode = "observe"')
    silent = parse_plan(
        rooms(*LINES, before=CALENDAR).replace('mode = "observe"\n', "").replace(', mode = "active"', "")
    )
    assert difference(silent, before) == []
    assert [str(change) for change in difference(whole('mode = "active"'), before)] == [
        "~ room 1: mode 'observe' -> 'active'"
    ]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('mode = "off"', "neither observe nor active"),
        ("mode = 3", "mode must be text"),
        ('country = "Atlantis"', "no holidays are known of country 'Atlantis'"),
        ('country = "CH"\nsubdivision = "ZZ"', "no holidays are known of subdivision 'ZZ'"),
        ('subdivision = "VD"', "subdivision without country"),
        ('vacation_from = "in July"', "vacation_from must be a date"),
        ("vacation_from = 2026-07-20T10:00:00", "vacation_from must be a date"),
        ("vacation_to = 2026-07-31", "vacation_to without vacation_from"),
        ("vacation_from = 2026-07-20\nvacation_to = 2026-07-19", "vacation_to is before vacation_from"),
        ("empty_hold_min = -1", "empty_hold_min must not be negative"),
        ("hand_hold_min = inf", "hand_hold_min must not be negative"),
    ],
)
def test_faults_of_the_building(line: str, text: str) -> None:
    where, said = only_fault(f"{GATEWAYS}[building]\n{line}\n[[floor]]\nnumber = 1\nrooms = [{{ number = 1 }}]\n")
    assert 10 <= where <= 11
    assert text in said


@pytest.mark.parametrize(
    "line",
    ['tags = "office"', 'tags = [""]', "tags = [1]", 'mode = "on"', "hand_hold_min = -1", 'empty_hold_min = "x"'],
)
def test_faults_of_a_room(line: str) -> None:
    key = line.partition(" ")[0]
    assert key in only_fault(rooms(f"{{ number = 1, {line} }}"))[1]
