"""A foreign WebRTC client: aiortc, on an asyncio loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from array import array
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import trio
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, VideoFrame

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from aiortc import MediaStreamTrack, RTCDataChannel

T = TypeVar("T")

VideoCodec = Literal["VP8", "H264"]

STEP_DEADLINE_S: Final = 15.0

MAX_MESSAGES: Final = 1000
"""Kept of what comes over data channels; no test sends so many."""


LOUD: Final = 1000
"""Of 32,767: what no decoder makes of silence."""


@dataclass(kw_only=True)
class Received:
    """What came out of the decoders, by kind.

    Attributes:
        frames: Pictures, and 20 ms of sound each.
        sizes: Width and height of the pictures.
        loud: 20 ms of sound each that were not silence.
        messages: What came over data channels: label, sender, text.
    """

    frames: dict[str, int] = field(default_factory=lambda: {"audio": 0, "video": 0})
    sizes: set[tuple[int, int]] = field(default_factory=set)
    loud: int = 0
    messages: list[tuple[str, str, str]] = field(default_factory=list)


class AiortcPeer:
    """One participant's two peer connections; every call waits on aiortc's own loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._publisher: RTCPeerConnection | None = None
        self._subscriber: RTCPeerConnection | None = None
        self._channel: RTCDataChannel | None = None
        self._readers: list[asyncio.Task[None]] = []
        self.received = Received()

    async def offer(
        self, *, video_codec: VideoCodec | None = None, data: str | None = None
    ) -> tuple[str, dict[str, str]]:
        """Offer to publish a green picture and silence; returns the SDP and the kind by mid.

        Args:
            video_codec: The only one to offer; none: all that aiortc has.
            data: Label of a data channel to open, too.
        """
        return await self._run(self._offer(video_codec, data))

    async def accept(self, sdp: str) -> None:
        """Take the node's answer to the offer."""
        await self._run(self._accept(sdp))

    async def answer(self, sdp: str) -> str:
        """Answer the node's offer, and decode whatever comes."""
        return await self._run(self._answer(sdp))

    async def send(self, text: str) -> None:
        """Send over the data channel of the offer, once it is open."""
        await self._run(self._send(text))

    async def aclose(self) -> None:
        """Close both connections."""
        await self._run(self._close())

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await trio.to_thread.run_sync(future.result, STEP_DEADLINE_S)

    async def _offer(self, video_codec: VideoCodec | None, data: str | None) -> tuple[str, dict[str, str]]:
        self._publisher = publisher = RTCPeerConnection()
        video = publisher.addTransceiver(VideoStreamTrack(), direction="sendonly")
        if video_codec is not None:
            known = RTCRtpSender.getCapabilities("video").codecs
            video.setCodecPreferences([one for one in known if one.mimeType == f"video/{video_codec}"])
        publisher.addTransceiver(AudioStreamTrack(), direction="sendonly")
        if data is not None:
            self._channel = publisher.createDataChannel(data)
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
            self._subscriber.on("datachannel", self._on_channel)
        # aiortc never starts the receivers of lines that come while it connects.
        while self._subscriber.connectionState == "connecting":
            await asyncio.sleep(0.02)
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
            elif isinstance(frame, AudioFrame):
                self.received.loud += max(array("h", bytes(frame.planes[0]))) >= LOUD

    def _on_channel(self, channel: RTCDataChannel) -> None:
        def take(message: bytes) -> None:
            # One byte of length, the sender, what was sent.
            sender, text = message[1 : 1 + message[0]], message[1 + message[0] :]
            if len(self.received.messages) < MAX_MESSAGES:
                self.received.messages.append((channel.label, sender.decode(), text.decode()))

        channel.on("message", take)

    async def _send(self, text: str) -> None:
        assert self._channel is not None, "the offer opened no data channel"
        while self._channel.readyState == "connecting":
            await asyncio.sleep(0.02)
        self._channel.send(text.encode())

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
