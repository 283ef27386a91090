"""The Redis store keeps the contract, and says the same as the memory store to whatever it is asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgpack  # type: ignore[import-untyped]
import pytest
import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from durable.errors import StoreUnavailableError
from durable.redis_repository import RedisRepository
from durable.repository import Kind
from session.config import SessionConfig
from session.directory import RoomDirectory
from session.redis_store import MAX_SEATS_EACH_TRIP, RedisSeatStore, seat_script
from session.seat_table import SeatTable
from session.service import open_sessions
from session.store import RoomPolicy, RoomRules, Seat, SeatAnswer, Verdict
from session.tokens import SessionClaims
from signalling.ids import DeviceId, NodeId, SessionId, UserId, participant_id
from tests.unit.session.seats import ROOM, by, seat
from tests.unit.session.store_contract import CAP, LEASE_S, TOMBSTONE_S, SeatStoreContract, StoreWorld

if TYPE_CHECKING:
    import redis

    from durable.redis_connection import RedisConnection, ScriptCall
    from signalling.ids import ParticipantId
    from tests.cluster.durable.private_redis import PrivateRedis

pytestmark = pytest.mark.cluster

TIME_CALL = "redis.call('TIME')"


def script_on_clock(key: str) -> str:
    """The script with its time in a list of seconds and microseconds, for a test to move."""
    script = seat_script()
    assert script.count(TIME_CALL) == 1
    return script.replace(TIME_CALL, f"redis.call('LRANGE', '{key}', 0, 1)")


def script_of_histories(script: str) -> str:
    """The script run for many changes, each at its own moment and after its writes, in one trip."""
    told_the_time = script.replace(TIME_CALL, "NOW")
    return f"""
local function change(KEYS, ARGV, NOW)
{told_the_time}
end
local answers = {{}}
for number, step in ipairs(cmsgpack.unpack(ARGV[1])) do
  for _, document in ipairs(step[3]) do
    if document[2] == '' then redis.call('HDEL', ARGV[2], document[1])
    else redis.call('HSET', ARGV[2], document[1], document[2]) end
  end
  answers[number] = change(step[1], step[2], step[4])
end
return cmsgpack.pack(answers)
"""


def documents_key(cluster: str) -> str:
    """Where the repository keeps what belongs to the room."""
    return f"starling:{{{cluster}:{ROOM}}}:documents"


@pytest.fixture
async def world(connection: RedisConnection, cluster: str) -> StoreWorld:
    key = f"clock-{cluster}"
    now_ms = 1_000_000

    async def advance(seconds: float) -> None:
        nonlocal now_ms
        now_ms += round(seconds * 1000)
        await connection.run((("DEL", key), ("RPUSH", key, now_ms // 1000, now_ms % 1000 * 1000)))

    documents = documents_key(cluster)
    revision = 0

    async def write(field: str, until_ms: int | None) -> int:
        nonlocal revision
        revision += 1
        await connection.run((("HSET", documents, field, f"{revision}:{until_ms or 0}:{{}}"),))
        return revision

    async def remove(field: str) -> None:
        await connection.run((("HDEL", documents, field),))

    async def ban(user: str, until_ms: int | None) -> None:
        await write(f"ban:{user}", until_ms)

    await advance(0)
    store = RedisSeatStore(
        connection, cluster=cluster, lease_s=LEASE_S, tombstone_s=TOMBSTONE_S, script=script_on_clock(key)
    )
    return StoreWorld(
        store=store,
        advance=advance,
        define=lambda: write("room:", None),
        undefine=lambda: remove("room:"),
        ban=ban,
        lift=lambda user: remove(f"ban:{user}"),
    )


class TestRedisSeatStore(SeatStoreContract):
    pass


async def test_leases_go_by_the_clock_of_redis_and_keys_outlive_them(
    connection: RedisConnection, cluster: str, redis_server: PrivateRedis
) -> None:
    store = RedisSeatStore(connection, cluster=cluster, lease_s=0.2, tombstone_s=60)
    assert (await store.claim(seat("s1", 1), by(CAP))).verdict is Verdict.OK
    assert await store.nodes_of(ROOM) == {"n1"}
    await trio.sleep(0.3)
    assert await store.nodes_of(ROOM) == frozenset()
    assert (await store.claim(seat("s2", 1), by(CAP))).verdict is Verdict.SUPERSEDED
    with redis_server.client() as client:
        keys = client.keys(f"starling:{{{cluster}:*")
        assert keys
        assert all(55_000 < client.pttl(key) <= 60_000 for key in keys)


async def test_a_full_node_renews_in_several_short_trips(connection: RedisConnection, cluster: str) -> None:
    store = RedisSeatStore(connection, cluster=cluster, lease_s=60, tombstone_s=60)
    count = 2 * MAX_SEATS_EACH_TRIP + 10
    seats = tuple(seat(f"s{n}", 1, user=f"user-{n}", room=f"room-{n % 7}") for n in range(count))
    for room in {each.room for each in seats}:
        await store.claim(seat("far", 1, user="far", room=room, node="n2"), by(count))
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
    await store.claim(seat("s1", 1), by(CAP))
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


@dataclass(frozen=True)
class Step:
    """One change, and what has become of the room and the clock before it."""

    op: str
    seat: Seat
    pause_ms: int
    rules: RoomRules
    silent: SessionId | None
    documents: tuple[tuple[str, int, int], ...]
    """Writes before the change: a field, its revision (0 deletes it) and when it expires (0 is never)."""


class _Both:
    """The table in Python and the script in Redis, asked the same at the same moments."""

    def __init__(self, client: redis.Redis, prefix: str, script: str) -> None:
        self.client = client
        self.script = script
        self.documents = documents_key(prefix)
        self.stored: dict[str, tuple[int, int]] = {}
        self.now_ms = 1_000_000
        self.table = SeatTable(lease_ms=8_000, keep_ms=10_000_000)
        self.store = RedisSeatStore(
            None,  # type: ignore[arg-type]  # only its keys are used
            cluster=prefix,
            lease_s=8,
            tombstone_s=10_000,
        )

    def ask(self, walk: list[Step]) -> tuple[list[SeatAnswer], list[SeatAnswer]]:
        """What the table and the script answer to every step; one round trip."""
        expected, asked = [], []
        for step in walk:
            self.now_ms += step.pause_ms
            written = []
            for field, revision, expires in step.documents:
                self.stored[field] = (revision, expires)
                written.append((field, f"{revision}:{expires}:{{}}" if revision else ""))
            call: ScriptCall = self.store.call(step.op, step.seat, step.rules, silent=step.silent, with_nodes=True)
            if step.op.startswith("evict"):
                call = self.store.eviction(step.seat.room, *_evicted(step))
            arguments = [str(argument) for argument in call.arguments]
            asked.append((call.keys, arguments, written, (str(self.now_ms // 1000), str(self.now_ms % 1000 * 1000))))
            if step.op.startswith("evict"):
                participant, user = _evicted(step)
                self.table.evict(step.seat.room, self.now_ms, participant=participant or "", user=user)
            else:
                expected.append(self._expected(step))
        packed = msgpack.packb(asked) or b""
        replies = msgpack.unpackb(self.client.evalsha(self.script, 0, packed, self.documents), raw=True)
        return expected, [
            self.store.read(reply) for step, reply in zip(walk, replies, strict=True) if not step.op.startswith("evict")
        ]

    def _expected(self, step: Step) -> SeatAnswer:
        banned = self._revision(f"ban:{step.seat.user}") > 0
        match step.op:
            case "claim":
                return self.table.claim(
                    step.seat,
                    self.now_ms,
                    step.rules,
                    silent=step.silent,
                    revision=self._revision("room:"),
                    banned=banned,
                )
            case "touch":
                return self.table.touch(step.seat, self.now_ms, banned=banned)
            case "assert":
                return self.table.state(step.seat, self.now_ms, banned=banned)
            case _:
                return self.table.release(step.seat, self.now_ms)

    def _revision(self, field: str) -> int:
        revision, expires = self.stored.get(field, (0, 0))
        return 0 if expires and expires <= self.now_ms else revision


def _evicted(step: Step) -> tuple[ParticipantId | None, UserId | None]:
    """Whom an eviction is about: whose seat it names, or everybody."""
    one = step.seat
    return (None, None) if step.op == "evict all" else (participant_id(one.room, one.user, one.device), one.user)


NODE_OF = {"s1": "n1", "s2": "n2", "s3": "n1"}
"""A session lives and dies on the node that minted it."""

MOMENTS = (0, 999_999, 1_000_000, 1_000_001, 1_003_000, 1_005_000)

CHOICES: tuple[tuple[Any, ...], ...] = (
    ("claim", "claim", "claim", "touch", "assert", "release", "evict", "evict all"),
    tuple(NODE_OF),
    (1, 2, 3, 4),  # attempt
    ("laptop-01", "phone-001"),
    MOMENTS,  # epoch
    (False, False, True),  # in grace
    ("ann", "ann", "bob"),
    (RoomPolicy.REPLACE, RoomPolicy.REPLACE, RoomPolicy.MULTI),  # of the slot
    (0, 0, 100, 3_000, 9_000),  # ms since the step before
    (1, 2, 3),  # cap
    tuple(RoomPolicy),  # of the rules: picked apart from the slot's, as the store compares no names of slots
    (False, False, True),  # locked
    (0, 0, 0, 1, 2),  # revision of the rules
    (None, None, SessionId("s1"), SessionId("s2")),  # silent
    (None, None, None, "room:", "ban:ann", "ban:bob"),  # a document written before
    (0, 1, 2),  # its revision
    (0, 0, 1_000_500, 1_004_000),  # until when it counts
)
STEP_BYTES = 8
SHORTEST, LONGEST = 4, 12
"""Steps in a history."""

histories = st.binary(min_size=STEP_BYTES * SHORTEST, max_size=STEP_BYTES * LONGEST)
"""Each eight bytes are one step, read digit by digit in the mixed base of CHOICES: drawing its parts one by one
would cost more than both stores together."""

EXAMPLES = 10_000


def read_history(history: bytes) -> list[Step]:
    walk = []
    for first in range(0, len(history), STEP_BYTES):
        number = int.from_bytes(history[first : first + STEP_BYTES], "big")
        chosen: list[Any] = []
        for options in CHOICES:
            chosen.append(options[number % len(options)])
            number //= len(options)
        op, session, attempt, device, epoch, in_grace, user, slot, pause, *rules, silent, field, written, until = chosen
        cap, policy, locked, known_revision = rules
        one = seat(
            session,
            attempt,
            device=device,
            node=NODE_OF[session],
            user=user,
            policy=slot,
            epoch=epoch,
            in_grace=in_grace,
        )
        known = RoomRules(cap=cap, policy=policy, locked=locked, revision=known_revision)
        walk.append(Step(op, one, pause, known, silent, () if field is None else ((field, written, until),)))
    return walk


MUTANTS = {
    "touch inserts": ("  return answer('unknown')\nend", "  return take(epoch)\nend"),
    "release without compare": (
        "  bury(device, attempt)\n  if mine() then",
        "  bury(device, attempt)\n  if holder then",
    ),
    "no tombstone": ("  bury(device, attempt)\n  if mine() then", "  if mine() then"),
    "a ban for ever": ("if expires ~= '0' and tonumber(expires) <= now then return 0 end", ""),
    "a ban is no matter to a renewal": (
        "if op ~= 'release' and revision_of('ban:'",
        "if op == 'claim' and revision_of('ban:'",
    ),
    "any rules will do": ("if revision_of('room:') ~= tonumber(ARGV[15])", "if false"),
    "a lock keeps out who sits": ("if ARGV[17] == '1' and not sits_already", "if ARGV[17] == '1'"),
    "a seat in grace is protected": ("and not holder.in_grace and", "and"),
    "everybody is in grace": ("'grace', in_grace,", "'grace', '1',"),
    "silence is no matter": ("and holder.session ~= ARGV[19]", ""),
    "its own device is kept out": ("live() and holder.device ~= device and not", "live() and not"),
    "a device sits twice": ("    vacate(other_key, elsewhere, other_slot)\n", ""),
    "who is evicted stays": ("then return answer('kicked')", "then return answer('unknown')"),
    "an eviction of all is of nobody": ("if epoch <= evicted_until('') then", "if false then"),
    "an eviction ends what comes later": (", evicted_until('') + 1, evicted_until(participant) + 1))", "))"),
    "a full room keeps out who sits": ("if not sits_already and redis.call('ZCARD'", "if redis.call('ZCARD'"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_script_that_differs_is_found(redis_server: PrivateRedis, mutant: str) -> None:
    with pytest.raises(AssertionError):
        _compare(redis_server, mutant, examples=1_000)


def test_the_script_and_the_table_never_differ(redis_server: PrivateRedis) -> None:
    met = _compare(redis_server, None, examples=EXAMPLES)
    assert met == set(Verdict), "every verdict was met"


def _compare(redis_server: PrivateRedis, mutant: str | None, *, examples: int) -> set[Verdict]:
    runs = 0
    met: set[Verdict] = set()
    with redis_server.client() as client:
        script = client.script_load(script_of_histories(_mutated(seat_script(), mutant)))

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=(Phase.generate, Phase.shrink) if mutant is None else (Phase.generate,),
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(histories)
        def compare(history: bytes) -> None:
            nonlocal runs
            runs += 1
            prefix = f"compare-{mutant}-{runs}".replace(" ", "-")
            expected, said = _Both(client, prefix, script).ask(read_history(history))
            assert said == expected
            met.update(answer.verdict for answer in said)

        compare()
    assert runs >= examples
    return met


def _mutated(script: str, mutant: str | None) -> str:
    if mutant is None:
        return script
    old, new = MUTANTS[mutant]
    assert script.count(old) == 1
    return script.replace(old, new)


def test_node_ids_pass_through_the_index(redis_server: PrivateRedis) -> None:
    with redis_server.client() as client:
        both = _Both(client, "odd-names", client.script_load(script_of_histories(seat_script())))
        strange = Step("claim", seat("s1", 1, user="a/b:c{d}\x7f é", node="n1"), 0, by(5), None, ())
        bob = replace(strange, op="touch", seat=seat("s2", 1, user="bob", node="n2", epoch=1))
        expected, said = both.ask([strange, bob])
        assert said == expected
        assert said[1].nodes == {NodeId("n1")}


async def test_a_document_that_is_not_ours_is_a_store_that_cannot_be_used(
    world: StoreWorld, connection: RedisConnection, cluster: str
) -> None:
    await connection.run((("HSET", documents_key(cluster), "room:", "nonsense"),))
    with pytest.raises(StoreUnavailableError):
        await world.store.claim(seat("s1", 1), by(CAP))
    assert (await world.store.touch((seat("s1", 1),)))[0].verdict is Verdict.UNKNOWN


async def test_the_script_reads_what_the_repository_writes(connection: RedisConnection, cluster: str) -> None:
    store = RedisSeatStore(connection, cluster=cluster, lease_s=LEASE_S, tombstone_s=60)
    repository = RedisRepository(connection, cluster=cluster)
    mine = seat("s1", 1)
    revision = await repository.put(Kind.ROOM, ROOM, body=b"{}")
    assert (await store.claim(mine, by(CAP, revision=revision - 1))).verdict is Verdict.CHANGED
    assert (await store.claim(mine, by(CAP, revision=revision))).verdict is Verdict.OK
    later = await repository.put(Kind.ROOM, ROOM, body=b"{}")
    assert (await store.claim(seat("s2", 2), by(CAP, revision=revision))).verdict is Verdict.CHANGED
    assert (await store.claim(seat("s2", 2), by(CAP, revision=later))).verdict is Verdict.OK
    await repository.put(Kind.BAN, ROOM, "ann", body=b"{}")
    assert (await store.touch((seat("s2", 2),)))[0].verdict is Verdict.BANNED
    await repository.delete(Kind.BAN, ROOM, "ann")
    assert (await store.touch((seat("s2", 2),)))[0].verdict is Verdict.OK
    await repository.delete(Kind.ROOM, ROOM)
    assert (await store.claim(seat("s3", 3), by(CAP, revision=later))).verdict is Verdict.CHANGED
    assert (await store.claim(seat("s3", 3), by(CAP))).verdict is Verdict.OK


async def test_owners_heal_a_server_that_was_rolled_back_or_emptied(
    connection: RedisConnection, cluster: str, redis_server: PrivateRedis
) -> None:
    config = SessionConfig(cluster=cluster, node=NodeId("n1"), lease_s=2.0, renew_s=0.1, grace_s=1.0)
    store = RedisSeatStore.from_config(connection, config)
    claims = SessionClaims(
        user=UserId("ann"), device=DeviceId("laptop-01"), name="Ann", session=None, token_id="t", expires_at=0.0
    )
    with redis_server.client() as client:
        directory = RoomDirectory(RedisRepository(connection, cluster=cluster), max_rooms=9)
        async with open_sessions(config, store=store, directory=directory) as sessions:
            await sessions.join(sessions.mint_session(claims).session, ROOM, 1)
            before = {key: client.dump(key) or b"" for key in client.keys(f"starling:{{{cluster}:*")}
            newer = sessions.mint_session(claims)
            await sessions.join(newer.session, ROOM, 2)
            for kept in (before, {}):
                client.delete(*client.keys(f"starling:{{{cluster}:*"))
                for key, value in kept.items():
                    client.restore(key, 60_000, value)
                with trio.fail_after(5):
                    while client.hget(f"starling:{{{cluster}:{ROOM}}}:seat:u:ann", "sid") != newer.session.encode():
                        await trio.sleep(0.02)
                assert await store.nodes_of(ROOM) == {"n1"}
                assert sessions.seat(newer.session, ROOM) is not None


async def test_a_claim_is_one_round_trip(world: StoreWorld, connection: RedisConnection) -> None:
    revision = await world.define()
    await world.store.claim(seat("s0", 1, user="bob"), by(CAP, revision=revision))
    before = connection.statistics().calls
    assert (await world.store.claim(seat("s1", 1), by(CAP, revision=revision))).verdict is Verdict.OK
    assert connection.statistics().calls == before + 1
