"""Which tracks flow over which link: pure, for all links of a node.

A *leg* is one track on one link, numbered by the side that receives it. There is one leg for a track
and a far node, never two, however many people there want it: the far engine multiplies it.

The receiver opens its side first, then asks; the sender opens its side when asked. Links are reliable
and ordered, so a leg needs no clock: it is there from the word until the word that ends it, or until
the link falls, which ends both sides at once. After the next rise the receiver asks anew.

A refused leg (its track ended meanwhile) is asked for again when the owner next names the track.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from signalling.mesh.link import Unwant, Want, WantRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalling.client.messages import MediaKind
    from signalling.ids import NodeId, RoomId, TrackId

MAX_LEG: Final = 65_535
"""Numbers are handed out in turn, so one comes back only after all others: late frames of its former leg are gone."""

MAX_LEGS_OUT: Final = 4096
"""Legs that one far node may ask for: far above what a link carries."""

TRACK_UNKNOWN: Final = "track_unknown"
TOO_MANY_LEGS: Final = "too_many_legs"


@dataclass(frozen=True, kw_only=True, slots=True)
class TracksWanted:
    """All remote tracks of the room that are needed here; see `Relay.want_tracks`."""

    room: RoomId
    tracks: Mapping[TrackId, tuple[NodeId, MediaKind]]


@dataclass(frozen=True, kw_only=True, slots=True)
class TracksOffered:
    """All tracks of ours that the node may ask for, with a room of ours that each is in."""

    node: NodeId
    tracks: Mapping[TrackId, RoomId]


@dataclass(frozen=True, kw_only=True, slots=True)
class TracksNamed:
    """The node said that it has these tracks."""

    node: NodeId
    tracks: frozenset[TrackId]


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkRisen:
    """The link with the node carries, and carries no leg yet."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkFallen:
    """It is gone, and every leg on it."""

    node: NodeId


@dataclass(frozen=True, kw_only=True, slots=True)
class WordHeard:
    """The node said this about a leg."""

    node: NodeId
    word: Want | Unwant | WantRefused


LegsEvent: TypeAlias = TracksWanted | TracksOffered | TracksNamed | LinkRisen | LinkFallen | WordHeard


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLegIn:
    """Frames of this number from the node are this track."""

    node: NodeId
    leg: int
    track: TrackId
    kind: MediaKind
    room: RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseLegIn:
    """Drop frames of this number."""

    node: NodeId
    leg: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLegOut:
    """Send the track to the node under this number."""

    node: NodeId
    leg: int
    track: TrackId
    room: RoomId


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseLegOut:
    """Send it no longer."""

    node: NodeId
    leg: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TellLeg:
    """Say this to the node over its link."""

    node: NodeId
    word: Want | Unwant | WantRefused


LegsEffect: TypeAlias = OpenLegIn | CloseLegIn | OpenLegOut | CloseLegOut | TellLeg


@dataclass(slots=True)
class _Link:
    """The legs of one link that is up, by track; `refused` ones are asked for no more until named."""

    incoming: dict[TrackId, int] = field(default_factory=dict)
    outgoing: dict[TrackId, int] = field(default_factory=dict)
    refused: set[TrackId] = field(default_factory=set)
    last_leg: int = 0


class Legs:
    """The legs on all links of a node."""

    def __init__(self) -> None:
        self._wants: dict[RoomId, Mapping[TrackId, tuple[NodeId, MediaKind]]] = {}
        self._offered: dict[NodeId, Mapping[TrackId, RoomId]] = {}
        self._links: dict[NodeId, _Link] = {}
        self.oddities: Counter[str] = Counter()

    def handle(self, event: LegsEvent) -> tuple[LegsEffect, ...]:
        """Take one event; give what is to be done, in order."""
        match event:
            case TracksWanted():
                return self._want(event)
            case TracksOffered():
                return self._offer(event)
            case TracksNamed():
                link = self._links.get(event.node)
                if link is None or not link.refused & event.tracks:
                    return ()
                link.refused -= event.tracks
                return self._settle(event.node)
            case LinkRisen(node=node):
                self._links[node] = _Link()
                return self._settle(node)
            case LinkFallen(node=node):
                self._links.pop(node, None)
                return ()
            case WordHeard():
                return self._hear(event)

    def owners(self) -> frozenset[NodeId]:
        """The nodes that a track is wanted from."""
        return frozenset(owner for tracks in self._wants.values() for owner, _ in tracks.values())

    def incoming(self) -> Mapping[tuple[NodeId, int], TrackId]:
        """The tracks that come in now, by node and number."""
        return {(node, leg): track for node, link in self._links.items() for track, leg in link.incoming.items()}

    def outgoing(self) -> Mapping[tuple[NodeId, int], TrackId]:
        """The tracks that go out now, by node and number."""
        return {(node, leg): track for node, link in self._links.items() for track, leg in link.outgoing.items()}

    def is_sent(self, node: NodeId, track: TrackId) -> bool:
        """Whether that track goes to that node now."""
        link = self._links.get(node)
        return link is not None and track in link.outgoing

    def source_of(self, track: TrackId) -> NodeId | None:
        """The node that sends us that track now."""
        return next((node for node, link in self._links.items() if track in link.incoming), None)

    def _want(self, event: TracksWanted) -> tuple[LegsEffect, ...]:
        if event.tracks:
            self._wants[event.room] = dict(event.tracks)
        else:
            self._wants.pop(event.room, None)
        return tuple(effect for node in sorted(self._links) for effect in self._settle(node))

    def _settle(self, node: NodeId) -> tuple[LegsEffect, ...]:
        """Open the incoming legs of a link that are wanted, close those that are not."""
        link = self._links[node]
        wanted: dict[TrackId, tuple[MediaKind, RoomId]] = {
            track: (kind, room)
            for room, tracks in self._wants.items()
            for track, (owner, kind) in tracks.items()
            if owner == node
        }
        link.refused &= wanted.keys()
        effects: list[LegsEffect] = []
        for track in [track for track in link.incoming if track not in wanted]:
            leg = link.incoming.pop(track)
            effects += [TellLeg(node=node, word=Unwant(leg)), CloseLegIn(node=node, leg=leg)]
        for track, (kind, room) in wanted.items():
            if track in link.incoming or track in link.refused:
                continue
            if (picked := self._pick(link)) is None:
                self.oddities["no_leg_number"] += 1
                break
            link.incoming[track] = picked
            effects.append(OpenLegIn(node=node, leg=picked, track=track, kind=kind, room=room))
            effects.append(TellLeg(node=node, word=Want(track, picked)))
        return tuple(effects)

    @staticmethod
    def _pick(link: _Link) -> int | None:
        taken = set(link.incoming.values())
        if len(taken) >= MAX_LEG:
            return None
        leg = link.last_leg % MAX_LEG + 1
        while leg in taken:
            leg = leg % MAX_LEG + 1
        link.last_leg = leg
        return leg

    def _offer(self, event: TracksOffered) -> tuple[LegsEffect, ...]:
        if event.tracks:
            self._offered[event.node] = event.tracks
        else:
            self._offered.pop(event.node, None)
        link = self._links.get(event.node)
        effects: list[LegsEffect] = []
        for track in [track for track in (link.outgoing if link else ()) if track not in event.tracks]:
            assert link is not None
            leg = link.outgoing.pop(track)
            effects.append(CloseLegOut(node=event.node, leg=leg))
            effects.append(TellLeg(node=event.node, word=WantRefused(leg, TRACK_UNKNOWN)))
        return tuple(effects)

    def _hear(self, event: WordHeard) -> tuple[LegsEffect, ...]:
        link = self._links.get(event.node)
        if link is None:
            self.oddities["word_without_link"] += 1
            return ()
        match event.word:
            case Want():
                return self._hear_want(event.node, link, event.word)
            case Unwant(leg=leg):
                return self._end_outgoing(event.node, link, leg)
            case WantRefused(leg=leg):
                return self._hear_refused(event.node, link, leg)

    def _hear_want(self, node: NodeId, link: _Link, want: Want) -> tuple[LegsEffect, ...]:
        if link.outgoing.get(want.track) == want.leg:
            return ()
        if not 1 <= want.leg <= MAX_LEG:
            self.oddities["leg_out_of_range"] += 1
            return ()
        # The number now means this track, and the track has this number: whatever either was before ends.
        effects = list(self._end_outgoing(node, link, want.leg))
        if (former := link.outgoing.get(want.track)) is not None:
            effects += self._end_outgoing(node, link, former)
        room = self._offered.get(node, {}).get(want.track)
        if room is None:
            self.oddities["want_refused"] += 1
            return (*effects, TellLeg(node=node, word=WantRefused(want.leg, TRACK_UNKNOWN)))
        if len(link.outgoing) >= MAX_LEGS_OUT:
            return (*effects, TellLeg(node=node, word=WantRefused(want.leg, TOO_MANY_LEGS)))
        link.outgoing[want.track] = want.leg
        return (*effects, OpenLegOut(node=node, leg=want.leg, track=want.track, room=room))

    @staticmethod
    def _end_outgoing(node: NodeId, link: _Link, leg: int) -> tuple[LegsEffect, ...]:
        for track, number in link.outgoing.items():
            if number == leg:
                del link.outgoing[track]
                return (CloseLegOut(node=node, leg=leg),)
        return ()

    @staticmethod
    def _hear_refused(node: NodeId, link: _Link, leg: int) -> tuple[LegsEffect, ...]:
        for track, number in link.incoming.items():
            if number == leg:
                del link.incoming[track]
                link.refused.add(track)
                return (CloseLegIn(node=node, leg=leg),)
        return ()
