"""Who comes back goes on with the tracks of before, until they are published again or given up."""

from __future__ import annotations

import msgspec

from session.room_effects import Announce, Want
from session.rooms import Rooms
from signalling.client.messages import ParticipantChanged, TrackPublished, TrackUnpublished
from signalling.ids import ParticipantId, RoomId, TrackId
from tests.unit.session.test_rooms import N1, N2, ROOM, S1, S2, S3, person, told, track

ANN = ParticipantId("pa_ann")


def test_a_move_to_a_node_not_heard_yet_is_invisible_until_that_node_speaks() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S3, ROOM, person("eve"))
    rooms.admit(S1, ROOM, person("ann", "old", "kept"))
    effects = rooms.remove(S1, "replaced", moved_to=N2)
    assert told(effects, S3) == []
    (want,) = [effect for effect in effects if isinstance(effect, Want)]
    assert {(t.track, t.node) for t in want.tracks} == {("old", N2), ("kept", N2)}
    effects = rooms.remote(N2, ROOM, (person("ann", "kept", "new", node=N2),))
    assert told(effects, S3) == [
        TrackUnpublished(participant=ANN, track=TrackId("old")),
        TrackPublished(participant=ANN, track=track("new")),
        ParticipantChanged(participant=ANN, name="Ann", node=N2, region="here"),
    ]


def test_a_move_to_a_node_that_is_not_heard_ends_without_tracks() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S3, ROOM, person("eve"))
    rooms.admit(S1, ROOM, person("ann", "v"))
    rooms.remove(S1, "replaced", moved_to=N2)
    assert told(rooms.give_up_awaited(ROOM, ANN), S3) == [TrackUnpublished(participant=ANN, track=TrackId("v"))]
    assert [info.participant for info in rooms.others(S3)] == [ANN]
    assert rooms.give_up_awaited(RoomId("elsewhere"), ANN) == ()


def test_who_comes_here_from_another_node_goes_on_with_its_tracks() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S3, ROOM, person("eve"))
    rooms.remote(N2, ROOM, (person("ann", "v", node=N2),))
    assert rooms.resumable(ROOM, ANN) == (track("v"),)
    effects = rooms.admit(S1, ROOM, person("ann", "v"))
    effects += rooms.remote(N2, ROOM, ())
    effects += rooms.set_tracks(S1, (track("v"),))
    assert told(effects, S3) == [ParticipantChanged(participant=ANN, name="Ann", node=N1, region="here")]
    assert [effect.tracks for effect in effects if isinstance(effect, Want)] == [()]


def returned(*names: str) -> Rooms:
    """Eve looks on; Ann was here with these tracks and is back in another session."""
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S3, ROOM, person("eve"))
    rooms.admit(S1, ROOM, person("ann"))
    rooms.set_tracks(S1, tuple(track(name) for name in names))
    assert rooms.resumable(ROOM, ANN) == tuple(track(name) for name in names)
    assert rooms.awaited(S1) == ()
    effects = rooms.admit(S2, ROOM, person("ann", *names))
    assert told(effects, S3) == []
    return rooms


def test_who_comes_back_may_publish_one_track_after_the_other() -> None:
    rooms = returned("v", "a")
    assert told(rooms.set_tracks(S2, (track("a"),)), S3) == []
    assert rooms.awaited(S2) == (track("v"),)
    assert told(rooms.set_tracks(S2, (track("a"), track("v"))), S3) == []
    assert rooms.awaited(S2) == ()
    assert rooms.give_up_awaited(ROOM, ANN) == ()
    # Published by this session, a track ends with it.
    effects = rooms.set_tracks(S2, (track("v"),))
    assert told(effects, S3) == [TrackUnpublished(participant=ANN, track=TrackId("a"))]


def test_what_did_not_come_back_is_given_up() -> None:
    rooms = returned("v", "a")
    rooms.set_tracks(S2, (track("a"),))
    effects = rooms.give_up_awaited(ROOM, ANN)
    assert told(effects, S3) == [TrackUnpublished(participant=ANN, track=TrackId("v"))]
    (announced,) = [effect for effect in effects if isinstance(effect, Announce)]
    assert {info.participant: [t.track for t in info.tracks] for info in announced.participants}[ANN] == ["a"]
    assert rooms.give_up_awaited(ROOM, ANN) == ()


def test_a_mute_does_not_make_an_awaited_track_a_published_one() -> None:
    rooms = returned("v", "a")
    rooms.set_tracks(S2, (track("a"),))
    rooms.mute(S2, TrackId("a"), muted=True)
    rooms.mute(S2, TrackId("v"), muted=True)
    assert [known.track for known in rooms.awaited(S2)] == ["v"]
    effects = rooms.give_up_awaited(ROOM, ANN)
    assert told(effects, S3) == [TrackUnpublished(participant=ANN, track=TrackId("v"))]


def test_a_second_encoding_is_not_awaited_once_its_first_is_back() -> None:
    rooms = Rooms(N1, now_ms=lambda: 0)
    rooms.admit(S3, ROOM, person("eve"))
    rooms.choose_alternatives(S3, frozenset({TrackId("v")}))
    second = msgspec.structs.replace(track("w"), alternative_of=TrackId("v"))
    rooms.admit(S2, ROOM, msgspec.structs.replace(person("ann"), tracks=(track("v"), second)))
    assert rooms.played_as(S3, TrackId("v")) == "w"
    effects = rooms.set_tracks(S2, (track("v"),))
    assert told(effects, S3) == []
    assert rooms.played_as(S3, TrackId("v")) == "v", "nobody sends the other one"
