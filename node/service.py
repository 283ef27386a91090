"""The service tree: what starts after what, and what ends it.

In this order, each entered on one exit stack, so that whatever fails or stops takes down what came
after it and then what came before: the data folder's lock, keys, the listening socket (a taken
port is known before anything else has started), the engine, membership, stores, sessions, relay,
conductor, drain, admin listener, HTTP. On a stop the node is emptied first (node/drain), then HTTP
goes and tells who is still there to go elsewhere, then the rest goes backwards.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import structlog
import trio

from accounts import Accounts, AccountSettings, Passwords
from membership import (
    ClusterView,
    MemberState,
    NodeTags,
    ViewMember,
    open_membership,
    rtt_matrix,
)
from node.admin import AdminDesk, open_admin
from node.admin.member_orders import MemberOrders
from node.audit import Auditor
from node.conductor import Admission, Conductor, Directory, open_conductor
from node.conductor.distances import RecentRtts, rtts_now
from node.conductor.first_links import FirstLinks
from node.config.derived import public_url
from node.drain import Drainer, Eligibility, open_drainer
from node.errors import NodeStartError
from node.geoip import GeoDatabase
from node.http.api import make_api
from node.http.app import build_app
from node.http.server import bind, open_http_server
from node.identity import hold_data_dir, load_identity
from node.link_doubts import doubting
from node.load import telling_load
from node.part_settings import membership_config, own_tags, session_config
from node.signals import terminate_self, watch_signals
from node.start_errors import SETUP_ERRORS, start_error
from node.store_memory import StoreMemory
from node.stores import open_stores
from relay import RelayConfig, open_relay
from session import (
    ApiKeys,
    ChatHistory,
    Rooms,
    TokenLifetimes,
    Tokens,
    open_sessions,
)
from sfu import EngineConfig, open_engine
from signalling.ids import NodeId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from membership import Membership, RttMatrix
    from node.config import Config
    from node.http.server import HttpServer
    from session import Sessions
    from sfu import Engine

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

RELEASE_DEADLINE_S: Final = 2.0
"""For giving all seats back on a stop; without it they stand until their lease runs out."""


@dataclass(frozen=True, kw_only=True)
class RunningNode:
    """A node that serves.

    Attributes:
        node_id: Its id.
        url: Where clients reach it.
        http: Its HTTP server.
        membership: Its place in the cluster, if it has one.
        api_keys: Who else may sign for users.
        drainer: Empties it.
        places: Where clients are by their addresses, if its operator has such a file.
    """

    node_id: NodeId
    url: str
    http: HttpServer
    membership: Membership | None
    api_keys: ApiKeys
    drainer: Drainer
    places: GeoDatabase | None


async def run_node(config: Config, *, started: Callable[[RunningNode], None]) -> None:
    """Run a node until it is told to stop.

    SIGTERM or SIGINT empties it within ``node.drain_deadline_s``, as people are sent to other nodes,
    and then stops it in good order within ``node.stop_deadline_s``; a second one stops it now. SIGHUP
    reads the TLS certificate, the API keys, the revoked keys and the map of addresses again.

    Args:
        config: All settings.
        started: Called when the node serves.

    Raises:
        NodeStartError: It cannot run here; the message is for people.
    """
    stop = trio.Event()
    failure: NodeStartError | None = None
    with trio.CancelScope() as everything:
        try:
            async with trio.open_nursery() as nursery:
                watch = await nursery.start(watch_signals, stop, everything)
                async with open_node(config) as node:
                    watch.node = node
                    started(node)
                    log.info("node_started", url=node.url)
                    await stop.wait()
                    log.info("node_stopping")
                    await node.drainer.stop(deadline_s=config.node.drain_deadline_s)
                    everything.deadline = trio.current_time() + config.node.stop_deadline_s
                nursery.cancel_scope.cancel()
        except* (NodeStartError, *SETUP_ERRORS) as group:
            failure = start_error(group)
    if failure is not None:
        raise failure
    log.info("node_stopped", in_good_order=not everything.cancelled_caught)


@asynccontextmanager
async def open_node(config: Config) -> AsyncIterator[RunningNode]:
    """Run all services of a node for the length of the block.

    Raises:
        NodeStartError: On entry, alone or in a group with nothing else, as are the setup errors of
            the parts.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(hold_data_dir(config))
        identity = load_identity(config)
        api_keys = ApiKeys(Path(config.tokens.api_keys_file) if config.tokens.api_keys_file else None)
        listener = bind(config.http.address, config.http.port)
        stack.callback(listener.sock.close)
        url = public_url(config, listener.port)

        engine = await stack.enter_async_context(
            open_engine(
                EngineConfig(
                    media_address=config.media.address,
                    media_port=config.media.port,
                    advertised=config.media.advertised,
                    workers=config.media.workers,
                    stun_servers=config.media.stun_servers,
                    tcp=config.media.tcp,
                )
            )
        )
        eligibility = Eligibility(Path(config.node.data_dir))
        is_eligible = eligibility.read()
        # From the first word on: not even for a second would others send people here.
        tags = replace(own_tags(config, identity, url, engine.addresses), eligible=is_eligible)
        membership = None
        if config.mesh.is_on:
            membership = await stack.enter_async_context(open_membership(membership_config(config, identity), tags))
        settings = session_config(config)
        stores = await stack.enter_async_context(
            open_stores(config, settings, memory=StoreMemory(Path(config.node.data_dir)))
        )
        sessions = await stack.enter_async_context(open_sessions(settings, store=stores.seats, directory=stores.rooms))
        relay = first_links = None
        if membership is not None:
            relay = await stack.enter_async_context(
                open_relay(
                    RelayConfig(
                        cluster=config.node.cluster,
                        node_id=NodeId(config.node.id),
                        private_key=identity.key,
                        warm_links=config.mesh.warm_links,
                        max_hops=config.mesh.max_hops,
                    ),
                    membership,
                    engine,
                )
            )
            await stack.enter_async_context(doubting(membership, relay))
            first_links = FirstLinks(
                view=lambda: membership.view, links=relay.snapshot, warm_links=config.mesh.warm_links
            )
        tokens = Tokens(
            identity.cluster_keys,
            api_keys=api_keys,
            cluster=config.node.cluster,
            lifetimes=TokenLifetimes(
                session_s=config.tokens.session_lifetime_s,
                room_s=config.tokens.room_lifetime_s,
                session_age_s=config.tokens.session_max_age_s,
            ),
        )
        places = GeoDatabase(Path(config.placement.geoip_database)) if config.placement.geoip_database else None
        if places is not None:
            stack.callback(places.close)
        alone = _view_of_one(config, tags)

        def view() -> ClusterView:
            return alone if membership is None else membership.view

        def rtts() -> RttMatrix:
            return rtt_matrix(alone) if membership is None else rtts_now(membership, relay)

        conductor = await stack.enter_async_context(
            open_conductor(
                Conductor(
                    engine=engine,
                    sessions=sessions,
                    admission=Admission(
                        sessions=sessions,
                        tokens=tokens,
                        session_url=f"ws{url.removeprefix('http')}/v1/session",
                        guests=config.tokens.guests,
                    ),
                    keys=identity.cluster_keys,
                    directory=Directory(view=view, rtts=RecentRtts(view, rtts), map_of_addresses=places),
                    membership=membership,
                    relay=relay,
                    rooms=Rooms(NodeId(config.node.id)),
                    history=ChatHistory(stores.repository, keep=config.rooms.chat_history),
                    repository=stores.repository,
                    accounts=Accounts(
                        stores.repository,
                        Passwords(),
                        AccountSettings(enabled=config.accounts.enabled, registration=config.accounts.registration),
                    ),
                    tokens=tokens,
                    pins=Passwords(),
                    first_links=first_links,
                    store_watch=stores.watch,
                    placement=config.rooms.placement,
                )
            )
        )
        conductor.standing.eligible = is_eligible
        if membership is not None:
            await stack.enter_async_context(
                telling_load(
                    membership,
                    engine,
                    lambda: sessions.statistics().sessions,
                    max_sessions=config.http.max_sessions,
                )
            )
        stack.push_async_callback(_bow_out, sessions)
        drainer = await stack.enter_async_context(
            open_drainer(
                Drainer(
                    standing=conductor.standing,
                    seats=sessions,
                    moves=conductor.moves,
                    rooms=conductor.stage,
                    links=relay,
                    gossip=membership,
                    eligibility=eligibility,
                    engine_epoch=lambda: _epoch_of(engine),
                )
            )
        )
        desk = AdminDesk(
            config=config,
            url=url,
            conductor=conductor,
            engine=engine,
            membership=membership,
            relay=relay,
            alone=alone,
            orders=MemberOrders(
                membership=membership,
                relay=relay,
                stop=terminate_self,
                is_stopping=lambda: drainer.progress().stopping,
                pid=os.getpid(),
            ),
            drainer=drainer,
            auditor=Auditor(
                node=NodeId(config.node.id), sessions=sessions, reader=stores.reader, alive=lambda: _alive(view())
            ),
        )
        await stack.enter_async_context(open_admin(Path(config.node.data_dir), desk))
        api = make_api(conductor, config.http, url)
        http = await stack.enter_async_context(
            open_http_server(build_app(api), config.http, listener, stopping=api.stopping)
        )
        api.guard = http.guard
        yield RunningNode(
            node_id=NodeId(config.node.id),
            url=url,
            http=http,
            membership=membership,
            api_keys=api_keys,
            drainer=drainer,
            places=places,
        )


async def _bow_out(sessions: Sessions) -> None:
    """Give back what is still held, also where nobody emptied the node before."""
    with trio.move_on_after(RELEASE_DEADLINE_S):
        await sessions.release_all()


def _epoch_of(engine: Engine) -> int | None:
    """Which engine serves; none while one is being started."""
    seen = engine.supervision()
    return seen.epoch if seen.serving else None


def _alive(view: ClusterView) -> frozenset[NodeId]:
    return frozenset(member.node_id for member in view.alive())


def _view_of_one(config: Config, tags: NodeTags) -> ClusterView:
    """What a node without a mesh sees: itself."""
    node_id = NodeId(config.node.id)
    me = ViewMember(serf_name=node_id, address=config.http.address, port=0, state=MemberState.ALIVE, tags=tags)
    return ClusterView(own_id=node_id, members=MappingProxyType({node_id: me}), is_fresh=True)
