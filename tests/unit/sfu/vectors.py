"""Golden bytes of every word between node and engine: ``python -m tests.unit.sfu.vectors`` writes them.

``sfu/vectors.json`` is read by the tests of both languages. Each vector holds the message as
JSON (byte strings in hex) and its CBOR in hex; decoding and encoding again must give the same
bytes. Numbers with a fraction are chosen such that only 64-bit floats hold them, because
encoders differ in how they write the others; maps are in the order of their keys.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from sfu import protocol as p
from sfu import statistics_rows as rows
from signalling import cbor
from signalling.ids import ParticipantId, PeerId, RoomId, TrackId

PATH: Final = Path(p.__file__).with_name("vectors.json")

_PEER: Final = PeerId("pb_00f1")
_LINK: Final = PeerId("li_oslo")
_AUDIO: Final = TrackId("tr_0a0a0a0a0a0a0a0a")
_VIDEO: Final = TrackId("tr_0b0b0b0b0b0b0b0b")
_ROOM: Final = RoomId("lobby")
_SENDER: Final = ParticipantId("pa_0c0c0c0c0c0c0c0c")
_SDP: Final = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"
_CANDIDATE: Final = "candidate:1 1 udp 2130706431 192.0.2.7 40000 typ host"
_FINGERPRINT: Final = bytes(range(32))
_MOST: Final = 2**32 - 1

COMMANDS: Final[tuple[p.NodeCommand, ...]] = (
    p.Hello(
        id=1,
        protocol=3,
        media_address="127.0.0.1",
        media_port=0,
        advertised=(),
        workers=0,
        stun_servers=(),
        tcp=False,
    ),
    p.Hello(
        id=1,
        protocol=3,
        media_address="0.0.0.0",
        media_port=40000,
        advertised=("192.0.2.7", "2001:db8::7"),
        workers=64,
        stun_servers=("stun.example.net:3478", "192.0.2.9:3478"),
        tcp=True,
    ),
    p.Publish(id=2, peer=_PEER, sdp=_SDP, tracks={"0": _AUDIO, "1": _VIDEO}, room=_ROOM, sender=_SENDER),
    p.Publish(id=23, peer=_PEER, sdp=_SDP, tracks={}, room=_ROOM, sender=_SENDER),
    p.Subscribe(
        id=24,
        peer=_PEER,
        tracks=(
            p.WantedTrack(track=_AUDIO, kind="audio", stream="pa_1"),
            p.WantedTrack(track=_VIDEO, kind="video"),
        ),
        room=_ROOM,
        participant=_SENDER,
    ),
    p.Subscribe(id=255, peer=_PEER, tracks=(), room=_ROOM, participant=_SENDER),
    p.Prefer(
        id=19,
        peer=_PEER,
        tracks=(
            p.PreferredTrack(track=_VIDEO, width=1280, height=720, priority=200, paused=False),
            p.PreferredTrack(track=_AUDIO, width=0, height=0, priority=128, paused=True),
        ),
    ),
    p.Prefer(id=20, peer=_PEER, tracks=()),
    p.Answered(id=256, peer=_PEER, generation=3, sdp=_SDP),
    p.AddCandidate(id=65_535, peer=_PEER, candidate=_CANDIDATE),
    p.ClosePeer(id=65_536, peer=_PEER),
    p.OpenLink(id=_MOST, peer=_LINK, controlling=True, lane=0, beside=""),
    p.OpenLink(id=_MOST + 1, peer=_LINK, controlling=False, lane=63, beside="li_oslo:1"),
    p.ConnectLink(
        id=9,
        peer=_LINK,
        ufrag="u1f2",
        password="a-password-of-22-chars",
        fingerprint=_FINGERPRINT,
        candidates=("host 192.0.2.7 40000", "srflx 2001:db8::7 40001"),
    ),
    p.SendLink(id=10, peer=_LINK, data=b"\x00\xff\x83"),
    p.SendLink(id=11, peer=_LINK, data=b""),
    p.OpenLegOut(id=12, peer=_LINK, leg=_MOST, track=_VIDEO, room=_ROOM),
    p.CloseLegOut(id=13, peer=_LINK, leg=0),
    p.OpenLegIn(id=14, peer=_LINK, leg=7, track=_AUDIO, kind="audio", room=_ROOM),
    p.CloseLegIn(id=15, peer=_LINK, leg=7),
    p.SpanRoom(id=20, peer=_LINK, room=_ROOM, spans=True),
    p.SpanRoom(id=21, peer=_LINK, room=_ROOM, spans=False),
    p.SetRoom(id=17, room=_ROOM, loudest=3, max_height=720, max_bitrate_bps=2**40),
    p.CloseRoom(id=18, room=_ROOM),
    p.GetStatistics(id=16),
    p.GetStatistics(id=19, page=2),
)

MESSAGES: Final[tuple[p.EngineMessage, ...]] = (
    p.Ready(id=1, protocol=3, version="0.1.0", addresses=("127.0.0.1:40000", "[::1]:40000")),
    p.Done(id=2),
    p.Described(id=3, sdp=_SDP),
    p.LinkOpened(
        id=4,
        ufrag="u1f2",
        password="a-password-of-22-chars",
        fingerprint=_FINGERPRINT,
        candidates=("host 192.0.2.7 40000",),
    ),
    p.Failed(id=5, code="sdp_invalid", message="The offer has no media — nothing was changed."),
    p.Statistics(id=6, peers=(), tracks=(), counters={}),
    p.Statistics(
        id=7,
        page=1,
        pages=2,
        workers=(rows.WorkerStatistics(worker=1, peers=2, tracks=1, turns=2**33, busy_ms=12_000, waiting=3),),
        peers=(
            rows.PeerStatistics(
                peer=_PEER,
                kind="publisher",
                state="connecting",
                packets_in=1,
                bytes_in=1200,
                packets_out=0,
                bytes_out=0,
            ),
            rows.PeerStatistics(
                peer=_PEER,
                kind="subscriber",
                state="connected",
                worker=1,
                packets_in=0,
                bytes_in=0,
                packets_out=7,
                bytes_out=8400,
                nacks=4,
                keyframe_requests=2,
                rtt_ms=48.5,
                loss=0.25,
                estimate_bps=2_500_000,
                desired_bps=1_700_000,
                handshake_ms=31.5,
            ),
            rows.PeerStatistics(
                peer=_LINK,
                kind="link",
                state="suspect",
                packets_in=2**40,
                bytes_in=2**50,
                packets_out=2,
                bytes_out=3,
                rtt_ms=12.3,
                jitter_ms=0.1,
                loss=0.01,
            ),
        ),
        tracks=(
            rows.TrackStatistics(
                track=_VIDEO,
                kind="video",
                codec="VP8",
                relayed=True,
                packets=1000,
                bytes=1_200_000,
                keyframe_requests=2,
                nacks=5,
                subscribers=3,
                legs=1,
                jitter_ms=1.5,
                loss=0.125,
            ),
        ),
        legs=(
            rows.LegStatistics(peer=_LINK, leg=2**31, track=_VIDEO, outgoing=True, packets=9, bytes=10_000),
            rows.LegStatistics(peer=_LINK, leg=7, track=_AUDIO, outgoing=False, packets=0, bytes=0),
        ),
        lines=(
            rows.LineStatistics(
                peer=_PEER,
                track=_VIDEO,
                state="flowing",
                encoding=2,
                spatial=0,
                temporal=1,
                height=720,
                bitrate_bps=1_500_000,
            ),
            rows.LineStatistics(
                peer=_PEER,
                track=_VIDEO,
                state="starved",
                encoding=None,
                spatial=None,
                temporal=None,
                height=None,
                bitrate_bps=0,
            ),
        ),
        memory_bytes=2**26,
        queued_bytes=130,
        counters={"candidates_ignored": 4, "datagrams_unknown": 5},
    ),
    p.PeerState(peer=_PEER, state="connected", reason=""),
    p.PeerState(peer=_LINK, state="suspect", reason=""),
    p.PeerState(peer=_PEER, state="closed", reason="ice_disconnected"),
    p.Offered(peer=_PEER, generation=1, sdp=_SDP, tracks={"0": _AUDIO, "1": _VIDEO}),
    p.TrackStarted(track=_AUDIO, codec="opus"),
    p.LayersWanted(peer=_PEER, track=_VIDEO, encodings={"f": False, "h": True, "q": True}, spatial=None),
    p.LayersWanted(peer=_PEER, track=_VIDEO, encodings={"": True}, spatial=1),
    p.TrackRefused(peer=_PEER, track=_VIDEO, codec="av1", accepted=("vp8", "h264")),
    p.LinkMessage(peer=_LINK, data=b"\x84\x01\x02\x03\x04"),
    p.LinkMeasured(peer=_LINK, rtt_ms=80.1, jitter_ms=0.7, loss=0.05),
    p.Speakers(room=_ROOM, speakers=()),
    p.Speakers(
        room=_ROOM,
        speakers=(p.Speaker(track=_AUDIO, level_db=-17), p.Speaker(track=_VIDEO, level_db=-127)),
    ),
)


def _readable(value: object) -> Any:
    return msgspec.to_builtins(value, builtin_types=(bytes,))


def _as_json(value: object) -> object:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    return value


def _vector(value: object) -> dict[str, object]:
    return {"json": _as_json(_readable(value)), "cbor": cbor.encode(value).hex()}


def _frame(value: object) -> str:
    body = cbor.encode(value)
    return (len(body).to_bytes(4, "big") + body).hex()


def build() -> str:
    """The text of ``sfu/vectors.json``."""
    content = {
        "protocol": p.ENGINE_PROTOCOL,
        "commands": [_vector(command) for command in COMMANDS],
        "messages": [_vector(message) for message in MESSAGES],
        "frames": {
            "command": _frame(COMMANDS[0]),
            "messages": _frame([MESSAGES[1], MESSAGES[-1]]),
        },
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(build(), encoding="utf-8")
