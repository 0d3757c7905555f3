"""The counters that parts tell with their health (bus/health.py), under the names that Prometheus gets."""

from collections.abc import Mapping
from typing import Literal, NamedTuple


class PartMetric(NamedTuple):
    """``label``: what is told apart in one metric, name and value; None: nothing. ``scale``: what is told, times this,
    is in the unit of the name."""

    kind: Literal["counter", "gauge"]
    name: str
    about: str
    label: tuple[str, str] | None = None
    scale: float = 1


def _count(name: str, about: str, label: tuple[str, str] | None = None) -> PartMetric:
    return PartMetric("counter", name, about, label)


def _gauge(name: str, about: str) -> PartMetric:
    return PartMetric("gauge", name, about)


_RESULTS = {
    outcome: _count("gateway_command_results", "Commands answered, by outcome.", ("outcome", outcome))
    for outcome in ("done", "refused", "expired", "failed")
}
GATEWAY: Mapping[str, PartMetric] = {
    **_RESULTS,
    "commands": _count("gateway_commands", "Commands read from the bus."),
    "superseded": _count("gateway_superseded", "Commands that a newer one replaced before they were sent."),
    "telegrams_sent": _count("gateway_telegrams_sent", "Telegrams and frames sent to the field."),
    "repeats": _count("gateway_repeats", "Values of valves written again."),
    "unknown_telegrams": _count("gateway_unknown_telegrams", "Telegrams that fit no device."),
    "invalid_values": _count("gateway_invalid_values", "Values out of their point's range."),
    "deaths": _count("gateway_deaths", "Times that a device was found dead."),
    "resends": _count("gateway_resends", "Readings sent again."),
    "undecodable": _count("gateway_undecodable", "Records that are no message."),
    "dropped": _count("gateway_dropped", "Readings that the bus did not take in time."),
    "pending": _gauge("gateway_pending_commands", "Commands that wait for their turn."),
    "bus_per_s": _gauge("gateway_telegrams_per_second", "Telegrams on the field bus, in both directions."),
    "bus_limit_per_s": _gauge("gateway_telegrams_per_second_limit", "What the field bus can carry; 0: no limit."),
    "connected_since": PartMetric(
        "gauge", "gateway_connected_since_seconds", "Since when the link is up, or was (building's clock).", None, 0.001
    ),
}
BY_PART: Mapping[str, Mapping[str, PartMetric]] = {
    "gateway": GATEWAY,
    "standby": {},
    "api": {},
    "recorder": {
        "rows": _count("recorder_rows", "Rows written to Log."),
        "events": _count("recorder_events", "Results and decisions written."),
        "takeovers": _count("recorder_takeovers", "Partitions taken over."),
        "undecodable": _count("recorder_undecodable", "Records that are no message."),
        "ahead": _count("recorder_ahead", "Readings measured in the future."),
        "skipped": _count("recorder_skipped", "Readings of devices that the database does not have."),
        "lag": _gauge("recorder_lag_records", "Records on its partitions that it has not read."),
        "waiting": _gauge("recorder_waiting_rows", "Rows that wait to be written."),
    },
    "history": {
        "windows": _count("history_windows", "Windows of roll-ups written."),
        "elsewhere": _count("history_elsewhere", "Windows that another process had written."),
        "deleted": _count("history_deleted_rows", "Rows whose time was over."),
        "behind_s": _gauge("history_behind_seconds", "How late roll-ups are (building's clock)."),
    },
    "controller": {
        "readings": _count("controller_readings", "Readings looked at."),
        "decisions": _count("controller_decisions", "Decisions that were told."),
        "commands": _count("controller_commands", "Commands sent."),
        "leases": _count("controller_leases", "Leases given."),
        "rooms": _gauge("controller_rooms", "Rooms it decides for."),
    },
    "alerts": {
        "open": _gauge("alerts_open", "Alerts that are open."),
        "leads": _gauge("alerts_leads", "1: it is the one that tells people."),
        "untold": _gauge("alerts_untold", "Messages to people that wait."),
        "sent": _count("alerts_sent", "Messages to people that went out."),
    },
    "directory": {
        "devices": _gauge("directory_devices", "Devices of the building."),
        "change": _gauge("directory_change", "The number of the last change that was told."),
    },
}
"""By the part's name, then the counter's."""
