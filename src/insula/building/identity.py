"""By what a later import knows a device again, when its line in the building file names no ``source``."""

from insula.building.model import DevicePlan


def derived_source(device: DevicePlan, room_number: int, nth: int) -> str:
    """KNX: the address that the device answers on (else is written at). Z-Wave: its node in the network.

    A Z-Wave device whose node id the import is to give is known by its room: it is the ``nth`` of its kind there.
    Unique in the device's gateway.
    """
    if device.type == "zwave":
        return f"room {room_number} {device.kind} {nth}" if device.node_id is None else f"node {device.node_id}"
    for point in device.points:
        for address in (point.status, point.write, *point.listen):
            if address:
                return address
    return f"room {room_number} {device.kind} {nth}"
