"""What a room does with media: part of its definition, so that every node that it lives on does the same."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from signalling.errors import ErrorCode, Refused

__all__ = ["CodecPolicy", "RoomMedia", "check_media"]

CodecPolicy: TypeAlias = Literal["restrict", "second", "tell"]
"""Where somebody cannot play a track: ask its publisher for codecs that all can play, or for a second encoding for
those who cannot play the first, or only say why."""

MAX_LOUDEST: Final = 1_000
"""As many as a room can seat."""

MAX_HEIGHT: Final = 16_384
"""Lines that the codecs we carry can code at all."""

MAX_BITRATE_BPS: Final = 1_000_000_000
"""Above what one client's network carries."""


class RoomMedia(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on what is forwarded in a room; 0 is none.

    Attributes:
        loudest: that many speakers are heard, the loudest; the others are not forwarded, nor over links.
        max_height: of a forwarded picture, in lines; larger layers are passed over.
        max_bitrate_bps: bits per second that one subscriber is sent in all.
        codec_policy: see :data:`CodecPolicy`.
    """

    loudest: Annotated[int, msgspec.Meta(ge=0, le=MAX_LOUDEST)] = 0
    max_height: Annotated[int, msgspec.Meta(ge=0, le=MAX_HEIGHT)] = 0
    max_bitrate_bps: Annotated[int, msgspec.Meta(ge=0, le=MAX_BITRATE_BPS)] = 0
    codec_policy: CodecPolicy = "restrict"


def check_media(media: RoomMedia) -> RoomMedia:
    """The same, if all of it is within its bounds.

    Raises:
        Refused: `room_invalid`, with what is wrong.
    """
    bounds = {"loudest": MAX_LOUDEST, "max_height": MAX_HEIGHT, "max_bitrate_bps": MAX_BITRATE_BPS}
    for name, most in bounds.items():
        if not 0 <= getattr(media, name) <= most:
            raise Refused(ErrorCode.ROOM_INVALID, f"{name} is 0, for no limit, or up to {most}; ask for one of these.")
    return media
