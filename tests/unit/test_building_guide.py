"""The guide's own building file works as it stands there."""

import re
from pathlib import Path

import pytest

from insula.building.file import parse_plan
from insula.building.model import BuildingPlan, RoomPlan
from insula.errors import BuildingFileError
from insula.points import ROLES

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "describe-a-building.md"


def snippets() -> list[str]:
    return re.findall(r"^```toml\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def plan() -> BuildingPlan:
    return parse_plan("\n".join(snippets()))


def meeting(plan: BuildingPlan) -> RoomPlan:
    return next(room for room in plan.rooms if room.name == "Meeting")


def test_the_snippets_together_are_a_building(plan: BuildingPlan) -> None:
    assert [room.number for room in plan.rooms] == [1, 2, 3]
    assert len(snippets()) == 4
    assert all(room.beacons for room in plan.rooms)


def test_its_meeting_room_has_everything_that_2020_did_not_know(plan: BuildingPlan) -> None:
    devices = [(device.kind, device.type, {point.role for point in device.points}) for device in meeting(plan).devices]
    slatted = ("blind", "knx", {"position", "move", "stop", "slat"})
    assert devices[:5] == [
        slatted,
        slatted,
        ("lamp", "knx", {"level"}),
        ("controller", "knx", {"setpoint", "temperature"}),
        ("sensor", "knx", {"co2"}),
    ]
    assert [(kind, type_) for kind, type_, _ in devices[5:]] == [
        ("radiator", "knx"),
        ("sensor", "zwave"),
        ("lamp", "zwave"),
    ]


def test_every_device_of_a_default_gateway_has_its_name_of_2020(plan: BuildingPlan) -> None:
    devices = [device for room in plan.rooms for device in room.devices]
    assert all(device.bloc is not None if device.type == "knx" else device.node_id for device in devices)


def test_the_faults_it_shows_are_told_like_that() -> None:
    shown = re.findall(r"^    line (\d+): (.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    text = "\n".join(snippets()).replace("bloc = 1,", "blok = 1, bloc = 1,").replace("17644/31456", "17644/12302")
    with pytest.raises(BuildingFileError) as caught:
        parse_plan(text)
    assert [(int(line), text) for line, text in shown] == list(caught.value.faults)


def test_it_tells_each_roles_datapoint_type() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    rows = [row for row in text.splitlines() if row.startswith("| `")]
    for name, role in ROLES.items():
        assert any(f"`{name}`" in row and role.dpt in row for row in rows), name
