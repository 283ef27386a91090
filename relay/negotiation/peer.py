"""What is known of the link with one node: its phase, its end here, its clocks."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from signalling.ids import NodeId, PeerId
    from signalling.mesh.negotiation import Envelope, LinkParameters


class Phase(enum.Enum):
    """How far the link with a node is."""

    WAITING = "waiting"
    """No end. With a deadline: that is when an offer begins."""
    OPENING = "opening"
    """The engine makes an end, to offer it."""
    OFFERED = "offered"
    """Our offer is out."""
    ANSWERING = "answering"
    """The engine makes an end, to answer an offer with."""
    CONNECTING = "connecting"
    """Both know both ends."""
    UP = "up"
    SUSPECT = "suspect"
    """Up, but keepalives are missing."""


@dataclass(slots=True)
class End:
    """Our end of a link, or of an attempt at one.

    Attributes:
        id: Its name in the engine; no two attempts share one.
        role: Whether we offered.
        attempt: Message id of the offer, which names the attempt at both ends.
        boot: The far node's incarnation that it is shared with.
        theirs: The far end, once known.
        spoken: Our offer or answer, to be said again under the same id.
        rose: Whether it was ever up.
        lane: Which of several links between the same two sockets it is.
    """

    id: PeerId
    role: Literal["offerer", "answerer"]
    attempt: bytes
    boot: int
    theirs: LinkParameters | None = None
    spoken: Envelope | None = None
    rose: bool = False
    lane: int = 0


@dataclass(slots=True)
class Peer:
    """The link with one node.

    Attributes:
        node: The far node.
        since: When it came into its phase.
        phase: How far it is.
        wanted: Whether this node needs it.
        end: Our end; None exactly while waiting.
        deadline: When the phase is over whatever happens; only waiting for a node that cannot be
            asked, and being up and wanted, have none.
        not_before: No offer begins earlier.
        retries_at: When the outstanding offer is said again.
        needed_since: From when the set-up time counts; None while up or not needed.
        setup_ms: Set-up time of the link that is up.
        failures: Attempts that failed in a row.
        reason: Code of the last failure or loss.
        heard: Boot and sequence of the newest message of theirs that an end of ours was built on:
            what they said before it is history.
        beside: Of an attempt that is to take the place of a link: the attempt which that link came of.
        renewal: That attempt, while this is the link. It goes through the phases of any other.
        renew_at: When it begins.
        renewals_failed: How many failed in a row.
        former: The end that was in use before, which serves until `former_until`.
        rests_until: How long the former end stays after that for the words that wait on it; None: not at all.
        doubted_at: When the link was suspected last.
        lane: The newest lane that either node has used.
    """

    node: NodeId
    since: float
    phase: Phase = Phase.WAITING
    wanted: bool = False
    end: End | None = None
    deadline: float | None = None
    not_before: float = 0.0
    retries_at: tuple[float, ...] = ()
    needed_since: float | None = None
    setup_ms: float | None = None
    failures: int = 0
    reason: str = ""
    heard: tuple[int, int] = (-1, -1)
    beside: bytes = b""
    renewal: Peer | None = None
    renew_at: float | None = None
    renewals_failed: int = 0
    former: End | None = None
    former_until: float = 0.0
    rests_until: float | None = None
    doubted_at: float = float("-inf")
    lane: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkView:
    """A link as the negotiation sees it, for display: see `Peer` and `End` for the fields."""

    node: NodeId
    phase: Phase
    wanted: bool
    since: float
    end: PeerId | None
    role: Literal["offerer", "answerer"] | None
    setup_ms: float | None
    failures: int
    reason: str
