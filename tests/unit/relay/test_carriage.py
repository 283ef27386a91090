"""Words by a neighbour: the core by itself, and three relays of which two have no link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from msgspec.structs import replace

from relay import NodeReached, RemoteChat, RemoteRoom
from relay.carriage import (
    AFTER_S,
    HELLO_EVERY_S,
    PASSED_AT_ONCE,
    SPOKEN_S,
    Arrived,
    Carriage,
    PassOn,
    Reached,
    Unreached,
)
from signalling.ids import MessageId, NodeId, ParticipantId, RoomId, TrackId
from signalling.mesh.link import Carried, RoomChat
from tests.unit.relay.neighbours import World, open_world, person

if TYPE_CHECKING:
    from trio.testing import MockClock

    from relay.carriage import CarriageEffect

A, B, C, D = map(NodeId, "abcd")
ROOM, HALL = RoomId("room"), RoomId("hall")
ANN, BOB, CID = person("ann", A, TrackId("tr_1")), person("bob", B, TrackId("tr_2")), person("cid", C)
BOOTS = {A: 1, B: 1, C: 1, D: 1}
NOBODY: frozenset[NodeId] = frozenset()


def settle(
    core: Carriage, now: float, *ways: NodeId, needed: frozenset[NodeId] = frozenset({B})
) -> tuple[CarriageEffect, ...]:
    return core.settle(needed, {C, D}, BOOTS.keys(), lambda _: ways, now)


def hear(
    core: Carriage, sequence: int, data: bytes = b"", now: float = AFTER_S, boot: int = 1
) -> tuple[CarriageEffect, ...]:
    word = Carried(B, A, boot, sequence, data)
    return core.hear(C, word, linked={C, D}, boots=BOOTS, now=now)


def met() -> Carriage:
    """A and B reach each other by C."""
    core = Carriage(own=A, boot=1)
    settle(core, 0.0, C)
    settle(core, AFTER_S, C)
    hear(core, 1)
    return core


def test_a_link_that_is_being_made_has_its_time() -> None:
    core = Carriage(own=A, boot=1)
    assert settle(core, 0.0, C) == settle(core, AFTER_S - 0.1, C) == ()
    assert settle(core, AFTER_S, C) == (PassOn(neighbour=C, word=Carried(A, B, 1, 1, b"")),)
    assert not core.is_reached(B)
    assert core.wrap(B, b"x") is None


def test_hello_is_said_again_until_the_other_one_s_is_there() -> None:
    core = Carriage(own=A, boot=1)
    settle(core, 0.0, C)
    assert len(settle(core, AFTER_S, C)) == 1
    assert settle(core, AFTER_S + 1, C) == ()
    assert len(settle(core, AFTER_S + HELLO_EVERY_S, C)) == 1
    assert hear(core, 1, now=AFTER_S + HELLO_EVERY_S + 0.1) == (Reached(node=B, boot=1),)
    assert settle(core, AFTER_S + 3 * HELLO_EVERY_S, C) == ()
    assert core.wrap(B, b"x") == PassOn(neighbour=C, word=Carried(A, B, 1, 3, b"x"))


def test_who_is_greeted_first_greets_back_at_once() -> None:
    core = Carriage(own=A, boot=1)
    assert hear(core, 1, now=0.0) == (PassOn(neighbour=C, word=Carried(A, B, 1, 1, b"")), Reached(node=B, boot=1))
    # No room is shared yet, and is about to be told of.
    assert settle(core, SPOKEN_S - 0.1, needed=NOBODY) == ()
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
    assert hear(core, 6, now=AFTER_S + 0.1) == (Reached(node=B, boot=1),)


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
    assert settle(core, 10.0, D, C) == (), "the one that works stays"
    gone = settle(core, 11.0, D)
    assert gone == (Unreached(node=B), PassOn(neighbour=D, word=Carried(A, B, 1, 2, b"")))
    assert hear(core, 2, now=11.1) == (Reached(node=B, boot=1),)
    assert settle(core, 12.0) == (Unreached(node=B),)
    assert settle(core, 13.0) == ()


def test_a_link_takes_over_without_a_word() -> None:
    core = met()
    assert core.settle({B}, {B, C, D}, BOOTS.keys(), lambda _: (C,), 10.0) == ()
    assert core.wrap(B, b"x") is None
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


async def gather(world: World) -> None:
    """Ann, Bob and Cid, each on their node; nothing passes between Ann's and Bob's."""
    world.broken.add(frozenset({A, B}))
    world.nursery.start_soon(world.measure)
    for name in "abc":
        await world.open(name)
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
        assert world.relays[C].statistics().words_passed == 4, "a hello and a room each way"
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
