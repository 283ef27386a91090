"""Redis that is stopped, gone, not itself: every call ends in time, and start-up says what is wrong."""

from __future__ import annotations

import socket
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from durable.breaker import FAILURES_TO_OPEN, PROBE_INTERVAL_S
from durable.errors import StoreOutcomeUnknownError, StoreSetupError, StoreUnavailableError
from durable.redis_connection import open_redis
from durable.redis_repository import RedisRepository
from session.config import SessionConfig
from session.directory import RoomDirectory
from session.records import AskMesh
from session.redis_store import RedisSeatStore
from session.service import open_sessions
from session.store import Verdict
from session.tokens import SessionClaims
from signalling.ids import DeviceId, NodeId, RoomId, UserId
from tests.cluster.durable.private_redis import PrivateRedis, private_redis
from tests.unit.session.seats import ROOM, by, seat

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.cluster

DEADLINE_S = 0.4
SLACK_S = 0.3
"""For a busy machine; far below the seconds that a retry would take."""


@pytest.fixture
def own_redis() -> Iterator[PrivateRedis]:
    with tempfile.TemporaryDirectory(prefix="starling-redis-") as folder, private_redis(Path(folder)) as server:
        yield server


async def test_every_call_to_a_stopped_redis_returns_in_time(own_redis: PrivateRedis) -> None:
    async with open_redis(own_redis.url, deadline_s=DEADLINE_S) as connection:
        store = RedisSeatStore(connection, cluster="c", lease_s=8, tombstone_s=60)
        await store.claim(seat("s1", 1), by(10))
        own_redis.stop()
        took: list[float] = []

        async def ask() -> None:
            started = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                await store.touch((seat("s1", 1, epoch=1),))
            took.append(time.monotonic() - started)

        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(ask)
        assert max(took) < DEADLINE_S + SLACK_S
        assert connection.statistics().breaker_open
        assert connection.statistics().failures >= FAILURES_TO_OPEN

        took.clear()
        for _ in range(20):
            await ask()
        assert sum(took) < DEADLINE_S + SLACK_S, "turned away at once, but for one probe"
        assert connection.statistics().turned_away >= 19

        own_redis.wake()
        with trio.fail_after(10):
            while connection.statistics().breaker_open:
                await trio.sleep(PROBE_INTERVAL_S / 2)
                with suppress(StoreUnavailableError):
                    await store.nodes_of(ROOM)
        assert (await store.touch((seat("s1", 1, epoch=1),)))[0].verdict is Verdict.OK


async def test_a_call_that_the_server_refuses_keeps_nobody_else_out(own_redis: PrivateRedis) -> None:
    async with open_redis(own_redis.url, deadline_s=5.0) as connection:
        for _ in range(2 * FAILURES_TO_OPEN):
            with pytest.raises(StoreUnavailableError):
                await connection.run((("ZRANGE", "key", "0", "1" * 30),))
        assert not connection.statistics().breaker_open
        assert connection.statistics().failures == 2 * FAILURES_TO_OPEN


async def test_an_answer_in_time_counts_when_the_loop_is_late_to_read_it(own_redis: PrivateRedis) -> None:
    async with open_redis(own_redis.url, deadline_s=DEADLINE_S) as connection, trio.open_nursery() as nursery:
        store = RedisSeatStore(connection, cluster="c", lease_s=8, tombstone_s=60)
        verdicts: list[Verdict] = []

        async def ask() -> None:
            verdicts.append((await store.claim(seat("s1", 1), by(10))).verdict)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        # What a burst of joins does to a node: the loop comes back after the deadline.
        time.sleep(DEADLINE_S * 2)  # noqa: ASYNC251
        await trio.testing.wait_all_tasks_blocked()
        assert verdicts == [Verdict.OK]
        assert connection.statistics().failures == 0


async def test_calls_that_are_given_up_keep_nobody_else_out(own_redis: PrivateRedis) -> None:
    async with open_redis(own_redis.url, deadline_s=5.0) as connection:
        store = RedisSeatStore(connection, cluster="c", lease_s=8, tombstone_s=60)
        own_redis.stop()
        for _ in range(5 * FAILURES_TO_OPEN):
            with trio.move_on_after(0.01):
                await store.nodes_of(ROOM)
        own_redis.wake()
        assert not connection.statistics().breaker_open
        assert await store.nodes_of(ROOM) == frozenset()
        assert connection.statistics().failures == 0


async def test_a_change_that_timed_out_may_land_and_a_release_undoes_it(own_redis: PrivateRedis) -> None:
    async with open_redis(own_redis.url, deadline_s=DEADLINE_S) as connection:
        store = RedisSeatStore(connection, cluster="c", lease_s=8, tombstone_s=60)
        await store.nodes_of(ROOM)
        own_redis.stop()
        with pytest.raises(StoreOutcomeUnknownError):
            await store.claim(seat("s1", 1), by(10))
        own_redis.wake()
        await store.release((seat("s1", 1),))
        await trio.sleep(DEADLINE_S)
        assert await store.nodes_of(ROOM) == frozenset()


async def test_a_node_rides_out_a_stopped_redis(own_redis: PrivateRedis) -> None:
    config = SessionConfig(cluster="c", node=NodeId("n1"), lease_s=3.0, renew_s=0.5, grace_s=1.0)
    async with open_redis(own_redis.url, deadline_s=DEADLINE_S) as connection:
        store = RedisSeatStore.from_config(connection, config)
        async with open_sessions(
            config,
            store=store,
            directory=RoomDirectory(RedisRepository(connection, cluster=config.cluster), max_rooms=9),
        ) as sessions:

            async def join(user: str) -> bool:
                claims = SessionClaims(
                    user=UserId(user), device=DeviceId("device-01"), name=user, session=None, token_id="t", expires_at=0
                )
                record = sessions.mint_session(claims)
                return bool((await sessions.join(record.session, RoomId("hall"), 1)).degraded)

            assert not await join("ann")
            own_redis.stop()
            assert await join("bob")
            await trio.sleep(2)
            started = time.monotonic()
            assert await join("eve")
            assert time.monotonic() - started < DEADLINE_S + SLACK_S
            own_redis.wake()
            await trio.sleep(config.renew_s * 4 + PROBE_INTERVAL_S)
            statistics = sessions.statistics()
            assert (statistics.degraded, statistics.seats_unconfirmed, statistics.seats) == (False, 0, 3)
            # Nobody lost a seat; all that was to be told is that the mesh should be asked where the room lives.
            assert len(sessions.events) == 1
            assert await sessions.events.take() == AskMesh(room=ROOM)
            assert await store.nodes_of(RoomId("hall")) == {"n1"}


async def refusal(url: str) -> str:
    with pytest.raises(StoreSetupError) as refused:
        async with open_redis(url, deadline_s=DEADLINE_S):
            pass
    assert refused.value.code == "store_unavailable"
    assert "s3cret" not in str(refused.value)
    return refused.value.message


async def test_a_password_is_asked_for(tmp_path: Path) -> None:
    with private_redis(tmp_path, "--requirepass", "s3cret") as server:
        assert "wants another user or password" in await refusal(server.url)
        assert "wants another user or password" in await refusal(f"unix://:wrong@{server.socket}")
        async with open_redis(f"unix://:s3cret@{server.socket}") as connection:
            assert await connection.run((("ECHO", "hi"),)) == (b"hi",)


async def test_a_replica_is_refused(tmp_path: Path) -> None:
    with private_redis(tmp_path, "--replicaof", "127.0.0.1 1") as server:
        assert "is a replica" in await refusal(server.url)


async def test_a_stopped_server_is_refused_in_time(own_redis: PrivateRedis) -> None:
    own_redis.stop()
    started = time.monotonic()
    assert "cannot be reached" in await refusal(own_redis.url)
    assert time.monotonic() - started < 5


async def test_no_server_and_no_url() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert f"127.0.0.1:{port} cannot be reached" in await refusal(f"redis://user:s3cret@127.0.0.1:{port}/0")
    for url in ("", "nope", "http://127.0.0.1:1", "redis://127.0.0.1:none"):
        assert "URL" in await refusal(url)


@contextmanager
def server_that_says(answer: bytes) -> Iterator[int]:
    """One connection at a time, each gets the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def serve() -> None:
            try:
                while True:
                    client, _ = listener.accept()
                    with client:
                        client.settimeout(2)
                        client.recv(1_024)
                        client.sendall(answer)
            except OSError:
                return

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=5)


async def test_something_else_that_listens() -> None:
    with server_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert "is not a Redis server" in await refusal(f"redis://127.0.0.1:{port}")
    with server_that_says(b"-DENIED Redis is running in protected mode because ...\r\n") as port:
        assert "protected mode" in await refusal(f"redis://127.0.0.1:{port}")


async def test_a_key_of_another_kind_is_unavailable_not_a_crash(own_redis: PrivateRedis) -> None:
    with own_redis.client() as client:
        client.set("starling:{c:hall}:index", "somebody else's")
    async with open_redis(own_redis.url) as connection:
        store = RedisSeatStore(connection, cluster="c", lease_s=8, tombstone_s=60)
        with pytest.raises(StoreUnavailableError, match="refused the change"):
            await store.claim(seat("s1", 1), by(10))
