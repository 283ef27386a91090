"""What relaying costs: setting up, a hop, a leg, a death, and six nodes in place of two.

Parts, each also alone by `STARLING_BENCH_ONLY=hop,legs`:

    setup   remote want to first relayed packet, on warm and on cold links under 40 ms (root)
    hop     what one more node adds to the delay, beside a bare forwarder of datagrams
    legs    CPU of a leg beside a subscriber's, and among 1, 30 and 300
    deaths  kill -9 of a node: how soon its links and Serf know, and the gap in media (root)
    growth  CPU a participant, the same people on two nodes and on six

`STARLING_BENCH_ROUNDS`, `_WARM_UP_S` and `_MEASURE_S` shorten it, `_WANTS` the wants of `setup` a round, `_KILLS` those
of `deaths`, and `_PEOPLE` is how many `growth` has.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import pytest
import trio

from lab import LabError
from lab.namespaces import check_permission
from tests.bench.relay.deaths import DEATHS
from tests.bench.relay.growth import GROWTH
from tests.bench.relay.hop import HOP
from tests.bench.relay.leg_costs import LEG_COSTS
from tests.bench.relay.setting_up import SETTING_UP
from tests.bench.report import Report, publish, watch_machine
from tests.bench.rounds import Rounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.bench.relay.part import Outcome, Part

pytestmark = pytest.mark.bench

PARTS: Final = (SETTING_UP, HOP, LEG_COSTS, DEATHS, GROWTH)


def chosen(rounds: Rounds) -> list[Part]:
    """Parts that are asked for and can run here; says why others cannot.

    Raises:
        ValueError: Something is asked for that is no part.
    """
    known = [part.name for part in PARTS]
    if unknown := sorted(rounds.only.difference(known)):
        raise ValueError(f"STARLING_BENCH_ONLY: there is no part {', '.join(unknown)}; there are {', '.join(known)}")
    wanted = [part for part in PARTS if rounds.wants(part.name)]
    if not any(part.needs_lab for part in wanted):
        return wanted
    try:
        check_permission()
    except LabError as error:
        print(f"left out: {', '.join(part.name for part in wanted if part.needs_lab)} ({error})", flush=True)
        return [part for part in wanted if not part.needs_lab]
    return wanted


def total_s(parts: Sequence[Part], rounds: Rounds) -> float:
    """About how long all of them take."""
    return sum(part.seconds(rounds) for part in parts)


def measure(parts: Sequence[Part], rounds: Rounds) -> dict[str, Outcome]:
    """Let one part run after the other, and say how far it is."""
    began_s = time.monotonic()
    outcomes: dict[str, Outcome] = {}
    all_s = total_s(parts, rounds)
    print(f"{', '.join(part.name for part in parts)}: about {all_s / 60:.0f} min on an idle machine", flush=True)
    for part in parts:

        def say(what: str, part: Part = part) -> None:
            print(f"{time.monotonic() - began_s:4.0f}/{all_s:.0f} s  {part.name:6}  {what}", flush=True)

        say(part.about)
        outcomes[part.name] = trio.run(part.measure, rounds, say)
    return outcomes


def test_relay() -> None:
    described = watch_machine()
    rounds = Rounds.from_environment(count=2, warm_up_s=3, measure_s=4)
    parts = chosen(rounds)
    if not parts:
        pytest.skip("no part of it can run here")
    outcomes = measure(parts, rounds)
    goals = tuple(goal for outcome in outcomes.values() for goal in outcome.goals)
    raw = {name: outcome.raw for name, outcome in outcomes.items()}
    publish(Report(name="relay", goals=goals, raw=raw, machine=described()))
