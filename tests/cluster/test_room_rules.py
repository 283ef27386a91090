"""A room's lock, bans and cap, between two real nodes: refused by code wherever somebody knocks, and not counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import pytest
import trio

from durable import Kind
from signalling.client.messages import ChatMessage, ParticipantJoined, SeatLost
from signalling.client.refusal import RefusedByNodeError
from signalling.errors import ErrorCode
from signalling.ids import DeviceId, RoomId, UserId, new_device_id, new_user_id
from tests.cluster.ring import DEADLINE_S, NODES, open_ring

if TYPE_CHECKING:
    from signalling.client.connection import Client
    from signalling.client.messages import NodeEvent
    from tests.cluster.ring import Ring

pytestmark = pytest.mark.cluster

T = TypeVar("T")

HERE, THERE = NODES
LOCKED, BANNING, SMALL = RoomId("locked"), RoomId("banning"), RoomId("small")
ADA, BOB, LAPTOP = UserId("us_ada"), UserId("us_bob"), DeviceId("a-laptop")

RENEWED_S: Final = 4.0
"""A renewal of seats, 2.5 s, and the time for a busy machine to tell of it."""


async def test_a_locked_room_a_ban_and_a_cap_refuse_on_both_nodes() -> None:
    async with open_ring() as ring:
        await _lock(ring)
        await _ban(ring)
        await _cap(ring)


async def _lock(ring: Ring) -> None:
    await ring.define(LOCKED, locked=True)
    await _refused_everywhere(ring, LOCKED, ErrorCode.ROOM_LOCKED)


async def _ban(ring: Ring) -> None:
    """Who is banned loses the seat within a renewal, whatever node holds it, and comes in on neither."""
    await ring.define(BANNING)
    async with ring.open(HERE, ADA, LAPTOP) as ada, ring.open(THERE, BOB, LAPTOP) as bob:
        await ada.join(BANNING, attempt=1)
        await bob.join(BANNING, attempt=1)
        await ring.stores.repository.put(Kind.BAN, BANNING, BOB, body=b'{"version":1}')
        with trio.fail_after(RENEWED_S):
            lost, _ = await _next(bob, SeatLost)
        assert lost.reason == "kicked"
        assert await _refusal(bob, BANNING, attempt=2) == ErrorCode.BANNED
        await _refused_everywhere(ring, BANNING, ErrorCode.BANNED, user=BOB)
        await _saw_nobody_come(ada, bob_came=True)
        # Another user is not; and once the ban is gone, its time or its word, neither is this one.
        async with ring.open(THERE, new_user_id(), LAPTOP) as cleo:
            await cleo.join(BANNING, attempt=1)
        await ring.stores.repository.delete(Kind.BAN, BANNING, BOB)
        await bob.join(BANNING, attempt=3)
        for client in (ada, bob):
            await client.leave()


async def _cap(ring: Ring) -> None:
    """A full room has no seat on any node; what was refused took none, so one that is left is free at once."""
    await ring.define(SMALL, max_participants=1)
    async with ring.open(HERE, ADA, LAPTOP) as ada:
        await ada.join(SMALL, attempt=1)
        await _refused_everywhere(ring, SMALL, ErrorCode.ROOM_FULL)
        await _saw_nobody_come(ada)
        # The seat's own device may reload in a full room, also on the other node.
        async with ring.open(THERE, ADA, LAPTOP) as reloaded:
            await reloaded.join(SMALL, attempt=2)
            await _refused_everywhere(ring, SMALL, ErrorCode.ROOM_FULL)
            await reloaded.leave()
        async with ring.open(THERE, BOB, LAPTOP) as bob:
            await bob.join(SMALL, attempt=1)


async def _refused_everywhere(ring: Ring, room: RoomId, code: ErrorCode, *, user: UserId | None = None) -> None:
    """Somebody is refused on each node, twice, and all that either of them counts is that."""
    for node in NODES:
        seats, granted, refused = await ring.joins(node)
        async with ring.open(node, user or new_user_id(), new_device_id()) as client:
            for attempt in (1, 2):
                assert await _refusal(client, room, attempt=attempt) == code
            assert client.lost is None, "the socket stays"
            assert await ring.joins(node) == (seats, granted, refused + 2)


async def _refusal(client: Client, room: RoomId, *, attempt: int) -> str:
    with pytest.raises(RefusedByNodeError) as refused:
        await client.join(room, attempt=attempt)
    return refused.value.code


async def _saw_nobody_come(client: Client, *, bob_came: bool = False) -> None:
    """What happened in front of somebody until now, which a word of its own ends."""
    await client.chat("so much for that")
    _, before = await _next(client, ChatMessage)
    came = [event.participant.user for event in before if isinstance(event, ParticipantJoined)]
    assert came == [BOB] * bob_came


async def _next(client: Client, kind: type[T]) -> tuple[T, list[NodeEvent]]:
    """The next event of a kind, and those before it."""
    before: list[NodeEvent] = []
    with trio.fail_after(DEADLINE_S):
        async for event in client.events:
            if isinstance(event, kind):
                return event, before
            before.append(event)
    raise AssertionError(f"no {kind.__name__} before the end: {client.lost}")
