"""Whether this node takes people: as its operator would have it, and as long as it counts in its cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.http.backend import ReadinessProblem
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from session import SessionClaims, Sessions

__all__ = ["Standing"]


@dataclass
class Standing:
    """Owned by the drain (node/drain/service.py); read wherever somebody wants to come in.

    Attributes:
        draining: It is being emptied, or was.
        eligible: It takes new people; those it has stay in any case.
        outside: Why it counts for nobody in its cluster now; None while it does.
    """

    draining: bool = False
    eligible: bool = True
    outside: Callable[[], ReadinessProblem | None] = lambda: None

    def check_counted(self) -> None:
        """Let people in while other nodes would reach them here.

        Raises:
            Refused: `node_full`.
        """
        if self.outside() is not None:
            raise Refused(ErrorCode.NODE_FULL, "This node is no part of its cluster now; connect to another one.")

    def check(self, claims: SessionClaims, sessions: Sessions) -> None:
        """Let in whom this node takes; those with a seat here may come again.

        Raises:
            Refused: `node_full`.
        """
        if self.eligible and self.outside() is None:
            return
        if not any((seat.user, seat.device) == (claims.user, claims.device) for seat in sessions.seats()):
            self.check_counted()
            raise Refused(ErrorCode.NODE_FULL, "This node takes nobody new for now; connect to another one.")

    @property
    def left_out_as(self) -> tuple[str, str] | None:
        """Why it is no candidate, code and text as of a member; None while it is one. Its tag says so later."""
        if self.draining:
            return "draining", "it is being emptied and takes nobody new"
        return None if self.eligible else ("ineligible", "its operator lets nobody new come")

    def problems(self) -> tuple[ReadinessProblem, ...]:
        """What of this speaks against sending clients here."""
        outside = self.outside()
        return (*self._ordered(), *(() if outside is None else (outside,)))

    def _ordered(self) -> tuple[ReadinessProblem, ...]:
        if self.draining:
            sentence = "This node is being emptied; its people are sent to others."
            return (ReadinessProblem(part="node", code="node_draining", message=sentence),)
        if not self.eligible:
            sentence = "This node takes nobody new until `starling node eligibility on`."
            return (ReadinessProblem(part="node", code="node_ineligible", message=sentence),)
        return ()
