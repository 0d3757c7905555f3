"""The building: rooms whose blinds and lamps are commanded (and simulated), and sensors that nobody simulates."""

from dataclasses import dataclass

from insula.building.demo import demo_building
from insula.building.model import BuildingPlan

DRIVEN = 40
"""Rooms with a blind and a lamp that commands go to."""
SENSORS = 200
MEASURED = "measured"
"""The gateway of the sensors: its network does not answer, their readings are put straight on the topics."""

_SENSORS = """
[[gateway]]
id = "measured"
type = "zwave"
default = false
url = "ws://127.0.0.1:1"

[room_type.hall]
devices = [{{ kind = "sensor", name = "Multisensor 6", gateway = "measured" }}]

[[floor]]
number = 20
rooms = [
{rooms}]
"""


@dataclass(frozen=True, slots=True)
class DrivenRoom:
    """``blind``, ``lamp``: the ids of its devices; ``query``: how its beacon names it."""

    room_id: int
    blind: int
    lamp: int
    query: str


def simulated(knx_port: int, zwave_port: int) -> str:
    """The file of what the simulation serves."""
    return demo_building(DRIVEN, knx_port, zwave_port)


def whole(knx_port: int, zwave_port: int) -> str:
    """The file of what the database holds."""
    rooms = "".join(f'  {{ number = {20_001 + n}, type = "hall", nodes = [{2 + n}] }},\n' for n in range(SENSORS))
    return simulated(knx_port, zwave_port) + _SENSORS.format(rooms=rooms)


def beacons(plan: BuildingPlan) -> dict[int, str]:
    """Of each room by its number, as the query of a route of 2020."""
    return {
        room.number: f"uuid={beacon.uuid}&major={beacon.major}&minor={beacon.minor}"
        for room in plan.rooms
        for beacon in room.beacons
    }
