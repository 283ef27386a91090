"""People who neither move nor come back, played from here: their media in a program of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from sfu.participants import open_participants
from sfu.process import find_program
from signalling.client.messages import Offer, TrackIntent
from signalling.client.refusal import RefusedByNodeError
from signalling.ids import new_track_id

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from lab import Wan
    from sfu.participants import Participants, VideoPlan
    from signalling.client.connection import Client
    from signalling.client.messages import MediaKind, TrackSource
    from signalling.ids import RoomId

__all__ = ["MANY", "drain", "open_player", "take_part"]

MANY: Final = {"sessions_per_minute": 1_000_000, "sessions_burst": 1_000_000}
"""What `[http]` is to be: all people come from one address."""

SOURCES: Final[dict[MediaKind, TrackSource]] = {"audio": "microphone", "video": "camera"}


def open_player(wan: Wan, host: str) -> AbstractAsyncContextManager[Participants]:
    """The program that plays people's media, on a host."""
    inside = ("nsenter", f"--net=/run/netns/{wan.namespace(host)}", "--", str(find_program()), "participants")
    return open_participants(address=wan.address(host), program=inside)


async def take_part(
    client: Client,
    room: RoomId,
    participants: Participants,
    *,
    name: str,
    stamp: int,
    video: VideoPlan,
    audio: bool = True,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Join, send picture and perhaps sound, and take everybody else's until cancelled; started once it is published.

    Raises:
        RefusedByNodeError: The node wants none of it.
    """
    await client.join(room, attempt=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_answer_offers, client, participants, name)
        opened = await participants.open(name, stamp=stamp, video=video, audio=audio)
        intents = tuple(
            TrackIntent(mid=sent.mid, kind=sent.kind, source=SOURCES[sent.kind], track=new_track_id())
            for sent in opened.tracks
        )
        published = await client.publish(sdp=opened.sdp, tracks=intents)
        await participants.published(name, published.sdp)
        task_status.started()


async def drain(client: Client) -> None:
    """Take what a client is told, and do nothing about it, until cancelled."""
    async for _event in client.events:
        continue


async def _answer_offers(client: Client, participants: Participants, name: str) -> None:
    async for event in client.events:
        if isinstance(event, Offer):
            answer = await participants.offered(name, event.sdp)
            try:
                await client.answer(sdp=answer, generation=event.generation)
            except RefusedByNodeError:
                continue  # there is a newer offer by now, which follows
