"""What is said over a link, as bytes: what is too large for one message is said in several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from signalling import cbor
from signalling.mesh.link import MAX_LINK_MESSAGE_BYTES, LinkReports, RoomState

if TYPE_CHECKING:
    from signalling.mesh.link import LinkMessage

_NUMBER_BYTES: Final = 2
"""By which a part grows with its number: more than 65,535 of them no node takes."""


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
    if not isinstance(word, RoomState):
        return (data,)
    parts = _divide(word, max_bytes - _NUMBER_BYTES)
    return tuple(cbor.encode(replace(part, part=number)) for number, part in enumerate(parts))


def _divide(state: RoomState, max_bytes: int) -> tuple[RoomState, ...]:
    half = len(state.participants) // 2
    if half == 0 or len(cbor.encode(state)) <= max_bytes:
        return (state,)
    begun = replace(state, participants=state.participants[:half], more=True)
    rest = replace(state, participants=state.participants[half:])
    return (*_divide(begun, max_bytes), *_divide(rest, max_bytes))
