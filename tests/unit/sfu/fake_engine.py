"""An engine without media: it keeps to the protocol and to what the contract suite asks of any engine.

In a test it is a task on a memory stream (:class:`FakeHost`); run as a program it is a process like the real
one: ``python -m tests.unit.sfu.fake_engine --control-fd N``.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio
from trio.testing import memory_stream_pair

from sfu import protocol as p
from sfu import statistics_rows as rows
from sfu.channel import FrameDecoder, encode_frame
from signalling import cbor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sfu.process import Child
    from signalling.ids import PeerId

SDP_MARK = "v=0"


class FakeEngine:
    """One life of an engine."""

    def __init__(self, *, protocol: int = p.ENGINE_PROTOCOL, port: int = 40_000, refuse: str | None = None) -> None:
        self.protocol = protocol
        self.port = port
        self.refuse = refuse
        self.commands: list[p.NodeCommand] = []
        self.mute: set[type[p.Command]] = set()
        """Commands that it takes and never answers."""
        self._stream: trio.abc.Stream | None = None
        self._kinds: dict[PeerId, Any] = {}
        self._generations: dict[PeerId, int] = {}

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Answer until the node closes its end."""
        self._stream = stream
        decoder = FrameDecoder()
        kind: Any = p.NodeCommand
        while True:
            try:
                data = await stream.receive_some(65_536)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            if not data:
                return
            for frame in decoder.feed(bytes(data)):
                command: p.NodeCommand = cbor.decode(frame, kind, max_bytes=p.MAX_FRAME_BYTES)
                self.commands.append(command)
                if type(command) not in self.mute:
                    messages = self._answer(command)
                    await self.say(*messages)

    async def say(self, *messages: object) -> None:
        """Send a frame of messages."""
        await self.send_raw(encode_frame(list(messages)))

    async def send_raw(self, data: bytes) -> None:
        """Send whatever."""
        assert self._stream is not None
        await self._stream.send_all(data)

    async def die(self) -> None:
        """End as by kill -9."""
        assert self._stream is not None
        await trio.aclose_forcefully(self._stream)

    def _answer(self, command: p.NodeCommand) -> tuple[object, ...]:
        match command:
            case p.Hello():
                if self.refuse is not None:
                    return (p.Failed(id=command.id, code=self.refuse, message="It cannot be."),)
                port = command.media_port or self.port
                address = f"{command.media_address}:{port}"
                return (p.Ready(id=command.id, protocol=self.protocol, version="fake", addresses=(address,)),)
            case p.Publish() if SDP_MARK not in command.sdp:
                return (p.Failed(id=command.id, code="sdp_invalid", message="That is no SDP."),)
            case p.Publish():
                self._kinds[command.peer] = "publisher"
                return (p.Described(id=command.id, sdp="v=0\r\n"),)
            case p.Subscribe():
                self._kinds[command.peer] = "subscriber"
                generation = self._generations[command.peer] = self._generations.get(command.peer, 0) + 1
                tracks = {str(mid): wanted.track for mid, wanted in enumerate(command.tracks)}
                offer = p.Offered(peer=command.peer, generation=generation, sdp="v=0\r\n", tracks=tracks)
                return (p.Done(id=command.id), offer)
            case p.Prefer() | p.Answered() if command.peer not in self._kinds:
                return (p.Failed(id=command.id, code="peer_unknown", message="There is no such peer."),)
            case p.ClosePeer():
                self._kinds.pop(command.peer, None)
                return (p.Done(id=command.id),)
            case p.OpenLink():
                self._kinds[command.peer] = "link"
                candidate = f"host 127.0.0.1 {self.port}"
                return (
                    p.LinkOpened(
                        id=command.id, ufrag="ufra", password="p" * 22, fingerprint=bytes(32), candidates=(candidate,)
                    ),
                )
            case p.SendLink():
                return (p.Failed(id=command.id, code="link_not_open", message="The channel is not open yet."),)
            case p.GetStatistics():
                return (p.Statistics(id=command.id, peers=tuple(map(self._row, self._kinds)), tracks=(), counters={}),)
            case _:
                return (p.Done(id=command.id),)

    def _row(self, peer: PeerId) -> rows.PeerStatistics:
        return rows.PeerStatistics(
            peer=peer,
            kind=self._kinds[peer],
            state="connecting",
            packets_in=0,
            bytes_in=0,
            packets_out=0,
            bytes_out=0,
        )


class FakeChild:
    """Looks like a process to its supervisor."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.pid = 1

    async def end(self, grace_s: float) -> str:
        await trio.aclose_forcefully(self.stream)
        return "exit code 0"


class FakeHost:
    """Starts fake engines, one after the other: ``open_engine(config, spawn=host.spawn)``."""

    def __init__(self, *engines: FakeEngine) -> None:
        self._planned = list(engines)
        self.started: list[FakeEngine] = []
        self.starts: list[float] = []
        """When each was started, on Trio's clock."""

    @asynccontextmanager
    async def spawn(self) -> AsyncIterator[Child]:
        """One life."""
        engine = self._planned.pop(0) if self._planned else FakeEngine()
        self.started.append(engine)
        self.starts.append(trio.current_time())
        ours, theirs = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(engine.serve, theirs)
            yield FakeChild(ours)
            nursery.cancel_scope.cancel()


async def _main(number: int) -> None:
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(socket.socket(fileno=number)))
    print("fake engine", os.getpid(), "serves", file=sys.stderr, flush=True)  # noqa: T201 - what it logs is tested
    await FakeEngine().serve(stream)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--control-fd", type=int, required=True)
    trio.run(_main, parser.parse_args().control_fd)
