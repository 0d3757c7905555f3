"""Who may drive a device now: leases, what was done by hand, alarms of the field."""

import pytest

from insula.gateways.gate import Gate
from insula.messages import BuildingSettings, Command, CommandClass, Lease, Origin

NOON = 1_767_268_800_000  # 2026-01-01 12:00 UTC
HOUR = 3_600_000

ANNA = Origin(kind="user", name="anna")
BEN = Origin(kind="user", name="ben")
RULE = Origin(kind="rule", name="blinds-humid")
WALL = Origin(kind="switch", name="1.1.7")


@pytest.fixture
def gate() -> Gate:
    gate = Gate()
    gate.connected = True
    return gate


def command(origin: Origin = RULE, class_: CommandClass = "comfort", device_id: int = 7) -> Command:
    return Command(
        at=NOON,
        device_id=device_id,
        gateway_id="g",
        point="position",
        value=50,
        class_=class_,
        expires_at=NOON + 30_000,
        origin=origin,
    )


def lease(
    owner: Origin = ANNA, class_: CommandClass = "occupant", until: int = NOON + HOUR, command_id: str = ""
) -> Lease:
    return Lease(device_id=7, owner=owner, class_=class_, since=NOON, until=until, command_id=command_id)


def test_without_lease_or_alarm_everything_passes(gate: Gate) -> None:
    assert gate.refusal(command(), NOON) == ""


def test_nothing_passes_while_the_link_is_down(gate: Gate) -> None:
    gate.connected = False
    assert gate.refusal(command(ANNA, "safety"), NOON) == "not connected"


def test_a_lower_rank_is_told_who_holds_the_device_and_until_when(gate: Gate) -> None:
    gate.lease(lease())
    assert gate.refusal(command(), NOON) == "held by user anna until 13:00"


def test_the_end_is_told_in_the_buildings_time(gate: Gate) -> None:
    gate.settings = BuildingSettings(time_zone="Europe/Paris")
    gate.lease(lease(until=NOON + 13 * HOUR))
    assert gate.refusal(command(), NOON) == "held by user anna until 2026-01-02 02:00"


@pytest.mark.parametrize("zone", ["Nowhere/Atlantis", "../etc", ""])
def test_an_unknown_time_zone_is_told_in_utc(gate: Gate, zone: str) -> None:
    gate.settings = BuildingSettings(time_zone=zone)
    gate.lease(lease(owner=Origin()))
    assert gate.refusal(command(), NOON) == "held by unknown until 13:00"


@pytest.mark.parametrize(
    ("class_", "passes"),
    [
        ("safety", True),
        ("service", True),
        ("occupant", True),
        ("schedule", False),
        ("comfort", False),
        ("energy", False),
    ],
)
def test_equal_and_higher_ranks_pass_an_occupants_lease(gate: Gate, class_: CommandClass, passes: bool) -> None:
    gate.lease(lease())
    assert (gate.refusal(command(BEN, class_), NOON) == "") is passes


def test_the_owner_passes_with_any_rank(gate: Gate) -> None:
    gate.lease(lease())
    assert gate.refusal(command(ANNA, "energy"), NOON) == ""


def test_a_lease_ends_by_itself(gate: Gate) -> None:
    gate.lease(lease())
    assert gate.refusal(command(), NOON + HOUR - 1)
    assert gate.refusal(command(), NOON + HOUR) == ""


def test_a_lease_holds_its_device_alone(gate: Gate) -> None:
    gate.lease(lease())
    assert gate.refusal(command(device_id=8), NOON) == ""


def test_an_ended_lease_holds_nothing(gate: Gate) -> None:
    gate.lease(lease())
    gate.release(7, NOON)
    assert gate.refusal(command(), NOON) == ""


# --- by hand


@pytest.mark.parametrize("who", [ANNA, WALL, Origin()])
def test_what_was_done_by_hand_holds_for_an_hour(gate: Gate, who: Origin) -> None:
    gate.hold(7, who, "occupant", NOON)
    assert gate.refusal(command(), NOON + HOUR - 1)
    assert gate.refusal(command(), NOON + HOUR) == ""


def test_how_long_it_holds_is_a_setting(gate: Gate) -> None:
    gate.settings = BuildingSettings(hand_hold_s=60)
    gate.hold(7, WALL, "occupant", NOON)
    assert gate.refusal(command(), NOON) == "held by switch 1.1.7 until 12:01"


def test_the_controllers_lease_takes_over_from_the_hold(gate: Gate) -> None:
    gate.hold(7, ANNA, "occupant", NOON)
    gate.lease(lease(until=NOON + 1000))
    assert gate.refusal(command(), NOON + 999)
    assert gate.refusal(command(), NOON + 1000) == ""


def test_a_lower_lease_from_before_does_not_end_the_hold(gate: Gate) -> None:
    gate.hold(7, ANNA, "service", NOON)
    gate.lease(lease(BEN, "occupant"))
    assert gate.refusal(command(BEN, "occupant"), NOON) == "held by user anna until 13:00"


def test_a_lower_hold_does_not_replace_a_higher_one(gate: Gate) -> None:
    gate.hold(7, ANNA, "service", NOON)
    gate.hold(7, WALL, "occupant", NOON)
    assert gate.refusal(command(BEN, "occupant"), NOON) == "held by user anna until 13:00"
    gate.hold(7, WALL, "occupant", NOON + HOUR)
    assert "switch 1.1.7" in gate.refusal(command(), NOON + HOUR)


def test_a_higher_lease_still_counts_beside_a_hold(gate: Gate) -> None:
    gate.lease(lease(ANNA, "service"))
    gate.hold(7, WALL, "occupant", NOON)
    assert gate.refusal(command(BEN, "occupant"), NOON) == "held by user anna until 13:00"


def test_ending_the_lease_ends_the_hold(gate: Gate) -> None:
    gate.hold(7, ANNA, "occupant", NOON)
    gate.release(7, NOON)
    assert gate.refusal(command(), NOON) == ""


def test_ending_a_live_lease_ends_a_later_hold_too(gate: Gate) -> None:
    gate.lease(lease())
    gate.hold(7, BEN, "occupant", NOON + 1)
    gate.release(7, NOON + 2)
    assert gate.refusal(command(), NOON + 2) == ""


def test_tidying_up_a_lease_that_had_run_out_does_not_end_a_newer_hold(gate: Gate) -> None:
    gate.lease(lease(until=NOON + 1000))
    gate.hold(7, ANNA, "occupant", NOON + 999)
    gate.release(7, NOON + 1001)
    assert gate.refusal(command(), NOON + 1001)


def test_a_lease_that_was_quicker_than_the_device_leaves_no_hold_behind(gate: Gate) -> None:
    gate.lease(lease(until=NOON + 1000, command_id="c1"))
    gate.hold(7, ANNA, "occupant", NOON, command_id="c1")
    assert gate.refusal(command(), NOON + 1000) == ""


# --- alarms


@pytest.mark.parametrize(
    ("point", "reason"), [("wind_alarm", "wind alarm"), ("rain_alarm", "rain alarm"), ("lock_alarm", "locked")]
)
def test_an_alarm_blocks_every_rank_while_it_lasts(gate: Gate, point: str, reason: str) -> None:
    gate.alarm(7, point, on=True)
    assert gate.refusal(command(ANNA, "safety"), NOON) == reason
    assert gate.refusal(command(device_id=8), NOON) == ""
    gate.alarm(7, point, on=False)
    assert gate.refusal(command(), NOON) == ""


def test_of_several_alarms_the_device_is_free_after_the_last(gate: Gate) -> None:
    gate.alarm(7, "rain_alarm", on=True)
    gate.alarm(7, "wind_alarm", on=True)
    assert gate.alarm_of(7) == "wind alarm"
    gate.alarm(7, "wind_alarm", on=False)
    assert gate.alarm_of(7) == "rain alarm"


def test_a_new_alarm_role_has_a_reason_by_its_name(gate: Gate) -> None:
    gate.alarm(7, "frost_alarm", on=True)
    assert gate.alarm_of(7) == "frost alarm"


def test_a_removed_device_leaves_no_alarm_behind(gate: Gate) -> None:
    gate.alarm(7, "wind_alarm", on=True)
    gate.keep({8})
    assert gate.alarm_of(7) == ""
