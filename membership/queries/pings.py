"""Whether nodes answer whose agents live: asked where an agent's life says nothing about its node's.

An external agent outlives its node, and an own one a node that hangs; both stay `alive` to gossip with a tag that says
`serving`. So nodes with external agents are asked all the time, and others while their link is down. Who misses
`MAX_MISSES` rounds in a row counts as failed until it answers again, whatever its tag says.

Bounded: a round is one query for each dozen of such nodes, and a node waits longer between rounds the more nodes
there are, so that the whole cluster sends `PINGS_PER_S`. Each round asks this node, too: when not even its own answer
comes back, the round says nothing of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
import trio

from membership.errors import GossipUnavailableError
from membership.members.tags import AgentKind
from membership.queries.inquiry import MAX_NAMED, inquire
from membership.rpc.errors import RemoteRpcError
from signalling.pace import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from membership.agent.life import AgentEndpoint
    from membership.config import MembershipConfig
    from membership.members.snapshot import ViewMember
    from membership.rpc.client import SerfClient
    from membership.rpc.records import QueryEvent
    from signalling.ids import NodeId

__all__ = ["PingBoard", "Pings"]

QUERY_NAME: Final = "p"
"""One constant name, short because every byte of a query is sent to every node several times."""

MAX_MISSES: Final = 2
"""A path that loses 30 % loses an answer with its two relays once in forty rounds, two in a row once in 1,400."""

PINGS_PER_S: Final = 4.0
"""Queries of the whole cluster, of some 15 that its gossip carries."""

ANSWERS_PER_S: Final = 20.0
ANSWER_BURST: Final = 100.0
"""Of a cluster in which everybody doubts this node: cheap for the agent."""

log = structlog.get_logger(__name__)


class PingBoard:
    """Counts missed rounds, by Serf name."""

    def __init__(self) -> None:
        self._missed: dict[str, int] = {}

    @property
    def silent(self) -> frozenset[str]:
        """Who counts as failed."""
        return frozenset(name for name, missed in self._missed.items() if missed >= MAX_MISSES)

    def tell(self, *, asked: Collection[str], answered: Collection[str]) -> None:
        """Note a round; who was not asked is forgotten."""
        self._missed = {name: 0 if name in answered else self._missed.get(name, 0) + 1 for name in asked}

    def keep(self, names: Collection[str]) -> None:
        """Forget all others; for a round that says nothing."""
        self._missed = {name: missed for name, missed in self._missed.items() if name in names}


class Pings:
    """Asks, and answers others.

    Args:
        config: the own id, and deadlines.
        alive: the nodes whose agents live, this one included.
        endpoint: the agent in use, None while there is none.
        tell: who is silent now, by Serf name; called after each round.
    """

    def __init__(
        self,
        config: MembershipConfig,
        *,
        alive: Callable[[], Iterable[ViewMember]],
        endpoint: Callable[[], AgentEndpoint | None],
        tell: Callable[[frozenset[str]], None],
    ) -> None:
        self._config = config
        self._alive = alive
        self._endpoint = endpoint
        self._tell = tell
        self._doubted: frozenset[NodeId] = frozenset()
        self._board = PingBoard()
        self._bucket = TokenBucket(rate_per_s=ANSWERS_PER_S, burst=ANSWER_BURST, now=0.0)
        self.rounds = 0
        """Rounds since start that said something."""
        self.sent = 0
        """Nodes asked in those rounds, each round anew."""
        self.unanswered = 0
        """Those of them that did not answer."""

    def doubt(self, nodes: frozenset[NodeId]) -> None:
        """Ask these, too, from the next round on: all whose link is down now."""
        self._doubted = nodes

    # --- the questions of others ---

    def is_for_us(self, query: QueryEvent) -> bool:
        """Whether to answer: anybody may ask, not too often."""
        return not query.payload and self._bucket.take(trio.current_time())

    async def answer(self, client: SerfClient, query: QueryEvent) -> None:
        """Say that this node is there.

        Raises:
            BrokenRpcError: the agent is gone.
            trio.TooSlowError: it hangs.
        """
        try:
            await client.respond(query.id, b"")
        except RemoteRpcError as error:
            log.debug("ping_answered_too_late", reason=error.reason)

    # --- ours ---

    async def run(self) -> None:
        """Ask round after round, until cancelled."""
        while True:
            started = trio.current_time()
            alive = tuple(self._alive())
            names = sorted(
                member.serf_name
                for member in alive
                if member.node_id != self._config.node_id
                and (member.tags.agent is AgentKind.EXTERNAL or member.node_id in self._doubted)
            )
            groups = [names[first : first + MAX_NAMED - 1] for first in range(0, len(names), MAX_NAMED - 1)]
            await self._round(names, groups)
            self._tell(self._board.silent)
            pause_s = max(self._config.ping_interval_s, len(alive) * len(groups) / PINGS_PER_S)
            await trio.sleep_until(started + pause_s)

    async def _round(self, names: list[str], groups: list[list[str]]) -> None:
        endpoint = self._endpoint()
        self._board.keep(names)
        if endpoint is None or not names:
            return
        answered: set[str] = set()
        try:
            for group in groups:
                found = await inquire(
                    endpoint,
                    QUERY_NAME,
                    expected={endpoint.name, *group},
                    named=True,
                    timeout_s=self._config.query_timeout_s,
                    deadline_s=self._config.call_deadline_s,
                )
                if endpoint.name not in found:
                    log.info("ping_round_void", asked=len(names))
                    return
                answered |= found.keys()
        except GossipUnavailableError as error:
            log.info("ping_round_void", asked=len(names), reason=error.message)
            return
        self.rounds += 1
        self.sent += len(names)
        self.unanswered += len(set(names) - answered)
        before = self._board.silent
        self._board.tell(asked=names, answered=answered)
        for name in self._board.silent - before:
            log.warning("node does not answer although its agent lives", member=name)
