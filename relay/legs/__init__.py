"""Legs: one track on one link each, opened while wanted, passed on for others, and moved without a gap.

core.py decides, and says why no loop can come about; ledger.py holds what it knows, with a record of flow.py for each
track; events.py is what goes in and comes out.
"""

from relay.legs.core import MAX_LEGS_OUT, NO_WAY, SWITCH_S, TOO_FAR, TOO_MANY_LEGS, TRACK_UNKNOWN, Legs
from relay.legs.events import (
    CloseLegIn,
    CloseLegOut,
    Hop,
    LegsDeadline,
    LegsEffect,
    LegsEvent,
    LinkFallen,
    LinkRenewed,
    LinkRisen,
    OpenLegIn,
    OpenLegOut,
    TellLeg,
    TracksNamed,
    TracksOffered,
    TracksWanted,
    ViaRefused,
    WaysKnown,
    WordHeard,
)
from relay.legs.ledger import MAX_LEG

__all__ = [
    "MAX_LEG",
    "MAX_LEGS_OUT",
    "NO_WAY",
    "SWITCH_S",
    "TOO_FAR",
    "TOO_MANY_LEGS",
    "TRACK_UNKNOWN",
    "CloseLegIn",
    "CloseLegOut",
    "Hop",
    "Legs",
    "LegsDeadline",
    "LegsEffect",
    "LegsEvent",
    "LinkFallen",
    "LinkRenewed",
    "LinkRisen",
    "OpenLegIn",
    "OpenLegOut",
    "TellLeg",
    "TracksNamed",
    "TracksOffered",
    "TracksWanted",
    "ViaRefused",
    "WaysKnown",
    "WordHeard",
]
