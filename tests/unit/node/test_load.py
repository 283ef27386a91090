"""How loaded a node says it is: by sessions and engine, seldom, and at once where there is no place left."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import trio

from membership import GossipUnavailableError, LoadClass, NodeTags
from node.load import EVERY_S, LEAST_S, LoadGauge, watch_load
from sfu import EngineTimeoutError
from signalling.ids import NodeId

if TYPE_CHECKING:
    from trio.testing import MockClock

LOW, BUSY, HIGH, FULL = LoadClass


def test_the_fuller_of_both_counts_and_only_sessions_fill() -> None:
    for sessions, media, load in (
        (0.0, 0.0, LOW),
        (0.49, 0.4, LOW),
        (0.5, 0.0, BUSY),
        (0.1, 0.6, BUSY),
        (0.2, 0.8, HIGH),
        (0.99, 0.0, HIGH),
        (0.1, 1.4, HIGH),
        (1.0, 0.0, FULL),
        (1.5, 0.3, FULL),
    ):
        assert LoadGauge().read(sessions=sessions, media=media, now=0.0) is load, (sessions, media)


def test_more_is_told_at_once_and_less_after_a_while_and_by_a_margin() -> None:
    gauge = LoadGauge()
    assert gauge.read(sessions=0.6, media=0.0, now=0.0) is BUSY
    assert gauge.read(sessions=1.0, media=0.0, now=1.0) is FULL
    assert gauge.read(sessions=0.2, media=0.0, now=1.0 + LEAST_S - 0.1) is FULL
    assert gauge.read(sessions=0.95, media=0.0, now=2.0 + LEAST_S) is FULL
    assert gauge.read(sessions=0.6, media=0.0, now=3.0 + LEAST_S) is BUSY
    assert gauge.read(sessions=0.45, media=0.0, now=4.0 + 2 * LEAST_S) is BUSY
    assert gauge.read(sessions=0.39, media=0.0, now=5.0 + 2 * LEAST_S) is LOW


class Gossip:
    """A membership that notes when its load changes."""

    def __init__(self) -> None:
        self.tags = NodeTags(
            cluster="test",
            node_id=NodeId("ams"),
            role="media",
            region="eu",
            public_url="http://127.0.0.1:1",
            public_key=bytes(32),
        )
        self.is_down = False
        self.told: list[tuple[float, LoadClass]] = []

    async def set_tags(self, tags: NodeTags) -> None:
        await trio.lowlevel.checkpoint()
        self.tags = tags
        if self.is_down:
            raise GossipUnavailableError("no agent")
        self.told.append((trio.current_time(), tags.load))


class Engine:
    """Says how long its one worker has worked."""

    def __init__(self) -> None:
        self.busy = 0.0
        self.is_dead = False

    async def statistics(self) -> Any:
        await trio.lowlevel.checkpoint()
        if self.is_dead:
            raise EngineTimeoutError("statistics")
        return SimpleNamespace(
            workers=(SimpleNamespace(worker=0, busy_ms=round(self.busy * 1000 * trio.current_time())),)
        )


async def test_what_changes_is_told_once_and_the_rest_of_the_tags_stays(autojump_clock: MockClock) -> None:
    gossip, engine, sessions = Gossip(), Engine(), [0]
    gossip.tags = replace(gossip.tags, eligible=False)
    async with trio.open_nursery() as nursery:
        membership: Any = gossip
        media: Any = engine
        nursery.start_soon(lambda: watch_load(membership, media, lambda: sessions[0], max_sessions=4))
        await trio.sleep(60)
        assert gossip.told == []
        sessions[0] = 4
        await trio.sleep(2 * EVERY_S)
        assert [load for _, load in gossip.told] == [FULL]
        assert not gossip.tags.eligible
        engine.is_dead, sessions[0] = True, 1
        await trio.sleep(2 * LEAST_S)
        assert [load for _, load in gossip.told] == [FULL, LOW]
        # Without an agent the tags are set all the same, and the next one says them.
        gossip.is_down, sessions[0] = True, 3
        await trio.sleep(2 * EVERY_S)
        assert gossip.tags.load is HIGH
        nursery.cancel_scope.cancel()


async def test_a_busy_engine_counts(autojump_clock: MockClock) -> None:
    gossip, engine = Gossip(), Engine()
    async with trio.open_nursery() as nursery:
        membership: Any = gossip
        media: Any = engine
        nursery.start_soon(lambda: watch_load(membership, media, lambda: 0, max_sessions=4))
        engine.busy = 0.8
        await trio.sleep(4 * EVERY_S)
        nursery.cancel_scope.cancel()
    assert [load for _, load in gossip.told] == [HIGH]
