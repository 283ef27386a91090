"""Whatever links do: no chain of legs ever comes back to where it was, and what can be had is had."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest

from relay.legs import Hop, Legs, LegsEffect, WaysKnown
from relay.paths import MAX_HOPS
from relay.paths.tree import ways
from signalling.ids import NodeId, TrackId
from tests.unit.relay.paths.network import LoopError, Network, origin_of, track_of


def build(random: Random, count: int, degree: int, legs: type[Legs] = Legs, *, decides: bool = True) -> Network:
    """Nodes on a map of 300 ms by 300 ms, each linked with near ones and a far one."""
    network = Network(random, legs, decides=decides)
    nodes = [network.add(f"n{number}") for number in range(count)]
    places = {node: (random.random() * 300, random.random() * 300) for node in nodes}

    def rtt_ms(one: NodeId, other: NodeId) -> float:
        (x1, y1), (x2, y2) = places[one], places[other]
        return 2 + float(((x1 - x2) ** 2 + (y1 - y2) ** 2) ** 0.5) * random.uniform(1.0, 2.0)

    for node in nodes:
        near = sorted((other for other in nodes if other != node), key=lambda other: rtt_ms(node, other))
        for other in (*near[: degree // 2], random.choice(nodes)):
            if other != node and frozenset((node, other)) not in network.links:
                network.connect(node, other, rtt_ms(node, other))
    return network


def watch(network: Network, random: Random, origins: int, watchers: int) -> dict[TrackId, list[NodeId]]:
    nodes = list(network.nodes)
    asked: dict[TrackId, list[NodeId]] = {}
    for origin in random.sample(nodes, origins):
        asked[track_of(origin)] = random.sample([node for node in nodes if node != origin], watchers)
        network.offer(origin, track_of(origin), asked[track_of(origin)])
    for node in nodes:
        network.nodes[node].want(*(track for track, watching in asked.items() if node in watching))
    return asked


def disturb(network: Network, random: Random, until: float, changes: int) -> None:
    """Links break, come back and change, at random times, often several at once."""
    pairs = list(network.links)

    def change() -> None:
        one, other = sorted(random.choice(pairs))
        link = network.links[frozenset((one, other))]
        match random.randrange(3):
            case 0 if link.is_up:
                network.cut(one, other)
                network.at(network.now + random.choice([0.3, 2.0, 8.0]), lambda: mend(one, other))
            case 1:
                link.rtt_ms = random.uniform(2, 400)
            case _:
                link.loss = random.choice([0.0, 0.0, 0.05, 0.3])

    def mend(one: NodeId, other: NodeId) -> None:
        if not network.links[frozenset((one, other))].is_up:
            network.connect(one, other, random.uniform(2, 300))

    for _ in range(changes):
        network.at(network.now + random.random() * (until - network.now), change)
    network.run(until)


def missing(network: Network, asked: dict[TrackId, list[NodeId]]) -> list[tuple[TrackId, NodeId]]:
    """What somebody does not get although there is a way."""
    return [
        (track, node)
        for track, watching in asked.items()
        for node in watching
        if not network.is_delivered(node, track)
        and ways(NodeId(track.removeprefix("tr_")), node, network.nodes[node].paths.states)
    ]


@pytest.mark.parametrize("seed", range(4))
def test_no_loop_ever_and_what_can_be_had_is_had(seed: int) -> None:
    random = Random(seed)
    network = build(random, count=18, degree=4)
    network.run(3.0)
    asked = watch(network, random, origins=6, watchers=8)
    network.run(6.0)
    assert missing(network, asked) == []
    disturb(network, random, until=26.0, changes=100)
    network.run(45.0)
    assert missing(network, asked) == []
    before = network.counts["opened"]
    network.run(50.0)
    assert network.counts["opened"] == before, "still changing its mind"
    chains = [chain for track, at in asked.items() for node in at for chain in network.chains(node, track)]
    assert max(map(len, chains)) > 2, "nothing went through another node"
    assert max(map(len, chains)) <= MAX_HOPS + 1


def test_no_loop_among_hundreds_of_nodes_whatever_each_decides() -> None:
    random = Random(300)
    network = build(random, count=300, degree=6, decides=False)
    network.run(1.0)
    asked = watch(network, random, origins=10, watchers=60)
    nodes = list(network.nodes.values())

    def decide() -> None:
        """Somebody takes another way to somewhere, any one: stale news, wrong news and lies are no worse."""
        node = random.choice(nodes)
        if node.turns:
            origins = [origin_of(track) for track in asked]
            node.take(
                WaysKnown(
                    hops={
                        origin: Hop(via=random.choice(sorted(node.turns)), hops=random.randint(2, MAX_HOPS))
                        for origin in random.sample(origins, 5)
                    }
                )
            )

    for number in range(2000):
        network.at(1.0 + number / 200, decide)
    disturb(network, random, until=11.0, changes=500)
    network.run(15.0)
    assert network.counts["opened"] > 1000
    hops = [len(chain) - 1 for track, at in asked.items() for node in at for chain in network.chains(node, track)]
    assert MAX_HOPS in hops


class NoLevels(Legs):
    """Sends to whoever asks, whatever its own legs are."""

    def _drop_transits(self, *args: object, **kwargs: object) -> list[LegsEffect]:
        return []

    def _serve(self, track: TrackId) -> list[LegsEffect]:
        for _, out, transit in self._transits_of(track):
            out.is_open = out.is_open or transit is not None
        return []


def test_without_levels_there_are_loops() -> None:
    """The check of every event sees a loop where there is one."""
    for seed in range(8):
        network = build(Random(seed), count=18, degree=4, legs=NoLevels)
        network.run(3.0)
        watch(network, Random(seed), origins=6, watchers=8)
        with suppress(LoopError):
            disturb(network, Random(seed), until=12.0, changes=100)
            continue
        return
    pytest.fail("no loop came about in any of these")
