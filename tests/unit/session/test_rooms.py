"""Live rooms: what each person sees, on three nodes whose announcements cross in every order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from session import room_view
from session import rooms as rooms_module
from session.room_effects import Announce, Doubt, RoomEffect, Subscribe, Tell, Want
from session.rooms import Rooms
from signalling.client.messages import (
    ChatMessage,
    NodeEvent,
    ParticipantChanged,
    ParticipantInfo,
    ParticipantJoined,
    ParticipantLeft,
    TrackInfo,
    TrackMuted,
    TrackPublished,
    TrackUnpublished,
)
from signalling.errors import ErrorCode, Refused
from signalling.ids import MessageId, NodeId, ParticipantId, RoomId, SessionId, TrackId, UserId
from signalling.mesh.link import RoomChat

if TYPE_CHECKING:
    from collections.abc import Callable

    from session.room_view import LiveRoom

ROOM = RoomId("hall")
N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")
S1, S2, S3 = SessionId("s1"), SessionId("s2"), SessionId("s3")


def person(name: str, *tracks: str, node: NodeId = N1) -> ParticipantInfo:
    return ParticipantInfo(
        participant=ParticipantId(f"pa_{name}"),
        user=UserId(name),
        name=name.title(),
        node=node,
        region="here",
        tracks=tuple(track(name) for name in tracks),
    )


def track(name: str, *, muted: bool = False) -> TrackInfo:
    return TrackInfo(track=TrackId(name), kind="video", source="camera", muted=muted)


def told(effects: tuple[RoomEffect, ...], session: SessionId) -> list[NodeEvent]:
    return [effect.event for effect in effects if isinstance(effect, Tell) and effect.session == session]


def test_somebody_joins_publishes_mutes_and_leaves() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    first = rooms.admit(S1, ROOM, person("ann"))
    assert first == (
        Announce(room=ROOM, participants=(person("ann"),)),
        Subscribe(session=S1, room=ROOM, participant=person("ann").participant, tracks=()),
    )
    assert rooms.others(S1) == ()

    effects = rooms.admit(S2, ROOM, person("bob"))
    assert told(effects, S1) == [ParticipantJoined(participant=person("bob"))]
    assert told(effects, S2) == []
    assert rooms.others(S2) == (person("ann"),)

    effects = rooms.set_tracks(S2, (track("v"),))
    assert told(effects, S1) == [TrackPublished(participant=ParticipantId("pa_bob"), track=track("v"))]
    assert [(e.session, [t.track for t in e.tracks]) for e in effects if isinstance(e, Subscribe)] == [(S1, ["v"])]
    assert not any(isinstance(effect, Want) for effect in effects), "what is here needs no link"

    effects = rooms.mute(S2, TrackId("v"), muted=True)
    assert told(effects, S1) == [TrackMuted(participant=ParticipantId("pa_bob"), track=TrackId("v"), muted=True)]
    effects = rooms.remove(S2, "left")
    assert told(effects, S1) == [ParticipantLeft(participant=ParticipantId("pa_bob"), reason="left")]
    assert rooms.remove(S2, "left") == ()


def test_a_session_without_a_seat_is_refused() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    for call in (
        lambda: rooms.set_tracks(S1, ()),
        lambda: rooms.mute(S1, TrackId("v"), muted=True),
        lambda: rooms.others(S1),
        lambda: rooms.talk.say(S1, nonce="1", text="hi"),
    ):
        with pytest.raises(Refused) as refused:
            call()
        assert refused.value.code is ErrorCode.NOT_IN_ROOM
    rooms.admit(S1, ROOM, person("ann"))
    with pytest.raises(Refused) as unknown:
        rooms.mute(S1, TrackId("v"), muted=True)
    assert unknown.value.code is ErrorCode.TRACK_UNKNOWN


def test_remote_tracks_are_wanted_while_somebody_is_here() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    assert rooms.remote(N2, ROOM, (person("bob", "v", node=N2),)) == ()
    effects = rooms.admit(S1, ROOM, person("ann"))
    (want,) = [effect for effect in effects if isinstance(effect, Want)]
    assert [(t.track, t.node, t.kind) for t in want.tracks] == [("v", "n2", "video")]
    effects = rooms.remove(S1, "left")
    assert Want(room=ROOM, tracks=()) in effects
    assert rooms.remote(N2, ROOM, ()) == ()
    assert rooms.snapshot(ROOM) == ()


@pytest.mark.parametrize("admitted_first", [True, False])
def test_a_rejoin_here_is_invisible_in_both_orders(admitted_first: bool) -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S3, ROOM, person("eve"))
    rooms.admit(S1, ROOM, person("ann", "v"))
    effects: tuple[RoomEffect, ...] = ()
    if admitted_first:
        effects += rooms.admit(S2, ROOM, person("ann", "v"))
    effects += rooms.remove(S1, "replaced", successor=S2)
    if not admitted_first:
        assert told(effects, S2) == []
        effects += rooms.admit(S2, ROOM, person("ann", "v"))
    assert told(effects, S3) == []
    assert told(effects, S1) == []
    assert rooms.others(S2) == (person("eve"),)
    assert not any(isinstance(effect, Announce) for effect in effects)
    assert [effect.session for effect in effects if isinstance(effect, Subscribe)] == [S2]
    assert rooms.room_of(S1) is None


def test_a_move_that_never_arrives_ends_with_the_nodes_seat() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S3, ROOM, person("eve"))
    rooms.admit(S1, ROOM, person("ann"))
    rooms.remove(S1, "replaced", moved_to=N2)
    assert rooms.room_nodes(ROOM, frozenset({N2})) == ()
    effects = rooms.room_nodes(ROOM, frozenset())
    assert told(effects, S3) == [ParticipantLeft(participant=ParticipantId("pa_ann"), reason="connection_lost")]


@pytest.mark.parametrize("order", [(N2, N3), (N3, N2)])
def test_announced_by_two_nodes_is_one_person_who_moves_once(order: tuple[NodeId, NodeId]) -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S1, ROOM, person("eve"))
    seen: list[NodeEvent] = []
    for node in order:
        seen += told(rooms.remote(node, ROOM, (person("ann", "v", node=node),)), S1)
    seen += told(rooms.remote(N2, ROOM, (person("ann", "v", node=N2),)), S1)
    seen += told(rooms.remote(N2, ROOM, ()), S1)
    changes = [event.node for event in seen[1:] if isinstance(event, ParticipantChanged)]
    assert [type(event) for event in seen] == [ParticipantJoined, *[ParticipantChanged] * len(changes)]
    assert changes in ([], [N3])
    assert [info.node for info in rooms.others(S1)] == [N3]


def test_who_moves_is_told_where_they_are_and_neither_leaves_nor_comes() -> None:
    """Without a track, too; from here to there and back again, once each, and not before the other node speaks."""
    rooms = Rooms(N1)
    rooms.admit(S1, ROOM, person("ann"))
    rooms.admit(S2, ROOM, person("bob"))
    there = msgspec.structs.replace(person("bob", node=N2), region="there")
    moved = ParticipantChanged(participant=there.participant, name="Bob", node=N2, region="there")
    back = msgspec.structs.replace(moved, node=N1, region=person("bob").region)
    assert told(rooms.remove(S2, "replaced", moved_to=N2), S1) == [], "its region is not known yet"
    assert rooms.snapshot(ROOM)[1].node == N2
    assert told(rooms.remote(N2, ROOM, (there,)), S1) == [moved]
    assert told(rooms.remote(N2, ROOM, (there,)), S1) == []
    assert told(rooms.admit(S3, ROOM, person("bob")), S1) == [back]
    assert told(rooms.remote(N2, ROOM, ()), S1) == []


def test_who_comes_is_told_of_the_same_places_as_those_who_are_there() -> None:
    """Somebody left for a node that does not speak, and is back: who came meanwhile was told the old place, too."""
    rooms = Rooms(N1)
    rooms.admit(S1, ROOM, person("ann"))
    rooms.admit(S2, ROOM, person("bob"))
    rooms.remove(S2, "replaced", moved_to=N2)
    eve = SessionId("eve")
    rooms.admit(eve, ROOM, person("eve"))
    assert {info.node for info in rooms.others(eve)} == {N1}
    assert told(rooms.admit(S3, ROOM, person("bob")), eve) == []


def test_who_moves_between_other_nodes_or_is_renamed_is_told_once() -> None:
    rooms = Rooms(N1)
    rooms.admit(S1, ROOM, person("ann"))
    rooms.remote(N2, ROOM, (person("bob", node=N2),))
    assert told(rooms.remote(N3, ROOM, (person("bob", node=N3),)), S1) == [], "seen at the first as long as it says so"
    (event,) = told(rooms.remote(N2, ROOM, ()), S1)
    assert isinstance(event, ParticipantChanged)
    assert event.node == N3
    renamed = msgspec.structs.replace(person("bob", node=N3), name="Robert")
    (event,) = told(rooms.remote(N3, ROOM, (renamed,)), S1)
    assert isinstance(event, ParticipantChanged)
    assert event.name == "Robert"


def test_another_nodes_claim_on_somebody_here_is_doubted() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S1, ROOM, person("ann"))
    assert rooms.remote(N2, ROOM, (person("ann", "v", node=N2),)) == (Doubt(session=S1, room=ROOM),)


def test_a_track_that_two_people_claim_is_the_first_ones() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S1, ROOM, person("eve"))
    effects = rooms.remote(N2, ROOM, (person("ann", "v", "v", node=N2), person("bob", "v", node=N2)))
    (want,) = [effect for effect in effects if isinstance(effect, Want)]
    assert [(t.participant, t.track) for t in want.tracks] == [("pa_ann", "v")]


def test_nobody_takes_a_track_from_whoever_has_it() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S1, ROOM, person("eve"))
    rooms.remote(N3, ROOM, (person("mal", node=N3),))
    rooms.remote(N2, ROOM, (person("ann", "v", "a", node=N2),))
    assert told(rooms.remote(N3, ROOM, (person("mal", "v", "own", node=N3),)), S1) == [
        TrackPublished(participant=ParticipantId("pa_mal"), track=track("own"))
    ]
    assert rooms.remote(N2, ROOM, (person("ann", "v", "a", node=N2),)) == (), "said again, changes nothing"
    assert rooms.owner_of(TrackId("v")) == "pa_ann"
    effects = rooms.remote(N2, ROOM, (person("ann", "a", node=N2),))
    assert told(effects, S1) == [
        TrackUnpublished(participant=ParticipantId("pa_ann"), track=TrackId("v")),
        TrackPublished(participant=ParticipantId("pa_mal"), track=track("v")),
    ]


def test_a_lost_node_takes_its_people_with_it() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S1, ROOM, person("eve"))
    rooms.remote(N2, ROOM, (person("ann", "v", node=N2),))
    effects = rooms.remote(N2, ROOM, (), is_lost=True)
    assert told(effects, S1) == [ParticipantLeft(participant=ParticipantId("pa_ann"), reason="node_lost")]
    assert Want(room=ROOM, tracks=()) in effects


# --- nobody sees a person twice, and in the end everybody sees the truth --------------------

NODES = (N1, N2, N3)


@dataclass
class Viewer:
    """A client that believes what it is told, and fails when that makes no sense."""

    seen: dict[ParticipantId, dict[TrackId, bool]] = field(default_factory=dict)
    nodes: dict[ParticipantId, NodeId] = field(default_factory=dict)

    def start(self, others: tuple[ParticipantInfo, ...]) -> None:
        self.seen = {info.participant: {t.track: t.muted for t in info.tracks} for info in others}
        self.nodes = {info.participant: info.node for info in others}
        assert len(self.seen) == len(others)

    def hear(self, event: NodeEvent) -> None:
        match event:
            case ParticipantJoined(participant=info):
                assert info.participant not in self.seen, "seen twice"
                self.seen[info.participant] = {t.track: t.muted for t in info.tracks}
                self.nodes[info.participant] = info.node
            case ParticipantChanged(participant=who, node=node):
                assert who in self.seen
                self.nodes[who] = node
            case ParticipantLeft(participant=who):
                del self.seen[who], self.nodes[who]
            case TrackPublished(participant=who, track=info):
                assert info.track not in self.seen[who], "track seen twice"
                self.seen[who][info.track] = info.muted
            case TrackUnpublished(participant=who, track=gone):
                del self.seen[who][gone]
            case TrackMuted(participant=who, track=changed, muted=muted):
                assert self.seen[who][changed] != muted
                self.seen[who][changed] = muted
            case ChatMessage():
                raise AssertionError("nobody spoke")


class Mesh:
    """Three nodes, a link each way between any two, and people who walk about."""

    def __init__(self) -> None:
        self.rooms = {node: Rooms(node, now_ms=lambda: 0) for node in NODES}
        self.links: dict[tuple[NodeId, NodeId], deque[tuple[ParticipantInfo, ...]]] = {
            (a, b): deque() for a in NODES for b in NODES if a != b
        }
        self.viewers: dict[SessionId, Viewer] = {}
        self.seats: dict[str, list[tuple[NodeId, SessionId]]] = {name: [] for name in ("ann", "bob", "eve")}
        self.count = 0

    def run(self, node: NodeId, effects: tuple[RoomEffect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, Tell):
                self.viewers[effect.session].hear(effect.event)
            elif isinstance(effect, Announce):
                for other in NODES:
                    if other != node:
                        self.links[node, other].append(effect.participants)

    def join(self, name: str, node: NodeId) -> None:
        """A first join, or a rejoin there; the elder session, if any, is still to be ended."""
        self.count += 1
        session = SessionId(f"{name}-{self.count}")
        rooms = self.rooms[node]
        if self.seats[name] and self.seats[name][-1][0] == node:
            _, elder = self.seats[name].pop()
            effects = rooms.remove(elder, "replaced", successor=session)
        else:
            effects = ()
        self.run(node, effects)
        self.viewers[session] = Viewer()
        effects = rooms.admit(session, ROOM, person(name, f"{name}-{self.count}", node=node))
        self.run(node, effects)
        self.viewers[session].start(rooms.others(session))
        self.seats[name].append((node, session))

    def notice(self, name: str) -> None:
        """The elder node learns that its seat was taken elsewhere."""
        if len(self.seats[name]) > 1:
            node, session = self.seats[name].pop(0)
            moved_to = self.seats[name][-1][0]
            self.run(node, self.rooms[node].remove(session, "replaced", moved_to=moved_to))

    def leave(self, name: str) -> None:
        if len(self.seats[name]) == 1:
            node, session = self.seats[name].pop()
            self.run(node, self.rooms[node].remove(session, "left"))

    def toggle(self, name: str) -> None:
        if self.seats[name]:
            node, session = self.seats[name][-1]
            info = self.rooms[node].participant(session)
            assert info is not None
            for known in info.tracks:
                self.run(node, self.rooms[node].mute(session, known.track, muted=not known.muted))

    def deliver(self, index: int) -> None:
        busy = [link for link, queue in self.links.items() if queue]
        if busy:
            link = busy[index % len(busy)]
            self.run(link[1], self.rooms[link[1]].remote(link[0], ROOM, self.links[link].popleft()))

    def settle(self) -> None:
        for name in self.seats:
            while len(self.seats[name]) > 1:
                self.notice(name)
        while any(self.links.values()):
            self.deliver(0)
        nodes = frozenset(seats[0][0] for seats in self.seats.values() if seats)
        for node in NODES:
            self.run(node, self.rooms[node].room_nodes(ROOM, nodes - {node}))

    def check_at_rest(self) -> None:
        truth: dict[ParticipantId, dict[TrackId, bool]] = {}
        for name, seats in self.seats.items():
            for node, session in seats:
                info = self.rooms[node].participant(session)
                assert info is not None
                truth[ParticipantId(f"pa_{name}")] = {t.track: t.muted for t in info.tracks}
        places = {ParticipantId(f"pa_{name}"): node for name, seats in self.seats.items() for node, _ in seats}
        for name, seats in self.seats.items():
            for _, session in seats:
                others = {who: tracks for who, tracks in truth.items() if who != f"pa_{name}"}
                assert self.viewers[session].seen == others
                assert self.viewers[session].nodes == {who: places[who] for who in others}


steps = st.lists(
    st.one_of(
        st.tuples(st.just("join"), st.sampled_from(["ann", "bob", "eve"]), st.sampled_from(NODES)),
        st.tuples(st.sampled_from(["notice", "leave", "toggle"]), st.sampled_from(["ann", "bob", "eve"])),
        st.tuples(st.just("deliver"), st.integers(0, 5)),
    ),
    max_size=30,
)


def walk_about(walk: list[tuple[object, ...]]) -> None:
    mesh = Mesh()
    for name, *arguments in walk:
        act: Callable[..., None] = getattr(mesh, str(name))
        act(*arguments)
    mesh.settle()
    mesh.check_at_rest()


@settings(max_examples=500, deadline=None)
@given(steps)
def test_nobody_is_seen_twice_and_in_the_end_everybody_sees_the_truth(walk: list[tuple[object, ...]]) -> None:
    walk_about(walk)


def _keep_old_tracks(_: object, before: tuple[TrackInfo, ...], after: tuple[TrackInfo, ...]) -> list[NodeEvent]:
    return []


def _nobody_moves(_: LiveRoom) -> list[tuple[ParticipantId, NodeEvent]]:
    return []


def _everywhere(rooms: Rooms, node: NodeId, room: RoomId, named: tuple[ParticipantInfo, ...]) -> tuple[RoomEffect, ...]:
    """Believes announcements to be additions."""
    live = rooms._rooms.setdefault(room, room_view.LiveRoom(room))
    live.remotes.setdefault(node, {}).update({info.participant: info for info in named})
    effects: list[RoomEffect] = []
    rooms._refresh(live, effects)
    return tuple(effects)


MUTANTS: dict[str, tuple[object, str, object]] = {
    "track changes are not told": (room_view, "_track_changes", _keep_old_tracks),
    "announcements only add": (Rooms, "remote", _everywhere),
    "everybody is new at every change": (
        rooms_module,
        "differences",
        lambda _before, after, _reason: [(who, ParticipantJoined(participant=info)) for who, info in after.items()],
    ),
    "nobody is told who moves": (rooms_module, "changes_of_place", _nobody_moves),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_every_mutant_is_killed(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, broken = MUTANTS[mutant]
    monkeypatch.setattr(owner, name, broken)

    @settings(max_examples=500, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(steps)
    def attempt(walk: list[tuple[object, ...]]) -> None:
        walk_about(walk)

    with pytest.raises((AssertionError, KeyError)):
        attempt()


def test_a_chat_of_a_room_nobody_here_is_in_is_dropped() -> None:
    chat = RoomChat(room=ROOM, message=MessageId("m"), participant=ParticipantId("pa_x"), name="X", text="hi", at_ms=1)
    assert Rooms(N1, now_ms=lambda: 0).talk.hear(chat) == ()
