"""How long nothing is heard or seen of whose node died, from what those who stayed sampled: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lab.experiment.samples import MediaSample, Sample
    from signalling.client.messages import MediaKind

__all__ = ["Gap", "gaps"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """One silence.

    Attributes:
        sender: Whose node died.
        receiver: Who did not hear or see them.
        kind: Sound or picture.
        silent_s: The longest time without a packet.
        is_over: Packets came again in time.
    """

    sender: str
    receiver: str
    kind: MediaKind
    silent_s: float
    is_over: bool


def gaps(
    samples: Mapping[str, Sequence[Sample]],
    people: Sequence[str],
    moved: Iterable[str],
    stayed: Iterable[str],
    *,
    died_s: float,
    until_s: float,
) -> list[Gap]:
    """The silence of each who had to move at each who did not, in sound and in picture.

    Args:
        samples: What each person wrote, in order of time.
        people: Names of all, in order of their stamps.
        moved: Whose node died.
        stayed: Those of other nodes.
        died_s: When it died, by the clock of the samples.
        until_s: Up to when packets count as having come again.
    """
    stamps = {people.index(name): name for name in moved}
    found = []
    for receiver in stayed:
        before: dict[tuple[int, MediaKind], MediaSample] = {}
        after: dict[tuple[int, MediaKind], list[MediaSample]] = {}
        for sample in samples[receiver]:
            for one in sample.received:
                key = (one.stamp, one.kind)
                if one.stamp not in stamps or sample.at_s > until_s:
                    continue
                if sample.at_s <= died_s:
                    before[key] = one
                else:
                    after.setdefault(key, []).append(one)
        # Who was not received before has no gap, but a beginning.
        found += [
            Gap(
                sender=stamps[key[0]],
                receiver=receiver,
                kind=key[1],
                silent_s=max(one.gap_ms for one in after[key]) / 1000,
                is_over=_goes_on(after[key]),
            )
            for key in sorted(before)
            if key in after
        ]
    return found


def _goes_on(samples: Sequence[MediaSample]) -> bool:
    """Whether packets come at the end: more of them than at the sample before."""
    return len(samples) > 1 and samples[-1].packets > samples[-2].packets
