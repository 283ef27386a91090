"""The relay service."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import trio

    from relay.config import RelayConfig
    from relay.events import LinkStatus, RelayEvent, RelayStatistics
    from relay.ports import Gossip, LinkEngine
    from sfu.protocol import EngineEvent
    from signalling.client.messages import MediaKind, ParticipantInfo
    from signalling.ids import NodeId, RoomId, TrackId
    from signalling.mesh.link import RoomChat


class Relay:
    """A running relay; made by `open_relay`. Every method but `events` is plain and returns at once."""

    @property
    def events(self) -> trio.MemoryReceiveChannel[RelayEvent]:
        """What happens; bounded, so read it eagerly. The relay waits for a slow reader, then ends with an error."""
        raise NotImplementedError

    def share_room(self, room: RoomId, nodes: frozenset[NodeId], participants: tuple[ParticipantInfo, ...]) -> None:
        """State that these nodes are to know the room lives here with these participants.

        Replaces what was said of the room before: a node that is no longer among `nodes` is told that
        the room is gone from here. Without `nodes` or `participants` it is retracted everywhere.
        Links are made as needed. The participants' tracks may be asked for by these nodes and no others.
        """
        raise NotImplementedError

    def want_tracks(self, room: RoomId, tracks: Mapping[TrackId, tuple[NodeId, MediaKind]]) -> None:
        """State all remote tracks of the room that somebody here needs: the owner's node and the kind by track."""
        raise NotImplementedError

    def send_chat(self, chat: RoomChat, nodes: frozenset[NodeId]) -> None:
        """Say something to a room's other nodes, once. A node without a link does not hear it."""
        raise NotImplementedError

    def set_draining(self, draining: bool) -> None:
        """State whether this node drains: then it makes no new link and refuses offers; links that are up stay."""
        raise NotImplementedError

    def handle_engine_event(self, event: EngineEvent) -> None:
        """Pass on an event of the engine; those that are not about a link (`link:`) are ignored."""
        raise NotImplementedError

    def handle_engine_started(self, epoch: int) -> None:
        """Tell that the engine is a new one: all links are gone and are made anew where needed."""
        raise NotImplementedError

    def snapshot(self) -> tuple[LinkStatus, ...]:
        """Every link and every node that one is wanted with, in the order of ids."""
        raise NotImplementedError

    def statistics(self) -> RelayStatistics:
        """Counters and gauges."""
        raise NotImplementedError


@asynccontextmanager
async def open_relay(config: RelayConfig, gossip: Gossip, engine: LinkEngine) -> AsyncIterator[Relay]:
    """Run the relay of this node; on exit it says goodbye to every linked node and closes its ends."""
    raise NotImplementedError
    yield Relay()
