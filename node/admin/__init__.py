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
"""

from node.admin.asking import ask_node, follow_node
from node.admin.desk import AdminDesk
from node.admin.history import HistoryAnswer
from node.admin.listener import open_admin
from node.admin.member_orders import MemberAnswer, MemberOrder
from node.admin.overview import LoadReport, Overview, RoomReport
from node.admin.protocol import ADMIN_FILE, AdminFile, Question, Topic
from node.admin.reaches import Reaches
from node.admin.reports import LinkReport, Links, MemberReport, Members, Problem, StatusReport
from node.admin.rtts import RttPair, Rtts
from node.admin.streams import EventLine, LogLine, Lost, Note, StreamLine, StreamOrder, StreamRefused
from node.admin.tracks import Explained, KnownTrack, TrackOrder

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
