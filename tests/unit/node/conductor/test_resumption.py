"""A reload is invisible to the room: not only who is there stays, but what they send."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from node.conductor.resumption import RESUME_WITHIN_S
from relay import RemoteRoom
from session import MemorySeatStore, RoomMedia, RoomRules
from session.store import Verdict
from signalling.client.messages import (
    Codecs,
    ParticipantLeft,
    Publish,
    Published,
    Replaced,
    TrackIntent,
    TrackPublished,
    TrackUnpublished,
)
from signalling.ids import SessionId
from tests.unit.node.conductor.house import ROOM, SDP, THERE, Mesh, open_house
from tests.unit.node.conductor.test_conductor import FAR, FAR_TRACK
from tests.unit.node.conductor.test_media import refuse

if TYPE_CHECKING:
    from trio.testing import MockClock

    from signalling.ids import TrackId
    from tests.unit.node.conductor.house import House, Person

A_MOMENT_S: Final = 0.1
RENEWAL_S: Final = 2.5 + A_MOMENT_S
"""Until a node knows that one of its seats was taken elsewhere, at most."""
CAMERA: Final = TrackIntent(mid="0", kind="video", source="camera")
MICROPHONE: Final = TrackIntent(mid="1", kind="audio", source="microphone")


def news(person: Person) -> list[TrackPublished | TrackUnpublished | ParticipantLeft]:
    """What it heard of tracks and of who went, since it was asked last."""
    kinds = (TrackPublished, TrackUnpublished, ParticipantLeft)
    heard = [event for event in person.ear.heard if isinstance(event, kinds)]
    person.ear.heard.clear()
    return heard


async def send(person: Person, *intents: TrackIntent) -> list[TrackId]:
    """Publish exactly these; returns their names."""
    published = await person.ask(Publish(sdp=SDP, tracks=intents))
    assert isinstance(published, Published)
    await wait_all_tasks_blocked()
    return [published.tracks[intent.mid] for intent in intents]


async def reloaded(house: House, person: Person, attempt: int) -> Person:
    """Whose page went without a word and is back, with nothing of what it knew."""
    house.conductor.session_closed(person.session, "gone")
    await trio.sleep(1)
    again = await house.enter_with(person.token)
    await again.join(attempt)
    return again


async def test_a_reload_keeps_the_tracks_and_their_names(autojump_clock: MockClock) -> None:
    """The page publishes one after the other, and knows none of their names."""
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        picture, sound = await send(bob, CAMERA, MICROPHONE)
        news(ada)
        announced = mesh.shared[ROOM]
        again = await reloaded(house, bob, 2)
        await trio.sleep(1)
        assert await send(again, CAMERA) == [picture]
        await trio.sleep(1)
        named = TrackIntent(mid="0", kind="video", source="camera", track=picture)
        assert await send(again, named, MICROPHONE) == [picture, sound]
        await trio.sleep(2 * RESUME_WITHIN_S)
        assert news(ada) == []
        assert mesh.shared[ROOM] is announced, "nor is there anything to say to other nodes"


async def test_who_comes_back_without_a_camera_loses_its_picture_when_the_time_is_over(
    autojump_clock: MockClock,
) -> None:
    """Not before; and what was published again stays."""
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        me = (await bob.join()).participant
        picture, sound = await send(bob, CAMERA, MICROPHONE)
        news(ada)
        again = await reloaded(house, bob, 2)
        assert await send(again, MICROPHONE) == [sound]
        await trio.sleep(RESUME_WITHIN_S - A_MOMENT_S)
        assert news(ada) == []
        await trio.sleep(2 * A_MOMENT_S)
        assert news(ada) == [TrackUnpublished(participant=me, track=picture)]
        await trio.sleep(2 * RESUME_WITHIN_S)
        assert news(ada) == []


async def test_each_reload_has_all_the_time(autojump_clock: MockClock) -> None:
    """Also when the time of the reload before ends meanwhile."""
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        me = (await bob.join()).participant
        (picture,) = await send(bob, CAMERA)
        news(ada)
        again = await reloaded(house, bob, 2)
        await trio.sleep(RESUME_WITHIN_S - 2)
        await reloaded(house, again, 3)
        await trio.sleep(RESUME_WITHIN_S - A_MOMENT_S)
        assert news(ada) == []
        await trio.sleep(2 * A_MOMENT_S)
        assert news(ada) == [TrackUnpublished(participant=me, track=picture)]


async def test_who_comes_from_another_node_goes_on_with_what_was_seen_there(autojump_clock: MockClock) -> None:
    """For as long as a page may take to publish it again."""
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        me = (await bob.join()).participant
        await bob.leave()
        there = msgspec.structs.replace(FAR, participant=me)
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(there,)))
        await wait_all_tasks_blocked()
        news(ada)
        await bob.join(2)
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=()))
        await wait_all_tasks_blocked()
        assert mesh.wanted[ROOM] == {}
        assert [track.track for one in mesh.shared[ROOM][1] for track in one.tracks] == [FAR_TRACK]
        await trio.sleep(RESUME_WITHIN_S - A_MOMENT_S)
        assert news(ada) == []
        await trio.sleep(2 * A_MOMENT_S)
        assert news(ada) == [TrackUnpublished(participant=me, track=FAR_TRACK)]


async def test_a_page_that_was_asked_for_something_before_it_had_the_track_is_asked_again() -> None:
    """Somebody who looks on cannot play the picture, and says so between the reload and the publish."""
    async with open_house(media=RoomMedia(codec_policy="restrict")) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        (picture,) = await send(bob, CAMERA)
        again = await house.enter_with(bob.token)
        await again.join(2)
        await refuse(house, ada, picture, "vp8")
        assert len(again.ear.take(Codecs)) == 1
        await send(again, CAMERA)
        assert [event.codecs for event in again.ear.take(Codecs)] == [("vp8",), ("vp8",)]


async def test_who_went_to_a_node_that_says_nothing_of_it_keeps_the_tracks_no_longer(autojump_clock: MockClock) -> None:
    """As when the two nodes have no link: the room sees who the store says is there, and no still picture for ever."""
    store = MemorySeatStore(lease_s=8.0, tombstone_s=60.0)
    async with open_house(store=store) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        me = (await bob.join()).participant
        (picture,) = await send(bob, CAMERA)
        news(ada)
        seat = house.conductor._sessions.seat(bob.session, ROOM)
        assert seat is not None
        there = replace(seat, session=SessionId("a" * 32), node=THERE, attempt=2)
        assert (await store.claim(there, RoomRules(cap=10))).verdict is Verdict.OK
        await trio.sleep(RENEWAL_S)
        assert bob.ear.take(Replaced)
        await trio.sleep(RESUME_WITHIN_S - RENEWAL_S - A_MOMENT_S)
        assert news(ada) == []
        await trio.sleep(RENEWAL_S + 2 * A_MOMENT_S)
        assert news(ada) == [TrackUnpublished(participant=me, track=picture)]
