"""Rooms with second encodings: who is asked for one, who plays it, who is told that it does not come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from node.conductor.second_clock import SECOND_LINGERS_S, SECOND_WITHIN_S
from relay import RemoteRestriction, RemoteRoom
from session import RoomMedia
from sfu import protocol as p
from signalling.client.messages import (
    Codecs,
    Offer,
    Prefer,
    Publish,
    Published,
    SecondWanted,
    TrackInfo,
    TrackIntent,
    TrackOnMid,
    TrackPreference,
    TrackPublished,
    TrackRefused,
    TrackUnpublished,
)
from signalling.ids import PeerId, TrackId
from tests.unit.node.conductor.house import ROOM, SDP, THERE, Mesh, open_house
from tests.unit.node.conductor.test_conductor import FAR, FAR_TRACK
from tests.unit.node.conductor.test_media import refuse

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from tests.unit.node.conductor.house import House, Person

SECOND: Final = RoomMedia(codec_policy="second")
FAR_SECOND: Final = TrackId("tr_far_second")
FAR_TWICE: Final = msgspec.structs.replace(
    FAR,
    tracks=(
        *FAR.tracks,
        TrackInfo(track=FAR_SECOND, kind="video", source="camera", alternative_of=FAR_TRACK),
    ),
)
A_MOMENT_S: Final = 0.5


def second_house(mesh: Mesh | None = None) -> AbstractAsyncContextManager[House]:
    return open_house(mesh=mesh, media=SECOND)


async def seated(house: House, *names: str) -> list[Person]:
    people = [await house.enter(name) for name in names]
    for person in people:
        await person.join()
    return people


async def double(person: Person, first: TrackId, second: TrackId | None = None) -> TrackId:
    """Publish a camera and the same once more; returns the second's id."""
    camera = TrackIntent(mid="0", kind="video", source="camera", track=first)
    again = TrackIntent(mid="1", kind="video", source="camera", track=second, alternative_of=first)
    published = await person.ask(Publish(sdp=SDP, tracks=(camera, again)))
    assert isinstance(published, Published)
    await wait_all_tasks_blocked()
    return published.tracks["1"]


async def keep(person: Person, first: TrackId) -> None:
    """Publish a camera alone."""
    await person.ask(Publish(sdp=SDP, tracks=(TrackIntent(mid="0", kind="video", source="camera", track=first),)))
    await wait_all_tasks_blocked()


def sent_to(house: House, person: Person) -> list[TrackId]:
    """What the engine was last told to send this one."""
    peer = PeerId(f"sub:{person.session}")
    said = [each for each in house.engine.commands if isinstance(each, p.Subscribe) and each.peer == peer]
    return [track.track for track in said[-1].tracks]


def asked(person: Person) -> list[tuple[str, ...]]:
    return [event.codecs for event in person.ear.take(SecondWanted)]


# --- who plays what ---


async def test_each_is_sent_the_one_that_it_plays_and_nobody_hears_of_two(autojump_clock: MockClock) -> None:
    async with second_house() as house:
        ada, bob, cleo = await seated(house, "Ada", "Bob", "Cleo")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8", "h264")
        assert ada.ear.take(SecondWanted) == [SecondWanted(track=first, codecs=("vp8", "h264"))]
        assert not ada.ear.take(Codecs), "the first stays as it is"
        second = await double(ada, first)
        assert (sent_to(house, bob), sent_to(house, cleo)) == ([second], [first])
        await trio.sleep(SECOND_WITHIN_S + A_MOMENT_S)
        dora = await house.enter("Dora")
        joined = await dora.join()
        for person in (bob, cleo):
            assert [event.track.track for event in person.ear.take(TrackPublished)] == [first]
            assert not person.ear.take(TrackRefused)
        assert [[track.track for track in info.tracks] for info in joined.participants if info.tracks] == [[first]]


async def test_the_second_comes_under_the_first_ones_id_and_follows_wishes_for_it() -> None:
    async with second_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        seat = await ada.join()
        await bob.join()
        (first,) = await ada.publish("video")
        await bob.ask(Prefer(tracks=(TrackPreference(track=first, width=320, height=180),)))
        await refuse(house, bob, first, "vp8")
        second = await double(ada, first)
        said = [each for each in house.engine.commands if isinstance(each, p.Prefer)]
        assert [[wish.track for wish in each.tracks] for each in said] == [[first], [second]]
        peer = PeerId(f"sub:{bob.session}")
        await house.engine.say(p.Offered(peer=peer, generation=2, sdp=SDP, tracks={"1": second}))
        await wait_all_tasks_blocked()
        assert bob.ear.take(Offer)[-1].tracks == (TrackOnMid(mid="1", track=first, participant=seat.participant),)


async def test_when_the_second_ends_its_place_is_the_first_ones_again() -> None:
    async with second_house() as house:
        ada, bob = await seated(house, "Ada", "Bob")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8")
        await double(ada, first)
        await keep(ada, first)
        assert sent_to(house, bob) == [first]
        assert not bob.ear.take(TrackUnpublished)


async def test_two_who_share_a_codec_share_the_second(autojump_clock: MockClock) -> None:
    async with second_house() as house:
        ada, bob, cleo = await seated(house, "Ada", "Bob", "Cleo")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8", "h264")
        await refuse(house, cleo, first, "h264", "vp9")
        assert asked(ada) == [("vp8", "h264"), ("h264",)]
        second = await double(ada, first)
        assert (sent_to(house, bob), sent_to(house, cleo)) == ([second], [second])
        await bob.leave()
        assert asked(ada)[2:] == [("h264", "vp9")]


async def test_who_shares_no_codec_with_those_before_is_told_and_takes_nothing_from_them() -> None:
    async with second_house() as house:
        ada, bob, cleo = await seated(house, "Ada", "Bob", "Cleo")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8")
        await refuse(house, cleo, first, "h264")
        second = await double(ada, first)
        assert asked(ada) == [("vp8",)]
        assert (sent_to(house, bob), sent_to(house, cleo)) == ([second], [first])
        (refusal,) = cleo.ear.take(TrackRefused)
        assert refusal.message == "Ada's camera is sent as AV1, which this device cannot play."
        assert not bob.ear.take(TrackRefused)
        await bob.leave()
        assert asked(ada) == [("vp8",), ("h264",)], "now there is a place"


async def test_who_shares_no_codec_any_more_gets_the_first_again_and_the_reason() -> None:
    async with second_house() as house:
        ada, bob, cleo = await seated(house, "Ada", "Bob", "Cleo")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8", "h264")
        await refuse(house, cleo, first, "h264")
        second = await double(ada, first)
        await refuse(house, bob, second, "vp8", codec="h264")
        await refuse(house, bob, first, "vp8")
        assert asked(ada)[-1] == ("vp8",)
        assert sent_to(house, cleo) == [first]
        await refuse(house, cleo, first, "h264")
        assert len(cleo.ear.take(TrackRefused)) == 1


# --- what does not come ---


async def test_who_waits_in_vain_is_told_why_after_some_seconds_and_once(autojump_clock: MockClock) -> None:
    """A publisher that cannot, or does not know what it was asked for, publishes nothing."""
    async with second_house() as house:
        ada, bob = await seated(house, "Ada", "Bob")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8")
        await trio.sleep(SECOND_WITHIN_S - A_MOMENT_S)
        assert not bob.ear.take(TrackRefused)
        await trio.sleep(10 * SECOND_WITHIN_S)
        (refusal,) = bob.ear.take(TrackRefused)
        assert (refusal.track, refusal.codec, refusal.accepted) == (first, "av1", ("vp8",))
        assert refusal.message == "Ada's camera is sent as AV1, which this device cannot play."
        second = await double(ada, first)
        assert sent_to(house, bob) == [second], "late is better than never"


async def test_who_cannot_play_the_second_either_is_told_under_the_first_ones_id(autojump_clock: MockClock) -> None:
    async with second_house() as house:
        ada, bob = await seated(house, "Ada", "Bob")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8")
        second = await double(ada, first)
        await trio.sleep(SECOND_WITHIN_S + A_MOMENT_S)
        await refuse(house, bob, second, "vp8", codec="vp9")
        await trio.sleep(SECOND_WITHIN_S + A_MOMENT_S)
        assert [(refusal.track, refusal.codec) for refusal in bob.ear.take(TrackRefused)] == [(first, "vp9")]
        assert asked(ada) == [("vp8",)]


async def test_a_second_that_another_one_replaces_in_time_is_no_news(autojump_clock: MockClock) -> None:
    async with second_house() as house:
        ada, bob, cleo = await seated(house, "Ada", "Bob", "Cleo")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8", "h264")
        second = await double(ada, first)
        await refuse(house, cleo, first, "h264")
        await refuse(house, cleo, second, "h264", codec="vp8")
        third = await double(ada, first)
        assert (sent_to(house, bob), sent_to(house, cleo)) == ([third], [third])
        await trio.sleep(SECOND_WITHIN_S + A_MOMENT_S)
        assert not cleo.ear.take(TrackRefused)


async def test_nothing_is_asked_for_where_no_codec_would_help() -> None:
    """One who plays no picture at all; the same codec in another profile; and sound, of which there is one codec."""
    async with second_house() as house:
        ada, blind, odd, deaf = await seated(house, "Ada", "Blind", "Odd", "Deaf")
        picture, sound = await ada.publish("video", "audio")
        await refuse(house, blind, picture)
        await refuse(house, odd, picture, "h264", codec="h264")
        await refuse(house, deaf, sound, "pcmu", codec="opus")
        assert not asked(ada)
        for person in (blind, odd, deaf):
            assert len(person.ear.take(TrackRefused)) == 1


# --- what nobody needs any more ---


async def test_the_second_ends_some_seconds_after_the_last_who_needed_it(autojump_clock: MockClock) -> None:
    async with second_house() as house:
        ada, bob = await seated(house, "Ada", "Bob")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8")
        await double(ada, first)
        await bob.leave()
        await trio.sleep(SECOND_LINGERS_S - A_MOMENT_S)
        assert asked(ada) == [("vp8",)]
        await trio.sleep(2 * A_MOMENT_S)
        assert asked(ada) == [("vp8",), ()]
        await keep(ada, first)
        await trio.sleep(2 * SECOND_LINGERS_S)
        assert asked(ada) == [("vp8",), ()]


async def test_who_comes_back_is_served_anew_and_every_absence_has_the_whole_pause(autojump_clock: MockClock) -> None:
    async with second_house() as house:
        ada, bob = await seated(house, "Ada", "Bob")
        (first,) = await ada.publish("video")
        for attempt in (2, 3):
            await refuse(house, bob, first, "vp8")
            await bob.leave()
            await trio.sleep(SECOND_LINGERS_S - A_MOMENT_S)
            await bob.join(attempt)
        assert asked(ada) == [("vp8",)]
        await trio.sleep(2 * A_MOMENT_S)
        assert asked(ada) == [("vp8",), ()], "also what was not published yet is not wanted any more"
        await refuse(house, bob, first, "vp8")
        assert asked(ada) == [("vp8",), (), ("vp8",)]


async def test_who_comes_back_waits_anew(autojump_clock: MockClock) -> None:
    async with second_house() as house:
        ada, bob = await seated(house, "Ada", "Bob")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8")
        await bob.leave()
        await trio.sleep(SECOND_WITHIN_S - A_MOMENT_S)
        await bob.join(2)
        await refuse(house, bob, first, "vp8")
        await trio.sleep(2 * A_MOMENT_S)
        assert not bob.ear.take(TrackRefused)


async def test_a_reload_does_not_end_the_second_and_finds_it_at_once(autojump_clock: MockClock) -> None:
    async with second_house() as house:
        ada, bob = await seated(house, "Ada", "Bob")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8")
        second = await double(ada, first)
        newer = await house.enter_with(bob.token)
        await newer.join(2)
        await trio.sleep(SECOND_LINGERS_S - A_MOMENT_S)
        assert sent_to(house, newer) == [first], "a page that was loaded anew may play other codecs"
        await refuse(house, newer, first, "vp8")
        assert sent_to(house, newer) == [second]
        await trio.sleep(2 * SECOND_LINGERS_S)
        assert asked(ada) == [("vp8",)]
        assert not newer.ear.take(TrackRefused)


async def test_a_second_that_came_along_from_elsewhere_ends_where_nobody_needs_it(autojump_clock: MockClock) -> None:
    """A publisher that changed its node brings the second; this node asked for none, and nobody here or there does."""
    async with second_house() as house:
        (ada,) = await seated(house, "Ada")
        await double(ada, TrackId("tr_first"), TrackId("tr_second"))
        await trio.sleep(SECOND_LINGERS_S + A_MOMENT_S)
        assert asked(ada) == [()]


async def test_a_publisher_is_asked_again_on_a_new_connection_and_only_there() -> None:
    async with second_house() as house:
        ada, bob = await seated(house, "Ada", "Bob")
        (first,) = await ada.publish("video")
        await refuse(house, bob, first, "vp8")
        await keep(ada, first)
        assert asked(ada) == [("vp8",)]
        newer = await house.enter_with(ada.token)
        await newer.join(2)
        await keep(newer, first)
        assert asked(newer) == [("vp8",)]


# --- over links ---


async def test_a_publisher_on_another_node_is_asked_over_the_link_and_its_second_is_played_here() -> None:
    mesh = Mesh()
    async with second_house(mesh) as house:
        bob, cleo = await seated(house, "Bob", "Cleo")
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        await wait_all_tasks_blocked()
        await refuse(house, bob, FAR_TRACK, "vp8")
        assert mesh.restrictions == [(THERE, FAR_TRACK, ("vp8",))]
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR_TWICE,)))
        await wait_all_tasks_blocked()
        assert (sent_to(house, bob), sent_to(house, cleo)) == ([FAR_SECOND], [FAR_TRACK])
        assert set(mesh.wanted[ROOM]) == {FAR_TRACK, FAR_SECOND}
        assert not [event for event in bob.ear.take(TrackPublished) if event.track.track == FAR_SECOND]
        await bob.leave()
        assert set(mesh.wanted[ROOM]) == {FAR_TRACK}, "what nobody here plays crosses no link"
        assert mesh.restrictions[-1] == (THERE, FAR_TRACK, ())


async def test_a_node_that_speaks_anew_is_told_anew_what_is_refused_here() -> None:
    """Its link was down, or the publisher came to it from another one: it may know of nothing."""
    mesh = Mesh()
    async with second_house(mesh) as house:
        (bob,) = await seated(house, "Bob")
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        await wait_all_tasks_blocked()
        await refuse(house, bob, FAR_TRACK, "vp8")
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(), is_lost=True))
        await wait_all_tasks_blocked()
        del mesh.restrictions[:]
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR_TWICE,)))
        await wait_all_tasks_blocked()
        assert mesh.restrictions == [(THERE, FAR_TRACK, ("vp8",))]
        assert sent_to(house, bob) == [FAR_SECOND]


async def test_another_node_asks_for_its_people_until_it_takes_that_back(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with second_house(mesh) as house:
        (ada,) = await seated(house, "Ada")
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        (first,) = await ada.publish("video")
        await mesh.say.send(RemoteRestriction(node=THERE, track=first, codecs=("vp8",)))
        await wait_all_tasks_blocked()
        second = await double(ada, first)
        announced = mesh.shared[ROOM][1][0].tracks
        assert [(track.track, track.alternative_of) for track in announced] == [(first, None), (second, first)]
        await mesh.say.send(RemoteRestriction(node=THERE, track=first, codecs=()))
        await trio.sleep(SECOND_LINGERS_S + A_MOMENT_S)
        assert asked(ada) == [("vp8",), ()]


# --- other policies ---


async def test_under_another_policy_nobody_is_asked_for_a_second() -> None:
    for policy in ("restrict", "tell"):
        media = msgspec.convert({"codec_policy": policy}, RoomMedia)
        async with open_house(media=media) as house:
            ada, bob = await seated(house, "Ada", "Bob")
            (first,) = await ada.publish("video")
            await refuse(house, bob, first, "vp8")
            assert not asked(ada)
            assert len(bob.ear.take(TrackRefused)) == 1
