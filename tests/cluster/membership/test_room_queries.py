"""Asking the mesh for a room's nodes, over real agents."""

import pytest
import trio

from membership import Membership, RoomFound
from membership.rpc import open_serf_client
from signalling.ids import NodeId, RoomId
from tests.cluster.membership.conftest import Configure, wait_until
from tests.cluster.membership.nodes import cluster, opened, sees

pytestmark = pytest.mark.cluster

HALL = RoomId("hall")


async def found_by(membership: Membership, count: int) -> list[RoomFound]:
    with trio.fail_after(10):
        return [await membership.rooms.found.receive() for _ in range(count)]


async def test_the_nodes_that_hold_a_room_answer_and_no_others(configure: Configure) -> None:
    async with opened(*cluster(configure, "ada", "bob", "cal", query_timeout_s=1.0)) as (ada, bob, cal):
        await wait_until(
            lambda: all(sees(each, "ada", "bob", "cal") for each in (ada, bob, cal)),
            deadline_s=20,
        )
        bob.rooms.speak_for(lambda: (RoomId("attic"), HALL))
        cal.rooms.speak_for(lambda: (RoomId("attic"),))
        started = trio.current_time()
        ada.rooms.ask(HALL)
        (found,) = await found_by(ada, 1)
        took_s = trio.current_time() - started
        assert found == RoomFound(room=HALL, nodes=frozenset({NodeId("bob")}))
        print(f"a room was found by query after {took_s * 1000:.0f} ms")  # noqa: T201
        asked = ada.rooms.asked
        assert asked in (1, 2), "twice where the first answer, one datagram, was lost or late"
        ada.rooms.ask(HALL)  # a moment later: what was answered still counts, and nobody is asked
        assert await found_by(ada, 1) == [found]
        assert ada.rooms.asked == asked
        # Its answer may be here before its own agent has told it that it went out.
        await wait_until(lambda: bob.rooms.heard >= 1, deadline_s=20)
        assert cal.rooms.heard == 0
        # Nobody has this one: it is asked for twice, and that is all.
        ada.rooms.ask(RoomId("cellar"))
        await wait_until(lambda: ada.rooms.asked == asked + 2, deadline_s=10)
        assert ada.statistics().rooms_answered == 1


async def test_queries_that_are_not_ours_are_counted_and_answered_by_nobody(configure: Configure) -> None:
    async with opened(*cluster(configure, "ada", "bob")) as (ada, bob):
        await wait_until(lambda: sees(ada, "ada", "bob") and sees(bob, "ada", "bob"), deadline_s=20)
        bob.rooms.speak_for(lambda: (HALL,))
        assert ada._session is not None
        endpoint = ada._session.endpoint
        async with open_serf_client(endpoint.rpc_port, endpoint.rpc_token, deadline_s=5) as client:
            for name, payload in (("r", b"\xff" * 40), ("x", b""), ("r", bytes(900))):
                answers = await client.query(name, payload, timeout_s=0.5)
                assert await answers.receive() is None
        await wait_until(lambda: bob.rooms.refused == 3, deadline_s=20)
        assert bob.rooms.heard == 0


async def test_a_dead_agent_costs_the_question_and_nothing_else(configure: Configure) -> None:
    async with opened(*cluster(configure, "ada")) as (ada,):
        ada._session = None
        ada.rooms.ask(HALL)
        await wait_until(lambda: ada.rooms.asked == 2, deadline_s=20)
