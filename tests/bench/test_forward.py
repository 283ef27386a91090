"""What a forwarded packet costs: against the bare loop and Janus, with more subscribers and tracks, over a link.

Every figure is CPU of the server process alone, by the scheduler's account. A scene and its yardstick are measured one
after the other in each round; the ratio is taken within the round.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
import pytest
import trio

from tests.bench.forwarding import Reading, Scene, through_bare_loop, through_engine
from tests.bench.janus import JanusError, obtain, through_janus
from tests.bench.legs import AMONG_OTHERS, ON_ONE_LINK, SUBSCRIBED, leg_goals
from tests.bench.load import build, frames, smooth
from tests.bench.report import Goal, Report, at_most, publish, watch_machine
from tests.bench.rounds import Rounds

pytestmark = pytest.mark.bench

RECORDING: Final = Path(__file__).with_name("frames_720p.json")
"""Packets of one Chromium sending 720p: see `record_frames.py`."""

Measure = Callable[[Path, Scene, Rounds], Awaitable[Reading]]


def scenes(*, with_janus: bool) -> dict[str, tuple[Scene, Measure]]:
    """Everything that is measured, by name."""
    recording = [(gap, size, bool(last)) for gap, size, last in json.loads(RECORDING.read_text(encoding="ascii"))]
    pictures = frames(recording)
    seconds = sum(gap for gap, _, _ in recording) / 1e6
    # As many tracks at their own pace as make the smooth shape's packets a second.
    tracks = max(1, round(1000 * seconds / len(recording)))
    of_engine = [
        SUBSCRIBED,
        Scene(name="smooth_30k", shape=smooth(3000)),
        Scene(name="frames", shape=pictures, tracks=tracks),
        Scene(name="smooth_10k_of_1", shape=smooth(10_000), subscribers=1),
        Scene(name="smooth_10k_of_100", shape=smooth(100), subscribers=100),
        Scene(name="frames_of_100", shape=pictures, subscribers=100),
        # One publisher may have fewer.
        Scene(name="tracks_50", shape=smooth(500), tracks=25, publishers=2),
        *ON_ONE_LINK,
        *AMONG_OTHERS,
    ]
    of_bare_loop = [
        Scene(name="bare_smooth_10k", shape=smooth(1000)),
        Scene(name="bare_smooth_30k", shape=smooth(3000)),
        Scene(name="bare_frames", shape=pictures, tracks=tracks),
    ]
    of_janus = [
        Scene(name="janus_smooth_10k", shape=smooth(1000)),
        Scene(name="janus_frames", shape=pictures, tracks=tracks),
    ]
    # A scene stands beside what it is compared with.
    order = (
        *(
            "janus_smooth_10k",
            "bare_smooth_10k",
            "smooth_10k",
            "smooth_10k_of_100",
            "tracks_50",
            "input",
            "link",
            "smooth_10k_of_1",
        ),
        *(scene.name for scene in AMONG_OTHERS),
        *("bare_smooth_30k", "smooth_30k", "janus_frames", "bare_frames", "frames", "frames_of_100"),
    )
    known: dict[str, tuple[Scene, Measure]] = {scene.name: (scene, through_engine) for scene in of_engine}
    known |= {scene.name: (scene, through_bare_loop) for scene in of_bare_loop}
    if with_janus:
        known |= {scene.name: (scene, through_janus) for scene in of_janus}
    return {name: known[name] for name in order if name in known}


def describe(name: str, reading: Reading) -> str:
    """One line about a reading."""
    usage, notes = reading.usage, reading.notes
    line = (
        f"{name:18} {usage.cost_us:6.2f} us a packet, {usage.packets / usage.seconds:6.0f}/s, "
        f"{reading.segments_per_send:4.1f} a send, {reading.lost} lost, {usage.idle_percent:.0f} % idle"
    )
    estimate, desired = notes.get("estimate_bps"), notes.get("desired_bps")
    if isinstance(estimate, int | float) and isinstance(desired, int | float):
        line += f", estimate {estimate / 1e6:.1f} of {desired / 1e6:.1f} Mbit/s wanted"
    return line


def has_janus(rounds: Rounds) -> bool:
    """Say whether Janus is to be had here, and why not."""
    if not any(map(rounds.wants, ("janus_smooth_10k", "janus_frames"))):
        return False
    try:
        obtain()
    except JanusError as error:
        print(f"not compared with Janus, so those goals are not judged: {error}", flush=True)
        return False
    return True


async def measure(program: Path, rounds: Rounds) -> dict[str, list[Reading]]:
    """Measure every scene in every round, and say each figure as it comes."""
    measured = scenes(with_janus=has_janus(rounds))
    readings: dict[str, list[Reading]] = defaultdict(list)
    for number in range(rounds.count):
        for name, (scene, through) in measured.items():
            if not rounds.wants(name):
                continue
            reading = await through(program, scene, rounds)
            readings[name].append(reading)
            print(f"{number + 1}/{rounds.count} {describe(name, reading)}", flush=True)
    return readings


def goals(readings: dict[str, list[Reading]]) -> list[Goal]:
    """Judge what was measured; what was left out is not judged."""

    def costs(name: str) -> list[float]:
        return [reading.usage.cost_us for reading in readings[name]]

    def ratio(what: str, limit: float, name: str, against: str) -> list[Goal]:
        if name not in readings or against not in readings:
            return []
        pairs = zip(costs(name), costs(against), strict=True)
        return [at_most(what, limit, [one / other for one, other in pairs])]

    judged = [
        *ratio("smooth, 10k/s / bare loop", 1.6, "smooth_10k", "bare_smooth_10k"),
        *ratio("smooth, 30k/s / bare loop", 1.6, "smooth_30k", "bare_smooth_30k"),
        *ratio("frames, 10k/s / bare loop", 1.0, "frames", "bare_frames"),
        *ratio("smooth, 10k/s / Janus", 1 / 3, "smooth_10k", "janus_smooth_10k"),
        *ratio("frames, 10k/s / Janus", 1 / 5, "frames", "janus_frames"),
        *ratio("100 subscribers / 10, smooth", 1.25, "smooth_10k_of_100", "smooth_10k"),
        *ratio("100 subscribers / 10, frames", 1.25, "frames_of_100", "frames"),
        *ratio("50 tracks / 1", 1.5, "tracks_50", "smooth_10k"),
    ]
    judged += leg_goals(readings)
    counted = [reading for name in readings for reading in readings[name] if not name.startswith(("bare", "janus"))]
    lost = [sum(reading.lost for reading in counted) / max(1, sum(reading.due for reading in counted))]
    return [*judged, at_most("packets due that were not sent", 0.0, lost)]


def test_forward() -> None:
    described = watch_machine()
    rounds = Rounds.from_environment()
    readings = trio.run(measure, build(), rounds)
    raw = {
        name: [
            {
                "cost_us": reading.usage.cost_us,
                "core_share": reading.usage.load,
                "packets_per_s": reading.usage.packets / reading.usage.seconds,
                "idle_percent": reading.usage.idle_percent,
                **msgspec.to_builtins(reading, builtin_types=(float,)),
            }
            for reading in every
        ]
        for name, every in readings.items()
    }
    publish(Report(name="forward", goals=tuple(goals(readings)), raw=raw, machine=described()))
