"""What is known of all legs of a node, and what follows from it without a decision."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from relay.legs.events import Hop, LegsEvent, TracksWanted, WordHeard
from relay.legs.flow import Flow, Link, Need, Outgoing
from relay.paths.demand import KEPT_HOPS, MAX_HOPS, Demand
from signalling.ids import is_node_id
from signalling.mesh.link import MAX_BEHIND, Want

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from signalling.client.messages import MediaKind
    from signalling.ids import NodeId, RoomId, TrackId
    from signalling.mesh.link import Transit

MAX_LEG: Final = 65_535
"""Numbers are handed out in turn, so one comes back only after all others: late frames of its former leg are gone."""


class Ledger:
    """The books of the legs: who wants what, what may be given to whom, what flows in and out."""

    def __init__(self, *, own: NodeId) -> None:
        self._own = own
        self._wants: dict[RoomId, Mapping[TrackId, tuple[NodeId, MediaKind]]] = {}
        self._kept: dict[RoomId, frozenset[str]] = {}
        """Where the media of a room must stay, if anywhere."""
        self._offered: dict[NodeId, Mapping[TrackId, RoomId]] = {}
        self._ours: Counter[TrackId] = Counter()
        """How many nodes each of them is offered to."""
        self._hops: Mapping[NodeId, Hop] = {}
        self._links: dict[NodeId, Link] = {}
        self._local: dict[TrackId, dict[RoomId, tuple[NodeId, MediaKind]]] = {}
        self._passed: dict[TrackId, dict[NodeId, Outgoing]] = {}
        self._flows: dict[TrackId, Flow] = {}
        self._refused: set[TrackId] = set()
        self.oddities: Counter[str] = Counter()

    def demands(self, event: LegsEvent | None = None) -> Mapping[NodeId, Demand]:
        """The nodes that tracks are wanted from, for whom, and over how many links at most.

        With an event, as it will be when that has been handled: the way to an origin should be known before. All that
        is wanted from one origin comes by one way, so that has to do for each of the rooms.
        """
        owners = {
            (owner, self._kept.get(room)) for wanted in self._local.values() for room, (owner, _) in wanted.items()
        }
        asked = [(transit.origin, out.level, node) for node, _, out, transit in self._transits()]
        match event:
            case TracksWanted(tracks=tracks, places=places):
                owners |= {(owner, places or None) for owner, _ in tracks.values()}
            case WordHeard(node=node, word=Want(transit=transit)) if transit is not None and is_sound(transit):
                asked.append((transit.origin, transit.level, node))
            case _:
                pass
        demands: dict[NodeId, Demand] = {}
        for owner, kept in owners:
            demands[owner] = demands.get(owner, Demand(max_hops=MAX_HOPS)).kept_in(kept)
        for origin, level, node in asked:
            if origin != self._own and level > 1:
                known = demands.get(origin, Demand(max_hops=MAX_HOPS))
                demands[origin] = replace(known, max_hops=min(known.max_hops, level - 1), askers=known.askers | {node})
        return demands

    def partners(self) -> frozenset[NodeId]:
        """The nodes that a link is needed with: where tracks are from, where they come by, and where they go."""
        by = {leg.node for flow in self._flows.values() for leg in flow.legs}
        to = {node for node, link in self._links.items() if link.outgoing}
        return frozenset(self.demands()) | by | to

    def incoming(self) -> Mapping[tuple[NodeId, int], TrackId]:
        """The tracks that come in now, by node and number."""
        return {(node, leg): track for node, link in self._links.items() for leg, track in link.incoming.items()}

    def outgoing(self) -> Mapping[tuple[NodeId, int], TrackId]:
        """The tracks that go out now, by node and number."""
        return {
            (node, out.leg): track
            for node, link in self._links.items()
            for track, out in link.outgoing.items()
            if out.is_open
        }

    def is_sent(self, node: NodeId, track: TrackId) -> bool:
        """Whether that track goes to that node now."""
        link = self._links.get(node)
        out = None if link is None else link.outgoing.get(track)
        return out is not None and out.is_open

    def transit_legs(self) -> int:
        """How many of those that go out are of other nodes."""
        return sum(out.is_open for _, _, out, _ in self._transits())

    def sender_of(self, track: TrackId) -> NodeId | None:
        """The neighbour that a track comes from, or is to come from; None while it does not."""
        flow = self._flows.get(track)
        return flow.current.node if flow is not None and flow.current is not None else None

    # --- for the core ---------------------------------------------------------------------------

    def _owner(self, track: TrackId) -> NodeId | None:
        """The node whose track it is, if anybody here wants it."""
        return next((owner for owner, _ in self._local.get(track, {}).values()), None)

    def _transits(self) -> Iterable[tuple[NodeId, TrackId, Outgoing, Transit]]:
        """What goes out of other nodes' tracks."""
        for track in self._passed:
            for node, out, transit in self._transits_of(track):
                yield node, track, out, transit

    def _transits_of(self, track: TrackId) -> list[tuple[NodeId, Outgoing, Transit]]:
        outs = self._passed.get(track, {}).items()
        return [(node, out, out.transit) for node, out in outs if out.transit and not self._is_ours(track, out.transit)]

    def _is_ours(self, track: TrackId, transit: Transit | None) -> bool:
        """Whether what is asked for is a track of ours, wherever the one who asks takes it to be from.

        Whose node died publishes the same tracks at another; some neighbours hear of that later than of the death.
        """
        return self._is_origin(transit) or track in self._ours

    def _is_origin(self, transit: Transit | None) -> bool:
        return transit is None or transit.origin == self._own

    def _tracks(self) -> list[TrackId]:
        """All that come in, or should."""
        return list(dict.fromkeys((*self._local, *(track for _, track, _, _ in self._transits()), *self._flows)))

    def _need(self, track: TrackId) -> Need | None:
        local = next(iter(self._local.get(track, {}).items()), None)
        transits = [transit for _, _, transit in self._transits_of(track)]
        if local is None and not transits:
            return None
        if local is not None:
            room, (origin, kind) = local
        else:
            room, origin, kind = transits[0].room, transits[0].origin, transits[0].kind
        behind = {node for transit in transits for node in transit.behind}
        if local is not None:
            behind.add(self._own)
        # The first ones by id are told; the origin gives for any of them.
        told = tuple(sorted(behind)[:MAX_BEHIND])
        return Need(origin=origin, kind=kind, room=room, is_local=local is not None, behind=told)

    def _hop(self, origin: NodeId) -> Hop | None:
        """Whom to ask now; the origin itself where nobody is named who is linked."""
        hop = self._hops.get(origin)
        if hop is not None and hop.via in self._links:
            return hop
        return Hop(via=origin, hops=1) if origin in self._links else None

    def _places(self, track: TrackId) -> frozenset[str] | None:
        """Where it must stay for all the rooms that want it here; None for anywhere."""
        kept = [self._kept[room] for room in self._local.get(track, {}) if room in self._kept]
        return frozenset.intersection(*kept) if kept else None

    def _limit(self, track: TrackId) -> int:
        """The highest level that our legs of a track may have: below everybody's who gets it from us."""
        most = MAX_HOPS if self._places(track) is None else KEPT_HOPS
        return min((most, *(out.level - 1 for _, out, _ in self._transits_of(track))))

    @staticmethod
    def _pick(link: Link) -> int | None:
        if len(link.incoming) >= MAX_LEG:
            return None
        leg = link.last_leg % MAX_LEG + 1
        while leg in link.incoming:
            leg = leg % MAX_LEG + 1
        link.last_leg = leg
        return leg

    def _put_out(self, node: NodeId, track: TrackId, out: Outgoing) -> None:
        self._links[node].outgoing[track] = out
        if out.transit is not None:
            self._passed.setdefault(track, {})[node] = out

    def _take_out(self, node: NodeId, track: TrackId) -> Outgoing:
        passed = self._passed.get(track, {})
        if passed.pop(node, None) is not None and not passed:
            del self._passed[track]
        return self._links[node].outgoing.pop(track)

    def _room_of(self, node: NodeId, track: TrackId, out: Outgoing) -> RoomId | None:
        """The room in which a track goes out: one of ours, or what we were told by who asks for another's."""
        if out.transit is not None and not self._is_ours(track, out.transit):
            return out.transit.room
        return self._room_for(track, node, out.transit)

    def _room_for(self, track: TrackId, node: NodeId, transit: Transit | None) -> RoomId | None:
        """A room of ours in which somebody may have the track who is behind that leg."""
        for asker in (node,) if transit is None else transit.behind:
            if (room := self._offered.get(asker, {}).get(track)) is not None:
                return room
        return None


def is_sound(transit: Transit) -> bool:
    """Whether what a neighbour says of a track that goes through us can be."""
    return is_node_id(transit.origin) and 1 <= transit.level <= MAX_HOPS and bool(transit.behind)
