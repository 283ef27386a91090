"""What synthetic participants show: ``python -m tests.unit.sfu.cards`` draws and encodes it.

A card is a plain colour over which a small light square goes round, so that a person in the same room sees who
it is and that the picture lives. Each is an IVF file of VP8 keyframes that the engine's program holds and sends
in turn; a keyframe alone is a whole picture, so any frame may be lost and a latecomer needs to ask for none.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Final

import av
from av.video.codeccontext import VideoCodecContext

import sfu

WIDTH: Final = 160
HEIGHT: Final = 96
SQUARE: Final = 16
MARGIN: Final = 16
PLACES: Final = 8

FOLDER: Final = Path(sfu.__file__).parent / "engine" / "src" / "participants" / "cards"

COLOURS: Final = {
    "brick": (110, 100, 175),
    "moss": (105, 95, 110),
    "sea": (95, 165, 105),
    "plum": (80, 145, 155),
    "sand": (160, 100, 140),
    "slate": (100, 135, 122),
}
"""Y, U and V; a participant shows the card of its stamp modulo their number."""

_TIME_BASE: Final = Fraction(1, 25)
_FILE_HEAD_BYTES: Final = 32
_FRAME_HEAD_BYTES: Final = 12


def place(step: int) -> tuple[int, int]:
    """Left and top of the square: four corners and the four sides between them, clockwise."""
    right, bottom = WIDTH - MARGIN - SQUARE, HEIGHT - MARGIN - SQUARE
    across, down = (MARGIN, (MARGIN + right) // 2, right), (MARGIN, (MARGIN + bottom) // 2, bottom)
    ring = ((0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2), (0, 1))
    x, y = ring[step % PLACES]
    return across[x], down[y]


def draw(colour: tuple[int, int, int], step: int) -> av.VideoFrame:
    """One picture."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    left, top = place(step)
    for number, (plane, value) in enumerate(zip(frame.planes, colour, strict=True)):
        scale = 1 if number == 0 else 2
        rows = bytearray([value]) * (plane.line_size * plane.height)
        if number == 0:
            for row in range(top // scale, (top + SQUARE) // scale):
                start = row * plane.line_size + left // scale
                rows[start : start + SQUARE // scale] = bytearray([min(value + 70, 235)]) * (SQUARE // scale)
        plane.update(bytes(rows))
    frame.pts = step
    frame.time_base = _TIME_BASE
    return frame


def encode(colour: tuple[int, int, int]) -> list[bytes]:
    """The keyframes of a card."""
    codec = av.CodecContext.create("libvpx", "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt, codec.time_base = WIDTH, HEIGHT, "yuv420p", _TIME_BASE
    codec.gop_size = 1
    codec.options = {"deadline": "best", "crf": "40", "b": "200k", "g": "1", "kf-min-dist": "0"}
    packets = [packet for step in range(PLACES) for packet in codec.encode(draw(colour, step))]
    packets += codec.encode(None)
    return [bytes(packet) for packet in packets]


def to_ivf(frames: list[bytes]) -> bytes:
    """Pack frames into an IVF file."""
    head = b"DKIF" + (0).to_bytes(2, "little") + _FILE_HEAD_BYTES.to_bytes(2, "little") + b"VP80"
    head += WIDTH.to_bytes(2, "little") + HEIGHT.to_bytes(2, "little")
    head += (25).to_bytes(4, "little") + (1).to_bytes(4, "little") + len(frames).to_bytes(4, "little") + bytes(4)
    body = (len(f).to_bytes(4, "little") + step.to_bytes(8, "little") + f for step, f in enumerate(frames))
    return head + b"".join(body)


def from_ivf(data: bytes) -> list[bytes]:
    """The frames of an IVF file that :func:`to_ivf` made."""
    frames, at = [], _FILE_HEAD_BYTES
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        at += _FRAME_HEAD_BYTES
        frames.append(data[at : at + length])
        at += length
    return frames


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, colour in COLOURS.items():
        (FOLDER / f"{name}.ivf").write_bytes(to_ivf(encode(colour)))
