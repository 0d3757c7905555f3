"""What became of the alerts: one row a step (raised, acknowledged, cleared), each with the alert as it was then."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from insula.messages import Alert, AlertEvent
from insula.store import tables

ID_LENGTH, TEXT_LENGTH = 64, 200


@dataclass(frozen=True, slots=True)
class AlertIn:
    event: AlertEvent

    @property
    def timestamp(self) -> int:
        """When it happened (ms, building's clock)."""
        alert = self.event.alert
        return {
            "raised": alert.raised_at,
            "acknowledged": alert.acknowledged_at,
            "cleared": alert.cleared_at,
        }[self.event.what]


def alert_row(row: AlertIn) -> dict[str, Any]:
    event, alert = row.event, row.event.alert
    return {
        "id": event.id[:ID_LENGTH],
        "timestamp": row.timestamp,
        "at": event.at,
        "what": event.what,
        "alert": alert.id[:ID_LENGTH],
        "key": alert.key[:TEXT_LENGTH],
        "kind": alert.kind,
        "severity": alert.severity,
        "text": alert.text,
        "gateway": alert.gateway_id[:ID_LENGTH],
        "device": alert.device_id,
        "room": alert.room_id,
        "raised_at": alert.raised_at,
        "acknowledged_at": alert.acknowledged_at,
        "acknowledged_by": alert.acknowledged_by[:TEXT_LENGTH],
        "cleared_at": alert.cleared_at,
    }


Place = tuple[int, str]
"""Where a page ended: when its last alert was raised, and that alert's id."""


async def list_alerts(connection: AsyncConnection, *, limit: int = 100, before: Place | None = None) -> Sequence[Alert]:
    """Each alert as its last step left it, the last raised first."""
    raised = tables.AlertEvent.c
    query = select(raised.alert).where(raised.what == "raised")
    if before is not None:
        at, alert_id = before
        query = query.where(or_(raised.timestamp < at, and_(raised.timestamp == at, raised.alert < alert_id)))
    query = query.order_by(raised.timestamp.desc(), raised.alert.desc()).limit(limit)
    ids = list(await connection.scalars(query))
    steps = select(tables.AlertEvent).where(raised.alert.in_(ids)).order_by(raised.at, raised.timestamp)
    last: dict[str, Alert] = {row.alert: _alert(row) for row in await connection.execute(steps)}
    return [last[alert_id] for alert_id in ids]


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        id=row.alert,
        key=row.key,
        kind=row.kind,
        severity=row.severity,
        text=row.text,
        gateway_id=row.gateway,
        device_id=row.device,
        room_id=row.room,
        raised_at=row.raised_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        cleared_at=row.cleared_at,
    )
