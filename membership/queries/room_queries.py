"""The shell of room queries: asks the agent, hears its answers, and answers others.

Each question has an RPC connection of its own: the agent keeps every query's stream for the life of a connection,
and a connection takes a thousand of them. It ends when the agent says that the time for answers is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import structlog
import trio

from membership.queries.room_query import decode_room_query, encode_room_query, mark_of
from membership.queries.room_questions import RoomQuestions
from membership.rpc.errors import RemoteRpcError, RpcError, reasons_of
from membership.rpc.records import QueryAnswer
from signalling.cbor import GarbledError
from signalling.pace import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from membership.agent.life import AgentEndpoint
    from membership.config import MembershipConfig
    from membership.members.snapshot import ClusterView
    from membership.queries.room_query import RoomMark
    from membership.rpc.client import SerfClient
    from membership.rpc.records import QueryEvent
    from signalling.ids import NodeId, RoomId

__all__ = ["RoomFound", "RoomQueries"]

QUERY_NAME: Final = "r"
"""One constant name, short because every byte of a query is sent to every node several times."""

ANSWERS_PER_S: Final = 50.0
ANSWER_BURST: Final = 200.0
"""Of a cluster of 50 nodes that all lost their store: far above what honest ones ask, and cheap for the agent."""

MAX_FOUND: Final = 1024
"""Findings that wait for the conductor, which takes each in a few microseconds; above it the next join asks again."""

MARKS_KEPT: Final = 20_000
"""Marks of rooms, so that a foreign query costs a look-up for each room here and no hash."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class RoomFound:
    """These nodes say that the room lives with them. A hint: anybody in the mesh can say so."""

    room: RoomId
    nodes: frozenset[NodeId]


class RoomQueries:
    """Questions of this node about rooms, and its answers to those of others.

    Args:
        config: cluster and deadlines.
        view: the newest snapshot of the cluster.
        endpoint: the agent in use, None while there is none.
    """

    def __init__(
        self, config: MembershipConfig, *, view: Callable[[], ClusterView], endpoint: Callable[[], AgentEndpoint | None]
    ) -> None:
        self._config = config
        self._view = view
        self._endpoint = endpoint
        self._questions = RoomQuestions()
        self._wanted = trio.Event()
        self._found_in, self._found_out = trio.open_memory_channel[RoomFound](MAX_FOUND)
        self._rooms_here: Callable[[], Iterable[RoomId]] = tuple
        self._mark_of = lru_cache(maxsize=MARKS_KEPT)(self._mark)
        self._bucket = TokenBucket(rate_per_s=ANSWERS_PER_S, burst=ANSWER_BURST, now=0.0)
        self.asked = 0
        """Queries sent since start."""
        self.answers = 0
        """Usable answers to them."""
        self.heard = 0
        """Queries of others that named a room here and were answered."""
        self.refused = 0
        """Queries and answers of others that are not ours, came too fast, or from nobody we know."""

    @property
    def found(self) -> trio.MemoryReceiveChannel[RoomFound]:
        """What was answered, for one consumer."""
        return self._found_out

    @property
    def turned_away(self) -> int:
        """Rooms not asked for because too many waited, since start."""
        return self._questions.turned_away

    def speak_for(self, rooms_here: Callable[[], Iterable[RoomId]]) -> None:
        """Answer from now on for these rooms; the function is called for each query."""
        self._rooms_here = rooms_here

    def ask(self, room: RoomId) -> None:
        """Ask the mesh where a room lives, soon and at most once in a few seconds; returns at once."""
        known = self._questions.want(room, trio.current_time())
        if known:
            self._tell(room, known)
        self._wanted.set()

    async def run(self) -> None:
        """Ask what is wanted, as fast as a node may; runs until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                self._wanted = trio.Event()
                with trio.move_on_at(self._questions.next_at(trio.current_time())):
                    await self._wanted.wait()
                room = self._questions.take(trio.current_time())
                if room is not None:
                    nursery.start_soon(self._ask, room)

    async def _ask(self, room: RoomId) -> None:
        self.asked += 1
        endpoint = self._endpoint()
        # The agent ends a query itself; this is for one that hangs, and for the connection before it.
        with trio.move_on_after(self._config.query_timeout_s + 2 * self._config.call_deadline_s):
            try:
                if endpoint is not None:
                    await self._ask_agent(endpoint, room)
            except* (RpcError, trio.TooSlowError) as group:
                log.warning("room_not_asked", reason=reasons_of(group))
        self._questions.over(room)
        self._wanted.set()

    async def _ask_agent(self, endpoint: AgentEndpoint, room: RoomId) -> None:
        mark = self._mark_of(room)
        deadline_s = self._config.call_deadline_s
        async with endpoint.connect(deadline_s=deadline_s) as client:
            answers = await client.query(QUERY_NAME, encode_room_query(mark), timeout_s=self._config.query_timeout_s)
            while (answer := await answers.receive()) is not None:
                if isinstance(answer, QueryAnswer):
                    self._take_answer(room, mark, answer.sender, answer.payload)

    def _take_answer(self, room: RoomId, mark: RoomMark, sender: str, payload: bytes) -> None:
        """Believe an answer as far as one can: of a living node of this cluster, to the question asked."""
        view = self._view()
        node = next((member.node_id for member in view.alive() if member.serf_name == sender), None)
        if node == view.own_id:
            return
        if node is None or _mark_in(payload) != mark:
            self.refused += 1
        elif self._questions.found(room, node):
            self.answers += 1
            self._tell(room, frozenset({node}))

    def _tell(self, room: RoomId, nodes: frozenset[NodeId]) -> None:
        try:
            self._found_in.send_nowait(RoomFound(room=room, nodes=nodes))
        except (trio.WouldBlock, trio.BrokenResourceError):
            log.warning("room_finding_dropped", waiting=MAX_FOUND)

    # --- the questions of others ---

    def is_for_us(self, query: QueryEvent) -> bool:
        """Whether a query asks for a room of this node; counts what is nobody's."""
        mark = _mark_in(query.payload) if query.name == QUERY_NAME else None
        # Garbage is paced by nothing but its decoding, so that it cannot silence those who ask in earnest.
        if mark is None or not self._bucket.take(trio.current_time()):
            self.refused += 1
            return False
        return any(self._mark_of(room) == mark for room in self._rooms_here())

    async def answer(self, client: SerfClient, query: QueryEvent) -> None:
        """Say that the room lives here; a query whose time is over is let go.

        Raises:
            BrokenRpcError: the agent is gone.
            trio.TooSlowError: it hangs.
        """
        try:
            await client.respond(query.id, query.payload)
            self.heard += 1
        except RemoteRpcError as error:
            log.debug("room_answer_too_late", reason=error.reason)

    def _mark(self, room: RoomId) -> RoomMark:
        return mark_of(room, cluster=self._config.cluster)


def _mark_in(payload: bytes) -> RoomMark | None:
    try:
        return decode_room_query(payload)
    except GarbledError:
        return None
