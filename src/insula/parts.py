"""The parts that run in a process (bootstrap.py), each made of its settings; only its own modules are imported."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol

from insula.messages import GatewayRecord
from insula.settings import AlertSettings

if TYPE_CHECKING:
    from insula.alerts.notices import Messenger
    from insula.bootstrap import Installation
    from insula.gateways.port import FieldBus


class Part(Protocol):
    async def run(self) -> None: ...


def _directory(at: "Installation") -> Part:
    from insula.building.rules import load_ruleset
    from insula.directory.directory import Directory

    return Directory(at.channel, at.store, at.clock, rules=load_ruleset, instance=at.instance)


def _recorder(at: "Installation") -> Part:
    from insula.recorder.recorder import Recorder

    every_s = at.settings.recorder.every_s
    return Recorder(at.channel, at.store, at.clock, every_s=every_s, run=at.run_id, instance=at.instance)


def _history(at: "Installation") -> Part:
    from insula.recorder.history import History

    return History(at.channel, at.store, at.clock, at.settings.history.by_tier(), instance=at.instance)


def _controller(at: "Installation") -> Part:
    from insula.controller.controller import Controller

    return Controller(at.channel, at.clock, at.instance)


def _knx(at: "Installation") -> Part:
    from insula.gateways.knx.gateway import KnxGateway
    from insula.gateways.supervisor import GatewaySupervisor

    def make(record: GatewayRecord) -> "FieldBus":
        return KnxGateway(record.options, at.clock)

    return GatewaySupervisor("knx", make, at.channel, at.clock, at.instance)


def _zwave(at: "Installation") -> Part:
    from insula.gateways.supervisor import GatewaySupervisor
    from insula.gateways.zwave.gateway import ZwaveGateway

    def make(record: GatewayRecord) -> "FieldBus":
        return ZwaveGateway(record.options, at.clock)

    return GatewaySupervisor("zwave", make, at.channel, at.clock, at.instance)


def _alerts(at: "Installation") -> Part:
    from insula.alerts.alerts import Alerts
    from insula.alerts.conditions import Limits

    of = at.settings.alerts
    limits = Limits(away_ms=int(of.away_s * 1000), battery=of.battery_percent)
    return Alerts(
        at.channel,
        at.clock,
        list(_messengers(of)),
        limits=limits,
        confirm_s=of.confirm_s,
        throttle_s=of.throttle_s,
        least=of.least,
        instance=at.instance,
    )


def _messengers(of: AlertSettings) -> "Iterator[Messenger]":
    """The ways to people that the settings name."""
    if of.recipients:
        from insula.alerts.mail import Mail

        yield Mail(of.smtp_host, of.smtp_port, of.mail_from, of.recipients, of.smtp_user, of.smtp_password, of.smtp_tls)
    if of.webhook_url:
        from insula.alerts.webhook import Webhook

        yield Webhook(of.webhook_url)


MAKERS: Mapping[str, "Callable[[Installation], Part]"] = {
    "directory": _directory,
    "recorder": _recorder,
    "history": _history,
    "knx": _knx,
    "zwave": _zwave,
    "controller": _controller,
    "alerts": _alerts,
}
"""All but the API, whose socket is the process's (bootstrap.py)."""
