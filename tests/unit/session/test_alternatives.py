"""Tracks in two encodings as clients see them; and what other nodes may say of them, sense or not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from session import Subscribe, Want
from session.alternatives import alternatives_of, as_told, tracks_of
from session.rooms import Rooms
from signalling.client.messages import (
    NodeEvent,
    ParticipantInfo,
    ParticipantJoined,
    TrackInfo,
    TrackMuted,
    TrackPublished,
    TrackUnpublished,
)
from signalling.ids import TrackId
from tests.unit.session.test_rooms import N1, N2, ROOM, S1, S2, person, told

A, B = TrackId("a"), TrackId("b")


def track(name: str, of: str | None = None, *, muted: bool = False, sound: bool = False) -> TrackInfo:
    alternative_of = None if of is None else TrackId(of)
    if sound:
        return TrackInfo(track=TrackId(name), kind="audio", source="microphone", alternative_of=alternative_of)
    return TrackInfo(track=TrackId(name), kind="video", source="camera", muted=muted, alternative_of=alternative_of)


def having(*tracks: TrackInfo) -> ParticipantInfo:
    who = person("bob", node=N2)
    return ParticipantInfo(
        participant=who.participant, user=who.user, name=who.name, node=N2, region=who.region, tracks=tracks
    )


NAMES = st.sampled_from(["a", "b", "c", "d"])
TRACKS = st.lists(
    st.builds(track, NAMES, st.none() | NAMES, sound=st.booleans()), max_size=5, unique_by=lambda t: t.track
)


@given(TRACKS, st.frozensets(NAMES.map(TrackId)))
def test_whatever_is_said_each_source_is_sent_once_and_under_an_id_that_was_told(
    tracks: list[TrackInfo], chosen: frozenset[TrackId]
) -> None:
    info = having(*tracks)
    names = [each.track for each in as_told(info).tracks]
    sent = tracks_of({info.participant: info}, chosen)
    assert [each.known_as for each in sent] == names
    assert len({each.track for each in sent}) == len(sent)
    for each in sent:
        assert each.track == (
            alternatives_of(info).get(each.known_as, each.track) if each.known_as in chosen else each.known_as
        )


def test_what_names_no_first_or_another_second_is_nobodys() -> None:
    info = having(track("b", "a"), track("c", "b"), track("d"), track("e", "d", sound=True))
    assert alternatives_of(info) == {}
    assert alternatives_of(having(track("b", "a"), track("a"), track("c", "a"))) == {A: B}


def test_of_a_second_encoding_nobody_here_is_told_anything() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S1, ROOM, person("ann"))
    events: list[NodeEvent] = []
    for tracks in (
        (track("a"), track("b", "a")),
        (track("a"), track("b", "a", muted=True)),
        (track("a", muted=True), track("b", "a", muted=True)),
        (track("a", muted=True),),
        (),
    ):
        events.extend(told(rooms.remote(N2, ROOM, (having(*tracks),)), S1))
    who = having().participant
    assert events == [
        ParticipantJoined(participant=having(track("a"))),
        TrackMuted(participant=who, track=A, muted=True),
        TrackUnpublished(participant=who, track=A),
    ]
    assert not any(isinstance(event, TrackPublished) for event in events)


def test_others_are_listed_with_each_source_once() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.remote(N2, ROOM, (having(track("a"), track("b", "a")),))
    rooms.admit(S1, ROOM, person("ann"))
    assert rooms.others(S1) == (having(track("a")),)


def test_each_session_is_sent_what_it_chose_and_the_choice_outlives_the_tracks() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    both = having(track("a"), track("b", "a"))
    rooms.admit(S1, ROOM, person("ann"))
    rooms.admit(S2, ROOM, person("cat"))
    rooms.remote(N2, ROOM, (both,))
    effects = rooms.choose_alternatives(S1, frozenset({A}))
    assert [(e.session, [t.track for t in e.tracks]) for e in effects if isinstance(e, Subscribe)] == [(S1, ["b"])]
    assert [[t.track for t in e.tracks] for e in effects if isinstance(e, Want)] == [["b", "a"]]
    assert (rooms.played_as(S1, A), rooms.played_as(S2, A), rooms.alternative_of(A)) == (B, A, B)
    rooms.remote(N2, ROOM, (having(),))
    assert rooms.played_as(S1, A) is None
    effects = rooms.remote(N2, ROOM, (having(track("a")),))
    assert rooms.played_as(S1, A) == A
    rooms.remote(N2, ROOM, (both,))
    assert rooms.played_as(S1, A) == B


def test_a_choice_ends_with_the_seat() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.remote(N2, ROOM, (having(track("a"), track("b", "a")),))
    rooms.admit(S1, ROOM, person("ann"))
    rooms.choose_alternatives(S1, frozenset({A}))
    effects = rooms.admit(S2, ROOM, person("ann"))
    assert [[t.track for t in e.tracks] for e in effects if isinstance(e, Subscribe)] == [["a"]]
    assert rooms.choose_alternatives(S1, frozenset({A})) == ()
    effects = (*effects, *rooms.admit(S1, ROOM, person("ann")))
    assert [[t.track for t in e.tracks] for e in effects if isinstance(e, Subscribe)] == [["a"], ["a"]]
    assert [[t.track for t in e.tracks] for e in effects if isinstance(e, Want)] == [["a"]]
