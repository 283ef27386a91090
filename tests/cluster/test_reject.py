"""A room that rejects a second device, between two real nodes: who is there keeps the seat, who is gone does not."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
import trio

from session import RoomPolicy
from signalling.client.codec import decode_node_message, encode
from signalling.client.dialling import open_websocket
from signalling.client.messages import Hello, Join, Joined
from signalling.client.refusal import RefusedByNodeError
from signalling.errors import ErrorCode
from signalling.ids import DeviceId, RoomId, UserId
from tests.cluster.ring import DEADLINE_S, NODES, open_ring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from signalling.client.connection import Client
    from signalling.client.messages import NodeMessage
    from signalling.ids import NodeId
    from tests.cluster.ring import Ring

pytestmark = pytest.mark.cluster

ROOM: Final = RoomId("one-device")
ADA, BOB = UserId("us_ada"), UserId("us_bob")
LAPTOP, PHONE = DeviceId("laptop-of-ada"), DeviceId("phone-of-ada")
HERE, THERE = NODES

PING_S: Final = 2.0
"""How long a holder may take to answer; a node that does not answer for one is given up half a second later."""

AT_ONCE_S: Final = 1.5
"""A join that waits for nobody; on an idle machine it takes 20 ms."""


async def test_the_seat_is_its_holders_while_it_is_there_and_anybodys_in_grace() -> None:
    async with open_ring() as ring:
        await ring.define(ROOM, policy=RoomPolicy.REJECT)
        async with ring.open(THERE, ADA, PHONE) as phone:
            async with ring.open(HERE, ADA, LAPTOP) as laptop:
                first = await laptop.join(ROOM, attempt=1)
                # The holder answered, over the link: whose node does not answer keeps the join waiting for longer.
                began = trio.current_time()
                assert await _refusal(phone, attempt=1) == ErrorCode.SEAT_OCCUPIED
                assert trio.current_time() - began < PING_S
                assert (await ring.joins(THERE))[:2] == (0, 0)
                token = laptop.token
                assert laptop.lost is None, "who was asked noticed nothing"
            # Hung up without a leave.
            await _wait_for_grace(ring, HERE)
            began = trio.current_time()
            second = await phone.join(ROOM, attempt=2)
            assert trio.current_time() - began < AT_ONCE_S
            assert second.participant != first.participant, "every device is a participant of its own"

            async with ring.resume(HERE, token) as resumed:
                assert await _refusal(resumed, attempt=2) == ErrorCode.SEAT_OCCUPIED
                assert phone.lost is None
            # The device that holds the seat takes it again, with a newer attempt, on whatever node.
            async with ring.open(THERE, ADA, PHONE) as reloaded:
                assert (await reloaded.join(ROOM, attempt=3)).participant == second.participant
                with trio.fail_after(DEADLINE_S):
                    await _wait_lost(phone)
                async with ring.open(HERE, ADA, PHONE) as moved:
                    assert (await moved.join(ROOM, attempt=4)).participant == second.participant
                    with trio.fail_after(DEADLINE_S):
                        await _wait_lost(reloaded)
                    assert [(await ring.joins(node))[0] for node in NODES] == [1, 0]
                    async with ring.open(HERE, BOB, LAPTOP) as bob:
                        joined = await bob.join(ROOM, attempt=1)
                        assert [other.participant for other in joined.participants] == [second.participant]


async def test_a_holder_that_is_silent_on_another_node_gives_the_seat_up() -> None:
    """Its socket stands and nobody answers behind it: its node says so over the link, after one ping."""
    async with open_ring() as ring:
        await ring.define(ROOM, policy=RoomPolicy.REJECT)
        async with _hung_holder(ring, HERE), ring.open(THERE, ADA, PHONE) as phone:
            began = trio.current_time()
            await phone.join(ROOM, attempt=1)
            assert PING_S - 0.1 < trio.current_time() - began < PING_S + AT_ONCE_S
            with trio.fail_after(DEADLINE_S):
                while [(await ring.joins(node))[0] for node in NODES] != [0, 1]:
                    await trio.sleep(0.05)


async def _refusal(client: Client, *, attempt: int) -> str:
    with pytest.raises(RefusedByNodeError) as refused:
        await client.join(ROOM, attempt=attempt)
    return refused.value.code


async def _wait_for_grace(ring: Ring, node: NodeId) -> None:
    with trio.fail_after(DEADLINE_S):
        while (await ring.counts(node))["sessions_seats_in_grace"] != 1:
            await trio.sleep(0.02)


async def _wait_lost(client: Client) -> None:
    async for _ in client.events:
        pass
    assert client.lost is not None
    assert client.lost.code == ErrorCode.REPLACED


@asynccontextmanager
async def _hung_holder(ring: Ring, node: NodeId) -> AsyncIterator[None]:
    """A page on the laptop that joined, and has answered nothing since."""
    async with open_websocket(ring.url(node), ssl_context=None, origin=None, connect_s=5.0, close_s=2.0) as ws:

        async def ask(message: Hello | Join) -> NodeMessage:
            await ws.send_message(encode(message))
            return decode_node_message(await ws.get_message())

        await ask(Hello(id=1, token=ring.token(ADA, LAPTOP), client="hung"))
        assert isinstance(await ask(Join(id=2, room=ROOM, attempt=1)), Joined)
        yield
