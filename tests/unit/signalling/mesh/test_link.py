"""What nodes say over a link, word by word: each survives, and nothing that only looks like one gets in."""

from __future__ import annotations

from typing import Any, get_args

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalling import cbor
from signalling.ids import MessageId, ParticipantId, RoomId, SessionId
from signalling.mesh.link import (
    MAX_LINK_MESSAGE_BYTES,
    ChatBefore,
    HolderQuestion,
    HolderWord,
    LinkMessage,
    RoomChat,
)
from tests.unit.signalling.strategies import messages

WORDS: tuple[type[Any], ...] = get_args(LinkMessage)
ITEMS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)

EXAMPLES = 40
"""Of each word; `test_cbor.py` draws 100 among all of them."""

SAID = RoomChat(RoomId("hall"), MessageId("me_1"), ParticipantId("pa_1"), "Ann", "hello", 1, "n1")


def read(data: bytes) -> Any:
    return cbor.decode(data, LinkMessage, max_bytes=MAX_LINK_MESSAGE_BYTES)


def tag_of(word: type[Any]) -> int:
    tag = word.__struct_config__.tag
    assert isinstance(tag, int)
    return tag


def test_every_word_has_a_tag_of_its_own() -> None:
    assert len({tag_of(word) for word in WORDS}) == len(WORDS) >= 9


@pytest.mark.parametrize("word", WORDS)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_word_survives_whole_and_not_cut_off(word: type[Any], data: st.DataObject) -> None:
    said = data.draw(messages(word))
    raw = cbor.encode(said)
    heard = read(raw)
    assert type(heard) is word
    assert heard == said
    with pytest.raises(cbor.GarbledError):
        read(raw[: data.draw(st.integers(0, len(raw) - 1))])


@pytest.mark.parametrize("word", WORDS)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_a_word_of_any_items_is_that_word_or_garbled(word: type[Any], data: st.DataObject) -> None:
    """Past the tag anything may stand, which is nearly right now and then, as one item is changed at a time."""
    plain = cbor2.loads(cbor.encode(data.draw(messages(word))))
    items = data.draw(st.lists(ITEMS, max_size=6) | st.just(plain[1:]))
    if items:
        items[data.draw(st.integers(0, len(items) - 1))] = data.draw(ITEMS)
    try:
        heard = read(cbor2.dumps([tag_of(word), *items]))
    except cbor.GarbledError:
        return
    assert type(heard) is word
    assert read(cbor.encode(heard)) == heard, "what was taken can be said again"


@pytest.mark.parametrize(
    "items",
    [
        [10],
        [10, "se_1"],
        [10, 7, "hall"],
        [10, "se_1", None],
        [11, "se_1"],
        [11, "se_1", 1],
        [11, "se_1", "true"],
        [11, None, True],
        [12, "hall"],
        [12, "hall", None],
        [12, "hall", [None]],
        [12, "hall", [[5, "hall", "me_1", "pa_1", "Ann", "hello"]]],
        [12, "hall", [[6, "hall", "me_1", "pa_1", "Ann", "hello", 1]]],
        [12, "hall", {"0": "hello"}],
        [13_000, "hall"],
        ["10", "se_1", "hall"],
        [True, "se_1", "hall"],
        [],
    ],
    ids=str,
)
def test_what_is_nearly_a_word_is_garbled(items: list[object]) -> None:
    with pytest.raises(cbor.GarbledError):
        read(cbor2.dumps(items))


def test_words_look_as_they_always_did() -> None:
    """Nodes of another version read by place, so a field's place is part of the protocol."""
    for word, items in (
        (HolderQuestion(SessionId("se_1"), RoomId("hall")), [10, "se_1", "hall"]),
        (HolderWord(SessionId("se_1"), RoomId("hall"), is_there=True), [11, "se_1", "hall", True]),
        (ChatBefore(RoomId("hall"), (SAID,)), [12, "hall", [[5, "hall", "me_1", "pa_1", "Ann", "hello", 1, "n1"]]]),
    ):
        assert cbor.encode(word) == cbor2.dumps(items)
        assert read(cbor2.dumps([*items, "appended by a later version"])) == word


def test_what_was_said_before_has_a_limit() -> None:
    chats = (SAID,) * (MAX_LINK_MESSAGE_BYTES // 16)
    with pytest.raises(cbor.GarbledError, match=f"at most {MAX_LINK_MESSAGE_BYTES}"):
        read(cbor.encode(ChatBefore(RoomId("hall"), chats)))
