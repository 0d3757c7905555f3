"""A new role is one line in the table of points: everything else takes it from there."""

from pathlib import Path

import pytest
from xknx.dpt import DPTArray

from insula.building.demo import demo_building
from insula.building.file import parse_plan
from insula.building.rules import compile_ruleset, parse_ruleset
from insula.clock import ManualClock
from insula.gateways.knx.translate import decode, encode
from insula.messages import Point
from insula.points import ROLES, Role
from insula.store.log import log_of_devices
from tests.flows.house import house

NEW = Role("pressure", "Pa", 0, 200_000, dpt="9.006", whole=True)
SENSOR = '{ kind = "sensor", gateway = "knx", name = "air", points = { pressure = "22/{floor}/{bloc}" } },'
RULES = """
name = "air"
[[rule]]
name = "low pressure"
when = "pressure < 1000"
target = "blind.position"
value = 100
"""


@pytest.fixture(autouse=True)
def one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROLES, NEW.name, NEW)


async def test_it_goes_from_the_file_over_the_bus_into_log(tmp_path: Path, clock: ManualClock) -> None:
    text = demo_building().replace('{ kind = "radiator" },', '{ kind = "radiator" },\n  ' + SENSOR)
    async with house(tmp_path, clock, text) as it:
        bus = await it.channel.bus.subscribe(["knx"], name="test")
        air = await it.measure(1, "pressure", 612)
        keys = {record.headers["point"]: record.key for record in await bus.batch()}
        assert keys[f"{air.device_id}/pressure"] == "read_point"
        reading = it.api.values.get(air.device_id, "pressure")
        assert reading is not None
        assert (reading.value, reading.quality) == (612, "good")
        await it.clock.advance(1)
        await it.recorded(612)
        async with it.store.read() as connection:
            rows = await log_of_devices(connection, [air.device_id], 0, 2**62)
        assert [(row.reason, row.value) for row in rows] == [("pressure", 612)]


def test_it_is_spoken_on_knx_by_its_own_datapoint_type() -> None:
    payload = encode(Point(role="pressure"), NEW, 655.36)
    assert payload == DPTArray((0x34, 0x00))
    assert decode(Point(role="pressure"), NEW, payload) == pytest.approx(655.36)


def test_rules_know_it_by_its_name() -> None:
    assert compile_ruleset(parse_ruleset(RULES, "air.toml")).names == {"pressure"}


def test_the_building_file_takes_it() -> None:
    plan = parse_plan(demo_building().replace('{ kind = "radiator" },', '{ kind = "radiator" },\n  ' + SENSOR))
    assert plan.rooms[0].devices[2].points == (Point(role="pressure", status="22/4/1"),)
