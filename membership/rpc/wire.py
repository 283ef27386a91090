"""The codec of Serf RPC: bytes in, answers and stream records out, no I/O.

Theory of operation.  A request is a header map {Command, Seq} and, for most commands, a body map.  An answer is a
header map {Error, Seq}, and then a body or not:

    kind of command                 answer to the request             later, under the same Seq
    ------------------------------  --------------------------------  -------------------------
    in BODY_COMMANDS                header, body; also with an error  nothing
    in STREAM_COMMANDS              header                            (header, body) for ever
    any other                       header                            nothing
    any, error in BODILESS_ERRORS   header                            nothing

So the decoder must know the command of every Seq in flight.  A call that is given up stays expected here until
its answer has passed; a stream that is stopped stays known, because records that were under way still come.
Anything else than this is a `BrokenRpcError`: after one wrong guess no byte can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgpack  # type: ignore[import-untyped]

from membership.rpc.errors import BrokenRpcError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_OBJECT_BYTES", "Answer", "AnswerDecoder", "Item", "encode_request"]

BODY_COMMANDS = frozenset(
    {
        "join",
        "members",
        "members-filtered",
        "stats",
        "get-coordinate",
        "install-key",
        "use-key",
        "remove-key",
        "list-keys",
    }
)
STREAM_COMMANDS = frozenset({"stream", "monitor", "query"})
BODILESS_ERRORS = frozenset({"Handshake required", "Authentication required", "Unsupported command"})
WITHOUT_REQUEST_BODY = frozenset({"members", "stats", "list-keys", "leave"})

MAX_OBJECT_BYTES = 16 * 1024 * 1024
"""The largest object we keep in memory: members of 20,000 nodes with full tags.  It bounds what a peer's
oversized name or tags can cost, and is far above what an honest cluster sends."""

MAX_ELEMENTS = 65_536
"""Arrays and maps above this are refused before they are allocated."""

MAX_EXPECTED = 256
"""Requests without an answer.  The agent answers in order within milliseconds; more means that it hangs."""

MAX_STREAMS = 1024
"""Streams per connection, ended ones included, as their late records must still be told apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer to a request.

    Attributes:
        seq: number of the request.
        command: its command.
        error: the agent's reason for refusing it, empty if it did not.
        body: the undecoded body (byte keys and strings), None where the command has none.
    """

    seq: int
    command: str
    error: str
    body: object


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One record of a stream, `seq` being the number of the request that opened it."""

    seq: int
    body: object


def encode_request(seq: int, command: str, body: Mapping[str, object] | None) -> bytes:
    """A request's bytes.

    Raises:
        ValueError: `seq` is not positive (the agent keeps the old number instead), or a body is given to a
            command without one, or none to one with (either desynchronises the agent).
    """
    if seq < 1:
        raise ValueError("sequence numbers start at 1")
    if (body is None) != (command in WITHOUT_REQUEST_BODY):
        raise ValueError(f"{command} {'needs a' if body is None else 'takes no'} body")
    header = _pack({"Command": command, "Seq": seq})
    return header if body is None else header + _pack(body)


class AnswerDecoder:
    """Everything the agent sends on one connection, in any pieces."""

    def __init__(self, *, max_object_bytes: int = MAX_OBJECT_BYTES) -> None:
        # raw: event names are not checked to be UTF-8 by anyone, and one bad name must not end the connection.
        self._unpacker = msgpack.Unpacker(
            raw=True,
            strict_map_key=False,
            max_buffer_size=max_object_bytes,
            max_array_len=MAX_ELEMENTS,
            max_map_len=MAX_ELEMENTS,
        )
        self._expected: dict[int, str] = {}
        self._streams: set[int] = set()
        self._header: tuple[int, str] | None = None
        self._broken: str | None = None

    def expect(self, seq: int, command: str) -> None:
        """Announce a request, before its bytes are sent.

        Raises:
            BrokenRpcError: too many requests wait for an answer, or too many streams were opened.
        """
        if len(self._expected) >= MAX_EXPECTED:
            raise BrokenRpcError(f"the agent owes {MAX_EXPECTED} answers")
        if len(self._streams) >= MAX_STREAMS:
            raise BrokenRpcError(f"{MAX_STREAMS} streams were opened on one connection")
        self._expected[seq] = command

    def feed(self, data: bytes) -> list[Answer | Item]:
        """Take the next bytes; returns what they complete.

        Raises:
            BrokenRpcError: the bytes do not follow the protocol; every later call raises it again.
        """
        if self._broken is not None:
            raise BrokenRpcError(self._broken)
        complete: list[Answer | Item] = []
        try:
            self._unpacker.feed(data)
            for value in self._unpacker:
                piece = self._take(value)
                if piece is not None:
                    complete.append(piece)
        except BrokenRpcError as error:
            self._broken = str(error)
            raise
        # TypeError: a map or list as a map's key.  All others of msgpack are ValueErrors but two.
        except (msgpack.UnpackException, ValueError, TypeError) as error:
            self._broken = f"not msgpack within limits: {error!r}"
            raise BrokenRpcError(self._broken) from error
        return complete

    def _take(self, value: object) -> Answer | Item | None:
        if self._header is not None:
            seq, error = self._header
            self._header = None
            command = self._expected.pop(seq, None)
            return (
                Item(seq=seq, body=value)
                if command is None
                else Answer(seq=seq, command=command, error=error, body=value)
            )
        seq, error = _header(value)
        command = self._expected.get(seq)
        if command is None:
            if seq not in self._streams:
                raise BrokenRpcError(f"answer to request {seq}, which nobody made")
            self._header = (seq, error)
            return None
        if command in BODY_COMMANDS and error not in BODILESS_ERRORS:
            self._header = (seq, error)
            return None
        del self._expected[seq]
        if command in STREAM_COMMANDS and not error:
            self._streams.add(seq)
        return Answer(seq=seq, command=command, error=error, body=None)


def _pack(value: Mapping[str, object]) -> bytes:
    packed = msgpack.packb(value, use_bin_type=True)  # the agent takes str for strings and bin for bytes
    assert isinstance(packed, bytes)
    return packed


def _header(value: object) -> tuple[int, str]:
    if isinstance(value, dict) and value.keys() == {b"Seq", b"Error"}:
        seq, error = value[b"Seq"], value[b"Error"]
        if type(seq) is int and isinstance(error, bytes):
            return seq, error.decode("utf-8", "backslashreplace")
    raise BrokenRpcError("expected an answer's header")
