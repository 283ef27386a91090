"""The gate: which messages of the gossip are believed, and why the others are not.

Whoever holds the gossip key can send anything, in anyone's name, again and again. The checks run
from cheap to dear and in an order that matters: a message leaves no trace but a count until its
signature holds, so a forger can neither burn the id of a true message nor push its window.

Sequences are no order of arrival, gossip has none. They are a window: each sender's last
:data:`WINDOW` messages are remembered by sequence and id, what is older is not taken any more.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from signalling.mesh.negotiation import MESH_VERSION, LinkOffer
from signalling.pace import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from relay.envelope import Opened
    from relay.negotiation.events import Member
    from signalling.ids import NodeId
    from signalling.mesh.negotiation import Envelope

LIFETIME_S: Final = 30.0
"""Expiry of a message: above three tries (5 s) and the slowest gossip seen (tens of seconds when overfull)."""

CLOCK_TOLERANCE_S: Final = 300.0
"""Clocks of nodes may differ by this much; what lies further off is garbage or a broken clock."""

WINDOW: Final = 64
"""Sequences remembered of each sender: a minute of the fastest that a node may speak."""

HOLD_S: Final = 2.0
"""How long a message of an unknown sender waits: `members` shows a newcomer ~1 s before streams do."""

MAX_HELD: Final = 32
"""Messages held at once, all senders together; more are forgeries, and honest senders try again."""

MAX_HELD_EACH: Final = 4

INBOUND_RATE_PER_S: Final = 2.0
INBOUND_BURST: Final = 10.0
"""Twice what an honest sender may say to everyone: slack for gossip that delivers in bunches."""


MAX_SENDERS: Final = 1024
"""Senders that are remembered, after which those who are no members any more are forgotten: where every machine gets an
id of its own, there is always another one."""


class Verdict(enum.StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    """True, and seen before: an offer of this kind gets its answer again."""
    HELD = "held"
    OWN = "own"
    NOT_FOR_ME = "not_for_me"
    FOREIGN_CLUSTER = "foreign_cluster"
    UNKNOWN_SENDER = "unknown_sender"
    FORGED = "forged"
    STALE_BOOT = "stale_boot"
    REPLAYED = "replayed"
    EXPIRED = "expired"
    FLOODED = "flooded"
    UNSUPPORTED_VERSION = "unsupported_version"


@dataclass(slots=True)
class _Sender:
    """What is remembered of one sender's newest boot."""

    boot: int
    highest: int = -1
    ids: dict[int, bytes] = field(default_factory=dict)
    bucket: TokenBucket = field(default_factory=lambda: TokenBucket(rate_per_s=INBOUND_RATE_PER_S, burst=INBOUND_BURST))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    opened: Opened
    late_s: float
    until: float


class Inspector:
    """Judges messages; bounded by the number of members and the constants above."""

    def __init__(self, *, cluster: str, own: NodeId, verify: Callable[[bytes, bytes, bytes], bool]) -> None:
        self._cluster = cluster
        self._own = own
        self._verify = verify
        self._senders: dict[NodeId, _Sender] = {}
        self._held: list[_Held] = []
        self.counts: Counter[str] = Counter()

    def judge(self, opened: Opened, late_s: float, members: Mapping[NodeId, Member], now: float) -> Verdict:
        """Say what to do with a message, and remember it if it is true."""
        verdict = self._judge(opened, late_s, members, now)
        if verdict is Verdict.HELD and not self._hold(opened, late_s, now):
            verdict = Verdict.UNKNOWN_SENDER
        if len(self._senders) > MAX_SENDERS:
            self._senders = {node: known for node, known in self._senders.items() if node in members}
        self.counts[verdict] += 1
        return verdict

    def release(self, sender: NodeId) -> list[tuple[Opened, float]]:
        """Give back, to be judged anew, what was held of a sender that the view now knows better."""
        released = [held for held in self._held if held.opened.envelope.sender == sender]
        self._held = [held for held in self._held if held.opened.envelope.sender != sender]
        return [(held.opened, held.late_s) for held in released]

    def expire(self, now: float) -> None:
        """Drop what was held for too long."""
        kept = [held for held in self._held if held.until > now]
        self.counts[Verdict.UNKNOWN_SENDER] += len(self._held) - len(kept)
        self._held = kept

    def next_deadline(self) -> float | None:
        """When `expire` has something to do."""
        return min((held.until for held in self._held), default=None)

    def forget(self, sender: NodeId, boot: int) -> None:
        """Drop what is remembered of a sender's earlier boots."""
        known = self._senders.get(sender)
        if known is not None and known.boot < boot:
            del self._senders[sender]

    def _judge(self, opened: Opened, late_s: float, members: Mapping[NodeId, Member], now: float) -> Verdict:
        envelope = opened.envelope
        if envelope.sender == self._own:
            return Verdict.OWN
        if envelope.receiver != self._own:
            return Verdict.NOT_FOR_ME
        if envelope.cluster != self._cluster:
            return Verdict.FOREIGN_CLUSTER
        member = members.get(envelope.sender)
        # A boot that the view has not seen may come with a key that it has not seen.
        if member is None or member.boot < envelope.incarnation:
            return Verdict.HELD
        return self._judge_known(opened, late_s, member, now)

    def _judge_known(self, opened: Opened, late_s: float, member: Member, now: float) -> Verdict:
        """Everything from the signature on; only here may anything be noted."""
        envelope = opened.envelope
        if not self._verify(member.public_key, opened.signed, envelope.signature):
            return Verdict.FORGED
        if envelope.incarnation != member.boot:
            return Verdict.STALE_BOOT
        sender = self._senders.get(envelope.sender)
        if sender is None or sender.boot != envelope.incarnation:
            sender = self._senders[envelope.sender] = _Sender(boot=envelope.incarnation)
        if not sender.bucket.take(now):
            return Verdict.FLOODED
        return self._place(envelope, late_s, sender)

    def _place(self, envelope: Envelope, late_s: float, sender: _Sender) -> Verdict:
        if envelope.sequence <= sender.highest - WINDOW:
            return Verdict.REPLAYED
        if not -(LIFETIME_S + CLOCK_TOLERANCE_S) <= late_s <= CLOCK_TOLERANCE_S:
            # The newest word of a node is no garbage, however wrong its clock (or ours) is: a node with a
            # stopped clock keeps its links.
            self.counts["clock_offset"] += 1
            if envelope.sequence < sender.highest:
                return Verdict.EXPIRED
        seen = sender.ids.get(envelope.sequence)
        if seen is not None:
            return Verdict.REPEATED if seen == envelope.message_id else Verdict.REPLAYED
        self._note(envelope, sender)
        if envelope.version > MESH_VERSION and not isinstance(envelope.body, LinkOffer):
            return Verdict.UNSUPPORTED_VERSION
        return Verdict.ACCEPTED

    @staticmethod
    def _note(envelope: Envelope, sender: _Sender) -> None:
        sender.ids[envelope.sequence] = envelope.message_id
        if envelope.sequence > sender.highest:
            sender.highest = envelope.sequence
            for sequence in [old for old in sender.ids if old <= sender.highest - WINDOW]:
                del sender.ids[sequence]

    def _hold(self, opened: Opened, late_s: float, now: float) -> bool:
        sender = opened.envelope.sender
        of_sender = sum(held.opened.envelope.sender == sender for held in self._held)
        if len(self._held) >= MAX_HELD or of_sender >= MAX_HELD_EACH:
            return False
        self._held.append(_Held(opened=opened, late_s=late_s, until=now + HOLD_S))
        return True
