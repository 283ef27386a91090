"""How the people of a topology are arranged, and what befalls them meanwhile: a scenario, from the topology's file.

[scenarios.relay]
about = "Each person at the node that is near."
places = { eu-peer = "ams-node", vn-peer = "hcm-node" }     # person's host = node's host

[scenarios.node-kill]
places = { eu-peer = "ams-node", vn-peer = "hcm-node" }
nodes = ["sin-node"]                    # that run beside those of places

[[scenarios.node-kill.steps]]
at = 0.4                                # share of the run
kill = "ams-node"                       # or: start, cut, partition, heal, set
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from lab.conditions import Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Scenario", "Step", "complaint"]

Names = tuple[str, str]


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that is done during a run; exactly one of the fields beside ``at``.

    Attributes:
        at: When, as a share of the measured time.
        kill: SIGKILL the node of this host.
        start: Start it again.
        cut: Let nothing pass between these two hosts or regions.
        partition: Let nothing pass between these hosts or regions and all others.
        heal: Undo every cut.
        set: Between these two hosts or regions, ``change`` the conditions.
        change: What becomes different.
    """

    at: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    kill: str | None = None
    start: str | None = None
    cut: Names | None = None
    partition: tuple[str, ...] | None = None
    heal: bool = False
    set: Names | None = None
    change: Change = Change()

    def described(self) -> str:
        """In words, for the record of a run."""
        if self.kill is not None:
            return f"{self.kill} is killed"
        if self.start is not None:
            return f"{self.start} is started"
        if self.cut is not None:
            return f"nothing passes between {self.cut[0]} and {self.cut[1]}"
        if self.partition is not None:
            return f"{', '.join(self.partition)} cut off"
        if self.set is not None:
            given = ", ".join(f"{name} {value}" for name, value in self.change.given().items())
            return f"{self.set[0]} to {self.set[1]}: {given}"
        return "healed"

    def hosts(self) -> Iterator[str]:
        """Nodes that it names."""
        yield from (name for name in (self.kill, self.start) if name is not None)

    def ends(self) -> Iterator[str]:
        """Hosts or regions that it names."""
        for names in (self.cut, self.set, self.partition):
            yield from names or ()

    def kinds(self) -> int:
        """How many things it does."""
        given = (self.kill, self.start, self.cut, self.partition, self.set, self.heal or None)
        return sum(one is not None for one in given)


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An arrangement.

    Attributes:
        about: One line for people.
        places: The host of each person's node, by the person's host.
        nodes: Hosts with a node beside those.
        steps: What is done meanwhile, in order of time.
        run_by_default: Whether it runs when the whole topology is asked for.
    """

    places: Annotated[dict[str, str], msgspec.Meta(min_length=2, max_length=16)]
    about: str = ""
    nodes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    run_by_default: bool = True

    def all_nodes(self) -> tuple[str, ...]:
        """Hosts with a node, each once."""
        return tuple(dict.fromkeys((*self.places.values(), *self.nodes)))


def complaint(name: str, scenario: Scenario, hosts: Iterable[str], regions: Iterable[str]) -> str | None:
    """What is wrong with a scenario in a topology with these hosts and regions; None if nothing is."""
    hosts, regions = set(hosts), set(regions)
    nodes = scenario.all_nodes()
    for host in (*scenario.places, *nodes):
        if host not in hosts:
            return f"scenarios.{name}: there is no host {host!r}; there are {', '.join(sorted(hosts))}"
    for person in scenario.places:
        if person in nodes:
            return f"scenarios.{name}: {person!r} cannot be both a person and a node"
    before = 0.0
    for step in scenario.steps:
        if step.kinds() != 1:
            return f"scenarios.{name}.steps: each does one of kill, start, cut, partition, heal, set"
        if step.at < before:
            return f"scenarios.{name}.steps: they must stand in order of time"
        before = step.at
        for host in step.hosts():
            if host not in nodes:
                return f"scenarios.{name}.steps: {host!r} is no node there; nodes are {', '.join(nodes)}"
        for end in step.ends():
            if end not in hosts | regions and end != "*":
                return f"scenarios.{name}.steps: there is no host or region {end!r}"
    return None
