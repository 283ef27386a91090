"""How soon a newcomer sees and is seen, and what joining costs.

A join is two peer connections: the newcomer's publisher, whose track somebody who is there waits for, and the
newcomer's subscriber, who gets the track of somebody who is there. Joins come one after the other for the times, and
ten at once for the cost, beside which stand as many bare DTLS handshakes of the same crypto in the same run.
"""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING, Final

import pytest
import trio

from sfu import WantedTrack
from signalling.ids import TrackId
from tests.bench.accounting import cpu_s, part
from tests.bench.load import build, open_load, smooth
from tests.bench.report import Report, at_most, publish, watch_machine
from tests.bench.rounds import Rounds
from tests.bench.served import open_served

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.load import Load
    from tests.bench.served import Served

pytestmark = pytest.mark.bench

JOINS: Final = int(os.environ.get("STARLING_BENCH_JOINS", "60"))
"""For each of times and cost, in each round."""

AT_ONCE: Final = 10
HANDSHAKES_A_JOIN: Final = 2

BEAT_US: Final = 200
"""Clients look at their sockets this often, so that a flight waits for them a tenth of a millisecond."""

PICTURES: Final = smooth(50, burst=1)
"""One packet a picture, a picture every 20 ms: what is waited for comes at a random moment of that."""

PAUSE_S: Final = 0.35
"""Between joins: a source is asked for three whole pictures a second at most; who comes sooner waits for the next."""

GOAL_P50_MS: Final = 60.0
PATIENCE_S: Final = 20.0
LOOK_EVERY_S: Final = 0.002


async def first_packet_ms(load: Load, client: str, since_s: float, *, more_than: int = 0) -> float:
    """Wait for a client's first RTP packet; milliseconds since a moment on the monotonic clock."""
    with trio.fail_after(PATIENCE_S):
        while True:
            tally = (await load.report()).clients.get(client)
            if tally is not None and tally.first_packet_at_s is not None and tally.received > more_than:
                return (tally.first_packet_at_s - since_s) * 1000
            await trio.sleep(LOOK_EVERY_S)


async def times(program: Path) -> tuple[list[float], list[float]]:
    """Let people join one after the other; returns when each saw, and was seen, in milliseconds."""
    saw: list[float] = []
    was_seen: list[float] = []
    async with open_load(program, "clients", beat_us=BEAT_US) as load, open_served(load) as served:
        there = await served.publish("there", video=1)
        await served.wait_connected(1)
        await load.play(PICTURES)
        for number in range(JOINS):
            await trio.sleep(PAUSE_S)
            asked = time.monotonic()
            await served.subscribe(f"eye{number}", there)
            saw.append(await first_packet_ms(load, f"eye{number}", asked))
            was_seen.append(await _seen(served, number))
            for peer in (f"sb_eye{number}", f"sb_waits{number}", f"pb_new{number}"):
                await served.close(peer)
    return saw, was_seen


async def _seen(served: Served, number: int) -> float:
    """Let somebody publish whom somebody waits for; milliseconds from the offer to the first packet there."""
    load = served.load
    offered = await load.offer(f"new{number}", video=1)
    tracks = {mid: TrackId(f"tr_new{number}_{mid}") for mid in offered.mids}
    await served.subscribe(f"waits{number}", [WantedTrack(track=track, kind="video") for track in tracks.values()])
    with trio.fail_after(PATIENCE_S):
        while not (tally := (await load.report()).clients.get(f"waits{number}")) or not tally.connected:
            await trio.sleep(LOOK_EVERY_S)
    asked = time.monotonic()
    await served.take_offer(f"new{number}", offered.sdp, tracks)
    await load.play(PICTURES)
    return await first_packet_ms(load, f"waits{number}", asked)


async def cost(program: Path) -> tuple[float, float, float]:
    """Let people join ten at once; returns joins a second, and seconds on a core a join: bare DTLS, and the whole."""
    async with open_load(program, "clients", beat_us=BEAT_US) as load, open_served(load) as served:
        there = await served.publish("there", video=1)
        await served.wait_connected(1)
        part(served.pid, load.pid)
        used, began = cpu_s(served.pid), time.monotonic()
        for first in range(0, JOINS, AT_ONCE):
            async with trio.open_nursery() as nursery:
                for number in range(first, first + AT_ONCE):
                    nursery.start_soon(_join, served, number, there)
            await served.wait_connected(1 + HANDSHAKES_A_JOIN * (first + AT_ONCE))
        used, took = cpu_s(served.pid) - used, time.monotonic() - began
        bare = await load.handshakes(HANDSHAKES_A_JOIN * JOINS)
        return JOINS / took, bare.server_cpu_s / JOINS, used / JOINS


async def _join(served: Served, number: int, there: list[WantedTrack]) -> None:
    await served.publish(f"new{number}", video=1, audio=1)
    await served.subscribe(f"eye{number}", there)


def test_handshake() -> None:
    described = watch_machine()
    program, rounds = build(), Rounds.from_environment()
    saw: list[float] = []
    was_seen: list[float] = []
    costs: list[tuple[float, float, float]] = []
    p50s: list[float] = []
    for number in range(rounds.count):
        seen = trio.run(times, program)
        saw += seen[0]
        was_seen += seen[1]
        p50s.append(statistics.median([*seen[0], *seen[1]]))
        costs.append(trio.run(cost, program))
        joins_per_s, bare_s, whole_s = costs[-1]
        print(
            f"{number + 1}/{rounds.count} saw after {_spread(seen[0])}, was seen after {_spread(seen[1])}; "
            f"{1 / whole_s:.0f} joins a second a core ({joins_per_s:.0f} a second here), "
            f"{1 / bare_s:.0f} of bare DTLS",
            flush=True,
        )
    goals = (at_most("offer to first packet, p50, ms", GOAL_P50_MS, p50s),)
    raw = {
        "saw_ms": saw,
        "was_seen_ms": was_seen,
        "joins_per_core_second": [1 / whole for _, _, whole in costs],
        "bare_dtls_joins_per_core_second": [1 / bare for _, bare, _ in costs],
    }
    publish(Report(name="handshake", goals=goals, raw=raw, machine=described()))


def _spread(values: list[float]) -> str:
    cut = statistics.quantiles(values, n=100)
    return f"p50 {statistics.median(values):.1f} ms, p99 {cut[98]:.1f} ms"
