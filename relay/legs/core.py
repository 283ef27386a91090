"""Which tracks flow over which link: pure, for all links of a node.

A *leg* is one track on one link, numbered by the side that receives it. There is one leg for a track
and a far node, never two, however many people there want it: the far engine multiplies it.

The receiver opens its side first, then asks; the sender opens its side when asked. Links are reliable
and ordered: a leg is there from the word until the word that ends it, or until
the link falls, which ends both sides at once. After the next rise the receiver asks anew.

Paths. A track is asked for from its origin, or from the neighbour that `WaysKnown` names. A neighbour that is asked
for another node's track opens its own leg toward the origin (*transit*), for people of its own and all
neighbours together. The origin is told for whom, and gives its track for those that it shares the room with.

Loops. Each leg has a level: 1 from the origin itself, else more than every leg by which its sender gets the track.
The receiver names it in its want, and keeps it while the leg is there; a sender whose own legs are not below it
does not send. So levels grow along every chain of legs, at every moment and whatever words are on their way: no chain
comes back to where it was. What a change of path would break is refused first, and asked for elsewhere.

Changes of path. The new leg is opened beside the former one, which flows for :data:`SWITCH_S` more: the engine
goes over to the new one where a decoder can follow.

A refused leg (its track ended meanwhile) is asked for again when the owner next names the track.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from relay.legs.events import (
    CloseLegIn,
    CloseLegOut,
    Hop,
    LegsDeadline,
    LegsEffect,
    LegsEvent,
    LinkFallen,
    LinkRenewed,
    LinkRisen,
    OpenLegIn,
    OpenLegOut,
    TellLeg,
    TracksNamed,
    TracksOffered,
    TracksWanted,
    ViaRefused,
    WaysKnown,
    WordHeard,
)
from relay.legs.flow import Flow, Incoming, Link, Need, Outgoing
from relay.legs.ledger import MAX_LEG, Ledger, is_sound
from relay.paths.demand import KEPT_HOPS, MAX_HOPS
from signalling.mesh.link import LegsTaken, Transit, Unwant, Want, WantRefused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from signalling.ids import NodeId, TrackId

MAX_LEGS_OUT: Final = 4096
"""Legs that one far node may ask for: far above what a link carries."""

SWITCH_S: Final = 2.0
"""How long a former leg flows beside its successor: a keyframe asked for over three links of 300 ms, and once more."""

TRACK_UNKNOWN: Final = "track_unknown"
TOO_MANY_LEGS: Final = "too_many_legs"
NO_WAY: Final = "no_way"
"""The one that was asked has no way to the origin itself."""
TOO_FAR: Final = "too_far"
"""It has one, of too many links for the level that was asked for."""


class Legs(Ledger):
    """The legs on all links of a node."""

    def handle(self, event: LegsEvent, now: float) -> tuple[LegsEffect, ...]:
        """Take one event at `now` (monotonic seconds); give what is to be done, in order."""
        match event:
            case TracksWanted():
                return self._want(event, now)
            case TracksOffered():
                return self._offer(event, now)
            case TracksNamed(node=node, tracks=tracks):
                named = [track for track in sorted(self._refused & tracks) if self._owner(track) == node]
                self._refused.difference_update(named)
                return self._settle_all(named, now)
            case LinkRisen(node=node):
                fallen = self._fall(node, now)
                self._links[node] = Link()
                self._refused = {track for track in self._refused if self._owner(track) != node}
                # For the far node it may be a link that it had, made anew.
                none_yet = TellLeg(node=node, word=LegsTaken(()))
                return (*fallen, none_yet, *self._settle_all(self._tracks(), now))
            case LinkRenewed(node=node):
                return self._renew(node)
            case LinkFallen(node=node):
                return self._fall(node, now)
            case WaysKnown(hops=hops):
                changed = {origin for origin in self._hops.keys() | hops if self._hops.get(origin) != hops.get(origin)}
                self._hops = dict(hops)
                needs = {track: self._need(track) for track in self._tracks()}
                return self._settle_all(
                    [track for track, need in needs.items() if need and need.origin in changed], now
                )
            case WordHeard():
                return self._hear(event, now)
            case LegsDeadline():
                due = [track for track, flow in self._flows.items() if flow.former is not None and flow.until <= now]
                return tuple(effect for track in due for effect in (*self._end_former(track), *self._serve(track)))

    def next_deadline(self) -> float | None:
        """When `handle` must be called at the latest, if nothing happens before."""
        return min((flow.until for flow in self._flows.values() if flow.former is not None), default=None)

    def _want(self, event: TracksWanted, now: float) -> tuple[LegsEffect, ...]:
        before = self._wants.pop(event.room, {})
        self._kept.pop(event.room, None)
        if event.tracks:
            self._wants[event.room] = dict(event.tracks)
            if event.places:
                self._kept[event.room] = event.places
        for track in before:
            self._local[track].pop(event.room)
            if not self._local[track]:
                del self._local[track]
        for track, wanted in event.tracks.items():
            self._local.setdefault(track, {})[event.room] = wanted
        # What one node refused another may have: a person who moves takes the tracks along.
        self._refused &= {track for track in self._local if before.get(track) == event.tracks.get(track)}
        return self._settle_all(list(dict.fromkeys((*before, *event.tracks))), now)

    # --- incoming -----------------------------------------------------------------------------

    def _settle_all(self, tracks: Iterable[TrackId], now: float) -> tuple[LegsEffect, ...]:
        return tuple(effect for track in tracks for effect in self._settle(track, now))

    def _settle(self, track: TrackId, now: float) -> list[LegsEffect]:
        """Let a track come by the way that it should, if it should."""
        need = self._need(track)
        if need is None:
            return self._end_flow(track)
        if track in self._refused:
            return self._drop_transits(track, below=MAX_HOPS + 1, via=None, code=TRACK_UNKNOWN)
        flow = self._flows.setdefault(track, Flow())
        hop = self._hop(need.origin)
        effects: list[LegsEffect] = []
        if hop is not None and (flow.current is None or flow.current.node != hop.via):
            level = 1 if hop.via == need.origin else min(hop.hops, MAX_HOPS)
            effects += self._drop_transits(track, below=level, via=hop.via)
            need = self._need(track)
            if need is None:
                return [*effects, *self._end_flow(track)]
            effects += self._go_over(track, flow, need, Hop(via=hop.via, hops=level), now)
        elif flow.current is not None and hop is not None and hop.hops < flow.current.level:
            effects += self._lower(track, flow, need, hop)
        effects += self._keep_in_places(track, flow, need, hop)
        if flow.current is None:
            # Nobody can be asked now; neighbours will find another way sooner than we do.
            effects += self._drop_transits(track, below=MAX_HOPS + 1, via=None, code=NO_WAY)
            if not flow.legs:
                del self._flows[track]
            return effects
        effects += self._drop_transits(track, below=flow.current.level, via=flow.current.node)
        need = self._need(track)
        if need is None:
            return [*effects, *self._end_flow(track)]
        effects += self._say_again(track, flow.current, need)
        return [*effects, *self._serve(track)]

    def _keep_in_places(self, track: TrackId, flow: Flow, need: Need, hop: Hop | None) -> list[LegsEffect]:
        """End the legs that came about before the track had to stay within its places; the others may pass for good.

        No way known is no reason: a link in doubt or a middle that drains takes it away, and the media stays inside.
        """
        if (places := self._places(track)) is None:
            return []
        if hop is not None and flow.current is not None and flow.current.level <= KEPT_HOPS:
            flow.current.places = places
        effects: list[LegsEffect] = []
        if flow.former is not None and not flow.former.stays_in(places, need.origin):
            effects += self._end_former(track)
        if flow.current is not None and not flow.current.stays_in(places, need.origin):
            effects += self._close(flow.current)
            flow.current, flow.former = flow.former, None
        return effects

    def _go_over(self, track: TrackId, flow: Flow, need: Need, hop: Hop, now: float) -> list[LegsEffect]:
        """Open a leg of the new way beside the former one, or go back to that."""
        effects: list[LegsEffect] = []
        if flow.former is not None and flow.former.node == hop.via:
            assert flow.current is not None
            effects += self._close(flow.current)
            flow.current, flow.former = flow.former, None
            return effects
        effects += self._end_former(track)
        if flow.current is not None:
            flow.former, flow.until = flow.current, now + SWITCH_S
        return [*effects, *self._open(track, flow, need, hop)]

    def _lower(self, track: TrackId, flow: Flow, need: Need, hop: Hop) -> list[LegsEffect]:
        """Ask anew for a leg that is on too high a level to be passed on, if it need not be."""
        before, limit = flow.current, self._limit(track)
        if before is None or before.level <= limit or hop.hops > limit:
            return []
        effects = self._open(track, flow, need, Hop(via=hop.via, hops=max(hop.hops, limit)))
        # The sender has ended the former one, because it sends a track but once.
        return [*effects, *self._close(before)]

    def _open(self, track: TrackId, flow: Flow, need: Need, hop: Hop) -> list[LegsEffect]:
        flow.current = None
        if (picked := self._pick(self._links[hop.via])) is None:
            self.oddities["no_leg_number"] += 1
            return []
        want = self._wording(track, picked, hop, need)
        flow.current = Incoming(node=hop.via, leg=picked, level=hop.hops, told=want)
        self._links[hop.via].incoming[picked] = track
        return [
            OpenLegIn(node=hop.via, leg=picked, track=track, kind=need.kind, room=need.room),
            TellLeg(node=hop.via, word=want),
        ]

    def _wording(self, track: TrackId, leg: int, hop: Hop, need: Need) -> Want:
        if hop.via == need.origin and need.behind == (self._own,):
            return Want(track, leg)
        return Want(track, leg, Transit(need.origin, hop.hops, need.room, need.kind, need.behind))

    def _say_again(self, track: TrackId, leg: Incoming, need: Need) -> list[LegsEffect]:
        """Tell the sender if others are behind us now."""
        want = self._wording(track, leg.leg, Hop(via=leg.node, hops=leg.level), need)
        if want == leg.told:
            return []
        leg.told = want
        return [TellLeg(node=leg.node, word=want)]

    def _end_flow(self, track: TrackId) -> list[LegsEffect]:
        flow = self._flows.pop(track, None)
        return [effect for leg in (flow.legs if flow else ()) for effect in self._close(leg)]

    def _end_former(self, track: TrackId) -> list[LegsEffect]:
        flow = self._flows[track]
        former, flow.former = flow.former, None
        return self._close(former) if former is not None else []

    def _close(self, leg: Incoming) -> list[LegsEffect]:
        link = self._links.get(leg.node)
        if link is None or link.incoming.pop(leg.leg, None) is None:
            return []
        return [TellLeg(node=leg.node, word=Unwant(leg.leg)), CloseLegIn(node=leg.node, leg=leg.leg)]

    # --- outgoing -----------------------------------------------------------------------------

    def _serve(self, track: TrackId) -> list[LegsEffect]:
        """Send to the neighbours that asked as soon as our own legs are all below theirs; refuse if they never will."""
        flow = self._flows.get(track)
        if flow is None or flow.current is None:
            return []
        effects = self._drop_transits(track, below=flow.current.level, via=flow.current.node)
        if self._need(track) is None:
            return [*effects, *self._end_flow(track)]
        for node, out, transit in self._transits_of(track):
            if not out.is_open and flow.level < out.level:
                out.is_open = True
                effects.append(OpenLegOut(node=node, leg=out.leg, track=track, room=transit.room))
        return effects

    def _drop_transits(
        self, track: TrackId, *, below: int, via: NodeId | None, code: str = TOO_FAR
    ) -> list[LegsEffect]:
        """Refuse the neighbours that are not above a level, and the one that the track is to come from."""
        effects: list[LegsEffect] = []
        for node, out, _ in self._transits_of(track):
            if out.level <= below or node == via:
                effects += self._drop(node, track, code)
        return effects

    def _drop(self, node: NodeId, track: TrackId, code: str) -> list[LegsEffect]:
        out = self._take_out(node, track)
        closed: list[LegsEffect] = [CloseLegOut(node=node, leg=out.leg)] if out.is_open else []
        return [*closed, TellLeg(node=node, word=WantRefused(out.leg, code))]

    def _offer(self, event: TracksOffered, now: float) -> tuple[LegsEffect, ...]:
        before = self._offered.pop(event.node, {})
        if event.tracks:
            self._offered[event.node] = event.tracks
        effects: list[LegsEffect] = []
        for track in sorted(before.keys() ^ event.tracks.keys()):
            was_ours = track in self._ours
            self._ours[track] += 1 if track in event.tracks else -1
            if not self._ours[track]:
                del self._ours[track]
            if was_ours != (track in self._ours):
                effects += self._change_hands(track, now)
        link = self._links.get(event.node)
        outs = [(event.node, track, out) for track, out in (link.outgoing.items() if link else ())]
        for track, passed in self._passed.items():
            outs += [(node, track, out) for node, out in passed.items() if node != event.node]
        for node, track, out in outs:
            if self._is_origin(out.transit):
                if self._room_for(track, node, out.transit) is None:
                    effects += self._drop(node, track, TRACK_UNKNOWN)
            elif track in self._ours:
                effects += self._give(node, track, out)
        return tuple(effects)

    def _change_hands(self, track: TrackId, now: float) -> list[LegsEffect]:
        """What we pass on is ours now, or no longer is: no leg of it may take the place of a source of our own."""
        effects: list[LegsEffect] = []
        if track not in self._ours:
            # It is to come from elsewhere again, if it can.
            for node, out, _ in self._transits_of(track):
                if out.is_open:
                    out.is_open = False
                    effects.append(CloseLegOut(node=node, leg=out.leg))
        if track in self._flows or track in self._passed:
            effects += self._settle(track, now)
        return effects

    def _give(self, node: NodeId, track: TrackId, out: Outgoing) -> list[LegsEffect]:
        """Send a track of ours that is asked for as another node's, to whom may have it; who may not yet waits."""
        room = self._room_for(track, node, out.transit)
        if out.is_open or room is None:
            return []
        out.is_open = True
        return [OpenLegOut(node=node, leg=out.leg, track=track, room=room)]

    # --- words --------------------------------------------------------------------------------

    def _hear(self, event: WordHeard, now: float) -> tuple[LegsEffect, ...]:
        link = self._links.get(event.node)
        if link is None:
            self.oddities["word_without_link"] += 1
            return ()
        match event.word:
            case Want():
                return self._hear_want(event.node, link, event.word, now)
            case Unwant(leg=leg):
                return self._hear_unwant(event.node, link, leg, now)
            case LegsTaken(legs=legs):
                over = {out.leg for out in link.outgoing.values()} - set(legs)
                return tuple(effect for leg in sorted(over) for effect in self._hear_unwant(event.node, link, leg, now))
            case WantRefused(leg=leg, code=code):
                return self._hear_refused(event.node, link, leg, code, now)

    def _hear_want(self, node: NodeId, link: Link, want: Want, now: float) -> tuple[LegsEffect, ...]:
        transit = want.transit
        known = link.outgoing.get(want.track)
        if known is not None and (known.leg, known.transit) == (want.leg, transit):
            return ()
        if not 1 <= want.leg <= MAX_LEG or (transit is not None and not is_sound(transit)):
            self.oddities["want_out_of_range"] += 1
            return ()
        effects: list[LegsEffect] = []
        if known is not None and known.leg == want.leg and transit is not None and transit.level == known.level:
            # The same leg, for others than before.
            known.transit = transit
            self._put_out(node, want.track, known)
        else:
            # The number now means this track, and the track has this number: whatever either was before ends.
            effects += self._hear_unwant(node, link, want.leg, now)
            if known is not None and want.track in link.outgoing:
                effects += self._end_outgoing(node, want.track)
            if len(link.outgoing) >= MAX_LEGS_OUT:
                return (*effects, TellLeg(node=node, word=WantRefused(want.leg, TOO_MANY_LEGS)))
            self._put_out(node, want.track, Outgoing(want.leg, transit.level if transit else 1, transit))
        if not self._is_ours(want.track, transit):
            return (*effects, *self._settle(want.track, now))
        if not self._is_origin(transit):
            return (*effects, *self._give(node, want.track, link.outgoing[want.track]))
        room = self._room_for(want.track, node, transit)
        if room is None:
            self.oddities["want_refused"] += 1
            return (*effects, *self._drop(node, want.track, TRACK_UNKNOWN))
        if not link.outgoing[want.track].is_open:
            link.outgoing[want.track].is_open = True
            effects.append(OpenLegOut(node=node, leg=want.leg, track=want.track, room=room))
        return tuple(effects)

    def _hear_unwant(self, node: NodeId, link: Link, leg: int, now: float) -> tuple[LegsEffect, ...]:
        track = next((track for track, out in link.outgoing.items() if out.leg == leg), None)
        if track is None:
            return ()
        ended = self._end_outgoing(node, track)
        # Somebody behind that neighbour no longer needs it, and perhaps nobody does now.
        return (*ended, *(self._settle(track, now) if track in self._flows else ()))

    def _end_outgoing(self, node: NodeId, track: TrackId) -> tuple[LegsEffect, ...]:
        out = self._take_out(node, track)
        return (CloseLegOut(node=node, leg=out.leg),) if out.is_open else ()

    def _hear_refused(self, node: NodeId, link: Link, leg: int, code: str, now: float) -> tuple[LegsEffect, ...]:
        track = link.incoming.pop(leg, None)
        if track is None:
            return ()
        effects: list[LegsEffect] = [CloseLegIn(node=node, leg=leg)]
        flow = self._flows[track]
        if flow.former is not None and (flow.former.node, flow.former.leg) == (node, leg):
            flow.former = None
            return (*effects, *self._serve(track))
        need, refused = self._need(track), flow.current
        assert need is not None
        assert refused is not None
        if code == TOO_FAR and refused.level < (limit := self._limit(track)):
            # It has a longer way than we thought; one that we may take, too.
            return (*effects, *self._open(track, flow, need, Hop(via=node, hops=limit)))
        flow.current, flow.former = flow.former, None
        if code in (NO_WAY, TOO_FAR) and node != need.origin:
            if flow.current is None:
                del self._flows[track]
            return (*effects, ViaRefused(origin=need.origin, via=node))
        effects += self._end_flow(track)
        effects += self._drop_transits(track, below=MAX_HOPS + 1, via=None, code=code)
        if need.is_local:
            self._refused.add(track)
        return tuple(effects)

    def _fall(self, node: NodeId, now: float) -> tuple[LegsEffect, ...]:
        link = self._links.get(node)
        if link is None:
            return ()
        touched = [track for track in link.outgoing if track in self._flows]
        for track in list(link.outgoing):
            self._take_out(node, track)
        del self._links[node]
        for track in link.incoming.values():
            flow = self._flows[track]
            if flow.former is not None and flow.former.node == node:
                flow.former = None
            if flow.current is not None and flow.current.node == node:
                flow.current, flow.former = flow.former, None
            touched.append(track)
        return self._settle_all(list(dict.fromkeys(touched)), now)

    def _renew(self, node: NodeId) -> tuple[LegsEffect, ...]:
        """Have all legs of a link on its new end, too, and say again which we ask for: words may have been lost."""
        if (link := self._links.get(node)) is None:
            return ()
        effects: list[LegsEffect] = [TellLeg(node=node, word=LegsTaken(tuple(sorted(link.incoming))))]
        for number, track in sorted(link.incoming.items()):
            need = self._need(track)
            told = next(leg.told for leg in self._flows[track].legs if (leg.node, leg.leg) == (node, number))
            assert need is not None
            effects += [
                OpenLegIn(node=node, leg=number, track=track, kind=need.kind, room=need.room),
                TellLeg(node=node, word=told),
            ]
        for track, out in link.outgoing.items():
            room = self._room_of(node, track, out)
            if out.is_open and room is not None:
                effects.append(OpenLegOut(node=node, leg=out.leg, track=track, room=room))
        return tuple(effects)
