"""Who is in the cluster: the pure core that turns what the agent says into snapshots.

Theory of operation.  The agent's `members` is the one truth; a `member-*` record of its stream comes about a second
after `members` shows the change, so it is a hint to read again and no more.  Nothing here can get out of step.

    event             what it does
    ----------------  ---------------------------------------------------------------------------------
    AgentUp           read members; join the seeds; hold what was alive for RESYNC_S, as a new agent knows
                      only itself at first and a restart of the agent is not the death of its peers
    AgentDown         the snapshot stays, marked as not fresh; no deadlines
    MembersHinted     read members, or once more if a read is under way
    MembersRead       new snapshot
    KeysRevoked       judge everybody anew, also who is held
    NodeRefused       who refuses this node for what it cannot see itself (queries/refusals.py asks)
    PruneFailed       ask for it again, later
    NodesSilent       who is alive to gossip and does not answer counts as failed (queries/pings.py says who that is)
    SeedsTried        next look at the seeds: soon after a failure (doubling), else after the interval
    DeadlineReached   periodic re-read; join seeds that are missing (seed_watch.py); end of holding; prune own
                      former names that are dead to all (own_names.py); judge anew who is a twin (twins.py)

A node is known by its stable id.  Of several names under one id the newest boot alone speaks: after a quick restart
the old name turns `failed` while the new one lives. The own node is alive as soon as it is listed, whatever its agent
is told to do: another is on its way. When another process took its id and is gone, its agent is renewed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from membership.members.homes import Homes
from membership.members.own_names import OwnNames
from membership.members.seed_watch import SeedWatch
from membership.members.snapshot import (
    Change,
    ClusterView,
    MemberState,
    UnusableMember,
    ViewMember,
    changes_between,
)
from membership.members.standing import Rules, judge, moved, own_refusal, revoked, speakers_of
from membership.members.tags import serf_name
from membership.members.twins import Twins

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from membership.rpc.records import SerfMember
    from signalling.ids import NodeId

__all__ = [
    "AgentDown",
    "AgentUp",
    "DeadlineReached",
    "JoinSeeds",
    "KeysRevoked",
    "MemberView",
    "MembersHinted",
    "MembersRead",
    "NodeRefused",
    "NodesSilent",
    "PruneFailed",
    "PruneMember",
    "Publish",
    "ReadMembers",
    "RenewAgent",
    "SeedsTried",
    "ViewEffect",
    "ViewEvent",
]

RESYNC_S = 10.0
"""How long a node that was alive stays so although a restarted agent does not list it yet: a join takes up to
a few seconds, and a node that died meanwhile is missed by its links long before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentUp:
    """An agent of ours answers, its stream is open.

    Attributes:
        agent_boot: the number of its start.
        former: Serf names of our agents before it, which have ended.
        name: its Serf name; the one of an own agent of that boot, if empty.
    """

    agent_boot: int
    former: frozenset[str] = frozenset()
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentDown:
    """There is no agent, or no connection to it; reads and joins under way will not be answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneFailed:
    """The agent did not forget the name."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MembersHinted:
    """The stream says that members changed, or it lost records."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MembersRead:
    """The answer to `ReadMembers`."""

    members: tuple[SerfMember, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class KeysRevoked:
    """The operator's whole list of node keys that are refused, as raw bytes."""

    keys: frozenset[bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class NodesSilent:
    """All Serf names whose agents live and whose nodes do not answer."""

    names: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRefused:
    """All Serf names of nodes that say, in the cluster's name, that this node's key is revoked."""

    by: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedsTried:
    """The answer to `JoinSeeds`: whether at least one was reached."""

    reached: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadlineReached:
    """`next_deadline` has come."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadMembers:
    """Read all members; answer with `MembersRead`, unless the agent goes down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JoinSeeds:
    """Join by these addresses; answer with `SeedsTried`, unless the agent goes down."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class PruneMember:
    """Make the cluster forget a dead name of this node."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RenewAgent:
    """Start the agent again under a boot above this one; answer with `AgentDown` and `AgentUp`.

    Another process had this node's id under that boot and is gone: until then the node is dead to all others.
    """

    above: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Publish:
    """There is a new snapshot."""

    view: ClusterView
    changes: tuple[Change, ...]


ViewEvent = (
    AgentUp
    | AgentDown
    | KeysRevoked
    | PruneFailed
    | MembersHinted
    | MembersRead
    | NodeRefused
    | NodesSilent
    | SeedsTried
    | DeadlineReached
)
ViewEffect = ReadMembers | JoinSeeds | PruneMember | RenewAgent | Publish


class MemberView:
    """The core's state; times are seconds of any monotonic clock."""

    def __init__(
        self,
        *,
        node_id: NodeId,
        cluster: str,
        cluster_keys: Sequence[bytes] = (),
        revoked_keys: Collection[bytes] = (),
        seeds: Sequence[str] = (),
        refresh_interval_s: float,
        rejoin_interval_s: float,
    ) -> None:
        """Begin without an agent.

        Args:
            node_id: the own stable id.
            cluster: the own cluster's name.
            cluster_keys: raw public keys of the cluster; when there are any, members need a certificate.
            revoked_keys: raw public keys of nodes that are refused.
            seeds: `host:port` of others; without the own address.
            refresh_interval_s: period of re-reading members.
            rejoin_interval_s: period of joining seeds while some are missing.
        """
        self.view = ClusterView(own_id=node_id)
        self._seed_addresses = frozenset(seeds)
        self._rules = Rules(cluster=cluster, cluster_keys=tuple(cluster_keys), revoked_keys=frozenset(revoked_keys))
        self._seeds = SeedWatch(seeds, interval_s=rejoin_interval_s)
        self._refresh_interval_s = refresh_interval_s
        self._agent_boot: int | None = None
        self._reading = self._read_again = False
        self._refresh_at = self._held_until = math.inf
        self._silent: frozenset[str] = frozenset()
        self._held: dict[NodeId, ViewMember] = {}
        self._listed: dict[NodeId, ViewMember] = {}
        self._judged: dict[str, tuple[SerfMember, ViewMember | UnusableMember]] = {}
        self._own_names = OwnNames(node_id)
        self._own_name = ""
        self._refused_by: frozenset[str] = frozenset()
        self._newest_own_boot = 0
        self._is_renewing = False
        self._twins = Twins(node_id)
        self._homes = Homes()
        self._has_met = False

    def alive_to_gossip(self) -> tuple[ViewMember, ...]:
        """The nodes whose agents live, those that do not answer included."""
        return tuple(m for m in self._listed.values() if m.state is MemberState.ALIVE)

    def next_deadline(self) -> float:
        """When `DeadlineReached` is due; infinity if never."""
        return min(
            self._refresh_at,
            self._seeds.at,
            self._held_until,
            self._own_names.next_deadline(),
            self._twins.next_deadline(),
        )

    def handle(self, event: ViewEvent, now: float) -> tuple[ViewEffect, ...]:
        """Take an event; returns what to do, in order."""
        match event:
            case AgentUp():
                return self._agent_up(event, now)
            case AgentDown():
                self._agent_boot = None
                self._refresh_at = self._held_until = math.inf
                self._own_names.stop()
                self._twins.stop()
                self._seeds.stop()
                return self._publish(self.view.members.values(), self.view.unusable)
            case KeysRevoked():
                return self._revoke(event.keys, now)
            case _ if self._agent_boot is None:
                return ()  # what a lost agent had still to say
            case MembersHinted():
                return self._read(now)
            case PruneFailed(name=name):
                self._own_names.again(name, now)
                return ()
            case MembersRead():
                return self._members_read(event.members, now)
            case NodeRefused():
                self._refused_by = event.by
                return self._publish(self._known(), self.view.unusable, fresh=self.view.is_fresh)
            case NodesSilent():
                return self._silence(event.names)
            case SeedsTried():
                self._seeds.tried(reached=event.reached, now=now)
                return self._read(now) if event.reached else ()
            case DeadlineReached():
                return self._deadline(now)

    def _agent_up(self, event: AgentUp, now: float) -> tuple[ViewEffect, ...]:
        self._agent_boot = self._newest_own_boot = event.agent_boot
        self._own_name = event.name or serf_name(self.view.own_id, event.agent_boot)
        self._is_renewing = False
        self._twins.start(self._own_name)
        self._own_names.start(event.agent_boot, event.former, now)
        self._reading = False
        self._held = {member.node_id: member for member in self.view.alive()}
        self._held_until = now + RESYNC_S if self._held else math.inf
        return (*self._read(now), *_joins(self._seeds.start(now)))

    def _read(self, now: float) -> tuple[ViewEffect, ...]:
        self._refresh_at = now + self._refresh_interval_s
        self._read_again = self._reading
        if self._reading:
            return ()
        self._reading = True
        return (ReadMembers(),)

    def _members_read(self, members: tuple[SerfMember, ...], now: float) -> tuple[ViewEffect, ...]:
        self._reading = False
        judged: dict[str, tuple[SerfMember, ViewMember | UnusableMember]] = {}
        for member in members:
            known = self._judged.get(member.name)
            judged[member.name] = (
                known if known is not None and known[0] == member else (member, judge(member, self._rules))
            )
        self._judged = judged
        self._homes.keep(judged.keys())
        verdicts = [
            moved(verdict, self._homes.first_of(verdict)) if isinstance(verdict, ViewMember) else verdict
            for _, verdict in judged.values()
        ]
        usable = [verdict for verdict in verdicts if isinstance(verdict, ViewMember)]
        speakers = speakers_of(usable)
        doubled = self._twins.listed(usable, speakers, now)
        own = {} if doubled.own is None else {self.view.own_id: doubled.own}
        self._listed = speakers.by_node | own
        for node_id in self._listed:
            self._held.pop(node_id, None)
        refused = (*(v for v in verdicts if isinstance(v, UnusableMember)), *speakers.refused, *doubled.twins)
        unusable = sorted(refused, key=lambda member: member.serf_name)
        effects = self._publish(self._known(), unusable, fresh=True)
        again = self._read(now) if self._read_again else ()
        self._own_names.listed([member for member, _ in judged.values()], usable, now)
        return (*effects, *again, *self._renewal(doubled.above))

    def _renewal(self, above: int | None) -> tuple[ViewEffect, ...]:
        if above is None or self._is_renewing:
            return ()
        self._is_renewing = True
        return (RenewAgent(above=above),)

    def _revoke(self, keys: frozenset[bytes], now: float) -> tuple[ViewEffect, ...]:
        self._rules = replace(self._rules, revoked_keys=keys)
        self._judged.clear()
        refused = {m.node_id: revoked(m) for m in self.view.members.values() if m.tags.public_key in keys}
        for known in (self._held, self._listed):
            for node_id in known.keys() & refused.keys():
                del known[node_id]
        left = (member for node_id, member in self.view.members.items() if node_id not in refused)
        effects = self._publish(left, (*self.view.unusable, *refused.values()), fresh=self.view.is_fresh)
        return (*effects, *self._read(now)) if self._agent_boot is not None else effects

    def _deadline(self, now: float) -> tuple[ViewEffect, ...]:
        effects: list[ViewEffect] = []
        if now >= self._held_until:
            self._held_until = math.inf
            self._held.clear()
            effects += self._publish(self._listed.values(), self.view.unusable, fresh=self.view.is_fresh)
        is_alone = all(member.node_id == self.view.own_id for member in self.view.alive())
        effects += (PruneMember(name=name) for name in self._own_names.due(now, is_alone=is_alone))
        if self._twins.due(now) or now >= self._refresh_at:
            effects += self._read(now)
        return (*effects, *_joins(self._seeds.look(self.view, now)))

    def _silence(self, names: frozenset[str]) -> tuple[ViewEffect, ...]:
        if names == self._silent:
            return ()
        self._silent = names
        return self._publish(self._known(), self.view.unusable, fresh=self.view.is_fresh)

    def _known(self) -> tuple[ViewMember, ...]:
        return (*self._listed.values(), *self._held.values())

    def _publish(
        self, members: Iterable[ViewMember], unusable: Iterable[UnusableMember], *, fresh: bool = False
    ) -> tuple[ViewEffect, ...]:
        old = self.view
        new = replace(
            old,
            members=MappingProxyType({member.node_id: self._as_it_answers(member) for member in members}),
            unusable=tuple(unusable),
            is_fresh=fresh,
        )
        # Who has once met somebody of its cluster has the right keys, whoever is there now.
        self._has_met = self._has_met or any(one.node_id != new.own_id for one in new.alive())
        seeds = frozenset() if self._has_met else self._seed_addresses
        new = replace(new, own_refusal=own_refusal(new, self._own_name, seeds, self._refused_by))
        if new == old:
            return ()
        self.view = replace(new, number=old.number + 1)
        return (Publish(view=self.view, changes=changes_between(old, self.view)),)

    def _as_it_answers(self, member: ViewMember) -> ViewMember:
        is_own = member.node_id == self.view.own_id and member.tags.agent_boot <= self._newest_own_boot
        if is_own:  # who looks is there, also while its agent leaves and another starts
            return replace(member, state=MemberState.ALIVE)
        is_silent = member.serf_name in self._silent and member.state is MemberState.ALIVE
        return replace(member, state=MemberState.FAILED) if is_silent else member


def _joins(addresses: tuple[str, ...]) -> tuple[JoinSeeds, ...]:
    return (JoinSeeds(addresses=addresses),) if addresses else ()
