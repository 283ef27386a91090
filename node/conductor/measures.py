"""The services' statistics records as numbers for ``/metrics``.

A record's fields are its metrics: the name is the part and the field, the kind is written here.
What a field means, and in which unit, is said at the record.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from node.http.backend import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from accounts import AccountStatistics
    from durable import RepositoryStatistics
    from membership import MembershipStatistics
    from relay import RelayStatistics
    from relay.planner import PlannerStatistics
    from session import ChatStatistics, SessionStatistics
    from sfu import SupervisionStatistics

_PLANNED: Final = "Rooms with people here whose policy is gather or auto, by what holds; each of their nodes counts."

HELPS: Final = {("planner", "rooms"): _PLANNED}
"""Where the name of a figure does not say it."""

COUNTERS: Final = {
    "engine": {"epoch", "failed_starts", "timeouts", "refusals", "late_replies"},
    "sessions": {"outages", "joins", "joins_degraded", "joins_refused", "seats_lost", "store_failures"},
    "accounts": {"registered", "logins", "logins_refused", "hashes", "tokens_unchecked"},
    "durable": {"calls", "failures", "conflicts"},
    "chat": {"stored", "unstored", "unread", "unreadable"},
    "planner": {"changes", "moves"},
    "relay": {
        "events_sent",
        "events_unsent",
        "heard",
        "links_renewed",
        "oddities",
        "path_changes",
        "renewals_failed",
        "words_passed",
    },
    "mesh": {
        "agent_boot",
        "agent_restarts",
        "events_sent",
        "events_received",
        "events_dropped",
        "events_foreign",
        "greetings_heard",
        "records_dropped",
        "flaps",
        "members_refused",
        "keys_refused",
        "pings_sent",
        "pings_unanswered",
        "joins_failed",
        "resets",
        "rooms_asked",
        "rooms_answered",
        "rooms_told",
        "rooms_refused",
        "rooms_unasked",
    },
}
"""Fields that only grow; every other one is a state of now."""


def collect_samples(
    *,
    engine: SupervisionStatistics,
    sessions: SessionStatistics,
    membership: MembershipStatistics | None,
    relay: RelayStatistics | None,
    accounts: AccountStatistics,
    durable: RepositoryStatistics,
    chat: ChatStatistics,
    planner: PlannerStatistics | None = None,
) -> tuple[Sample, ...]:
    """Read all records; a part that this node does not have is absent."""
    parts = {
        "engine": engine,
        "sessions": sessions,
        "mesh": membership,
        "relay": relay,
        "accounts": accounts,
        "durable": durable,
        "chat": chat,
        "planner": planner,
    }
    return tuple(sample for part, record in parts.items() if record is not None for sample in _samples(part, record))


def _samples(part: str, record: Any) -> Iterator[Sample]:  # noqa: ANN401 - any statistics record
    for field in fields(record):
        value = getattr(record, field.name)
        if isinstance(value, dict):
            for what, count in sorted(value.items()):
                yield _sample(part, field.name, float(count), {"what": what})
        elif isinstance(value, int | float):
            yield _sample(part, field.name, float(value), {})


def _sample(part: str, field: str, value: float, labels: dict[str, str]) -> Sample:
    grows = field in COUNTERS[part]
    return Sample(
        name=f"{part}_{field}_total" if grows else f"{part}_{field}",
        kind="counter" if grows else "gauge",
        help=HELPS.get((part, field), f"{field.replace('_', ' ').capitalize()} of the {part} service."),
        value=value,
        labels=labels,
    )
