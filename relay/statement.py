"""What is said over a link, as bytes: what is too large for one message is said in several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from signalling import cbor
from signalling.mesh.link import MAX_LINK_MESSAGE_BYTES, LinkReports, RoomState

if TYPE_CHECKING:
    from signalling.mesh.link import LinkMessage


def encode_parts(word: LinkMessage, max_bytes: int = MAX_LINK_MESSAGE_BYTES) -> tuple[bytes, ...]:
    """Encode what is said, in as many messages of so many bytes as it takes, to be sent one behind the other.

    What cannot be divided stays one message, however long it is: the caller looks at the length.
    """
    data = cbor.encode(word)
    if len(data) <= max_bytes:
        return (data,)
    if isinstance(word, LinkReports) and len(word.reports) > 1:
        half = len(word.reports) // 2
        first, second = LinkReports(word.reports[:half]), LinkReports(word.reports[half:])
        return (*encode_parts(first, max_bytes), *encode_parts(second, max_bytes))
    if not isinstance(word, RoomState) or len(word.participants) < 2:
        return (data,)
    half = len(word.participants) // 2
    begun = msgspec.structs.replace(word, participants=word.participants[:half], more=True)
    rest = msgspec.structs.replace(word, participants=word.participants[half:])
    return (*encode_parts(begun, max_bytes), *encode_parts(rest, max_bytes))
