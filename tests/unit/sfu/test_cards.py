"""Browsers decode what synthetic participants send, whatever follows the picture in a packet."""

from __future__ import annotations

from typing import Any, cast

import av
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

from tests.unit.sfu import cards

STAMP = bytes(range(36))


@pytest.mark.parametrize("name", cards.COLOURS)
def test_card_decodes_with_filler_and_stamps_behind_it(name: str) -> None:
    frames = cards.from_ivf((cards.FOLDER / f"{name}.ivf").read_bytes())
    assert len(frames) == cards.PLACES
    codec = av.CodecContext.create("libvpx", "r")
    assert isinstance(codec, VideoCodecContext)
    for step, frame in enumerate(frames):
        assert len(frame) < 1000  # it fits the first packet, with its stamp
        assert frame[0] & 1 == 0  # a keyframe (RFC 6386 section 9.1)
        [picture] = codec.decode(av.Packet(frame + STAMP + b"\x00" * 900 + STAMP))
        left, top = cards.place(step)
        assert pixel(picture, left + cards.SQUARE // 2, top + cards.SQUARE // 2) == pytest.approx(
            cards.COLOURS[name][0] + 70, abs=8
        )
        assert pixel(picture, 4, 4) == pytest.approx(cards.COLOURS[name][0], abs=8)


def pixel(picture: av.VideoFrame, x: int, y: int) -> int:
    plane = picture.planes[0]
    return bytes(cast("Any", plane))[y * plane.line_size + x]


def test_silence_decodes_with_a_stamp_in_its_padding() -> None:
    # Code 3, one frame, padding (RFC 6716 section 3.2.5): as `audio::packet` writes it.
    packet = bytes([0xFB, 0x41, 1 + len(STAMP), 0xFF, 0xFE, 0x00]) + STAMP
    codec = av.CodecContext.create("libopus", "r")
    assert isinstance(codec, AudioCodecContext)
    codec.sample_rate = 48_000
    codec.layout = "mono"
    for _ in range(3):
        [sound] = codec.decode(av.Packet(packet))
        assert sound.samples == 960
        samples = memoryview(bytes(cast("Any", sound.planes[0]))).cast("h")
        assert max(map(abs, samples[:960])) <= 1
