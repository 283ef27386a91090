"""Who may decide about a room."""

from __future__ import annotations

from session.access import Caller, may_moderate
from session.directory import RoomDefinition
from session.grants import Grants
from signalling.ids import RoomId, UserId

ROOM = RoomId("team-a")
ME, OTHER, NOBODY = UserId("us_1"), UserId("us_2"), UserId("")


def may(user: UserId, grants: Grants, *, owner: UserId) -> bool:
    definition = RoomDefinition(room=ROOM, max_participants=10, owner=owner)
    return may_moderate(definition, Caller(user=user, session=None, grants=grants))


def test_who_moderates() -> None:
    assert may(ME, Grants(), owner=ME)
    assert not may(OTHER, Grants(), owner=ME)
    assert not may(NOBODY, Grants(), owner=NOBODY)
    assert may(OTHER, Grants(admin=True), owner=ME)
    assert may(OTHER, Grants(admin=True, rooms="team-*"), owner=NOBODY)
    assert not may(OTHER, Grants(admin=True, rooms="den-*"), owner=ME)
    assert not may(ME, Grants(rooms="den-*"), owner=ME)
