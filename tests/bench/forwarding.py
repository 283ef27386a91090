"""Forwarding scenes: who sends what to how many, through an engine, a link or the bare loop."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

import trio

from signalling.ids import PeerId
from tests.bench.accounting import Usage, part, watch
from tests.bench.load import open_load
from tests.bench.served import ROOM, open_served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from sfu.protocol import Statistics
    from tests.bench.load import Shape
    from tests.bench.rounds import Rounds
    from tests.bench.served import Served

LINK: Final = PeerId("li_bench")
SETTLE_S: Final = 0.5
"""After the last packet was sent, until everything has arrived or is lost."""

OPENED_AT_ONCE: Final = 10

MAX_WANTED: Final = 50
"""Tracks that one client behind a link wants: an offer of hundreds takes it too long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What is forwarded.

    Attributes:
        name: As it stands in the report.
        shape: How each publisher sends.
        tracks: Video tracks of a publisher, among which the shape is spread.
        publishers: How many send so.
        subscribers: Each gets every track.
        link: Send every track over a link too, to an engine that is not counted.
    """

    name: str
    shape: Shape
    tracks: int = 1
    publishers: int = 1
    subscribers: int = 10
    link: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What came of it.

    Attributes:
        usage: Of the server alone, while it was measured.
        due: Packets that came in while it was measured, times those who want them.
        sent: Packets that went out meanwhile.
        missing: Packets that never arrived at the load, in the whole run.
        segments_per_send: Datagrams a system call.
        notes: Whatever else the server tells.
    """

    usage: Usage
    due: int
    sent: int
    missing: int
    segments_per_send: float
    notes: dict[str, object] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Packets that were due and not sent, or sent and not arrived."""
        return max(0, self.due - self.sent) + self.missing


async def through_engine(program: Path, scene: Scene, rounds: Rounds) -> Reading:
    """Forward a scene through an engine."""
    async with AsyncExitStack() as stack:
        load = await stack.enter_async_context(open_load(program, "clients"))
        served = await stack.enter_async_context(open_served(load))
        published = [await served.publish(f"p{number}", video=scene.tracks) for number in range(scene.publishers)]
        tracks = [track for those in published for track in those]
        for first in range(0, scene.subscribers, OPENED_AT_ONCE):
            last = min(first + OPENED_AT_ONCE, scene.subscribers)
            for number in range(first, last):
                await served.subscribe(f"s{number}", tracks)
            await served.wait_connected(scene.publishers + last)
        if scene.link:
            far = await stack.enter_async_context(_linked(program, served))
            # Nothing crosses that nobody behind the link wants.
            groups = [tracks[first : first + MAX_WANTED] for first in range(0, len(tracks), MAX_WANTED)]
            for number, wanted in enumerate(groups):
                await far.subscribe(f"far{number}", wanted)
            await far.wait_connected(len(groups))
            for leg, track in enumerate(tracks):
                await far.engine.open_leg_in(LINK, leg, track.track, track.kind, ROOM)
                await served.engine.open_leg_out(LINK, leg, track.track, ROOM)
        part(served.pid, load.pid)
        await load.play(scene.shape)
        await trio.sleep(rounds.warm_up_s)
        read: list[Statistics] = []

        async def forwarded() -> int:
            read.append(await served.statistics())
            return _sent(read[-1], scene)

        usage = await watch(served.pid, forwarded, rounds.measure_s)
        await load.stop()
        await trio.sleep(SETTLE_S)
        tallies = (await load.report()).clients.values()
        before, after = read
        # What goes nowhere is to be received.
        sinks = max(1, scene.subscribers + int(scene.link))
        calls = after.counters["send_calls"] - before.counters["send_calls"]
        datagrams = after.counters["datagrams_out"] - before.counters["datagrams_out"]
        return Reading(
            usage=usage,
            due=sinks * (_taken(after) - _taken(before)),
            sent=usage.packets,
            missing=sum(tally.missing for tally in tallies),
            segments_per_send=datagrams / max(calls, 1),
            notes=_notes(after),
        )


async def through_bare_loop(program: Path, scene: Scene, rounds: Rounds) -> Reading:
    """Forward a scene's packets through the bare loop, to plain sockets."""
    async with open_load(program, "clients") as load, open_load(program, "bare") as bare:
        address = await bare.forward(await load.sinks(scene.subscribers))
        part(bare.pid, load.pid)
        await load.plain(address, scene.shape, scene.tracks)
        await trio.sleep(1)  # it has nothing to warm up to

        async def forwarded() -> int:
            return (await load.report()).plain_sent * scene.subscribers

        usage = await watch(bare.pid, forwarded, rounds.measure_s)
        await load.stop()
        await trio.sleep(SETTLE_S)
        report = await load.report()
        due, arrived = report.plain_sent * scene.subscribers, sum(report.plain_received)
        return Reading(usage=usage, due=due, sent=arrived, missing=0, segments_per_send=1.0)


@asynccontextmanager
async def _linked(program: Path, here: Served) -> AsyncIterator[Served]:
    async with open_load(program, "clients") as behind, open_served(behind) as far:
        ours = await here.engine.open_link(LINK, controlling=True)
        theirs = await far.engine.open_link(LINK, controlling=False)
        for served, other in ((here, theirs), (far, ours)):
            await served.engine.connect_link(
                LINK,
                ufrag=other.ufrag,
                password=other.password,
                fingerprint=other.fingerprint,
                candidates=other.candidates,
            )
        with trio.fail_after(10):
            while not all(peer.state == "connected" for peer in (await far.statistics()).peers):
                await trio.sleep(0.05)
        part(here.pid, far.pid, behind.pid)
        yield far


def _sent(statistics: Statistics, scene: Scene) -> int:
    """Packets sent to subscribers and links; where there are none, those received."""
    peers = statistics.peers
    if not scene.subscribers and not scene.link:
        return sum(peer.packets_in for peer in peers)
    return sum(peer.packets_out for peer in peers if peer.kind != "publisher")


def _taken(statistics: Statistics) -> int:
    return sum(track.packets for track in statistics.tracks)


def _notes(statistics: Statistics) -> dict[str, object]:
    subscribers = [peer for peer in statistics.peers if peer.kind == "subscriber"]
    return {
        "estimate_bps": _median(peer.estimate_bps for peer in subscribers),
        "desired_bps": _median(peer.desired_bps for peer in subscribers),
        "counters": dict(statistics.counters),
    }


def _median(values: Iterable[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
