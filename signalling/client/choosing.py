"""Which node a client takes: what the nodes say of themselves, and what the client measured.

    nodes = await choose_nodes(["https://ams-1.example.org"], RoomId("lobby"))
    async with open_seat([node.url for node in nodes], RoomId("lobby"), name="Ada") as seat: ...

A node names the candidates for a room. The first few are measured (:mod:`signalling.client.probing`), unless they
were a moment ago (:mod:`signalling.client.remembered_rtts`), and with that the
node is asked once more, as it alone knows how far its fellows are from each other, and so the longest way to anybody in
the room. A node of an older version does not weigh what was measured; then the nearest comes first, and its order
decides among those that are about as near.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import urlencode

import httpx
import msgspec
import trio
from msgspec import UNSET, UnsetType

from signalling.client.asking import ask_node, read_answer
from signalling.client.refusal import NodeUnreachableError, RefusedByNodeError
from signalling.client.remembered_rtts import REMEMBERED
from signalling.ids import NodeId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from signalling.ids import RoomId

__all__ = ["NodeChoice", "Probe", "choose_nodes"]

Probe: TypeAlias = "Callable[[Sequence[str]], Awaitable[Sequence[float | None]]]"

PROBED_NODES: Final = 5
"""Nodes that are measured: the short list."""

RTT_TIE_MS: Final = 8.0
"""Two round trips closer than this are the same."""

ASK_DEADLINE_S: Final = 5.0
"""For one node to name the candidates."""

MAX_ANSWER_BYTES: Final = 256 * 1024
"""Some 1000 bytes for each of 64 nodes with its reasons, and as much again three times."""


class NodeChoice(msgspec.Struct, frozen=True, kw_only=True):
    """A node that would take us.

    Attributes:
        node: Its name.
        url: Its base URL.
        region: The place that it serves.
        why: Sentences that say why it stands where it does.
        measured_ms: Round trip that we measured; None when we did not, or it did not answer.
    """

    node: NodeId
    url: str
    region: str
    why: tuple[str, ...]
    measured_ms: float | None = None


class _Named(msgspec.Struct, frozen=True, kw_only=True):
    """A node as ``GET /v1/nodes`` names it; of an older version it does not say ``rtt_source``."""

    node: NodeId
    url: str
    region: str
    why: tuple[str, ...]
    rtt_source: str | UnsetType | None = UNSET


class _Nodes(msgspec.Struct, frozen=True, kw_only=True):
    nodes: tuple[_Named, ...]


async def choose_nodes(
    bases: Sequence[str],
    room: RoomId,
    *,
    ask_deadline_s: float = ASK_DEADLINE_S,
    probe: Probe = REMEMBERED,
) -> tuple[NodeChoice, ...]:
    """Order the nodes for us, the one to take first; those that did not answer last. Cancelling leaves nothing behind.

    Args:
        bases: Base URLs of nodes to ask; the first that answers is believed.
        room: Where we want to go.
        ask_deadline_s: For one node to answer.
        probe: Measures round trips, ms, with a deadline of its own; what this process measured of late is remembered.

    Raises:
        NodeUnreachableError: None of them answers.
        RefusedByNodeError: One did, and said no.
    """
    base, named = await _ask_any(bases, room, ask_deadline_s)
    short = named[:PROBED_NODES]
    figures = await probe([one.url for one in short])
    measured = {one.node: ms for one, ms in zip(short, figures, strict=True)}
    reached = {node: ms for node, ms in measured.items() if ms is not None}
    weighs = any(one.rtt_source is not UNSET for one in named)
    if weighs and reached:
        try:
            named = await _ask(base, room, reached, ask_deadline_s)
        except (NodeUnreachableError, RefusedByNodeError):
            weighs = False  # it went away meanwhile: the order that we have knows nothing of what was measured
    return tuple(
        NodeChoice(node=one.node, url=one.url, region=one.region, why=one.why, measured_ms=measured.get(one.node))
        for one in _ordered(named, measured, reached, weighs=weighs)
    )


def _ordered(
    named: Sequence[_Named], measured: Mapping[NodeId, float | None], reached: Mapping[NodeId, float], *, weighs: bool
) -> list[_Named]:
    best = min(reached.values(), default=0.0)

    def rank(one: _Named) -> tuple[int, float]:
        ms = reached.get(one.node)
        if ms is not None:
            return (0, 0.0 if weighs or ms <= best + RTT_TIE_MS else ms)
        return (2 if one.node in measured else 1, 0.0)

    return sorted(named, key=rank)


async def _ask_any(bases: Sequence[str], room: RoomId, deadline_s: float) -> tuple[str, tuple[_Named, ...]]:
    failure = NodeUnreachableError("there is no node to ask")
    for base in bases:
        try:
            return base, await _ask(base, room, {}, deadline_s)
        except NodeUnreachableError as error:
            failure = error
    raise failure


async def _ask(base: str, room: RoomId, rtts_ms: Mapping[NodeId, float], deadline_s: float) -> tuple[_Named, ...]:
    query = [("room", str(room)), *(("rtt", f"{node}:{ms:.1f}") for node, ms in rtts_ms.items())]
    try:
        with trio.fail_after(deadline_s):
            answer = await ask_node(
                "GET",
                f"{base.rstrip('/')}/v1/nodes?{urlencode(query)}",
                max_bytes=MAX_ANSWER_BYTES,
                timeout_s=deadline_s,
            )
    except (httpx.HTTPError, httpx.InvalidURL, trio.TooSlowError) as error:
        raise NodeUnreachableError(f"no answer from {base}: {error!r}") from error
    return read_answer(answer, base, status=httpx.codes.OK, kind=_Nodes).nodes
