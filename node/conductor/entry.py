"""The door of a room: whether somebody may come in, before a seat is asked for.

In one step, a join is checked by the definition that this node knows, and after the seat was taken once more if
that turned out to be an old one: so a room that is opened to everybody asks the store for nothing but the seat.
Where neither the store nor this node knows the room, people come in unchecked at first (unchecked.py).
Whoever is inside may come in again, whatever became of the invitation or the PIN: a reload is not a new visit.
In two steps, the first one asks the store, and the room token says by which definition the bearer was let in: where the
room is another by the time it is used, they are checked again. Of somebody who was let in for being inside it says
nothing, for they may have been sent away since.

A PIN is guessed slowly: wrong ones, and no others, empty a bucket of the session, one of the user and one of the room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from node.conductor.unchecked import Shown, UncheckedSeats
from session.access import may_enter_unasked
from session.directory import Access
from session.invitations import Use
from signalling.errors import ErrorCode, Refused
from signalling.ids import participant_id
from signalling.keyed_pace import KeyedPace

__all__ = ["Entry", "Passed", "Shown"]

if TYPE_CHECKING:
    from collections.abc import Callable

    from accounts import Passwords
    from session import Admitted, Rooms, Sessions, StoredRoom
    from session.access import Caller
    from session.claims import RoomClaims
    from session.directory import RoomDefinition
    from session.invitations import Invitations
    from session.store import Seat
    from signalling.ids import ParticipantId, RoomId, SessionId

PINS_AT_ONCE: Final = 5
"""Wrong tries of one session, and of one user, in one room before they wait."""

PINS_PER_S: Final = 1 / 10
"""Wrong tries from then on. A PIN of 6 digits then takes a session 58 days to try half of them."""

PINS_AT_ONCE_IN_ROOM: Final = 100
"""Wrong tries of all together in one room, for guests come as somebody else each time; above what may be hashed or
wait for it at once (66), so that people with the right PIN never keep each other out."""

PINS_PER_S_IN_ROOM: Final = 1 / 2
"""From then on: 12 days for half of 6 digits, however many try. While they do, a newcomer waits its turn or brings an
invitation; whoever is inside needs neither."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed:
    """What a room token says of the check before it was made.

    Attributes:
        revision: Of the definition by which somebody was let in, 0 where there was none; None for who was inside.
        invitation: The one to be counted once they sit.
    """

    revision: int | None = None
    invitation: str | None = None


_Taken: TypeAlias = "list[tuple[KeyedPace, str]]"

MAX_CHECKS: Final = 3
"""How often a room may change while somebody comes in."""

COUNT_DEADLINE_S: Final = 2.0
"""To count an invitation for somebody who sits: two calls to the store, and some repeats where many come at once."""


class Entry:
    """Checks at the door, for joins on this node.

    Args:
        sessions: Takes seats, and knows the rooms' definitions.
        rooms: Know who is inside.
        invitations: Verifies and counts them.
        pins: Checks them in threads of its own.
        may_live_here: Whether this node is of one of these regions or residency tags; true for none.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        rooms: Rooms,
        invitations: Invitations,
        pins: Passwords,
        may_live_here: Callable[[tuple[str, ...]], bool],
    ) -> None:
        self._may_live_here = may_live_here
        self._sessions = sessions
        self._rooms = rooms
        self._invitations = invitations
        self._pins = pins
        self._pace = KeyedPace(rate_per_s=PINS_PER_S, burst=PINS_AT_ONCE)
        self._room_pace = KeyedPace(rate_per_s=PINS_PER_S_IN_ROOM, burst=PINS_AT_ONCE_IN_ROOM)
        self._unchecked = UncheckedSeats(sessions=sessions, check=self._check_and_count, passed=rooms.talk.release)

    async def check(self, room: RoomId, participant: ParticipantId, caller: Caller, shown: Shown) -> Passed:
        """Check by the store's definition, whoever is not inside.

        Raises:
            Refused: `invitation_required`, `invitation_invalid`, `pin_required`, `pin_wrong`, `rate_limited`;
                `store_unavailable`: nobody here knows the room, and the answer is good on nodes that may.
        """
        definitions = self._sessions.definitions
        if self._is_inside(room, participant):
            await trio.lowlevel.checkpoint()
            return Passed()
        try:
            stored = await definitions.get(room)
        except Refused as refused:
            if refused.code is ErrorCode.ROOM_UNKNOWN:
                return Passed(revision=0)  # The join makes it.
            known = definitions.known(room)
            if known is None:
                raise
            stored = known
        use = await self._check(stored, caller, shown)
        return Passed(revision=stored.revision, invitation=None if use is None else use.invitation)

    def is_unchecked(self, session: SessionId, room: RoomId) -> bool:
        """Whether somebody sits there whom nobody could check yet: they may not read what was said before."""
        return self._unchecked.has(session, room)

    async def settle(self) -> None:
        """Check those who could not be checked when they came, as soon as it can be done; runs until cancelled."""
        await self._unchecked.settle()

    async def join(
        self,
        session: SessionId,
        room: RoomId,
        attempt: int,
        caller: Caller,
        shown: Shown,
        granted: RoomClaims | None = None,
    ) -> Admitted:
        """Check and take a seat.

        Cancelled, it gives the seat back.

        Args:
            session: Whose seat.
            room: Which room.
            attempt: Of the session's device.
            caller: Who it is.
            shown: What they have to show, should they be checked here.
            granted: What their room token says: whoever made it has checked.

        Raises:
            Refused: As :meth:`check` and :meth:`session.service.Sessions.join`; `room_not_here`: the room may not live
                on this node; `room_changed`: while they came in, or
                since their room token was made.
        """
        definitions = self._sessions.definitions
        revision: int | None
        # Whether somebody is inside is said once, before the seat: its own must not vouch for it.
        if granted is None:
            stored = await definitions.for_join(room, caller.user)
            revision, is_inside = stored.revision, self._is_session_inside(session, room)
            self._check_residency(stored, is_inside=is_inside)
            use = None if is_inside else await self._check(stored, caller, shown)
        else:
            revision, is_inside = granted.checked, self._is_session_inside(session, room)
            use = None if granted.invitation is None else Use(invitation=granted.invitation, user=caller.user)
        before = self._sessions.seat(session, room)
        is_in = before is not None and before.attempt == attempt
        try:
            for _ in range(MAX_CHECKS):
                admitted = await self._sessions.join(session, room, attempt)
                known = definitions.known(room)
                if known is not None:
                    self._check_residency(known, is_inside=is_inside)
                # A token may be checked by a newer definition than this node can read: revisions only rise.
                if known is None or (revision is not None and known.revision <= revision):
                    await self._count(use, session, room, attempt)
                    is_in = True
                    if revision or is_inside:
                        self._unchecked.discard(session, room)
                    else:
                        self._unchecked.add(session, room, caller, shown)
                    return admitted
                if not is_inside:
                    use = await self._check_again(known, caller, shown, use, granted)
                revision = known.revision
            raise Refused(ErrorCode.ROOM_CHANGED, "The room's settings changed while you joined; try again.")
        finally:
            if not is_in:
                self._take_back(session, room, attempt)

    async def _check_again(
        self, stored: StoredRoom, caller: Caller, shown: Shown, use: Use | None, granted: RoomClaims | None
    ) -> Use | None:
        """Check somebody who sits by a definition that they were not checked by.

        Raises:
            Refused: As :meth:`check`; `room_changed`.
        """
        if granted is None or may_enter_unasked(stored.definition, caller):
            return await self._check(stored, caller, shown)
        if granted.invitation is not None:
            return use  # It is for the room, whatever became of its settings; to count it is to check it.
        if granted.checked is not None and shown == Shown():
            raise Refused(
                ErrorCode.ROOM_CHANGED, "The room was changed since this room token was made; ask for a new one."
            )
        return await self._check(stored, caller, shown)

    async def _count(self, use: Use | None, session: SessionId, room: RoomId, attempt: int) -> None:
        """Count an invitation for somebody who sits.

        A cancellation waits until this is decided, twice `COUNT_DEADLINE_S` at most: then somebody sits and is
        counted, or neither. Without a use it does not wait.

        Raises:
            Refused: `invitation_invalid`, `rate_limited`, `deadline_exceeded`; `replaced`: the seat went meanwhile.
        """
        if use is None:
            return
        is_counted, is_late, is_gone = True, False, False
        taken = self._sessions.seat(session, room)
        with trio.CancelScope(shield=True):
            with trio.move_on_after(COUNT_DEADLINE_S) as counting:
                is_counted = await self._invitations.count(use, room=room)
            is_late = counting.cancelled_caught
            seat = self._sessions.seat(session, room)
            is_gone = seat is None or seat.attempt != attempt
            if is_counted and (is_gone or is_late):
                with trio.move_on_after(COUNT_DEADLINE_S):
                    if taken is None or not await self._sits_otherwise(taken):
                        await self._invitations.uncount(use, room=room)
        if is_gone:
            raise Refused(ErrorCode.REPLACED, "You joined again, here or from another device, in the meantime.")
        if is_late:
            raise Refused(ErrorCode.DEADLINE_EXCEEDED, "The invitation could not be counted in time; try again.")

    async def _sits_otherwise(self, seat: Seat) -> bool:
        """Whether a user has another seat than this one in its room: they came in by the use that was counted for it.

        Where the store does not say they are taken to have one, for it would not take the use back either.
        """
        if any(info.user == seat.user for info in self._rooms.snapshot(seat.room)):
            return True
        for other in self._sessions.seats():
            is_theirs = (other.room, other.user) == (seat.room, seat.user)
            if is_theirs and (other.session, other.attempt) != (seat.session, seat.attempt):
                return True
        try:
            return await self._sessions.is_taken(seat)
        except Refused:
            return True

    def _is_session_inside(self, session: SessionId, room: RoomId) -> bool:
        record = self._sessions.record(session)
        return record is not None and self._is_inside(room, participant_id(room, record.user, record.device))

    def _is_inside(self, room: RoomId, participant: ParticipantId) -> bool:
        """Whether the same user's same device was let in and its seat stands, in grace included."""
        sitting = self._rooms.sitting(room, participant)
        if sitting is None or self._sessions.seat(sitting, room) is None:
            return False
        return not self.is_unchecked(sitting, room)

    def _check_residency(self, stored: StoredRoom, *, is_inside: bool) -> None:
        """Whoever is inside stays: a room that is given other regions is not torn apart."""
        where = stored.definition.residency
        if not is_inside and not self._may_live_here(where):
            sentence = f"This room lives in {', '.join(where)} alone; ask GET /v1/nodes?room= which nodes take you."
            raise Refused(ErrorCode.ROOM_NOT_HERE, sentence)

    def _take_back(self, session: SessionId, room: RoomId, attempt: int) -> None:
        seat = self._sessions.seat(session, room)
        if seat is not None and seat.attempt == attempt:
            # Told to the room, for it may hold this seat as the heir of one that it showed to everybody.
            self._sessions.expel(session, room, "left")

    async def _check(self, stored: StoredRoom, caller: Caller, shown: Shown) -> Use | None:
        if may_enter_unasked(stored.definition, caller):
            return None
        definition = stored.definition
        if shown.invitation is not None:
            # Also where a PIN would do: whoever was invited need not know it.
            return await self._invitations.check(shown.invitation, room=definition.room, user=caller.user)
        if definition.access is Access.INVITE:
            raise Refused(
                ErrorCode.INVITATION_REQUIRED, "This room is by invitation; ask its owner for one and join with it."
            )
        if shown.pin is None:
            raise Refused(ErrorCode.PIN_REQUIRED, "This room asks for a PIN; join again with `pin`.")
        await self._check_pin(definition, caller, shown.pin)
        return None

    async def _check_and_count(self, stored: StoredRoom, caller: Caller, shown: Shown) -> None:
        use = await self._check(stored, caller, shown)
        if use is not None:
            await self._invitations.count(use, room=stored.definition.room)

    async def _check_pin(self, definition: RoomDefinition, caller: Caller, pin: str) -> None:
        # Taken before the hash, so that many tries at once are no more than the buckets hold; one that is cancelled
        # stays taken, for its sender may have seen enough.
        taken = self._take_a_try(definition.room, caller)
        try:
            is_right = await self._pins.check(definition.pin_hash, pin)
        except Refused:
            _give_back(taken)
            raise
        if not is_right:
            raise Refused(ErrorCode.PIN_WRONG, "That is not the PIN of this room; try another one.")
        _give_back(taken)

    def _take_a_try(self, room: RoomId, caller: Caller) -> _Taken:
        # The room's comes last: whoever has no tries left takes none from the others.
        taken: _Taken = []
        for pace, key in (
            (self._pace, f"s {caller.session} {room}"),
            (self._pace, f"u {caller.user} {room}"),
            (self._room_pace, str(room)),
        ):
            if not pace.take(key, trio.current_time()):
                _give_back(taken)
                raise Refused(ErrorCode.RATE_LIMITED, "Too many PINs were tried; wait ten seconds before the next one.")
            taken.append((pace, key))
        return taken


def _give_back(taken: _Taken) -> None:
    for pace, key in taken:
        pace.give_back(key)
