"""Leases over HTTP: who holds what, and ending one early."""

from typing import Annotated, Any

import msgspec
from litestar import delete, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from insula.api.access import made_by, may, need, needs
from insula.api.asking import Asked
from insula.api.audit import Audit
from insula.api.board import StateBoard
from insula.api.errors import NotFound
from insula.bus.channel import Channel
from insula.clock import Clock
from insula.errors import Unavailable, UnknownDevice
from insula.messages import Lease, LeaseEnd

By = Annotated[str, QueryParameter(description="who does this, at the console", schema_extra={"maxLength": 200})]


def lease_routes(board: StateBoard, channel: Channel, clock: Clock, audit: Audit) -> list[HTTPRouteHandler]:
    @get("/leases", summary="Who holds which device, and until when", tags=["control"], opt=needs("rooms"))
    async def leases(request: Asked) -> dict[str, Any]:
        """Of the rooms that one may see."""
        now = clock.now()
        seen = (one for one in board.leases.values() if may(request, "see", channel.devices.room_of(one.device_id)))
        held = sorted((one for one in seen if one.until > now), key=lambda one: one.until)
        return {"now": now, "leases": [_shown(lease, channel) for lease in held]}

    @delete(
        "/leases/{device_id:int}", summary="End a lease early", tags=["control"], status_code=200, opt=needs("rooms")
    )
    async def end(request: Asked, device_id: FromPath[int], by: By = "") -> dict[str, Any]:
        missing = f"nobody holds device {device_id}"
        need(request, "drive", channel.devices.room_of(device_id), missing)
        lease = board.leases.get(device_id)
        if lease is None:
            raise NotFound(missing)
        about = {"room": _shown(lease, channel).get("room_number"), "devices": [device_id], "held": lease.owner.kind}
        await audit.note(request, "lease ended", f"device {device_id}", by, **about)
        await channel.send(LeaseEnd(at=clock.real(), device_id=device_id, origin=made_by(request, by)))
        if not await board.until(lambda: device_id not in board.leases):
            raise Unavailable("no controller has ended the lease")
        return {"ended": _shown(lease, channel)}

    return [leases, end]


def _shown(lease: Lease, channel: Channel) -> dict[str, Any]:
    """With the device's name and room, if it is still there."""
    shown: dict[str, Any] = msgspec.to_builtins(lease)
    try:
        device = channel.devices.get(lease.device_id)
    except UnknownDevice:
        return shown
    return {**shown, "name": device.name or device.kind, "kind": device.kind, "room_number": device.room_number}
