"""What this node says by gossip: composed, numbered, and let out no faster than the cluster bears."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from relay.envelope import MESSAGE_ID_BYTES
from signalling.mesh.negotiation import MESH_VERSION, Body, Envelope
from signalling.pace import TokenBucket

if TYPE_CHECKING:
    from random import Random

    from signalling.ids import NodeId

SEND_RATE_PER_S: Final = 1.0
SEND_BURST: Final = 5.0
"""What one node may gossip: a cluster carries some 15 events of this size a second, all nodes together."""

BUSY_QUEUE: Final = 10
CROWDED_QUEUE: Final = 100
"""Events that wait in the own agent. Below 10 it keeps up; above 100 the cluster is asked for more than it carries, and
what came first starves behind what came last (measured with Serf, whose queue is a stack)."""

BUSY_COST: Final = 2.0
CROWDED_COST: Final = SEND_BURST
"""Turns that a message takes then, so that all nodes together give the queues time to drain."""

MAX_OUTBOX: Final = 64
"""Answers and goodbyes that wait for their turn; a minute's worth, after which nobody needs them."""


class Voice:
    """The outgoing side of the negotiation, for all peers of a node."""

    def __init__(self, *, cluster: str, own: NodeId, boot: int, random: Random) -> None:
        self._cluster = cluster
        self._own = own
        self._boot = boot
        self._random = random
        self._sequence = 0
        self._bucket = TokenBucket(rate_per_s=SEND_RATE_PER_S, burst=SEND_BURST)
        self._prepaid: deque[Envelope] = deque()
        self._outbox: deque[Envelope] = deque()
        self._next_at = 0.0
        self._cost = 1.0
        self.dropped = 0

    def new_message_id(self) -> bytes:
        """Draw a message id."""
        return self._random.randbytes(MESSAGE_ID_BYTES)

    def compose(self, receiver: NodeId, body: Body, correlation_id: bytes, message_id: bytes | None = None) -> Envelope:
        """Make the next message of this boot, yet without expiry and signature."""
        self._sequence += 1
        return Envelope(
            version=MESH_VERSION,
            cluster=self._cluster,
            sender=self._own,
            receiver=receiver,
            message_id=message_id or self.new_message_id(),
            correlation_id=correlation_id,
            incarnation=self._boot,
            sequence=self._sequence,
            expires_ms=0,
            body=body,
        )

    def heed(self, queued: int) -> None:
        """Speak less while so many events wait in the agent."""
        self._cost = 1.0 if queued < BUSY_QUEUE else BUSY_COST if queued <= CROWDED_QUEUE else CROWDED_COST

    def prepay(self, now: float) -> bool:
        """Take a turn for a message that comes later, if there is one."""
        return self._bucket.take(now, self._cost)

    def next_turn(self, now: float) -> float:
        """When there will be one."""
        wait_s = self._bucket.wait_s(now, self._cost)
        # A hair later, so that rounding never finds the bucket just short of a token.
        return now + wait_s + 1e-6 if wait_s > 0 else now

    def say_prepaid(self, envelope: Envelope) -> None:
        """Say something whose turn was taken before, or that cannot wait for one."""
        self._prepaid.append(envelope)

    def say(self, envelope: Envelope) -> None:
        """Say something in its turn; a message that still waits is not said twice."""
        if envelope in self._outbox:
            return
        if len(self._outbox) >= MAX_OUTBOX:
            self.dropped += 1
            return
        self._outbox.append(envelope)

    def forget(self, attempt: bytes) -> None:
        """Drop what waits and belongs to an attempt that is over."""
        self._outbox = deque(said for said in self._outbox if attempt not in (said.message_id, said.correlation_id))

    def take_due(self, now: float) -> list[Envelope]:
        """Give what may be said now, in order."""
        due = list(self._prepaid)
        self._prepaid.clear()
        while self._outbox and self._bucket.take(now, self._cost):
            due.append(self._outbox.popleft())
        self._next_at = self.next_turn(now)
        return due

    def next_deadline(self) -> float | None:
        """When `take_due` has something."""
        return self._next_at if self._outbox else None
