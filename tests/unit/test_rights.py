"""Who may do what where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.access.rights import RANK, Level, Person, Place, Places, Right, RoomPlace, guest

ROOM = RoomPlace(room=7, floor=2, building=3, site=1)
COVERING = [Place(site=1), Place(building=3), Place(building=3, floor=2), Place(room=7)]
ELSEWHERE = [Place(site=2), Place(building=4), Place(building=3, floor=1), Place(building=4, floor=2), Place(room=8)]
levels = st.sampled_from(sorted(RANK))
rights = st.builds(Right, levels, st.sampled_from([*COVERING, *ELSEWHERE]), st.booleans())


def person(*rights: Right, **more: object) -> Person:
    return Person(1, "anna", rights=rights, **more)


@pytest.mark.parametrize("place", COVERING)
def test_a_right_inherits_from_site_to_building_floor_and_room(place: Place) -> None:
    assert person(Right("drive", place)).level(ROOM) == "drive"


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_right_elsewhere_is_none_here(place: Place) -> None:
    assert person(Right("manage", place)).level(ROOM) is None


def test_the_highest_right_counts() -> None:
    anna = person(Right("see", Place(room=7)), Right("manage", Place(site=1)), Right("drive", Place(building=3)))
    assert anna.level(ROOM) == "manage"


def test_a_right_while_there_counts_while_there() -> None:
    anna = person(Right("see", Place(site=1)), Right("drive", Place(building=3), there=True))
    assert (anna.level(ROOM), anna.level(ROOM, there=True)) == ("see", "drive")


def test_being_there_gives_what_does_not_stand_anyway() -> None:
    there = Right("drive", Place(building=3), there=True)
    assert person(there).while_there(ROOM) == "drive"
    assert person(there, limit="see").while_there(ROOM) == "see"
    for stands in (person(Right("drive", Place(room=7)), there), person(there, admin=True), person()):
        assert stands.while_there(ROOM) is None


def test_a_guest_drives_one_room_and_is_nobody_with_an_account() -> None:
    visitor = guest(17, 7)
    assert (visitor.level(ROOM), visitor.everywhere([(3, 1)])) == ("drive", None)
    assert visitor.level(RoomPlace(room=8, floor=2, building=3, site=1)) is None
    assert visitor.guest
    assert not person(admin=True).guest


def test_an_administrator_may_do_everything() -> None:
    assert person(admin=True).level(ROOM) == "manage"


def test_a_token_gives_no_more_than_it_was_made_for() -> None:
    assert person(admin=True, limit="see").level(ROOM) == "see"
    assert person(admin=True, rooms=frozenset({8})).level(ROOM) is None
    assert person(Right("see", Place(room=7)), limit="drive", rooms=frozenset({7})).level(ROOM) == "see"


@given(st.lists(rights), st.booleans(), levels, st.booleans())
def test_one_right_more_never_takes_anything_away(some: list[Right], there: bool, limit: Level, admin: bool) -> None:
    def rank(rights: list[Right]) -> int:
        level = person(*rights, limit=limit, admin=admin).level(ROOM, there=there)
        return 0 if level is None else RANK[level]

    assert [rank(some[:count]) for count in range(len(some) + 1)] == sorted(
        rank(some[:count]) for count in range(len(some) + 1)
    )
    assert rank(some) <= RANK[limit]


ROOMS = [
    ROOM,
    RoomPlace(room=8, floor=2, building=3, site=1),
    RoomPlace(room=9, floor=1, building=3, site=1),
    RoomPlace(room=10, floor=2, building=4, site=1),
    RoomPlace(room=11, floor=1, building=5, site=2),
]
some_rooms = st.none() | st.frozensets(st.sampled_from([room.room for room in ROOMS]))


@given(st.lists(rights), st.none() | st.sampled_from(ROOMS), levels, st.booleans(), some_rooms)
def test_all_rooms_at_once_are_as_each_of_them(
    some: list[Right], at: RoomPlace | None, limit: Level, admin: bool, rooms: frozenset[int] | None
) -> None:
    anna = person(*some, limit=limit, admin=admin, rooms=rooms)
    each = {room.room: anna.level(room, there=room == at) for room in ROOMS}
    at_once = anna.levels(Places(ROOMS), there=None if at is None else at.room)
    assert at_once == {room: level for room, level in each.items() if level is not None}
