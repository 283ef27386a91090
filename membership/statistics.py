"""What the membership service counts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MembershipStatistics"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MembershipStatistics:
    """What happened since the start, and how things are now.

    Attributes:
        agent_is_up: whether an agent answers now.
        agent_boot: boot of the newest agent.
        agent_restarts: agents started after the first.
        members_alive: usable nodes alive now, the own one included.
        members_unusable: members refused now.
        events_sent: user events handed to the agent.
        events_received: user events handed to the consumer.
        events_dropped: user events lost because the consumer was slow.
        events_foreign: events that are not ours by name or size.
        greetings_heard: agents that said they are there, the own ones included; forged ones as well.
        records_dropped: stream records lost because this process was slow; at least so many.
        flaps: times that a node was gone and came back as the same boot.
        members_refused: members that were refused, by code; one that comes again counts again.
        keys_refused: orders about gossip keys that were refused, by code.
        pings_sent: nodes asked whether they are there, because their agent's life says nothing of them.
        pings_unanswered: those of them that did not answer in time.
        joins_failed: attempts to join seeds of which none was reached.
        seeds_missing: seeds given by IP address at which no living node is seen now.
        resets: subscriptions that fell behind and started over.
        event_queue: events waiting in the agent at the last look; < 10 healthy, > 100 over budget; None if unknown.
        rooms_asked: queries for a room's nodes sent while the store was away.
        rooms_answered: usable answers to them.
        rooms_told: queries of others that were about a room here and were answered.
        rooms_refused: queries and answers that were malformed, too fast, or of nobody known.
        rooms_unasked: rooms not asked for because too many waited.
        join_problem: why the last attempt to join the seeds failed; None if it did not, or others are here.
    """

    agent_is_up: bool
    agent_boot: int
    agent_restarts: int
    members_alive: int
    members_unusable: int
    events_sent: int
    events_received: int
    events_dropped: int
    events_foreign: int
    greetings_heard: int
    records_dropped: int
    flaps: int
    members_refused: dict[str, int]
    keys_refused: dict[str, int]
    pings_sent: int
    pings_unanswered: int
    joins_failed: int
    seeds_missing: int
    resets: int
    event_queue: int | None
    rooms_asked: int
    rooms_answered: int
    rooms_told: int
    rooms_refused: int
    rooms_unasked: int
    join_problem: str | None
