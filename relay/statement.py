"""What is said over a link, as bytes: what is too large for one message is said in several."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from signalling import cbor
from signalling.mesh.link import MAX_LINK_MESSAGE_BYTES, LinkReports, RoomState

if TYPE_CHECKING:
    from signalling.mesh.link import LinkMessage


def encode_parts(word: LinkMessage) -> tuple[bytes, ...]:
    """Encode what is said, in as many messages as it takes, to be sent one behind the other.

    What cannot be divided stays one message, however long it is: the caller looks at the length.
    """
    data = cbor.encode(word)
    if len(data) <= MAX_LINK_MESSAGE_BYTES:
        return (data,)
    if isinstance(word, LinkReports) and len(word.reports) > 1:
        half = len(word.reports) // 2
        return (*encode_parts(LinkReports(word.reports[:half])), *encode_parts(LinkReports(word.reports[half:])))
    if not isinstance(word, RoomState) or len(word.participants) < 2:
        return (data,)
    half = len(word.participants) // 2
    first = msgspec.structs.replace(word, participants=word.participants[:half], more=True)
    second = msgspec.structs.replace(word, participants=word.participants[half:])
    return (*encode_parts(first), *encode_parts(second))
