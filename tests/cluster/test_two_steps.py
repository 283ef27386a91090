"""A client that joins in two steps, where the steps land on two real nodes: whichever mints, one redeems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httpx
import pytest
import trio

from signalling.client.refusal import RefusedByNodeError
from signalling.errors import ErrorCode
from signalling.ids import DeviceId, RoomId, UserId
from tests.cluster.ring import DEADLINE_S, NODES, POLL_S, open_ring

if TYPE_CHECKING:
    from signalling.client.connection import Client
    from signalling.ids import NodeId
    from tests.cluster.ring import Ring

pytestmark = pytest.mark.cluster

ROOM: Final = RoomId("two-steps")
ADA: Final = UserId("us_ada")
LAPTOP: Final = DeviceId("laptop-of-ada")
HERE, THERE = NODES


async def test_any_node_mints_a_room_token_and_the_node_of_its_session_alone_redeems_it() -> None:
    async with open_ring() as ring, ring.open(HERE, ADA, LAPTOP) as ada:
        with pytest.raises(httpx.HTTPStatusError, match="401"):
            # No socket has taken this one up yet, so it names no session.
            await _room_token(ring, THERE, ring.token(ADA, LAPTOP), attempt=1)
        room_token = await _room_token(ring, THERE, ada.token, attempt=1)
        # The same device of the same user, on the node that minted: another socket is another session.
        async with ring.open(THERE, ADA, LAPTOP) as other:
            assert await _refusal(other, room_token, attempt=1) == ErrorCode.TOKEN_INVALID
            assert await _seats(ring) == [0, 0]
            joined = await ada.join(ROOM, attempt=1, room_token=room_token)
            assert joined.participants == ()
            assert await _refusal(other, room_token, attempt=1) == ErrorCode.TOKEN_INVALID
            assert await _seats(ring) == [1, 0]
            assert ada.lost is None


async def test_whoever_moves_between_the_steps_takes_the_second_anew() -> None:
    async with open_ring() as ring:
        # The first step on one node, by the endpoint; the socket on the other.
        answer = await _post(ring, HERE, "/v1/sessions", {"name": "Ada", "device": LAPTOP}, token=None)
        async with ring.resume(THERE, answer["token"]) as ada:
            await ada.join(ROOM, attempt=1, room_token=await _room_token(ring, HERE, ada.token, attempt=1))
            assert await _seats(ring) == [0, 1]
            unused = await _room_token(ring, THERE, ada.token, attempt=2)
            token = ada.token
            # The page moves to the other node before it used the token that names its old socket.
            async with ring.resume(HERE, token) as moved:
                assert await _refusal(moved, unused, attempt=2) == ErrorCode.TOKEN_INVALID
                assert await _seats(ring) == [0, 1]
                fresh = await _room_token(ring, THERE, moved.token, attempt=2)
                await moved.join(ROOM, attempt=2, room_token=fresh)
                with trio.fail_after(DEADLINE_S):
                    while await _seats(ring) != [1, 0]:
                        await trio.sleep(POLL_S)
                assert moved.lost is None


async def _room_token(ring: Ring, node: NodeId, token: str, *, attempt: int) -> str:
    answer = await _post(ring, node, f"/v1/rooms/{ROOM}/join", {"attempt": attempt}, token=token)
    return str(answer["room_token"])


async def _post(ring: Ring, node: NodeId, path: str, body: dict[str, object], *, token: str | None) -> dict[str, str]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False) as http:
        response = await http.post(f"{ring.cluster.at(node).url}{path}", json=body, headers=headers)
    response.raise_for_status()
    answer: dict[str, str] = response.json()
    return answer


async def _refusal(client: Client, room_token: str, *, attempt: int) -> str:
    with pytest.raises(RefusedByNodeError) as refused:
        await client.join(ROOM, attempt=attempt, room_token=room_token)
    return refused.value.code


async def _seats(ring: Ring) -> list[int]:
    return [(await ring.joins(node))[0] for node in NODES]
