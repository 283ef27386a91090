"""By which neighbour the tracks of each origin come here: pure, for one node.

It measures nothing and opens nothing. Told what our links measure and what others report of theirs, it says what we
report, what we pass on, and which neighbour to ask for the tracks of each origin that is wanted.

What may change soon is looked at soon: a link that fell, at once. What changes all the time (figures) is reported
and looked at once a second at most, and only where it differs by a tenth and 3 ms.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from relay.paths.choice import Choice, Reason
from relay.paths.cost import LinkQuality
from relay.paths.demand import MAX_HOPS, Demand
from relay.paths.events import (
    LinkFallen,
    LinkMeasured,
    LinkRisen,
    NodeLost,
    NodeSeen,
    OriginsWanted,
    PathsDeadline,
    PathsEffect,
    PathsEvent,
    ReportsHeard,
    TellReports,
    WayRefused,
    WaysChosen,
)
from relay.paths.states import LinkStates, differs, figures
from relay.paths.tree import Branch, Traits, Way, may_pass, tree, ways
from signalling.mesh.link import MAX_LINKS_REPORTED, LinkReport

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signalling.ids import NodeId
    from signalling.mesh.link import LinkFigures

REPORT_EVERY_S: Final = 1.0
"""Reports of changed figures, at most; links are measured once a second."""

REPEAT_S: Final = 10.0
"""A report without news, so that others do not take it for stale."""

URGENT_EVERY_S: Final = 0.1
"""Reports of links that came or went, at most: a link that flaps must not fill the others."""

EXPIRE_EVERY_S: Final = 5.0
"""How often reports are looked through for those that ran out."""

DECIDE_EVERY_S: Final = 0.5
"""Decisions because others' figures changed, at most: a decision costs some milliseconds in a large mesh."""

CHANCE: Final = 1 / 64
"""Of 64 keepalives (12.8 s, the window that loss is counted over) one is lost by chance: no loss is read from it."""

BEFORE_MEASURED: Final = LinkQuality(rtt_ms=0)
"""What a link of ours counts as in its first second: it was wanted for something, so nothing goes round it yet."""


class Paths:
    """The ways to all origins from one node."""

    def __init__(self, *, own: NodeId, boot: int, max_hops: int = MAX_HOPS) -> None:
        self._own = own
        self._boot = boot
        self._max_hops = max_hops
        self._sequence = 0
        self._links: dict[NodeId, LinkQuality | None] = {}
        self._traits: dict[NodeId, Traits] = {}
        self._demands: dict[NodeId, Demand] = {}
        self._choices: dict[NodeId, Choice] = {}
        self._told: tuple[LinkFigures, ...] = ()
        self._told_at = float("-inf")
        self._report_in_s = REPEAT_S
        self._decided_at = float("-inf")
        self._expired_at = float("-inf")
        self._is_changed = False
        self.states = LinkStates(own)
        self.switches: Counter[str] = Counter()
        self._state_own()

    def handle(self, event: PathsEvent, now: float) -> tuple[PathsEffect, ...]:
        """Take one event at `now` (monotonic seconds); give what is to be done, in order."""
        self._expired_at = max(self._expired_at, now - EXPIRE_EVERY_S)
        match event:
            case LinkRisen(node=node):
                return self._rise(node, now)
            case LinkFallen(node=node):
                return self._fall(node, now)
            case LinkMeasured(node=node, quality=quality):
                return self._measure(node, quality, now)
            case NodeSeen(node=node, traits=traits):
                if self._traits.get(node) == traits:
                    return ()
                self._traits[node] = traits
                return self._decide(now)
            case NodeLost(node=node):
                self._traits.pop(node, None)
                # One that is linked still is not lost to us, whatever gossip says.
                if node in self._links or not self.states.forget(node):
                    return ()
                return self._decide(now)
            case ReportsHeard(node=node, reports=reports):
                return self._hear(node, reports, now)
            case OriginsWanted(demands=demands):
                return self._want(demands, now)
            case WayRefused(origin=origin, via=via):
                if (choice := self._choices.get(origin)) is None:
                    return ()
                choice.refuse(via, now)
                return self._decide(now)
            case PathsDeadline():
                return self._pass_deadlines(now)

    def next_deadline(self) -> float | None:
        """When `handle` must be called at the latest, if nothing happens before."""
        times = [choice.deadline() for choice in self._choices.values()]
        if self._links:
            times += (self._told_at + self._report_in_s, self._expired_at + EXPIRE_EVERY_S)
        if self._is_changed:
            times.append(self._decided_at + DECIDE_EVERY_S)
        return min((at for at in times if at is not None), default=None)

    def chosen(self) -> Mapping[NodeId, Choice]:
        """What was decided of each origin that is wanted, with the alternatives and their costs."""
        return self._choices

    def way_to(self, node: NodeId) -> Way | None:
        """The cheapest way from any node, wanted or not, as it would be decided without a past."""
        return next(iter(self._ways(node, Demand(max_hops=self._max_hops))), None)

    def neighbours_of(self, node: NodeId) -> tuple[NodeId, ...]:
        """Our neighbours that have a link with a node, and may pass on, the best first."""
        return tuple(way.via for way in self._ways(node, Demand(max_hops=2)) if way.hops == 2)

    def branches_from(self, origin: NodeId) -> Mapping[NodeId, Branch]:
        """The cheapest branches from a node to all that links are known of, as tracks could take them."""
        nobody = Traits()

        def passes(middle: NodeId) -> bool:
            return not self._traits.get(middle, nobody).is_draining

        return tree(origin, self.states, max_hops=self._max_hops, passes=passes, price_ms=self._price_ms)

    def kinds(self) -> dict[str, int]:
        """How many origins' tracks come directly, via another node, or not at all."""
        kinds = {"direct": 0, "via": 0, "none": 0}
        for choice in self._choices.values():
            kinds["none" if choice.way is None else "direct" if choice.way.is_direct else "via"] += 1
        return kinds

    # --- our links ----------------------------------------------------------------------------

    def _rise(self, node: NodeId, now: float) -> tuple[PathsEffect, ...]:
        if node in self._links:
            return ()
        self._links[node] = None
        effects: list[PathsEffect] = []
        if heard := self.states.reports_for(node):
            effects.append(TellReports(node=node, reports=heard))
        return (*effects, *self._change_links(now))

    def _fall(self, node: NodeId, now: float) -> tuple[PathsEffect, ...]:
        if node not in self._links:
            return ()
        del self._links[node]
        return self._change_links(now)

    def _change_links(self, now: float) -> tuple[PathsEffect, ...]:
        """Links came or went: say so, and decide, now."""
        told: tuple[PathsEffect, ...] = ()
        if now >= self._told_at + URGENT_EVERY_S:
            told = self._report(now)
        else:
            self._state_own()
            self._report_in_s = URGENT_EVERY_S
        return (*told, *self._decide(now))

    def _measure(self, node: NodeId, quality: LinkQuality, now: float) -> tuple[PathsEffect, ...]:
        if node not in self._links:
            return ()
        loss = max(0.0, quality.loss - CHANCE)
        first = self._links[node] is None
        self._links[node] = LinkQuality(rtt_ms=quality.rtt_ms, jitter_ms=quality.jitter_ms, loss=loss)
        self._state_own()
        told: tuple[PathsEffect, ...] = ()
        if first:
            self._report_in_s = URGENT_EVERY_S
        elif self._report_in_s > REPORT_EVERY_S and differs(self._told, self._own_figures()):
            self._report_in_s = REPORT_EVERY_S
        if now >= self._told_at + self._report_in_s:
            told = self._report(now)
        return (*told, *self._decide_soon(now))

    def _own_figures(self) -> tuple[LinkFigures, ...]:
        measured = [figures(node, quality) for node, quality in sorted(self._links.items()) if quality is not None]
        return tuple(measured[:MAX_LINKS_REPORTED])

    def _state_own(self) -> None:
        """Our own links as we know them, the unmeasured ones too: what is decided here goes by these."""
        links = [figures(node, quality or BEFORE_MEASURED) for node, quality in sorted(self._links.items())]
        self.states.state_own(LinkReport(self._own, self._boot, self._sequence, tuple(links)))

    def _report(self, now: float) -> tuple[PathsEffect, ...]:
        self._sequence += 1
        self._told = self._own_figures()
        self._told_at = now
        self._report_in_s = REPEAT_S
        self._state_own()
        report = LinkReport(self._own, self._boot, self._sequence, self._told)
        return tuple(TellReports(node=node, reports=(report,)) for node in sorted(self._links))

    # --- others' links ------------------------------------------------------------------------

    def _hear(self, neighbour: NodeId, reports: tuple[LinkReport, ...], now: float) -> tuple[PathsEffect, ...]:
        news = [report for report in reports if self.states.take(neighbour, report, now)]
        if not news:
            return ()
        effects: list[PathsEffect] = []
        for node in sorted(self._links):
            if node != neighbour:
                passed = [copy for report in news if (copy := self.states.passed_on(report, node)) is not None]
                if passed:
                    effects.append(TellReports(node=node, reports=tuple(passed)))
        broken = any(
            choice.way is not None and not self._stands(choice.way) for choice in self._choices.values()
        ) or any(choice.way is None for choice in self._choices.values())
        return (*effects, *(self._decide(now) if broken else self._decide_soon(now)))

    def _stands(self, way: Way) -> bool:
        """Whether every link of a way is there still, as far as was heard."""
        return all(
            receiver in self.states.out_of(sender)
            for sender, receiver in zip(way.path[:-2], way.path[1:-1], strict=True)
        )

    # --- decisions ----------------------------------------------------------------------------

    def _want(self, demands: Mapping[NodeId, Demand], now: float) -> tuple[PathsEffect, ...]:
        if demands == self._demands:
            return ()
        self._demands = dict(demands)
        self._choices = {origin: self._choices.get(origin) or Choice() for origin in sorted(demands)}
        return self._decide(now, is_news=True)

    def _decide_soon(self, now: float) -> tuple[PathsEffect, ...]:
        if now >= self._decided_at + DECIDE_EVERY_S:
            return self._decide(now)
        self._is_changed = True
        return ()

    def _decide(self, now: float, *, is_news: bool = False) -> tuple[PathsEffect, ...]:
        self._decided_at = now
        self._is_changed = False
        changed: dict[NodeId, Reason] = {}
        for origin, choice in self._choices.items():
            if choice.decide(self._fitting(origin), now):
                assert choice.pick is not None
                changed[origin] = choice.pick.reason
                self.switches[choice.pick.reason] += 1
        if not changed and not is_news:
            return ()
        chosen = {origin: choice.way for origin, choice in self._choices.items() if choice.way is not None}
        return (WaysChosen(ways=chosen, changed=changed),)

    def _fitting(self, origin: NodeId) -> tuple[Way, ...]:
        """The ways by which the tracks could be passed on as asked; all of them where there is none such."""
        demand = self._demands[origin]
        fitting = tuple(way for way in self._ways(origin, demand) if way.via not in demand.askers)
        return fitting or self._ways(origin, Demand(max_hops=self._max_hops).kept_in(demand.places))

    def _price_ms(self, node: NodeId) -> float:
        traits = self._traits.get(node)
        return 0.0 if traits is None else traits.price_ms

    def _ways(self, origin: NodeId, demand: Demand) -> tuple[Way, ...]:
        nobody = Traits()
        ends = (self._traits.get(origin, nobody), self._traits.get(self._own, nobody))

        def passes(middle: NodeId) -> bool:
            return may_pass(ends[0], self._traits.get(middle, nobody), ends[1], demand.places)

        found = ways(
            origin,
            self._own,
            self.states,
            max_hops=min(demand.max_hops, self._max_hops),
            passes=passes,
            price_ms=self._price_ms,
        )
        if origin in self._links and not any(way.is_direct for way in found):
            # It has not reported yet, so nobody else could say that the link is there; we know.
            cost_ms = self.states.own_cost(origin)
            direct = Way(via=origin, path=(origin, self._own), cost_ms=cost_ms)
            found = tuple(sorted((*found, direct), key=lambda way: (way.cost_ms, way.path)))
        return found

    def _pass_deadlines(self, now: float) -> tuple[PathsEffect, ...]:
        effects: list[PathsEffect] = []
        is_stale = False
        if now >= self._expired_at + EXPIRE_EVERY_S:
            self._expired_at = now
            is_stale = self.states.expire(now)
        if self._links and now >= self._told_at + self._report_in_s:
            effects += self._report(now)
        due = [choice.deadline() for choice in self._choices.values()]
        is_due = any(at is not None and at <= now for at in due)
        if is_stale or is_due or (self._is_changed and now >= self._decided_at + DECIDE_EVERY_S):
            effects += self._decide(now)
        return tuple(effects)
