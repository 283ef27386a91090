"""A client that other people wrote publishes to a node and decodes what another one published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from node.demo.cast import STAGES
from node.demo.cluster import open_cluster
from signalling.ids import RoomId
from tests.cluster.foreign import open_foreign_participant

if TYPE_CHECKING:
    from tests.cluster.aiortc_peer import VideoCodec

pytestmark = pytest.mark.cluster

ROOM: Final = RoomId("foreign")
ENOUGH_FRAMES: Final = 15
"""Half a second of picture: no decoder makes that up."""


@pytest.mark.parametrize("video_codec", ["VP8", "H264"])
async def test_aiortc_publishes_and_subscribes(video_codec: VideoCodec) -> None:
    """Green pictures, silence and a message from one aiortc arrive decoded at another, through one node."""
    async with open_cluster(STAGES[:1]) as cluster:
        url = cluster.nodes[0].url
        async with (
            open_foreign_participant(url, ROOM) as sender,
            open_foreign_participant(url, ROOM) as receiver,
        ):
            await sender.publish(video_codec=video_codec, data="notes")
            received = await receiver.wait_until(
                lambda received: min(received.frames.values()) >= ENOUGH_FRAMES, "picture and sound come"
            )
            assert received.sizes == {(640, 480)}
            await sender.peer.send("from afar")
            await receiver.wait_until(
                lambda received: [(label, text) for label, _, text in received.messages] == [("notes", "from afar")],
                "the message comes",
            )
