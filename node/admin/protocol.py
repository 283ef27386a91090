"""What client and node say to each other: where the listener is, the question, and the bounds of both."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from node.account_orders import AccountOrder
from node.admin.member_orders import MemberOrder
from node.admin.stream_lines import StreamOrder
from node.lifecycle_orders import NodeOrder
from node.mesh_orders import MeshOrder

if TYPE_CHECKING:
    import trio

ADMIN_FILE: Final = "admin.json"

LOOPBACK: Final = "127.0.0.1"

MAX_QUESTION_BYTES: Final = 4096
"""The longest password and name in JSON, and room to spare."""

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""A thousand members take half a megabyte."""

DEADLINE_S: Final = 5.0
"""For one question, from the connection to the answer."""

JOIN_DEADLINE_S: Final = 45.0
"""For a join: the agent waits 10 s for a dead address, and again for each address that its name has, up to 35 s."""

FORGET_DEADLINE_S: Final = 45.0
"""For a force-leave: 30 s for all names of a node, and two readings of the agent's members of 5 s each."""

KEYS_DEADLINE_S: Final = 120.0
"""For a rotation where agents do not answer: two reports of 12 s for the nodes and 15 s for the agents, and four
commands of 15 s (install, use, list, remove; :data:`membership.rpc.client.KEYS_DEADLINE_S`)."""

REACH_DEADLINE_S: Final = 60.0
"""For a look at all ways: links that come late, and then the looks of the others."""

HEARTBEAT_S: Final = 10.0
"""A stream is never silent for longer, so that a node that hangs is told from a cluster where nothing happens."""

SILENCE_S: Final = 3 * HEARTBEAT_S
"""A stream that is silent for longer has no node behind it."""


class TrackOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Which track or room to explain; without either a list of all tracks."""

    track: str = ""
    room: str = ""


Topic: TypeAlias = Literal[
    "status",
    "members",
    "links",
    "audit",
    "accounts",
    "keys",
    "history",
    "node",
    "rtt",
    "overview",
    "facts",
    "member",
    "events",
    "monitor",
    "explain",
    "reachability",
]

STREAMS: Final[frozenset[Topic]] = frozenset({"events", "monitor"})
"""Topics whose answer is lines without an end."""


class AdminFile(msgspec.Struct, frozen=True, kw_only=True):
    """Where the listener is."""

    port: Annotated[int, Meta(ge=1, le=65535)]
    token: str
    pid: int


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One line to the node."""

    token: str
    topic: Topic
    order: AccountOrder = AccountOrder(action="list")
    mesh_order: MeshOrder = MeshOrder()
    node_order: NodeOrder = NodeOrder()
    member_order: MemberOrder = MemberOrder(action="join")
    stream: StreamOrder = StreamOrder()
    track_order: TrackOrder = TrackOrder()

    def __repr__(self) -> str:
        """Name it without the token."""
        return f"Question(topic={self.topic!r})"

    @property
    def deadline_s(self) -> float:
        """From the connection to the answer."""
        if self.topic == "reachability":
            return REACH_DEADLINE_S
        if self.topic == "keys":
            return KEYS_DEADLINE_S
        if self.topic == "member":
            return {"join": JOIN_DEADLINE_S, "forget": FORGET_DEADLINE_S}.get(self.member_order.action, DEADLINE_S)
        return DEADLINE_S


FIELD_OF: Final = MappingProxyType(
    {
        AccountOrder: "order",
        MeshOrder: "mesh_order",
        NodeOrder: "node_order",
        MemberOrder: "member_order",
        TrackOrder: "track_order",
    }
)
"""Where in a question an order of each kind goes."""

Order: TypeAlias = AccountOrder | MeshOrder | NodeOrder | MemberOrder | TrackOrder


class LineReader:
    """Reads lines off a connection.

    Args:
        stream: The connection.
        max_bytes: Of one line.
    """

    def __init__(self, stream: trio.abc.ReceiveStream, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes
        self._read = bytearray()

    async def line(self) -> bytes:
        """The next line, without its end.

        Raises:
            ValueError: There is none within the bound, or the other side hung up.
            trio.BrokenResourceError: The connection broke.
        """
        searched = 0
        while (end := self._read.find(b"\n", searched)) < 0:
            searched = len(self._read)
            part = await self._stream.receive_some(65536)
            if not part or len(self._read) + len(part) > self._max_bytes:
                raise ValueError("no line")
            self._read += part
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return line
