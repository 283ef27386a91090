"""Who asks something about a room, and whether they may come in unasked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from session.directory import Access
from session.grants import ALL_BUT_ADMIN, Grants, matches

if TYPE_CHECKING:
    from session.claims import SessionClaims
    from session.directory import RoomDefinition
    from session.records import SessionRecord
    from signalling.ids import SessionId, UserId

__all__ = ["Caller", "caller_of", "may_enter_unasked", "may_moderate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Somebody who asks something about a room.

    Attributes:
        user: who.
        session: in which session; None with a token that names none yet.
        grants: what their token allows.
    """

    user: UserId
    session: SessionId | None
    grants: Grants = ALL_BUT_ADMIN


def caller_of(who: SessionClaims | SessionRecord) -> Caller:
    """Whoever a session token or an open session names."""
    return Caller(user=who.user, session=who.session, grants=who.grants)


def may_moderate(definition: RoomDefinition, caller: Caller) -> bool:
    """Whether somebody may change the room and decide about the people in it.

    Its owner may, and an administrator, where their grants reach.
    """
    if not matches(caller.grants.rooms, definition.room):
        return False
    return caller.grants.admin or (definition.owner != "" and definition.owner == caller.user)


def may_enter_unasked(definition: RoomDefinition, caller: Caller) -> bool:
    """Whether somebody needs neither an invitation nor a PIN."""
    return definition.access is Access.OPEN or may_moderate(definition, caller)
