"""JSON text to messages and back, for both ends of a client's WebSocket.

The length is checked before anything is parsed. Whatever is wrong with the text becomes one
:class:`~signalling.errors.Refused` whose sentence says what and where, but never repeats a value:
a value may be a token, and sentences end up in logs.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar, get_args

import msgspec

from signalling.client.messages import MAX_CLIENT_MESSAGE_BYTES, ClientMessage, NodeMessage, RequestId
from signalling.errors import ErrorCode, Refused
from signalling.plain_words import plain_words

T = TypeVar("T")

MAX_EXPLANATION: Final = 200
"""Characters of a library's explanation that we pass on; enough for a path into a message."""

_CLIENT: Final[msgspec.json.Decoder[ClientMessage]] = msgspec.json.Decoder(ClientMessage)
_NODE: Final[msgspec.json.Decoder[NodeMessage]] = msgspec.json.Decoder(NodeMessage)
_ENCODER: Final = msgspec.json.Encoder()


class _Named(msgspec.Struct, frozen=True):
    """Any message, as far as one can be sure of it."""

    topic: str


_TOPIC: Final[msgspec.json.Decoder[_Named]] = msgspec.json.Decoder(_Named)
_TOPICS: Final = frozenset(kind.__struct_config__.tag for kind in get_args(NodeMessage))

_VALUE: Final = re.compile(r"value '.*'", re.DOTALL)
"""How msgspec shows a value; types, paths and names of fields stand in back quotes and stay."""


class UnfitRequest(Refused):
    """A message whose contents do not fit, and of which it is known which request it was.

    Attributes:
        request_id: The client's own number for it.
    """

    def __init__(self, request_id: int, message: str) -> None:
        super().__init__(ErrorCode.MALFORMED_MESSAGE, message)
        self.request_id = request_id


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What every request has, whatever else is in it."""

    topic: str
    id: RequestId


_ENVELOPE: Final[msgspec.json.Decoder[_Envelope]] = msgspec.json.Decoder(_Envelope)

_AT_TOPIC: Final = "at `$.topic`"
"""How msgspec says that it has no type of that tag."""


def encode(message: ClientMessage | NodeMessage) -> str:
    """Give the text of a message, as one WebSocket text frame carries it."""
    return _ENCODER.encode(message).decode()


def decode_request(data: str | bytes, *, max_bytes: int = MAX_CLIENT_MESSAGE_BYTES) -> ClientMessage:
    """Read what a client sent; see :func:`_decode` for what is raised.

    Raises:
        UnfitRequest: It is JSON and has a topic and an ``id``: whoever waits for the reply can be told.
    """
    return _decode(_CLIENT, data, max_bytes)


def decode_node_message(data: str | bytes, *, max_bytes: int = MAX_CLIENT_MESSAGE_BYTES) -> NodeMessage:
    """Read what a node sent; see :func:`_decode` for what is raised."""
    return _decode(_NODE, data, max_bytes)


def read_node_message(data: str | bytes) -> NodeMessage | None:
    """Read what a node sent, where it may be newer than we are: None for a message that this version does not know.

    Raises:
        Refused: as :func:`decode_node_message`.
    """
    try:
        return decode_node_message(data)
    except Refused as refused:
        if refused.code is ErrorCode.MALFORMED_MESSAGE and _is_unheard_of(data):
            return None
        raise


def _is_unheard_of(data: str | bytes) -> bool:
    if not isinstance(data, str):
        return False
    try:
        return _TOPIC.decode(data).topic not in _TOPICS
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False


def _decode(decoder: msgspec.json.Decoder[T], data: str | bytes, max_bytes: int) -> T:
    """Decode one frame.

    Raises:
        Refused: ``message_too_large`` above ``max_bytes`` (of UTF-8), else ``malformed_message``
            for a binary frame, for what is not JSON, and for JSON that is none of our messages.
    """
    if len(data) > max_bytes:
        raise _too_large(max_bytes)
    if not isinstance(data, str):
        raise _malformed("a message is a text frame, and this is a binary one")
    try:
        raw = data.encode()
    except UnicodeEncodeError:
        raise _malformed("it is not valid Unicode") from None
    if len(raw) > max_bytes:
        raise _too_large(max_bytes)
    try:
        return decoder.decode(raw)
    except RecursionError:
        raise _malformed("it is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise _unfit(raw, error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise _malformed(_explain(error)) from None


def _explain(error: Exception) -> str:
    return _VALUE.sub("value", str(error))[:MAX_EXPLANATION]


def _unfit(raw: bytes, error: msgspec.ValidationError) -> Refused:
    why = plain_words(error)[:MAX_EXPLANATION]
    try:
        envelope = _ENVELOPE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return _malformed(why)
    if str(error).endswith(_AT_TOPIC):
        return UnfitRequest(envelope.id, "This node knows no such topic; the client is newer, or misspells it.")
    return UnfitRequest(envelope.id, f"This request does not fit: {why}.")


def _malformed(why: str) -> Refused:
    return Refused(ErrorCode.MALFORMED_MESSAGE, f"That is not a message of this protocol: {why}.")


def _too_large(max_bytes: int) -> Refused:
    return Refused(ErrorCode.MESSAGE_TOO_LARGE, f"A message may have {max_bytes} bytes at most.")
