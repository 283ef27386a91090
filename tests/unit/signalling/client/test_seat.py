"""A seat that outlives its connections: nodes in memory, a clock of the tests' own."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
import trio.testing

from signalling.client.connection import converse
from signalling.client.device_memory import MemoryDevice
from signalling.client.messages import (
    Chat,
    ChatMessage,
    Error,
    Hello,
    Join,
    Joined,
    Leave,
    Move,
    Replaced,
    SeatLost,
    Welcome,
)
from signalling.client.refusal import NodeUnreachableError, RefusedByNodeError
from signalling.client.retry import Comeback, RetryPolicy
from signalling.client.seat import FORMER_S, Away, Ended, RoomSeat, Seated, hold
from signalling.ids import MessageId, ParticipantId, RoomId
from tests.unit.signalling.client.fake_node import a_node
from tests.unit.signalling.client.words import GRANTS, WELCOME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from signalling.client.connection import Client
    from signalling.client.device_memory import DeviceMemory
    from signalling.client.messages import NodeReply, Request
    from signalling.client.seat import SeatEvent
    from tests.unit.signalling.client.fake_node import FakeNode

LOBBY = RoomId("lobby")


@dataclass(kw_only=True)
class World:
    """Nodes `a` and `b`, which can be down, and what became of each connection."""

    down: set[str] = field(default_factory=set)
    instead: dict[type[Request], NodeReply | None] = field(default_factory=dict)
    connections: list[tuple[str, FakeNode]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    admitted: int = 0

    @asynccontextmanager
    async def connect(self, node: str, token: str) -> AsyncIterator[Client]:
        if node in self.down:
            await trio.sleep(0.01)
            raise NodeUnreachableError(node)
        self.tokens.append(token)
        failure: Exception | None = None
        async with AsyncExitStack() as stack:
            ws, fake = await stack.enter_async_context(a_node())
            fake.instead = self.instead
            self.connections.append((node, fake))
            try:
                async with converse(ws, token=token) as client:
                    yield client
            except Exception as error:  # noqa: BLE001 - raised again outside of the fake node's group
                failure = error
        if failure is not None:
            raise failure

    async def admit(self, node: str, device: DeviceMemory) -> str:
        await trio.lowlevel.checkpoint()
        if node in self.down:
            raise NodeUnreachableError(node)
        self.admitted += 1
        return f"token {self.admitted}"

    @property
    def node(self) -> FakeNode:
        """The node of the newest connection."""
        return self.connections[-1][1]

    async def drop(self) -> None:
        """Break the newest connection."""
        await self.node.ws.aclose(4500, "internal_error")

    def asked(self, kind: type[Request]) -> list[Request]:
        return [request for _, fake in self.connections for request in fake.asked if isinstance(request, kind)]

    def where(self) -> list[str]:
        return [node for node, _ in self.connections]

    def attempts(self) -> list[int]:
        return [request.attempt for request in self.asked(Join) if isinstance(request, Join)]


def a_seat(world: World, device: DeviceMemory | None = None) -> RoomSeat:
    comeback = Comeback(("a", "b"), draw=lambda: 0.5, policy=RetryPolicy())
    return RoomSeat(LOBBY, device or MemoryDevice(), comeback, world.connect, world.admit)


async def next_of(seat: RoomSeat, kind: type[SeatEvent]) -> SeatEvent:
    with trio.fail_after(600):
        async for event in seat.events:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"no {kind.__name__} before the end")


async def test_a_broken_connection_is_resumed_with_a_higher_attempt_and_the_same_token(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World()
    seat = a_seat(world)
    async with hold(seat):
        first = await next_of(seat, Seated)
        await world.drop()
        assert await next_of(seat, Away) == Away(code="internal_error")
        again = await next_of(seat, Seated)
    assert isinstance(first, Seated)
    assert isinstance(again, Seated)
    assert (first.resumed, again.resumed) == (False, True)
    assert world.where() == ["a", "a"]
    assert world.attempts() == [1, 2]
    assert world.tokens == ["token 1", "fresh"]


async def test_a_dead_node_is_left_for_the_next_at_once(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    async with hold(seat):
        await next_of(seat, Seated)
        started = trio.current_time()
        world.down.add("a")
        await world.drop()
        await next_of(seat, Away)
        await next_of(seat, Seated)
        assert trio.current_time() - started < 1
    assert world.where() == ["a", "b"]


async def test_a_node_that_drains_is_left_for_the_next(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    async with hold(seat):
        await next_of(seat, Seated)
        await world.node.push(SeatLost(reason="node_drained"))
        assert await next_of(seat, Away) == Away(code="node_draining")
        await next_of(seat, Seated)
    assert world.where() == ["a", "b"]


async def test_a_seat_that_another_device_took_is_not_fought_for(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    async with hold(seat):
        await next_of(seat, Seated)
        await world.node.push(Replaced())
        ended = await next_of(seat, Ended)
        assert isinstance(ended, Ended)
        assert ended.code == "replaced"
        with pytest.raises(RefusedByNodeError, match="replaced"):
            await seat.chat("too late")
    assert world.where() == ["a"]


async def test_a_refusal_that_no_try_can_mend_is_the_end(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    async with hold(seat):
        await next_of(seat, Seated)
        world.instead[Join] = Error(code="room_full", message="Full.")
        await world.drop()
        assert await next_of(seat, Ended) == Ended(code="room_full", message="Full.")
    assert world.attempts() == [1, 2]


async def test_after_two_minutes_without_a_node_it_is_over(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    async with hold(seat):
        await next_of(seat, Seated)
        started = trio.current_time()
        world.down |= {"a", "b"}
        await world.drop()
        ended = await next_of(seat, Ended)
        assert isinstance(ended, Ended)
        assert ended.code == "disconnected"
        assert 120 <= trio.current_time() - started < 130


async def test_hope_cuts_a_pause_short(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    async with hold(seat):
        await next_of(seat, Seated)
        world.down |= {"a", "b"}
        await world.drop()
        await next_of(seat, Away)
        await trio.sleep(60)
        world.down.clear()
        started = trio.current_time()
        seat.hope()
        await next_of(seat, Seated)
        assert trio.current_time() - started < 0.1


async def test_without_a_first_seat_there_is_none(autojump_clock: trio.testing.MockClock) -> None:
    world = World(down={"a", "b"})
    with pytest.raises(RefusedByNodeError) as refused:
        async with hold(a_seat(world)):
            pytest.fail("sits")
    assert refused.value.code == "node_unreachable"


async def test_a_stale_attempt_is_raised_once_beyond_the_nodes(autojump_clock: trio.testing.MockClock) -> None:
    world = World(instead={Join: Error(code="attempt_stale", message="Older.", highest_attempt=40)})
    with pytest.raises(RefusedByNodeError) as refused:
        async with hold(a_seat(world)):
            pytest.fail("sits")
    assert refused.value.code == "attempt_stale"
    assert world.attempts() == [1, 41, 42, 43]  # once at each of two nodes, and never again without being asked


async def test_what_is_written_while_away_is_sent_once_and_in_order(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    acknowledged: list[str] = []

    async def say(text: str) -> None:
        await seat.chat(text)
        acknowledged.append(text)

    async with hold(seat):
        await next_of(seat, Seated)
        world.instead[Chat] = None
        async with trio.open_nursery() as nursery:
            for text in ("one", "two", "three"):
                nursery.start_soon(say, text)
                await trio.testing.wait_all_tasks_blocked()
            # The first is on its way and in doubt when the connection breaks, the others have not left.
            del world.instead[Chat]
            await world.drop()
    said = [(request.text, request.nonce) for request in world.asked(Chat) if isinstance(request, Chat)]
    assert [text for text, _ in said] == ["one", "one", "two", "three"]
    assert len({nonce for _, nonce in said}) == len(acknowledged) == 3
    assert acknowledged == ["one", "two", "three"]


async def test_what_waits_is_bounded_and_told_when_it_is_over(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    codes: list[str] = []

    async def say() -> None:
        try:
            await seat.chat("hello")
        except RefusedByNodeError as refused:
            codes.append(refused.code)

    async with hold(seat):
        await next_of(seat, Seated)
        world.down |= {"a", "b"}
        await world.drop()
        async with trio.open_nursery() as nursery:
            for _ in range(52):
                nursery.start_soon(say)
                await trio.testing.wait_all_tasks_blocked()
    assert codes == ["queue_full"] + ["disconnected"] * 51


async def test_a_message_that_nodes_repeat_comes_once(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    line = ChatMessage(message=MessageId("me_1"), participant=ParticipantId("pa_2"), name="Bob", text="hi", at_ms=0)
    async with hold(seat):
        await next_of(seat, Seated)
        await world.node.push(line)
        await world.drop()
        await next_of(seat, Away)
        await next_of(seat, Seated)
        await world.node.push(line)
        await world.node.push(Replaced())
        rest = [event async for event in seat.events]
    assert [type(event) for event in rest] == [Ended]


async def test_what_was_said_meanwhile_comes_before_anything_newer(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    welcome, joined = GRANTS[Hello], GRANTS[Join]
    assert isinstance(welcome, Welcome)
    assert isinstance(joined, Joined)
    world.instead[Hello] = msgspec.structs.replace(welcome, features=("chat_after", "chat_seen"))
    known, missed, newer = (
        ChatMessage(message=MessageId(f"me_{number}"), participant=ParticipantId("pa_2"), name="Bob", text="", at_ms=0)
        for number in (1, 2, 3)
    )
    async with hold(seat):
        await next_of(seat, Seated)
        await world.node.push(known)
        await next_of(seat, ChatMessage)
        world.instead[Join] = msgspec.structs.replace(joined, missed=(known, missed))
        await world.drop()
        await next_of(seat, Seated)
        await world.node.push(newer)
        await world.node.push(Replaced())
        rest = [event async for event in seat.events]
    assert rest[:-1] == [missed, newer]
    joins = [request for request in world.asked(Join) if isinstance(request, Join)]
    assert [(join.chat_after, join.chat_seen) for join in joins] == [(None, ()), ("me_1", ("me_1",))]


async def test_what_lets_somebody_in_is_shown_at_each_join(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    comeback = Comeback(("a",), draw=lambda: 0.5, policy=RetryPolicy())
    seat = RoomSeat(LOBBY, MemoryDevice(), comeback, world.connect, world.admit, invitation="inv", pin="0137")
    async with hold(seat):
        await next_of(seat, Seated)
        await world.drop()
        await next_of(seat, Seated)
    shown = [(request.invitation, request.pin) for request in world.asked(Join) if isinstance(request, Join)]
    assert shown == [("inv", "0137")] * 2


def _is_lost(client: Client) -> bool:
    return client.lost is not None


MOVE = Move(urls=("c", "b"), reason="node_drained", within_s=6.0)


async def test_a_seat_is_moved_before_the_former_connection_ends(autojump_clock: trio.testing.MockClock) -> None:
    world = World(instead={Hello: msgspec.structs.replace(WELCOME, features=("move",))})
    seat = a_seat(world)
    async with hold(seat):
        await next_of(seat, Seated)
        former = seat.client
        await world.node.push(MOVE)
        moved = await next_of(seat, Seated)
        assert isinstance(moved, Seated)
        assert (moved.resumed, moved.moved) == (True, True)
        assert seat.client is not former
        assert former is not None
        await trio.sleep(FORMER_S / 2)
        assert not _is_lost(former)
        seat.carried()
        await trio.sleep(0.1)
        assert _is_lost(former)
        assert seat.ended is None
        await seat.chat("over there")
    assert world.where() == ["a", "c"]
    assert world.attempts() == [1, 2]
    assert [join.moves for join in world.asked(Join) if isinstance(join, Join)] == [True, True]
    assert [fake.asked[-1] for _, fake in world.connections if isinstance(fake.asked[-1], Leave)] != []


async def test_the_former_connection_ends_by_itself(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    async with hold(seat):
        await next_of(seat, Seated)
        former = seat.client
        await world.node.push(MOVE)
        await next_of(seat, Seated)
        await trio.sleep(FORMER_S + 0.1)
        assert former is not None
        assert former.lost is not None
        assert seat.client is not None
        assert seat.client.lost is None


async def test_what_the_former_connection_says_counts_no_more(autojump_clock: trio.testing.MockClock) -> None:
    world = World()
    seat = a_seat(world)
    async with hold(seat):
        await next_of(seat, Seated)
        former = world.node
        await former.push(MOVE)
        await next_of(seat, Seated)
        await former.push(Replaced())
        await former.ws.aclose(4500, "internal_error")
        await trio.sleep(1.0)
        assert seat.ended is None
        await world.drop()
        assert await next_of(seat, Away) == Away(code="internal_error")
        await next_of(seat, Seated)
    assert world.where() == ["a", "c", "c"]


async def test_a_node_that_cannot_be_reached_is_passed_over_and_without_any_we_stay(
    autojump_clock: trio.testing.MockClock,
) -> None:
    world = World(down={"c"})
    seat = a_seat(world)
    async with hold(seat):
        await next_of(seat, Seated)
        await world.node.push(MOVE)
        await next_of(seat, Seated)
        assert world.where() == ["a", "b"]
        world.down = {"b", "c"}
        await world.node.push(MOVE)
        await trio.sleep(10.0)
        assert seat.client is not None
        assert seat.client.lost is None
    assert world.where() == ["a", "b"]


async def test_a_chat_on_its_way_when_the_former_connection_ends_is_said_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Once for the node that did not answer, once for the next, under one nonce, and at once."""
    world = World(instead={Chat: None})
    seat = a_seat(world)
    async with hold(seat), trio.open_nursery() as nursery:
        await next_of(seat, Seated)
        said = trio.Event()

        async def say() -> None:
            await seat.chat("hello")
            said.set()

        nursery.start_soon(say)
        await trio.testing.wait_all_tasks_blocked()
        await world.node.push(MOVE)
        await next_of(seat, Seated)
        world.instead.pop(Chat)
        with trio.fail_after(1.0):
            seat.carried()
            await said.wait()
    nonces = [request.nonce for request in world.asked(Chat) if isinstance(request, Chat)]
    assert len(nonces) == 2
    assert len(set(nonces)) == 1
