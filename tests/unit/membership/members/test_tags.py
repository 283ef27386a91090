"""Tags: there and back, within Serf's limit, and never an exception for what a peer wrote."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.members.tags import MAX_TAGS_BYTES, NodeTags, UnusableTags, decode_tags, encode_tags, encoded_size_bytes
from tests.unit.membership.samples import TAGS, packed
from tests.unit.membership.samples import tags as any_tags


@given(any_tags)
def test_tags_come_back_as_they_were(tags: NodeTags) -> None:
    wire = encode_tags(tags)
    assert decode_tags(wire) == tags
    assert encoded_size_bytes(wire) <= MAX_TAGS_BYTES


def test_a_node_with_everything_leaves_room_for_more() -> None:
    assert encoded_size_bytes(encode_tags(TAGS)) < 340


def test_without_position_addresses_and_certificate() -> None:
    bare = replace(TAGS, latitude=None, longitude=None, media_addresses=(), certificate=None)
    assert decode_tags(encode_tags(bare)) == bare


def test_the_size_is_the_one_of_the_old_msgpack_form() -> None:
    for wire in (encode_tags(TAGS), {}, {f"n{n}": "v" * n for n in range(40)}):
        assert encoded_size_bytes(wire) == 1 + len(packed(wire, old_form=True))


def test_newer_nodes_may_say_more() -> None:
    assert decode_tags(encode_tags(TAGS) | {"z9": "from the future"}) == TAGS


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"c": None}, "tags_missing"),
        ({"i": None}, "tags_missing"),
        ({"zz": "x" * 400}, "tags_too_large"),
        ({"b": None}, "tags_malformed"),
        ({"b": "-1"}, "tags_malformed"),
        ({"b": "1e3"}, "tags_malformed"),
        ({"b": "٣"}, "tags_malformed"),
        ({"a": "9007199254740992"}, "tags_malformed"),
        ({"i": "Ada!"}, "tags_malformed"),
        ({"c": ""}, "tags_malformed"),
        ({"u": "ftp://x"}, "tags_malformed"),
        ({"u": "http://a b"}, "tags_malformed"),
        ({"u": "http://" + "a" * 200}, "tags_malformed"),
        ({"p": "2-1"}, "tags_malformed"),
        ({"p": "1"}, "tags_malformed"),
        ({"g": "91,0"}, "tags_malformed"),
        ({"g": "0,181"}, "tags_malformed"),
        ({"g": "nan,0"}, "tags_malformed"),
        ({"g": "1"}, "tags_malformed"),
        ({"m": ""}, "tags_malformed"),
        ({"m": "host:1"}, "tags_malformed"),
        ({"m": "1.2.3.4:0"}, "tags_malformed"),
        ({"m": "1.2.3.4"}, "tags_malformed"),
        ({"m": "::1:80"}, "tags_malformed"),
        ({"m": ",".join(["1.2.3.4:1"] * 9)}, "tags_malformed"),
        ({"s": "x"}, "tags_malformed"),
        ({"l": "9"}, "tags_malformed"),
        ({"k": "AAAA"}, "tags_malformed"),
        ({"k": "?" * 43}, "tags_malformed"),
        ({"x": ""}, "tags_malformed"),
    ],
)
def test_what_does_not_hold_is_named(change: dict[str, str | None], code: str) -> None:
    wire = {name: value for name, value in (encode_tags(TAGS) | change).items() if value is not None}
    problem = decode_tags(wire)
    assert isinstance(problem, UnusableTags)
    assert problem.code == code
    assert problem.message


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"public_url": "x"}, "'u'"),
        ({"latitude": None}, "together"),
        ({"boot": -1}, "'b'"),
        ({"public_key": b""}, "'k'"),
        ({"media_addresses": ("a",)}, "'m'"),
    ],
)
def test_what_peers_would_refuse_is_not_sent(change: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        encode_tags(replace(TAGS, **change))  # type: ignore[arg-type]


names = st.sampled_from("cibaorupslkgmxz")


@given(st.dictionaries(names, st.text(max_size=60)), st.booleans())
def test_garbage_is_a_value(garbage: dict[str, str], is_mixed: bool) -> None:
    wire = encode_tags(TAGS) | garbage if is_mixed else garbage
    decoded = decode_tags(wire)
    assert isinstance(decoded, NodeTags | UnusableTags)
    if isinstance(decoded, NodeTags):
        assert decode_tags(encode_tags(decoded)) == decoded
