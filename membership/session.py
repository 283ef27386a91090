"""One agent in use: its connections by purpose, and what is heard on its stream.

The agent serves a connection strictly in order, so there are three: `events` (the stream, and answers to the queries
in it, which the agent takes from no other connection), `fast` (members, events, coordinates, gauges) and `slow` (tags,
pruning, and the agent's warnings: there and nowhere else it says that it dropped records for a reader that was slow).
A join takes up to 10 s per dead seed and gets a connection of its own, as does each query of ours.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import trio

from membership.rpc.client import tells_of_a_drop
from membership.rpc.records import Gap, MemberEvent, QueryEvent, UserEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from membership.agent.life import AgentEndpoint
    from membership.rpc.client import EventStream, LogStream, SerfClient

__all__ = ["AgentSession", "Answerer", "Ears", "listen", "open_session"]


class Answerer(Protocol):
    """Answers queries of one name."""

    def is_for_us(self, query: QueryEvent) -> bool:
        """Whether to answer at all: decided at once, so that a flood of queries starts no tasks."""
        ...

    async def answer(self, client: SerfClient, query: QueryEvent) -> None:
        """Answer on the connection that told of the query."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSession:
    """One agent in use.

    Attributes:
        endpoint: where it answers.
        stream: its member and user events and queries, from before anything else was asked.
        warnings: its log from WARN upwards, as far as its own level lets it write that.
        events: the connection of the stream.
        fast: for what is answered at once.
        slow: for what waits for other nodes.
        nursery: of tasks that end with the session.
    """

    endpoint: AgentEndpoint
    stream: EventStream
    warnings: LogStream
    events: SerfClient
    fast: SerfClient
    slow: SerfClient
    nursery: trio.Nursery


MAX_ANSWERING: Final = 32
"""Queries answered at once: half of what may wait for the agent's socket."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ears:
    """Who is told what is heard.

    Attributes:
        members: members changed, or records were lost.
        lost: at least so many records were lost.
        user_event: a user event of any name.
        answerers: who answers queries, by their names.
        others: who answers the rest.
    """

    members: Callable[[], None]
    lost: Callable[[int], None]
    user_event: Callable[[UserEvent], None]
    answerers: Mapping[str, Answerer]
    others: Answerer


@contextlib.asynccontextmanager
async def open_session(endpoint: AgentEndpoint, *, deadline_s: float) -> AsyncIterator[AgentSession]:
    """Connect to an agent; the stream is open before anything is read, so that nothing falls between them.

    Raises:
        ExceptionGroup: of RPC errors and `trio.TooSlowError`; the agent is of no use any more.
    """
    async with (
        endpoint.connect(deadline_s=deadline_s) as events,
        endpoint.connect(deadline_s=deadline_s) as fast,
        endpoint.connect(deadline_s=deadline_s) as slow,
        trio.open_nursery() as nursery,
    ):
        stream = await events.stream("*")
        warnings = await slow.monitor("WARN")
        yield AgentSession(
            endpoint=endpoint,
            stream=stream,
            warnings=warnings,
            events=events,
            fast=fast,
            slow=slow,
            nursery=nursery,
        )
        nursery.cancel_scope.cancel()


async def listen(session: AgentSession, ears: Ears) -> None:
    """Hand on what the agent tells, until it tells nothing more.

    Raises:
        BrokenRpcError: that is how it ends.
    """
    session.nursery.start_soon(_watch_warnings, session, ears)
    answering = 0

    async def answer(answerer: Answerer, query: QueryEvent) -> None:
        nonlocal answering
        try:
            await answerer.answer(session.events, query)
        finally:
            answering -= 1

    while True:
        match await session.stream.receive():
            case MemberEvent():
                ears.members()
            case Gap(lost=lost):
                ears.lost(lost)
                ears.members()
            case UserEvent() as event:
                ears.user_event(event)
            case QueryEvent() as query:
                answerer = ears.answerers.get(query.name, ears.others)
                # One too many is asked again by whoever needs it; too many at once would look as if the agent hung.
                if answering < MAX_ANSWERING and answerer.is_for_us(query):
                    answering += 1
                    session.nursery.start_soon(answer, answerer, query)
            case _:
                pass  # kinds of records that newer agents may have


async def _watch_warnings(session: AgentSession, ears: Ears) -> None:
    while True:
        if tells_of_a_drop(await session.warnings.receive(), session.events.address):
            ears.lost(1)
            ears.members()
