"""The index of devices: who is who, by id and by the names of 2020."""

import asyncio

import msgspec
import pytest

from insula.bus.devices import DeviceIndex
from insula.errors import UnknownDevice
from insula.messages import Point
from tests.unit.devices import BLIND, CONTROLLER, DEVICES, DIMMER, FAR_BLIND, FAR_SENSOR, RADIATOR, SENSOR, index


def test_a_device_is_found_by_its_id_and_its_name_of_2020() -> None:
    devices = index()

    assert len(devices) == len(list(devices)) == len(DEVICES)
    assert devices.get(1) == devices.knx("blind", 1, 4) == BLIND
    assert devices.knx("radiator", 1, 4) == RADIATOR
    assert devices.zwave(3) == DIMMER


def test_the_names_of_2020_serve_the_default_gateways_alone() -> None:
    devices = DeviceIndex()
    devices.put(FAR_BLIND)
    devices.put(FAR_SENSOR)
    devices.put(CONTROLLER)

    assert devices.get(8) == FAR_BLIND
    with pytest.raises(UnknownDevice, match="KNX blind with bloc 1, floor 4"):
        devices.knx("blind", 1, 4)
    with pytest.raises(UnknownDevice, match="node 2"):
        devices.zwave(2)


def test_a_later_record_replaces_the_earlier_one() -> None:
    devices = index()
    devices.put(msgspec.structs.replace(BLIND, bloc=9, points=(Point(role="position"),)))
    devices.put(msgspec.structs.replace(SENSOR, node_id=99))

    assert devices.knx("blind", 9, 4).device_id == 1
    assert devices.zwave(99).device_id == SENSOR.device_id
    assert devices.has(1, "position")
    assert not devices.has(1, "move")
    with pytest.raises(UnknownDevice):
        devices.knx("blind", 1, 4)
    with pytest.raises(UnknownDevice):
        devices.zwave(2)


def test_a_removed_device_is_gone_by_every_name() -> None:
    devices = index()
    devices.remove(SENSOR.device_id)
    devices.remove(4711)

    assert not devices.has(SENSOR.device_id, "motion")
    assert SENSOR not in devices.in_room(101)
    with pytest.raises(UnknownDevice, match="no device 3"):
        devices.get(SENSOR.device_id)
    with pytest.raises(UnknownDevice):
        devices.zwave(2)


def test_removing_a_device_leaves_the_one_that_took_its_name() -> None:
    devices = index()
    successor = msgspec.structs.replace(DIMMER, device_id=40)
    devices.put(successor)
    devices.remove(DIMMER.device_id)

    assert devices.zwave(3) == successor


def test_devices_of_a_room_and_of_a_gateway() -> None:
    devices = index()

    assert devices.in_room(101) == [BLIND, RADIATOR, SENSOR, DIMMER]
    assert devices.of_gateway("zwave2") == [FAR_SENSOR]
    assert devices.in_room(0) == devices.of_gateway("none") == []


async def test_listeners_hear_of_whole_lists_and_of_removals_after_the_first() -> None:
    devices = index()
    heard: list[int] = []
    end = devices.on_change(lambda: heard.append(len(devices)))

    devices.remove(1)
    devices.removed()
    assert heard == []
    devices.completed()
    async with asyncio.timeout(10):
        await devices.complete()
    devices.remove(2)
    devices.removed()
    assert heard == [len(DEVICES) - 1, len(DEVICES) - 2]

    end()
    devices.completed()
    assert len(heard) == 2
