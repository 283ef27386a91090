"""JSON in and out: everything that can be said survives, and nothing else gets in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalling.client.codec import decode_node_message, decode_request, encode, read_node_message
from signalling.client.messages import ClientMessage, Hello, Mute, NodeMessage, NodePing, Ping
from signalling.errors import ErrorCode, Refused
from signalling.ids import TrackId
from tests.unit.signalling.strategies import messages

if TYPE_CHECKING:
    from collections.abc import Callable

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
TOPICS = st.sampled_from(["hello", "join", "publish", "answer", "candidate", "mute", "chat", "ping", "pong"])
GARBAGE = (
    st.text(max_size=60)
    | st.binary(max_size=60)
    | JSON_VALUES.map(json.dumps)
    | st.builds(
        lambda topic, rest: json.dumps({**rest, "topic": topic}),
        TOPICS,
        st.dictionaries(
            st.sampled_from(["id", "token", "room", "attempt", "sdp", "tracks", "n", "text"]), JSON_VALUES, max_size=4
        ),
    )
)


@given(messages(ClientMessage))
def test_what_a_client_says_arrives_as_it_was_said(message: ClientMessage) -> None:
    assert decode_request(encode(message)) == message


@given(messages(NodeMessage))
def test_what_a_node_says_arrives_as_it_was_said(message: NodeMessage) -> None:
    assert decode_node_message(encode(message)) == message


@pytest.mark.parametrize("decode", [decode_request, decode_node_message])
@given(data=GARBAGE)
def test_garbage_is_refused_and_nothing_else_is_raised(
    decode: Callable[[str | bytes], object], data: str | bytes
) -> None:
    refusals: list[Refused] = []
    try:
        decode(data)
    except Refused as refused:
        refusals.append(refused)
    assert all(each.code is ErrorCode.MALFORMED_MESSAGE and len(each.message) < 300 for each in refusals)


@pytest.mark.parametrize(
    ("text", "sentence_has"),
    [
        ("", "truncated"),
        ("{", "truncated"),
        ("[]", "an object"),
        ('{"id":1}', "`topic`"),
        ('{"topic":"dance"}', "`topic`"),
        ('{"topic":"hello"}', "`token`"),
        ('{"topic":"hello","token":7}', "`token`"),
        ('{"topic":"hello","token":"x","tokken":"y"}', "`tokken`"),
        ('{"topic":"join","room":"a","attempt":0}', "`attempt`"),
        ('{"topic":"join","room":"a","attempt":9007199254740992}', "`attempt`"),
        ('{"topic":"ping","id":-1}', "`id`"),
        ('{"topic":"chat","text":"","nonce":"n"}', "`text`"),
        ('{"topic":"candidate","peer":"nobody","candidate":""}', "`peer`"),
        ('{"topic":"mute","muted":true,"track":""}', "`track`"),
        (
            '{"topic":"publish","sdp":"","tracks":[{"mid":"0","kind":"video","source":"camera","alternative_of":""}]}',
            "`tracks[0].alternative_of`",
        ),
        ('{"topic":"prefer","tracks":[{"track":"tr_1","width":-1}]}', "`tracks[0].width`"),
        ('{"topic":"prefer","tracks":[{"track":"tr_1","size":1}]}', "`size`"),
        ('{"topic":"mute","muted":true,"track":"tr_1\\n"}', "`track`"),
        ('{"topic":"mute","muted":true,"track":"' + "x" * 65 + '"}', "`track`"),
        (
            '{"topic":"publish","sdp":"","tracks":[{"mid":"0","kind":"audio","source":"microphone","track":"a b"}]}',
            "`tracks[0].track`",
        ),
        ("[" * 100_000, "an object"),
        ('{"topic":"ping","id":' + "[" * 100_000, "a whole number"),
        ('{"topic":"ping","id":' + "9" * 5_000 + "}", ""),
        ("\ud800", "Unicode"),
    ],
)
def test_the_sentence_says_what_is_wrong_and_where(text: str, sentence_has: str) -> None:
    with pytest.raises(Refused) as caught:
        decode_request(text)
    assert caught.value.code is ErrorCode.MALFORMED_MESSAGE
    assert sentence_has in caught.value.message


def test_a_binary_frame_is_no_message() -> None:
    with pytest.raises(Refused, match="binary"):
        decode_request(b'{"topic":"ping"}')


@pytest.mark.parametrize("decode", [decode_request, decode_node_message])
def test_the_sentence_never_repeats_a_value(decode: Callable[[str | bytes], object]) -> None:
    for text in (
        '{"topic":"candidate","peer":"s3cret","candidate":""}',
        '{"topic":"s3cret"}',
        '{"topic":"hello","token":["s3cret"]}',
        '{"topic":"join","room":"r","attempt":"s3cret"}',
        '"s3cret\'s3cret"',
        "s3cret",
    ):
        with pytest.raises(Refused) as caught:
            decode(text)
        assert "s3cret" not in caught.value.message


def test_the_limit_counts_bytes_of_utf8() -> None:
    message = Hello(token="é" * 10)
    size = len(encode(message).encode())
    assert decode_request(encode(message), max_bytes=size) == message
    with pytest.raises(Refused) as caught:
        decode_request(encode(message), max_bytes=size - 1)
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE


def test_a_node_may_say_more_than_we_know() -> None:
    text = '{"topic":"ping","n":1,"since":"a later version"}'
    assert decode_node_message(text) == decode_node_message('{"topic":"ping","n":1}')


def test_messages_look_as_documented() -> None:
    assert json.loads(encode(Ping(id=3))) == {"topic": "ping", "id": 3}
    assert json.loads(encode(Mute(track=TrackId("tr_1"), muted=True))) == {
        "topic": "mute",
        "id": None,
        "track": "tr_1",
        "muted": True,
    }


def test_what_a_newer_node_says_is_known_for_news_and_garbage_is_not() -> None:
    assert read_node_message('{"topic":"participant_hummed","tune":[1,2]}') is None
    assert read_node_message('{"topic":"ping","n":1}') == NodePing(n=1)
    nested = '{"topic":"x","a":' + "[" * 100_000 + "]" * 100_000 + "}"
    for garbage in (
        '{"topic":"ping","n":"one"}',
        '{"topic":7}',
        "{}",
        '{"topic":"x"',
        "\ud800",
        b'{"topic":"x"}',
        nested,
    ):
        with pytest.raises(Refused):
            read_node_message(garbage)
