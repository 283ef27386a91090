"""Which members of the gossip are nodes of the cluster, and which of several names speaks for a node.

Whoever holds the gossip key can take part in the gossip and say anything there. So a member counts only if its tags
hold, name this cluster and the member itself, and carry a node key that the cluster's key certified, that nobody
revoked and that is neither another than the node's living one nor that of another living node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from membership.members.certificate import certificate_holds
from membership.members.seed_watch import is_numeric
from membership.members.snapshot import ClusterView, MemberState, UnusableMember, ViewMember
from membership.members.tags import AgentKind, UnusableTags, decode_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from membership.rpc.records import SerfMember
    from signalling.ids import NodeId

__all__ = ["Rules", "Speakers", "judge", "moved", "own_refusal", "revoked", "speakers_of"]

_STATES = {
    "alive": MemberState.ALIVE,
    "leaving": MemberState.LEFT,
    "left": MemberState.LEFT,
    "failed": MemberState.FAILED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What a member has to fulfil.

    Attributes:
        cluster: the own cluster's name.
        cluster_keys: raw public keys of the cluster; when there are any, members need a certificate by one of them.
        revoked_keys: raw public keys of nodes that are believed no more, whoever certified them.
    """

    cluster: str
    cluster_keys: tuple[bytes, ...] = ()
    revoked_keys: frozenset[bytes] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Speakers:
    """Who speaks for each node, and who tried to in its place.

    Attributes:
        by_node: one member a node.
        refused: members under another key than their node's living one, and nodes under the key of another.
    """

    by_node: dict[NodeId, ViewMember]
    refused: tuple[UnusableMember, ...]


def judge(member: SerfMember, rules: Rules) -> ViewMember | UnusableMember:
    """Say whether a member counts, by itself."""
    tags = decode_tags(member.tags)
    if isinstance(tags, UnusableTags):
        return _unusable(member, tags.code, tags.message)
    if tags.cluster != rules.cluster:
        return _unusable(member, "foreign_cluster", f"belongs to cluster {tags.cluster!r}, not {rules.cluster!r}")
    if member.name != tags.serf_name:
        return _unusable(member, "name_mismatch", f"tags claim to be {tags.serf_name!r}")
    if rules.cluster_keys and not _is_certified(member, tags.certificate, rules):
        return _unusable(member, "uncertified", "what it says of itself carries no certificate by this cluster's key")
    state = _state(member)
    if tags.agent is AgentKind.VACATED and state is MemberState.ALIVE:
        state = MemberState.LEFT  # the agent lives on, the node does not
    node = ViewMember(serf_name=member.name, address=member.address, port=member.port, state=state, tags=tags)
    return revoked(node) if tags.public_key in rules.revoked_keys else node


def revoked(node: ViewMember) -> UnusableMember:
    """The same node, now that its key is revoked."""
    return _unusable(node, "key_revoked", "its node key is in the file of revoked keys")


def speakers_of(members: Iterable[ViewMember]) -> Speakers:
    """Choose for each node the member of its newest boot, whatever the states.

    Unless that boot has another key than an older one that lives: two processes then claim to be one node, and the one
    that was there first stays. When it is gone the other is the node, made anew.

    Of living nodes with one key (a copied `node-key.pem`) the one whose process started first stays likewise: whoever
    holds the key can sign for both, and the one that came later is surely the copy or restarted beside it.
    """
    by_node: dict[NodeId, ViewMember] = {}
    refused: list[UnusableMember] = []
    for member in sorted(members, key=lambda member: member.tags.agent_boot):
        first = by_node.get(member.node_id)
        if first is not None and first.state is MemberState.ALIVE and first.tags.public_key != member.tags.public_key:
            message = f"has another key than {first.serf_name}, which lives: give each node an id of its own"
            refused.append(_unusable(member, "key_changed", message))
        else:
            by_node[member.node_id] = member
    owners: dict[bytes, ViewMember] = {}
    for member in sorted(by_node.values(), key=lambda member: (member.tags.boot, member.node_id)):
        if member.state is not MemberState.ALIVE:
            continue
        owner = owners.setdefault(member.tags.public_key, member)
        if owner is not member:
            del by_node[member.node_id]
            refused.append(_unusable(member, "key_shared", _why_shared(member, owner)))
    return Speakers(by_node=by_node, refused=tuple(refused))


def _why_shared(member: ViewMember, owner: ViewMember) -> str:
    return (
        f"{member.node_id} has the node key of {owner.node_id}, which started first and lives at "
        f"{owner.address}:{owner.port}: remove node-key.pem from the data folder of the one that was copied and "
        "restart it, and it makes a key of its own"
    )


def own_refusal(
    view: ClusterView, own_name: str, seeds: frozenset[str], refused_by: frozenset[str]
) -> UnusableMember | None:
    """Why the node that looks counts for nobody.

    It is refused by its own rules, or most others say that its key is revoked (one alone may have a wrong file), or it
    is alone and who lives at its seeds is uncertified to it: then it is the one
    with other cluster keys. A stranger at any other place proves nothing, as whoever has the gossip key can bring one;
    and neither does one beside others that hold.

    Args:
        view: what it sees.
        own_name: the Serf name of its agent.
        seeds: `host:port` of others.
        refused_by: Serf names of nodes that say that its key is revoked.
    """
    for one in view.unusable:
        if one.serf_name == own_name:
            return one
    own = view.members.get(view.own_id)
    if own is None:
        return None
    others = {member.serf_name for member in view.alive() if member.node_id != view.own_id}
    if others:
        refusing = others & refused_by
        if 2 * len(refusing) <= len(others):
            return None
        message = (
            f"its node key is in the file of revoked keys of {', '.join(sorted(refusing))}: take it out there, if "
            "that is wrong, and send them SIGHUP; else remove node-key.pem from the data folder here and restart"
        )
        return _unusable(own, "key_revoked", message)
    are_named = any(not is_numeric(seed) for seed in seeds)
    for one in view.unusable:
        is_seed = are_named or f"{one.address}:{one.port}" in seeds or f"[{one.address}]:{one.port}" in seeds
        if seeds and is_seed and one.code == "uncertified" and one.state is MemberState.ALIVE:
            message = (
                f"the cluster that it joined at {one.address}:{one.port} has other cluster keys, so they refuse each "
                "other: copy tokens.cluster_keys_file from a node there and restart this one"
            )
            return _unusable(own, "uncertified", message)
    return None


def moved(member: ViewMember, first: tuple[str, int]) -> ViewMember | UnusableMember:
    """The same, unless its agent was first seen somewhere else."""
    if (member.address, member.port) == first:
        return member
    message = (
        f"its agent was at {first[0]}:{first[1]} first, and agents never move: somebody at {member.address}:"
        f"{member.port} plays the tags of a node that is gone, and so has the gossip key; `starling keys rotate` gives "
        "the cluster another one"
    )
    return _unusable(member, "name_moved", message)


def _is_certified(member: SerfMember, certificate: bytes | None, rules: Rules) -> bool:
    if certificate is None:
        return False
    return certificate_holds(rules.cluster_keys, wire=member.tags, certificate=certificate)


def _unusable(member: SerfMember | ViewMember, code: str, message: str) -> UnusableMember:
    return UnusableMember(
        serf_name=member.serf_name if isinstance(member, ViewMember) else member.name,
        address=member.address,
        port=member.port,
        state=member.state if isinstance(member, ViewMember) else _state(member),
        code=code,
        message=message,
    )


def _state(member: SerfMember) -> MemberState:
    return _STATES.get(member.status, MemberState.FAILED)
