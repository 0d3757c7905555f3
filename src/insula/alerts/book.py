"""The alerts there are: raised once, acknowledged, cleared by themselves. Pure.

Times are ms: ``now`` of the building's clock, ``real`` of the real one.
"""

import re
from collections.abc import Container, Iterable, Iterator, Sequence

from msgspec.structs import replace

from insula.alerts.conditions import Condition, Found
from insula.messages import Alert, AlertEvent, AlertKind, AlertStep, DeviceRecord

_NO_KEY = re.compile(r"[^\w.-]")


def device_subject(device_id: int) -> str:
    return f"device-{device_id}"


def gateway_subject(gateway_id: str) -> str:
    return f"gateway-{_NO_KEY.sub('_', gateway_id)}"


def part_subject(name: str) -> str:
    return f"part-{_NO_KEY.sub('_', name)}"


def subject_of(key: str) -> str:
    return key.rpartition(".")[0]


class Book:
    """``alerts``, by key: those that are open, and those cleared of which somebody is still to be told."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self._since: dict[str, tuple[int, int]] = {}

    def put(self, alert: Alert) -> None:
        """As topic ``state`` has it."""
        self.alerts[alert.key] = alert

    def forget(self, key: str) -> None:
        self.alerts.pop(key, None)

    def open(self) -> Iterator[Alert]:
        return (alert for alert in self.alerts.values() if not alert.cleared_at)

    def judge(
        self,
        subject: str,
        kinds: Sequence[AlertKind],
        found: Found,
        now: int,
        real: int,
        *,
        device: DeviceRecord | None = None,
        gateway_id: str = "",
    ) -> Iterator[AlertEvent]:
        """What is to be raised and cleared, now that this was found of the subject."""
        for kind in kinds:
            key = f"{subject}.{kind}"
            condition = found.get(kind)
            if condition is not None:
                if self._is_new(key) and self._ripe(key, condition, now, real):
                    yield self._raise(key, kind, condition, now, real, device, gateway_id)
                continue
            self._since.pop(key, None)
            if kind not in found and key in self.alerts:
                yield from self._clear(key, now, real)

    def gone(self, subjects: Container[str], now: int, real: int) -> Iterator[AlertEvent]:
        """What is to be cleared because there are only these subjects now."""
        for key in [key for key in self.alerts if subject_of(key) not in subjects]:
            yield from self._clear(key, now, real)
        for key in [key for key in self._since if subject_of(key) not in subjects]:
            del self._since[key]

    def acknowledge(self, key: str, alert_id: str, by: str, now: int, real: int) -> Iterator[AlertEvent]:
        """Nothing to do when it is no longer this one, or was acknowledged before."""
        alert = self.alerts.get(key)
        if alert is not None and alert.id == alert_id and not alert.acknowledged_at and not alert.cleared_at:
            yield self._step(replace(alert, acknowledged_at=now, acknowledged_by=by), "acknowledged", real)

    def told(self, alerts: Iterable[Alert], channel: str) -> list[Alert]:
        """Those of ``alerts``, as they were told, that are still so: they are marked, and to be published."""
        marked = []
        for told in alerts:
            alert = self.alerts.get(told.key)
            if alert is not None and alert.id == told.id:
                self.alerts[alert.key] = replace(alert, told=(*alert.told, note(told, channel)))
                marked.append(self.alerts[alert.key])
        return marked

    # --- steps

    def _is_new(self, key: str) -> bool:
        alert = self.alerts.get(key)
        return alert is None or alert.cleared_at != 0

    def _ripe(self, key: str, condition: Condition, now: int, real: int) -> bool:
        since, since_real = self._since.setdefault(key, (now, real))
        return now - since >= condition.for_ms and real - since_real >= condition.for_real_ms

    def _raise(
        self,
        key: str,
        kind: AlertKind,
        condition: Condition,
        now: int,
        real: int,
        device: DeviceRecord | None,
        gateway_id: str,
    ) -> AlertEvent:
        self._since.pop(key, None)
        alert = Alert(
            key=key,
            kind=kind,
            severity=condition.severity,
            text=condition.text[:255],
            gateway_id=device.gateway_id if device is not None else gateway_id,
            device_id=device.device_id if device is not None else None,
            room_id=device.room_id if device is not None else None,
            point=condition.point,
            value=condition.value,
            raised_at=now,
        )
        return self._step(alert, "raised", real)

    def _clear(self, key: str, now: int, real: int) -> Iterator[AlertEvent]:
        alert = self.alerts[key]
        if not alert.cleared_at:
            yield self._step(replace(alert, cleared_at=now), "cleared", real)

    def _step(self, alert: Alert, what: AlertStep, real: int) -> AlertEvent:
        self.alerts[alert.key] = alert
        return AlertEvent(id=f"{alert.id}.{what}", at=real, what=what, alert=alert)


def note(alert: Alert, channel: str) -> str:
    """What ``Alert.told`` says of a channel that was told of this alert as it is now."""
    return f"{channel}:{'cleared' if alert.cleared_at else 'raised'}"
