"""Devices as every part knows them, read from the tables."""

from typing import Any, TypeVar

import msgspec
from sqlalchemy import Row, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.messages import DeviceRecord
from insula.store.tables import Device, Gateway, KnxNode, Room, ZwaveNode

T = TypeVar("T", bound=msgspec.Struct)


def device_rows() -> Select[Any]:
    """The columns of a DeviceRecord, and the device's ``source``."""
    columns = (
        Device.c.id.label("device_id"),
        Device.c.room.label("room_id"),
        Room.c.number.label("room_number"),
        Device.c.kind.label("type"),
        Device.c.gateway.label("gateway_id"),
        func.coalesce(KnxNode.c.kind, ZwaveNode.c.kind).label("kind"),
        KnxNode.c.bloc,
        KnxNode.c.floor,
        ZwaveNode.c.node_id,
        func.coalesce(KnxNode.c.name, ZwaveNode.c.name).label("name"),
        Device.c.points,
        Gateway.c.is_default.label("default_gateway"),
        Device.c.options,
        Device.c.source,
    )
    return (
        select(*columns)
        .join_from(Device, Room, Device.c.room == Room.c.id)
        .join(Gateway, Gateway.c.id == Device.c.gateway)
        .outerjoin(KnxNode, KnxNode.c.device == Device.c.id)
        .outerjoin(ZwaveNode, ZwaveNode.c.device == Device.c.id)
        .order_by(Device.c.id)
    )


def to_struct(row: Row[Any], struct: type[T]) -> T:
    """The message whose fields the row's columns are named after; other columns are passed over."""
    # SQLAlchemy's names are of a subclass of str, which msgspec refuses.
    return msgspec.convert({str(name): value for name, value in row._mapping.items()}, struct)


def _record(row: Row[Any]) -> DeviceRecord:
    return to_struct(row, DeviceRecord)


async def list_devices(connection: AsyncConnection) -> list[DeviceRecord]:
    """Every device of the building, by id."""
    return [_record(row) for row in await connection.execute(device_rows())]


async def devices_of_room(connection: AsyncConnection, room_id: int) -> list[DeviceRecord]:
    """The devices of a room, by id."""
    return [_record(row) for row in await connection.execute(device_rows().where(Device.c.room == room_id))]


async def removed_devices(connection: AsyncConnection) -> set[int]:
    """Ids of devices that an import has taken out of the building; they keep their history."""
    return set((await connection.scalars(select(Device.c.id).where(Device.c.room.is_(None)))).all())


async def known_devices(connection: AsyncConnection) -> set[int]:
    """The id of every device that ever was: what Log may refer to."""
    return set((await connection.scalars(select(Device.c.id))).all())
