"""When and where a client connects again: pure decisions.

Theory of operation. After a connection broke there are *rounds*. In each, the nodes are tried one after the other:
first the one we were at, as most often only the path to it broke, then the nearest, and last those that failed since we
were connected. Between two rounds lies a random pause below a bound that doubles up to a limit: "full jitter", which
of the known ways spreads those who lost one node best (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import trio

from signalling.client.refusal import ConnectionLostError, NodeUnreachableError, RefusedByNodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Comeback", "Outcome", "RetryPolicy", "judge"]

Outcome: TypeAlias = Literal["replaced", "final", "new_token", "elsewhere", "again"]
"""What a failure means: another device has the seat, nothing helps, a new token does, another node does, time does."""

_TOKEN: Final = frozenset({"token_invalid", "token_expired", "token_foreign"})
_NODE: Final = frozenset({"node_draining", "node_full", "room_not_here", "engine_unavailable", "deadline_exceeded"})
FINAL: Final = frozenset(
    {
        "banned",
        "invitation_invalid",
        "invitation_required",
        "logged_out",
        "malformed_message",
        "message_too_large",
        "not_permitted",
        "origin_refused",
        "pin_required",
        "pin_wrong",
        "protocol_unsupported",
        "room_full",
        "room_invalid",
        "room_locked",
        "room_unknown",
        "seat_occupied",
    }
)
"""Refusals that the same question would only meet again."""

_CLOSES: Final[dict[int, Outcome]] = {
    4400: "final",
    4401: "new_token",
    4403: "final",
    4409: "replaced",
    4413: "final",
    4426: "final",
    4503: "elsewhere",
}
"""See :mod:`signalling.client.closing`."""

MAX_DOUBLINGS: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How long a client tries, seconds.

    Attributes:
        first_s: Bound of the first pause.
        max_s: Bound of every pause.
        deadline_s: From the loss of the connection; the round that runs then is the last.
    """

    first_s: float = 0.3
    max_s: float = 8.0
    deadline_s: float = 120.0


def judge(error: Exception) -> Outcome:
    """Say what a failure to connect or to join, or a lost connection, means."""
    match error:
        case RefusedByNodeError(code="replaced") | ConnectionLostError(code="replaced"):
            return "replaced"
        case RefusedByNodeError(code=code) if code in _TOKEN:
            return "new_token"
        case RefusedByNodeError(code=code) if code in _NODE:
            return "elsewhere"
        case RefusedByNodeError(code=code) if code in FINAL:
            return "final"
        case ConnectionLostError(close_code=number):
            return _CLOSES.get(number, "again")
        case NodeUnreachableError() | trio.TooSlowError():
            return "elsewhere"
        case _:
            return "again"


class Comeback:
    """One client's way back to a node.

    Args:
        nodes: Base URLs of the nodes, nearest first.
        draw: Draws evenly from 0 up to 1.
        policy: How long it tries.
    """

    def __init__(self, nodes: Sequence[str], *, draw: Callable[[], float], policy: RetryPolicy) -> None:
        self._nodes = tuple(nodes)
        self._draw = draw
        self._policy = policy
        self._home: str | None = None
        self._unfit: set[str] = set()
        self._tries = 0
        self._since: float | None = None

    def nodes(self) -> tuple[str, ...]:
        """Where to try in this round, in this order."""
        home = [node for node in self._nodes if node == self._home]
        first = [*home, *(node for node in self._nodes if node != self._home)]
        fit = [node for node in first if node not in self._unfit]
        return (*fit, *(node for node in first if node in self._unfit))

    def learn(self, node: str) -> None:
        """There is such a node, too, farther than those that are known."""
        if node not in self._nodes:
            self._nodes = (*self._nodes, node)

    def connected(self, node: str) -> None:
        """There is a seat at that node."""
        self._home = node
        self._unfit.clear()
        self._tries = 0
        self._since = None

    def lost(self, now: float) -> None:
        """The connection broke."""
        self._since = now

    def failed(self, node: str, outcome: Outcome) -> None:
        """That node failed us, with this meaning."""
        if outcome == "elsewhere":
            self._unfit.add(node)

    def pause_s(self, now: float, *, at_least_s: float = 0.0) -> float | None:
        """Seconds to wait before the next round; None when it is over: never a seat, or for too long none.

        Args:
            now: Seconds.
            at_least_s: What a node asked for (``Retry-After``); no more of it than is left of the time to try.
        """
        if self._since is None or now - self._since >= self._policy.deadline_s:
            return None
        left_s = self._policy.deadline_s - (now - self._since)
        bound = min(self._policy.max_s, self._policy.first_s * 2.0 ** min(self._tries, MAX_DOUBLINGS))
        self._tries += 1
        return min(at_least_s, left_s) + self._draw() * bound

    def hope(self) -> None:
        """There is a reason to try at once, such as that the network is back: earlier tries count no longer."""
        self._tries = 0
