"""What a person's process tells the experiment: lines of JSON, those of every second in a file, news on its output.

All times are of the machine's monotonic clock, in seconds, which every process on it shares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from signalling.client.messages import MediaKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["NEWS", "MediaSample", "News", "Part", "Sample", "read_samples"]

NEWS: Final = "news "
"""What a line of news begins with; others are for the log."""

Counts = tuple[tuple[int, int], ...]
"""(greatest microseconds, packets) of each step that has some, ascending."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is to do.

    Attributes:
        name: Name of the person, as in the topology's hosts.
        address: Where its media is sent from.
        stamp: Number of the person in the run.
        people: Names of all, in order of their stamps.
        room: Where they meet.
        nodes: Base URLs, the wanted one first; the others are for when it dies.
        frames_per_s: Of its picture.
        bits_per_s: Of its picture.
        samples: The file that it writes.
    """

    name: str
    address: str
    stamp: int
    people: tuple[str, ...]
    room: str
    nodes: tuple[str, ...]
    frames_per_s: int
    bits_per_s: int
    samples: str


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a person.

    Attributes:
        at_s: When.
        what: `wishes` to be in; `seated` (again); `is` that participant; `whole`, it hears and sees everybody for the
            first time; `away`, its connection is lost; `ended`.
        detail: The node where it has its seat, the participant's id, or why something ended.
    """

    at_s: float
    what: str
    detail: str = ""


class MediaSample(msgspec.Struct, frozen=True, kw_only=True):
    """What was received of one kind from one other, since the beginning unless said otherwise.

    Attributes:
        stamp: The sender.
        kind: Sound or picture.
        packets: Different ones.
        bytes: Their payload.
        lost: Given up.
        missing: Not there yet.
        delay_sum_ms: All delays.
        jitter_sum_ms: All differences of delays.
        gap_ms: The longest silence since the sample before.
        freezes: Silences longer than 200 ms.
        frozen_ms: How long these were.
        first_frame_at_s: When the first whole frame was there; None while there was none.
        delays_us: Since the sample before.
        jitters_us: Since the sample before.
    """

    stamp: int
    kind: MediaKind
    packets: int
    bytes: int
    lost: int
    missing: int
    delay_sum_ms: float
    jitter_sum_ms: float
    gap_ms: float
    freezes: int
    frozen_ms: float
    first_frame_at_s: float | None
    delays_us: Counts
    jitters_us: Counts


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One person's counters at one moment: what was sent of each kind, and what was received."""

    at_s: float
    sent: dict[MediaKind, int]
    received: tuple[MediaSample, ...]


def read_samples(path: Path) -> Iterator[Sample]:
    """Read the file of a person, line by line; the last one may be cut short, if its writer was killed.

    Raises:
        OSError: It cannot be read.
    """
    decoder = msgspec.json.Decoder(Sample)
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield decoder.decode(line)
