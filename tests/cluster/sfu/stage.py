"""Engines, participants and the little signalling between them, without a node."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import trio

from sfu import Engine, EngineConfig, EngineEvent, EngineStarted, Offered, WantedTrack, open_engine
from signalling.ids import ParticipantId, PeerId, RoomId, TrackId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sfu.participants import Participants
    from sfu.participants_protocol import ReceivedMedia
    from signalling.client.messages import MediaKind

E = TypeVar("E", bound=EngineEvent | EngineStarted)

PATIENCE_S = 20.0
LOOK_EVERY_S = 0.05

LINK = PeerId("li_1")
ROOM = RoomId("lobby")
KINDS: tuple[MediaKind, MediaKind] = ("audio", "video")


def track_of(name: str, kind: MediaKind) -> TrackId:
    """The id that a participant's track goes by."""
    return TrackId(f"tr_{name}_{kind}")


class Stage:
    """One engine whose offers are answered by the participants they are for."""

    def __init__(self, engine: Engine, participants: Participants) -> None:
        self.engine = engine
        self.participants = participants
        self.seen: list[EngineEvent | EngineStarted] = []

    async def attend(self) -> None:
        """Take events and answer offers; replies are waited for in tasks of their own."""
        async with trio.open_nursery() as nursery:
            async for event in self.engine.events:
                self.seen.append(event)
                if isinstance(event, Offered):
                    nursery.start_soon(self._answer, event)

    async def publish(self, name: str, *, stamp: int) -> None:
        """Have a participant publish sound and picture here."""
        opened = await self.participants.open(name, stamp=stamp)
        tracks = {track.mid: track_of(name, track.kind) for track in opened.tracks}
        answer = await self.engine.publish(
            PeerId(f"pb_{name}"), opened.sdp, tracks, room=ROOM, sender=ParticipantId(name)
        )
        await self.participants.published(name, answer)

    async def subscribe(self, name: str, *senders: str) -> None:
        """Have a participant get the sound and picture of those, and nothing else."""
        wanted = [WantedTrack(track=track_of(sender, kind), kind=kind) for sender in senders for kind in KINDS]
        await self.engine.subscribe(PeerId(f"sb_{name}"), wanted, room=ROOM, participant=ParticipantId(name))

    async def wait_for(self, kind: type[E], **fields: object) -> E:
        """The first event of a kind whose fields are such."""
        with trio.fail_after(PATIENCE_S):
            while True:
                for event in self.seen:
                    if isinstance(event, kind) and all(getattr(event, key) == want for key, want in fields.items()):
                        return event
                await trio.sleep(LOOK_EVERY_S)

    async def _answer(self, offered: Offered) -> None:
        name = offered.peer.removeprefix("sb_")
        sdp = await self.participants.offered(name, offered.sdp)
        await self.engine.answered(offered.peer, offered.generation, sdp)


@asynccontextmanager
async def open_stage(participants: Participants) -> AsyncIterator[Stage]:
    """Run an engine with its stage."""
    async with open_engine(EngineConfig()) as engine, trio.open_nursery() as nursery:
        stage = Stage(engine, participants)
        nursery.start_soon(stage.attend)
        yield stage
        nursery.cancel_scope.cancel()


async def link(one: Stage, other: Stage) -> None:
    """Negotiate a link by hand."""
    here = await one.engine.open_link(LINK, controlling=True)
    there = await other.engine.open_link(LINK, controlling=False)
    for stage, far in ((one, there), (other, here)):
        await stage.engine.connect_link(
            LINK,
            ufrag=far.ufrag,
            password=far.password,
            fingerprint=far.fingerprint,
            candidates=far.candidates,
        )


async def wait_received(
    participants: Participants, name: str, *, packets: int, senders: int = 1
) -> dict[tuple[int, MediaKind], ReceivedMedia]:
    """What was received by stamp and kind, once it is so many packets of each kind of so many senders."""
    with trio.fail_after(PATIENCE_S):
        while True:
            for report in await participants.report():
                media: dict[tuple[int, MediaKind], ReceivedMedia] = {
                    (item.stamp, item.kind): item for item in report.received
                }
                enough = all(item.packets >= packets for item in media.values())
                if report.participant == name and len(media) == 2 * senders and enough:
                    return media
            await trio.sleep(LOOK_EVERY_S)
