"""Certificates hold for what they cover, under the keys they were made with, and for nothing else."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from membership.members.certificate import CERTIFICATE_TAG, certificate_holds, statement

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER_PUBLIC = OTHER.public_key().public_bytes_raw()
TAGS = {"c": "test", "i": "ada", "b": "3", "u": "https://ada.example", "z": "of a later version"}
CERTIFICATE = KEY.sign(statement(TAGS))


def holds(*keys: bytes, certificate: bytes = CERTIFICATE, wire: dict[str, str] = TAGS) -> bool:
    return certificate_holds(keys, wire=wire, certificate=certificate)


def test_it_holds_under_either_of_two_live_keys_and_does_not_cover_itself() -> None:
    assert holds(PUBLIC)
    assert holds(OTHER_PUBLIC, PUBLIC)
    assert holds(PUBLIC, wire=TAGS | {CERTIFICATE_TAG: "whatever"})


@pytest.mark.parametrize("change", [*({name: f"{value}0"} for name, value in TAGS.items()), {"new": ""}])
def test_it_holds_for_no_other_tags(change: dict[str, str]) -> None:
    assert not holds(PUBLIC, wire=TAGS | change)


@pytest.mark.parametrize("certificate", [bytes(64), CERTIFICATE[:-1], b""])
def test_garbage_does_not_hold(certificate: bytes) -> None:
    assert not holds(PUBLIC, certificate=certificate)


def test_it_does_not_hold_under_another_key_or_none() -> None:
    assert not holds(OTHER_PUBLIC)
    assert not holds()


tags = st.dictionaries(
    st.text(max_size=3).filter(lambda name: name != CERTIFICATE_TAG), st.text(max_size=3), max_size=4
)


@given(tags, tags)
def test_no_two_sets_of_tags_share_a_statement(one: dict[str, str], other: dict[str, str]) -> None:
    assert (statement(one) == statement(other)) == (one == other)
