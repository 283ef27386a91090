"""A whole node but its sockets and its media: real services, real connections, a quiet engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from accounts import Accounts, AccountSettings
from membership import ClusterView
from node.conductor import Admission, Conductor, Directory, open_conductor
from node.http.connection import ClientConnection, ConnectionCounters
from session import (
    ChatHistory,
    ClusterKeys,
    RoomDirectory,
    Rooms,
    SessionConfig,
    Tokens,
    open_sessions,
)
from sfu import EngineConfig, open_engine
from signalling.ids import NodeId, UserId
from tests.simulation.links import NodeEnd
from tests.simulation.universe import here
from tests.unit.accounts.quick_passwords import QuickPasswords
from tests.unit.sfu.fake_engine import FakeHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from session import Sessions
    from signalling.client.rooms import PlacementPolicy
    from tests.simulation.faulty_store import FaultyStore
    from tests.simulation.links import Links
    from tests.simulation.person import SimulatedWire
    from tests.simulation.universe import Universe
    from tests.unit.durable.memory_repository import MemoryRepository

__all__ = ["KEYS", "SimulatedNode", "settings_of"]

KEYS: Final = ClusterKeys.generate()
"""Their bits are in no story, so that the same ones serve all runs."""

REQUEST_DEADLINE_S: Final = 5.0


def settings_of(node: NodeId) -> SessionConfig:
    """The defaults, which is what an operator gets."""
    return SessionConfig(cluster="simulation", node=node)


class SimulatedNode:
    """One node, through all its lives.

    Args:
        universe: gives the clock.
        name: its id.
        store: everybody's.
        directory: everybody's.
        repository: everybody's.
        links: everybody's.
        view: the cluster as it sees it; it sees nobody else, unless told.
        placement: of rooms that say nothing.
    """

    def __init__(
        self,
        universe: Universe,
        name: str,
        *,
        store: FaultyStore,
        directory: RoomDirectory,
        repository: MemoryRepository,
        links: Links,
        view: Callable[[NodeId], ClusterView] = lambda own: ClusterView(own_id=own),
        placement: PlacementPolicy = "relay",
    ) -> None:
        self.id = NodeId(name)
        self._universe = universe
        self._store = store
        self._directory = directory
        self._repository = repository
        self._links = links
        self._view = view
        self._placement: PlacementPolicy = placement
        self._boot = 0
        self._life = trio.CancelScope()
        self._serving: trio.Nursery | None = None
        self.conductor: Conductor | None = None
        self.sessions: Sessions | None = None
        self.rooms = Rooms(self.id)

    @staticmethod
    def id_of(number: int) -> NodeId:
        """The name of the first, the second, ... node."""
        return NodeId(f"node-{number}")

    def user_token(self, user: UserId) -> str:
        """What says who somebody is, on every node."""
        return Tokens(KEYS, cluster=settings_of(self.id).cluster, clock=self._universe.wall_s).issue_user(
            user=user, name=user
        )

    @property
    def is_alive(self) -> bool:
        """Whether it takes sockets."""
        return self._serving is not None

    def kill(self) -> None:
        """End it as a kill does: nobody is told anything."""
        self._life.cancel()
        if self.sessions is not None:
            self._universe.former |= {str(record.session) for record in self.sessions.records()}
        if self._serving is not None:
            self._serving = None
            self._links.vanish(self.id)

    def serve(self, wire: SimulatedWire) -> None:
        """Take a socket."""
        assert self._serving is not None
        self._serving.start_soon(self._serve, wire)

    async def _serve(self, wire: SimulatedWire) -> None:
        assert self.conductor is not None
        connection = ClientConnection(
            backend=self.conductor, wire=wire, request_deadline_s=REQUEST_DEADLINE_S, counters=ConnectionCounters()
        )
        try:
            with wire.scope:
                await connection.run(trio.Event())
        finally:
            wire.end()

    async def live(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """One life, until it is killed."""
        here.set(self.id)
        self._boot += 1
        settings = settings_of(self.id)
        self.rooms = Rooms(self.id)
        tokens = Tokens(KEYS, cluster=settings.cluster, clock=self._universe.wall_s)
        repository = self._repository
        end = NodeEnd(self._links, self.id, self._boot)
        with trio.CancelScope() as self._life:
            async with (
                open_engine(EngineConfig(), spawn=FakeHost().spawn) as engine,
                open_sessions(settings, store=self._store, directory=self._directory) as sessions,
                open_conductor(
                    Conductor(
                        engine=engine,
                        sessions=sessions,
                        admission=Admission(
                            sessions=sessions,
                            tokens=tokens,
                            session_url="ws://here/v1/session",
                            guests=True,
                        ),
                        keys=KEYS,
                        directory=Directory(view=lambda: self._view(self.id)),
                        membership=None,
                        relay=end,
                        rooms=self.rooms,
                        repository=repository,
                        history=ChatHistory(repository, keep=200),
                        accounts=Accounts(repository, QuickPasswords(), AccountSettings(enabled=True)),
                        tokens=tokens,
                        pins=QuickPasswords(),
                        placement=self._placement,
                    )
                ) as conductor,
                trio.open_nursery() as serving,
            ):
                self.sessions, self.conductor, self._serving = sessions, conductor, serving
                self._links.enter(end)
                serving.start_soon(self._links.run_deadlines, end)
                task_status.started()
                await trio.sleep_forever()
