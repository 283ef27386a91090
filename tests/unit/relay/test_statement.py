"""What is said over a link, in messages that a link takes."""

from __future__ import annotations

from typing import Any, cast

from relay.statement import encode_parts
from signalling import cbor
from signalling.client.messages import MAX_TRACKS_PER_PARTICIPANT, ParticipantInfo, TrackInfo
from signalling.ids import MessageId, NodeId, ParticipantId, RoomId, TrackId, UserId, new_track_id
from signalling.mesh.link import (
    MAX_LINK_MESSAGE_BYTES,
    LinkFigures,
    LinkMessage,
    LinkReport,
    LinkReports,
    RoomChat,
    RoomState,
    Want,
)


def somebody(number: int) -> ParticipantInfo:
    """The longest participant there is: the widest characters, and all tracks."""
    return ParticipantInfo(
        participant=ParticipantId(f"pa_{number:016d}"),
        user=UserId("\N{BIRD}" * 128),
        name="\N{BIRD}" * 64,
        node=NodeId("n" * 32),
        region="r" * 32,
        tracks=tuple(
            TrackInfo(track=new_track_id(), kind="audio", source="screen_audio", muted=True)
            for _ in range(MAX_TRACKS_PER_PARTICIPANT)
        ),
    )


def read(data: bytes) -> LinkMessage:
    kind = cast("Any", LinkMessage)
    word: LinkMessage = cbor.decode(data, kind, max_bytes=MAX_LINK_MESSAGE_BYTES)
    return word


def test_what_fits_is_one_message() -> None:
    for word in (
        RoomState(RoomId("hall"), 1, ()),
        RoomState(RoomId("hall"), 1, (somebody(1), somebody(2))),
        Want(TrackId("tr_1"), 7),
    ):
        assert [read(data) for data in encode_parts(word)] == [word]


def test_a_large_room_is_said_in_parts_that_fit_in_order() -> None:
    people = tuple(somebody(number) for number in range(150))
    parts = [read(data) for data in encode_parts(RoomState(RoomId("hall"), 9, people))]
    assert len(parts) > 3
    states = [part for part in parts if isinstance(part, RoomState)]
    assert tuple(person for state in states for person in state.participants) == people
    assert [state.more for state in states] == [True] * (len(parts) - 1) + [False]
    assert [state.part for state in states] == list(range(len(parts)))
    assert {(state.room, state.revision) for state in states} == {("hall", 9)}


def test_what_cannot_be_divided_stays_whole() -> None:
    text = "x" * MAX_LINK_MESSAGE_BYTES
    chat = RoomChat(RoomId("hall"), MessageId("me_1"), ParticipantId("pa_1"), "Ann", text, 1)
    assert len(encode_parts(chat)) == 1


def test_many_reports_of_links_are_said_in_parts_that_fit() -> None:
    links = tuple(LinkFigures(NodeId("n" * 32), 300, 10, 20) for _ in range(300))
    reports = tuple(LinkReport(NodeId(f"n{number}"), 1, 1, links, 1) for number in range(20))
    parts = [read(data) for data in encode_parts(LinkReports(reports))]
    assert len(parts) > 3
    assert tuple(report for part in parts if isinstance(part, LinkReports) for report in part.reports) == reports
