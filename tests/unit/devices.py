"""A small building for tests of what goes over the bus."""

from insula.bus.devices import DeviceIndex
from insula.messages import DeviceRecord, Point

BLIND = DeviceRecord(
    device_id=1,
    room_id=101,
    room_number=10,
    type="knx",
    gateway_id="knx",
    kind="blind",
    bloc=1,
    floor=4,
    points=(Point(role="position"), Point(role="move"), Point(role="stop"), Point(role="slat")),
)
RADIATOR = DeviceRecord(
    device_id=2,
    room_id=101,
    room_number=10,
    type="knx",
    gateway_id="knx",
    kind="radiator",
    bloc=1,
    floor=4,
    points=(Point(role="valve"), Point(role="setpoint")),
)
SENSOR = DeviceRecord(
    device_id=3,
    room_id=101,
    room_number=10,
    type="zwave",
    gateway_id="zwave",
    kind="sensor",
    node_id=2,
    name="Multisensor 6",
    points=tuple(Point(role=role) for role in ("temperature", "humidity", "illuminance", "motion", "battery")),
)
DIMMER = DeviceRecord(
    device_id=4,
    room_id=101,
    room_number=10,
    type="zwave",
    gateway_id="zwave",
    kind="lamp",
    node_id=3,
    name="ZE27",
    points=(Point(role="level"),),
)
PLAIN_BLIND = DeviceRecord(
    device_id=5,
    room_id=102,
    room_number=11,
    type="knx",
    gateway_id="knx",
    kind="blind",
    bloc=2,
    floor=4,
    points=(Point(role="position"),),
)
"""A blind without up/down."""
CONTROLLER = DeviceRecord(
    device_id=7,
    room_id=102,
    room_number=11,
    type="knx",
    gateway_id="knx",
    kind="controller",
    points=(Point(role="co2"), Point(role="setpoint"), Point(role="window"), Point(role="temperature")),
)
FAR_BLIND = DeviceRecord(
    device_id=8,
    room_id=103,
    room_number=12,
    type="knx",
    gateway_id="knx2",
    kind="blind",
    bloc=1,
    floor=4,
    default_gateway=False,
    points=(Point(role="position"), Point(role="move")),
)
"""Named as BLIND is, on another gateway than the default one."""
FAR_SENSOR = DeviceRecord(
    device_id=9,
    room_id=103,
    room_number=12,
    type="zwave",
    gateway_id="zwave2",
    kind="sensor",
    node_id=2,
    default_gateway=False,
    points=(Point(role="motion"),),
)

DEVICES = (BLIND, RADIATOR, SENSOR, DIMMER, PLAIN_BLIND, CONTROLLER, FAR_BLIND, FAR_SENSOR)


def index() -> DeviceIndex:
    devices = DeviceIndex()
    for device in DEVICES:
        devices.put(device)
    return devices
