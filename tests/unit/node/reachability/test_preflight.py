"""The look at all ways: links are wanted, others are asked, clocks compared; one look serves all who ask."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from membership import ClusterView, MemberState, NodeTags, ViewMember
from node.reachability.preflight import MAX_ANSWERS, MEASURE_S, WITHIN_S, Preflight
from relay import ClockTold, LinkState, LinkStatus, ReachAsked, ReachTold
from sfu import EngineConfig, open_engine
from signalling.mesh.link import ReachRow
from tests.unit.node.conductor.house import HERE, THERE, Mesh
from tests.unit.sfu.fake_engine import FakeHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

    from node.reachability import Reachability
    from signalling.ids import NodeId

LINK = LinkStatus(
    node=THERE,
    state=LinkState.UP,
    role="offerer",
    age_s=2.0,
    setup_ms=800.0,
    rtt_ms=40.0,
    jitter_ms=1.0,
    loss=0.0,
    failures=0,
    reason="",
)


def member(node: NodeId) -> ViewMember:
    tags = NodeTags(cluster="test", node_id=node, role="media", region="r", public_url="http://h", public_key=bytes(32))
    return ViewMember(serf_name=node, address="127.0.0.1", port=1, state=MemberState.ALIVE, tags=tags)


@asynccontextmanager
async def open_preflight(mesh: Mesh) -> AsyncIterator[Preflight]:
    view = ClusterView(own_id=HERE, members=MappingProxyType({node: member(node) for node in (HERE, THERE)}))
    async with open_engine(EngineConfig(), spawn=FakeHost().spawn) as engine, trio.open_nursery() as nursery:
        preflight = Preflight(view=lambda: view, relay=mesh, engine=engine, wall_s=lambda: 1000.0 + trio.current_time())
        preflight.start(nursery)
        yield preflight
        nursery.cancel_scope.cancel()


async def test_a_look_asks_the_other_and_compares_clocks(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    mesh.links = (LINK,)
    async with open_preflight(mesh) as preflight, trio.open_nursery() as nursery:
        found: list[Reachability] = []

        async def look() -> None:
            found.append(await preflight.look_everywhere())

        nursery.start_soon(look)
        await wait_all_tasks_blocked()
        assert mesh.tried, "a link with everybody is wanted"
        ((node, trace),) = mesh.reach_asked
        preflight.told(ReachTold(node=node, trace=trace, rows=(ReachRow(HERE, "up"),), code=""))
        await trio.sleep(MEASURE_S)
        for answered in range(4):
            await wait_all_tasks_blocked()
            node, trace = mesh.clocks_asked[answered]
            await trio.sleep(0.02 * (answered + 1))
            preflight.told(ClockTold(node=node, trace=trace, at_s=1000.0 + trio.current_time() + 3.0))
        await wait_all_tasks_blocked()
        await trio.sleep(1)
        (reached,) = found
        assert reached.is_whole
        way = reached.ways[0]
        assert (way.sender, way.receiver, way.rtt_ms, way.setup_ms) == (HERE, THERE, 40.0, 800.0)
        assert way.clock_error_ms == pytest.approx(10.0), "of all answers the quickest counts"
        assert way.clock_ms == pytest.approx(3010.0, abs=1)
        assert way.mtu is not None
        assert way.mtu >= 1280


async def test_a_node_that_no_link_comes_up_with_is_silent_and_missed(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    mesh.cut_off = {THERE}
    async with open_preflight(mesh) as preflight:
        began = trio.current_time()
        found = await preflight.look_everywhere()
        assert trio.current_time() - began == pytest.approx(WITHIN_S, abs=1)
        assert (found.is_whole, found.silent) == (False, (THERE,))
        assert found.ways[0].state == "waiting"
        assert mesh.clocks_asked == mesh.reach_asked == []


async def test_a_link_that_comes_late_is_seen_when_it_comes(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    mesh.links = (LINK,)
    mesh.cut_off = {THERE}
    async with open_preflight(mesh) as preflight, trio.open_nursery() as nursery:
        nursery.start_soon(preflight.look_everywhere)
        await trio.sleep(3)
        assert mesh.reach_asked == []
        mesh.cut_off.clear()
        preflight.link_rose()
        await wait_all_tasks_blocked()
        assert len(mesh.reach_asked) == 1
        nursery.cancel_scope.cancel()


async def test_one_look_serves_all_and_too_many_are_told_so(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    mesh.links = (LINK,)
    async with open_preflight(mesh) as preflight:
        for number in range(MAX_ANSWERS + 1):
            preflight.answer(ReachAsked(node=THERE, trace=f"t{number}", within_ms=30_000))
        await trio.sleep(10)
        assert len(mesh.tried) == 1
        assert [code for *_, code in mesh.reach_told].count("busy") == 1
        assert len(mesh.reach_told) == MAX_ANSWERS + 1
        preflight.answer(ReachAsked(node=THERE, trace="late", within_ms=100))
        await trio.sleep(10)
        assert len(mesh.reach_told) == MAX_ANSWERS + 1, "who does not wait as long gets no answer"
