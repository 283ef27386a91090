"""Looks how this node reaches every other one, and asks each of them the same.

A link with every living node is wanted for as long as it takes. What a link measures in its first second or two is
what is told; one that does not come up in time is told with its state and its last failure. Clocks are compared over
the link itself: of several answers the one with the shortest round trip counts, and half of that is its error.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

import structlog
import trio

from membership import MemberState
from node.reachability.matrix import Reach, Reachability, judge, rows_of
from node.reachability.mtu import path_mtu
from relay import ClockTold, LinkState, ReachTold
from relay.link_peer import node_of_link
from sfu import EngineError
from signalling.mesh.link import MAX_REACH_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from membership import ClusterView, ViewMember
    from node.conductor.ports import OtherNodes
    from relay import LinkStatus, ReachAsked
    from sfu import Engine
    from signalling.ids import NodeId
    from signalling.mesh.link import ReachRow

WITHIN_S: Final = 12.0
"""For links to come up and measure: an offer is repeated after some 2 and 5 s, and gossip takes a second each way."""

ASKED_WITHIN_S: Final = 20.0
"""For the others: they begin when the link to them is up, and look as long as this node does."""

MEASURE_S: Final = 2.0
"""After a link came up: it tells what it measured once a second."""

CLOCK_READINGS: Final = 4

CLOCK_ANSWER_S: Final = 1.0
"""For one answer: the longest way round the earth takes 0.4 s."""

MAX_ANSWERS: Final = 16
"""Nodes that are answered at once; all of them share one look."""

BUSY: Final = "busy"
"""That node answers enough others at the moment."""

_LOG = structlog.get_logger("reachability")


class _Word:
    """A word from another node that somebody waits for."""

    def __init__(self) -> None:
        self.came = trio.Event()
        self.rows: tuple[ReachRow, ...] | None = None
        self.at_s = 0.0


class _Look:
    """One look, for everybody who asks while it goes on."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.ways: tuple[Reach, ...] = ()


class Preflight:
    """Looks at the ways from here, one look at a time.

    Args:
        view: The cluster as this node sees it now.
        relay: The way to other nodes.
        engine: Has the limits that media has met on links; none of those where it met none, idle ones above all.
        wall_s: This node's clock, seconds since 1970.
    """

    def __init__(
        self, *, view: Callable[[], ClusterView], relay: OtherNodes, engine: Engine, wall_s: Callable[[], float]
    ) -> None:
        self._view = view
        self._relay = relay
        self._engine = engine
        self._wall_s = wall_s
        self._nursery: trio.Nursery | None = None
        self._current: _Look | None = None
        self._answering = 0
        self._rose = trio.Event()
        self._awaited: dict[tuple[NodeId, str], _Word] = {}

    def start(self, nursery: trio.Nursery) -> None:
        """Answer other nodes in tasks of this nursery."""
        self._nursery = nursery

    async def look_everywhere(self) -> Reachability:
        """Look from here and from every other node; takes a few seconds where all is well, half a minute where not."""
        view = self._view()
        living = {member.node_id: member for member in view.alive()}
        told: dict[NodeId, tuple[ReachRow, ...]] = {}
        trace = secrets.token_hex(8)

        async def look_here() -> None:
            told[view.own_id] = rows_of(await self._look())

        async def ask(node: NodeId) -> None:
            rows = await self._ask(node, trace)
            if rows is not None:
                told[node] = rows

        async with trio.open_nursery() as nursery:
            nursery.start_soon(look_here)
            for node in living.keys() - {view.own_id}:
                nursery.start_soon(ask, node)
        protocols = {node: (one.tags.protocol_min, one.tags.protocol_max) for node, one in living.items()}
        failed = [node for node, one in view.members.items() if one.state is MemberState.FAILED]
        found = judge(view.own_id, protocols, told, failed)
        _LOG.info("reachability", trace=trace, nodes=len(living), silent=len(found.silent), whole=found.is_whole)
        return found

    def answer(self, asked: ReachAsked) -> None:
        """Another node asks how this one reaches the others."""
        assert self._nursery is not None, "started with the conductor"
        if self._answering < MAX_ANSWERS:
            self._answering += 1
            self._nursery.start_soon(self._answer, asked)
        else:
            self._relay.tell_reach(asked.node, asked.trace, (), code=BUSY)

    def link_rose(self) -> None:
        """A link came up."""
        self._rose.set()
        self._rose = trio.Event()

    def told(self, word: ReachTold | ClockTold) -> None:
        """Another node answers; what nobody asked for is dropped."""
        awaited = self._awaited.get((word.node, word.trace))
        if awaited is None:
            return
        match word:
            case ReachTold(rows=rows, code=code):
                awaited.rows = rows if not code else None
            case ClockTold(at_s=at_s):
                awaited.at_s = at_s
        awaited.came.set()

    async def _answer(self, asked: ReachAsked) -> None:
        try:
            with trio.move_on_after(asked.within_ms / 1000):
                self._relay.tell_reach(asked.node, asked.trace, rows_of(await self._look())[:MAX_REACH_ROWS])
        finally:
            self._answering -= 1

    async def _linked(self, nodes: Sequence[NodeId]) -> None:
        """Wait until there is a link with each of them."""
        await trio.lowlevel.checkpoint()
        while not all(self._relay.is_linked(node) for node in nodes):
            await self._rose.wait()

    async def _ask(self, node: NodeId, trace: str) -> tuple[ReachRow, ...] | None:
        """Ask a node as soon as there is a link to it; None when it did not say."""
        with trio.move_on_after(WITHIN_S):
            await self._linked((node,))
        awaited = self._awaited[node, trace] = _Word()
        try:
            if self._relay.is_linked(node):
                self._relay.ask_reach(node, trace, within_s=ASKED_WITHIN_S)
                with trio.move_on_after(ASKED_WITHIN_S):
                    await awaited.came.wait()
        finally:
            del self._awaited[node, trace]
        return awaited.rows

    async def _look(self) -> tuple[Reach, ...]:
        """Look from here, or wait for the look that goes on."""
        assert self._nursery is not None, "started with the conductor"
        look = self._current
        if look is None:
            look = self._current = _Look()
            # Of its own, as whoever began it may give up while others wait for it.
            self._nursery.start_soon(self._run, look)
        await look.done.wait()
        return look.ways

    async def _run(self, look: _Look) -> None:
        try:
            view = self._view()
            look.ways = await self._ways({member.node_id: member for member in view.alive()}, view.own_id)
        finally:
            self._current = None
            look.done.set()

    async def _ways(self, living: dict[NodeId, ViewMember], own: NodeId) -> tuple[Reach, ...]:
        others = sorted(living.keys() - {own})
        self._relay.try_all(WITHIN_S + MEASURE_S + CLOCK_READINGS * CLOCK_ANSWER_S)
        with trio.move_on_after(WITHIN_S):
            await self._linked(others)
            await trio.sleep(MEASURE_S)
        clocks: dict[NodeId, tuple[float, float]] = {}
        async with trio.open_nursery() as nursery:
            for node in others:
                if self._relay.is_linked(node):
                    nursery.start_soon(self._read_clock, node, clocks)
        carries = await self._bandwidths()
        links = {link.node: link for link in self._relay.snapshot()}
        return tuple(_way(own, living[node], links.get(node), clocks.get(node), carries.get(node)) for node in others)

    async def _read_clock(self, node: NodeId, clocks: dict[NodeId, tuple[float, float]]) -> None:
        for _ in range(CLOCK_READINGS):
            trace = secrets.token_hex(8)
            awaited = self._awaited[node, trace] = _Word()
            began, began_wall_s = trio.current_time(), self._wall_s()
            self._relay.ask_clock(node, trace)
            with trio.move_on_after(CLOCK_ANSWER_S):
                await awaited.came.wait()
            del self._awaited[node, trace]
            if awaited.came.is_set():
                half_s = (trio.current_time() - began) / 2
                reading = ((awaited.at_s - began_wall_s - half_s) * 1000, half_s * 1000)
                clocks[node] = min(clocks.get(node, reading), reading, key=lambda one: one[1])

    async def _bandwidths(self) -> dict[NodeId, int]:
        """The limits that media has met, bits per second: read, as a look sends nothing that could find one."""
        try:
            statistics = await self._engine.statistics()
        except EngineError:
            return {}
        found: dict[NodeId, int] = {}
        for peer in statistics.peers:
            node = node_of_link(peer.peer)
            if node is not None and peer.estimate_bps is not None:
                found[node] = max(found.get(node, 0), peer.estimate_bps)
        return found


def _way(
    own: NodeId,
    member: ViewMember,
    link: LinkStatus | None,
    clock: tuple[float, float] | None,
    bandwidth_bps: int | None,
) -> Reach:
    address = member.address
    offset_ms, error_ms = (None, None) if clock is None else clock
    return Reach(
        sender=own,
        receiver=member.node_id,
        state=LinkState.WAITING if link is None else link.state,
        reason="" if link is None else link.reason,
        setup_ms=_rounded(None if link is None else link.setup_ms),
        rtt_ms=_rounded(None if link is None else link.rtt_ms),
        jitter_ms=_rounded(None if link is None else link.jitter_ms),
        loss=None if link is None else link.loss,
        bandwidth_bps=bandwidth_bps,
        mtu=path_mtu(address),
        clock_ms=_rounded(offset_ms),
        clock_error_ms=_rounded(error_ms),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
