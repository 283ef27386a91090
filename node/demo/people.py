"""The demo's synthetic participants: their signalling here, their media in a program of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

from node.demo.report import ParticipantReport, ReceivedReport
from sfu.participants import open_participants
from signalling.client.messages import Offer, Restart, TrackIntent
from signalling.client.refusal import ConnectionLostError
from signalling.client.seat import Seated, open_seat
from signalling.ids import new_track_id

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from node.demo.cast import Person
    from node.demo.cluster import Cluster
    from sfu.participants import Participants
    from sfu.participants_protocol import Opened, ReceivedMedia
    from signalling.client.connection import Client
    from signalling.client.messages import MediaKind, TrackSource
    from signalling.ids import TrackId

SOURCES: Final[dict[MediaKind, TrackSource]] = {"audio": "microphone", "video": "camera"}

JOIN_DEADLINE_S: Final = 20.0
"""For everybody to be in and to have published, on two busy cores."""


class Crowd:
    """The people of the demo, once they are in; made by :func:`open_crowd`."""

    def __init__(self, people: Sequence[Person], participants: Participants) -> None:
        self._people = tuple(people)
        self._participants = participants
        self._packets: dict[tuple[str, str, str], int] = {}
        self._read_at = trio.current_time()

    async def report(self) -> tuple[ParticipantReport, ...]:
        """Read what everybody has received so far; rates are since the last reading."""
        counted = {one.participant: one for one in await self._participants.report()}
        now = trio.current_time()
        interval_s = now - self._read_at
        self._read_at = now
        return tuple(
            ParticipantReport(
                id=person.name,
                room=person.room,
                node=person.node,
                received=tuple(
                    self._received(person, media, interval_s)
                    for media in (counted[person.name].received if person.name in counted else ())
                ),
            )
            for person in self._people
        )

    def _received(self, person: Person, media: ReceivedMedia, interval_s: float) -> ReceivedReport:
        source = self._people[media.stamp]
        key = (person.name, source.name, media.kind)
        fresh = media.packets - self._packets.get(key, 0)
        self._packets[key] = media.packets
        return ReceivedReport(
            source=source.name,
            kind=media.kind,
            node=source.node,
            relayed=source.node != person.node,
            packets=media.packets,
            packets_per_s=round(fresh / interval_s, 1) if interval_s > 0 else 0.0,
            lost=media.lost,
            duplicates=media.duplicates,
            delay_ms_p50=round(media.delay_p50_ms, 3),
            delay_ms_p99=round(media.delay_p99_ms, 3),
        )


@asynccontextmanager
async def open_crowd(cluster: Cluster, people: Sequence[Person]) -> AsyncIterator[Crowd]:
    """Bring everybody in for the length of the block.

    Raises:
        trio.TooSlowError: Somebody was not in within :data:`JOIN_DEADLINE_S`.
    """
    async with open_participants() as participants, trio.open_nursery() as nursery:
        with trio.fail_after(JOIN_DEADLINE_S):
            async with trio.open_nursery() as arrivals:
                for stamp, person in enumerate(people):
                    arrivals.start_soon(nursery.start, _play, person, stamp, cluster, participants)
        yield Crowd(people, participants)
        nursery.cancel_scope.cancel()


async def _play(
    person: Person,
    stamp: int,
    cluster: Cluster,
    participants: Participants,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    # Whose node dies is back at another one, as a browser would be.
    nodes = [cluster.at(person.node).url, *(node.url for node in cluster.nodes if node.node != person.node)]
    tracks: dict[MediaKind, TrackId] = {kind: new_track_id() for kind in SOURCES}
    async with open_seat(nodes, person.room, name=person.name) as seat:
        async for event in seat.events:
            client = seat.client
            if client is None:
                continue  # the news of a connection that is gone by now
            try:
                match event:
                    case Seated(resumed=resumed):
                        await _publish(person, stamp, client, participants, tracks)
                        if not resumed:
                            task_status.started()
                    case Restart():
                        await _publish(person, stamp, client, participants, tracks)
                    case Offer(sdp=sdp, generation=generation):
                        answer = await participants.offered(person.name, sdp)
                        await client.answer(sdp=answer, generation=generation)
                    case _:
                        continue  # who comes and goes shows in the report
            except ConnectionLostError:
                continue  # the next connection does all of it again


async def _publish(
    person: Person, stamp: int, client: Client, participants: Participants, tracks: dict[MediaKind, TrackId]
) -> None:
    opened: Opened = await participants.open(person.name, stamp=stamp)
    intents = tuple(
        TrackIntent(mid=sent.mid, kind=sent.kind, source=SOURCES[sent.kind], track=tracks[sent.kind])
        for sent in opened.tracks
    )
    published = await client.publish(sdp=opened.sdp, tracks=intents)
    await participants.published(person.name, published.sdp)
