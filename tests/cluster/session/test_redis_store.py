"""The Redis store keeps the contract, and says the same as the memory store to whatever it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from session.redis_store import MAX_SEATS_EACH_TRIP, RedisSeatStore, seat_script
from session.seat_table import SeatTable
from session.store import Seat, SeatAnswer, Verdict
from signalling.ids import NodeId
from tests.unit.session.seats import ROOM, seat
from tests.unit.session.store_contract import CAP, LEASE_S, TOMBSTONE_S, SeatStoreContract, StoreWorld

if TYPE_CHECKING:
    import redis

    from durable.redis_connection import RedisConnection, ScriptCall
    from tests.cluster.durable.private_redis import PrivateRedis

pytestmark = pytest.mark.cluster

TIME_CALL = "redis.call('TIME')"


def script_on_clock(key: str) -> str:
    """The script with its time in a list of seconds and microseconds, for a test to move."""
    script = seat_script()
    assert script.count(TIME_CALL) == 1
    return script.replace(TIME_CALL, f"redis.call('LRANGE', '{key}', 0, 1)")


@pytest.fixture
async def world(connection: RedisConnection, cluster: str) -> StoreWorld:
    key = f"clock-{cluster}"
    now_ms = 1_000_000

    async def advance(seconds: float) -> None:
        nonlocal now_ms
        now_ms += round(seconds * 1000)
        await connection.run((("DEL", key), ("RPUSH", key, now_ms // 1000, now_ms % 1000 * 1000)))

    await advance(0)
    store = RedisSeatStore(
        connection, cluster=cluster, lease_s=LEASE_S, tombstone_s=TOMBSTONE_S, script=script_on_clock(key)
    )
    return StoreWorld(store, advance)


class TestRedisSeatStore(SeatStoreContract):
    pass


async def test_leases_go_by_the_clock_of_redis_and_keys_outlive_them(
    connection: RedisConnection, cluster: str, redis_server: PrivateRedis
) -> None:
    store = RedisSeatStore(connection, cluster=cluster, lease_s=0.2, tombstone_s=60)
    assert (await store.claim(seat("s1", 1), cap=CAP)).verdict is Verdict.OK
    assert await store.nodes_of(ROOM) == {"n1"}
    await trio.sleep(0.3)
    assert await store.nodes_of(ROOM) == frozenset()
    assert (await store.claim(seat("s2", 1), cap=CAP)).verdict is Verdict.SUPERSEDED
    with redis_server.client() as client:
        keys = client.keys(f"starling:{{{cluster}:*")
        assert keys
        assert all(55_000 < client.pttl(key) <= 60_000 for key in keys)


async def test_a_full_node_renews_in_several_short_trips(connection: RedisConnection, cluster: str) -> None:
    store = RedisSeatStore(connection, cluster=cluster, lease_s=60, tombstone_s=60)
    count = 2 * MAX_SEATS_EACH_TRIP + 10
    seats = tuple(seat(f"s{n}", 1, user=f"user-{n}", room=f"room-{n % 7}") for n in range(count))
    for room in {each.room for each in seats}:
        await store.claim(seat("far", 1, user="far", room=room, node="n2"), cap=count)
    before = connection.statistics().calls
    stated = await store.assert_seats(seats)
    assert connection.statistics().calls - before == 3
    assert [answer.verdict for answer in stated] == [Verdict.OK] * count
    assert [answer.verdict for answer in await store.touch(seats)] == [Verdict.OK] * count
    renewed = await store.touch(seats)
    assert {answer.nodes for answer in renewed} == {frozenset({"n2"})}
    assert await store.touch(()) == ()


async def test_a_server_that_forgot_the_script_gets_it_again(
    connection: RedisConnection, cluster: str, redis_server: PrivateRedis
) -> None:
    store = RedisSeatStore(connection, cluster=cluster, lease_s=LEASE_S, tombstone_s=60)
    await store.claim(seat("s1", 1), cap=CAP)
    with redis_server.client() as client:
        client.script_flush()
    answers = await store.touch((seat("s1", 1, epoch=1), seat("s2", 1, user="bob", epoch=1)))
    assert [answer.verdict for answer in answers] == [Verdict.OK, Verdict.UNKNOWN]


async def test_old_tombstones_of_a_user_are_pruned(world: StoreWorld, cluster: str, redis_server: PrivateRedis) -> None:
    for n in range(20):
        await world.store.release((seat(f"s{n}", 1, device=f"device-{n:03}"),))
    await world.advance(TOMBSTONE_S + 1)
    await world.store.release((seat("s99", 1, device="device-099"),))
    with redis_server.client() as client:
        assert client.hlen(f"starling:{{{cluster}:{ROOM}}}:ended:ann") == 1


class _Both:
    """The table in Python and the script in Redis, asked the same at the same moment."""

    def __init__(self, client: redis.Redis, prefix: str, script: str) -> None:
        self.client = client
        self.prefix = prefix
        self.clock = f"clock-{prefix}"
        self.run = client.register_script(script)
        self.table = SeatTable(lease_ms=8_000, keep_ms=10_000_000)
        self.store = RedisSeatStore(
            None,  # type: ignore[arg-type]  # only its keys are used
            cluster=prefix,
            lease_s=8,
            tombstone_s=10_000,
        )

    def ask(self, op: str, one: Seat, now_ms: int, cap: int) -> tuple[SeatAnswer, SeatAnswer]:
        self.client.delete(self.clock)
        self.client.rpush(self.clock, now_ms // 1000, now_ms % 1000 * 1000)
        call: ScriptCall = self.store.call(op, one, cap=cap, with_nodes=True)
        reply = self.run(keys=list(call.keys), args=list(call.arguments))
        if op == "claim":
            expected = self.table.claim(one, now_ms, cap=cap)
        else:
            change = {"touch": self.table.touch, "assert": self.table.state, "release": self.table.release}[op]
            expected = change(one, now_ms)
        return expected, self.store.read(reply)


NODE_OF = {"s1": "n1", "s2": "n2", "s3": "n1"}
"""A session lives and dies on the node that minted it."""

operations = st.lists(
    st.tuples(
        st.sampled_from(["claim", "claim", "touch", "assert", "release"]),
        st.sampled_from(["s1", "s2", "s3"]),
        st.integers(1, 4),
        st.sampled_from(["laptop-01", "phone-001"]),
        st.sampled_from([0, 999_999, 1_000_000, 1_000_001, 1_003_000, 1_005_000]),
        st.booleans(),
        st.sampled_from(["ann", "ann", "bob"]),
        st.sampled_from([0, 0, 100, 3_000, 9_000]),
        st.integers(1, 3),
    ),
    max_size=25,
)


@pytest.mark.parametrize("mutant", [None, "touch inserts", "release without compare", "no tombstone"])
def test_the_script_and_the_table_never_differ(redis_server: PrivateRedis, mutant: str | None) -> None:
    runs = 0
    with redis_server.client() as client:

        @settings(
            max_examples=400 if mutant is None else 200,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(operations)
        def compare(steps: list[tuple[str, str, int, str, int, bool, str, int, int]]) -> None:
            nonlocal runs
            runs += 1
            prefix = f"compare-{mutant}-{runs}".replace(" ", "-")
            both = _Both(client, prefix, _mutated(script_on_clock(f"clock-{prefix}"), mutant))
            now = 1_000_000
            for op, session, attempt, device, epoch, provisional, user, pause, cap in steps:
                now += pause
                one = seat(
                    session,
                    attempt,
                    device=device,
                    node=NODE_OF[session],
                    user=user,
                    epoch=epoch,
                    provisional=provisional,
                )
                expected, said = both.ask(op, one, now, cap)
                assert said == expected

        if mutant is None:
            compare()
        else:
            with pytest.raises(AssertionError):
                compare()


def _mutated(script: str, mutant: str | None) -> str:
    old, new = {
        None: ("", ""),
        "touch inserts": (
            "  return answer('unknown')\nend",
            "  return take(epoch)\nend",
        ),
        "release without compare": (
            "  bury(device, attempt)\n  if mine() then",
            "  bury(device, attempt)\n  if holder then",
        ),
        "no tombstone": ("  bury(device, attempt)\n  if mine() then", "  if mine() then"),
    }[mutant]
    assert mutant is None or script.count(old) == 1
    return script if mutant is None else script.replace(old, new)


def test_node_ids_pass_through_the_index(redis_server: PrivateRedis) -> None:
    with redis_server.client() as client:
        both = _Both(client, "odd-names", script_on_clock("clock-odd-names"))
        strange = seat("s1", 1, user="a/b:c{d}\x7f é", node="n1")
        both.ask("claim", strange, 1_000_000, 5)
        expected, said = both.ask("touch", seat("s2", 1, user="bob", node="n2", epoch=1), 1_000_000, 5)
        assert said == expected
        assert said.nodes == {NodeId("n1")}
