"""What the demo found, as one document, and whether that is as it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from node.admin import RttPair
from signalling.client.messages import MediaKind

if TYPE_CHECKING:
    from collections.abc import Sequence

KINDS: Final[tuple[MediaKind, ...]] = ("audio", "video")
"""What every synthetic participant publishes."""


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """One node as it says of itself, or as the others still know it: where it is, its state, how to reach it."""

    node: str
    region: str
    latitude: float | None
    longitude: float | None
    state: str
    url: str


class LinkReport(msgspec.Struct, frozen=True, kw_only=True):
    """One link: round trip in ms by keepalives, set-up from want to up in ms, bytes both ways."""

    a: str
    b: str
    rtt_ms: float | None
    setup_ms: float | None
    bytes: int


class ReceivedReport(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from"}):
    """One track that a participant receives.

    Attributes:
        source: The name of who sends it (``from`` in JSON), as stamped into its packets.
        kind: audio or video.
        node: The node of the one who sends.
        relayed: Whether it crosses a link.
        packets: Received since the start.
        packets_per_s: Since the report before this one, or since everybody was in.
        lost: Missing in the sequence of the payloads, so over all hops.
        duplicates: Seen more than once.
        delay_ms_p50: One-way from payload made to payload read, median, ms.
        delay_ms_p99: The same, 99th percentile.
    """

    source: str
    kind: MediaKind
    node: str
    relayed: bool
    packets: int
    packets_per_s: float
    lost: int
    duplicates: int
    delay_ms_p50: float | None
    delay_ms_p99: float | None


class ParticipantReport(msgspec.Struct, frozen=True, kw_only=True):
    """One participant and what they receive."""

    id: str
    room: str
    node: str
    received: tuple[ReceivedReport, ...]


class DemoReport(msgspec.Struct, frozen=True, kw_only=True):
    """The document of `starling demo --json`.

    Attributes:
        ok: Whether everybody received everybody else in their room.
        missing: In words, why not.
        seconds: Since everybody was in.
        nodes: That were started.
        links: Between them.
        rtts: How far they are from each other, each pair as the node knows it that knows it best.
        participants: And what they receive.
    """

    ok: bool
    missing: tuple[str, ...]
    seconds: float
    nodes: tuple[NodeReport, ...]
    links: tuple[LinkReport, ...]
    rtts: tuple[RttPair, ...] = ()
    participants: tuple[ParticipantReport, ...]


def find_missing(participants: Sequence[ParticipantReport]) -> tuple[str, ...]:
    """Say whose tracks do not arrive at whom: empty when everybody gets everybody else's, up to now."""
    missing: list[str] = []
    for one in participants:
        arrived = {(item.source, item.kind) for item in one.received if item.packets_per_s > 0}
        missing.extend(
            f"{one.id} in {one.room} receives no {kind} from {other.id}"
            for other in participants
            if other.room == one.room and other.id != one.id
            for kind in KINDS
            if (other.id, kind) not in arrived
        )
    return tuple(missing)


def make_report(
    *,
    seconds: float,
    nodes: Sequence[NodeReport],
    links: Sequence[LinkReport],
    participants: Sequence[ParticipantReport],
    rtts: Sequence[RttPair] = (),
) -> DemoReport:
    """Put the document together; it is ok when nothing is missing."""
    missing = find_missing(participants)
    return DemoReport(
        ok=not missing and bool(participants),
        missing=missing,
        seconds=round(seconds, 1),
        nodes=tuple(nodes),
        links=tuple(links),
        rtts=tuple(rtts),
        participants=tuple(participants),
    )
