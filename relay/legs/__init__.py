"""Legs: one track on one link each, opened while wanted, passed on for others, and moved without a gap.

core.py decides, and says why no loop can come about; flow.py holds what it knows of each track; events.py is what goes
in and comes out.
"""

from relay.legs.core import MAX_LEG, MAX_LEGS_OUT, NO_WAY, SWITCH_S, TOO_FAR, TOO_MANY_LEGS, TRACK_UNKNOWN, Legs
from relay.legs.events import (
    CloseLegIn,
    CloseLegOut,
    Hop,
    LegsDeadline,
    LegsEffect,
    LegsEvent,
    LinkFallen,
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
