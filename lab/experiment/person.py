"""One synthetic person of an experiment, as a process on its host: ``python -m lab.experiment.person PART``.

It takes a seat at its node, sends picture and sound, takes everybody else's, and writes every second what came of it.
When its node dies it is back at another one, as a browser would be. It runs until it is ended.
"""

from __future__ import annotations

import math
import sys
import time
from collections import Counter
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec
import trio

from lab.experiment.samples import NEWS, MediaSample, News, Part, Sample
from sfu.participants import VideoPlan, open_participants
from signalling.client.messages import Offer, Restart, TrackIntent
from signalling.client.refusal import ConnectionLostError, RefusedByNodeError
from signalling.client.seat import Away, Ended, Seated, open_seat
from signalling.ids import RoomId, new_track_id

if TYPE_CHECKING:
    from sfu.participants import Participants
    from sfu.participants_protocol import MediaTiming, ParticipantTimings
    from signalling.client.connection import Client
    from signalling.client.messages import MediaKind, TrackSource
    from signalling.ids import TrackId

SAMPLE_S: Final = 1.0
"""Samples are taken when the clock that all share says a whole second, by everybody at once."""

COMMAND_DEADLINE_S: Final = 10.0
"""Two cores carry everybody and the nodes: a command may have to wait for its turn."""

SOURCES: Final[dict[MediaKind, TrackSource]] = {"audio": "microphone", "video": "camera"}


class Person:
    """The person while it plays."""

    def __init__(self, part: Part, participants: Participants) -> None:
        self._part = part
        self._participants = participants
        self._tracks: dict[MediaKind, TrackId] = {kind: new_track_id() for kind in SOURCES}
        self._opened_at_s: float | None = None
        self._whole = False
        self._before: dict[tuple[int, MediaKind, str], Counter[int]] = {}

    async def sit(self) -> None:
        """Take the seat and keep it, with media; ends when the seat is lost for good."""
        tell("wishes")
        room = RoomId(self._part.room)
        async with open_seat(self._part.nodes, room, name=self._part.name) as seat:
            async for event in seat.events:
                if isinstance(event, Away | Ended):
                    tell("away" if isinstance(event, Away) else "ended", event.code)
                client = seat.client
                if client is None:
                    continue  # the news of a connection that is gone by now
                try:
                    match event:
                        case Seated(joined=joined, moved=moved):
                            tell("seated", client.welcome.node)
                            tell("is", joined.participant)
                            await self._publish(client)
                            if moved:
                                seat.carried()
                        case Restart():
                            await self._publish(client)
                        case Offer(sdp=sdp, generation=generation):
                            answer = await self._participants.offered(self._part.name, sdp)
                            await client.answer(sdp=answer, generation=generation)
                        case _:
                            continue  # who comes and goes shows in the samples
                except ConnectionLostError:
                    continue  # the next connection does all of it again

    async def sample(self, file: IO[bytes]) -> None:
        """Write a line every second, until cancelled."""
        while True:
            now = time.monotonic()
            await trio.sleep((math.floor(now / SAMPLE_S) + 1) * SAMPLE_S - now)
            timings = await self._participants.timings()
            at_s = time.monotonic()
            if not timings:
                continue  # not seated yet
            file.write(msgspec.json.encode(self._sampled(at_s, timings[0])) + b"\n")
            file.flush()
            whole = [one for one in timings[0].received if one.first_frame_ms is not None]
            if not self._whole and len(whole) == 2 * (len(self._part.people) - 1):
                self._whole = True
                tell("whole")

    async def _publish(self, client: Client) -> None:
        if self._opened_at_s is None:
            self._opened_at_s = time.monotonic()
        plan = VideoPlan(frames_per_s=self._part.frames_per_s, bits_per_s=self._part.bits_per_s)
        opened = await self._participants.open(self._part.name, stamp=self._part.stamp, video=plan)
        intents = tuple(
            TrackIntent(mid=sent.mid, kind=sent.kind, source=SOURCES[sent.kind], track=self._tracks[sent.kind])
            for sent in opened.tracks
        )
        published = await client.publish(sdp=opened.sdp, tracks=intents)
        await self._participants.published(self._part.name, published.sdp)

    def _sampled(self, at_s: float, timings: ParticipantTimings) -> Sample:
        return Sample(
            at_s=at_s,
            sent={one.kind: one.packets for one in timings.sent},
            received=tuple(self._received(one) for one in timings.received),
        )

    def _received(self, one: MediaTiming) -> MediaSample:
        first = one.first_frame_ms
        assert self._opened_at_s is not None, "nothing comes before it was opened"
        return MediaSample(
            stamp=one.stamp,
            kind=one.kind,
            packets=one.packets,
            bytes=one.bytes,
            lost=one.lost,
            missing=one.missing,
            delay_sum_ms=one.delay_sum_ms,
            jitter_sum_ms=one.jitter_sum_ms,
            gap_ms=one.recent_gap_ms,
            freezes=one.freezes,
            frozen_ms=one.frozen_ms,
            first_frame_at_s=None if first is None else self._opened_at_s + first / 1000,
            delays_us=self._since((one.stamp, one.kind, "delays"), one.delays_us),
            jitters_us=self._since((one.stamp, one.kind, "jitters"), one.jitters_us),
        )

    def _since(
        self, key: tuple[int, MediaKind, str], counts: tuple[tuple[int, int], ...]
    ) -> tuple[tuple[int, int], ...]:
        before = self._before.get(key, Counter())
        self._before[key] = Counter(dict(counts))
        return tuple((edge, count - before[edge]) for edge, count in counts if count > before[edge])


def tell(what: str, detail: str = "", *, at_s: float | None = None) -> None:
    """Print a line of news; of now, unless said otherwise."""
    news = News(at_s=time.monotonic() if at_s is None else at_s, what=what, detail=detail)
    sys.stdout.write(NEWS + msgspec.json.encode(news).decode() + "\n")
    sys.stdout.flush()


async def play(part: Part, file: IO[bytes]) -> None:
    """Be the person until cancelled, or until the seat is lost for good."""
    async with open_participants(address=part.address, deadline_s=COMMAND_DEADLINE_S) as participants:
        person = Person(part, participants)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(person.sample, file)
            try:
                await person.sit()
            except RefusedByNodeError as error:
                tell("ended", error.code)
            nursery.cancel_scope.cancel()


def main() -> None:
    """Be the person that the first argument describes."""
    part = msgspec.json.decode(sys.argv[1], type=Part)
    with Path(part.samples).open("ab") as file:
        trio.run(play, part, file)


if __name__ == "__main__":
    main()
