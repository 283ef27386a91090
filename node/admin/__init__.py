"""A private listener for the command line, on loopback, for who can read the data folder.

A client connects, sends one line of JSON with the token out of ``admin.json`` and a question, and gets one line of
JSON back; or, on a topic that streams, lines until one of both hangs up. Port and token are new at every start.
Nothing of it is reachable over HTTP. From the outside in:

- :mod:`node.admin.protocol` is what is said: the file, the question, the bounds of both.
- :mod:`node.admin.asking` is the client's end, :mod:`node.admin.listener` the node's.
- :mod:`node.admin.desk` answers; :mod:`node.admin.reports` is what it says, :mod:`node.admin.rtts` how far the nodes
  are, :mod:`node.admin.overview` all of a node on one screen, :mod:`node.admin.facts` what a doctor wants to know.
- :mod:`node.admin.tracks` is which way tracks take,
  :mod:`node.admin.reaches` whether all nodes reach each other.
- :mod:`node.admin.member_orders` is what an operator may do to members; :mod:`node.admin.streams` are the lines of
  events and logs, :mod:`node.admin.history` the same events afterwards, :mod:`node.admin.outlet` what bounds them.

A name is imported when it is first asked for: a verb that asks one question does not wait for the whole node.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.admin.asking import ask_node, follow_node
    from node.admin.desk import AdminDesk
    from node.admin.history import HistoryAnswer
    from node.admin.listener import open_admin
    from node.admin.member_orders import MemberAnswer, MemberOrder
    from node.admin.overview import LoadReport, Overview, RoomReport
    from node.admin.protocol import ADMIN_FILE, AdminFile, Question, Topic, TrackOrder
    from node.admin.reaches import Reaches
    from node.admin.reports import LinkReport, Links, MemberReport, Members, Problem, StatusReport
    from node.admin.rtts import RttPair, Rtts
    from node.admin.stream_lines import EventLine, LogLine, Lost, Note, StreamLine, StreamOrder, StreamRefused
    from node.admin.tracks import Explained, KnownTrack

__all__ = [
    "ADMIN_FILE",
    "AdminDesk",
    "AdminFile",
    "EventLine",
    "Explained",
    "HistoryAnswer",
    "KnownTrack",
    "LinkReport",
    "Links",
    "LoadReport",
    "LogLine",
    "Lost",
    "MemberAnswer",
    "MemberOrder",
    "MemberReport",
    "Members",
    "Note",
    "Overview",
    "Problem",
    "Question",
    "Reaches",
    "RoomReport",
    "RttPair",
    "Rtts",
    "StatusReport",
    "StreamLine",
    "StreamOrder",
    "StreamRefused",
    "Topic",
    "TrackOrder",
    "ask_node",
    "follow_node",
    "open_admin",
]

_PLACES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ADMIN_FILE": "node.admin.protocol",
        "AdminDesk": "node.admin.desk",
        "AdminFile": "node.admin.protocol",
        "EventLine": "node.admin.stream_lines",
        "Explained": "node.admin.tracks",
        "HistoryAnswer": "node.admin.history",
        "KnownTrack": "node.admin.tracks",
        "LinkReport": "node.admin.reports",
        "Links": "node.admin.reports",
        "LoadReport": "node.admin.overview",
        "LogLine": "node.admin.stream_lines",
        "Lost": "node.admin.stream_lines",
        "MemberAnswer": "node.admin.member_orders",
        "MemberOrder": "node.admin.member_orders",
        "MemberReport": "node.admin.reports",
        "Members": "node.admin.reports",
        "Note": "node.admin.stream_lines",
        "Overview": "node.admin.overview",
        "Problem": "node.admin.reports",
        "Question": "node.admin.protocol",
        "Reaches": "node.admin.reaches",
        "RoomReport": "node.admin.overview",
        "RttPair": "node.admin.rtts",
        "Rtts": "node.admin.rtts",
        "StatusReport": "node.admin.reports",
        "StreamLine": "node.admin.stream_lines",
        "StreamOrder": "node.admin.stream_lines",
        "StreamRefused": "node.admin.stream_lines",
        "Topic": "node.admin.protocol",
        "TrackOrder": "node.admin.protocol",
        "ask_node": "node.admin.asking",
        "follow_node": "node.admin.asking",
        "open_admin": "node.admin.listener",
    }
)
"""Where each name is."""


def __getattr__(name: str) -> object:
    """Import what is asked for (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
