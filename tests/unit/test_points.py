"""The table of roles is consistent, and rounds as people do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xknx.dpt import DPTBase

from insula.points import ROLES, Role, role


@pytest.mark.parametrize("meaning", ROLES.values(), ids=ROLES)
def test_role_is_whole_in_itself(meaning: Role) -> None:
    assert meaning.low < meaning.high
    assert meaning.target in ROLES
    assert ROLES[meaning.target].writable or not meaning.drives
    assert DPTBase.parse_transcoder(meaning.dpt) is not None


def test_move_and_stop_drive_the_position() -> None:
    assert {name for name, meaning in ROLES.items() if meaning.target == "position"} == {"position", "move", "stop"}


@pytest.mark.parametrize(("value", "clean"), [(0, 0), (0.49, 0), (0.5, 1), (41.5, 42), (-0.4, 0), (99.7, 100)])
def test_percent_goes_out_whole(value: float, clean: float) -> None:
    assert role("position").clean(value) == clean


@given(st.floats(-1000, 1000))
def test_whole_roles_give_whole_numbers_and_others_keep_decimals(value: float) -> None:
    assert role("illuminance").clean(value).is_integer()
    assert role("temperature").clean(value) == value


def test_unknown_role_names_the_known() -> None:
    with pytest.raises(KeyError, match=r"no role 'temprature'.*temperature"):
        role("temprature")


def test_range_includes_its_ends() -> None:
    assert role("position").in_range(0)
    assert role("position").in_range(100)
    assert not role("position").in_range(100.1)
