"""The codec: what answers look like, in any pieces, and what it does with garbage."""

import itertools

import msgpack  # type: ignore[import-untyped]
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from membership.rpc.errors import BrokenRpcError
from membership.rpc.wire import (
    BODILESS_ERRORS,
    BODY_COMMANDS,
    MAX_EXPECTED,
    STREAM_COMMANDS,
    WITHOUT_REQUEST_BODY,
    Answer,
    AnswerDecoder,
    Item,
    encode_request,
)
from tests.unit.membership.samples import packed

PLAIN_COMMANDS = ("handshake", "auth", "event", "force-leave", "tags", "stop", "leave", "respond")
COMMANDS = (*sorted(BODY_COMMANDS), *sorted(STREAM_COMMANDS), *PLAIN_COMMANDS)


def header(seq: int, error: str = "") -> bytes:
    return packed({"Seq": seq, "Error": error})


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("error", ["", "no such thing", "Authentication required"])
def test_the_command_and_the_error_say_whether_a_body_follows(command: str, error: str) -> None:
    decoder = AnswerDecoder()
    decoder.expect(1, command)
    decoder.expect(2, "event")
    has_body = command in BODY_COMMANDS and error not in BODILESS_ERRORS
    data = header(1, error) + (packed({"Num": 3}) if has_body else b"") + header(2)
    assert decoder.feed(data) == [
        Answer(seq=1, command=command, error=error, body={b"Num": 3} if has_body else None),
        Answer(seq=2, command="event", error="", body=None),
    ]


def test_records_of_a_stream_come_between_answers_even_after_it_was_stopped() -> None:
    decoder = AnswerDecoder()
    decoder.expect(1, "stream")
    decoder.expect(2, "members")
    decoder.expect(3, "stop")
    data = header(1) + header(1) + packed({"a": 1}) + header(2) + packed({"Members": None})
    late = header(3) + header(1) + packed({"b": 2})
    assert decoder.feed(data + late) == [
        Answer(seq=1, command="stream", error="", body=None),
        Item(seq=1, body={b"a": 1}),
        Answer(seq=2, command="members", error="", body={b"Members": None}),
        Answer(seq=3, command="stop", error="", body=None),
        Item(seq=1, body={b"b": 2}),
    ]


def test_names_that_are_not_utf8_pass() -> None:
    decoder = AnswerDecoder()
    decoder.expect(1, "stream")
    name = b"\xff\xfe\x80"
    assert decoder.feed(header(1) + header(1) + packed({b"Name": name})) == [
        Answer(seq=1, command="stream", error="", body=None),
        Item(seq=1, body={b"Name": name}),
    ]


@pytest.mark.parametrize(
    "data",
    [
        header(7),  # an answer to no request
        packed({"Seq": 1}),
        packed({"Seq": "1", "Error": ""}),
        packed({"Seq": True, "Error": ""}),
        packed({"Seq": 1, "Error": None}),
        packed([1, ""]),
        packed({"Members": []}),  # a body where a header belongs
        b"\xc1",  # never used by msgpack
        b"\x81\x80\x00",  # a map as a map's key
        b"\xdd\xff\xff\xff\xff",  # an array of four thousand million
        b"\x91" * 5000,  # depth
    ],
)
def test_what_breaks_the_protocol_breaks_the_connection_for_good(data: bytes) -> None:
    decoder = AnswerDecoder()
    decoder.expect(1, "event")
    with pytest.raises(BrokenRpcError):
        decoder.feed(data)
    with pytest.raises(BrokenRpcError):
        decoder.feed(header(1))


def test_an_object_above_the_limit_is_refused_before_it_is_whole() -> None:
    decoder = AnswerDecoder(max_object_bytes=1000)
    decoder.expect(1, "members")
    decoder.feed(header(1))
    decoder.feed(b"\xc5\xff\xff" + b"x" * 900)
    with pytest.raises(BrokenRpcError):
        decoder.feed(b"x" * 200)


def test_a_hanging_agent_does_not_pile_up_requests() -> None:
    decoder = AnswerDecoder()
    for seq in range(1, MAX_EXPECTED + 1):
        decoder.expect(seq, "event")
    with pytest.raises(BrokenRpcError, match="owes"):
        decoder.expect(MAX_EXPECTED + 1, "event")


def test_requests_without_a_body_get_none_and_the_others_get_one() -> None:
    unpacker = msgpack.Unpacker()
    unpacker.feed(encode_request(1, "members", None) + encode_request(2, "event", {"Name": "s", "Payload": b"\x00"}))
    assert list(unpacker) == [
        {"Command": "members", "Seq": 1},
        {"Command": "event", "Seq": 2},
        {"Name": "s", "Payload": b"\x00"},
    ]
    for command in sorted(WITHOUT_REQUEST_BODY):
        with pytest.raises(ValueError, match="takes no body"):
            encode_request(1, command, {})
    with pytest.raises(ValueError, match="needs a body"):
        encode_request(1, "event", None)
    with pytest.raises(ValueError, match="start at 1"):
        encode_request(0, "members", None)


BODIES = st.dictionaries(st.binary(max_size=8), st.integers(0, 9) | st.binary(max_size=8), max_size=4)


class Script:
    """A conversation as the agent would have it: bytes, and what they mean."""

    def __init__(self) -> None:
        self.data = b""
        self.meaning: list[Answer | Item] = []


@st.composite
def scripts(draw: st.DrawFn) -> tuple[list[str], Script]:
    commands = draw(st.lists(st.sampled_from(COMMANDS), min_size=1, max_size=12))
    script = Script()
    streams: list[int] = []
    for seq, command in enumerate(commands, start=1):
        error = draw(st.sampled_from(["", "", "refused", "Handshake required"]))
        script.data += header(seq, error)
        body: object = None
        if command in BODY_COMMANDS and error != "Handshake required":
            body = draw(BODIES)
            script.data += packed(body)
        script.meaning.append(Answer(seq=seq, command=command, error=error, body=body))
        if command in STREAM_COMMANDS and not error:
            streams.append(seq)
        for stream in draw(st.lists(st.sampled_from(streams), max_size=3)) if streams else []:
            record = draw(BODIES)
            script.data += header(stream) + packed(record)
            script.meaning.append(Item(seq=stream, body=record))
    return commands, script


def decoded(decoder: AnswerDecoder, commands: list[str], data: bytes, cuts: list[int]) -> list[Answer | Item]:
    for seq, command in enumerate(commands, start=1):
        decoder.expect(seq, command)
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [piece for start, end in itertools.pairwise(edges) for piece in decoder.feed(data[start:end])]


@given(scripts(), st.lists(st.integers(0, 10_000), max_size=10))
def test_any_conversation_in_any_pieces_means_the_same(script: tuple[list[str], Script], cuts: list[int]) -> None:
    commands, expected = script
    assert decoded(AnswerDecoder(), commands, expected.data, cuts) == expected.meaning


class ForgetfulDecoder(AnswerDecoder):
    """The mutant: forgets a stopped or late request's command, as a client keyed on its waiting callers would."""

    @override
    def feed(self, data: bytes) -> list[Answer | Item]:
        pieces = super().feed(data)
        self._streams.clear()
        return pieces


def test_the_property_kills_a_decoder_that_forgets() -> None:
    @settings(phases=[Phase.generate], database=None)
    @given(scripts(), st.lists(st.integers(0, 10_000), min_size=2, max_size=10))
    def holds(script: tuple[list[str], Script], cuts: list[int]) -> None:
        commands, expected = script
        assert decoded(ForgetfulDecoder(), commands, expected.data, cuts) == expected.meaning

    with pytest.raises((BrokenRpcError, ExceptionGroup)):
        holds()


@given(st.lists(st.binary(max_size=64), max_size=8), st.sampled_from(COMMANDS))
def test_garbage_is_an_error_of_ours_or_nothing(chunks: list[bytes], command: str) -> None:
    decoder = AnswerDecoder()
    decoder.expect(1, command)
    try:
        for chunk in chunks:
            decoder.feed(chunk)
    except BrokenRpcError:
        pass
