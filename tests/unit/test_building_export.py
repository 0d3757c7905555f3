"""Reading an export gives the same building again."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insula.building.changes import difference
from insula.building.demo import demo_plan
from insula.building.export import export_text
from insula.building.file import parse_plan
from insula.building.model import BuildingPlan
from insula.messages import Point
from tests.building_files import rooms

addresses = st.builds("{}/{}/{}".format, st.integers(8, 31), st.integers(0, 7), st.integers(0, 255))
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="{}"), max_size=8)
points = st.fixed_dictionaries(
    {
        "slat": st.builds(
            Point,
            role=st.just("slat"),
            write=addresses,
            listen=st.lists(addresses, max_size=2).map(tuple),
            dpt=st.sampled_from(["", "5.001"]),
            inverted=st.sampled_from([None, True, False]),
        )
    }
).map(lambda found: tuple(found.values()))


@st.composite
def plans(draw: st.DrawFn) -> BuildingPlan:
    """Buildings as files can describe them: devices with and without points, names and options of their own."""
    numbers = draw(st.lists(st.integers(0, 999), unique=True, min_size=1, max_size=5))
    lines = []
    for nth, number in enumerate(numbers):
        option = str(draw(st.booleans())).lower()
        lamp = f'{{ kind = "lamp", gateway = "zwave", node_id = {nth + 2}, options = {{ "a b" = {option} }} }}'
        own = ", ".join(['{ kind = "blind" }', *[lamp] * draw(st.integers(0, 1))])
        lines.append(f"{{ number = {number}, bloc = {nth}, devices = [{own}] }}")
    plan = parse_plan(rooms(*lines, floor=draw(st.integers(0, 7))))
    return _with_details(plan, draw(st.lists(st.tuples(names, points), min_size=20, max_size=20)))


def _with_details(plan: BuildingPlan, details: list[tuple[str, tuple[Point, ...]]]) -> BuildingPlan:
    found = iter(details)
    changed = []
    for room in plan.rooms:
        name, _ = next(found)
        inner = []
        for device in room.devices:
            its_name, its_points = next(found)
            own = its_points if device.type == "knx" and its_name else device.points
            source = f"mine {room.number} {device.kind}" if own is not device.points else device.source
            inner.append(msgspec.structs.replace(device, name=its_name, points=own, source=source))
        changed.append(msgspec.structs.replace(room, name=name, devices=tuple(inner)))
    return msgspec.structs.replace(plan, rooms=tuple(changed))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_reading_an_export_gives_the_same_building(plan: BuildingPlan) -> None:
    again = parse_plan(export_text(plan))
    assert again == plan
    assert difference(again, plan) == []


def test_an_export_has_one_room_a_line_and_no_default_points() -> None:
    lines = [line for line in export_text(demo_plan()).splitlines() if line.startswith("  { number")]
    assert len(lines) == 4
    assert [line.count("points = ") for line in lines] == [1, 1, 1, 1]  # of the blind, that has an alarm object
