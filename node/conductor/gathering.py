"""Leads the people of a room to one node, where the planner says so, and sees that two nodes never pull apart.

One node decides for a room: of those where it lives, the first by name. All others tell it over their links how far
their people are from nodes (:class:`RoomHops`), it tells them what it decided (:class:`RoomPlan`), and each leads its
own people alone. Who becomes the first by name goes on with what was decided before. Both words are said again when
they change, after a link came up, and each half minute; so a word that is lost costs time and no agreement.

People are told to `move` (reason `gather`), a few each second, and take their seat there before they give up this one
(node/conductor/moves.py). Whoever insists on a node, or is of a version that does not know of this, stays, and counts
as somebody who can be nowhere else. A room that has gathered leads nobody to a nearer node; when it ends, those who
measured that another is clearly nearer are led there, and the others stay where they are.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import structlog
import trio

from membership.placement import MOVE_MARGIN_MS
from node.conductor.room_facts import room_facts
from relay.planner import Plan, PlannerStatistics, PlanReason, RoomPlanner
from signalling.errors import Refused
from signalling.ids import NodeId
from signalling.mesh.link import MAX_HOPS_TOLD, MAX_PEOPLE_PLACED, Hop, PersonHops, RoomHops, RoomPlan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from membership import ClusterView, RttMatrix
    from node.conductor.moves import MoveDesk
    from node.conductor.ports import OtherNodes
    from node.conductor.stage import Stage
    from relay import RemotePlan
    from relay.planner import RoomFacts
    from session.room_definitions import RoomDefinitions
    from signalling.client.messages import Join
    from signalling.client.rooms import PlacementPolicy
    from signalling.ids import ParticipantId, RoomId, SessionId

__all__ = ["GatherDesk"]

_LOG = structlog.get_logger("conductor")

LOOK_S: Final = 1.0
"""Between two looks: links are measured as often."""

RESTATE_S: Final = 30.0
"""After so long everything is said again, whatever became of what was said."""

LED_PER_LOOK: Final = 5
"""People of a room that are told to move at a time: each builds two peer connections and asks all for a keyframe."""

AGAIN_S: Final = 30.0
AGAIN_LIMIT_S: Final = 600.0
"""Before somebody who did not go is told again: twice as long each time, as their way there may not work."""


@dataclass(slots=True)
class _Led:
    """Somebody here who may be led elsewhere."""

    due: float = 0.0
    wait_s: float = AGAIN_S


@dataclass(slots=True)
class _Told:
    words: tuple[RoomHops | RoomPlan, ...]
    at: float


@dataclass(slots=True)
class _Room:
    plan: Plan
    planner: RoomPlanner | None = None
    heard: dict[NodeId, Plan] = field(default_factory=dict)
    hops: dict[ParticipantId, PersonHops] = field(default_factory=dict)
    told: dict[NodeId, _Told] = field(default_factory=dict)
    leaving: list[SessionId] = field(default_factory=list)


class GatherDesk:
    """The planner's hands.

    Args:
        stage: The rooms, and the ways to people.
        moves: Tells people to move.
        definitions: What rooms say of themselves.
        usual: The policy of rooms that say nothing.
        view: The cluster.
        rtts: How far its nodes are from each other.
        relay: The way to the other nodes; None on a node alone.
        own: This node.
    """

    def __init__(
        self,
        *,
        stage: Stage,
        moves: MoveDesk,
        definitions: RoomDefinitions,
        usual: PlacementPolicy,
        view: Callable[[], ClusterView],
        rtts: Callable[[], RttMatrix],
        relay: OtherNodes | None,
        own: NodeId,
    ) -> None:
        self._stage = stage
        self._moves = moves
        self._definitions = definitions
        self._usual: PlacementPolicy = usual
        self._view = view
        self._rtts = rtts
        self._relay = relay
        self._own = own
        self._rooms: dict[RoomId, _Room] = {}
        self._led: dict[SessionId, _Led] = {}
        self._ahead: dict[RoomId, frozenset[NodeId]] = {}
        self._changes: Counter[str] = Counter()
        self._moves_told = 0
        self._woken = trio.Event()
        stage.watch_definitions(lambda _room: self._woken.set())

    # --- what happens -------------------------------------------------------------------------

    def joined(self, session: SessionId, join: Join) -> None:
        """Somebody has a seat; may they be led elsewhere, and what did they measure?"""
        self._woken.set()
        self._led.pop(session, None)
        if join.moves and join.gathers:
            self._led[session] = _Led()
        self._note(session, join.rtts_ms)

    def measured(self, session: SessionId, rtts_ms: Mapping[NodeId, float]) -> None:
        """Somebody who sits here measured how far nodes are."""
        self._note(session, rtts_ms)

    def closed(self, session: SessionId) -> None:
        """Their socket is gone."""
        self._led.pop(session, None)

    def heard(self, event: RemotePlan) -> None:
        """Another node of a room says how far its people are, or what it decided."""
        room, node = event.word.room, event.node
        if not self._stage.rooms.sessions_in(room):
            return
        state = self._room(room, trio.current_time())
        self._woken.set()
        match event.word:
            case RoomPlan(node=target, reason=reason, code=code, for_ms=for_ms):
                try:
                    known = PlanReason(reason)
                except ValueError:
                    known = PlanReason.POLICY  # of a later version
                since = trio.current_time() - for_ms / 1000
                state.heard[node] = Plan(node=target or None, reason=known, code=code, since=since)
            case RoomHops(people=people):
                there = {one.participant for one in self._stage.rooms.snapshot(room) if one.node == node}
                state.hops |= {one.participant: one for one in people if one.participant in there}

    def link_is_up(self, node: NodeId) -> None:
        """A node can be told again what it could not hear."""
        for state in self._rooms.values():
            state.told.pop(node, None)

    # --- what is asked ------------------------------------------------------------------------

    def gathered(self, room: RoomId) -> NodeId | None:
        """Where the people of a room that lives here are led; None where each is on their near node."""
        state = self._rooms.get(room)
        return None if state is None or self.policy(room) == "relay" else state.plan.node

    async def gathered_elsewhere(
        self, room: RoomId, nodes_of: Callable[[RoomId], Awaitable[frozenset[NodeId]]]
    ) -> NodeId | None:
        """Where a room gathers that nobody here sits in: as its policy is to, and if it lives on one node alone."""
        if self.policy(room) != "gather":
            await trio.lowlevel.checkpoint()
            return None
        try:
            nodes = await nodes_of(room)
        except Refused:
            return None
        return next(iter(nodes)) if len(nodes) == 1 else None

    def policy(self, room: RoomId) -> PlacementPolicy:
        """What the room's definition says, else what is usual on this node."""
        known = self._definitions.known(room)
        said = None if known is None else known.definition.placement
        return self._usual if said is None else said

    def plan(self, room: RoomId) -> Plan | None:
        """What is decided of a room; None where nothing ever was."""
        state = self._rooms.get(room)
        return None if state is None else state.plan

    def decider(self, room: RoomId) -> NodeId | None:
        """The node that decides for a room."""
        return min((one.node for one in self._stage.rooms.snapshot(room)), default=None)

    def facts(self, room: RoomId) -> RoomFacts:
        """What is known of a room."""
        state = self._rooms.get(room)
        known = self._definitions.known(room)
        relay = self._relay
        return room_facts(
            self._stage.rooms.snapshot(room),
            {} if state is None else state.hops,
            view=self._view(),
            rtts=self._rtts(),
            costs_from=relay.path_costs_from if relay is not None else lambda _: {},
            allowed=() if known is None else known.definition.residency,
            held=None if state is None else state.plan.node,
        )

    def statistics(self) -> PlannerStatistics:
        """Counters and gauges."""
        gathered = sum(self.gathered(room) is not None for room in self._rooms)
        return PlannerStatistics(
            rooms={"gathered": gathered, "relayed": len(self._rooms) - gathered},
            changes={reason: self._changes[reason] for reason in PlanReason},
            moves=self._moves_told,
        )

    # --- time ---------------------------------------------------------------------------------

    async def keep_time(self) -> None:
        """Look at all rooms, again and again; runs until cancelled."""
        while True:
            if not self._rooms:
                # Nothing is planned until somebody comes, a node says something, or a room says otherwise.
                await self._woken.wait()
            await trio.sleep(LOOK_S)
            self._woken = trio.Event()
            self.look(trio.current_time())

    def look(self, now: float) -> None:
        """Decide, tell and lead, for every room that has people here."""
        live = self._stage.rooms.live_rooms()
        for room in self._rooms.keys() - set(live):
            del self._rooms[room]
        for room in sorted(live):
            if room in self._rooms or self.policy(room) != "relay":
                self._look_at(room, self._room(room, now), now)
        ahead = {
            room: frozenset({node}) for room in self._rooms if (node := self.gathered(room)) not in (None, self._own)
        }
        if ahead != self._ahead:
            self._ahead = ahead
            self._stage.share_ahead(ahead, of="gathering")

    def _room(self, room: RoomId, now: float) -> _Room:
        return self._rooms.setdefault(room, _Room(plan=Plan(since=now)))

    def _look_at(self, room: RoomId, state: _Room, now: float) -> None:
        people = {one.participant: one.node for one in self._stage.rooms.snapshot(room)}
        state.hops = {who: hops for who, hops in state.hops.items() if who in people}
        state.heard = {node: plan for node, plan in state.heard.items() if node in people.values()}
        decider, before = min(people.values(), default=self._own), state.plan
        if decider == self._own:
            if state.planner is None:
                state.planner = RoomPlanner(before, now=now)
            state.planner.decide(self.facts(room), self.policy(room), now)
            state.plan = state.planner.plan
        else:
            state.planner = None
            state.plan = state.heard.get(decider, before)
        if state.plan.node != before.node:
            self._changed(room, state, before, decider)
        self._restate_homes(room, state, people)
        self._tell(room, state, people, now)
        self._lead(room, state, now)

    def _changed(self, room: RoomId, state: _Room, before: Plan, decider: NodeId) -> None:
        plan = state.plan
        self._changes[plan.reason] += 1
        _LOG.info("room_planned", room=room, node=plan.node, reason=plan.reason, code=plan.code, decided_by=decider)
        state.leaving = []
        if plan.node is None and before.node == self._own and self.policy(room) != "gather":
            state.leaving = [one for one in self._stage.rooms.sessions_in(room) if one in self._led]

    # --- how far our people are ---------------------------------------------------------------

    def _note(self, session: SessionId, rtts_ms: Mapping[NodeId, float]) -> None:
        room, me = self._stage.rooms.room_of(session), self._stage.rooms.participant(session)
        if room is None or me is None or (room not in self._rooms and self.policy(room) == "relay"):
            return
        state = self._room(room, trio.current_time())
        before = state.hops.get(me.participant)
        nearest = sorted(rtts_ms.items(), key=lambda one: (one[1], one[0]))[:MAX_HOPS_TOLD]
        if session not in self._led:
            # They can be nowhere else, and so they are far from everywhere else.
            nearest = [one for one in nearest if one[0] == self._own]
        rtts = tuple(Hop(node, round(ms)) for node, ms in nearest) or (before.rtts if before is not None else ())
        home = before.home if before is not None else _home_of({hop.node: hop.rtt_ms for hop in rtts}, self._own)
        state.hops[me.participant] = PersonHops(me.participant, home, rtts)

    def _restate_homes(self, room: RoomId, state: _Room, people: Mapping[ParticipantId, NodeId]) -> None:
        """Where a room has not gathered, each is at home."""
        at_home = self.gathered(room) is None
        for who in sorted(who for who, node in people.items() if node == self._own):
            hops = state.hops.get(who)
            if hops is None or at_home:
                state.hops[who] = PersonHops(who, self._own, () if hops is None else hops.rtts)

    # --- telling and leading ------------------------------------------------------------------

    def _tell(self, room: RoomId, state: _Room, people: Mapping[ParticipantId, NodeId], now: float) -> None:
        relay, nodes = self._relay, set(people.values()) - {self._own}
        state.told = {node: told for node, told in state.told.items() if node in nodes}
        if relay is None or not nodes:
            return
        ours = {who for who, node in people.items() if node == self._own}
        hops = [state.hops[who] for who in sorted(ours & state.hops.keys())]
        words: list[RoomHops | RoomPlan] = [
            RoomHops(room, tuple(hops[at : at + MAX_PEOPLE_PLACED])) for at in range(0, len(hops), MAX_PEOPLE_PLACED)
        ]
        plan = state.plan
        if state.planner is not None:
            words.append(RoomPlan(room, plan.node or NodeId(""), plan.reason, plan.code))
        said = tuple(words)
        for node in sorted(nodes):
            told = state.told.get(node)
            if (told is not None and told.words == said and now < told.at + RESTATE_S) or not relay.is_linked(node):
                continue
            state.told[node] = _Told(said, now)
            for word in said:
                relay.send_plan(node, _aged(word, plan, now))

    def _lead(self, room: RoomId, state: _Room, now: float) -> None:
        for session in state.leaving[:LED_PER_LOOK]:
            me = self._stage.rooms.participant(session)
            hops = None if me is None else state.hops.get(me.participant)
            if hops is not None and hops.rtts:
                self._moves.look_again(session, {hop.node: float(hop.rtt_ms) for hop in hops.rtts})
        state.leaving = state.leaving[LED_PER_LOOK:]
        node = self.gathered(room)
        member = None if node is None else self._view().members.get(node)
        if node in (None, self._own) or member is None:
            return
        due = [one for one in self._stage.rooms.sessions_in(room) if one in self._led and self._led[one].due <= now]
        for session in due[:LED_PER_LOOK]:
            led = self._led[session]
            led.due, led.wait_s = now + led.wait_s, min(2 * led.wait_s, AGAIN_LIMIT_S)
            self._moves.gather(session, member.tags.public_url, led.wait_s)
            self._moves_told += 1


def _home_of(rtts_ms: Mapping[NodeId, int], own: NodeId) -> NodeId:
    """Where somebody who comes here belongs: here, unless a move to another node would be worth it."""
    nearest = min(rtts_ms, key=lambda node: (rtts_ms[node], node), default=own)
    return nearest if own in rtts_ms and rtts_ms[own] - rtts_ms[nearest] >= MOVE_MARGIN_MS else own


def _aged(word: RoomHops | RoomPlan, plan: Plan, now: float) -> RoomHops | RoomPlan:
    """A plan as it is told: how long it has held."""
    if isinstance(word, RoomHops):
        return word
    return RoomPlan(word.room, word.node, word.reason, word.code, max(0, round(1000 * (now - plan.since))))
