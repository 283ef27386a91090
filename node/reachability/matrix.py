"""All pairs of nodes, each seen from both ends, and what is wrong with them: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from signalling.ids import NodeId
from signalling.mesh.link import ReachRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Reach", "Reachability", "judge", "rows_of"]

MTU_WANTED: Final = 1280
"""Media packets are at most 1,200 bytes with their own headers, so this carries them over IPv4 and IPv6."""

LOSS_WARN: Final = 0.02
"""From here on repair costs what it saves elsewhere."""

CLOCK_WARN_MS: Final = 2000.0
"""Messages of the mesh expire, and tokens have a minute of leeway."""

UP: Final = "up"


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How one node reaches another.

    Attributes:
        sender: The node that looked.
        receiver: The one that it looked for.
        state: Of the link between them, as `starling links` says it; ``up`` is well.
        reason: Code of the last failure, empty when there was none.
        setup_ms: From the wish for a link to its first packet, milliseconds: gossip, ICE and DTLS together.
        rtt_ms: Round trip by keepalives, milliseconds.
        jitter_ms: Its variation, milliseconds.
        loss: Share of keepalives lost, 0 to 1.
        bandwidth_bps: What the sender found the way to carry, bits per second, while that is less than is wanted; None
            where it was not measured. Media alone shows it (sfu/engine/src/engine/links/link_budget.rs) and links
            send no probes, so it is None for every idle link, and for a busy one that has room.
        mtu: Largest packet that the sender's kernel knows to fit, bytes with the IP header.
        clock_ms: How far the receiver's wall clock is ahead of the sender's, milliseconds.
        clock_error_ms: How far that may be off, either way.
        problems: What is wrong, in sentences with the next step; empty when nothing is.
    """

    sender: NodeId
    receiver: NodeId
    state: str
    reason: str = ""
    setup_ms: float | None = None
    rtt_ms: float | None = None
    jitter_ms: float | None = None
    loss: float | None = None
    bandwidth_bps: int | None = None
    mtu: int | None = None
    clock_ms: float | None = None
    clock_error_ms: float | None = None
    problems: tuple[str, ...] = ()


class Reachability(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at the whole cluster found.

    Attributes:
        asked: The node that looked and asked the others.
        nodes: All living ones, in order.
        silent: Those that did not say how they reach the others: not linked, too slow, or of an older version.
        protocols: Lowest and highest mesh protocol of each node.
        ways: Every ordered pair that somebody looked at.
        failed: Members that gossip holds for failed: nobody can say whether they are reached.
        is_whole: Every node reaches every other one, as both ends say, and no member is failed.
    """

    asked: NodeId
    nodes: tuple[NodeId, ...]
    silent: tuple[NodeId, ...]
    protocols: dict[NodeId, tuple[int, int]]
    ways: tuple[Reach, ...]
    failed: tuple[NodeId, ...] = ()
    is_whole: bool


def judge(
    asked: NodeId,
    protocols: Mapping[NodeId, tuple[int, int]],
    told: Mapping[NodeId, tuple[ReachRow, ...]],
    failed: Iterable[NodeId] = (),
) -> Reachability:
    """Put together what the nodes told of themselves; what a node says of one that does not live is dropped.

    Args:
        asked: The node that looks.
        protocols: Every living node, with the lowest and highest mesh protocol that it speaks.
        told: What each node that answered says of the others.
        failed: Members that should live and do not.
    """
    dead = tuple(sorted(failed))
    nodes = tuple(sorted(protocols))
    ways = tuple(
        _reach(sender, row, protocols)
        for sender in nodes
        for row in sorted(told.get(sender, ()), key=lambda row: row.node)
        if row.node in protocols and row.node != sender
    )
    seen = {(way.sender, way.receiver) for way in ways if way.state == UP}
    wanted = {(a, b) for a in nodes for b in nodes if a != b}
    return Reachability(
        asked=asked,
        nodes=nodes,
        silent=tuple(node for node in nodes if node not in told),
        protocols=dict(protocols),
        ways=ways,
        failed=dead,
        is_whole=wanted <= seen and not dead,
    )


def _reach(sender: NodeId, row: ReachRow, protocols: Mapping[NodeId, tuple[int, int]]) -> Reach:
    receiver = NodeId(row.node)
    return Reach(
        sender=sender,
        receiver=receiver,
        state=row.state,
        reason=row.reason,
        setup_ms=row.setup_ms,
        rtt_ms=row.rtt_ms,
        jitter_ms=row.jitter_ms,
        loss=row.loss,
        bandwidth_bps=row.bandwidth_bps,
        mtu=row.mtu,
        clock_ms=row.clock_ms,
        clock_error_ms=row.clock_error_ms,
        problems=tuple(_problems(sender, receiver, row, protocols)),
    )


def _problems(
    sender: NodeId, receiver: NodeId, row: ReachRow, protocols: Mapping[NodeId, tuple[int, int]]
) -> Iterable[str]:
    low, high = protocols[sender]
    other_low, other_high = protocols[receiver]
    if high < other_low or other_high < low:
        yield f"they have no mesh protocol in common ({low}-{high}, {other_low}-{other_high}): update the older one"
    if row.state != UP:
        failed = f", last failure {row.reason}" if row.reason else ""
        yield (
            f"no media gets through: the link is {row.state}{failed}; let UDP through to the media ports of both "
            "(media.port), both ways"
        )
    if row.mtu is not None and row.mtu < MTU_WANTED:
        yield f"packets of {row.mtu} bytes are the largest that fit, and media wants {MTU_WANTED}: raise the path's MTU"
    if row.loss is not None and row.loss >= LOSS_WARN:
        yield f"{row.loss:.1%} of the keepalives are lost: calls over it will suffer where no way round is better"
    if row.clock_ms is not None and abs(row.clock_ms) - (row.clock_error_ms or 0.0) >= CLOCK_WARN_MS:
        yield (
            f"the clock of {receiver} is {row.clock_ms / 1000:+.1f} s against that of {sender}: synchronise both "
            "(chrony, systemd-timesyncd)"
        )


def rows_of(ways: Iterable[Reach]) -> tuple[ReachRow, ...]:
    """What a node says of its own ways, as it goes over a link."""
    return tuple(
        ReachRow(
            way.receiver,
            way.state,
            way.reason,
            way.setup_ms,
            way.rtt_ms,
            way.jitter_ms,
            way.loss,
            way.bandwidth_bps,
            way.mtu,
            way.clock_ms,
            way.clock_error_ms,
        )
        for way in ways
    )
