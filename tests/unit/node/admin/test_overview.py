"""A node on one screen: the fullest rooms, and how much there is to do, also while the engine is replaced."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import trio

from node.admin import Links, Members, Overview, Rtts, StatusReport
from node.admin.overview import MAX_ROOMS, look_over
from sfu import EngineLostError

if TYPE_CHECKING:
    from node.conductor import Conductor
    from sfu import Engine

STATUS = StatusReport(
    node="ada", cluster="c", region="r", url="http://x", pid=1, mesh=True, ready=True, problems=(), warnings=()
)


class Rooms:
    """Rooms by name: for each person the node, and how many tracks."""

    def __init__(self, rooms: dict[str, list[tuple[str, int]]]) -> None:
        self._rooms = rooms

    def live_rooms(self) -> list[str]:
        return list(self._rooms)

    def snapshot(self, room: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(node=node, tracks=["t"] * tracks) for node, tracks in self._rooms[room]]


class Media:
    """An engine with two workers and two peers, or one that is gone."""

    def __init__(self, *, is_gone: bool = False) -> None:
        self._is_gone = is_gone

    async def statistics(self) -> SimpleNamespace:
        await trio.lowlevel.checkpoint()
        if self._is_gone:
            raise EngineLostError("gone")
        return SimpleNamespace(
            peers=[SimpleNamespace(bytes_in=10, bytes_out=1), SimpleNamespace(bytes_in=5, bytes_out=2)],
            workers=[SimpleNamespace(busy_ms=7), SimpleNamespace(busy_ms=8)],
            memory_bytes=1024,
        )


async def _look(rooms: dict[str, list[tuple[str, int]]], *, is_gone: bool = False) -> Overview:
    return await look_over(
        status=STATUS,
        members=Members(members=()),
        links=Links(links=()),
        rtts=Rtts(me="ada", nodes=("ada",), pairs=()),
        conductor=cast("Conductor", SimpleNamespace(stage=SimpleNamespace(rooms=Rooms(rooms)))),
        engine=cast("Engine", Media(is_gone=is_gone)),
    )


async def test_rooms_are_told_with_who_is_where() -> None:
    seen = await _look({"hall": [("ada", 2), ("bob", 1), ("ada", 0)], "far": [("bob", 1)]})
    (hall, far) = seen.rooms
    assert (hall.room, hall.here, hall.everywhere, hall.tracks, hall.nodes) == ("hall", 2, 3, 3, ("ada", "bob"))
    assert (far.here, far.everywhere) == (0, 1)
    assert (seen.load.rooms, seen.load.participants) == (1, 2), "those with people here"


async def test_the_fullest_rooms_are_listed_and_all_are_counted() -> None:
    rooms = {f"r{number:03}": [("ada", 0)] * (1 + number // 100) for number in range(150)}
    seen = await _look(rooms)
    assert len(seen.rooms) == MAX_ROOMS
    assert [room.room for room in seen.rooms] == [f"r{number:03}" for number in range(100, 150)]
    assert (seen.load.rooms, seen.load.participants) == (150, 200)


async def test_the_engines_work_is_summed_up() -> None:
    load = (await _look({})).load
    assert (load.peers, load.workers, load.busy_ms) == (2, 2, 15)
    assert (load.bytes_in, load.bytes_out, load.engine_bytes) == (15, 3, 1024)


async def test_without_an_engine_the_rest_is_told() -> None:
    load = (await _look({"hall": [("ada", 1)]}, is_gone=True)).load
    assert (load.peers, load.workers, load.participants) == (0, 0, 1)
    assert load.cores >= 1
