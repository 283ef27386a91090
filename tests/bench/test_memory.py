"""What a subscriber and a publisher cost in memory, on a path where resends are needed.

Two engines run side by side: one gets more and more subscribers of one publisher, the other more and more publishers.
Every peer has one video track of 1.5 Mbit/s and one audio track, 100 ms of round trip and 1 % loss each way. At each
count they run for a minute before the memory (PSS) is read; what a peer costs is the slope from the fewest to the most.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import trio

from tests.bench.accounting import pss_bytes
from tests.bench.load import build, open_load, smooth
from tests.bench.report import Report, at_most, publish, watch_machine
from tests.bench.served import Served, open_served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.bench.load import Load

pytestmark = pytest.mark.bench

COUNTS: Final = tuple(int(count) for count in os.environ.get("STARLING_BENCH_PEERS", "50,100,200").split(","))
HOLD_S: Final = float(os.environ.get("STARLING_BENCH_HOLD_S", "60"))
"""At each count; a resend cache is full after a second or two."""

VIDEO: Final = smooth(156)
"""Packets of 1200 bytes: 1.5 Mbit/s."""

RTT_MS: Final = 100.0
LOSS: Final = 0.01
OPENED_AT_ONCE: Final = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """How much memory an engine held.

    Attributes:
        peers: Subscribers, or publishers.
        pss_bytes: Of the engine's process.
        missing_percent: Packets that no resend brought, of those due at subscribers.
    """

    peers: int
    pss_bytes: int
    missing_percent: float


async def missing_percent(load: Load) -> float:
    """Packets that never came, of those that should have, percent."""
    tallies = (await load.report()).clients.values()
    due = sum(tally.received + tally.missing for tally in tallies)
    return 100 * sum(tally.missing for tally in tallies) / max(due, 1)


async def hold(served: Served, what: str, add: Callable[[int], Awaitable[None]]) -> list[Held]:
    """Reach each count by adding peers, hold it, and read."""
    held: list[Held] = []
    there = 0
    for count in COUNTS:
        while there < count:
            for number in range(there, min(there + OPENED_AT_ONCE, count)):
                await add(number)
            there = min(there + OPENED_AT_ONCE, count)
            await served.wait_connected(there)
        await served.load.play(VIDEO, audio=True)
        await trio.sleep(HOLD_S)
        reading = Held(peers=count, pss_bytes=pss_bytes(served.pid), missing_percent=await missing_percent(served.load))
        held.append(reading)
        print(
            f"{count} {what}: {reading.pss_bytes / 1e6:.1f} MB, {reading.missing_percent:.3f} % missing for good",
            flush=True,
        )
    return held


async def of_subscribers(program: Path, held: list[Held]) -> None:
    """Hold more and more subscribers of one publisher."""
    async with open_load(program, "clients") as load, open_served(load) as served:
        _distant(served)
        tracks = await served.publish("one", video=1, audio=1)
        await served.wait_connected(1)
        await load.play(VIDEO, audio=True)

        async def add(number: int) -> None:
            await served.subscribe(f"s{number}", tracks)

        held += await hold(served, "subscribers", add)


async def of_publishers(program: Path, held: list[Held]) -> None:
    """Hold more and more publishers that nobody watches."""
    async with open_load(program, "clients") as load, open_served(load) as served:
        _distant(served)

        async def add(number: int) -> None:
            await served.publish(f"p{number}", video=1, audio=1)

        held += await hold(served, "publishers", add)


async def measure() -> tuple[list[Held], list[Held]]:
    """Run both engines side by side."""
    program = build()
    subscribers: list[Held] = []
    publishers: list[Held] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(of_subscribers, program, subscribers)
        nursery.start_soon(of_publishers, program, publishers)
    return subscribers, publishers


def slope_kb(held: list[Held]) -> float:
    """What one more peer costs, kB (1000 bytes)."""
    first, last = held[0], held[-1]
    return (last.pss_bytes - first.pss_bytes) / (last.peers - first.peers) / 1000


def _distant(served: Served) -> None:
    served.rtt_ms, served.loss = RTT_MS, LOSS


def test_memory() -> None:
    described = watch_machine()
    subscribers, publishers = trio.run(measure)
    raw = {
        "subscribers": msgspec.to_builtins(subscribers),
        "publishers": msgspec.to_builtins(publishers),
        "kb_per_subscriber": slope_kb(subscribers),
        "kb_per_publisher": slope_kb(publishers),
    }
    print(f"a publisher costs {slope_kb(publishers):.0f} kB")
    goals = (
        at_most("kB a subscriber", 155, [slope_kb(subscribers)]),
        at_most("% of packets missing for good", 0.1, [held.missing_percent for held in subscribers]),
    )
    publish(Report(name="memory", goals=goals, raw=raw, machine=described()))
