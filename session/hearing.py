"""What one seat is told of the chat of its room: each message once, whatever it was told on other nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from signalling.ids import first_id_at, is_minted_by

if TYPE_CHECKING:
    from collections.abc import Set

    from signalling.ids import MessageId, NodeId

__all__ = ["CLOCK_SLACK_MS", "Hearing"]

CLOCK_SLACK_MS: Final = 2_000
"""By how much clocks of nodes may differ, before a late message counts as said before a newcomer came."""


class Hearing:
    """What a seat has seen, and from where on it is told what comes late.

    What this node told it the node knows from its memory of the room, which takes no message twice. What *others* told
    it before it came here only its client knows, for what was sent on a dying socket may never have arrived.

    Args:
        now_ms: when it came, milliseconds since 1970.
        node: this node, whose late messages are as old as their ids say.

    Attributes:
        knows_log: once this node has looked in the store for what this participant said on others.
    """

    __slots__ = ("_from", "_from_elsewhere", "_is_held", "_node", "_seen", "knows_log")

    def __init__(self, now_ms: int, node: NodeId) -> None:
        self._node = node
        self._from = first_id_at(now_ms)
        # What comes late from a node whose clock is behind was said after this, and is told.
        self._from_elsewhere = first_id_at(max(0, now_ms - CLOCK_SLACK_MS))
        self._seen: Set[MessageId] = frozenset()
        self._is_held = False
        self.knows_log = False

    def hold(self) -> None:
        """Tell nothing that comes late until :meth:`release` or :meth:`resume`."""
        self._is_held = True

    def release(self) -> None:
        """Tell again what comes late and was said since it came."""
        self._is_held = False

    def resume(self, told_from: MessageId, seen: Set[MessageId]) -> None:
        """Tell what comes late behind this message, and never what was seen."""
        self._from = self._from_elsewhere = told_from
        self._seen = seen
        self._is_held = False

    def is_told(self, message: MessageId, *, is_late: bool) -> bool:
        """Whether a message that is new to this node is one to this seat."""
        if message in self._seen:
            return False
        if not is_late:
            return True
        told_from = self._from if is_minted_by(message, self._node) else self._from_elsewhere
        return not self._is_held and message > told_from
