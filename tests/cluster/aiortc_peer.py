"""A foreign WebRTC client: aiortc, on an asyncio loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import trio
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import VideoFrame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from aiortc import MediaStreamTrack

T = TypeVar("T")

STEP_DEADLINE_S: Final = 15.0


@dataclass(kw_only=True)
class Received:
    """What came out of the decoders, by kind."""

    frames: dict[str, int] = field(default_factory=lambda: {"audio": 0, "video": 0})
    sizes: set[tuple[int, int]] = field(default_factory=set)


class AiortcPeer:
    """One participant's two peer connections; every call waits on aiortc's own loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._publisher: RTCPeerConnection | None = None
        self._subscriber: RTCPeerConnection | None = None
        self._readers: list[asyncio.Task[None]] = []
        self.received = Received()

    async def offer(self) -> tuple[str, dict[str, str]]:
        """Offer to publish a green picture and silence; returns the SDP and the kind by mid."""
        return await self._run(self._offer())

    async def accept(self, sdp: str) -> None:
        """Take the node's answer to the offer."""
        await self._run(self._accept(sdp))

    async def answer(self, sdp: str) -> str:
        """Answer the node's offer, and decode whatever comes."""
        return await self._run(self._answer(sdp))

    async def aclose(self) -> None:
        """Close both connections."""
        await self._run(self._close())

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await trio.to_thread.run_sync(future.result, STEP_DEADLINE_S)

    async def _offer(self) -> tuple[str, dict[str, str]]:
        self._publisher = publisher = RTCPeerConnection()
        publisher.addTransceiver(VideoStreamTrack(), direction="sendonly")
        publisher.addTransceiver(AudioStreamTrack(), direction="sendonly")
        await publisher.setLocalDescription(await publisher.createOffer())
        kinds = {str(transceiver.mid): transceiver.kind for transceiver in publisher.getTransceivers()}
        sdp: str = publisher.localDescription.sdp
        return sdp, kinds

    async def _accept(self, sdp: str) -> None:
        assert self._publisher is not None
        await self._publisher.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    async def _answer(self, sdp: str) -> str:
        if self._subscriber is None:
            self._subscriber = RTCPeerConnection()
            self._subscriber.on("track", self._on_track)
        await self._subscriber.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self._subscriber.setLocalDescription(await self._subscriber.createAnswer())
        answer: str = self._subscriber.localDescription.sdp
        return answer

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._readers.append(self._loop.create_task(self._read(track)))

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            self.received.frames[track.kind] += 1
            if isinstance(frame, VideoFrame):
                self.received.sizes.add((frame.width, frame.height))

    async def _close(self) -> None:
        for connection in (self._publisher, self._subscriber):
            if connection is not None:
                await connection.close()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)


@asynccontextmanager
async def open_aiortc_peer() -> AsyncIterator[AiortcPeer]:
    """Run a peer for the length of the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="aiortc", daemon=True)
    thread.start()
    peer = AiortcPeer(loop)
    try:
        yield peer
    finally:
        with trio.CancelScope(shield=True):
            await peer.aclose()
            loop.call_soon_threadsafe(loop.stop)
            await trio.to_thread.run_sync(thread.join, STEP_DEADLINE_S)
            loop.close()
