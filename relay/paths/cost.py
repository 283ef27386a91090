"""What a link costs as a part of a path: one number, in milliseconds, so that paths can be added up and compared.

    cost = rtt / 2  +  2 * jitter  +  rtt * min(1, loss / 0.02)  +  10 000 ms * loss^2  +  hop

- *rtt / 2* is what a packet takes. The way back counts for nothing: media goes one way.
- *2 x jitter*: the playout buffer waits for the late ones. Jitter is the mean deviation (RFC 3550, 6.4.1); twice that
  covers 95 packets of 100 where delays are spread exponentially.
- *loss x rtt*: what is lost is sent again by the same link, and comes a round trip late. From 2 % on something
  does so all the time, and the playout buffer stays as long as that.
- *loss squared*: a resend is lost as often as any packet. What is missing in spite of it is heard as a gap and seen
  as a freeze: 1 % of it (a raw loss of 10 %) counts as 100 ms. ITU-T G.107 takes 10 points off for 1 % of lost packets
  of a codec without much concealment, and as many for 100 ms beyond the 177 ms that nobody minds.
- *hop*: 5 ms for every node that has to pass it on. It adds less than 1 ms to the delay; the rest is for the bandwidth
  that it takes there, and for one more thing that can break.

To what its links cost a path adds the *price* of each node in its middle: what that node's operator wants for passing
media on, as the milliseconds that this is worth (`mesh.transit_price_ms`, 0 unless said).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

JITTER_WEIGHT: Final = 2.0
LOSS_THAT_FILLS: Final = 0.02
"""Share of packets lost from which on the playout buffer never shrinks below a round trip: ten resends a second at
500 packets/s, more often than a buffer forgets."""

RESIDUAL_MS: Final = 10_000.0
HOP_MS: Final = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkQuality:
    """What the receiving end of a link measured.

    Attributes:
        rtt_ms: Round trip, milliseconds.
        jitter_ms: Mean deviation of the arrival, milliseconds.
        loss: Share of what the other end sent that did not arrive, before repair, 0-1.
    """

    rtt_ms: float
    jitter_ms: float = 0.0
    loss: float = 0.0


def link_cost_ms(quality: LinkQuality) -> float:
    """The cost of receiving over such a link, milliseconds; see the head of this file."""
    waits = quality.rtt_ms * min(1.0, quality.loss / LOSS_THAT_FILLS)
    residual = RESIDUAL_MS * quality.loss * quality.loss
    return quality.rtt_ms / 2 + JITTER_WEIGHT * quality.jitter_ms + waits + residual + HOP_MS
