from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay import rooms as rooms_module
from relay.rooms import (
    RESTATE_S,
    LinkDoubted,
    LinkFallen,
    LinkRisen,
    NodeReturned,
    NodeVanished,
    RoomLearnt,
    Rooms,
    RoomsDeadline,
    RoomShared,
    StateHeard,
    TellRoom,
)
from signalling.client.messages import ParticipantInfo, TrackInfo
from signalling.ids import NodeId, ParticipantId, RoomId, TrackId, UserId
from signalling.mesh.link import RoomState

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
ROOM = RoomId("room")
FORGET_S = 8.0


def person(name: str, node: NodeId, *tracks: str) -> ParticipantInfo:
    return ParticipantInfo(
        participant=ParticipantId(f"pa_{name}"),
        user=UserId(name),
        name=name,
        node=node,
        region="here",
        tracks=tuple(TrackInfo(track=TrackId(track), kind="video", source="camera") for track in tracks),
    )


ANN, BOB, EVE = person("ann", A, "t1", "t2"), person("bob", B, "t3"), person("eve", C)
DAN = person("dan", B)


def linked(*, boot: int = 1) -> Rooms:
    core = Rooms(forget_after_s=FORGET_S)
    core.handle(LinkRisen(node=B, boot=boot), 0.0)
    return core


def told(core: Rooms, *nodes: NodeId, people: tuple[ParticipantInfo, ...] = (ANN,)) -> list[tuple[NodeId, int, int]]:
    effects = core.handle(RoomShared(room=ROOM, nodes=frozenset(nodes), participants=people), 0.0)
    assert all(isinstance(effect, TellRoom) for effect in effects)
    return [(e.node, e.state.revision, len(e.state.participants)) for e in effects if isinstance(e, TellRoom)]


def heard(core: Rooms, revision: int, *people: ParticipantInfo, at: float = 0.0) -> tuple[object, ...]:
    return core.handle(StateHeard(node=B, state=RoomState(ROOM, revision, people)), at)


def learnt(*people: ParticipantInfo) -> tuple[RoomLearnt, ...]:
    return (RoomLearnt(node=B, room=ROOM, participants=people),)


def test_a_shared_room_is_told_once_and_each_change_under_a_greater_revision() -> None:
    core = linked()
    assert told(core, B) == [(B, 1, 1)]
    assert told(core, B) == []
    assert told(core, B, people=(person("ann", A),)) == [(B, 2, 1)]


def test_a_node_that_no_longer_needs_to_know_is_told_that_the_room_is_gone() -> None:
    core = linked()
    core.handle(LinkRisen(node=C, boot=1), 0.0)
    assert told(core, B, C) == [(B, 1, 1), (C, 1, 1)]
    assert told(core, C) == [(B, 2, 0)]
    assert told(core, C, people=()) == [(C, 3, 0)]
    assert core.partners() == frozenset()


def test_only_a_new_node_is_told_when_nothing_but_the_nodes_changed() -> None:
    core = linked()
    core.handle(LinkRisen(node=C, boot=1), 0.0)
    told(core, B)
    assert told(core, B, C) == [(C, 2, 1)]


def test_a_link_that_rises_is_told_everything_it_shares() -> None:
    core = Rooms(forget_after_s=FORGET_S)
    assert told(core, B) == []
    assert core.handle(LinkRisen(node=B, boot=1), 0.0) == (TellRoom(node=B, state=RoomState(ROOM, 1, (ANN,))),)
    assert core.handle(LinkRisen(node=C, boot=1), 0.0) == ()


def test_tracks_may_be_asked_for_where_their_room_is_shared() -> None:
    core = linked()
    told(core, B)
    assert core.tracks_for(B) == {TrackId("t1"): ROOM, TrackId("t2"): ROOM}
    assert core.tracks_for(C) == {}
    told(core)
    assert core.tracks_for(B) == {}


def test_a_far_room_is_learnt_and_an_older_word_is_not() -> None:
    core = linked()
    assert heard(core, 5, BOB) == learnt(BOB)
    assert heard(core, 5, BOB) == ()
    assert heard(core, 4) == ()
    assert heard(core, 6) == learnt()
    assert heard(core, 7) == ()


def test_nobody_is_believed_about_anyone_else() -> None:
    core = linked()
    assert heard(core, 1, BOB, EVE, ANN) == learnt(BOB)
    assert core.oddities["foreign_participants"] == 2
    assert core.handle(StateHeard(node=C, state=RoomState(ROOM, 1, (EVE,))), 0.0) == ()


def test_a_dead_link_is_no_news_until_gossip_agrees() -> None:
    core = linked()
    heard(core, 1, BOB)
    assert core.handle(NodeVanished(node=B), 1.0) == ()
    assert core.handle(LinkFallen(node=B), 2.0) == LOST


def test_a_dead_link_is_no_news_the_other_way_round() -> None:
    core = linked()
    heard(core, 1, BOB)
    assert core.handle(LinkFallen(node=B), 2.0) == ()
    assert core.handle(NodeVanished(node=B), 3.0) == LOST


def test_nothing_is_kept_of_nodes_that_are_gone() -> None:
    """Where every machine gets an id of its own, there is always another one."""
    core = linked()
    doubt, fall, vanish = "doubt", "fall", "vanish"
    for number, order in enumerate(
        ((fall, vanish), (vanish, fall), (doubt, fall, vanish), (doubt, vanish, fall), (vanish,))
    ):
        node = NodeId(f"n{number}")
        if fall in order:
            core.handle(LinkRisen(node=node, boot=1), 0.0)
        for what in order:
            match what:
                case "doubt":
                    core.handle(LinkDoubted(node=node, silent=True), 1.0)
                case "fall":
                    core.handle(LinkFallen(node=node), 2.0)
                case _:
                    core.handle(NodeVanished(node=node), 2.0)
        assert (core._vanished, core._silent, core._up, set(core._far)) == (set(), set(), {B}, {B}), order


def heard_of_bob_at_c(core: Rooms, revision: int, *others: ParticipantInfo) -> tuple[object, ...]:
    state = RoomState(ROOM, revision, (*others, person("bob", C, "t3")))
    return core.handle(StateHeard(node=C, state=state), 0.0)


def linked_with_both() -> Rooms:
    core = linked()
    core.handle(LinkRisen(node=C, boot=1), 0.0)
    heard(core, 1, BOB, DAN)
    return core


def test_who_is_back_at_another_node_is_seen_there_before_their_former_one_is_known_to_be_dead() -> None:
    core = linked_with_both()
    core.handle(LinkDoubted(node=B, silent=True), 0.0)
    assert heard_of_bob_at_c(core, 1)[1:] == learnt(DAN)
    assert core.handle(LinkFallen(node=B), 0.0) == ()
    assert core.handle(NodeVanished(node=B), 0.0) == (RoomLearnt(node=B, room=ROOM, participants=(), is_lost=True),)


def test_who_was_back_before_anybody_doubted_their_former_node_is_seen_elsewhere_with_the_doubt() -> None:
    for doubt in (LinkDoubted(node=B, silent=True), LinkFallen(node=B)):
        core = linked_with_both()
        assert len(heard_of_bob_at_c(core, 1)) == 1
        assert core.handle(doubt, 0.0) == learnt(DAN)


def test_a_silent_node_yields_nobody_whom_another_named_before_it() -> None:
    core = linked()
    core.handle(LinkRisen(node=C, boot=1), 0.0)
    heard_of_bob_at_c(core, 1)
    heard(core, 1, BOB)
    assert core.handle(LinkDoubted(node=B, silent=True), 0.0) == ()
    # And no word that says it again changes that.
    assert len(heard_of_bob_at_c(core, 2, EVE)) == 1


def test_a_node_that_speaks_again_has_its_people_back_until_it_says_otherwise() -> None:
    for back in (LinkDoubted(node=B, silent=False), LinkRisen(node=B, boot=1)):
        core = linked_with_both()
        heard_of_bob_at_c(core, 1)
        core.handle(LinkDoubted(node=B, silent=True), 0.0)
        assert core.handle(back, 0.0) == learnt(BOB, DAN)


def test_a_link_that_stays_dead_is_news_in_the_end() -> None:
    core = linked()
    heard(core, 1, BOB)
    core.handle(NodeVanished(node=B), 0.5)
    core.handle(NodeReturned(node=B), 0.6)
    core.handle(LinkFallen(node=B), 2.0)
    assert core.next_deadline() == 2.0 + FORGET_S
    assert core.handle(RoomsDeadline(), 2.0 + FORGET_S) == LOST
    assert core.next_deadline() is None


def test_who_is_reached_another_way_stays_while_that_lasts() -> None:
    core = linked()
    heard(core, 1, BOB)
    core.handle(LinkFallen(node=B), 2.0)
    assert core.unlinked() == frozenset({B})
    assert core.handle(RoomsDeadline(reached=frozenset({B, C})), 2.0 + FORGET_S) == ()
    assert core.next_deadline() == 2.0 + 2 * FORGET_S
    assert core.handle(RoomsDeadline(reached=frozenset({C})), 2.0 + 2 * FORGET_S) == LOST
    core = linked()
    heard(core, 1, BOB)
    core.handle(LinkFallen(node=B), 2.0)
    assert core.handle(NodeVanished(node=B), 3.0) == LOST, "gossip knows that it is gone"


def test_a_link_that_comes_back_in_time_leaves_rooms_as_they_were_if_they_are_stated_again() -> None:
    core = linked()
    heard(core, 1, BOB)
    core.handle(LinkFallen(node=B), 2.0)
    assert core.handle(LinkRisen(node=B, boot=1), 3.0) == ()
    assert heard(core, 1, BOB) == learnt(BOB), "it has spoken: who was said to have moved there has not"
    assert heard(core, 1, BOB) == ()
    assert core.handle(RoomsDeadline(), 3.0 + RESTATE_S) == ()


def test_a_room_said_again_under_a_later_revision_is_told_again_after_a_rise_only() -> None:
    core = linked()
    heard(core, 1, BOB)
    assert heard(core, 2, BOB) == ()
    core.handle(LinkFallen(node=B), 2.0)
    core.handle(LinkRisen(node=B, boot=1), 3.0)
    assert heard(core, 1, BOB) == (), "what was under way on the former link"
    assert heard(core, 4, BOB) == learnt(BOB)
    assert heard(core, 5, BOB) == ()


def part(core: Rooms, revision: int, *people: ParticipantInfo, more: bool, number: int = 0) -> tuple[object, ...]:
    state = RoomState(ROOM, revision, people, more=more, part=number)
    return core.handle(StateHeard(node=B, state=state), 0.0)


def test_a_large_room_comes_in_parts_and_counts_with_the_last() -> None:
    core = linked()
    dan = person("dan", B)
    assert part(core, 3, BOB, more=True) == ()
    assert part(core, 3, more=True, number=1) == ()
    assert part(core, 3, dan, more=False, number=2) == learnt(BOB, dan)
    assert part(core, 3, dan, more=False) == ()


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_statement_of_which_a_part_was_lost_counts_when_it_is_said_again(missing: int) -> None:
    core = linked()
    people = [BOB, person("dan", B), person("eve", B)]
    said = [(people[number], number < 2, number) for number in range(3)]
    for one, more, number in said[:missing] + said[missing + 1 :]:
        assert part(core, 3, one, more=more, number=number) == ()
    # The link is made anew, or a neighbour was asked to begin anew.
    core.handle(LinkRisen(node=B, boot=1), 1.0)
    assert [part(core, 3, one, more=more, number=number) for one, more, number in said] == [(), (), learnt(*people)]


def test_a_statement_that_is_cut_off_leaves_what_was_known() -> None:
    core = linked()
    heard(core, 1, BOB)
    part(core, 2, person("dan", B), more=True)
    assert heard(core, 3, person("joe", B)) == learnt(person("joe", B))
    assert core.oddities["statement_cut_off"] == 1
    part(core, 4, BOB, more=True)
    core.handle(LinkFallen(node=B), 1.0)
    core.handle(LinkRisen(node=B, boot=1), 2.0)
    assert part(core, 5, BOB, more=False) == learnt(BOB)
    assert core.oddities["statement_cut_off"] == 1


def test_what_a_far_node_may_tell_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms_module, "MAX_PEOPLE_EACH", 3)
    monkeypatch.setattr(rooms_module, "MAX_ROOMS_EACH", 2)
    core = linked()

    def say(room: str, revision: int, count: int, *, more: bool = False, number: int = 0) -> int:
        people = tuple(person(f"{room}-{n}", B) for n in range(count))
        state = RoomState(RoomId(room), revision, people, more=more, part=number)
        return len(core.handle(StateHeard(node=B, state=state), 0.0))

    assert [say("x", 1, 2), say("y", 2, 2), say("y", 3, 1), say("z", 4, 1)] == [1, 0, 1, 0]
    assert core.oddities == {"foreign_participants": 0, "too_many_people": 1, "too_many_rooms": 1}
    assert [say("x", 5, 0), say("z", 6, 3), say("z", 7, 2), say("y", 8, 2), say("z", 9, 1), say("y", 10, 2)] == [
        1,
        0,
        1,
        0,
        1,
        1,
    ], "a room counts with what it holds now"
    for number in range(5):
        assert say("y", 11, 2, more=True, number=number) == 0
    assert say("y", 11, 2, number=5) == 0, "nor in parts"


def test_a_room_that_is_not_stated_again_after_a_rise_is_over() -> None:
    core = linked()
    heard(core, 1, BOB)
    core.handle(LinkFallen(node=B), 2.0)
    core.handle(LinkRisen(node=B, boot=1), 3.0)
    assert core.next_deadline() == 3.0 + RESTATE_S
    assert core.handle(RoomsDeadline(), 3.0 + RESTATE_S) == learnt()


def test_who_comes_back_before_being_told_no_more_sees_nobody_go_and_come() -> None:
    core = linked()
    assert heard(core, 1, BOB) == learnt(BOB)
    told(core, B)
    told(core, B, people=())
    told(core, B)
    late = RoomState(ROOM, 2, (), kept=True)
    assert core.handle(StateHeard(node=B, state=late), 1.0) == ()
    assert heard(core, 3, BOB, at=2.0) == learnt(BOB)
    assert core.handle(RoomsDeadline(), 1.0 + RESTATE_S) == ()


def test_who_is_told_no_more_and_hears_nothing_else_sees_them_go_in_the_end() -> None:
    core = linked()
    heard(core, 1, BOB)
    told(core, B)
    core.handle(StateHeard(node=B, state=RoomState(ROOM, 2, (), kept=True)), 1.0)
    assert core.next_deadline() == 1.0 + RESTATE_S
    assert core.handle(RoomsDeadline(), 1.0 + RESTATE_S) == learnt()


def test_who_is_not_in_the_room_forgets_at_once_what_they_are_told_no_more() -> None:
    core = linked()
    heard(core, 1, BOB)
    assert core.handle(StateHeard(node=B, state=RoomState(ROOM, 2, (), kept=True)), 1.0) == learnt()


def test_a_node_is_told_whether_the_room_is_over_or_only_told_of_no_more() -> None:
    core = linked()
    told(core, B)
    (gone,) = core.handle(RoomShared(room=ROOM, nodes=frozenset({C}), participants=(ANN,)), 0.0)
    assert isinstance(gone, TellRoom)
    assert (gone.node, gone.state.participants, gone.state.kept) == (B, (), True)
    told(core, B)
    (over,) = core.handle(RoomShared(room=ROOM, nodes=frozenset({B}), participants=()), 0.0)
    assert isinstance(over, TellRoom)
    assert (over.state.participants, over.state.kept) == ((), False)


def test_another_boot_knows_nobody_of_the_former_one() -> None:
    core = linked()
    heard(core, 9, BOB)
    core.handle(LinkFallen(node=B), 2.0)
    assert core.handle(LinkRisen(node=B, boot=2), 3.0) == LOST
    assert heard(core, 1, BOB) == learnt(BOB)


LOST = (RoomLearnt(node=B, room=ROOM, participants=(), is_lost=True),)

STEPS = st.one_of(
    st.tuples(st.just("share"), st.integers(0, 1), st.integers(0, 3)),
    st.tuples(st.just("deliver"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("flap"), st.integers(0, 6), st.just(0)),
)


def follow(make: type[Rooms], steps: list[tuple[str, int, int]]) -> tuple[dict[RoomId, int], dict[RoomId, int]]:
    """What `a` shares with `b` after these steps and a quiet end, and what `b` then knows of it."""
    rooms = [RoomId("r0"), RoomId("r1")]
    teller, hearer = make(forget_after_s=FORGET_S), make(forget_after_s=FORGET_S)
    wire: list[RoomState] = []
    shared: dict[RoomId, int] = {}
    known: dict[RoomId, int] = {}
    now = 0.0
    is_up = False

    def learn(effects: tuple[object, ...]) -> None:
        for effect in effects:
            if isinstance(effect, RoomLearnt):
                known.pop(effect.room, None)
                if effect.participants:
                    known[effect.room] = len(effect.participants)

    def rise() -> None:
        wire.extend(e.state for e in teller.handle(LinkRisen(node=B, boot=1), now) if isinstance(e, TellRoom))
        learn(hearer.handle(LinkRisen(node=A, boot=1), now))

    def deliver(count: int) -> None:
        for _ in range(min(count, len(wire))):
            learn(hearer.handle(StateHeard(node=A, state=wire.pop(0)), now))

    for kind, first, second in [*steps, ("end", 0, 0)]:
        now += 0.1
        if kind == "share":
            people = tuple(person(f"p{index}", A) for index in range(second))
            effects = teller.handle(RoomShared(room=rooms[first], nodes=frozenset({B}), participants=people), now)
            wire.extend(e.state for e in effects if isinstance(e, TellRoom))
            shared.pop(rooms[first], None)
            if people:
                shared[rooms[first]] = second
        elif kind == "deliver":
            deliver(first)
        else:
            if is_up:
                wire.clear()  # what was under way dies with the link
                teller.handle(LinkFallen(node=B), now)
                learn(hearer.handle(LinkFallen(node=A), now))
                now += first
                learn(hearer.handle(RoomsDeadline(), now))
            is_up = True
            rise()
    deliver(1000)
    now += RESTATE_S + FORGET_S
    learn(hearer.handle(RoomsDeadline(), now))
    return shared, known


@given(st.lists(STEPS, max_size=30))
@settings(max_examples=300, deadline=None)
def test_at_rest_the_hearer_knows_exactly_what_is_shared(steps: list[tuple[str, int, int]]) -> None:
    shared, known = follow(Rooms, steps)
    assert known == shared


class KeepsWhatIsNotStatedAgain(Rooms):
    def _pass_deadlines(self, reached: frozenset[NodeId], now: float) -> tuple[RoomLearnt, ...]:
        for far in self._far.values():
            far.deadline = None
        return ()


def test_without_the_clean_up_a_room_that_ended_while_the_link_was_down_stays() -> None:
    steps = [("flap", 0, 0), ("share", 0, 2), ("deliver", 3, 0), ("share", 0, 0), ("flap", 1, 0)]
    shared, known = follow(Rooms, steps)
    assert shared == known == {}
    shared, known = follow(KeepsWhatIsNotStatedAgain, steps)
    assert known != shared
