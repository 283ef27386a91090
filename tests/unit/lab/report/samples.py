"""Runs as an experiment might measure them, from a seed."""

from __future__ import annotations

import itertools
import math
import random

from lab.experiment.records import FORMAT, Flow, Happening, Hop, Run, Second
from lab.topology import Topology, load_preset

WAYS = {
    "relay": ("eu-peer", "sin-node", "hcm-node", "vn-peer"),
    "single-far": ("eu-peer", "hcm-node", "vn-peer"),
    "single-near": ("eu-peer", "sin-node", "vn-peer"),
}
"""The way from one person to the other in each scenario, over the preset ``visage``."""


def make_topology() -> Topology:
    return load_preset("visage")


def make_second(
    *,
    at_s: float = 1.0,
    packets: int = 100,
    lost: int = 0,
    mbit_s: float = 1.0,
    delay_ms: float | None = 50.0,
    jitter_ms: float | None = 1.0,
) -> Second:
    return Second(
        at_s=at_s,
        length_s=1.0,
        packets=packets,
        lost=lost,
        mbit_s=mbit_s,
        delay_ms=delay_ms,
        jitter_ms=jitter_ms,
        longest_gap_ms=40.0,
    )


def make_flow(*seconds: Second, kind: str = "video", sender: str = "eu-peer", receiver: str = "vn-peer") -> Flow:
    """A flow that agrees with its seconds, without freezes."""
    heard = [second for second in seconds if second.delay_ms is not None and second.jitter_ms is not None]
    delays = tuple(sorted((second.delay_ms or 0.0, second.packets) for second in heard))
    return Flow(
        sender=sender,
        receiver=receiver,
        kind="video" if kind == "video" else "audio",
        seconds=seconds,
        delays_ms=delays,
        jitters_ms=tuple(sorted((second.jitter_ms or 0.0, second.packets) for second in heard)),
        delay_p50_ms=delays[len(delays) // 2][0] if delays else 0.0,
        delay_p95_ms=delays[-1][0] if delays else 0.0,
        delay_p99_ms=delays[-1][0] if delays else 0.0,
        first_frame_ms=500.0,
        freezes=0,
        frozen_s=0.0,
        sent=sum(second.packets + second.lost for second in seconds),
        lost=sum(second.lost for second in seconds),
    )


def make_run(*flows: Flow, scenario: str = "relay", repeat: int = 1, duration_s: float = 60.0) -> Run:
    return Run(
        format=FORMAT,
        scenario=scenario,
        repeat=repeat,
        topology="visage",
        started=f"2026-11-28T12:{repeat:02}:00+00:00",
        duration_s=duration_s,
        participants="synthetic",
        places={"eu-peer": "sin-node", "vn-peer": "hcm-node"},
        flows=flows,
        paths={},
    )


def steady_run(*, latency_ms: float, scenario: str, repeat: int, loss: int = 0, seconds: int = 30) -> Run:
    """One picture whose every second is the same."""
    some = (make_second(at_s=at + 1.0, delay_ms=latency_ms, lost=loss) for at in range(seconds))
    return make_run(make_flow(*some), scenario=scenario, repeat=repeat, duration_s=float(seconds))


def visage_runs(*, repeats: int = 5, duration_s: int = 300, seed: int = 7) -> list[Run]:
    """Three scenarios over the preset ``visage``, interleaved, with people who see and hear each other."""
    topology = make_topology()
    return [
        _visage_run(topology, scenario, repeat, duration_s, random.Random(f"{seed} {scenario} {repeat}"))
        for repeat in range(1, repeats + 1)
        for scenario in WAYS
    ]


def _visage_run(topology: Topology, scenario: str, repeat: int, duration_s: int, dice: random.Random) -> Run:
    ways = {"eu-peer>vn-peer": WAYS[scenario], "vn-peer>eu-peer": WAYS[scenario][::-1]}
    paths = {key: tuple(_hop(topology, *step, dice) for step in itertools.pairwise(way)) for key, way in ways.items()}
    added = {key: dice.gauss(0.35, 0.05) * (len(way) - 2) for key, way in ways.items()}
    flows = tuple(
        _visage_flow(topology, key, ways[key], kind, added[key], duration_s, dice)
        for key in ways
        for kind in ("video", "audio")
    )
    return Run(
        format=FORMAT,
        scenario=scenario,
        repeat=repeat,
        topology=topology.name,
        started=f"2026-11-28T{9 + repeat:02}:{10 * list(WAYS).index(scenario):02}:00+00:00",
        duration_s=float(duration_s),
        participants="synthetic",
        places={"eu-peer": WAYS[scenario][1], "vn-peer": WAYS[scenario][-2]},
        flows=flows,
        paths=paths,
        happenings=(Happening(at_s=duration_s * 0.6, what="load of the evening"),) if scenario == "single-far" else (),
        hop_added_ms=added,
        figures={"hcm-node": {"starling_packets_total": 1e6}},
    )


def _hop(topology: Topology, one: str, other: str, dice: random.Random) -> Hop:
    conditions = topology.conditions[one, other]
    return Hop(
        from_host=one,
        to_host=other,
        emulated_rtt_ms=conditions.rtt_ms,
        measured_rtt_ms=conditions.rtt_ms + abs(dice.gauss(0.4, 0.2)) + conditions.jitter_ms,
        loss=conditions.loss * dice.uniform(0.8, 1.2),
    )


def _visage_flow(
    topology: Topology, key: str, way: tuple[str, ...], kind: str, added_ms: float, duration_s: int, dice: random.Random
) -> Flow:
    steps = [topology.conditions[step] for step in itertools.pairwise(way)]
    base = sum(step.rtt_ms for step in steps) / 2 + added_ms
    spread = math.sqrt(sum(step.jitter_ms**2 for step in steps))
    loss = sum(step.loss for step in steps) * (0.2 if kind == "video" else 0.12)
    rate, top = (180, 1.8) if kind == "video" else (50, 0.048)
    seconds: list[Second] = []
    counts: dict[float, int] = {}
    jitters: dict[float, int] = {}
    slow = 0.0
    for at in range(1, duration_s + 1):
        slow = 0.95 * slow + dice.gauss(0, 0.25 * spread)
        delay = base + 0.8 * spread + abs(slow) + abs(dice.gauss(0, 0.1 * spread))
        lost = sum(dice.random() < loss for _ in range(rate))
        jitter = 0.9 * spread + abs(dice.gauss(0, 0.15))
        share = min(1.0, 0.35 + at / 12) * (1 - 4 * loss) * dice.uniform(0.97, 1.0)
        seconds.append(
            Second(
                at_s=float(at),
                length_s=1.0,
                packets=rate - lost,
                lost=lost,
                mbit_s=top * share,
                delay_ms=delay,
                jitter_ms=jitter,
                longest_gap_ms=40 + abs(dice.gauss(0, 3 * spread)),
            )
        )
        for _ in range(12):
            edge = (
                math.ceil((base + abs(dice.gauss(0, spread)) + abs(slow) + dice.expovariate(1 / (0.3 * spread))) * 2)
                / 2
            )
            counts[edge] = counts.get(edge, 0) + rate // 12
            edge = math.ceil(abs(dice.gauss(0, 1.1 * spread)) * 5 + 0.01) / 5
            jitters[edge] = jitters.get(edge, 0) + rate // 12
    ordered = sorted(counts.items())
    sender, receiver = key.split(">")
    freezes = sum(dice.random() < 4 * loss for _ in range(duration_s // 4)) if kind == "video" else 0
    return Flow(
        sender=sender,
        receiver=receiver,
        kind="video" if kind == "video" else "audio",
        seconds=tuple(seconds),
        delays_ms=tuple(ordered),
        jitters_ms=tuple(sorted(jitters.items())),
        delay_p50_ms=_edge(ordered, 0.5),
        delay_p95_ms=_edge(ordered, 0.95),
        delay_p99_ms=_edge(ordered, 0.99),
        first_frame_ms=3.2 * base + dice.gauss(180, 25),
        freezes=freezes,
        frozen_s=freezes * dice.uniform(0.2, 0.5),
        sent=sum(second.packets + second.lost for second in seconds),
        lost=sum(second.lost for second in seconds),
    )


def _edge(ordered: list[tuple[float, int]], share: float) -> float:
    total, seen = sum(count for _, count in ordered), 0
    for edge, count in ordered:
        seen += count
        if seen >= share * total:
            return edge
    return 0.0
