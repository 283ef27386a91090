"""Synthetic participants: WebRTC clients without a browser, whose media can be told apart and timed.

For each participant the driver does the signalling and passes the SDP through:

    async with open_participants() as participants:
        opened = await participants.open("anna", stamp=1)
        ...publish ``opened.sdp`` at a node, pass its answer to ``published``...
        ...answer each of the node's offers with what ``offered`` returns...
        report = await participants.report()

Their video is a plain coloured card and their audio is silence, both real enough for a browser
in the same room to decode.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from sfu.channel import Channel
from sfu.errors import EngineLostError, EngineStartError
from sfu.participants_protocol import (
    PARTICIPANTS_PROTOCOL,
    Close,
    GetReport,
    GetTimings,
    Hello,
    Offered,
    Open,
    Opened,
    ParticipantReport,
    ParticipantTimings,
    ProgramMessage,
    Progress,
    Published,
    Ready,
    Report,
    Timings,
)
from sfu.process import find_program, open_child
from sfu.protocol import Described, Done, EngineEvent, EngineReply
from signalling.cbor import GarbledError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

R = TypeVar("R", bound=EngineReply)

EVENTS_AHEAD: Final = 1024
"""Two peer connections each of 250 participants, connected and closed again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoPlan:
    """The video of a participant: frames a second (up to 60) and bits a second of payload."""

    frames_per_s: int = 25
    bits_per_s: int = 400_000


DEFAULT_VIDEO: Final = VideoPlan()
"""A small camera picture: two packets a frame."""


class Participants:
    """A running crowd; made by :func:`open_participants`.

    Every command raises like those of :class:`~sfu.engine.Engine`; a program that died stays dead.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._announce, self.events = trio.open_memory_channel[Progress](EVENTS_AHEAD)
        self.events_dropped = 0
        """Events that nobody took in time; the report knows the state all the same."""

    async def open(
        self, participant: str, *, stamp: int, video: VideoPlan | None = DEFAULT_VIDEO, audio: bool = True
    ) -> Opened:
        """Bring a participant to life; again, to build both its peer connections anew.

        Args:
            participant: Your name for it.
            stamp: What its packets say about who sent them, 0 to 2**64 - 1; give each its own.
            video: None for no video.
            audio: Whether it sends audio.

        Returns:
            The publisher's offer and its m-lines; empty for one who sends nothing.
        """
        command = Open(
            id=0,
            participant=participant,
            stamp=stamp,
            video_frames_per_s=video.frames_per_s if video else 0,
            video_bits_per_s=video.bits_per_s if video else 0,
            audio=audio,
        )
        return await self._channel.call(command, Opened)

    async def published(self, participant: str, sdp: str) -> None:
        """Hand over the node's answer to the publisher's offer."""
        await self._channel.call(Published(id=0, participant=participant, sdp=sdp), Done)

    async def offered(self, participant: str, sdp: str) -> str:
        """Hand over the node's offer for the subscriber; returns the answer."""
        return (await self._channel.call(Offered(id=0, participant=participant, sdp=sdp), Described)).sdp

    async def close(self, participant: str) -> None:
        """End a participant, also one that is gone already."""
        await self._channel.call(Close(id=0, participant=participant), Done)

    async def report(self) -> tuple[ParticipantReport, ...]:
        """Read the counters of all participants."""
        return (await self._channel.call(GetReport(id=0), Report)).participants

    async def timings(self) -> tuple[ParticipantTimings, ...]:
        """Read when everything came; longest silences are since this was asked last, so one reader may ask.

        Raises:
            EngineRefused: ``malformed_command``, the installed program is from before this command.
        """
        return (await self._channel.call(GetTimings(id=0), Timings)).participants

    async def _deliver(self, event: EngineEvent) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(event, Progress):
            try:
                self._announce.send_nowait(event)
            except trio.WouldBlock:
                self.events_dropped += 1


@asynccontextmanager
async def open_participants(
    *, address: str = "127.0.0.1", deadline_s: float = 5.0, program: tuple[str, ...] | None = None
) -> AsyncIterator[Participants]:
    """Run the program that plays participants for the length of the block.

    Args:
        address: What their sockets bind to.
        deadline_s: Seconds for each command.
        program: Its command line without the control socket; None finds the installed one.

    Raises:
        EngineStartError: It could not be started; ``code`` says why.
    """
    failure: EngineStartError | None = None
    command = program or (str(find_program()), "participants")
    async with open_child(command) as child:
        channel = Channel(child.stream, words=ProgramMessage, deadline_s=deadline_s)
        try:
            ready = await channel.greet(Hello(id=0, protocol=PARTICIPANTS_PROTOCOL, address=address), Ready)
            if ready.protocol != PARTICIPANTS_PROTOCOL:
                message = f"It speaks protocol {ready.protocol}, this driver {PARTICIPANTS_PROTOCOL}."
                raise EngineStartError("engine_incompatible", message)
        except EngineStartError as error:
            failure = error
        else:
            participants = Participants(channel)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_carry, channel, participants)
                try:
                    yield participants
                finally:
                    nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _carry(channel: Channel, participants: Participants) -> None:
    with participants._announce:
        try:
            await channel.run(participants._deliver)
        except GarbledError as error:
            raise EngineLostError(f"the participants' program sent what makes no sense: {error}") from error
