"""How soon the first packet of a room's tracks comes over a link, from when somebody behind it wants in.

Nodes 40 ms apart, and a store as far from each. On every node somebody sends into a room of their own; on another one
a visitor joins that room. Counted is all from sending `join` to the first media of the link on the visitor's host, as
its kernel saw it: the claim at the store, the node learning where the room lives, what is said over the link, and the
wait for the next packet of the publisher. The first time for each pair of nodes there is no link; what makes one is
told apart by what is seen on the wire.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from functools import partial
from statistics import fmean, median
from typing import TYPE_CHECKING, Final

import trio

from lab import open_wan
from lab.topology import parse_topology
from node.lab.folders import open_folder
from node.lab.nodes import REDIS_PORT, open_wan_nodes
from sfu.participants import VideoPlan
from signalling.ids import RoomId
from tests.bench.relay.part import Outcome, Part
from tests.bench.relay.people import MANY, drain, open_player, take_part
from tests.bench.relay.quantiles import quantile
from tests.bench.relay.wire import Kind, open_wire
from tests.bench.report import at_most
from tests.cluster.lab.visitors import open_visitor, read_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from node.lab.nodes import WanNodes
    from signalling.client.connection import Client
    from tests.bench.relay.part import Say
    from tests.bench.relay.wire import Wire
    from tests.bench.rounds import Rounds

__all__ = ["SETTING_UP", "Cold", "Warm", "cold_parts_ms", "multiples"]

RTT_MS: Final = 40.0
NODES: Final = tuple(f"node-{number}" for number in range(1, 6))
STORE: Final = "store"

NETWORK: Final = "\n".join(
    (
        'name = "forty"',
        f"[within]\nrtt_ms = {RTT_MS}",
        "[regions.here]\nlatitude = 50.1\nlongitude = 8.7",
        *(f'[[hosts]]\nname = "{name}"\nregion = "here"' for name in (*NODES, STORE)),
    )
).encode()

WANTS: Final = int(os.environ.get("STARLING_BENCH_WANTS", "30"))
"""On warm links, in a round."""

QUIET_S: Final = 0.4
"""Without media of a room that nobody wants any more, before the next wants it: a publisher sends each 20 ms."""

BETWEEN_COLD_S: Final = 1.5
"""A node may begin a link each second, and five at once."""

MEDIA_DEADLINE_S: Final = 15.0
STORE_TRIPS: Final = 11
GOAL: Final = 3.0

VIDEO: Final = VideoPlan(frames_per_s=25, bits_per_s=200_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Warm:
    """One room wanted over a link that was there, milliseconds.

    Attributes:
        took_ms: From `join` to the first relayed packet.
        joined_ms: From `join` to its reply.
        link_ms: The link's round trip, by its keepalives.
        store_ms: A round trip to the store, as measured from the visitor's host.
    """

    took_ms: float
    joined_ms: float
    link_ms: float
    store_ms: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Cold:
    """One room wanted where no link was, milliseconds; the parts follow each other.

    Attributes:
        took_ms: From `join` to the first relayed packet.
        store_ms: To the reply to `join`.
        gossip_ms: To the first STUN of the end that began last: offer and answer have arrived.
        ice_ms: To the first DTLS.
        dtls_ms: To the first word on the link's channels.
        leg_ms: To the first relayed packet: what is said over the link, and the publisher's next packet.
    """

    took_ms: float
    store_ms: float
    gossip_ms: float
    ice_ms: float
    dtls_ms: float
    leg_ms: float


def cold_parts_ms(wire: Wire, asked_s: float, joined_s: float, media_s: float) -> Cold:
    """Tell the parts of a link's making apart.

    Args:
        wire: What was seen.
        asked_s: When `join` was sent, seconds since 1970, as are the others.
        joined_s: When its reply came.
        media_s: When the first relayed packet came.

    Raises:
        ValueError: No link was made meanwhile.
    """
    both = [wire.first(Kind.STUN, sender=end, after_s=asked_s) for end in (wire.near, wire.far)]
    handshake_s = wire.first(Kind.HANDSHAKE, after_s=asked_s)
    channel_s = wire.first(Kind.CHANNEL, after_s=asked_s)
    begun = [at_s for at_s in both if at_s is not None]
    if len(begun) < 2 or handshake_s is None or channel_s is None:
        raise ValueError("no link was made")
    # Gossip may be faster than the reply to `join`, and DTLS begin while the other end still checks.
    moments = [asked_s]
    for at_s in (joined_s, max(begun), handshake_s, channel_s, media_s):
        moments.append(max(moments[-1], at_s))
    parts = [(later - earlier) * 1000 for earlier, later in itertools.pairwise(moments)]
    return Cold(
        took_ms=(media_s - asked_s) * 1000,
        store_ms=parts[0],
        gossip_ms=parts[1],
        ice_ms=parts[2],
        dtls_ms=parts[3],
        leg_ms=parts[4],
    )


def multiples(warm: Sequence[Warm]) -> list[float]:
    """What each took, in round trips of link and store together."""
    return [one.took_ms / (one.link_ms + one.store_ms) for one in warm]


class _Visit:
    """Visitors of all nodes, who join rooms of others."""

    def __init__(self, nodes: WanNodes, visitors: dict[str, Client], store_ms: dict[str, float]) -> None:
        self._nodes = nodes
        self._visitors = visitors
        self._store_ms = store_ms
        self._attempts = dict.fromkeys(visitors, 0)

    async def cold(self, at: str, to: str) -> Cold:
        """Let the visitor of one node join the room of another, to which there is no link."""
        async with open_wire(self._nodes.wan, at, to) as wire:
            asked_s, joined_s, media_s = await self._join(at, to, wire)
            # What crosses after it began to flow says nothing more.
            return cold_parts_ms(wire, asked_s, joined_s, media_s)

    async def warm(self, at: str, to: str) -> Warm:
        """The same where there is one."""
        links = {link.node: link for link in (await self._nodes.links(at)).links}
        async with open_wire(self._nodes.wan, at, to) as wire:
            await wire.wait_quiet(time.time, sender=wire.far, quiet_s=QUIET_S, deadline_s=MEDIA_DEADLINE_S)
            asked_s, joined_s, media_s = await self._join(at, to, wire)
            return Warm(
                took_ms=(media_s - asked_s) * 1000,
                joined_ms=(joined_s - asked_s) * 1000,
                link_ms=links[to].rtt_ms or RTT_MS,
                store_ms=self._store_ms[at],
            )

    async def _join(self, at: str, to: str, wire: Wire) -> tuple[float, float, float]:
        visitor = self._visitors[at]
        self._attempts[at] += 1
        asked_s = time.time()
        await visitor.join(RoomId(to), attempt=self._attempts[at])
        joined_s = time.time()
        media_s = await wire.wait_first(Kind.MEDIA, sender=wire.far, after_s=asked_s, deadline_s=MEDIA_DEADLINE_S)
        await visitor.leave()
        return asked_s, joined_s, media_s


async def measure(rounds: Rounds, say: Say) -> Outcome:
    """Let visitors come where no link is, and then where one is."""
    say(f"starting {len(NODES)} nodes {RTT_MS:g} ms apart")
    pairs = list(itertools.combinations(NODES, 2))
    cold: list[Cold] = []
    warm: list[list[Warm]] = []
    dice = random.Random(1)
    with open_folder() as folder:
        async with AsyncExitStack() as stack:
            wan = await stack.enter_async_context(open_wan(parse_topology(NETWORK)))
            nodes = await stack.enter_async_context(
                open_wan_nodes(
                    wan,
                    folder,
                    hosts=NODES,
                    redis_host=STORE,
                    settings={"mesh": {"warm_links": 0}, "http": MANY, "rooms": {"grace_s": 0}},
                )
            )
            tokens = read_tokens(folder / NODES[0])
            nursery = await stack.enter_async_context(trio.open_nursery())
            visitors: dict[str, Client] = {}
            for stamp, node in enumerate(NODES):
                participants = await stack.enter_async_context(open_player(wan, node))
                resident = await stack.enter_async_context(open_visitor(wan, node, tokens))
                await nursery.start(
                    partial(take_part, resident, RoomId(node), participants, name=node, stamp=stamp, video=VIDEO)
                )
                visitors[node] = await stack.enter_async_context(open_visitor(wan, node, tokens))
                nursery.start_soon(drain, visitors[node])
            store_ms = {node: await _store_ms(nodes, node) for node in NODES}
            visit = _Visit(nodes, visitors, store_ms)
            for number, (to, at) in enumerate(pairs, start=1):
                await trio.sleep(BETWEEN_COLD_S)
                cold.append(await visit.cold(at, to))
                say(f"no link, {number}/{len(pairs)}: {_described(cold[-1])}")
            await trio.sleep(BETWEEN_COLD_S)  # until every link has measured itself
            for number in range(rounds.count):
                found = [await visit.warm(*dice.sample(pair, 2)) for pair in dice.choices(pairs, k=WANTS)]
                warm.append(found)
                times = multiples(found)
                say(
                    f"link there, {number + 1}/{rounds.count}: {median(times):.2f} (99 %: {quantile(times, 0.99):.2f}) "
                    f"of {fmean(one.link_ms for one in found):.1f} + {fmean(one.store_ms for one in found):.1f} ms"
                )
            nursery.cancel_scope.cancel()
    what = "first relayed packet / (link + store round trip)"
    return Outcome(
        goals=[
            at_most(f"{what}, p50", GOAL, [quantile(multiples(one), 0.5) for one in warm]),
            at_most(f"{what}, p99", GOAL, [quantile(multiples(one), 0.99) for one in warm]),
        ],
        raw={
            "warm": [[asdict(one) for one in found] for found in warm],
            "cold": [asdict(one) for one in cold],
            "cold_median": {
                name: median(asdict(one)[name] for one in cold)
                for name in ("took_ms", "store_ms", "gossip_ms", "ice_ms", "dtls_ms", "leg_ms")
            },
        },
    )


def _described(cold: Cold) -> str:
    return (
        f"{cold.took_ms:.0f} ms = store {cold.store_ms:.0f} + gossip {cold.gossip_ms:.0f} + ICE {cold.ice_ms:.0f} + "
        f"DTLS {cold.dtls_ms:.0f} + leg {cold.leg_ms:.0f}"
    )


async def _store_ms(nodes: WanNodes, host: str) -> float:
    """The median round trip from a host to the store, milliseconds."""
    taken = []
    with nodes.wan.tcp_socket(host) as stream:
        await stream.connect((nodes.wan.address(STORE), REDIS_PORT))
        for _ in range(STORE_TRIPS):
            began_s = time.perf_counter()
            await stream.send(b"PING\r\n")
            await stream.recv(64)
            taken.append((time.perf_counter() - began_s) * 1000)
    return median(taken)


SETTING_UP: Final = Part(
    name="setup",
    about="remote want to first relayed packet, on warm and on cold links under 40 ms",
    seconds=lambda rounds: 45 + rounds.count * WANTS * 0.9,
    needs_lab=True,
    measure=measure,
)
