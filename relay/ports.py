"""What the relay needs from its neighbours, as shapes.

`membership.Membership` is a :class:`Gossip`, and `sfu.Engine` a :class:`LinkEngine`; tests bring
their own. Nothing in this package knows more of either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from contextlib import AbstractContextManager

    import trio

    from membership import Change, ClusterView
    from sfu.protocol import LinkOpened
    from signalling.client.messages import MediaKind
    from signalling.ids import PeerId, RoomId, TrackId


class Gossip(Protocol):
    """The cluster as this node sees it, and events to all of it."""

    @property
    def boot(self) -> int:
        """This process' incarnation, the same for all its life."""
        ...

    @property
    def view(self) -> ClusterView:
        """The members now. All in it hold the cluster's name and, where it has keys, a certificate."""
        ...

    @property
    def user_events(self) -> trio.MemoryReceiveChannel[bytes]:
        """Payloads of user events, own ones included; the relay is the one reader."""
        ...

    @property
    def event_queue(self) -> int | None:
        """Events that waited in the agent at the last look, which is seconds old; None while that is not known."""
        ...

    def changes(self) -> AbstractContextManager[AsyncIterable[Change]]:
        """Changes of the view; begins with a reset."""
        ...

    def reread_members(self) -> None:
        """Ask the agent for its members soon: somebody spoke whom the view does not know. Returns at once."""
        ...

    async def send_event(self, payload: bytes) -> None:
        """Gossip a payload to every node. Raises `membership.GossipUnavailableError`."""
        ...


class LinkEngine(Protocol):
    """The part of the engine's face that links need.

    Every call raises `sfu.errors.EngineRefused` (nothing has changed), or `EngineLostError` and its
    kind `EngineTimeoutError` (it may or may not have taken effect).
    """

    async def open_link(self, peer: PeerId, *, controlling: bool, lane: int, beside: PeerId | None) -> LinkOpened:
        """Make this end of a link, in a lane of its own if it stands beside another."""
        ...

    async def connect_link(
        self, peer: PeerId, *, ufrag: str, password: str, fingerprint: bytes, candidates: tuple[str, ...]
    ) -> None:
        """Tell this end about the other one."""
        ...

    async def send_link(self, peer: PeerId, data: bytes) -> None:
        """Queue a message on the link's reliable channel."""
        ...

    async def close_peer(self, peer: PeerId) -> None:
        """End the link; unknown ones too."""
        ...

    async def open_leg_out(self, peer: PeerId, *, leg: int, track: TrackId, room: RoomId) -> None:
        """Send the track of the room over the link in frames numbered `leg`."""
        ...

    async def close_leg_out(self, peer: PeerId, *, leg: int) -> None:
        """Stop sending the leg."""
        ...

    async def open_leg_in(self, peer: PeerId, *, leg: int, track: TrackId, kind: MediaKind, room: RoomId) -> None:
        """Frames numbered `leg` on this link are this track of the room."""
        ...

    async def close_leg_in(self, peer: PeerId, *, leg: int) -> None:
        """Drop frames of the leg."""
        ...

    async def span_room(self, peer: PeerId, *, room: RoomId, spans: bool) -> None:
        """Whether data messages said in the room here go over the link."""
        ...
