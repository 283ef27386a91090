"""A replica takes over that had not heard the last writes: every live seat is back within a lease, and no other."""

from __future__ import annotations

import socket
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
import trio

from durable.redis_connection import open_redis
from durable.redis_repository import RedisRepository
from session.config import SessionConfig
from session.directory import RoomDirectory
from session.records import SeatLost
from session.redis_store import RedisSeatStore
from session.service import Sessions, open_sessions
from session.tokens import SessionClaims
from signalling.ids import DeviceId, NodeId, UserId
from tests.cluster.durable.private_redis import PrivateRedis, private_redis
from tests.unit.session.seats import ROOM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from signalling.ids import SessionId

pytestmark = pytest.mark.cluster

LEASE_S, RENEW_S = 3.0, 0.9
CLUSTER = "failover"


class Pair:
    """A master and its replica behind one address, which is a link to the socket of whichever serves."""

    def __init__(self, folder: Path, master: PrivateRedis, replica: PrivateRedis, port: int) -> None:
        self.address = folder / "serving.sock"
        self.address.symlink_to(master.socket)
        self._master = master
        self._replica = replica
        self._port = port

    def follow(self) -> None:
        """Let the replica hear everything written so far, and go on to listen."""
        with self._replica.client() as client:
            client.replicaof("127.0.0.1", str(self._port))
        with self._master.client() as client:
            assert client.wait(1, 5_000) == 1

    def stop_following(self) -> None:
        """What is written from now on never reaches the replica."""
        with self._replica.client() as client:
            client.replicaof("NO", "ONE")

    def fail_over(self) -> None:
        """The master dies, and the replica answers at its address."""
        self._master.process.kill()
        self._master.process.wait(5)
        self.address.unlink()
        self.address.symlink_to(self._replica.socket)

    def shown(self) -> dict[str, str]:
        """Whose lease stands at the address, and on which node."""
        with redis.Redis(unix_socket_path=str(self.address), decode_responses=True) as client:
            seconds, _ = client.time()
            slots = [client.hgetall(key) for key in client.keys(f"starling:{{{CLUSTER}:{ROOM}}}:seat:*")]
        return {str(slot["sid"]): str(slot["node"]) for slot in slots if int(slot.get("exp", 0)) > seconds * 1000}


@pytest.fixture
def pair() -> Iterator[Pair]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory(prefix="starling-failover-") as name:
        folder = Path(name)
        (folder / "a").mkdir()
        (folder / "b").mkdir()
        with (
            private_redis(folder / "a", "--port", str(port), "--repl-diskless-sync-delay", "0") as master,
            private_redis(folder / "b") as replica,
        ):
            pair = Pair(folder, master, replica, port)
            pair.follow()
            yield pair


async def test_live_seats_come_back_after_lost_writes(pair: Pair) -> None:
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(_open_node(pair, name)) for name in ("n1", "n2")]
        lost: list[SeatLost] = []
        nursery = await stack.enter_async_context(trio.open_nursery())
        for node in (first, second):
            nursery.start_soon(_note_losses, node, lost)

        stays = await _join(first, "ann")
        leaves = await _join(first, "bob")
        moves = await _join(second, "cid")
        pair.follow()
        pair.stop_following()
        # None of this reaches the replica.
        comes = await _join(second, "dan")
        first.leave(leaves, ROOM)
        moved = await _join(first, "cid", attempt=2)
        with trio.fail_after(5):
            while second.seat(moves, ROOM) is not None:
                await trio.sleep(0.05)

        pair.fail_over()
        expected = {stays: "n1", comes: "n2", moved: "n1"}
        # One lease, and the reconnect that the first renewal after the failover finds out about.
        with trio.move_on_after(LEASE_S + RENEW_S):
            while pair.shown() != expected:
                await trio.sleep(0.05)
        assert pair.shown() == expected
        await trio.sleep(LEASE_S)
        assert pair.shown() == expected, "and so it stays"
        assert first.seat(stays, ROOM) is not None
        assert second.seat(comes, ROOM) is not None
        assert [(event.session, event.reason) for event in lost] == [(moves, "replaced")], "nobody there was put out"
        nursery.cancel_scope.cancel()


async def _join(node: Sessions, user: str, *, attempt: int = 1) -> SessionId:
    claims = SessionClaims(
        user=UserId(user), device=DeviceId(f"{user}-laptop"), name=user, session=None, token_id="t", expires_at=0.0
    )
    session = node.mint_session(claims).session
    admitted = await node.join(session, ROOM, attempt)
    assert not admitted.degraded
    return session


async def _note_losses(node: Sessions, lost: list[SeatLost]) -> None:
    async for event in node.events:
        if isinstance(event, SeatLost):
            lost.append(event)  # noqa: PERF401 - there is no end of events to wait for


@asynccontextmanager
async def _open_node(pair: Pair, name: str) -> AsyncIterator[Sessions]:
    """Run a node's session service with a connection of its own."""
    config = SessionConfig(cluster=CLUSTER, node=NodeId(name), lease_s=LEASE_S, renew_s=RENEW_S, grace_s=1.0)
    async with open_redis(f"unix://{pair.address}", deadline_s=0.5) as connection:
        store = RedisSeatStore.from_config(connection, config)
        directory = RoomDirectory(RedisRepository(connection, cluster=CLUSTER), max_rooms=9)
        async with open_sessions(config, store=store, directory=directory) as sessions:
            yield sessions
