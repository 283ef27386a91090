"""Reading coordinates: everybody known at once, then a little at a time, and nobody who is gone."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import trio

from membership.distance.coordinates import ROUND_S, CoordinateReader
from membership.distance.estimate import NetworkCoordinate
from membership.rpc.errors import RemoteRpcError
from signalling.ids import NodeId
from tests.unit.membership.places import member, view

if TYPE_CHECKING:
    from trio.testing import MockClock

    from membership.rpc.client import SerfClient

SOMEWHERE = NetworkCoordinate(vector=(0.1,), height=0.0, adjustment=0.0, error=0.1)


class FakeAgent:
    """Has a coordinate for everybody but those that it was told of."""

    def __init__(self, *, unknown: tuple[str, ...] = (), failing: tuple[str, ...] = ()) -> None:
        self.asked: list[tuple[str, float]] = []
        self._unknown, self._failing = unknown, failing

    async def coordinate(self, name: str) -> NetworkCoordinate | None:
        await trio.lowlevel.checkpoint()
        self.asked.append((name, trio.current_time()))
        if name in self._failing:
            raise RemoteRpcError("get-coordinate", "no such member")
        return None if name in self._unknown else SOMEWHERE


async def test_all_are_known_within_a_second_and_then_read_evenly(autojump_clock: MockClock) -> None:
    agent = FakeAgent()
    reader = CoordinateReader(lambda: view(*(member(f"n{number}") for number in range(10))))
    with trio.move_on_after(1):
        await reader.run(cast("SerfClient", agent))
    assert len(reader.seen) == 10
    agent.asked.clear()
    with trio.move_on_after(ROUND_S - 0.1):
        await reader.run(cast("SerfClient", agent))
    assert len({name for name, _ in agent.asked}) == len(agent.asked) == 10
    times = [at for _, at in agent.asked]
    assert all(abs(later - earlier - ROUND_S / 10) < 1e-6 for earlier, later in itertools.pairwise(times))


async def test_who_was_never_probed_or_is_gone_is_asked_for_again_and_stops_nothing(autojump_clock: MockClock) -> None:
    agent = FakeAgent(unknown=("a-4",), failing=("b-4",))
    reader = CoordinateReader(lambda: view(member("a"), member("b"), member("c")))
    with trio.move_on_after(2.5 * ROUND_S):
        await reader.run(cast("SerfClient", agent))
    assert set(reader.seen) == {"c"}
    assert sum(name == "a-4" for name, _ in agent.asked) >= 2


async def test_who_left_is_forgotten_and_an_empty_cluster_is_waited_for(autojump_clock: MockClock) -> None:
    nodes = [member("a"), member("b")]
    reader = CoordinateReader(lambda: view(*nodes))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run, cast("SerfClient", FakeAgent()))
        await trio.sleep(1)
        assert set(reader.seen) == {"a", "b"}
        before = reader.seen
        del nodes[1]
        await trio.sleep(2 * ROUND_S)
        assert set(reader.seen) == {"a"}
        assert set(before) == {"a", NodeId("b")}, "a snapshot stays what it was"
        nodes.clear()
        await trio.sleep(2 * ROUND_S)
        assert not reader.seen
        nursery.cancel_scope.cancel()


class JumpyAgent(FakeAgent):
    """A node with a neighbour in the same room: its error jumps now and then, and decays."""

    def __init__(self, *errors: float) -> None:
        super().__init__()
        self._errors = list(errors)

    async def coordinate(self, name: str) -> NetworkCoordinate | None:
        await super().coordinate(name)
        return replace(SOMEWHERE, error=self._errors.pop(0) if len(self._errors) > 1 else self._errors[0])


async def test_an_error_that_jumps_for_a_moment_is_not_believed_and_one_that_stays_is(
    autojump_clock: MockClock,
) -> None:
    reader = CoordinateReader(lambda: view(member("a")))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run, cast("SerfClient", JumpyAgent(1.5, 0.4, 1.5)))
        errors = []
        for _ in range(6):
            await trio.sleep(ROUND_S)
            errors.append(reader.seen[NodeId("a")].coordinate.error)
        nursery.cancel_scope.cancel()
    assert errors == [0.4, 0.4, 0.4, 0.4, 1.5, 1.5]
