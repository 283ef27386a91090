"""One question to other nodes by a Serf query, and what each answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from membership.errors import GossipUnavailableError
from membership.rpc.errors import RpcError, reasons_of
from membership.rpc.records import QueryAnswer

if TYPE_CHECKING:
    from collections.abc import Collection

    from membership.agent.life import AgentEndpoint

__all__ = ["MAX_NAMED", "inquire"]

MAX_NAMED: Final = 12
"""Serf names in the filter of one query: each takes up to 50 of its 1024 bytes."""


async def inquire(
    endpoint: AgentEndpoint,
    name: str,
    *,
    expected: Collection[str],
    named: bool,
    timeout_s: float,
    deadline_s: float,
    payload: bytes = b"",
) -> dict[str, bytes]:
    """Ask, and wait until all that are expected have answered or the time is over.

    On a connection of its own: the agent keeps every query's stream for the life of a connection.

    Args:
        endpoint: the agent in use.
        name: of the query.
        expected: Serf names of the nodes whose answers end the wait.
        named: ask only these, at most `MAX_NAMED`; else all, and unexpected answers are returned, too.
        timeout_s: how long nodes may answer.
        deadline_s: for the agent to take the query.
        payload: what is asked.

    Returns:
        Answers by Serf name; the first counts. Any member of the gossip can forge them.

    Raises:
        GossipUnavailableError: the agent did not take it.
    """
    assert not named or len(expected) <= MAX_NAMED
    found: dict[str, bytes] = {}
    missing = set(expected)
    problem = "no answer in time"
    try:
        # The agent ends a query itself; this is for one that hangs.
        with trio.move_on_after(timeout_s + 2 * deadline_s) as scope:
            async with endpoint.connect(deadline_s=deadline_s) as client:
                nodes = sorted(expected) if named else ()
                answers = await client.query(name, payload, timeout_s=timeout_s, nodes=nodes)
                while missing and (answer := await answers.receive()) is not None:
                    if isinstance(answer, QueryAnswer) and (not named or answer.sender in expected):
                        found.setdefault(answer.sender, answer.payload)
                        missing.discard(answer.sender)
        if not scope.cancelled_caught:
            return found
    except* (RpcError, trio.TooSlowError) as group:
        problem = reasons_of(group)
    raise GossipUnavailableError(f"the gossip agent did not ask the others: {problem}")
