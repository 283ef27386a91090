"""What a leg costs beside a subscriber's, and among others: scenes of `BENCH=forward` (see `tests/bench/legs.py`)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec

from tests.bench.forwarding import through_engine
from tests.bench.legs import AMONG_OTHERS, ON_ONE_LINK, SUBSCRIBED, leg_goals
from tests.bench.load import build
from tests.bench.relay.part import Outcome, Part

if TYPE_CHECKING:
    from tests.bench.forwarding import Reading
    from tests.bench.relay.part import Say
    from tests.bench.rounds import Rounds

__all__ = ["LEG_COSTS"]

SCENES: Final = (SUBSCRIBED, *ON_ONE_LINK, *AMONG_OTHERS)

AROUND_S: Final = 3.5
"""To connect and to settle; where there are 300 publishers, longer."""


async def measure(rounds: Rounds, say: Say) -> Outcome:
    """Measure every scene in every round."""
    program = build()
    readings: dict[str, list[Reading]] = defaultdict(list)
    for number in range(rounds.count):
        for scene in SCENES:
            reading = await through_engine(program, scene, rounds)
            readings[scene.name].append(reading)
            usage = reading.usage
            say(
                f"{number + 1}/{rounds.count} {scene.name:10} {usage.cost_us:6.2f} us a packet, "
                f"{usage.packets / usage.seconds:.0f}/s, {reading.lost} lost, {usage.idle_percent:.0f} % idle"
            )
    return Outcome(
        goals=leg_goals(readings),
        raw={
            name: [
                {"cost_us": reading.usage.cost_us, **msgspec.to_builtins(reading, builtin_types=(float,))}
                for reading in every
            ]
            for name, every in readings.items()
        },
    )


LEG_COSTS: Final = Part(
    name="legs",
    about="CPU of a leg, beside a subscriber's and among others",
    seconds=lambda rounds: rounds.count * len(SCENES) * (rounds.warm_up_s + rounds.measure_s + AROUND_S),
    needs_lab=False,
    measure=measure,
)
