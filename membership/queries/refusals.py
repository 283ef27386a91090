"""Who of the cluster refuses this node for what it cannot see itself: its key is in their file of revoked keys.

Now and then a node asks all others, and who refuses it says so; everybody else is silent, so that in a healthy cluster
a question costs no answer. Whoever has the gossip key can answer a query, so an answer is signed by the cluster's key,
over what was asked, of whom, and by whom: it cannot be made by others, nor said again.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import structlog
import trio
from msgspec import Meta

from membership.errors import GossipUnavailableError
from membership.members.certificate import holds
from membership.queries.inquiry import inquire
from membership.rpc.errors import RemoteRpcError
from signalling.cbor import GarbledError, decode, encode
from signalling.pace import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

    from membership.agent.life import AgentEndpoint
    from membership.config import MembershipConfig
    from membership.members.snapshot import ClusterView
    from membership.rpc.client import SerfClient
    from membership.rpc.records import QueryEvent

__all__ = ["QUERY_NAME", "Refusals"]

QUERY_NAME: Final = "v"
"""One constant name, short because every byte of a query is sent to every node several times."""

FIRST_S: Final = 3.0
"""After the start: by then the others have this node in their views."""

PAUSE_S: Final = 30.0
PAUSE_REFUSED_S: Final = 5.0
"""Between questions: seldom while all is well, sooner for one that waits to be taken back."""

QUESTIONS_PER_S: Final = 2.0
"""Of the whole cluster, of some 15 queries that its gossip carries: the more nodes, the longer each waits."""

ANSWERS_PER_S: Final = 5.0
ANSWER_BURST: Final = 20.0

NONCE_BYTES: Final = 16
MAX_BYTES: Final = 256
REVOKED: Final = "key_revoked"

log = structlog.get_logger(__name__)


class _Asked(msgspec.Struct, frozen=True, array_like=True):
    """Do you refuse this member?"""

    version: Annotated[int, Meta(ge=1, le=255)]
    nonce: Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    name: Annotated[str, Meta(max_length=128)]


class _Refused(msgspec.Struct, frozen=True, array_like=True):
    """Yes, signed."""

    version: Annotated[int, Meta(ge=1, le=255)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Refusals:
    """Asks, and answers others.

    Args:
        config: the cluster's keys, and deadlines.
        view: what this node sees.
        endpoint: the agent in use, None while there is none.
        tell: who refuses this node now, by Serf name; called after each question.
    """

    def __init__(
        self,
        config: MembershipConfig,
        *,
        view: Callable[[], ClusterView],
        endpoint: Callable[[], AgentEndpoint | None],
        tell: Callable[[frozenset[str]], None],
    ) -> None:
        self._config = config
        self._view = view
        self._endpoint = endpoint
        self._tell = tell
        self._last: frozenset[str] = frozenset()
        self._bucket = TokenBucket(rate_per_s=ANSWERS_PER_S, burst=ANSWER_BURST, now=0.0)

    # --- the questions of others ---

    def is_for_us(self, query: QueryEvent) -> bool:
        """Whether to answer: only who refuses the one that asks does, and not too often."""
        asked = _read(query.payload)
        is_refused = asked is not None and any(
            one.serf_name == asked.name and one.code == REVOKED for one in self._view().unusable
        )
        return is_refused and self._config.certify is not None and self._bucket.take(trio.current_time())

    async def answer(self, client: SerfClient, query: QueryEvent) -> None:
        """Say that this node refuses the one that asks.

        Raises:
            BrokenRpcError: the agent is gone.
            trio.TooSlowError: it hangs.
        """
        asked, endpoint, certify = _read(query.payload), self._endpoint(), self._config.certify
        if asked is None or endpoint is None or certify is None:
            return
        signature = certify(_statement(asked, endpoint.name))
        try:
            await client.respond(query.id, encode(_Refused(version=1, signature=signature)))
        except RemoteRpcError as error:
            log.debug("refusal_told_too_late", reason=error.reason)

    # --- ours ---

    async def run(self) -> None:
        """Ask again and again, until cancelled; a node without cluster keys is refused by nobody."""
        if not self._config.cluster_keys:
            return
        await trio.sleep(FIRST_S)
        while True:
            names = await self._ask()
            if names is not None:
                # An answer gets lost now and then; only two rounds without one say that it is over.
                self._tell(names | self._last)
                self._last = names
            pause_s = PAUSE_REFUSED_S if self._last else max(PAUSE_S, len(self._view().members) / QUESTIONS_PER_S)
            await trio.sleep(pause_s)

    async def _ask(self) -> frozenset[str] | None:
        """Who refuses this node; None if nobody could be asked."""
        endpoint, view = self._endpoint(), self._view()
        others = {one.serf_name for one in view.alive() if one.node_id != view.own_id}
        if endpoint is None or not others:
            return None
        asked = _Asked(version=1, nonce=secrets.token_bytes(NONCE_BYTES), name=endpoint.name)
        try:
            answers = await inquire(
                endpoint,
                QUERY_NAME,
                payload=encode(asked),
                expected=others,
                named=False,
                timeout_s=self._config.query_timeout_s,
                deadline_s=self._config.call_deadline_s,
            )
        except GossipUnavailableError:
            return None
        return frozenset(name for name, told in answers.items() if name in others and self._holds(asked, name, told))

    def _holds(self, asked: _Asked, sender: str, told: bytes) -> bool:
        try:
            signature = decode(told, _Refused, max_bytes=MAX_BYTES).signature
        except GarbledError:
            return False
        return holds(self._config.cluster_keys, signed=_statement(asked, sender), signature=signature)


def _read(payload: bytes) -> _Asked | None:
    try:
        return decode(payload, _Asked, max_bytes=MAX_BYTES)
    except GarbledError:
        return None


def _statement(asked: _Asked, answerer: str) -> bytes:
    """What an answer signs: apart from every certificate by its first word."""
    fields = (b"starling/node-refused/1", asked.nonce, asked.name.encode(), answerer.encode())
    return b"".join(len(field).to_bytes(2, "big") + field for field in fields)
