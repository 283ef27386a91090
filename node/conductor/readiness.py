"""What speaks against sending clients here, and what an operator should know beside that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from membership import MemberState
from node.http.backend import ReadinessProblem

if TYPE_CHECKING:
    from membership import ClusterView, Membership, UnusableMember
    from node.store_watch import StoreWatch
    from session import Sessions
    from sfu import Engine

DOUBLED: Final = frozenset({"node_twin", "key_changed", "key_shared"})
"""Refusals of members that want to be what another node is already."""


def problems_of(engine: Engine, membership: Membership | None) -> tuple[ReadinessProblem, ...]:
    """What speaks against new clients; empty means ready."""
    problems: list[ReadinessProblem] = []
    if not engine.supervision().serving:
        sentence = "The media engine is being replaced; this takes about a second."
        problems.append(ReadinessProblem(part="engine", code="engine_unavailable", message=sentence))
    if membership is not None and not membership.view.is_fresh:
        sentence = "The serf agent does not answer; it is being restarted."
        problems.append(ReadinessProblem(part="mesh", code="gossip_unavailable", message=sentence))
    return tuple(problems)


def outside_of(membership: Membership | None) -> ReadinessProblem | None:
    """Why this node counts for nobody in its cluster, if it does not."""
    refusal = None if membership is None else membership.view.own_refusal
    if refusal is None:
        return None
    sentence = f"This node counts for nobody in its cluster: {refusal.message}."
    return ReadinessProblem(part="mesh", code=refusal.code, message=sentence)


def degradations_of(sessions: Sessions, watch: StoreWatch | None) -> tuple[ReadinessProblem, ...]:
    """What this node does without for now; it still takes people."""
    counts = sessions.statistics()
    # Where somebody asks all the time, the last word of the sessions is older than theirs only while seats are renewed.
    is_away = counts.degraded if watch is None else watch.is_away or (counts.degraded and counts.seats > 0)
    if not is_away:
        return ()
    sentence = "The store does not answer; calls go on, joins are checked by what this node knows."
    return (ReadinessProblem(part="store", code="store_unavailable", message=sentence),)


def warnings_of(membership: Membership | None) -> tuple[ReadinessProblem, ...]:
    """What an operator should know and no client needs to: this node still takes people."""
    warnings: list[ReadinessProblem] = []
    view = None if membership is None else membership.view
    uncertified = [] if view is None else _uncertified(view)
    if uncertified:
        sentence = (
            f"Refused for want of a certificate by our cluster keys: {', '.join(uncertified)}. "
            "If they should be ours, compare tokens.cluster_keys_file on all nodes."
        )
        warnings.append(ReadinessProblem(part="mesh", code="uncertified", message=sentence))
    if view is not None:
        warnings += (_doubled(member) for member in view.unusable if _is_doubled(member, view))
    return tuple(warnings)


def _is_doubled(member: UnusableMember, view: ClusterView) -> bool:
    return member.code in DOUBLED and member.state is MemberState.ALIVE and member != view.own_refusal


def _doubled(member: UnusableMember) -> ReadinessProblem:
    sentence = f"{member.serf_name} at {member.address}:{member.port} is refused: {member.message}."
    return ReadinessProblem(part="mesh", code=member.code, message=sentence)


def _uncertified(view: ClusterView) -> list[str]:
    return [
        member.serf_name
        for member in view.unusable
        if member.code == "uncertified" and member.state is MemberState.ALIVE
    ]
