"""What any engine does, fake or real; run on the fake in the unit ring and on the real one in the cluster ring."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import trio

from sfu import Engine, EngineRefused, EngineStarted, Offered, PreferredTrack, WantedTrack
from signalling.ids import ParticipantId, PeerId, RoomId, TrackId

if TYPE_CHECKING:
    from sfu.protocol import EngineEvent

ROOM = RoomId("lobby")

PATIENCE_S = 30.0
"""Above twice the deadline of a command, after which a silent engine is replaced."""


async def next_event(engine: Engine) -> EngineEvent | EngineStarted:
    with trio.fail_after(PATIENCE_S):
        return await engine.events.receive()


class EngineContract:
    """Subclassed once per engine, with an ``engine`` fixture."""

    async def test_first_event_opens_the_epoch(self, engine: Engine) -> None:
        started = await next_event(engine)
        assert started == EngineStarted(epoch=1, addresses=engine.addresses)
        assert engine.epoch == 1
        assert all(re.fullmatch(r"127\.0\.0\.1:[1-9]\d+", address) for address in engine.addresses)
        assert engine.addresses

    async def test_closing_what_is_not_there_does_no_harm(self, engine: Engine) -> None:
        await engine.close_peer(PeerId("nobody"))
        assert (await engine.statistics()).peers == ()

    async def test_link_end_is_described(self, engine: Engine) -> None:
        opened = await engine.open_link(PeerId("li_1"), controlling=True)
        assert len(opened.fingerprint) == 32
        assert len(opened.ufrag) >= 4
        assert len(opened.password) >= 22
        assert opened.candidates
        assert all(re.fullmatch(r"host 127\.0\.0\.1 [1-9]\d+", text) for text in opened.candidates)
        [peer] = (await engine.statistics()).peers
        assert (peer.peer, peer.kind, peer.state) == ("li_1", "link", "connecting")
        await engine.close_peer(PeerId("li_1"))
        assert (await engine.statistics()).peers == ()

    async def test_closed_link_channel_refuses_messages(self, engine: Engine) -> None:
        await engine.open_link(PeerId("li_1"), controlling=False)
        with pytest.raises(EngineRefused) as refusal:
            await engine.send_link(PeerId("li_1"), b"early")
        assert refusal.value.code == "link_not_open"

    async def test_nonsense_for_sdp_is_refused(self, engine: Engine) -> None:
        with pytest.raises(EngineRefused) as refusal:
            await engine.publish(PeerId("pb_1"), "nonsense", {}, room=ROOM, sender=ParticipantId("anna"))
        assert refusal.value.code == "sdp_invalid"
        assert (await engine.statistics()).peers == ()

    async def test_answer_of_nobody_is_refused(self, engine: Engine) -> None:
        with pytest.raises(EngineRefused) as refusal:
            await engine.answered(PeerId("nobody"), 1, "v=0\r\n")
        assert refusal.value.code == "peer_unknown"

    async def test_wishes_of_nobody_are_refused(self, engine: Engine) -> None:
        wish = PreferredTrack(track=TrackId("tr_v"), width=320, height=180, priority=128, paused=False)
        with pytest.raises(EngineRefused) as refusal:
            await engine.prefer(PeerId("nobody"), [wish])
        assert refusal.value.code == "peer_unknown"
        await engine.subscribe(PeerId("sb_1"), [], room=ROOM, participant=ParticipantId("bram"))
        await engine.prefer(PeerId("sb_1"), [wish])

    async def test_subscriber_is_offered_its_tracks(self, engine: Engine) -> None:
        assert isinstance(await next_event(engine), EngineStarted)
        audio = WantedTrack(track=TrackId("tr_a"), kind="audio")
        video = WantedTrack(track=TrackId("tr_v"), kind="video")
        await engine.subscribe(PeerId("sb_1"), [audio, video], room=ROOM, participant=ParticipantId("bram"))
        offered = await next_event(engine)
        assert isinstance(offered, Offered)
        assert (offered.peer, offered.generation) == ("sb_1", 1)
        assert sorted(offered.tracks.values()) == ["tr_a", "tr_v"]
        assert offered.sdp.startswith("v=0")
