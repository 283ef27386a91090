from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st

from relay.candidates import MAX_CANDIDATES
from relay.envelope import Garbled, Opened, open_payload, seal, signature_holds
from signalling import cbor
from signalling.ids import NodeId
from signalling.mesh.negotiation import (
    MAX_EVENT_BYTES,
    TARGET_EVENT_BYTES,
    Body,
    Envelope,
    LinkAnswer,
    LinkBye,
    LinkOffer,
    LinkParameters,
    LinkReject,
)

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()

ICE = st.text("abcXYZ019+/", min_size=22, max_size=32)
PARAMETERS = st.builds(
    LinkParameters,
    ufrag=ICE,
    password=ICE,
    fingerprint=st.binary(min_size=32, max_size=32),
    candidates=st.lists(st.text(max_size=60), max_size=3).map(tuple),
)
BODIES = st.one_of(
    st.builds(LinkOffer, PARAMETERS),
    st.builds(LinkAnswer, PARAMETERS),
    st.builds(LinkReject, st.text(max_size=20), st.integers(0, 2**40)),
    st.builds(LinkBye, st.text(max_size=20)),
)
COUNTERS = st.integers(0, 2**53 - 1)


def envelope(body: Body, *, sequence: int = 3, incarnation: int = 7, correlation: bytes = b"") -> Envelope:
    return Envelope(
        version=1,
        cluster="prod",
        sender=NodeId("eu-1"),
        receiver=NodeId("vn-1"),
        message_id=b"12345678",
        correlation_id=correlation,
        incarnation=incarnation,
        sequence=sequence,
        expires_ms=1_800_000_000_000,
        body=body,
    )


def opened(payload: bytes) -> Opened:
    result = open_payload(payload)
    assert isinstance(result, Opened)
    return result


@given(body=BODIES, sequence=COUNTERS, incarnation=COUNTERS, correlation=st.binary(max_size=8))
def test_what_is_sealed_opens_to_the_same_and_its_signature_holds(
    body: Body, sequence: int, incarnation: int, correlation: bytes
) -> None:
    original = envelope(body, sequence=sequence, incarnation=incarnation, correlation=correlation)
    result = opened(seal(original, KEY))
    assert msgspec.structs.replace(result.envelope, signature=b"") == original
    assert signature_holds(PUBLIC, result.signed, result.envelope.signature)


@given(body=BODIES, position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_is_noticed(body: Body, position: int, flip: int) -> None:
    payload = bytearray(seal(envelope(body), KEY))
    payload[position % len(payload)] ^= flip
    result = open_payload(bytes(payload))
    assert isinstance(result, Garbled) or not signature_holds(PUBLIC, result.signed, result.envelope.signature)


@given(st.binary(max_size=1000))
@example(cbor.encode([1, "prod", "a", "b", b"12345678", b"", 1, 1, 1, [4, "x"], b"s" * 64])[:-1] + b"\xf7")
@example(b"\x8c" + cbor.encode(envelope(LinkBye("x")))[1:] + b"\xf7")
def test_garbage_is_a_value_and_never_an_error(payload: bytes) -> None:
    result = open_payload(payload)
    assert isinstance(result, Garbled | Opened)


def test_fields_that_a_later_version_appends_are_signed_and_do_no_harm() -> None:
    plain: list[object] = cbor.decode(seal(envelope(LinkBye("idle")), KEY), list, max_bytes=MAX_EVENT_BYTES)
    later = [*plain, {"colour": "blue"}, 7]
    later[10] = b""
    later[10] = KEY.sign(b"starling/mesh-event/1\x00" + cbor.encode(later))
    result = opened(cbor.encode(later))
    assert signature_holds(PUBLIC, result.signed, result.envelope.signature)
    later[-1] = 8
    changed = opened(cbor.encode(later))
    assert not signature_holds(PUBLIC, changed.signed, changed.envelope.signature)


def test_a_signature_for_another_purpose_does_not_pass() -> None:
    unsigned = envelope(LinkBye("idle"))
    bare = msgspec.structs.replace(unsigned, signature=KEY.sign(cbor.encode(unsigned)))
    result = opened(cbor.encode(bare))
    assert not signature_holds(PUBLIC, result.signed, result.envelope.signature)


def test_a_key_that_is_none_holds_nothing() -> None:
    assert not signature_holds(b"short", b"", b"s" * 64)


def parameters(candidates: int) -> LinkParameters:
    texts = tuple(f"srflx 203.0.113.{100 + index} {50000 + index}" for index in range(candidates))
    return LinkParameters("ufragufr", "p" * 24, b"f" * 32, texts)


def test_an_ordinary_offer_meets_the_target_and_the_largest_one_fits() -> None:
    assert len(seal(envelope(LinkOffer(parameters(2))), KEY)) <= TARGET_EVENT_BYTES
    widest = LinkParameters(
        "u" * 32,
        "p" * 64,
        b"f" * 32,
        tuple(f"srflx 2001:0db8:85a3:1111:2222:8a2e:0370:733{index} 65535" for index in range(MAX_CANDIDATES)),
    )
    assert len(seal(envelope(LinkOffer(widest), sequence=2**53 - 1, incarnation=2**53 - 1), KEY)) <= MAX_EVENT_BYTES


def test_what_does_not_fit_an_event_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="at most"):
        seal(envelope(LinkOffer(parameters(30))), KEY)


@pytest.mark.parametrize(
    "change",
    [
        {"sender": NodeId("Not a node")},
        {"receiver": NodeId("")},
        {"message_id": b"short"},
        {"incarnation": -1},
        {"sequence": 2**60},
        {"body": LinkOffer(LinkParameters("u", "p" * 24, b"f" * 32, ()))},
        {"body": LinkOffer(LinkParameters("user", "p" * 24, b"f", ()))},
        {"body": LinkAnswer(LinkParameters("user", "p\r\na=x" * 5, b"f" * 32, ()))},
    ],
)
def test_what_is_out_of_shape_is_garbled(change: dict[str, object]) -> None:
    odd = msgspec.structs.replace(envelope(LinkBye("idle")), **change)
    assert isinstance(open_payload(seal(odd, KEY)), Garbled)
