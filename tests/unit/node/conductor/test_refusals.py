"""Whom one more encoding serves, whoever refuses what, in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from node.conductor.refusals import RefusalBook
from signalling.ids import NodeId, SessionId, TrackId

if TYPE_CHECKING:
    from node.conductor.refusals import Refuser

TRACK = TrackId("tr_1")
CODECS = st.lists(st.sampled_from(["vp8", "vp9", "h264", "av1"]), unique=True, max_size=4).map(tuple)
REFUSALS = st.dictionaries(
    st.tuples(st.from_regex(r"s[1-4]", fullmatch=True).map(SessionId), st.none())
    | st.tuples(st.none(), st.from_regex(r"n[1-4]", fullmatch=True).map(NodeId)),
    CODECS,
    max_size=6,
)


def booked(refusals: dict[Refuser, tuple[str, ...]]) -> RefusalBook:
    book = RefusalBook()
    for refuser, accepted in refusals.items():
        book.refuse(TRACK, refuser, accepted)
    return book


@given(REFUSALS)
def test_every_served_one_plays_each_of_the_codecs_and_nobody_else_would_fit_in(
    refusals: dict[Refuser, tuple[str, ...]],
) -> None:
    served = booked(refusals).serve(TRACK)
    assert bool(served.codecs) == bool(served.refusers) == any(refusals.values())
    for refuser, accepted in refusals.items():
        if refuser in served.refusers:
            assert set(served.codecs) <= set(accepted)
        else:
            assert not set(served.codecs) & set(accepted)


@given(REFUSALS, CODECS)
def test_who_comes_later_takes_nothing_from_who_is_served(
    refusals: dict[Refuser, tuple[str, ...]], accepted: tuple[str, ...]
) -> None:
    book = booked(refusals)
    before = book.serve(TRACK).refusers
    book.refuse(TRACK, (SessionId("later"), None), accepted)
    assert before <= book.serve(TRACK).refusers


@given(REFUSALS, st.data())
def test_who_leaves_takes_nothing_from_who_is_served(
    refusals: dict[Refuser, tuple[str, ...]], data: st.DataObject
) -> None:
    book = booked(refusals)
    before = book.serve(TRACK).refusers
    if refusals:
        gone = data.draw(st.sampled_from(sorted(refusals, key=repr)))
        book.forget(gone)
        assert before - {gone} <= book.serve(TRACK).refusers


@given(REFUSALS)
def test_where_all_share_a_codec_all_are_served(refusals: dict[Refuser, tuple[str, ...]]) -> None:
    book = booked(refusals)
    if common := book.common(TRACK):
        assert book.serve(TRACK).codecs == common
