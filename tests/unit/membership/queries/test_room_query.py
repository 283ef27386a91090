"""What is said about a room by query: it comes back as it was, and nothing else is taken."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from membership.queries.room_query import MAX_ROOM_QUERY_BYTES, decode_room_query, encode_room_query, mark_of
from signalling.cbor import GarbledError, encode
from signalling.ids import RoomId

names = st.text(min_size=1, max_size=64)


@given(names, st.text("abcdefghij-.", min_size=1, max_size=32))
def test_a_mark_comes_back_and_is_small(room: str, cluster: str) -> None:
    mark = mark_of(RoomId(room), cluster=cluster)
    payload = encode_room_query(mark)
    assert decode_room_query(payload) == mark
    assert len(payload) == 19


@given(names, names)
def test_two_rooms_or_two_clusters_have_two_marks(one: str, other: str) -> None:
    same = one == other
    assert (mark_of(RoomId(one), cluster="c") == mark_of(RoomId(other), cluster="c")) == same
    assert mark_of(RoomId(one), cluster="c") != mark_of(RoomId(one), cluster="d")


@given(st.binary(max_size=2 * MAX_ROOM_QUERY_BYTES))
@example(encode([1, b"x" * 15]))
@example(encode([0, b"x" * 16]))
@example(encode([1, "x" * 16]))
@example(encode({"version": 1, "mark": b"x" * 16}))
@example(encode([1, b"x" * 16]) + b"\x00")
def test_garbage_is_refused(payload: bytes) -> None:
    try:
        mark = decode_room_query(payload)
    except GarbledError:
        return
    assert len(payload) <= MAX_ROOM_QUERY_BYTES
    assert len(mark) == 16


def test_fields_of_a_later_version_are_passed_over_up_to_the_limit() -> None:
    mark = b"m" * 16
    assert decode_room_query(encode([2, mark, "more"])) == mark
    with pytest.raises(GarbledError):
        decode_room_query(encode([2, mark, "x" * MAX_ROOM_QUERY_BYTES]))
