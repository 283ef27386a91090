"""An engine under load: its peers are clients of the load, its commands come from here."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

from sfu import Engine, EngineConfig, Offered, WantedTrack, open_engine
from sfu.process import find_program, open_child
from signalling.ids import ParticipantId, PeerId, RoomId, TrackId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from sfu import EngineEvent, EngineStarted
    from sfu.process import Child
    from sfu.protocol import Statistics
    from signalling.client.messages import MediaKind
    from tests.bench.load import Load

CONNECT_DEADLINE_S: Final = 30.0
LOOK_EVERY_S: Final = 0.05

ROOM: Final = RoomId("bench")


class Served:
    """An engine whose offers are answered by the load; made by :func:`open_served`."""

    def __init__(self, engine: Engine, load: Load, pids: list[int]) -> None:
        self.engine = engine
        self.load = load
        self._pids = pids
        self.rtt_ms = 0.0
        self.loss = 0.0
        self.seen: list[EngineEvent | EngineStarted] = []

    @property
    def pid(self) -> int:
        """The engine's process."""
        return self._pids[-1]

    async def attend(self) -> None:
        """Answer offers."""
        async with trio.open_nursery() as nursery:
            async for event in self.engine.events:
                if isinstance(event, Offered):
                    nursery.start_soon(self._answer, event)
                else:
                    self.seen.append(event)

    async def publish(self, name: str, *, video: int = 0, audio: int = 0) -> list[WantedTrack]:
        """Have a client send so many tracks; returns them as a subscriber wants them."""
        offered = await self.load.offer(name, video=video, audio=audio, rtt_ms=self.rtt_ms, loss=self.loss)
        tracks = {mid: TrackId(f"tr_{name}_{mid}") for mid in offered.mids}
        await self.take_offer(name, offered.sdp, tracks)
        kinds: dict[str, MediaKind] = {"audio": "audio", "video": "video"}
        return [WantedTrack(track=track, kind=kinds[offered.mids[mid]]) for mid, track in tracks.items()]

    async def take_offer(self, name: str, sdp: str, tracks: dict[str, TrackId]) -> None:
        """Hand a client's offer to the engine, and the answer to the client."""
        answer = await self.engine.publish(PeerId(f"pb_{name}"), sdp, tracks, room=ROOM, sender=ParticipantId(name))
        await self.load.answer(name, answer)

    async def close(self, peer: str) -> None:
        """End a peer."""
        await self.engine.close_peer(PeerId(peer))

    async def subscribe(self, name: str, tracks: Iterable[WantedTrack]) -> None:
        """Have a client get these tracks."""
        await self.engine.subscribe(PeerId(f"sb_{name}"), tracks, room=ROOM, participant=ParticipantId(name))

    async def wait_connected(self, clients: int) -> None:
        """Wait until so many clients of the load are connected.

        Raises:
            trio.TooSlowError: They are not in time.
        """
        with trio.fail_after(CONNECT_DEADLINE_S):
            while sum(tally.connected for tally in (await self.load.report()).clients.values()) < clients:
                await trio.sleep(LOOK_EVERY_S)

    async def statistics(self) -> Statistics:
        """Read the engine's counters."""
        return await self.engine.statistics()

    async def _answer(self, offered: Offered) -> None:
        name = offered.peer.removeprefix("sb_")
        sdp = await self.load.accept(name, offered.sdp, rtt_ms=self.rtt_ms, loss=self.loss)
        await self.engine.answered(offered.peer, offered.generation, sdp)


@asynccontextmanager
async def open_served(load: Load) -> AsyncIterator[Served]:
    """Run an engine whose clients are those of a load."""
    pids: list[int] = []

    @asynccontextmanager
    async def spawn() -> AsyncIterator[Child]:
        async with open_child((str(find_program()), "engine")) as child:
            pids.append(child.pid)
            yield child

    async with open_engine(EngineConfig(workers=1), spawn=spawn) as engine, trio.open_nursery() as nursery:
        served = Served(engine, load, pids)
        nursery.start_soon(served.attend)
        yield served
        nursery.cancel_scope.cancel()
