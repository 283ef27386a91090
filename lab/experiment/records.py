"""What one run of one scenario measured: written when the run ends, read by the report.

A run is one file, `<scenario>-<repeat>.json`, in the experiment's folder; a run that did not end has none, so an
experiment that was interrupted goes on with the runs that are missing. Times are seconds since the run's measuring
began (people are in the room and see each other), delays milliseconds, rates Mbit/s of media payload.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

__all__ = ["FORMAT", "Flow", "Happening", "Hop", "Run", "Second"]

FORMAT = 1
"""Raised when older files can no longer be read."""

Kind: TypeAlias = Literal["audio", "video"]


class Second(msgspec.Struct, frozen=True, kw_only=True):
    """What one person received of one kind from one other in one interval, about a second.

    Attributes:
        at_s: its end.
        length_s: how long it was.
        packets: received, each once.
        lost: sent and never received, as far as is known; settled late, so of an earlier moment.
        mbit_s: payload received.
        delay_ms: mean one-way delay, from the sender's clock to reception; None when nothing came.
        jitter_ms: mean difference of the delays of packets that follow each other (RFC 3550's, unsmoothed); None too.
        longest_gap_ms: the longest silence in it.
    """

    at_s: float
    length_s: float
    packets: int
    lost: int
    mbit_s: float
    delay_ms: float | None
    jitter_ms: float | None
    longest_gap_ms: float


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of media from one person to one other, over the whole run.

    Attributes:
        sender: name of the person, as in the topology's hosts.
        receiver: of the other.
        kind: sound or picture.
        seconds: in order of time.
        delays_ms: (delay, packets) pairs, the delay being the upper edge of a bucket, ascending: for CDFs.
        jitters_ms: the same of jitter.
        delay_p50_ms: the middle delay.
        delay_p95_ms: what 95 % do not exceed.
        delay_p99_ms: what 99 % do not exceed.
        first_frame_ms: from the receiver's wish to join until the first whole picture (first packet of sound).
        freezes: silences of a picture longer than 200 ms or three times the usual distance, whichever is more.
        frozen_s: how long they were, all together.
        sent: packets that the sender sent in the measured time.
        lost: of them, never received.
    """

    sender: str
    receiver: str
    kind: Kind
    seconds: tuple[Second, ...]
    delays_ms: tuple[tuple[float, int], ...]
    jitters_ms: tuple[tuple[float, int], ...]
    delay_p50_ms: float
    delay_p95_ms: float
    delay_p99_ms: float
    first_frame_ms: float
    freezes: int
    frozen_s: float
    sent: int
    lost: int


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """A step of the way that media takes: host to host, with what the nodes measured there and what is emulated.

    Attributes:
        from_host: where it begins.
        to_host: where it ends.
        emulated_rtt_ms: round trip of the network between the two.
        measured_rtt_ms: as the node or the person's connection measured it (`/metrics`); None when it does not.
        loss: share of packets that this step lost before repair, 0 to 1; None when unknown.
        took_ms: how long packets were under way on this step, mean of all; None when there were none.
    """

    from_host: str
    to_host: str
    emulated_rtt_ms: float
    measured_rtt_ms: float | None
    loss: float | None
    took_ms: float | None = None


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the scenario did or saw: a node killed, a path cut, media back."""

    at_s: float
    what: str


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        format: `FORMAT`.
        scenario: its name.
        repeat: its number, from 1.
        topology: name of the network.
        started: wall clock, ISO 8601 with zone.
        duration_s: how long it measured.
        participants: "synthetic" or "browser".
        places: host of each person's node, by the person's host.
        flows: every sender to every receiver, sound and picture.
        paths: by "sender>receiver", the steps of the way.
        happenings: in order of time.
        hop_added_ms: the delay beyond what packets took on the steps, by "sender>receiver": the time in nodes, and what
            resends cost. Empty where the scenario changes the network.
        figures: what was read from the nodes' `/metrics` at the end, by node and name; under `network`, what the
            network carried from node to node, Mbit/s with headers; under `machine`, the share of its processors' time
            that was `idle`, the latest that a packet was handed over after it was due (`late_ms`), and how many packets
            found no room (`crowded_out`).
    """

    format: int
    scenario: str
    repeat: int
    topology: str
    started: str
    duration_s: float
    participants: Literal["synthetic", "browser"]
    places: dict[str, str]
    flows: tuple[Flow, ...]
    paths: dict[str, tuple[Hop, ...]]
    happenings: tuple[Happening, ...] = ()
    hop_added_ms: dict[str, float] = {}
    figures: dict[str, dict[str, float]] = {}
