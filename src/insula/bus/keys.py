"""The keys of topic ``state``, and what is found under each. One writer a key; a tombstone says that it is over."""

from insula.errors import Undecodable
from insula.messages import (
    Alert,
    BuildingSettings,
    GatewayRecord,
    Health,
    Learned,
    Lease,
    RightsVersion,
    RoomRecord,
    RuleSet,
    ShadowRules,
    StateValue,
)

RULES_KEY = "rules/building"
SHADOW_KEY = "shadow/building"
SETTINGS_KEY = "settings/building"
RIGHTS_KEY = "rights/building"

STATE_TYPES: dict[str, type[StateValue]] = {
    "lease": Lease,
    "rules": RuleSet,
    "shadow": ShadowRules,
    "settings": BuildingSettings,
    "rights": RightsVersion,
    "room": RoomRecord,
    "gateway": GatewayRecord,
    "learned": Learned,
    "health": Health,
    "alert": Alert,
}
"""The part of a key before its first ``/`` tells the type of its value."""


def rights_key(account: int) -> str:
    """Of one account. It holds nothing: a tombstone says that what is kept of that account is to be looked up again."""
    return f"rights/{account}"


def lease_key(device_id: int) -> str:
    return f"lease/{device_id}"


def room_key(room_id: int) -> str:
    return f"room/{room_id}"


def gateway_key(gateway_id: str) -> str:
    return f"gateway/{gateway_id}"


def learned_key(room_id: int) -> str:
    return f"learned/{room_id}"


def health_key(part: str, instance: str) -> str:
    return f"health/{part}/{instance}"


def alert_key(key: str) -> str:
    return f"alert/{key}"


def state_key(value: StateValue) -> str:
    """The key under which this value is published."""
    match value:
        case Lease():
            return lease_key(value.device_id)
        case RoomRecord():
            return room_key(value.room_id)
        case GatewayRecord():
            return gateway_key(value.id)
        case Learned():
            return learned_key(value.room_id)
        case Health():
            return health_key(value.part, value.instance)
        case Alert():
            return alert_key(value.key)
        case RuleSet():
            return RULES_KEY
        case RightsVersion():
            return RIGHTS_KEY
        case ShadowRules():
            return SHADOW_KEY
    return SETTINGS_KEY


def state_type(key: str) -> type[StateValue]:
    kind = key.partition("/")[0]
    if kind not in STATE_TYPES:
        raise Undecodable(f"no such key on topic state: {key!r}")
    return STATE_TYPES[kind]
