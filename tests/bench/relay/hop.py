"""What one more node on the way adds to the delay, beside a process that only hands datagrams on.

    people   sender -> engine -> receiver           bare   meter -> hop -> meter
             sender -> engine -> engine -> receiver        meter -> hop -> hop -> meter

The difference of each pair of quantiles is what the second one adds: what both ends take falls out. Packets are of the
same sizes and leave in the same pairs, 60 of these a second, by turns over each of the four ways, all on loopback.

Whoever hands a packet on wakes the next one, and where that is decides more than what either does: a few microseconds
on the same core, some tens on another that idles. So each stands on another core than the one before it, as nodes do.
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from sfu import EngineConfig, WantedTrack, open_engine
from sfu.participants import VideoPlan, open_participants
from signalling.ids import ParticipantId, PeerId
from tests.bench.accounting import keep_on
from tests.bench.load import build, open_load, smooth
from tests.bench.relay.part import Outcome, Part
from tests.bench.relay.quantiles import between, quantile
from tests.bench.report import at_most
from tests.cluster.processes import descendants
from tests.cluster.sfu.stage import LINK, ROOM, Stage, link, track_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from sfu.participants import Participants
    from tests.bench.load import Load
    from tests.bench.relay.part import Say
    from tests.bench.rounds import Rounds

__all__ = ["HOP", "Added", "Way"]

FRAMES_PER_S: Final = 60
PACKET_BYTES: Final = 1000
PLAN: Final = VideoPlan(frames_per_s=FRAMES_PER_S, bits_per_s=FRAMES_PER_S * 2 * PACKET_BYTES * 8)
SHAPE: Final = smooth(2 * FRAMES_PER_S, burst=2, size=PACKET_BYTES)
SENDER: Final = "anna"
CONNECT_S: Final = 20.0
LOOK_S: Final = 0.05

SETTLE_S: Final = 0.5
"""What connecting delayed is over by then."""

LEG: Final = 1

SLICES: Final = 4
"""Turns of each way in a round, half as long as a measurement: what changes slowly on a machine is in all of them.

A hundredth of their packets together is more than a few.
"""

GOAL_P50: Final = 2.0
GOAL_P99_MS: Final = 1.0

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How long packets took over one of the ways, microseconds."""

    packets: int
    p50_us: float
    p99_us: float

    @classmethod
    def of(cls, delays_us: Sequence[float]) -> Way:
        """Sum up.

        Raises:
            ValueError: No packet arrived.
        """
        return cls(packets=len(delays_us), p50_us=quantile(delays_us, 0.5), p99_us=quantile(delays_us, 0.99))


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """What the second node, and the second bare hop, added in one round.

    Attributes:
        one_node: The way over one engine.
        two_nodes: The way over two.
        one_hop: The way over one bare hop.
        two_hops: The way over two.
    """

    one_node: Way
    two_nodes: Way
    one_hop: Way
    two_hops: Way

    @property
    def p50_ratio(self) -> float:
        """Median of what a node adds, in what a bare hop adds; without an end where that is nothing."""
        bare_us = self.two_hops.p50_us - self.one_hop.p50_us
        return (self.two_nodes.p50_us - self.one_node.p50_us) / bare_us if bare_us > 0 else float("inf")

    @property
    def p99_above_ms(self) -> float:
        """What a node adds to the slowest hundredth beyond what a bare hop adds to it, milliseconds."""
        node_us = self.two_nodes.p99_us - self.one_node.p99_us
        return (node_us - (self.two_hops.p99_us - self.one_hop.p99_us)) / 1000

    def __str__(self) -> str:
        """Say it in a line."""
        node, bare = (
            f"p50 {two.p50_us - one.p50_us:.0f} us, p99 {two.p99_us - one.p99_us:.0f} us"
            for one, two in ((self.one_node, self.two_nodes), (self.one_hop, self.two_hops))
        )
        return f"a node adds {node}; a bare hop {bare}"


async def measure(rounds: Rounds, say: Say) -> Outcome:
    """Take turns over the four ways."""
    program = build()
    found = []
    async with AsyncExitStack() as stack:
        senders, sending = await _with_pid(stack.enter_async_context(open_participants()))
        receivers, receiving = await _with_pid(stack.enter_async_context(open_participants()))
        near, at_near = await _with_pid(_open_stage(stack, receivers))
        far, at_far = await _with_pid(_open_stage(stack, receivers))
        await link(near, far)
        await _publish(near, senders)
        track = track_of(SENDER, "video")
        await far.engine.open_leg_in(LINK, LEG, track, "video", ROOM)
        meter = await stack.enter_async_context(open_load(program, "meter"))
        last = await stack.enter_async_context(open_load(program, "hop"))
        first = await stack.enter_async_context(open_load(program, "hop"))
        arrival = await meter.meter()
        at_last = await last.forward([arrival])
        at_first = await first.forward([at_last])
        bare = _Bare(meter=meter, hops=(first.pid, last.pid), seconds=rounds.measure_s / 2)
        nodes = _Nodes(receivers=receivers, ends=(sending, receiving), seconds=rounds.measure_s / 2)
        for number in range(rounds.count):
            delays_us: dict[str, list[float]] = defaultdict(list)
            for turn in range(SLICES):
                name = f"{number}_{turn}"
                delays_us["one_hop"] += await bare.time(at_last, hops=1)
                delays_us["one_node"] += await nodes.watch(near, f"near{name}", [at_near])
                delays_us["two_hops"] += await bare.time(at_first, hops=2)
                # The other way is not to carry a leg beside.
                await near.engine.open_leg_out(LINK, LEG, track, ROOM)
                delays_us["two_nodes"] += await nodes.watch(far, f"far{name}", [at_near, at_far])
                await near.engine.close_leg_out(LINK, LEG)
            found.append(Added(**{name: Way.of(taken) for name, taken in delays_us.items()}))
            say(f"{number + 1}/{rounds.count} {found[-1]}")
    return Outcome(
        goals=[
            at_most("delay added by a node, p50 / by a bare UDP hop", GOAL_P50, [one.p50_ratio for one in found]),
            at_most("ms of it above a bare UDP hop's, p99", GOAL_P99_MS, [one.p99_above_ms for one in found]),
        ],
        raw={"rounds": [asdict(one) for one in found]},
    )


async def _open_stage(stack: AsyncExitStack, receivers: Participants) -> Stage:
    engine = await stack.enter_async_context(open_engine(EngineConfig(workers=1)))
    nursery = await stack.enter_async_context(trio.open_nursery())
    stage = Stage(engine, receivers)
    stack.callback(nursery.cancel_scope.cancel)
    nursery.start_soon(stage.attend)
    return stage


async def _publish(stage: Stage, senders: Participants) -> None:
    """Have somebody of another program than the receivers' send a picture to an engine."""
    opened = await senders.open(SENDER, stamp=1, video=PLAN, audio=False)
    tracks = {sent.mid: track_of(SENDER, sent.kind) for sent in opened.tracks}
    answer = await stage.engine.publish(
        PeerId(f"pb_{SENDER}"), opened.sdp, tracks, room=ROOM, sender=ParticipantId(SENDER)
    )
    await senders.published(SENDER, answer)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Bare:
    """The way over hops.

    Attributes:
        meter: Sends and takes.
        hops: Processes in the order of the way; one hop is the last of them.
        seconds: How long a turn is.
    """

    meter: Load
    hops: tuple[int, ...]
    seconds: float

    async def time(self, to: str, *, hops: int) -> list[float]:
        """What packets take over so many hops, of which this is the first, microseconds."""
        cores = _alternating(hops + 2)
        for pid, core in zip(self.hops[-hops:], cores[1:-1], strict=False):
            keep_on(pid, {core})
        ends = (cores[0], cores[-1]) if cores else None
        return await self.meter.time(to, SHAPE, self.seconds, cores=ends)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Nodes:
    """The way over nodes.

    Attributes:
        receivers: Who takes.
        ends: The processes of who sends and who takes.
        seconds: How long a turn is.
    """

    receivers: Participants
    ends: tuple[int, int]
    seconds: float

    async def watch(self, stage: Stage, name: str, engines: Sequence[int]) -> list[float]:
        """What the packets take that somebody receives from the last of these engines, microseconds."""
        way = [self.ends[0], *engines, self.ends[1]]
        for pid, core in zip(way, _alternating(len(way)), strict=False):
            keep_on(pid, {core})
        peer = PeerId(f"sb_{name}")
        await self.receivers.open(name, stamp=0, video=None, audio=False)
        wanted = [WantedTrack(track=track_of(SENDER, "video"), kind="video")]
        await stage.engine.subscribe(peer, wanted, room=ROOM, participant=ParticipantId(name))
        with trio.fail_after(CONNECT_S):
            while not await _delays(self.receivers, name):
                await trio.sleep(LOOK_S)
        await trio.sleep(SETTLE_S)
        before = await _delays(self.receivers, name)
        await trio.sleep(self.seconds)
        after = await _delays(self.receivers, name)
        await stage.engine.close_peer(peer)
        await self.receivers.close(name)
        return between(before, after)


def _alternating(count: int) -> list[int]:
    """A core for each, another one than that of the one before; none where there is one core."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    return [cores[number % 2] for number in range(count)] if len(cores) > 1 else []


async def _with_pid(opening: Awaitable[T]) -> tuple[T, int]:
    """What is opened, and the process of ours that it started."""
    before = descendants(os.getpid())
    opened = await opening
    (pid,) = descendants(os.getpid()) - before
    return opened, pid


async def _delays(receivers: Participants, name: str) -> tuple[tuple[int, int], ...]:
    for one in await receivers.timings():
        if one.participant == name:
            for media in one.received:
                return media.delays_us
    return ()


def _takes_s(rounds: Rounds) -> float:
    return 5 + rounds.count * SLICES * 4 * (rounds.measure_s / 2 + SETTLE_S)


HOP: Final = Part(
    name="hop",
    about="delay that a node adds, beside a bare forwarder of datagrams",
    seconds=_takes_s,
    needs_lab=False,
    measure=measure,
)
