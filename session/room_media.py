"""What a room does with media: part of its definition, so that every node that it lives on does the same."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from signalling.errors import ErrorCode, Refused

__all__ = ["CodecPolicy", "RoomMedia", "check_media"]

CodecPolicy: TypeAlias = Literal["restrict", "tell"]
"""Where somebody cannot play a track: ask its publisher for codecs that all can play, or only say why."""


class RoomMedia(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on what is forwarded in a room; 0 is none.

    Attributes:
        loudest: that many speakers are heard, the loudest; the others are not forwarded, nor over links.
        max_height: of a forwarded picture, in lines; larger layers are passed over.
        max_bitrate_bps: bits per second that one subscriber is sent in all.
        codec_policy: see :data:`CodecPolicy`.
    """

    loudest: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0
    max_height: Annotated[int, msgspec.Meta(ge=0, le=16_384)] = 0
    max_bitrate_bps: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0
    codec_policy: CodecPolicy = "restrict"


def check_media(media: RoomMedia) -> RoomMedia:
    """The same, if all of it is within its bounds.

    Raises:
        Refused: `room_invalid`, with what is wrong.
    """
    try:
        return msgspec.convert(msgspec.structs.asdict(media), RoomMedia)
    except msgspec.ValidationError as error:
        raise Refused(ErrorCode.ROOM_INVALID, f"A room cannot be like that: {error}.") from error
