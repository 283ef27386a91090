"""How good or bad a path is: the same five numbers in a topology, in a change, and in the emulator."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

__all__ = ["PERFECT", "Change", "Conditions"]

MAX_MS: Final = 60_000.0
"""Nothing on earth is slower; the emulator refuses more."""

Milliseconds = Annotated[float, msgspec.Meta(ge=0, le=MAX_MS)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Burst = Annotated[float, msgspec.Meta(ge=1, le=1e6)]
Rate = Annotated[float, msgspec.Meta(ge=0, le=1e6)]


class Conditions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a path does to packets, each way.

    Attributes:
        rtt_ms: Round-trip time; a packet takes half of it each way.
        jitter_ms: Standard deviation of the normal variable whose absolute value is added to the delay.
        loss: Share of packets that are lost, 0 to 1.
        burst: How many are lost in a row, on average (Gilbert); 1 for losses that do not depend on each other.
        rate_mbit_s: What the narrowest place lets through each way, headers included; 0 for any amount.
        queue_ms: How long a packet may wait before that place; one that would wait longer is dropped.
        reorder: Whether jitter may let packets overtake each other, which real paths seldom do.
    """

    rtt_ms: Milliseconds
    jitter_ms: Milliseconds = 0.0
    loss: Share = 0.0
    burst: Burst = 1.0
    rate_mbit_s: Rate = 0.0
    queue_ms: Milliseconds = 200.0
    reorder: bool = False

    def changed(self, change: Change) -> Conditions:
        """These conditions with the change in them."""
        return msgspec.structs.replace(self, **change.given())

    def one_way(self) -> dict[str, object]:
        """As the emulator takes it, for one direction."""
        fields = msgspec.structs.asdict(self)
        return {"delay_ms": fields.pop("rtt_ms") / 2, **fields}


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some of the :class:`Conditions`; what is None stays as it is."""

    rtt_ms: Milliseconds | None = None
    jitter_ms: Milliseconds | None = None
    loss: Share | None = None
    burst: Burst | None = None
    rate_mbit_s: Rate | None = None
    queue_ms: Milliseconds | None = None
    reorder: bool | None = None

    def given(self) -> dict[str, object]:
        """What is not None, by name."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}


PERFECT: Final = Conditions(rtt_ms=0.0)
"""A host's path to itself."""
