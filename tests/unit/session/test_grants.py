"""Grants: which rooms a pattern names, and that a chain of tokens never widens."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session.grants import Grants, matches
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId

ROOM = RoomId("team-1")


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_a_pattern_matches_as_the_regular_expression_it_stands_for(pattern: str, name: str) -> None:
    expected = re.fullmatch(re.sub(r"\*+", ".*", pattern), name) is not None
    assert matches(pattern, name) == expected


def test_nothing_but_the_star_is_special() -> None:
    assert not matches("te?m-1", "team-1")
    assert not matches("[a-z]*", "team-1")
    assert matches("a.b", "a.b")
    assert not matches("a.b", "axb")


def test_a_pattern_of_many_stars_is_no_burden() -> None:
    assert not matches("*a" * 64, "a" * 63 + "b")


@pytest.mark.parametrize("grants", [Grants(join=False), Grants(rooms="other-*"), Grants(rooms="team")])
def test_a_room_that_is_not_granted_is_refused(grants: Grants) -> None:
    assert not grants.allows_room(ROOM)
    with pytest.raises(Refused) as refused:
        grants.check_room(ROOM)
    assert refused.value.code is ErrorCode.NOT_PERMITTED


_grants = st.builds(
    Grants,
    join=st.booleans(),
    publish=st.booleans(),
    subscribe=st.booleans(),
    publish_data=st.booleans(),
    admin=st.booleans(),
    rooms=st.sampled_from(["*", "team-*", "team-1", "other"]),
)


@given(_grants, _grants)
def test_a_room_token_is_within_its_session_and_not_within_less(grants: Grants, other: Grants) -> None:
    mine = grants.for_room(ROOM)
    assert mine.is_within(grants, ROOM) == matches(grants.rooms, ROOM)
    names = ("join", "publish", "subscribe", "publish_data", "admin")
    is_more = any(getattr(mine, name) and not getattr(other, name) for name in names)
    assert mine.is_within(other, ROOM) == (not is_more and matches(other.rooms, ROOM))
