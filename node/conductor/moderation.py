"""What owners and admins decide about the people in a room, carried to wherever these are.

Somebody on this node is told here. Somebody on another is reached over the link between the two nodes: an order
under an id that acts once, sent again until it shows. A ban stands in the store, which every node asks at each
renewal of a seat, so it needs no link at all. A changed definition stands there too: who is linked is told at once,
all others look by themselves every :data:`SWEEP_S`.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import structlog
import trio

from signalling.client.messages import MuteAsked, RoomChanged
from signalling.errors import ErrorCode, Refused, RoomElsewhere
from signalling.mesh.link import KickOrder, MuteOrder, RoomAltered

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.conductor.ports import OtherNodes
    from node.conductor.stage import Stage
    from relay import RemoteOrder
    from session import Sessions, StoredRoom
    from signalling.client.messages import LeaveReason, ParticipantInfo
    from signalling.ids import NodeId, ParticipantId, RoomId, TrackId, UserId
    from signalling.mesh.link import RoomOrder

SENDS: Final = 5
"""How often an order to another node is sent at most."""

SEND_AGAIN_S: Final = 1.0
"""Two round trips around the world, and a link that is being made anew."""

MAX_ORDERS: Final = 512
"""Orders on their way at once, some 5 s each: a change of a room on 100 nodes, once a second."""

MAX_SEEN: Final = 1024
"""Orders remembered, so that a late copy does nothing: more than 60 nodes send within their repeats."""

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
        self._on_way = 0
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._told: dict[RoomId, int] = {}

    def start(self, nursery: trio.Nursery) -> None:
        """Send, and look after rooms, in tasks of this nursery."""
        self._nursery = nursery
        nursery.start_soon(self.sweep)

    # --- about people -----------------------------------------------------------------------

    async def find(self, room: RoomId, participant: ParticipantId) -> ParticipantInfo:
        """Somebody in a room, wherever they are.

        Raises:
            Refused: `room_elsewhere`: this node does not see into the room; `participant_unknown`.
        """
        await self.check_reach(room)
        for info in self._stage.rooms.snapshot(room):
            if info.participant == participant:
                return info
        raise Refused(ErrorCode.PARTICIPANT_UNKNOWN, "Nobody of that id is in the room; look at who is.")

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

    def kick(self, room: RoomId, info: ParticipantInfo) -> None:
        """End somebody's seat.

        Raises:
            Refused: `rate_limited`.
        """
        if info.node == self._own:
            self._expel(room, info.participant)
        else:
            self._check_sent(
                self._send(info.node, KickOrder(room, _new_order(), info.participant), until_gone=info.participant)
            )

    def kick_user(self, room: RoomId, user: UserId) -> None:
        """End all seats of a user that this node sees; whoever it does not see meets the ban at the next renewal."""
        for info in self._stage.rooms.snapshot(room):
            if info.user == user:
                self.kick(room, info)

    def ask_mute(self, room: RoomId, info: ParticipantInfo, track: TrackId, by: ParticipantId | None) -> None:
        """Ask somebody to mute a track.

        Raises:
            Refused: `track_unknown`, `rate_limited`.
        """
        if all(each.track != track for each in info.tracks):
            raise Refused(ErrorCode.TRACK_UNKNOWN, "They publish no such track; look at what they do publish.")
        if info.node == self._own:
            self._ask_mute(room, info.participant, track, by)
        else:
            self._check_sent(self._send(info.node, MuteOrder(room, _new_order(), info.participant, track, by)))

    # --- about rooms ------------------------------------------------------------------------

    def room_changed(self, stored: StoredRoom) -> None:
        """Tell everybody in a room that its definition is another one."""
        room = stored.definition.room
        self._tell(stored)
        for node in sorted(self._stage.nodes_of(room)):
            # One that is too many is found by that node's own sweep.
            self._send(node, RoomAltered(room, _new_order()))

    def room_deleted(self, room: RoomId) -> None:
        """End all seats in a room."""
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
                assert self._nursery is not None, "started with the conductor"
                self._nursery.start_soon(self._hear_change, room, key, is_deleted)
                # Until the store was read: copies that come meanwhile have nothing to add.
        if is_done:
            self._note_seen(key)

    def _note_seen(self, key: str) -> None:
        self._seen[key] = None
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)

    async def sweep(self) -> None:
        """Look for definitions that changed on nodes without a link to this one; runs until cancelled.

        A room that is not in the store ends nothing: a store that lost its memory must not empty rooms.
        """
        while True:
            await trio.sleep(SWEEP_S)
            live = self._stage.rooms.live_rooms()
            self._told = {room: revision for room, revision in self._told.items() if room in live}
            for room in live:
                await self._look(room)

    async def _hear_change(self, room: RoomId, key: str, is_deleted: bool) -> None:
        """Do as the store says by now: an order to empty a room may come after it was made anew.

        While the store is away nothing is done, and a copy of the order that comes later asks again.
        """
        try:
            stored = await self._sessions.definitions.get(room)
        except Refused as refused:
            if refused.code is ErrorCode.ROOM_UNKNOWN and is_deleted:
                self._empty(room)
            else:
                self._seen.pop(key, None)
        else:
            self._tell(stored)

    async def _look(self, room: RoomId) -> None:
        definitions = self._sessions.definitions
        known = definitions.known(room)
        before = self._told.get(room, 0 if known is None else known.revision)
        stored = await definitions.peek(room)
        if stored is None:
            return
        if stored.revision != before and before:
            self._tell(stored)
        self._told[room] = stored.revision

    # --- the parts --------------------------------------------------------------------------

    def _tell(self, stored: StoredRoom) -> None:
        definition = stored.definition
        self._told[definition.room] = stored.revision
        self._stage.limits_changed(definition.room)
        event = RoomChanged(
            room=definition.room,
            locked=definition.locked,
            metadata=definition.metadata,
            owner=definition.owner,
            max_participants=definition.max_participants,
        )
        self._stage.tell_room(definition.room, event)

    def _empty(self, room: RoomId) -> None:
        self._told.pop(room, None)
        self._sessions.definitions.forget(room)
        for session in self._stage.rooms.sessions_in(room):
            self._sessions.expel(session, room, "room_deleted")

    def _expel(self, room: RoomId, participant: ParticipantId, reason: LeaveReason = "kicked") -> bool:
        """End the seat of somebody here; says whether they have one."""
        session = self._stage.rooms.sitting(room, participant)
        if session is not None:
            self._sessions.expel(session, room, reason)
        return session is not None

    def _ask_mute(self, room: RoomId, participant: ParticipantId, track: TrackId, by: ParticipantId | None) -> bool:
        """Ask somebody here; says whether they are."""
        session = self._stage.rooms.sitting(room, participant)
        if session is not None:
            self._stage.tell(session, MuteAsked(by=by, track=track))
        return session is not None

    def _send(self, node: NodeId, order: RoomOrder, *, until_gone: ParticipantId | None = None) -> bool:
        if self._relay is None or self._on_way >= MAX_ORDERS:
            _log.warning("order_not_sent", peer=node, room=order.room, kind=type(order).__name__)
            return False
        assert self._nursery is not None, "started with the conductor"
        self._on_way += 1
        self._nursery.start_soon(self._repeat, self._relay, node, order, until_gone)
        return True

    @staticmethod
    def _check_sent(is_sent: bool) -> None:
        if not is_sent:
            raise Refused(ErrorCode.RATE_LIMITED, "Too many decisions are on their way; try again in a few seconds.")

    async def _repeat(
        self, relay: OtherNodes, node: NodeId, order: RoomOrder, until_gone: ParticipantId | None
    ) -> None:
        try:
            for _ in range(SENDS):
                relay.send_order(node, order)
                await trio.sleep(SEND_AGAIN_S)
                if until_gone is not None and not self._is_on(node, order.room, until_gone):
                    return
        finally:
            self._on_way -= 1

    def _is_on(self, node: NodeId, room: RoomId, participant: ParticipantId) -> bool:
        return any(info.participant == participant and info.node == node for info in self._stage.rooms.snapshot(room))


def _new_order() -> str:
    return secrets.token_hex(8)
