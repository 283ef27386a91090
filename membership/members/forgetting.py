"""Which names an operator may have forgotten: those of a node that is gone, never of one that lives.

A living member that is pruned becomes invisible to the others while it goes on, so the question is decided on the
agent's members of this moment, and a working link counts as life too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from membership.errors import MembershipError
from membership.members.tags import ID_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable

    from membership.rpc.records import SerfMember

__all__ = ["GONE_STATES", "ForgetRefusedError", "Forgotten", "names_to_forget"]

GONE_STATES = frozenset({"failed", "left"})
"""As Serf names them; `leaving` and `none` may still live."""


class ForgetRefusedError(MembershipError):
    """A member is not forgotten: `member_unknown` or `member_alive`."""


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What came of it.

    Attributes:
        names: Serf names that the agent no longer lists.
        remaining: those that it still does: it was too slow, or could not.
    """

    names: tuple[str, ...]
    remaining: tuple[str, ...] = ()


def names_to_forget(wanted: str, members: Iterable[SerfMember]) -> tuple[str, ...]:
    """The Serf names that go.

    Args:
        wanted: a node's stable id, which stands for all its boots, or the Serf name of one of them.
        members: as the agent lists them now.

    Raises:
        ForgetRefusedError: nobody is called that, or one that is still lives.
    """
    known = tuple(members)
    # By its id a node means the agents that may speak for it: anybody can write its id into tags of another name.
    named = [one for one in known if one.name == wanted]
    meant = named or [one for one in known if one.tags.get(ID_TAG) == wanted and _is_own_name(one.name, wanted)]
    if not meant:
        raise ForgetRefusedError(
            "member_unknown", f"no member is called {wanted!r}: `starling members` lists all names"
        )
    living = next((one for one in meant if one.status not in GONE_STATES), None)
    if living is not None:
        raise ForgetRefusedError(
            "member_alive",
            f"{wanted} is not gone: its agent {living.name} is {living.status}. Only failed or left members are "
            "forgotten; stop the node first (`starling leave` on its machine)",
        )
    return tuple(sorted(one.name for one in meant))


def _is_own_name(name: str, node_id: str) -> bool:
    """Whether an agent of that name may speak for the node: its id alone, or with the number of a start."""
    return name == node_id or (name.startswith(f"{node_id}-") and name.removeprefix(f"{node_id}-").isdecimal())
