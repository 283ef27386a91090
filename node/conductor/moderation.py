"""What owners and admins decide about the people in a room, carried to wherever these are.

Somebody on this node is told here. What must not be lost stands in the store before anything is sent: a kick, a ban
and a deletion meet the seat at its next renewal, on whatever node it is, and a changed definition is looked for every
:data:`SWEEP_S`. The order over the link between two nodes makes it quick. It is sent once: the link's control channel
is reliable and in order while the link lives, and what is lost with a link is what the store makes up for. A wish to
mute stands nowhere, so it is refused where there is no link to carry it.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import msgspec
import structlog
import trio

from session.access import caller_of, may_moderate
from signalling.client.messages import MuteAsked, ParticipantInfo, RoomChanged
from signalling.errors import ErrorCode, Refused, RoomElsewhere
from signalling.mesh.link import KickOrder, MuteOrder, RoomAltered

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.conductor.ports import OtherNodes
    from node.conductor.stage import Stage
    from relay import RemoteOrder
    from session import Sessions, StoredRoom
    from signalling.client.messages import LeaveReason
    from signalling.ids import NodeId, ParticipantId, RoomId, SessionId, TrackId, UserId
    from signalling.mesh.link import RoomOrder

MAX_SEEN: Final = 1024
"""Orders remembered, so that a late copy does nothing: nodes of the version before send each five times in 5 s."""

SWEEP_S: Final = 15.0
"""How often each live room's definition is read: one read a room, 0.13 ms of processor time each (measured)."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger("conductor")


class Moderation:
    """Carries out decisions about rooms, here and on other nodes.

    Args:
        sessions: Ends seats, and knows the rooms' definitions.
        stage: Knows who is where, and tells them.
        relay: The way to other nodes; None on a node without a mesh.
        url_of: Where a node is reached by clients; empty when it is not known.
        own: This node.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        stage: Stage,
        relay: OtherNodes | None,
        url_of: Callable[[NodeId], str],
        own: NodeId,
    ) -> None:
        self._sessions = sessions
        self._stage = stage
        self._relay = relay
        self._url_of = url_of
        self._own = own
        self._nursery: trio.Nursery | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._told: dict[RoomId, int] = {}
        self._altered: dict[RoomId, bool | None] = {}
        """Rooms that are being read again; whether orders that came since say that they were deleted, None for none."""

    def start(self, nursery: trio.Nursery) -> None:
        """Look after rooms in tasks of this nursery."""
        self._nursery = nursery
        nursery.start_soon(self.sweep)

    # --- about people -----------------------------------------------------------------------

    async def find(self, room: RoomId, participant: ParticipantId) -> ParticipantInfo:
        """Somebody in a room, wherever they are.

        Raises:
            Refused: `room_elsewhere`: this node does not see into the room; `participant_unknown`.
        """
        await self.check_reach(room)
        found = self._seen_now(room, participant)
        if found is None:
            raise _nobody()
        return found

    async def find_to_kick(self, room: RoomId, participant: ParticipantId) -> ParticipantInfo:
        """Somebody in a room, or who was: where a link is lost, people are in a room that are not seen there.

        Raises:
            Refused: As :meth:`find`.
        """
        await self.check_reach(room)
        found = self._seen_now(room, participant)
        if found is not None:
            return found
        for seen in self._stage.rooms.last_seen(room):
            if seen.participant == participant:
                return ParticipantInfo(
                    participant=participant, user=seen.user, name=seen.name, node=seen.node, region=seen.region
                )
        raise _nobody()

    def _seen_now(self, room: RoomId, participant: ParticipantId) -> ParticipantInfo | None:
        return next((info for info in self._stage.rooms.snapshot(room) if info.participant == participant), None)

    async def check_reach(self, room: RoomId) -> None:
        """Refuse what cannot be carried to everybody in a room from here.

        Raises:
            RoomElsewhere: The room lives on nodes that this one has no links with for it.
            Refused: `store_unavailable`: nobody knows where it lives.
        """
        if self._stage.rooms.sessions_in(room):
            await trio.lowlevel.checkpoint()
            return
        nodes = sorted(await self._sessions.nodes_of(room) - {self._own})
        if nodes:
            url = next((url for node in nodes if (url := self._url_of(node))), "")
            raise RoomElsewhere(url, f"This room lives on other nodes; ask one of them: {url or nodes[0]}")

    async def kick(self, room: RoomId, info: ParticipantInfo) -> None:
        """End somebody's seat, wherever it is by now: here at once, elsewhere within a renewal at the latest.

        A seat here may be an old one: they may have moved on a moment ago.

        Raises:
            Refused: `store_unavailable`: nothing was done, for it could not be made certain.
        """
        was_here = self._expel(room, info.participant)
        try:
            await self._sessions.evict(room, participant=info.participant, user=info.user)
        except Refused as refused:
            if not was_here:
                raise
            _log.warning("eviction_not_stored", room=room, code=refused.code)
        self._send_kick(room, info)

    def kick_user(self, room: RoomId, user: UserId) -> None:
        """End all seats of a user that this node sees; whoever it does not see meets the ban at the next renewal."""
        for info in self._stage.rooms.snapshot(room):
            if info.user == user:
                self._expel(room, info.participant)
                self._send_kick(room, info)

    def ask_mute(self, room: RoomId, info: ParticipantInfo, track: TrackId, by: ParticipantId | None) -> None:
        """Ask somebody to mute a track.

        Raises:
            Refused: `track_unknown`; `participant_unreachable`: there is no link to the node that they are on.
        """
        if all(each.track != track for each in info.tracks):
            raise Refused(ErrorCode.TRACK_UNKNOWN, "They publish no such track; look at what they do publish.")
        if info.node == self._own:
            self._ask_mute(room, info.participant, track, by)
        elif not self._send(info.node, MuteOrder(room, _new_order(), info.participant, track, by)):
            raise Refused(
                ErrorCode.PARTICIPANT_UNREACHABLE,
                "There is no link to their node right now; ask again in a few seconds, or kick them.",
            )

    # --- about rooms ------------------------------------------------------------------------

    def room_entered(self, room: RoomId, session: SessionId) -> None:
        """A session comes into a room by the definition known here, which may be news to those inside.

        It is told itself in the answer to its join.
        """
        known = self._sessions.definitions.known(room)
        if known is None:
            return
        if self._stage.rooms.sessions_in(room):
            self._tell(known, entering=session)
        else:
            self._told[room] = known.revision

    def room_changed(self, stored: StoredRoom) -> None:
        """Tell everybody in a room that its definition is another one."""
        room = stored.definition.room
        self._tell(stored)
        for node in sorted(self._stage.nodes_of(room)):
            self._send(node, RoomAltered(room, _new_order()))

    async def room_deleted(self, room: RoomId) -> None:
        """End all seats in a room: here and over links at once, everywhere within a renewal.

        Raises:
            Refused: `store_unavailable`: nobody was told, and nobody's seat has ended.
        """
        await self._sessions.evict(room)
        for node in sorted(self._stage.nodes_of(room)):
            self._send(node, RoomAltered(room, _new_order(), is_deleted=True))
        self._empty(room)

    # --- from other nodes -------------------------------------------------------------------

    def carry_out(self, event: RemoteOrder) -> None:
        """Another node sends an order; one that was carried out does nothing when it is heard again.

        One that met nobody is not carried out: who it is about may be on their way to their seat.
        """
        order = event.order
        key = f"{event.node} {order.order}"
        if key in self._seen:
            return
        _log.info("order_heard", peer=event.node, room=order.room, kind=type(order).__name__)
        is_done = True
        match order:
            case KickOrder(room=room, participant=participant):
                is_done = self._expel(room, participant)
            case MuteOrder(room=room, participant=participant, track=track, by=by):
                is_done = self._ask_mute(room, participant, track, by)
            case RoomAltered(room=room, is_deleted=is_deleted):
                self._read_soon(room, is_deleted=is_deleted)
                # A copy reads again: it may find what the store could not say before.
                is_done = False
        if is_done:
            self._note_seen(key)

    def _note_seen(self, key: str) -> None:
        self._seen[key] = None
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)

    async def sweep(self) -> None:
        """Look for definitions that changed on nodes without a link to this one; runs until cancelled.

        A room that is not in the store ends nothing: a store that lost its memory must not empty rooms. One whose
        deletion is decided there is emptied, in case nobody was told.
        """
        while True:
            await trio.sleep(SWEEP_S)
            live = self._stage.rooms.live_rooms()
            self._told = {room: revision for room, revision in self._told.items() if room in live}
            for room in live:
                await self._look(room)

    def _read_soon(self, room: RoomId, *, is_deleted: bool) -> None:
        """Read a room's definition behind the caller's back, and once more if orders come meanwhile.

        One task a room, however many orders come: what is read is the newest for all of them.
        """
        assert self._nursery is not None, "started with the conductor"
        is_reading = room in self._altered
        self._altered[room] = bool(self._altered.get(room)) or is_deleted
        if not is_reading:
            self._nursery.start_soon(self._read_altered, room)

    async def _read_altered(self, room: RoomId) -> None:
        try:
            while (is_deleted := self._altered[room]) is not None:
                self._altered[room] = None
                await self._hear_change(room, is_deleted=is_deleted)
        finally:
            del self._altered[room]

    async def _hear_change(self, room: RoomId, *, is_deleted: bool) -> None:
        """Do as the store says by now: an order to empty a room may come after it was made anew.

        While the store is away nothing is done: seats meet a deletion at their renewal, the sweep finds a change.
        """
        try:
            stored = await self._sessions.definitions.get(room)
        except Refused as refused:
            if refused.code is ErrorCode.ROOM_UNKNOWN and is_deleted:
                self._empty(room)
        else:
            self._tell(stored)

    async def _look(self, room: RoomId) -> None:
        definitions = self._sessions.definitions
        known = definitions.known(room)
        before = self._told.get(room, 0 if known is None else known.revision)
        stored = await definitions.peek(room)
        if stored is None:
            return
        if stored.definition.closing:
            self._empty(room)
            return
        if before:
            self._told.setdefault(room, before)
            self._tell(stored)
        else:
            self._told[room] = stored.revision
            self._sessions.rules_known(stored)

    # --- the parts --------------------------------------------------------------------------

    def _tell(self, stored: StoredRoom, *, entering: SessionId | None = None) -> None:
        """Tell everybody here of a definition that is newer than what they were told of."""
        definition = stored.definition
        if stored.revision <= self._told.get(definition.room, 0):
            return
        self._told[definition.room] = stored.revision
        self._sessions.rules_known(stored)
        self._stage.limits_changed(definition.room)
        event = RoomChanged(
            room=definition.room,
            locked=definition.locked,
            metadata=definition.metadata,
            owner=definition.owner,
            max_participants=definition.max_participants,
        )
        for session in self._stage.rooms.sessions_in(definition.room):
            record = self._sessions.record(session)
            if record is not None and session != entering:
                moderates = may_moderate(definition, caller_of(record))
                self._stage.tell(session, msgspec.structs.replace(event, moderates=moderates))

    def _empty(self, room: RoomId) -> None:
        self._told.pop(room, None)
        self._sessions.definitions.forget(room)
        for session in self._stage.rooms.sessions_in(room):
            self._sessions.expel(session, room, "room_deleted")

    def _expel(self, room: RoomId, participant: ParticipantId, reason: LeaveReason = "kicked") -> bool:
        """End the seat of somebody here, and their joins on the way to another; says whether there was any."""
        found = self._sessions.sessions_of(room, participant)
        for session in found:
            self._sessions.expel(session, room, reason)
        return bool(found)

    def _ask_mute(self, room: RoomId, participant: ParticipantId, track: TrackId, by: ParticipantId | None) -> bool:
        """Ask somebody here; says whether they are."""
        session = self._stage.rooms.sitting(room, participant)
        if session is not None:
            self._stage.tell(session, MuteAsked(by=by, track=track))
        return session is not None

    def _send_kick(self, room: RoomId, info: ParticipantInfo) -> None:
        # To all nodes of the room: who moves is seen where they were, and one that they are not on does nothing.
        for node in sorted((self._stage.nodes_of(room) | {info.node}) - {self._own}):
            self._send(node, KickOrder(room, _new_order(), info.participant))

    def _send(self, node: NodeId, order: RoomOrder) -> bool:
        """Send an order, if there is a link; says whether there is."""
        if self._relay is None or not self._relay.is_linked(node):
            _log.info("order_not_sent", peer=node, room=order.room, kind=type(order).__name__)
            return False
        self._relay.send_order(node, order)
        return True


def _nobody() -> Refused:
    return Refused(ErrorCode.PARTICIPANT_UNKNOWN, "Nobody of that id is in the room; look at who is.")


def _new_order() -> str:
    return secrets.token_hex(8)
