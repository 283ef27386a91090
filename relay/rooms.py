"""Who is told of our rooms, and what we are told of theirs: pure, for all linked nodes.

A node states each shared room as a whole, with a revision that grows, and again after every link that
comes up. So a missed word heals with the next one, and what the far node does not state again within
:data:`RESTATE_S` of the link's rise is over.

Who tells us no more of a room because we left it says so (`kept`). Should we be back by then, its people stay
until they are stated again, so that nobody who comes back sees them go and come.

A dead link is no news: what was told over it stands until gossip, too, holds the node gone, or
`forget_after_s` have passed without a new link. The node behind it has then died twice, or might as well. While tracks
come from it by another way, it has not. Only whom another node has named since is seen there: who lost their node is
back at the next one long before anybody is sure that it died.

Nobody is believed about anyone else: participants that claim another node than the one that speaks are
left out. That also keeps a room's people from going round in circles.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from signalling.ids import is_room_id
from signalling.mesh.link import RoomState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalling.client.messages import ParticipantInfo
    from signalling.ids import NodeId, ParticipantId, RoomId, TrackId

RESTATE_S: Final = 5.0
"""A far node states all it shares at once when the link is up; this is many round trips and resends later."""

MAX_ROOMS_EACH: Final = 4096
"""Rooms that one node may share with us: ten times what one node serves; more is a broken peer."""

MAX_PEOPLE_EACH: Final = 20_000
"""Participants that one node may tell us of, all rooms together: twice the sessions that a node takes by default.
At 2 kB each with long names and all tracks, a broken peer costs us 40 MB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomShared:
    """This node wants these others to know the room; see `Relay.share_room`."""

    room: RoomId
    nodes: frozenset[NodeId]
    participants: tuple[ParticipantInfo, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRisen:
    """The link with a node carries; `boot` is the incarnation at its other end."""

    node: NodeId
    boot: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkFallen:
    """It no longer does."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkDoubted:
    """Nothing has come over it for a while; or, with ``silent`` false, something has again."""

    node: NodeId
    silent: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeVanished:
    """Gossip holds the node failed or gone."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeReturned:
    """Gossip holds the node alive."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class StateHeard:
    """The node said this over its link."""

    node: NodeId
    state: RoomState


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomsDeadline:
    """The time that `next_deadline` gave has come. These nodes of :meth:`Rooms.unlinked` are reached another way."""

    reached: frozenset[NodeId] = frozenset()


RoomsEvent: TypeAlias = (
    RoomShared | LinkRisen | LinkFallen | LinkDoubted | NodeVanished | NodeReturned | StateHeard | RoomsDeadline
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TellRoom:
    """Say this to the node over its link."""

    node: NodeId
    state: RoomState


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomLearnt:
    """Who of the room is on that node has changed; empty: it no longer lives there, or the node is lost."""

    node: NodeId
    room: RoomId
    participants: tuple[ParticipantInfo, ...]
    is_lost: bool = False


RoomsEffect: TypeAlias = TellRoom | RoomLearnt


@dataclass(slots=True)
class _Shared:
    nodes: frozenset[NodeId]
    participants: tuple[ParticipantInfo, ...]
    revision: int


@dataclass(slots=True)
class _Remote:
    """A room on a far node: ``since`` orders first words about people; those in ``yielded`` are seen elsewhere."""

    revision: int
    participants: tuple[ParticipantInfo, ...]
    since: dict[ParticipantId, int]
    is_stated: bool = True
    yielded: frozenset[ParticipantId] = frozenset()


@dataclass(slots=True)
class _Begun:
    """A statement in several parts, the last of which is still to come."""

    room: RoomId
    revision: int
    parts: int = 0
    people: list[ParticipantInfo] = field(default_factory=list)


@dataclass(slots=True)
class _FarNode:
    boot: int
    rooms: dict[RoomId, _Remote] = field(default_factory=dict)
    people: int = 0
    begun: _Begun | None = None
    deadline: float | None = None


class Rooms:
    """The rooms that are shared over links, ours and theirs."""

    def __init__(self, *, forget_after_s: float) -> None:
        self._forget_after_s = forget_after_s
        self._shared: dict[RoomId, _Shared] = {}
        self._far: dict[NodeId, _FarNode] = {}
        self._up: set[NodeId] = set()
        self._silent: set[NodeId] = set()
        self._vanished: set[NodeId] = set()
        self._revision = 0
        self._words = 0
        self.oddities: Counter[str] = Counter()

    def handle(self, event: RoomsEvent, now: float) -> tuple[RoomsEffect, ...]:
        """Take one event at `now` (monotonic seconds); give what is to be done, in order."""
        match event:
            case RoomShared():
                return self._share(event)
            case LinkRisen():
                return self._rise(event, now)
            case LinkFallen(node=node):
                return self._fall(node, now)
            case LinkDoubted(node=node, silent=silent):
                (self._silent.add if silent else self._silent.discard)(node)
                return self._yield()
            case NodeVanished(node=node):
                if node not in self._up:
                    return self._forget(node)
                self._vanished.add(node)
                return ()
            case NodeReturned(node=node):
                self._vanished.discard(node)
                return ()
            case StateHeard():
                return self._hear(event.node, event.state, now)
            case RoomsDeadline(reached=reached):
                return self._pass_deadlines(reached, now)

    def next_deadline(self) -> float | None:
        """When `handle` must be called at the latest, if nothing happens before."""
        return min((far.deadline for far in self._far.values() if far.deadline is not None), default=None)

    def partners(self) -> frozenset[NodeId]:
        """The nodes that a room is shared with, by us or by them."""
        ours = frozenset(node for shared in self._shared.values() for node in shared.nodes)
        return ours | frozenset(node for node, far in self._far.items() if far.rooms)

    def unlinked(self) -> frozenset[NodeId]:
        """The nodes whose rooms are kept though their links are down."""
        return frozenset(self._far.keys() - self._up)

    def shared_with(self, room: RoomId) -> frozenset[NodeId]:
        """The nodes that we share this room with."""
        shared = self._shared.get(room)
        return shared.nodes if shared is not None else frozenset()

    def rooms_shared_with(self, node: NodeId) -> tuple[RoomId, ...]:
        """The rooms that we share with this node."""
        return tuple(room for room, shared in sorted(self._shared.items()) if node in shared.nodes)

    def tracks_for(self, node: NodeId) -> Mapping[TrackId, RoomId]:
        """Our tracks that the node may ask for: those of the rooms we share with it, and in which."""
        return {
            track.track: room
            for room, shared in self._shared.items()
            if node in shared.nodes
            for participant in shared.participants
            for track in participant.tracks
        }

    def is_there(self, node: NodeId, room: RoomId, participant: ParticipantId) -> bool:
        """Whether that node has said that the participant is in the room, on it."""
        far = self._far.get(node)
        remote = far.rooms.get(room) if far is not None else None
        return remote is not None and any(person.participant == participant for person in remote.participants)

    def has_room(self, node: NodeId, room: RoomId) -> bool:
        """Whether that node has said that the room lives there."""
        far = self._far.get(node)
        return far is not None and room in far.rooms

    def _share(self, event: RoomShared) -> tuple[RoomsEffect, ...]:
        before = self._shared.get(event.room)
        nodes = event.nodes if event.participants else frozenset()
        if before is not None and (before.nodes, before.participants) == (nodes, event.participants):
            return ()
        self._revision += 1
        former = before.nodes if before is not None else frozenset()
        if nodes:
            self._shared[event.room] = _Shared(nodes, event.participants, self._revision)
        else:
            self._shared.pop(event.room, None)
        unchanged = former if before is not None and before.participants == event.participants else frozenset()
        whole = RoomState(event.room, self._revision, event.participants)
        nothing = RoomState(event.room, self._revision, (), kept=bool(event.participants))
        told = dict.fromkeys(nodes - unchanged, whole) | dict.fromkeys(former - nodes, nothing)
        return tuple(TellRoom(node=node, state=state) for node, state in sorted(told.items()) if node in self._up)

    def _rise(self, event: LinkRisen, now: float) -> tuple[RoomsEffect, ...]:
        effects: list[RoomsEffect] = []
        self._up.add(event.node)
        self._silent.discard(event.node)
        far = self._far.get(event.node)
        if far is None or far.boot != event.boot:
            # Another process: nobody whom the former one told of is there any more.
            effects += self._forget(event.node)
            far = self._far[event.node] = _FarNode(boot=event.boot)
        far.begun = None
        for remote in far.rooms.values():
            remote.is_stated = False
        far.deadline = now + RESTATE_S if far.rooms else None
        effects += [
            TellRoom(
                node=event.node, state=RoomState(room, self._shared[room].revision, self._shared[room].participants)
            )
            for room in self.rooms_shared_with(event.node)
        ]
        return (*effects, *self._yield())

    def _fall(self, node: NodeId, now: float) -> tuple[RoomsEffect, ...]:
        self._up.discard(node)
        has_vanished = node in self._vanished
        self._vanished.discard(node)
        far = self._far.get(node)
        if far is None:
            return ()
        if has_vanished:
            return self._forget(node)
        self._silent.add(node)
        far.deadline = now + self._forget_after_s
        return self._yield()

    def _hear(self, node: NodeId, state: RoomState, now: float) -> tuple[RoomsEffect, ...]:
        far = self._far.get(node)
        if far is None or node not in self._up or not is_room_id(state.room):
            self.oddities["room_state_refused"] += 1
            return ()
        if (whole := self._put_together(far, state)) is None:
            return ()
        known = far.rooms.get(whole.room)
        is_again = known is not None and not known.is_stated
        if known is not None and whole.revision <= known.revision:
            known.is_stated = known.is_stated or whole.revision == known.revision
            return self._learnt(node, whole.room, known) if is_again and known.is_stated else ()
        if known is not None and whole.kept and whole.room in self._shared:
            # We are in the room again, and its people are there: they say so as soon as they hear of us.
            known.revision, known.is_stated = whole.revision, False
            far.deadline = max(far.deadline or 0.0, now + RESTATE_S)
            return ()
        own_words = tuple(participant for participant in whole.participants if participant.node == node)
        self.oddities["foreign_participants"] += len(whole.participants) - len(own_words)
        if not own_words:
            return (RoomLearnt(node=node, room=whole.room, participants=()),) if self._drop(far, whole.room) else ()
        if not self._has_place(far, known, len(own_words)):
            return ()
        far.people += len(own_words) - (0 if known is None else len(known.participants))
        self._words += 1
        former = known.since if known is not None else {}
        since = {one.participant: former.get(one.participant, self._words) for one in own_words}
        remote = far.rooms[whole.room] = _Remote(whole.revision, own_words, since)
        if known is not None and known.participants == own_words and not is_again:
            return ()
        return (*self._learnt(node, whole.room, remote), *self._yield(whole.room))

    @staticmethod
    def _learnt(node: NodeId, room: RoomId, remote: _Remote) -> tuple[RoomsEffect, ...]:
        """What the node says now, and says anew after a rise although it said the same before: it has spoken."""
        seen = tuple(one for one in remote.participants if one.participant not in remote.yielded)
        return (RoomLearnt(node=node, room=room, participants=seen),)

    def _yield(self, only: RoomId | None = None) -> tuple[RoomsEffect, ...]:
        """Give up those of silent nodes whom others named since, and take them back when the nodes speak again."""
        effects: list[RoomsEffect] = []
        for node, far in sorted(self._far.items()):
            for room, remote in far.rooms.items():
                if only in (None, room) and (node in self._silent or remote.yielded):
                    yielded = self._named_since(room, remote) if node in self._silent else frozenset()
                    if yielded != remote.yielded:
                        remote.yielded = yielded
                        effects += self._learnt(node, room, remote)
        return tuple(effects)

    def _named_since(self, room: RoomId, remote: _Remote) -> frozenset[ParticipantId]:
        others = [far.rooms.get(room) for node, far in self._far.items() if node not in self._silent]
        return frozenset(
            who for who, when in remote.since.items() if any(one and one.since.get(who, 0) > when for one in others)
        )

    def _put_together(self, far: _FarNode, part: RoomState) -> RoomState | None:
        """Take a part of a statement; give the whole of it with the last."""
        begun, far.begun = far.begun, None
        if begun is not None and (begun.room, begun.revision, begun.parts) != (part.room, part.revision, part.part):
            self.oddities["statement_cut_off"] += 1
            begun = None
        if begun is None and part.part > 0:
            # Its beginning went another way, or was lost; all of it is said anew, of the same revision.
            self.oddities["statement_headless"] += 1
            return None
        if begun is None and not part.more:
            return part
        begun = begun or _Begun(part.room, part.revision)
        begun.parts += 1
        # One too many is enough for the whole to be refused.
        begun.people += part.participants[: MAX_PEOPLE_EACH + 1 - len(begun.people)]
        if not part.more:
            return RoomState(part.room, part.revision, tuple(begun.people))
        far.begun = begun
        return None

    def _has_place(self, far: _FarNode, known: _Remote | None, count: int) -> bool:
        if known is None and len(far.rooms) >= MAX_ROOMS_EACH:
            self.oddities["too_many_rooms"] += 1
            return False
        if far.people - (0 if known is None else len(known.participants)) + count > MAX_PEOPLE_EACH:
            self.oddities["too_many_people"] += 1
            return False
        return True

    def _pass_deadlines(self, reached: frozenset[NodeId], now: float) -> tuple[RoomsEffect, ...]:
        effects: list[RoomsEffect] = []
        for node, far in sorted(self._far.items()):
            if far.deadline is None or far.deadline > now:
                continue
            far.deadline = None
            if node not in self._up and node in reached:
                # Its people are seen and heard by another way; only what changes there is not told.
                far.deadline = now + self._forget_after_s
                continue
            if node not in self._up:
                effects += self._forget(node)
                continue
            for room in [room for room, remote in far.rooms.items() if not remote.is_stated]:
                self._drop(far, room)
                effects.append(RoomLearnt(node=node, room=room, participants=()))
        return tuple(effects)

    def _forget(self, node: NodeId) -> tuple[RoomsEffect, ...]:
        far = self._far.pop(node, None)
        self._silent.discard(node)
        rooms = sorted(far.rooms) if far is not None else []
        return tuple(RoomLearnt(node=node, room=room, participants=(), is_lost=True) for room in rooms)

    @staticmethod
    def _drop(far: _FarNode, room: RoomId) -> bool:
        remote = far.rooms.pop(room, None)
        if remote is None:
            return False
        far.people -= len(remote.participants)
        return True
