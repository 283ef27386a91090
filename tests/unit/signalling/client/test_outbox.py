"""The outbox: in order, bounded, and only the newest where that is all that counts."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from signalling.client.codec import decode_node_message, encode
from signalling.client.messages import (
    FreshToken,
    Layers,
    NodeMessage,
    NodePing,
    Pong,
    Speakers,
    TrackMuted,
    TrackUnpublished,
)
from signalling.client.outbox import Outbox
from signalling.errors import ErrorCode, Refused
from signalling.ids import ParticipantId, TrackId

ADA = ParticipantId("pa_ada")
CAMERA, MICROPHONE = TrackId("tr_camera"), TrackId("tr_microphone")


def muted(track: TrackId, *, on: bool) -> TrackMuted:
    return TrackMuted(participant=ADA, track=track, muted=on)


async def drain(outbox: Outbox) -> list[NodeMessage]:
    outbox.close()
    taken = []
    while True:
        try:
            taken.append(decode_node_message(await outbox.take()))
        except trio.EndOfChannel:
            return taken


async def test_takes_in_the_order_of_putting() -> None:
    outbox = Outbox()
    pings = [NodePing(n=n) for n in range(5)]
    for ping in pings:
        outbox.put_nowait(ping)
    assert await drain(outbox) == pings


async def test_a_newer_token_and_a_newer_mute_replace_older_ones() -> None:
    outbox = Outbox()
    gone = TrackUnpublished(participant=ADA, track=CAMERA)
    for message in (
        FreshToken(token="old"),
        muted(CAMERA, on=True),
        muted(MICROPHONE, on=True),
        gone,
        muted(CAMERA, on=False),
        FreshToken(token="new"),
    ):
        outbox.put_nowait(message)
    assert outbox.statistics().coalesced == 2
    # At the end, not in the place of the older one: else a newer fact would overtake what came between.
    assert await drain(outbox) == [
        muted(MICROPHONE, on=True),
        gone,
        muted(CAMERA, on=False),
        FreshToken(token="new"),
    ]


async def test_only_the_newest_word_on_speakers_and_on_the_layers_of_a_track_is_kept() -> None:
    """A stuck client is told of one state, not of how it came about."""
    outbox = Outbox()
    for wanted in (True, False):
        outbox.put_nowait(Speakers(speakers=()))
        for track in (CAMERA, MICROPHONE):
            outbox.put_nowait(Layers(track=track, encodings={"f": wanted}))
    assert outbox.statistics().coalesced == 3
    assert await drain(outbox) == [
        Speakers(speakers=()),
        Layers(track=CAMERA, encodings={"f": False}),
        Layers(track=MICROPHONE, encodings={"f": False}),
    ]


async def test_overflow_by_messages_is_refused_and_changes_nothing() -> None:
    outbox = Outbox(max_messages=2)
    outbox.put_nowait(NodePing(n=1))
    outbox.put_nowait(FreshToken(token="a"))
    before = outbox.statistics()
    with pytest.raises(Refused) as caught:
        outbox.put_nowait(NodePing(n=2))
    assert caught.value.code is ErrorCode.SLOW_CONSUMER
    assert outbox.statistics() == before
    outbox.put_nowait(FreshToken(token="b"))
    assert await drain(outbox) == [NodePing(n=1), FreshToken(token="b")]


async def test_overflow_by_bytes_is_refused() -> None:
    room_for_one = len(encode(FreshToken(token="é" * 100)).encode())
    outbox = Outbox(max_bytes=room_for_one)
    outbox.put_nowait(FreshToken(token="é" * 100))
    with pytest.raises(Refused):
        outbox.put_nowait(Pong())
    assert outbox.statistics().bytes == room_for_one
    await outbox.take()
    assert outbox.statistics().bytes == 0
    outbox.put_nowait(Pong())


async def test_take_waits_and_a_cancelled_take_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    outbox = Outbox()
    with trio.move_on_after(1):
        await outbox.take()
    taken: list[str] = []

    async def taker() -> None:
        taken.append(await outbox.take())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(taker)
        await wait_all_tasks_blocked()
        outbox.put_nowait(NodePing(n=7))
    assert [decode_node_message(text) for text in taken] == [NodePing(n=7)]


async def test_close_wakes_the_taker_and_refuses_puts(autojump_clock: trio.testing.MockClock) -> None:
    outbox = Outbox()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            with pytest.raises(trio.EndOfChannel):
                await outbox.take()

        await wait_all_tasks_blocked()
        outbox.close()
    with pytest.raises(trio.ClosedResourceError):
        outbox.put_nowait(Pong())
