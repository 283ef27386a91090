"""The index of seats is read out of a real Redis as the store wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from durable import open_redis
from session import RedisSeatReader, RedisSeatStore
from session.audit import StoredSeat
from signalling.ids import RoomId
from tests.cluster.durable.private_redis import private_redis
from tests.unit.session.seats import ROOM, seat

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.cluster


async def test_live_seats_of_all_rooms_and_of_no_other_cluster(tmp_path: Path) -> None:
    with private_redis(tmp_path) as server:
        async with open_redis(server.url, deadline_s=5) as connection:
            mine = RedisSeatStore(connection, cluster="alps", lease_s=8, tombstone_s=60)
            theirs = RedisSeatStore(connection, cluster="alps-2", lease_s=8, tombstone_s=60)
            reader = RedisSeatReader(connection, cluster="alps")
            assert await reader.rooms() == frozenset()
            assert await reader.seats_in(()) == ()
            people = tuple(seat(f"s{number}", 2, user=f"u{number}") for number in range(700))
            elsewhere = seat("s-x", 1, user="x", room="attic", node="n2")
            await mine.assert_seats((*people, elsewhere))
            await theirs.assert_seats((seat("s-y", 1, user="y", room="cellar"),))
            await mine.release(people[:10])
            assert await reader.rooms() == {ROOM, RoomId("attic")}
            found = await reader.seats_in({ROOM, RoomId("attic"), RoomId("nowhere")})
            assert {one.session for one in found} == {*(one.session for one in people[10:]), elsewhere.session}
            assert (
                StoredSeat(
                    room=elsewhere.room,
                    slot=elsewhere.slot,
                    session=elsewhere.session,
                    device=elsewhere.device,
                    attempt=1,
                    node=elsewhere.node,
                )
                in found
            )
