"""Foreign CBOR: what is ours survives, what is hostile is refused quickly."""

from __future__ import annotations

import contextlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalling import cbor
from signalling.ids import TrackId
from signalling.mesh.link import LinkMessage, Want
from signalling.mesh.negotiation import Body, Envelope, LinkBye
from tests.unit.signalling.strategies import messages

LIMIT = 60_000


@given(messages(Envelope))
def test_envelopes_survive(envelope: Envelope) -> None:
    assert cbor.decode(cbor.encode(envelope), Envelope, max_bytes=LIMIT) == envelope


@given(messages(LinkMessage))
def test_link_messages_survive(message: LinkMessage) -> None:
    assert cbor.decode(cbor.encode(message), LinkMessage, max_bytes=LIMIT) == message


@given(st.binary(max_size=200))
def test_garbage_is_garbled_and_nothing_else_is_raised(data: bytes) -> None:
    for kind in (Envelope, LinkMessage):
        with pytest.raises(cbor.GarbledError):
            cbor.decode(data, kind, max_bytes=LIMIT)


@given(messages(LinkMessage), st.data())
def test_a_message_with_flipped_bytes_is_a_message_or_garbled(message: LinkMessage, data: st.DataObject) -> None:
    raw = bytearray(cbor.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(cbor.GarbledError):
        cbor.decode(bytes(raw), LinkMessage, max_bytes=LIMIT)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("a regular expression", cbor2.dumps(cbor2.CBORTag(35, "(a+)+$"))),
        ("an integer by tag", bytes.fromhex("c24401000000")),
        ("an unknown tag", cbor2.dumps(cbor2.CBORTag(6_000, 1))),
        ("a set", cbor2.dumps(cbor2.CBORTag(258, [1]))),
        ("indefinite lengths", b"\x9f\x01\xff"),
        ("duplicate keys", b"\xa2\x61a\x01\x61a\x02"),
        ("deep nesting", b"\x81" * 100 + b"\x01"),
        ("a length without the items", b"\x9b\x00\x00\x00\x01\x00\x00\x00\x00"),
        ("more than one item", cbor.encode(LinkBye("x")) + b"\x01"),
        ("nothing", b""),
    ],
)
def test_hostile_shapes_are_refused(what: str, data: bytes) -> None:
    with pytest.raises(cbor.GarbledError):
        cbor.decode(data, Body, max_bytes=LIMIT)


def test_too_long_is_refused_unread() -> None:
    with pytest.raises(cbor.GarbledError, match="at most 3"):
        cbor.decode(b"\xff\xff\xff\xff", Body, max_bytes=3)


def test_text_is_not_taken_for_bytes() -> None:
    with pytest.raises(cbor.GarbledError):
        cbor.decode(cbor2.dumps(["dGV4dA=="]), list[bytes], max_bytes=LIMIT)


def test_a_later_version_may_append_fields() -> None:
    want = Want(TrackId("tr_1"), 7)
    words = cbor2.loads(cbor.encode(want))
    words += [None] * (1 + len(Want.__struct_fields__) - len(words)) + ["appended"]
    assert cbor.decode(cbor2.dumps(words), LinkMessage, max_bytes=LIMIT) == want
