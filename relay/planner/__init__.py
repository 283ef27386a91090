"""Relay or one node: whether the people of a room are better off on one node than on several that relay.

Each on their near node, and the nodes relaying, is the rule. But a hop between nodes costs a jitter buffer's slack, and
who sits between two nodes may reach the others' node almost as fast as their own: then all of them are better off
there. The planner weighs that for one room and says what to do, why, and what the alternatives cost:

- facts.py is what it is told: people with what they measured, nodes with what speaks against them, paths between them.
- weighing.py puts a price on each way to place the people: relay, or all on this node, or on that. A pure function.
- advice.py says what is best just now, with a stable reason. A pure function.
- core.py makes decisions of that: one room's, with hysteresis both ways, by the room's policy.

Who carries it out, and how two nodes never decide for the same room, is told in node/conductor/gathering.py.
"""

from relay.planner.advice import Advice, Verdict, advise
from relay.planner.core import Plan, PlanReason, RoomPlanner
from relay.planner.facts import Person, RoomFacts, Site
from relay.planner.statistics import PlannerStatistics
from relay.planner.weighing import Weighed, weigh

__all__ = [
    "Advice",
    "Person",
    "Plan",
    "PlanReason",
    "PlannerStatistics",
    "RoomFacts",
    "RoomPlanner",
    "Site",
    "Verdict",
    "Weighed",
    "advise",
    "weigh",
]
