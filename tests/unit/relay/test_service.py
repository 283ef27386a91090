"""Relays with gossip and engines in memory: what the rest of a node sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from msgspec.structs import replace

from relay import (
    HolderAsked,
    HolderTold,
    LegOpen,
    LinkLost,
    LinkRenewed,
    LinkState,
    LinkUp,
    RelayEvent,
    RemoteChat,
    RemoteChatBefore,
    RemoteRestriction,
    RemoteRoom,
)
from relay.negotiation.renewals import DRAIN_S, OVERLAP_S
from relay.service import INBOX_LIMIT
from sfu.protocol import LinkMeasured, LinkMessage, PeerState
from signalling import cbor
from signalling.ids import MessageId, NodeId, ParticipantId, PeerId, RoomId, SessionId, TrackId
from signalling.mesh.link import RoomChat, Unwant
from tests.unit.relay.neighbours import CONNECT_S, GOSSIP_S, World, open_world, person

if TYPE_CHECKING:
    from trio.testing import MockClock

A, B = NodeId("a"), NodeId("b")
ROOM = RoomId("room")
T1, T2 = TrackId("tr_1"), TrackId("tr_2")
ANN, BOB = person("ann", A, T1), person("bob", B, T2)
CHAT = RoomChat(ROOM, MessageId("me_1"), ParticipantId("pa_ann"), "ann", "hello", 1)


async def meet(world: World) -> None:
    """Ann on `a` and Bob on `b` in one room, each wanting the other's track."""
    a, b = await world.open("a"), await world.open("b")
    await trio.sleep(0.1)
    a.share_room(ROOM, frozenset({B}), (ANN,))
    b.share_room(ROOM, frozenset({A}), (BOB,))
    a.want_tracks(ROOM, {T2: (B, "video")})
    b.want_tracks(ROOM, {T1: (A, "video")})
    await trio.sleep(3.0)


def assert_media_flows(world: World) -> None:
    for here, there, track in ((A, B, T2), (B, A, T1)):
        assert list(world.engines[here].legs_in.values()) == [track]
        assert list(world.engines[there].legs_out.values()) == [track]
        ((_, leg_in),) = world.engines[here].legs_in
        ((_, leg_out),) = world.engines[there].legs_out
        assert leg_in == leg_out


async def test_two_nodes_share_a_room_and_its_tracks(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        assert_media_flows(world)
        assert world.of("a", RemoteRoom) == [RemoteRoom(node=B, room=ROOM, participants=(BOB,))]
        assert world.of("b", RemoteRoom) == [RemoteRoom(node=A, room=ROOM, participants=(ANN,))]
        assert world.of("b", LegOpen) == [LegOpen(node=A, track=T1)]
        (status,) = world.relays[A].snapshot()
        assert (status.node, status.state, status.role) == (B, LinkState.UP, "offerer")
        assert status.setup_ms == pytest.approx(1000 * (2 * GOSSIP_S + CONNECT_S), abs=20)
        statistics = world.relays[A].statistics()
        assert (statistics.links_up, statistics.legs_in, statistics.legs_out) == (1, 1, 1)
        assert statistics.heard["accepted"] >= 1


async def test_a_third_node_carries_nothing(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        idle = await world.open("c")
        await meet(world)
        assert world.engines[NodeId("c")].peers == {}
        assert idle.snapshot() == ()


async def test_warm_links_need_no_room(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await world.open("a", warm_links=5)
        await world.open("b")
        await trio.sleep(3.0)
        assert len(world.of("a", LinkUp)) == len(world.of("b", LinkUp)) == 1


async def test_what_is_stated_again_is_not_said_again(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        sent = world.engines[A].sent
        for _ in range(100):
            world.relays[A].share_room(ROOM, frozenset({B}), (ANN,))
            world.relays[A].want_tracks(ROOM, {T2: (B, "video")})
        await trio.sleep(1.0)
        assert world.engines[A].sent == sent


async def test_a_retracted_room_is_gone_there_and_its_legs_end(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        world.relays[A].share_room(ROOM, frozenset(), ())
        await trio.sleep(1.0)
        assert world.of("b", RemoteRoom)[-1] == RemoteRoom(node=A, room=ROOM, participants=())
        assert world.engines[A].legs_out == {}
        assert world.engines[B].legs_in == {}
        assert list(world.engines[A].legs_in.values()) == [T2]


async def test_a_shared_room_spans_its_link_also_where_nobody_publishes(autojump_clock: MockClock) -> None:
    def spanned(world: World) -> list[list[RoomId]]:
        return [sorted(room for _, room in world.engines[node].spans) for node in (A, B)]

    async with open_world() as world:
        a, b = await world.open("a"), await world.open("b")
        await trio.sleep(0.1)
        a.share_room(ROOM, frozenset({B}), (person("ann", A),))
        b.share_room(ROOM, frozenset({A}), (person("bob", B),))
        await trio.sleep(3.0)
        assert spanned(world) == [[ROOM], [ROOM]]
        other = RoomId("other")
        a.share_room(other, frozenset({B}), (person("eve", A),))
        await trio.sleep(0.1)
        assert spanned(world) == [[other, ROOM], [ROOM]]
        world.engines[A].kill()
        await trio.sleep(0.5)
        world.engines[A].is_dead = False
        a.handle_engine_started(2)
        await trio.sleep(5.0)
        assert spanned(world) == [[other, ROOM], [ROOM]]
        a.share_room(ROOM, frozenset(), ())
        await trio.sleep(0.1)
        assert spanned(world) == [[other], [ROOM]]


async def test_a_room_larger_than_a_message_crosses_whole(autojump_clock: MockClock) -> None:
    crowd = (ANN, *(person(f"{number:03d}-{'x' * 1000}", A) for number in range(100)))
    async with open_world() as world:
        await meet(world)
        world.relays[A].share_room(ROOM, frozenset({B}), crowd)
        await trio.sleep(1.0)
        assert world.of("b", RemoteRoom)[-1] == RemoteRoom(node=A, room=ROOM, participants=crowd)
        world.relays[A].share_room(ROOM, frozenset({B}), (ANN,))
        await trio.sleep(1.0)
        assert world.of("b", RemoteRoom)[-1] == RemoteRoom(node=A, room=ROOM, participants=(ANN,))
        assert_media_flows(world)


async def test_chat_crosses_a_congested_link_once_and_in_order(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        world.engines[A].congested = 7
        for index in range(3):
            chat = RoomChat(ROOM, MessageId(f"me_{index}"), ParticipantId("pa_ann"), "ann", "hello", index)
            world.relays[A].send_chat(chat, frozenset({B, NodeId("nobody")}))
        await trio.sleep(2.0)
        heard = world.of("b", RemoteChat)
        assert [event.chat.at_ms for event in heard if isinstance(event, RemoteChat)] == [0, 1, 2]
        assert world.relays[A].statistics().oddities["word_without_link"] == 3


async def test_chat_is_in_order_with_what_is_stated_and_nobody_speaks_for_others(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        false = RoomChat(ROOM, MessageId("me_2"), ParticipantId("pa_bob"), "bob", "me?", 1)
        world.relays[A].send_chat(false, frozenset({B}))
        world.relays[A].share_room(ROOM, frozenset({B}), (ANN, person("zoe", A)))
        for name, message in (("zoe", "me_3"), ("yan", "me_4")):
            chat = RoomChat(ROOM, MessageId(message), ParticipantId(f"pa_{name}"), name, "hi", 1)
            world.relays[A].send_chat(chat, frozenset({B}))
        world.relays[A].share_room(ROOM, frozenset(), ())
        await trio.sleep(1.0)
        heard = [event.chat.message for event in world.of("b", RemoteChat) if isinstance(event, RemoteChat)]
        assert heard == ["me_3"]
        assert world.relays[B].statistics().oddities["chat_refused"] == 2
        assert world.of("b", RemoteRoom)[-1] == RemoteRoom(node=A, room=ROOM, participants=())


async def test_a_restriction_of_codecs_crosses_for_tracks_that_are_shared_and_for_no_other(
    autojump_clock: MockClock,
) -> None:
    async with open_world() as world:
        await meet(world)
        (track,) = (each.track for each in ANN.tracks)
        world.relays[B].restrict_codecs(A, track, ("vp8", "h264"))
        world.relays[B].restrict_codecs(A, TrackId("tr_nobodys"), ("vp8",))
        await trio.sleep(1.0)
        expected = RemoteRestriction(node=B, track=track, codecs=("vp8", "h264"))
        assert world.of("a", RemoteRestriction) == [expected]
        assert world.relays[A].statistics().oddities["restriction_refused"] == 1


async def test_a_node_is_asked_for_its_people_and_says_what_it_found(autojump_clock: MockClock) -> None:
    session = SessionId("f" * 32)
    async with open_world() as world:
        await meet(world)
        world.relays[A].ask_holder(B, session, ROOM)
        await trio.sleep(1.0)
        assert world.of("b", HolderAsked) == [HolderAsked(node=A, session=session, room=ROOM)]
        world.relays[B].tell_holder(A, session, ROOM, is_there=False)
        await trio.sleep(1.0)
        assert world.of("a", HolderTold) == [HolderTold(node=B, session=session, room=ROOM, is_there=False)]


async def test_a_link_that_takes_nothing_is_made_anew_and_tells_everything_again(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        world.engines[A].congested = 150
        world.relays[A].send_chat(CHAT, frozenset({B}))
        await trio.sleep(20.0)
        assert world.of("a", LinkLost) == [LinkLost(node=B, reason="engine_timeout")]
        assert_media_flows(world)


async def test_a_new_engine_gets_links_and_legs_anew(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        world.engines[A].kill()
        await trio.sleep(0.5)
        world.engines[A].is_dead = False
        world.relays[A].handle_engine_started(2)
        await trio.sleep(5.0)
        assert_media_flows(world)
        assert len(world.of("a", LinkUp)) == len(world.of("b", LinkUp)) == 2
        gone = [
            event for event in world.of("b", RemoteRoom) if isinstance(event, RemoteRoom) and not event.participants
        ]
        assert gone == [], "the people never left"


async def test_the_first_engine_is_not_a_new_one(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        world.relays[A].handle_engine_started(1)
        await trio.sleep(1.0)
        assert world.of("a", LinkLost) == []


async def test_a_dead_node_is_gone_when_link_and_gossip_say_so(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        world.vanish(B)
        await trio.sleep(1.0)
        assert world.of("a", LinkLost) == [], "gossip alone cuts nothing"
        world.engines[B].kill()
        await trio.sleep(1.0)
        assert world.of("a", LinkLost) == [LinkLost(node=B, reason="node_gone")]
        assert world.of("a", RemoteRoom)[-1] == RemoteRoom(node=B, room=ROOM, participants=(), is_lost=True)


async def test_a_dead_node_that_gossip_still_holds_alive_is_gone_in_the_end(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        world.engines[B].kill()
        # Missing keepalives are noticed, doubted for a while, and the node given up after the configured time.
        await trio.sleep(0.6 + 3.0 + 8.0 - 0.1)
        assert world.of("a", RemoteRoom)[-1] == RemoteRoom(node=B, room=ROOM, participants=(BOB,))
        await trio.sleep(0.2)
        assert world.of("a", RemoteRoom)[-1] == RemoteRoom(node=B, room=ROOM, participants=(), is_lost=True)


async def test_an_agent_that_is_away_costs_a_count_and_the_link_comes_later(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        a, _ = await world.open("a"), await world.open("b")
        world.gossips[A].is_down = True
        a.share_room(ROOM, frozenset({B}), (ANN,))
        await trio.sleep(1.0)
        assert a.statistics().events_unsent == 1
        world.gossips[A].is_down = False
        await trio.sleep(5.0)
        assert len(world.of("a", LinkUp)) == 1


async def test_garbage_from_a_linked_node_is_counted_and_harms_nothing(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        (peer,) = world.engines[A].peers
        for data in (b"", b"\xff" * 100, b"\x81\x01", b"\x84\x02\x01\x02\x03", b"x" * 70_000):
            world.relays[A].handle_engine_event(LinkMessage(peer=peer, data=data))
        world.relays[A].handle_engine_event(LinkMessage(peer=PeerId("link:b:99"), data=b""))
        world.relays[A].handle_engine_event(PeerState(peer=PeerId("pub:1"), state="closed", reason="x"))
        await trio.sleep(1.0)
        oddities = world.relays[A].statistics().oddities
        assert (oddities["link_message_garbled"], oddities["message_on_former_link"]) == (5, 1)
        assert_media_flows(world)


async def test_garbage_in_gossip_is_counted(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        await world.gossips[B].send_event(b"garbage")
        await trio.sleep(1.0)
        assert world.relays[A].statistics().heard["garbled"] == 1


async def test_what_keepalives_say_is_shown(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        (peer,) = world.engines[A].peers
        world.relays[A].handle_engine_event(LinkMeasured(peer=peer, rtt_ms=180.5, jitter_ms=2.0, loss=0.01))
        await trio.sleep(0.1)
        (status,) = world.relays[A].snapshot()
        assert (status.rtt_ms, status.jitter_ms, status.loss) == (180.5, 2.0, 0.01)


async def test_an_inbox_that_overflows_makes_all_links_anew(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        (peer,) = world.engines[A].peers
        for _ in range(INBOX_LIMIT + 1):
            world.relays[A].handle_engine_event(LinkMeasured(peer=peer, rtt_ms=1.0, jitter_ms=1.0, loss=0.0))
        await trio.sleep(10.0)
        assert world.relays[A].statistics().oddities["inbox_overflowed"] == 1
        assert_media_flows(world)


async def test_a_draining_node_keeps_its_links_and_takes_no_new_ones(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        c = await world.open("c")
        world.relays[A].set_draining(True)
        c.share_room(ROOM, frozenset({A}), (person("cat", NodeId("c")),))
        await trio.sleep(5.0)
        assert_media_flows(world)
        (status,) = c.snapshot()
        assert (status.state, status.reason) == (LinkState.WAITING, "node_draining")


async def test_on_exit_others_are_told_and_no_end_is_left(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        b = await world.open("b")
        async with open_world() as inner:
            inner.members, inner.gossips, inner.engines = world.members, world.gossips, world.engines
            inner.relays = world.relays
            a = await inner.open("a")
            await trio.sleep(0.1)
            a.share_room(ROOM, frozenset({B}), (ANN,))
            b.share_room(ROOM, frozenset({A}), (BOB,))
            await trio.sleep(3.0)
            # Deliveries belong to the world that stays.
            world.gossips[A]._world = world
        await trio.sleep(1.0)
        assert world.engines[A].peers == {}
        assert world.of("b", LinkLost) == [LinkLost(node=A, reason="node_leaving")]


async def test_a_reader_that_takes_nothing_ends_the_relay_in_time(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(trio.TooSlowError, flatten_subgroups=True):
        async with open_world() as world:
            relay = await world.open("a")
            relay._events_in = trio.open_memory_channel[RelayEvent](0)[0]
            relay._emitted.append(LinkUp(node=B, setup_ms=1.0))
            relay.share_room(ROOM, frozenset(), ())
            await trio.sleep(20.0)


async def test_what_was_said_before_is_heard_of_rooms_that_are_there_and_of_no_others(
    autojump_clock: MockClock,
) -> None:
    async with open_world() as world:
        await meet(world)
        # Who said it may have left: the speaker is not asked for, the room is.
        said = RoomChat(ROOM, MessageId("me_1"), ParticipantId("pa_gone"), "gone", "hello", 1, "n")
        world.relays[A].send_chat_before(B, ROOM, (said,))
        world.relays[A].send_chat_before(B, RoomId("elsewhere"), (said,))
        await trio.sleep(1.0)
        assert world.of("b", RemoteChatBefore) == [RemoteChatBefore(node=A, room=ROOM, chats=(said,))]
        assert world.relays[B].statistics().oddities["chat_refused"] == 1


async def test_what_waits_in_the_agent_is_heeded(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        relay = await world.open("a")
        world.gossips[A].event_queue = 500
        relay.share_room(ROOM, frozenset(), ())
        await trio.sleep(0.1)
        assert relay._owner.negotiation._voice.next_turn(trio.current_time()) == trio.current_time()
        assert relay._owner.negotiation._voice.prepay(trio.current_time())
        assert relay._owner.negotiation._voice.next_turn(trio.current_time()) > trio.current_time() + 4


async def test_a_link_is_made_anew_without_a_sign_of_it(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        known = {node: len(world.of(node, RemoteRoom)) for node in (A, B)}
        before = {node: set(world.engines[node].peers) for node in (A, B)}
        world.relays[A].renew_link(B)
        for number in range(40):
            world.relays[A].send_chat(replace(CHAT, text=str(number)), frozenset({B}))
            await trio.sleep(0.1)
        assert world.of("a", LinkRenewed) == [LinkRenewed(node=B)]
        assert world.of("b", LinkRenewed) == [LinkRenewed(node=A)]
        assert [chat.chat.text for chat in world.of("b", RemoteChat) if isinstance(chat, RemoteChat)] == [
            str(number) for number in range(40)
        ], "each word once and in order"
        assert_media_flows(world)
        for node in (A, B):
            assert world.of(node, LinkLost) == []
            assert len(world.of(node, LinkUp)) == 1
            people = world.of(node, RemoteRoom)[known[node] - 1 :]
            assert all(event == people[0] for event in people), "nobody goes and comes"
            assert len(people) == 2, "said anew, and with it what hangs on it"
            (end,) = world.engines[node].peers
            assert end not in before[node], "the former end is closed"
            assert world.engines[node].spans == {(end, ROOM)}
            assert world.relays[node].statistics().links_renewed == 1


async def test_legs_flow_on_both_ends_while_one_takes_the_place_of_the_other(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        (former,) = world.engines[A].peers
        world.relays[A].renew_link(B)
        await trio.sleep(2 * GOSSIP_S + CONNECT_S + 1.0)
        assert sorted(world.engines[A].legs_in.values()) == [T2, T2]
        assert len({number for _, number in world.engines[A].legs_in}) == 1, "under the same number"
        world.relays[B].want_tracks(ROOM, {})
        await trio.sleep(0.1)
        assert world.engines[B].legs_in == world.engines[A].legs_out == {}, "what ends meanwhile ends on both"
        await trio.sleep(5.0)
        assert former not in world.engines[A].peers
        assert list(world.engines[A].legs_in.values()) == [T2]


async def test_what_was_lost_on_a_dark_link_is_said_on_its_successor(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        for node in (A, B):
            world.engines[node].dark |= set(world.engines[node].peers)
        world.relays[B].want_tracks(ROOM, {})
        world.relays[A].share_room(ROOM, frozenset({B}), (person("ann", A, T1), person("eve", A)))
        for node in (A, B):
            (end,) = world.engines[node].peers
            world.engines[node].report(PeerState(peer=end, state="suspect", reason=""))
        await trio.sleep(0.1)
        assert len(world.engines[A].legs_out) == 1, "nobody has told it"
        await trio.sleep(2.5)
        assert world.of("a", LinkRenewed) == [LinkRenewed(node=B)]
        assert world.of("a", LinkLost) == world.of("b", LinkLost) == []
        assert world.engines[A].legs_out == {}
        assert list(world.engines[A].legs_in.values())[-1:] == [T2]
        last = world.of("b", RemoteRoom)[-1]
        assert isinstance(last, RemoteRoom)
        assert [one.name for one in last.participants] == ["ann", "eve"]
        await trio.sleep(OVERLAP_S)
        assert [len(world.engines[node].peers) for node in (A, B)] == [2, 2], "words may wait on the former end"
        assert [list(world.engines[node].legs_in.values()) for node in (A, B)] == [[T2], []], "but no legs"
        await trio.sleep(DRAIN_S)
        assert [len(world.engines[node].peers) for node in (A, B)] == [1, 1]


async def test_a_statement_that_was_overtaken_counts_no_more(autojump_clock: MockClock) -> None:
    async with open_world() as world:
        await meet(world)
        (former,) = world.engines[A].peers
        world.relays[A].renew_link(B)
        await trio.sleep(2 * GOSSIP_S + CONNECT_S + 1.0)
        assert former in world.engines[A].peers
        late = LinkMessage(peer=former, data=cbor.encode(Unwant(1)))
        world.relays[A].handle_engine_event(late)
        await trio.sleep(0.1)
        assert_on_new_end(world, former)
        assert world.relays[A].statistics().oddities["statement_overtaken"] == 1


def assert_on_new_end(world: World, former: PeerId) -> None:
    outs = [track for (end, _), track in world.engines[A].legs_out.items() if end != former]
    assert outs == [T1]
