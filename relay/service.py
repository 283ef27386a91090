"""The relay service: tasks around the one owner of its state.

Statements of the node (rooms, wants) overwrite each other until the owner comes to them, so they need
no queue; everything that happens waits in one inbox, which is bounded: if it ever overflows, something
about links was lost, and the remedy is that for a new engine, all of them are made anew. Commands to
the engine (end.py) and to gossip have tasks of their own, so the owner waits for neither.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from contextlib import asynccontextmanager
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Final

import structlog
import trio

from membership import GossipUnavailableError, ViewReset
from relay.events import LinkState, LinkStatus, RelayEvent, RelayStatistics, WayStatus
from relay.items import AllTried, ChatSaid, GossipHeard, Item, Outlets, Said
from relay.legs import TracksWanted
from relay.link_peer import node_of_link
from relay.negotiation import Phase
from relay.negotiation.events import Draining, EngineRestarted, EventsQueued, RenewalAsked, ShuttingDown
from relay.owner import Owner
from relay.paths import Reason
from relay.rooms import RoomShared
from sfu.protocol import EngineEvent, LinkMeasured, LinkMessage, PeerState
from signalling.mesh.link import (
    ChatBefore,
    ClockQuestion,
    HolderQuestion,
    HolderWord,
    ReachQuestion,
    ReachWord,
    RestrictCodecs,
    TraceQuestion,
    TraceWord,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

    from relay.config import RelayConfig
    from relay.end import LinkEnd
    from relay.ports import Gossip, LinkEngine
    from signalling.client.messages import MediaKind, ParticipantInfo
    from signalling.ids import NodeId, RoomId, SessionId, TrackId
    from signalling.mesh.link import PlanWord, ReachRow, RoomChat, RoomOrder, TraceStep

EVENTS_AHEAD: Final = 1024
"""Events that wait for the node: every room of a large far node, told at once after its link comes up."""

READER_DEADLINE_S: Final = 10.0
"""How long the node may take none of them before that counts as a failure of this process."""

INBOX_LIMIT: Final = 8192
"""What may wait for the owner, who never waits for the outside: seconds of the worst storm."""

GOSSIP_AHEAD: Final = 64
"""Messages that wait for the agent; about one a second comes, so a full queue means that there is none."""

GOSSIP_DEADLINE_S: Final = 5.0
"""For the agent to take one; an offer that waited longer is about to be repeated."""

FAREWELL_S: Final = 1.0
"""For goodbyes on exit; whoever misses one notices by the keepalives."""

_STATES: Final[Mapping[Phase, LinkState]] = {
    Phase.WAITING: LinkState.WAITING,
    Phase.OPENING: LinkState.OPENING,
    Phase.OFFERED: LinkState.OFFERED,
    Phase.ANSWERING: LinkState.OPENING,
    Phase.CONNECTING: LinkState.CONNECTING,
    Phase.UP: LinkState.UP,
    Phase.SUSPECT: LinkState.SUSPECT,
}

_log: structlog.stdlib.BoundLogger = structlog.get_logger("relay")


class Relay:
    """A running relay; made by `open_relay`. Every method is plain and returns at once."""

    def __init__(
        self,
        *,
        config: RelayConfig,
        gossip: Gossip,
        engine: LinkEngine,
        nursery: trio.Nursery,
        wall_s: Callable[[], float],
        random: Random,
    ) -> None:
        self._gossip = gossip
        self._nursery = nursery
        self._emitted: deque[RelayEvent] = deque()
        self._owner = Owner(
            config=config,
            boot=gossip.boot,
            engine=engine,
            outlets=Outlets(
                start_end=self._start_end,
                gossip=self._queue_gossip,
                reread_members=gossip.reread_members,
                emit=self._emitted.append,
                report=self._put,
            ),
            wall_s=wall_s,
            random=random,
        )
        self._inbox: deque[Item] = deque()
        self._has_overflowed = False
        self._stated: dict[tuple[str, RoomId | None], Item] = {}
        self._woken = trio.Event()
        self._epoch = 1
        self._queued = 0
        self._events_in, self._events_out = trio.open_memory_channel[RelayEvent](EVENTS_AHEAD)
        self._gossip_in, self._gossip_out = trio.open_memory_channel[bytes](GOSSIP_AHEAD)
        self._sent = self._unsent = 0
        self._oddities: Counter[str] = Counter()

    @property
    def events(self) -> trio.MemoryReceiveChannel[RelayEvent]:
        """What happens, for one reader.

        Bounded: while it is full the relay waits, and after `READER_DEADLINE_S` without a taker it ends with
        `trio.TooSlowError`.
        """
        return self._events_out

    def share_room(self, room: RoomId, nodes: frozenset[NodeId], participants: tuple[ParticipantInfo, ...]) -> None:
        """State that these nodes are to know the room lives here with these participants.

        Replaces what was said of the room before: a node that is no longer among `nodes` is told that
        the room is gone from here. Without `nodes` or `participants` it is retracted everywhere.
        Links are made as needed. The participants' tracks may be asked for by these nodes and no others.
        """
        self._state(("share", room), RoomShared(room=room, nodes=nodes, participants=participants))

    def want_tracks(
        self, room: RoomId, tracks: Mapping[TrackId, tuple[NodeId, MediaKind]], places: Collection[str] = ()
    ) -> None:
        """State all remote tracks of the room that somebody here needs: the owner's node and the kind by track.

        Where `places` are given (regions, or residency tags of nodes), all that is wanted of these owners comes
        directly, or by one node in the middle that is of one of them. It is chosen by its tags and told nothing.
        """
        self._state(("want", room), TracksWanted(room=room, tracks=dict(tracks), places=frozenset(places)))

    def send_chat(self, chat: RoomChat, nodes: frozenset[NodeId]) -> None:
        """Say something to a room's other nodes, once, in order with what is stated of the room.

        A node without a link does not hear it, nor does one that was not told that its speaker is in the room.
        """
        self._queue_stated()
        self._put(ChatSaid(chat=chat, nodes=nodes))

    def send_chat_before(self, node: NodeId, room: RoomId, chats: tuple[RoomChat, ...]) -> None:
        """Tell a node what was said here of a room that it has just told us of, or while there was no link; once."""
        self._queue_stated()
        self._put(Said(node=node, word=ChatBefore(room=room, chats=chats)))

    def restrict_codecs(self, node: NodeId, track: TrackId, codecs: tuple[str, ...]) -> None:
        """Tell a node that somebody here plays none but these codecs of its track; an empty list takes it back.

        Said once, in order with what is stated; without a link it is not heard.
        """
        self._queue_stated()
        self._put(Said(node=node, word=RestrictCodecs(track, codecs)))

    def send_order(self, node: NodeId, order: RoomOrder) -> None:
        """Tell a node what somebody here decided about a room that lives there; without a link it is not heard."""
        self._queue_stated()
        self._put(Said(node=node, word=order))

    def send_plan(self, node: NodeId, word: PlanWord) -> None:
        """Tell a node where a room's people are to be, or how far ours are; without a link it is not heard."""
        self._queue_stated()
        self._put(Said(node=node, word=word))

    def path_costs_from(self, origin: NodeId) -> Mapping[NodeId, float]:
        """What the best path from a node to each other one costs, `relay.paths`; of those that links are known of."""
        return {node: branch.cost_ms for node, branch in self._owner.paths.branches_from(origin).items()}

    def is_linked(self, node: NodeId) -> bool:
        """Whether a word to that node goes out now, over a link that is up; a suspect one counts."""
        return self._owner.is_linked(node)

    def ask_holder(self, node: NodeId, session: SessionId, room: RoomId) -> None:
        """Ask a node whether a session of its own is there, whose seat in the room somebody here wants.

        Asked once; without a link it is not heard, and no answer comes.
        """
        self._put(Said(node=node, word=HolderQuestion(session, room)))

    def tell_holder(self, node: NodeId, session: SessionId, room: RoomId, *, is_there: bool) -> None:
        """Answer a :class:`relay.HolderAsked`."""
        self._put(Said(node=node, word=HolderWord(session, room, is_there)))

    def source_of(self, track: TrackId) -> NodeId | None:
        """The node that sends us that track now; None where none does."""
        return self._owner.legs.sender_of(track)

    def ways_from(self, origin: NodeId) -> tuple[WayStatus, ...]:
        """The ways that the origin's tracks could take to here, the cheapest first; none where none are wanted."""
        choice = self._owner.paths.chosen().get(origin)
        if choice is None:
            return ()
        taken = choice.way
        return tuple(
            WayStatus(
                path=way.path,
                cost_ms=way.cost_ms,
                taken=taken is not None and way.via == taken.via,
                reason=choice.pick.reason if choice.pick and taken is not None and way.via == taken.via else "",
            )
            for way in choice.alternatives
        )

    def reported_rtt_ms(self, a: NodeId, b: NodeId) -> float | None:
        """The round trip of a link between two other nodes, as both tell it, to the millisecond; None without one."""
        return self._owner.paths.states.rtt_ms(a, b)

    def ask_trace(self, node: NodeId, trace: str, track: TrackId, *, within_s: float) -> None:
        """Ask a node how a track that it sends us comes to it; without a link no answer comes."""
        self._put(Said(node=node, word=TraceQuestion(trace, track, round(within_s * 1000))))

    def tell_trace(
        self, node: NodeId, trace: str, track: TrackId, steps: tuple[TraceStep, ...], *, missing: str
    ) -> None:
        """Answer a :class:`relay.TraceAsked`."""
        self._put(Said(node=node, word=TraceWord(trace, track, steps, missing)))

    def try_all(self, for_s: float) -> None:
        """Want a link with every living node for so many seconds, to see whether there can be one."""
        self._put(AllTried(until=trio.current_time() + for_s))

    def ask_reach(self, node: NodeId, trace: str, *, within_s: float) -> None:
        """Ask a node how it reaches all the others; without a link no answer comes."""
        self._put(Said(node=node, word=ReachQuestion(trace, round(within_s * 1000))))

    def tell_reach(self, node: NodeId, trace: str, rows: tuple[ReachRow, ...], *, code: str = "") -> None:
        """Answer a :class:`relay.ReachAsked`."""
        self._put(Said(node=node, word=ReachWord(trace, rows, code)))

    def ask_clock(self, node: NodeId, trace: str) -> None:
        """Ask a node what time it is there; its relay answers at once."""
        self._put(Said(node=node, word=ClockQuestion(trace)))

    def renew_link(self, node: NodeId) -> None:
        """Make the link with a node anew, beside the one there is: that one serves until the new one is up.

        It stays if that fails. Without a link nothing happens.
        """
        self._put(RenewalAsked(node=node))

    def set_draining(self, draining: bool) -> None:
        """State whether this node drains: then it makes no new link and refuses offers; links that are up stay."""
        self._state(("drain", None), Draining(draining=draining))

    def handle_engine_event(self, event: EngineEvent) -> None:
        """Pass on an event of the engine; those that are not about a link are ignored."""
        if isinstance(event, PeerState | LinkMessage | LinkMeasured) and node_of_link(event.peer) is not None:
            self._put(event)

    def handle_engine_started(self, epoch: int) -> None:
        """Tell which engine serves (1 is the first): with a later one all links are made anew where needed."""
        if epoch > self._epoch:
            self._epoch = epoch
            self._put(EngineRestarted())

    def snapshot(self) -> tuple[LinkStatus, ...]:
        """Every link, and every node that one is wanted with, in the order of ids."""
        now = trio.current_time()
        statuses = []
        for link in self._owner.negotiation.links():
            measured = None if link.end is None else self._owner.measured.get(link.end)
            statuses.append(
                LinkStatus(
                    node=link.node,
                    state=_STATES[link.phase],
                    role=link.role,
                    age_s=now - link.since,
                    setup_ms=link.setup_ms,
                    rtt_ms=None if measured is None else measured.rtt_ms,
                    jitter_ms=None if measured is None else measured.jitter_ms,
                    loss=None if measured is None else measured.loss,
                    failures=link.failures,
                    reason=link.reason,
                )
            )
        return tuple(statuses)

    def statistics(self) -> RelayStatistics:
        """Counters and gauges."""
        owner = self._owner
        links = owner.negotiation.links()
        refusals = sum((end.refusals for end in owner.ends.values()), Counter[str]())
        oddities = (
            self._oddities
            + owner.oddities
            + owner.negotiation.oddities
            + owner.rooms.oddities
            + owner.legs.oddities
            + owner.paths.states.oddities
            + owner.carriage.oddities
            + refusals
        )
        return RelayStatistics(
            links_up=sum(link.phase in (Phase.UP, Phase.SUSPECT) for link in links),
            links_wanted=len(owner.wanted),
            links_renewed=owner.negotiation.renewals["made"],
            renewals_failed={why: count for why, count in owner.negotiation.renewals.items() if why != "made"},
            legs_in=len(owner.legs.incoming()),
            legs_out=len(owner.legs.outgoing()),
            legs_passed=owner.legs.transit_legs(),
            words_passed=owner.carriage.passed,
            paths=owner.paths.kinds(),
            path_changes={reason: owner.paths.switches[reason] for reason in Reason},
            events_sent=self._sent,
            events_unsent=self._unsent,
            heard={str(verdict): count for verdict, count in owner.inspector.counts.items() if count},
            oddities={name: count for name, count in oddities.items() if count},
        )

    # --- tasks --------------------------------------------------------------------------------

    async def _own(self) -> None:
        while True:
            deadline = self._owner.next_deadline()
            with trio.move_on_at(float("inf") if deadline is None else deadline):
                await self._woken.wait()
            self._woken = trio.Event()
            self._take_all()
            await self._emit_all()

    def _take_all(self) -> None:
        now = trio.current_time()
        if self._has_overflowed:
            self._has_overflowed = False
            self._inbox = deque(item for item in self._inbox if isinstance(item, RoomShared | TracksWanted | Draining))
            self._owner.take(EngineRestarted(), now)
            self._owner.take(ViewReset(view=self._gossip.view), now)
        if (queued := self._gossip.event_queue or 0) != self._queued:
            self._queued = queued
            self._owner.take(EventsQueued(count=queued), now)
        while self._inbox:
            self._owner.take(self._inbox.popleft(), now)
        for item in self._stated.values():
            self._owner.take(item, now)
        self._stated.clear()
        deadline = self._owner.next_deadline()
        if deadline is not None and deadline <= now:
            self._owner.pass_deadlines(now)

    async def _emit_all(self) -> None:
        while self._emitted:
            with trio.fail_after(READER_DEADLINE_S):
                await self._events_in.send(self._emitted.popleft())

    async def _watch_members(self) -> None:
        with self._gossip.changes() as changes:
            async for change in changes:
                self._put(change)

    async def _watch_gossip(self) -> None:
        async for payload in self._gossip.user_events:
            self._put(GossipHeard(payload=payload))

    async def _send_gossip(self) -> None:
        async for payload in self._gossip_out:
            await self._gossip_one(payload)

    async def _gossip_one(self, payload: bytes) -> None:
        try:
            with trio.fail_after(GOSSIP_DEADLINE_S):
                await self._gossip.send_event(payload)
            self._sent += 1
        except (GossipUnavailableError, trio.TooSlowError) as error:
            # Offers are repeated, answers asked for again: nothing to do but to count.
            self._unsent += 1
            _log.warning("negotiation message not gossiped", reason=str(error))

    async def _say_farewell(self) -> None:
        """Say goodbye to every linked node; the ends close when the nursery does."""
        self._owner.take(ShuttingDown(), trio.current_time())
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    nursery.start_soon(self._gossip_one, self._gossip_out.receive_nowait())
                except trio.WouldBlock:
                    break

    def _state(self, about: tuple[str, RoomId | None], item: Item) -> None:
        self._stated[about] = item
        self._woken.set()

    def _queue_stated(self) -> None:
        """Let what comes next find what was stated so far; a full inbox leaves it where it is."""
        if len(self._inbox) + len(self._stated) < INBOX_LIMIT:
            self._inbox.extend(self._stated.values())
            self._stated.clear()

    def _put(self, item: Item) -> None:
        if len(self._inbox) >= INBOX_LIMIT:
            self._oddities["inbox_overflowed"] += 1
            self._has_overflowed = True
        else:
            self._inbox.append(item)
        self._woken.set()

    def _queue_gossip(self, payload: bytes) -> None:
        try:
            self._gossip_in.send_nowait(payload)
        except trio.WouldBlock:
            self._unsent += 1

    def _start_end(self, end: LinkEnd, controlling: bool) -> None:
        self._nursery.start_soon(lambda: end.run(controlling=controlling))


@asynccontextmanager
async def open_relay(
    config: RelayConfig,
    gossip: Gossip,
    engine: LinkEngine,
    *,
    wall_s: Callable[[], float] = time.time,
    random: Random | None = None,
) -> AsyncIterator[Relay]:
    """Run the relay of this node; on exit it says goodbye to every linked node and closes its ends.

    Args:
        config: What it has to know.
        gossip: The membership service; the relay is the one reader of its user events.
        engine: The engine; whoever reads its events passes those about links on.
        wall_s: Seconds since 1970, for the expiry of messages.
        random: For message ids and jitter; the system's own by default.
    """
    async with trio.open_nursery() as nursery:
        relay = Relay(
            config=config, gossip=gossip, engine=engine, nursery=nursery, wall_s=wall_s, random=random or SystemRandom()
        )
        owner_scope = trio.CancelScope()

        async def own() -> None:
            with owner_scope:
                await relay._own()

        for task in (own, relay._watch_members, relay._watch_gossip, relay._send_gossip):
            nursery.start_soon(task)
        try:
            yield relay
        finally:
            owner_scope.cancel()
            with trio.move_on_after(FAREWELL_S, shield=True):
                await relay._say_farewell()
            nursery.cancel_scope.cancel()
