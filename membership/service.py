"""The membership service: one agent, the view, and what the rest of the node does with them.

Theory of operation.  The supervisor (agent/supervision.py) runs agents; for each that is ready `_use` opens a session
(session.py) of three connections by purpose.  The core (members/view.py) is fed synchronously, so its state has one
owner without locks, and its effects run as tasks of the session, so they end with it.  Whatever breaks in a session
ends it: the agent is killed and the next one starts.
"""

from __future__ import annotations

import contextlib
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog
import trio

from membership.agent.external import ExternalAgent
from membership.agent.former_names import FormerNames
from membership.agent.joining import try_seeds
from membership.agent.orders import AgentOrders
from membership.agent.supervision import AgentSupervisor, draw_boot
from membership.distance.coordinates import CoordinateReader
from membership.distance.rtt_matrix import ReportedRtt, RttMatrix, rtt_matrix
from membership.errors import GossipSetupError, GossipUnavailableError
from membership.greetings import Greetings
from membership.keys.rotation import QUERY_NAME as KEYS_QUERY
from membership.keys.rotation import GossipKeys
from membership.members.change_log import log_changes, log_own_standing
from membership.members.history import ChangeHistory
from membership.members.own_tags import OwnTags
from membership.members.revocations import read_revoked_keys
from membership.members.seed_watch import have_left, is_numeric, missing_seeds
from membership.members.subscription import ChangeSubscription
from membership.members.tags import AgentKind, NodeTags, encode_tags
from membership.members.view import (
    AgentDown,
    AgentUp,
    DeadlineReached,
    JoinSeeds,
    KeysRevoked,
    MembersHinted,
    MembersRead,
    MemberView,
    NodeRefused,
    NodesSilent,
    PruneFailed,
    PruneMember,
    Publish,
    ReadMembers,
    RenewAgent,
    SeedsTried,
    ViewEffect,
    ViewEvent,
)
from membership.queries.pings import QUERY_NAME as PING_QUERY
from membership.queries.pings import Pings
from membership.queries.refusals import QUERY_NAME as REFUSALS_QUERY
from membership.queries.refusals import Refusals
from membership.queries.room_queries import RoomQueries
from membership.rpc.errors import RemoteRpcError, RpcError, reasons_of
from membership.session import AgentSession, Ears, listen, open_session
from membership.statistics import MembershipStatistics
from membership.user_events import EVENT_NAME, MAX_EVENT_BYTES, UserEvents

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from membership.agent.life import AgentEndpoint
    from membership.config import MembershipConfig
    from membership.members.snapshot import ClusterView, UnusableMember
    from membership.rpc.client import SerfClient
    from membership.rpc.records import SerfMember, UserEvent
    from signalling.ids import NodeId

__all__ = ["MAX_EVENT_BYTES", "Membership", "MembershipStatistics", "open_membership"]

log = structlog.get_logger(__name__)


class Membership:
    """A running membership; made by `open_membership`."""

    def __init__(self, config: MembershipConfig, tags: NodeTags, boot: int, revoked_keys: frozenset[bytes]) -> None:
        own_addresses = {f"{config.bind_address}:{config.bind_port}", config.advertise}
        self._config = config
        self._tags = OwnTags(config, tags, boot)
        self._seeds = tuple(seed for seed in config.seeds if seed not in own_addresses)
        self._core = MemberView(
            node_id=config.node_id,
            cluster=config.cluster,
            cluster_keys=config.cluster_keys,
            revoked_keys=revoked_keys,
            seeds=self._seeds,
            refresh_interval_s=config.refresh_interval_s,
            rejoin_interval_s=config.rejoin_interval_s,
        )
        self._names = FormerNames(config.data_dir / "gossip")
        self._pruning = trio.Lock()
        self._deadline_moved = trio.Event()
        self._supervisor: AgentSupervisor | ExternalAgent = (
            AgentSupervisor(config=config, boot=boot, tags=self._tags.encoded, use=self._use)
            if config.rpc is None
            else ExternalAgent(config=config, boot=boot, farewell=self._tags.farewell, use=self._use)
        )
        self._session: AgentSession | None = None
        self._has_read = trio.Event()
        self._has_joined = trio.Event()
        self._subscriptions: set[ChangeSubscription] = set()
        self._events = UserEvents()
        self._greetings = Greetings(self.reread_members)
        self._records_dropped = self._resets = self._joins_failed = 0
        self._event_queue: int | None = None
        self._own_refusal: UnusableMember | None = None
        self._join_problem: GossipSetupError | None = None
        self._coordinates = CoordinateReader(lambda: self.view)
        self.history = ChangeHistory()
        """What happened to the members lately."""
        self.keys = GossipKeys(
            config,
            keyring=config.data_dir / "gossip" / "keyring.json" if config.rpc is None else None,
            view=lambda: self.view,
            endpoint=self._endpoint,
        )
        """The gossip keys of the whole cluster."""
        self._pings = Pings(
            config,
            alive=self._core.alive_to_gossip,
            endpoint=self._endpoint,
            tell=lambda names: self._feed(NodesSilent(names=names)),
        )
        self._refusals = Refusals(
            config,
            view=lambda: self.view,
            endpoint=self._endpoint,
            tell=lambda names: self._feed(NodeRefused(by=names)),
        )
        self.rooms = RoomQueries(config, view=lambda: self.view, endpoint=self._endpoint)
        """Asks the mesh on which nodes a room lives, and answers others; for when the store is away."""

        self.orders = AgentOrders(config, using_agent=self._using_agent, hinted=self.reread_members)
        """What an operator orders of the agent."""

    @property
    def boot(self) -> int:
        """Number of this process' start, the node's incarnation in signed messages; an agent's restart keeps it."""
        return self._tags.boot

    @property
    def view(self) -> ClusterView:
        """The newest snapshot."""
        return self._core.view

    @property
    def tags(self) -> NodeTags:
        """What this node says of itself."""
        return self._tags.stamped

    @property
    def user_events(self) -> trio.MemoryReceiveChannel[bytes]:
        """Payloads of user events of all nodes, the own ones included, for one consumer.

        Unordered, at most once each within a node's life, possibly of senders that are gone.  Few hundred wait;
        more are dropped and counted.
        """
        return self._events.payloads

    @property
    def event_queue(self) -> int | None:
        """Events that waited in the agent at the last look; None while that is not known."""
        return self._event_queue

    @contextlib.contextmanager
    def changes(self) -> Iterator[ChangeSubscription]:
        """Subscribe for the length of the block: `with m.changes() as changes: async for change in changes: ...`.

        The first item is a `ViewReset` with the current snapshot, and so is the next one whenever the subscriber
        falls too far behind.
        """
        subscription = ChangeSubscription(self.view)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
            self._resets += subscription.resets

    async def send_event(self, payload: bytes) -> None:
        """Gossip a payload to every node, this one included.

        Success means queued at the agent.  Identical payloads are one event to Serf: put a unique id in each.

        Raises:
            ValueError: the payload exceeds `MAX_EVENT_BYTES`.
            GossipUnavailableError: no agent took it in time.
        """
        if len(payload) > MAX_EVENT_BYTES:
            raise ValueError(f"an event of {len(payload)} bytes; at most {MAX_EVENT_BYTES} are gossiped")
        with self._using_agent() as session:
            await session.fast.send_event(EVENT_NAME, payload)
        self._events.sent += 1

    async def set_tags(self, tags: NodeTags) -> None:
        """Replace what this node says of itself; the boots are stamped here.

        A broadcast to the whole cluster: for slow facts only.  The tags stay set for later agents also when
        this raises `GossipUnavailableError`.

        Raises:
            ValueError: another node's id or cluster, a field out of range, or too large together.
            GossipUnavailableError: no agent took them in time.
        """
        self._tags.replace(tags)
        with self._using_agent() as session:
            await self._tags.announce(session)
        self._feed(MembersHinted())

    def reread_members(self) -> None:
        """Read the agent's members soon: somebody speaks whom the view does not know yet. Returns at once.

        The stream tells of a newcomer about a second after the agent knows it; at most one read is under way.
        """
        self._feed(MembersHinted())

    def doubt(self, nodes: frozenset[NodeId]) -> None:
        """Ask these nodes whether they are there, although gossip holds them alive: all whose link is down now.

        One that does not answer counts as failed within some 8 s, until it answers or gossip knows better.
        """
        self._pings.doubt(nodes)

    def reload_revoked_keys(self) -> None:
        """Read the file of revoked node keys again; on an error those known stay.

        Raises:
            GossipSetupError: `revoked_keys_invalid`.
        """
        self._feed(KeysRevoked(keys=read_revoked_keys(self._config.revoked_keys_file)))

    async def members_raw(self) -> tuple[SerfMember, ...]:
        """All members as the agent lists them now, old boots and strangers included.

        Raises:
            GossipUnavailableError: no agent answered in time.
        """
        with self._using_agent() as session:
            return await session.fast.members()

    def rtts(
        self, links_ms: Mapping[NodeId, float] = MappingProxyType({}), reported_ms: ReportedRtt | None = None
    ) -> RttMatrix:
        """How far all living nodes are from each other, as well as it is known now.

        Args:
            links_ms: round trips that this node's own links measure, by the far end.
            reported_ms: gives those of links between two other nodes, as far as they tell them.
        """
        return rtt_matrix(
            self.view,
            coordinates=self._coordinates.seen,
            links_ms=links_ms,
            reported_ms=reported_ms,
            now_s=trio.current_time(),
        )

    def statistics(self) -> MembershipStatistics:
        """Counters and gauges of now."""
        return MembershipStatistics(
            agent_is_up=self._session is not None,
            agent_boot=self._tags.agent_boot,
            agent_restarts=self._supervisor.restarts,
            members_alive=len(self.view.alive()),
            members_unusable=len(self.view.unusable),
            events_sent=self._events.sent,
            events_received=self._events.received,
            events_dropped=self._events.dropped,
            events_foreign=self._events.foreign,
            greetings_heard=self._greetings.heard,
            records_dropped=self._records_dropped,
            flaps=self.history.flaps,
            members_refused=dict(self.history.refusals),
            keys_refused=dict(self.keys.refusals),
            pings_sent=self._pings.sent,
            pings_unanswered=self._pings.unanswered,
            joins_failed=self._joins_failed,
            seeds_missing=len(missing_seeds([seed for seed in self._seeds if is_numeric(seed)], self.view)),
            resets=self._resets + sum(subscription.resets for subscription in self._subscriptions),
            event_queue=self._event_queue,
            rooms_asked=self.rooms.asked,
            rooms_answered=self.rooms.answers,
            rooms_told=self.rooms.heard,
            rooms_refused=self.rooms.refused,
            rooms_unasked=self.rooms.turned_away,
            join_problem=None if self._join_problem is None else str(self._join_problem),
        )

    # -------------------------------------------------------------------------------------------- the core's shell

    def _feed(self, event: ViewEvent) -> None:
        for effect in self._core.handle(event, trio.current_time()):
            self._run(effect)
        self._deadline_moved.set()

    def _run(self, effect: ViewEffect) -> None:
        if isinstance(effect, Publish):
            self.history.add(effect.changes, at_ms=time.time_ns() // 1_000_000)
            log_changes(effect.changes)
            log_own_standing(self._own_refusal, effect.view.own_refusal)
            self._own_refusal = effect.view.own_refusal
            if len(effect.view.alive()) > 1:
                self._join_problem = None  # somebody else found us
            for subscription in self._subscriptions:
                subscription.put(effect.view, effect.changes)
            return
        session = self._session
        if session is None:
            return
        match effect:
            case ReadMembers():
                session.nursery.start_soon(self._read_members, session)
            case JoinSeeds():
                session.nursery.start_soon(self._join_seeds, session, effect.addresses)
            case PruneMember():
                session.nursery.start_soon(self._prune, session, effect.name)
            case RenewAgent():
                log.warning("node alone under its id again", code="node_twin_gone", agent=session.endpoint.name)
                self._supervisor.above = effect.above
                session.nursery.cancel_scope.cancel()

    async def _watch_deadlines(self) -> None:
        while True:
            self._deadline_moved = trio.Event()
            with trio.move_on_at(self._core.next_deadline()) as waiting:
                await self._deadline_moved.wait()
            if waiting.cancelled_caught:
                self._feed(DeadlineReached())

    # ---------------------------------------------------------------------------------------------- one agent's use

    async def _use(self, endpoint: AgentEndpoint) -> None:
        self._tags.agent_boot = endpoint.agent_boot
        try:
            async with open_session(endpoint, deadline_s=self._config.call_deadline_s) as session:
                announced = await self._tags.announce(session)  # others than in the agent's file, it may be
                former = await self._former_names(endpoint.name)
                self._session = session
                # Here and not after the nursery: whoever finds a session may start tasks in it.
                try:
                    self._feed(AgentUp(agent_boot=endpoint.agent_boot, former=former, name=endpoint.name))
                    if announced != self._tags.encoded(endpoint.agent_boot):
                        await self._tags.announce(session)  # they have changed meanwhile, and nobody was there to tell
                    session.nursery.start_soon(self._watch_gauges, session.fast)
                    session.nursery.start_soon(self._coordinates.run, session.fast)
                    await listen(session, self._ears())
                finally:
                    self._session = self._event_queue = None
                    self._feed(AgentDown())
        except* (RpcError, trio.TooSlowError) as group:
            log.warning("gossip agent unusable", agent=endpoint.name, reason=reasons_of(group))

    def _endpoint(self) -> AgentEndpoint | None:
        return None if self._session is None else self._session.endpoint

    def _ears(self) -> Ears:
        return Ears(
            members=lambda: self._feed(MembersHinted()),
            lost=self._count_lost,
            user_event=self._hear_event,
            answerers={KEYS_QUERY: self.keys, PING_QUERY: self._pings, REFUSALS_QUERY: self._refusals},
            others=self.rooms,
        )

    def _hear_event(self, event: UserEvent) -> None:
        if not self._greetings.take(event):
            self._events.take(event)

    def _count_lost(self, records: int) -> None:
        self._records_dropped += records

    async def _watch_gauges(self, client: SerfClient) -> None:
        """Read the agent's gauges now and then; an agent that hangs is noticed by it."""
        while True:
            self._event_queue = (await client.stats()).event_queue
            await trio.sleep(self._config.refresh_interval_s)

    async def _read_members(self, session: AgentSession) -> None:
        members = await session.fast.members()
        self._feed(MembersRead(members=members))
        self._has_read.set()

    async def _join_seeds(self, session: AgentSession, addresses: tuple[str, ...]) -> None:
        problem = await try_seeds(self._config, session.endpoint, addresses)
        # With others there, some seed is just gone: for who looks for it. So it is when those seeds left in good order;
        # one that answers under another key is there.
        is_gone = problem is not None and problem.code == "seeds_unreachable" and have_left(addresses, self.view)
        is_alone = len(self.view.alive()) <= 1 and not is_gone
        self._join_problem = problem if is_alone else None
        if problem is not None:
            self._joins_failed += 1
            say = log.warning if is_alone else log.info
            say("seeds not joined", seeds=addresses, code=problem.code, reason=problem.message)
        else:
            await self._greetings.greet(session.fast, session.endpoint.name)
        self._has_joined.set()
        self._feed(SeedsTried(reached=problem is None))

    async def _prune(self, session: AgentSession, name: str) -> None:
        try:
            async with self._pruning:  # one by one: each may take 5 s, and tags go over the same connection
                await session.slow.prune(name)
            await trio.to_thread.run_sync(self._names.forget, name)
        except (RemoteRpcError, trio.TooSlowError) as error:
            reason = error.reason if isinstance(error, RemoteRpcError) else "the agent took too long"
            log.warning("old name not pruned", member=name, reason=reason)
            self._feed(PruneFailed(name=name))
        except OSError as error:
            log.warning("old name not struck off", member=name, reason=str(error))

    async def _former_names(self, present: str) -> frozenset[str]:
        """Of own agents that have ended; an external agent has one name for ever."""
        if self._tags.kind is AgentKind.EXTERNAL:
            return frozenset()
        return frozenset(await trio.to_thread.run_sync(self._names.read)) - {present}

    @contextlib.contextmanager
    def _using_agent(self) -> Iterator[AgentSession]:
        if self._session is None:
            raise GossipUnavailableError("the gossip agent is being started; try again in a moment")
        try:
            yield self._session
        except (RpcError, trio.TooSlowError) as error:
            raise GossipUnavailableError(
                f"the gossip agent did not do it: {str(error) or 'no answer in time'}"
            ) from error

    async def _wait_started(self) -> GossipSetupError | None:
        """Wait until this node is in its view and has tried its seeds; returns why it cannot."""
        # The supervisor gives up by itself; this bounds an agent that answers its handshake and nothing else.
        with trio.move_on_after(3 * self._config.start_deadline_s):
            async with trio.open_nursery() as nursery:

                async def cancel_on_failure() -> None:
                    await self._supervisor.failed.wait()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(cancel_on_failure)
                await self._has_read.wait()
                if self._seeds:
                    with trio.move_on_after(self._config.first_join_wait_s):
                        await self._has_joined.wait()
                nursery.cancel_scope.cancel()
        if self._supervisor.failure is not None:
            return self._supervisor.failure
        if not self._has_read.is_set():
            return GossipSetupError("serf_failed", "the serf agent starts but does not list its members; see its log")
        if self._join_problem is not None and self._join_problem.code == "gossip_key_invalid":
            return self._join_problem
        return None


@contextlib.asynccontextmanager
async def open_membership(config: MembershipConfig, tags: NodeTags) -> AsyncIterator[Membership]:
    """Take part in the cluster for the length of the block; on its end the node leaves gracefully, with a deadline.

    Args:
        config: settings of this node's gossip.
        tags: what it says of itself, from `config.tags(...)`.

    Raises:
        GossipSetupError: on entry, when this machine's set-up cannot work.
        ExceptionGroup: of what the block raises.
    """
    try:
        encode_tags(tags, certify=config.certify)
    except ValueError as error:
        raise GossipSetupError("tags_invalid", f"this node cannot describe itself: {error}") from error
    revoked_keys = read_revoked_keys(config.revoked_keys_file)
    if tags.public_key in revoked_keys:
        raise GossipSetupError(
            "revoked_keys_invalid",
            f"the file of revoked node keys {config.revoked_keys_file} lists this node's own key: take it out, "
            "or remove node-key.pem from the data folder, and the node makes another one",
        )
    membership = Membership(config, tags, await draw_boot(config), revoked_keys)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(membership._watch_deadlines)
        nursery.start_soon(membership._supervisor.run)
        nursery.start_soon(membership.rooms.run)
        nursery.start_soon(membership._greetings.run)
        nursery.start_soon(membership._pings.run)
        nursery.start_soon(membership._refusals.run)
        failure = await membership._wait_started()
        if failure is None:
            yield membership
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
