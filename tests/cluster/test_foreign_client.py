"""A client that other people wrote publishes to a node and decodes what another one published."""

from __future__ import annotations

import pytest
import trio

from node.demo.cast import STAGES
from node.demo.cluster import open_cluster
from signalling.client.admission import create_session
from signalling.client.connection import open_client
from signalling.client.messages import Offer, TrackIntent
from signalling.ids import RoomId
from tests.cluster.aiortc_peer import open_aiortc_peer

pytestmark = pytest.mark.cluster

ROOM = RoomId("foreign")
ENOUGH_FRAMES = 15
"""Half a second of picture: no decoder makes that up."""


async def test_aiortc_publishes_and_subscribes() -> None:
    """Green pictures and silence from one aiortc arrive decoded at another, through one node."""
    async with (
        open_cluster(STAGES[:1]) as cluster,
        open_aiortc_peer() as sender,
        open_aiortc_peer() as receiver,
    ):
        url = cluster.nodes[0].url
        one = await create_session(url, name="sender")
        two = await create_session(url, name="receiver")
        async with (
            open_client(one.session_url, token=one.token) as publisher,
            open_client(two.session_url, token=two.token) as subscriber,
        ):
            await publisher.join(ROOM, attempt=1)
            await subscriber.join(ROOM, attempt=1)
            sdp, kinds = await sender.offer()
            intents = tuple(
                TrackIntent(
                    mid=mid,
                    kind="video" if kind == "video" else "audio",
                    source="camera" if kind == "video" else "microphone",
                )
                for mid, kind in kinds.items()
            )
            published = await publisher.publish(sdp=sdp, tracks=intents)
            await sender.accept(published.sdp)
            assert set(published.tracks) == set(kinds)

            with trio.fail_after(20):
                async for event in subscriber.events:
                    if isinstance(event, Offer):
                        answer = await receiver.answer(event.sdp)
                        await subscriber.answer(sdp=answer, generation=event.generation)
                        if {item.track for item in event.tracks} == set(published.tracks.values()):
                            break
                while min(receiver.received.frames.values()) < ENOUGH_FRAMES:
                    await trio.sleep(0.05)
        assert receiver.received.sizes == {(640, 480)}
