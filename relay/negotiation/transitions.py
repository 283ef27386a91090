"""Theory of operation.

A link is wanted by either node, or both; whoever needs it offers. An attempt is named by the
message id of its offer, at both ends. The offerer opens an end in its engine (ICE controlling) and
gossips its parameters; the other opens one too, answers with its parameters and starts to connect;
the answer makes the offerer connect. From then on the two engines find each other or they do not.

- *Lost messages.* An offer is said again, under the same id, after some 2 and 5 s; a repeated offer
  gets the stored answer again. Every phase has a deadline, and what follows a failure is a pause that
  grows, while the link is still wanted.
- *Crossing offers.* The offer of the node with the lower id stands: it ignores the other's, and the
  other drops its own and answers. Both decide alike without a word.
- *Late messages.* An answer counts only for the offer that is outstanding now. An offer that its sender
  made before a message that an end here was already built on is history (sequences count what a sender
  said, whatever order it arrives in); a later one means that the sender's end is gone, and replaces ours.
- *Death.* The engine says that an end is suspect, and then up again, or closed. Gossip alone ends no link
  that is up; it does end an attempt, and it decides at once about a suspect link. A new boot of the far
  node ends the link with the old one. A goodbye names the attempt, so a late one cannot hurt a new link.

- *Renewal.* A link that is suspect, or that somebody wants anew, is negotiated anew beside the one there is: an
  attempt like any other, with an end and phases of its own, whose offer names the attempt that the link came of. When
  it rises it takes the link's place, at each node for itself, and the former end serves until both speak on the new
  one and what was under way has come. When it fails nothing has happened. When the link falls meanwhile, the attempt
  goes on in its place. Both links go between the same sockets, so each attempt beside another has a lane of its own.
  An offer that names an attempt that is not the one in use here is like any other: its sender knows less than we do.

Transitions are the table below: an event that has no row in the phase is ignored and counted.
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from relay.negotiation.peer import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cue(enum.Enum):
    """What can happen to one peer."""

    OFFER = enum.auto()
    REPEATED_OFFER = enum.auto()
    ANSWER = enum.auto()
    REJECT = enum.auto()
    BYE = enum.auto()
    OPENED = enum.auto()
    ROSE = enum.auto()
    SUSPECTED = enum.auto()
    BROKE = enum.auto()
    """The engine closed the end, or refused what was asked for it."""
    GONE = enum.auto()
    """Gossip holds the node failed or left."""
    REBOOTED = enum.auto()
    TIMEOUT = enum.auto()


class Do(enum.Enum):
    """What is done about it."""

    BEGIN = enum.auto()
    SPEAK_OFFER = enum.auto()
    TAKE_OFFER = enum.auto()
    CROSS = enum.auto()
    SPEAK_ANSWER = enum.auto()
    TAKE_ANSWER = enum.auto()
    TAKE_REJECT = enum.auto()
    TAKE_BYE = enum.auto()
    SPEAK_AGAIN = enum.auto()
    RISE = enum.auto()
    RECOVER = enum.auto()
    DOUBT = enum.auto()
    FAIL = enum.auto()
    GIVE_UP_ANSWERING = enum.auto()
    FALL = enum.auto()
    PART = enum.auto()


TABLE: Final[Mapping[Phase, Mapping[Cue, Do]]] = MappingProxyType(
    {
        Phase.WAITING: {Cue.TIMEOUT: Do.BEGIN, Cue.OFFER: Do.TAKE_OFFER},
        Phase.OPENING: {
            Cue.OPENED: Do.SPEAK_OFFER,
            Cue.OFFER: Do.CROSS,
            Cue.BROKE: Do.FAIL,
            Cue.GONE: Do.FAIL,
            Cue.TIMEOUT: Do.FAIL,
        },
        Phase.OFFERED: {
            Cue.ANSWER: Do.TAKE_ANSWER,
            Cue.REJECT: Do.TAKE_REJECT,
            Cue.OFFER: Do.CROSS,
            Cue.BROKE: Do.FAIL,
            Cue.GONE: Do.FAIL,
            Cue.TIMEOUT: Do.FAIL,
        },
        Phase.ANSWERING: {
            Cue.OPENED: Do.SPEAK_ANSWER,
            Cue.OFFER: Do.TAKE_OFFER,
            Cue.BROKE: Do.GIVE_UP_ANSWERING,
            Cue.GONE: Do.FAIL,
            Cue.TIMEOUT: Do.GIVE_UP_ANSWERING,
        },
        Phase.CONNECTING: {
            Cue.ROSE: Do.RISE,
            Cue.OFFER: Do.TAKE_OFFER,
            Cue.REPEATED_OFFER: Do.SPEAK_AGAIN,
            Cue.BYE: Do.TAKE_BYE,
            Cue.BROKE: Do.FAIL,
            Cue.REBOOTED: Do.FAIL,
            Cue.TIMEOUT: Do.FAIL,
        },
        Phase.UP: {
            Cue.SUSPECTED: Do.DOUBT,
            Cue.OFFER: Do.TAKE_OFFER,
            Cue.REPEATED_OFFER: Do.SPEAK_AGAIN,
            Cue.BYE: Do.TAKE_BYE,
            Cue.BROKE: Do.FALL,
            Cue.REBOOTED: Do.FALL,
            Cue.TIMEOUT: Do.PART,
        },
        Phase.SUSPECT: {
            Cue.ROSE: Do.RECOVER,
            Cue.OFFER: Do.TAKE_OFFER,
            Cue.REPEATED_OFFER: Do.SPEAK_AGAIN,
            Cue.BYE: Do.TAKE_BYE,
            Cue.BROKE: Do.FALL,
            Cue.GONE: Do.FALL,
            Cue.REBOOTED: Do.FALL,
            Cue.TIMEOUT: Do.FALL,
        },
    }
)

LIMITS_S: Final[Mapping[Phase, float]] = MappingProxyType(
    {
        # Engine commands take milliseconds; the shell's own deadline for each is shorter.
        Phase.OPENING: 5.0,
        Phase.ANSWERING: 5.0,
        # Two more tries and the slowest gossip of a healthy cluster (p99 0.7 s) after the last of them.
        Phase.OFFERED: 10.0,
        # An answerer waits here while its answer may have to be asked for again; ICE and DTLS take a few
        # round trips each.
        Phase.CONNECTING: 15.0,
        # Keepalives stop for 0.6 s before; routes that change come back within this, dead peers do not.
        Phase.SUSPECT: 3.0,
    }
)
