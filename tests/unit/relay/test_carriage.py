"""Words by a neighbour: the core by itself, and three relays of which two have no link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from msgspec.structs import replace

from relay import NodeReached, RemoteChat, RemoteRoom
from relay.carriage import (
    AFTER_S,
    BEAT_EVERY_S,
    HELLO_EVERY_S,
    HELLOS_EACH,
    MAX_ORIGINS,
    PASSED_AT_ONCE,
    SPOKEN_S,
    Arrived,
    Carriage,
    PassOn,
    Reached,
    Unreached,
)
from sfu.protocol import LinkMessage as EngineLinkMessage
from signalling.cbor import encode
from signalling.ids import MessageId, NodeId, ParticipantId, RoomId, TrackId
from signalling.mesh.link import Carried, ClockQuestion, RoomChat, RoomState, Want
from tests.unit.relay.neighbours import World, open_world, person

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from trio.testing import MockClock

    from relay.carriage import CarriageEffect
    from signalling.mesh.link import LinkMessage

A, B, C, D, E = map(NodeId, "abcde")
ROOM, HALL = RoomId("room"), RoomId("hall")
ANN, BOB, CID = person("ann", A, TrackId("tr_1")), person("bob", B, TrackId("tr_2")), person("cid", C)
BOOTS = {A: 1, B: 1, C: 1, D: 1, E: 1}
NOBODY: frozenset[NodeId] = frozenset()


def settle(
    core: Carriage,
    now: float,
    *ways: NodeId,
    needed: frozenset[NodeId] = frozenset({B}),
    alive: AbstractSet[NodeId] = BOOTS.keys(),
) -> tuple[CarriageEffect, ...]:
    return core.settle(needed, {C, D}, alive, lambda _: ways, now)


def hear(
    core: Carriage, sequence: int, data: bytes = b"", now: float = AFTER_S, *, answers: bool = False
) -> tuple[CarriageEffect, ...]:
    word = Carried(B, A, 1, sequence, data, answers)
    return core.hear(C, word, linked={C, D}, boots=BOOTS, now=now)


def met() -> Carriage:
    """A and B reach each other by C."""
    core = Carriage(own=A, boot=1)
    settle(core, 0.0, C)
    settle(core, AFTER_S, C)
    hear(core, 1, answers=True)
    return core


def test_a_link_that_is_being_made_has_its_time() -> None:
    core = Carriage(own=A, boot=1)
    assert settle(core, 0.0, C) == settle(core, AFTER_S - 0.1, C) == ()
    assert settle(core, AFTER_S, C) == (PassOn(neighbour=C, word=Carried(A, B, 1, 1, b"")),)
    assert not core.is_reached(B)
    assert core.wrap(B, b"x", 10.0) is None


def test_hello_is_said_again_until_it_is_answered() -> None:
    core = Carriage(own=A, boot=1)
    settle(core, 0.0, C)
    assert len(settle(core, AFTER_S, C)) == 1
    assert settle(core, AFTER_S + 1, C) == ()
    assert len(settle(core, AFTER_S + HELLO_EVERY_S, C)) == 1
    assert hear(core, 1, now=AFTER_S + HELLO_EVERY_S + 0.1, answers=True) == (Reached(node=B, boot=1),)
    assert hear(core, 2, now=AFTER_S + HELLO_EVERY_S + 0.1, answers=True) == ()
    assert settle(core, AFTER_S + 3 * HELLO_EVERY_S, C) == ()
    assert core.wrap(B, b"x", 10.0) == PassOn(neighbour=C, word=Carried(A, B, 1, 3, b"x"))


def test_every_hello_is_answered_at_once() -> None:
    core = Carriage(own=A, boot=1)
    for number in (1, 2):
        answer = PassOn(neighbour=C, word=Carried(A, B, 1, number, b"", answers=True))
        assert hear(core, number, now=0.0) == (answer, Reached(node=B, boot=1))
    # No room is shared yet, and is about to be told of.
    assert Unreached(node=B) not in settle(core, SPOKEN_S - 0.1, needed=NOBODY)
    assert settle(core, SPOKEN_S, needed=NOBODY) == (Unreached(node=B),)


def test_each_word_counts_once_and_in_order() -> None:
    core = met()
    assert hear(core, 3, b"three") == (Arrived(origin=B, data=b"three"),)
    assert hear(core, 3, b"three") == hear(core, 2, b"two") == ()
    assert core.oddities["carried_late"] == 2


def test_who_takes_us_for_reached_is_told_to_begin_anew() -> None:
    core = Carriage(own=A, boot=1)
    assert hear(core, 5, b"x") == (PassOn(neighbour=C, word=Carried(A, B, 1, 1, b"")),)
    assert not core.is_reached(B)
    assert hear(core, 6, now=AFTER_S + 0.1, answers=True) == (Reached(node=B, boot=1),)


def test_a_neighbour_by_whom_nothing_comes_back_is_left_for_the_next_one_in_turn() -> None:
    core = Carriage(own=A, boot=1)
    settle(core, 0.0, C, D)
    asked = [
        effect.neighbour
        for step in range(8 * HELLOS_EACH)
        for effect in settle(core, AFTER_S + step * HELLO_EVERY_S, C, D)
        if isinstance(effect, PassOn)
    ]
    assert asked == [*[C] * HELLOS_EACH, *[D] * HELLOS_EACH] * 4


def test_the_answer_goes_back_by_whom_the_hello_came() -> None:
    core = Carriage(own=A, boot=1)
    settle(core, 0.0, D, C)
    assert settle(core, AFTER_S, D, C) == (PassOn(neighbour=D, word=Carried(A, B, 1, 1, b"")),)
    assert hear(core, 1, now=AFTER_S + HELLO_EVERY_S) == (
        PassOn(neighbour=C, word=Carried(A, B, 1, 2, b"", answers=True)),
        Reached(node=B, boot=1),
    )


def test_who_misses_a_word_has_all_of_it_said_anew() -> None:
    core = met()
    assert hear(core, 2, b"two") == (Arrived(origin=B, data=b"two"),)
    assert hear(core, 4, b"four", now=20.0) == (
        Arrived(origin=B, data=b"four"),
        PassOn(neighbour=C, word=Carried(A, B, 1, 2, b"")),
    )
    assert hear(core, 6, b"six", now=20.1) == (Arrived(origin=B, data=b"six"),), "hellos have their pace"
    assert core.oddities["carried_missed"] == 2
    assert settle(core, 21.0, C) == ()
    assert settle(core, 22.0, C) == (PassOn(neighbour=C, word=Carried(A, B, 1, 3, b"")),)
    assert hear(core, 7, now=22.1, answers=True) == (Reached(node=B, boot=1),)
    assert settle(core, 24.0, C) == ()


def test_the_last_word_is_missed_by_the_beat_behind_it() -> None:
    core = met()
    assert settle(core, AFTER_S + BEAT_EVERY_S - 0.1, C) == ()
    beat = PassOn(neighbour=C, word=Carried(A, B, 1, 2, b"", answers=True))
    assert settle(core, AFTER_S + BEAT_EVERY_S, C) == (beat,)
    assert settle(core, AFTER_S + BEAT_EVERY_S + 1, C) == ()
    assert hear(core, 2, now=20.0, answers=True) == ()
    hello = PassOn(neighbour=C, word=Carried(A, B, 1, 3, b""))
    assert hear(core, 4, now=25.0, answers=True) == (hello,)


def test_a_neighbour_that_lets_nothing_through_any_more_is_left() -> None:
    core = met()
    hear(core, 2, b"two", now=20.0)
    hear(core, 4, b"four", now=20.0)
    asked = [effect for step in range(1, 4) for effect in settle(core, 20.0 + step * HELLO_EVERY_S, C, D)]
    assert asked[-2:] == [Unreached(node=B), PassOn(neighbour=D, word=Carried(A, B, 1, 5, b""))]


def test_words_to_one_node_leave_no_gaps_for_another() -> None:
    core = Carriage(own=A, boot=1)
    both = frozenset({B, E})
    steps = [settle(core, now, C, needed=both) for now in (0.0, AFTER_S, AFTER_S + HELLO_EVERY_S)]
    said = [(one.word.target, one.word.sequence) for step in steps for one in step if isinstance(one, PassOn)]
    assert said == [(B, 1), (E, 2), (B, 2), (E, 3)]


def test_counts_of_nodes_that_went_are_forgotten_and_go_on_above_all_others() -> None:
    core = Carriage(own=A, boot=1)
    for step in range(MAX_ORIGINS + 2):
        node = NodeId(f"n{step}")
        settle(core, 0.0, C, needed=frozenset({node}), alive={node})
        settle(core, AFTER_S, C, needed=frozenset({node}), alive={node})
        settle(core, AFTER_S + HELLO_EVERY_S, C, needed=frozenset({node}), alive={node})
    assert len(core._said) <= MAX_ORIGINS
    settle(core, 0.0, C, needed=frozenset({NodeId("n0")}), alive={NodeId("n0")})
    (again,) = settle(core, AFTER_S, C, needed=frozenset({NodeId("n0")}), alive={NodeId("n0")})
    assert isinstance(again, PassOn)
    assert again.word.sequence > 2


@pytest.mark.parametrize(
    "word",
    [
        Carried(A, A, 1, 9, b"x"),
        Carried(C, A, 1, 9, b"x"),
        Carried(B, A, 2, 9, b"x"),
        Carried(NodeId("x"), A, 1, 9, b"x"),
    ],
)
def test_nobody_is_believed_who_could_speak_for_himself_or_is_no_member(word: Carried) -> None:
    core = met()
    assert core.hear(C, word, linked={C, D}, boots=BOOTS, now=9.0) == ()
    assert core.oddities["carried_refused"] == 1


def test_another_way_is_begun_anew_and_none_is_the_end() -> None:
    core = met()
    assert settle(core, 8.0, D, C) == (), "the one that works stays"
    gone = settle(core, 11.0, D)
    assert gone == (Unreached(node=B), PassOn(neighbour=D, word=Carried(A, B, 1, 2, b"")))
    assert hear(core, 2, now=11.1, answers=True) == (Reached(node=B, boot=1),)
    assert settle(core, 12.0) == (Unreached(node=B),)
    assert settle(core, 13.0) == ()


def test_a_link_takes_over_without_a_word() -> None:
    core = met()
    assert core.settle({B}, {B, C, D}, BOOTS.keys(), lambda _: (C,), 10.0) == ()
    assert core.wrap(B, b"x", 10.0) is None
    late = core.hear(C, Carried(B, A, 1, 2, b"late"), linked={B, C, D}, boots=BOOTS, now=10.1)
    assert late == (Arrived(origin=B, data=b"late"),), "the other end will notice the link in a moment"


def test_words_of_others_are_passed_on_from_neighbour_to_neighbour_alone() -> None:
    core = Carriage(own=C, boot=1)
    good = Carried(A, B, 1, 1, b"x")
    assert core.hear(A, good, linked={A, B}, boots=BOOTS, now=0.0) == (PassOn(neighbour=B, word=good),)
    for neighbour, word in ((B, good), (A, replace(good, target=A)), (A, replace(good, target=D)), (D, good)):
        assert core.hear(neighbour, word, linked={A, B}, boots=BOOTS, now=0.0) == ()
    assert core.oddities["carriage_refused"] == 4


def test_a_neighbour_that_floods_is_cut_short() -> None:
    core = Carriage(own=C, boot=1)
    word = Carried(A, B, 1, 1, b"x")
    passed = [core.hear(A, word, linked={A, B}, boots=BOOTS, now=0.0) for _ in range(2000)]
    assert sum(map(len, passed)) == PASSED_AT_ONCE
    assert core.hear(A, word, linked={A, B}, boots=BOOTS, now=1.0)


# --- relays ---


async def gather(world: World, nodes: str = "abc", warm_links: int = 0) -> None:
    """Ann, Bob and Cid, each on their node; nothing passes between Ann's and Bob's."""
    world.broken.add(frozenset({A, B}))
    world.nursery.start_soon(world.measure)
    for name in nodes:
        await world.open(name, warm_links=warm_links)
    await trio.sleep(0.1)
    world.relays[A].share_room(ROOM, frozenset({B, C}), (ANN,))
    world.relays[B].share_room(ROOM, frozenset({A, C}), (BOB,))
    world.relays[C].share_room(ROOM, frozenset({A, B}), (CID,))


def people(world: World, at: NodeId, of: NodeId) -> tuple[str, ...]:
    """Whom a node knows last of another one's people in the room."""
    heard = [event for event in world.of(at, RemoteRoom) if isinstance(event, RemoteRoom)]
    last = [event for event in heard if (event.node, event.room) == (of, ROOM)][-1:]
    return tuple(one.name for event in last for one in event.participants)


async def test_two_nodes_that_never_had_a_link_know_each_other_s_people(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await gather(world)
        await trio.sleep(3.0)
        assert people(world, A, B) == ()
        await trio.sleep(7.0)
        assert (people(world, A, B), people(world, B, A)) == (("bob",), ("ann",))
        assert world.of("a", NodeReached) == [NodeReached(node=B)]
        assert world.relays[C].statistics().words_passed == 6, "a hello, its answer and a room each way"
        # What changes is told as well, for as long as it lasts.
        await trio.sleep(60.0)
        eve = person("eve", B)
        world.relays[B].share_room(ROOM, frozenset({A, C}), (BOB, eve))
        await trio.sleep(1.0)
        assert people(world, A, B) == ("bob", "eve")
        said = RoomChat(ROOM, MessageId("me_1"), ParticipantId("pa_ann"), "ann", "hello", 1)
        world.relays[A].send_chat(said, frozenset({B, C}))
        world.relays[B].share_room(ROOM, frozenset({A, C}), (eve,))
        await trio.sleep(1.0)
        assert people(world, A, B) == ("eve",)
        assert world.of("b", RemoteChat) == [RemoteChat(node=A, chat=said)]


async def test_a_link_that_breaks_parts_no_views_and_one_that_heals_takes_over(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await gather(world)
        world.broken.clear()
        await trio.sleep(5.0)
        assert (people(world, A, B), people(world, B, A)) == (("bob",), ("ann",))
        world.cut(A, B)
        await trio.sleep(20.0)
        assert not [event for event in world.of("a", RemoteRoom) if isinstance(event, RemoteRoom) and event.is_lost]
        world.relays[B].share_room(ROOM, frozenset({A, C}), (BOB, person("eve", B)))
        world.relays[A].share_room(ROOM, frozenset(), ())
        await trio.sleep(1.0)
        assert (people(world, A, B), people(world, B, A)) == (("bob", "eve"), ())
        world.relays[A].share_room(ROOM, frozenset({B, C}), (ANN,))
        world.broken.clear()
        await trio.sleep(60.0)
        assert world.relays[A].statistics().links_up == 2
        world.relays[B].share_room(ROOM, frozenset({A, C}), (BOB,))
        await trio.sleep(1.0)
        assert (people(world, A, B), people(world, B, A)) == (("bob",), ("ann",))
        assert not world.relays[A]._owner.carriage.is_reached(B)


async def test_a_node_that_dies_behind_a_neighbour_is_missed(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await gather(world)
        await trio.sleep(10.0)
        assert people(world, A, B) == ("bob",)
        world.vanish(B)
        await trio.sleep(0.5)
        assert people(world, A, B) == ()


def say(world: World, speaker: NodeId, hearer: NodeId, word: LinkMessage) -> None:
    """Let a word come over the link between the two."""
    (peer,) = (
        id_
        for id_, peer in world.engines[hearer].peers.items()
        if peer.partner is not None and peer.partner[0] is world.engines[speaker]
    )
    world.engines[hearer].report(EngineLinkMessage(peer=peer, data=encode(word)))


async def test_who_left_stays_gone_when_an_older_word_comes_late_by_a_neighbour(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await gather(world)
        await trio.sleep(10.0)
        assert people(world, A, B) == ("bob",)
        world.broken.clear()
        await trio.sleep(60.0)
        world.relays[B].share_room(ROOM, frozenset(), ())
        await trio.sleep(1.0)
        assert people(world, A, B) == ()
        say(world, C, A, Carried(B, A, 1, 100, encode(RoomState(ROOM, 1, (BOB,)))))
        await trio.sleep(1.0)
        assert people(world, A, B) == ()
        assert world.relays[A].statistics().oddities["carried_overtaken"] == 1


@pytest.mark.parametrize("word", [Want(TrackId("tr_1"), 1), ClockQuestion("tc_1")])
async def test_words_between_neighbours_are_not_heard_by_another(autojump_clock: MockClock, word: LinkMessage) -> None:
    async with open_world() as world:
        await gather(world)
        await trio.sleep(10.0)
        sent = world.engines[A].sent
        say(world, C, A, Carried(B, A, 1, 4, encode(word)))
        await trio.sleep(0.2)
        assert world.relays[A].statistics().oddities["carried_refused"] == 1
        assert world.engines[A].sent == sent, "no answer"


async def test_a_neighbour_of_an_older_build_is_left_for_another(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await gather(world, "abcd", warm_links=4)
        # It knows no such word: whatever comes is garbled to it.
        world.relays[C]._owner.carriage.hear = lambda *_, **__: ()  # type: ignore[method-assign]
        await trio.sleep(AFTER_S + (HELLOS_EACH + 2) * HELLO_EVERY_S)
        assert (people(world, A, B), people(world, B, A)) == (("bob",), ("ann",))
