"""What the log says of the others: who is there, who is gone, who is refused and why.

One line for each, at the moment when the view changes. Changes of tags are no news: load changes every minute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from membership.members.snapshot import MemberRefused, NodeAppeared, NodeGone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from membership.members.snapshot import Change, UnusableMember

__all__ = ["log_changes", "log_own_standing"]

log = structlog.get_logger(__name__)


def log_changes(changes: Iterable[Change]) -> None:
    """Write a line for each change that an operator would ask about the next day."""
    for change in changes:
        match change:
            case NodeAppeared(member=member):
                log.info("member alive", member=member.node_id, agent=member.serf_name, region=member.tags.region)
            case NodeGone(member=member):
                log.info("member gone", member=member.node_id, agent=member.serf_name, state=member.state.value)
            case MemberRefused(member=refused):
                log.warning("member refused", member=refused.serf_name, code=refused.code, reason=refused.message)
            case _:
                pass


def log_own_standing(before: UnusableMember | None, now: UnusableMember | None) -> None:
    """Write a line when this node ceases to count in its cluster, or why changes, and when it counts again."""
    if now is not None and (before is None or before.code != now.code):
        log.error("this node counts for nobody in its cluster", code=now.code, reason=now.message)
    elif before is not None and now is None:
        log.warning("this node counts in its cluster again", code=before.code)
