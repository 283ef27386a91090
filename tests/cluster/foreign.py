"""A participant whose WebRTC other people wrote: a seat by our client, media by aiortc."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import trio

from signalling.client.admission import create_session
from signalling.client.connection import open_client
from signalling.client.messages import Offer, TrackIntent
from tests.cluster.aiortc_peer import open_aiortc_peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from signalling.client.connection import Client
    from signalling.ids import RoomId
    from tests.cluster.aiortc_peer import AiortcPeer, Received, VideoCodec

PATIENCE_S: Final = 20.0
"""For whatever should happen within a second, on two busy cores."""

LOOK_EVERY_S: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class ForeignParticipant:
    """One seat; made by :func:`open_foreign_participant`, and answers every offer of its node."""

    peer: AiortcPeer
    client: Client

    async def publish(self, *, video_codec: VideoCodec | None = None, data: str | None = None) -> None:
        """Publish a green picture and silence, and open a data channel of that label."""
        sdp, kinds = await self.peer.offer(video_codec=video_codec, data=data)
        intents = tuple(
            TrackIntent(mid=mid, kind="video", source="camera")
            if kind == "video"
            else TrackIntent(mid=mid, kind="audio", source="microphone")
            for mid, kind in kinds.items()
        )
        published = await self.client.publish(sdp=sdp, tracks=intents)
        assert set(published.tracks) == set(kinds)
        await self.peer.accept(published.sdp)

    async def wait_until(self, holds: Callable[[Received], bool], what: str) -> Received:
        """Wait for what is to come out of the decoders and data channels.

        Raises:
            AssertionError: It did not come in time; says what was there instead.
        """
        deadline = trio.current_time() + PATIENCE_S
        while not holds(self.peer.received):
            assert trio.current_time() < deadline, f"{what}; instead: {self.peer.received}"
            await trio.sleep(LOOK_EVERY_S)
        return self.peer.received

    async def _answer_offers(self) -> None:
        async for event in self.client.events:
            if isinstance(event, Offer):
                answer = await self.peer.answer(event.sdp)
                await self.client.answer(sdp=answer, generation=event.generation)


@asynccontextmanager
async def open_foreign_participant(url: str, room: RoomId) -> AsyncIterator[ForeignParticipant]:
    """Take a seat at the node of that URL for the length of the block."""
    grant = await create_session(url, name="foreign")
    async with (
        open_aiortc_peer() as peer,
        open_client(grant.session_url, token=grant.token) as client,
        trio.open_nursery() as nursery,
    ):
        await client.join(room, attempt=1)
        participant = ForeignParticipant(peer=peer, client=client)
        nursery.start_soon(participant._answer_offers)
        yield participant
        nursery.cancel_scope.cancel()
