"""At which address each agent was seen first: an agent has a name of its own for each start, and never moves.

So a name that is somewhere else is somebody's who has read the tags of an agent that is gone and plays them again; the
certificate in them holds, as it does not say from where. Serf gives a dead member's name away after a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from membership.members.tags import AgentKind

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from membership.members.snapshot import ViewMember

__all__ = ["Homes"]


class Homes:
    """The addresses of all names that are listed, as they were at first."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, int]] = {}

    def first_of(self, member: ViewMember) -> tuple[str, int]:
        """Where the agent was first, address and port; an external agent has one name for ever, and may move."""
        here = (member.address, member.port)
        return here if member.tags.agent is not AgentKind.OWN else self._first.setdefault(member.serf_name, here)

    def keep(self, names: AbstractSet[str]) -> None:
        """Forget all names but these."""
        self._first = {name: first for name, first in self._first.items() if name in names}
