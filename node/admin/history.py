"""What happened to the members lately, in the shape in which `events` streams it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from node.admin.stream_lines import EventLine

if TYPE_CHECKING:
    from membership import HistoryEntry, Membership


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What happened lately, the oldest first, and how often each node flapped since this one started."""

    events: tuple[EventLine, ...] = ()
    flaps: dict[str, int] = {}


def read_history(membership: Membership | None) -> HistoryAnswer:
    """Tell what is remembered; nothing happens to a node alone."""
    if membership is None:
        return HistoryAnswer()
    history = membership.history
    flaps = {node_id: history.flaps_of(node_id) for node_id in sorted(membership.view.members)}
    return HistoryAnswer(
        events=tuple(map(event_line, history.entries())),
        flaps={node_id: count for node_id, count in flaps.items() if count},
    )


def event_line(entry: HistoryEntry) -> EventLine:
    """One change as a line."""
    return EventLine(
        number=entry.number,
        at_ms=entry.at_ms,
        kind=entry.kind,
        node=entry.node,
        serf_name=entry.serf_name,
        detail=entry.detail,
    )
