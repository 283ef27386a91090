"""Frames survive any cutting of the stream, and nothing longer than a frame is taken in."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from sfu.channel import FrameDecoder, encode_frame
from sfu.protocol import MAX_FRAME_BYTES
from signalling import cbor
from signalling.cbor import GarbledError


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def decode_all(decoder: FrameDecoder, pieces: list[bytes]) -> list[bytes]:
    return [frame for piece in pieces for frame in decoder.feed(piece)]


MESSAGES = st.lists(st.binary(max_size=300), max_size=6)
PLACES = st.lists(st.integers(min_value=0, max_value=5000), max_size=8)


@given(messages=MESSAGES, places=PLACES)
def test_frames_survive_any_cutting(messages: list[bytes], places: list[int]) -> None:
    data = b"".join(map(encode_frame, messages))
    assert decode_all(FrameDecoder(), cut(data, places)) == [cbor.encode(m) for m in messages]


class OneFrameARead(FrameDecoder):
    """The mutant: it forgets that a read may hold more than one frame."""

    @override
    def feed(self, data: bytes) -> list[bytes]:
        return super().feed(data)[:1]


def test_the_property_kills_a_decoder_that_gives_one_frame_a_read() -> None:
    data = encode_frame(b"a") + encode_frame(b"b")
    assert decode_all(OneFrameARead(), [data]) != [cbor.encode(b"a"), cbor.encode(b"b")]


@given(data=st.binary(max_size=2000))
def test_garbage_is_frames_or_an_error(data: bytes) -> None:
    try:
        frames = FrameDecoder().feed(data)
    except GarbledError:
        return
    assert sum(len(frame) + 4 for frame in frames) <= len(data)


def test_frame_too_long_is_refused_by_its_length_alone() -> None:
    with pytest.raises(GarbledError):
        FrameDecoder().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
    with pytest.raises(ValueError, match="at most"):
        encode_frame(bytes(MAX_FRAME_BYTES))
