"""What a leg costs: scenes with and without a link, and how they are judged.

A leg's cost is what sending a packet takes beyond receiving it: the same packets are taken in without a link, and the
difference is the leg's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tests.bench.forwarding import Scene
from tests.bench.load import smooth
from tests.bench.report import at_most

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.forwarding import Reading
    from tests.bench.report import Goal

LEGS: Final = (1, 30, 300)
"""Legs on a link, each from a publisher of its own, at the same packets/s in all."""

SHARE: Final = 0.4
"""Of a subscriber's leg, that a link's may cost."""

GROWTH: Final = 1.2
"""Of what a leg costs alone, that it may cost among others."""

SUBSCRIBED: Final = Scene(name="smooth_10k", shape=smooth(1000))
"""Ten subscribers of one track: what a link's leg is compared with."""

ON_ONE_LINK: Final = (
    Scene(name="input", shape=smooth(10_000, at_once=10), tracks=10, subscribers=0),
    Scene(name="link", shape=smooth(10_000, at_once=10), tracks=10, subscribers=0, link=True),
)
"""Ten tracks of one publisher that go nowhere, and over a link."""

AMONG_OTHERS: Final = tuple(
    Scene(name=f"{name}_{legs}", shape=smooth(10_000 / legs), publishers=legs, subscribers=0, link=name == "legs")
    for legs in LEGS
    for name in ("input", "legs")
)
"""So many tracks of a publisher each that go nowhere, and over a link."""


def leg_goals(readings: Mapping[str, Sequence[Reading]]) -> list[Goal]:
    """Judge legs by what was measured; what was left out is not judged."""
    return [*_share(readings), *_among_others(readings)]


def _share(readings: Mapping[str, Sequence[Reading]]) -> list[Goal]:
    if not all(readings.get(name) for name in ("input", "link", SUBSCRIBED.name)):
        return []
    legs = zip(readings["link"], readings["input"], readings[SUBSCRIBED.name], strict=True)
    shares = [_leg(link, taken) / _subscriber_leg(smooth, taken) for link, taken, smooth in legs]
    return [at_most("link leg / smooth subscriber leg", SHARE, shares)]


def _among_others(readings: Mapping[str, Sequence[Reading]]) -> list[Goal]:
    """Judge what a leg costs among others, against one that is alone.

    A round in which receiving alone cost more than receiving and sending was measured on a machine that was busy
    otherwise; it counts as missed.
    """
    judged = []
    for legs in LEGS[1:]:
        names = ("legs_1", "input_1", f"legs_{legs}", f"input_{legs}")
        if all(readings.get(name) for name in names):
            pairs = [
                (_leg(alone, taken), _leg(many, those))
                for alone, taken, many, those in zip(*(readings[name] for name in names), strict=True)
            ]
            ratios = [many / one if one > 0 and many > 0 else math.inf for one, many in pairs]
            judged.append(at_most(f"a leg among {legs} / alone", GROWTH, ratios))
    return judged


def _leg(link: Reading, taken: Reading) -> float:
    """What sending a packet on a leg costs beyond receiving it, microseconds."""
    return link.usage.cost_us - taken.usage.cost_us


def _subscriber_leg(smooth: Reading, taken: Reading) -> float:
    """The same for a subscriber, of which one packet that comes in serves ten."""
    return smooth.usage.cost_us - taken.usage.cost_us / 10
