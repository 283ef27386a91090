"""What the engine says of media reaches whom it concerns; what clients wish and rooms allow reaches the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio.testing import MockClock, wait_all_tasks_blocked

from relay import RemoteRestriction, RemoteRoom
from session import RoomMedia
from sfu import protocol as p
from signalling.client.messages import (
    Codecs,
    Error,
    Layers,
    Ok,
    Prefer,
    Publish,
    Restart,
    Speaker,
    Speakers,
    TrackIntent,
    TrackPreference,
    TrackRefused,
)
from signalling.ids import PeerId, RoomId, TrackId
from tests.unit.node.conductor.house import ROOM, SDP, THERE, Mesh, open_house
from tests.unit.node.conductor.test_conductor import FAR, FAR_TRACK

if TYPE_CHECKING:
    from tests.unit.node.conductor.house import House, Person

WISH = TrackPreference(track=TrackId("tr_1"), width=320, height=180, priority=200)
SAID = p.PreferredTrack(track=TrackId("tr_1"), width=320, height=180, priority=200, paused=False)


def told(house: House, *kinds: type[p.Command]) -> list[p.NodeCommand]:
    """What the engine of the moment was told of these kinds, in order."""
    return [command for command in house.engine.commands if isinstance(command, kinds)]


async def refuse(house: House, person: Person, track: TrackId, *accepted: str, codec: str = "av1") -> None:
    """The engine finds that this person cannot play a track."""
    peer = PeerId(f"sub:{person.session}")
    await house.engine.say(p.TrackRefused(peer=peer, track=track, codec=codec, accepted=accepted))
    await wait_all_tasks_blocked()


# --- wishes ---


async def test_wishes_reach_the_engine_after_the_tracks_and_again_after_its_death(autojump_clock: MockClock) -> None:
    """A subscriber that the engine does not have can wish for nothing, so the order is part of it."""
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        assert await ada.ask(Prefer(tracks=(WISH,))) == Ok()
        await wait_all_tasks_blocked()
        assert [command.tracks for command in told(house, p.Prefer) if isinstance(command, p.Prefer)] == [(SAID,)]
        await house.engine.die()
        while len(ada.ear.take(Restart)) == 0:
            await wait_all_tasks_blocked()
            autojump_clock.jump(0.1)
        await wait_all_tasks_blocked()
        assert [type(command) for command in told(house, p.Subscribe, p.Prefer)] == [p.Subscribe, p.Prefer]


async def test_the_same_wishes_are_said_once_and_die_with_the_seat() -> None:
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        for _ in range(2):
            await ada.ask(Prefer(tracks=(WISH,)))
            await wait_all_tasks_blocked()
        await ada.leave()
        await ada.join(2)
        assert len(told(house, p.Prefer)) == 1


async def test_who_publishes_alone_is_still_known_as_one_who_hears() -> None:
    """Data messages come without tracks, so the engine knows every seat from the start."""
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        assert [command.tracks for command in told(house, p.Subscribe) if isinstance(command, p.Subscribe)] == [()]


# --- limits ---


async def test_limits_are_stated_before_anybody_of_the_room_and_again_to_a_new_engine(
    autojump_clock: MockClock,
) -> None:
    media = RoomMedia(loudest=3, max_height=720, max_bitrate_bps=1_000_000)
    async with open_house(media=media) as house:
        ada = await house.enter("Ada")
        await ada.join()
        (said,) = told(house, p.SetRoom)
        assert isinstance(said, p.SetRoom)
        assert (said.room, said.loudest, said.max_height, said.max_bitrate_bps) == (ROOM, 3, 720, 1_000_000)
        order = [type(command) for command in told(house, p.SetRoom, p.Subscribe)]
        assert order == [p.SetRoom, p.Subscribe]
        await house.engine.die()
        while len(ada.ear.take(Restart)) == 0:
            await wait_all_tasks_blocked()
            autojump_clock.jump(0.1)
        await wait_all_tasks_blocked()
        assert [type(command) for command in told(house, p.SetRoom, p.Subscribe)] == order
        bob = await house.enter("Bob")
        await bob.join()
        await ada.leave()
        assert not told(house, p.CloseRoom)
        await bob.leave()
        assert len(told(house, p.CloseRoom)) == len(told(house, p.SetRoom)) == 1


async def test_a_room_without_limits_costs_no_words() -> None:
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        await ada.leave()
        assert not told(house, p.SetRoom, p.CloseRoom)


# --- what the engine says ---


async def test_layers_reach_the_publisher_alone() -> None:
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        (track,) = await ada.publish("video")
        wanted = {"q": True, "h": False, "f": False}
        peer = PeerId(f"pub:{ada.session}")
        await house.engine.say(p.LayersWanted(peer=peer, track=track, encodings=wanted, spatial=None))
        await wait_all_tasks_blocked()
        assert ada.ear.take(Layers) == [Layers(track=track, encodings=wanted)]
        assert not bob.ear.take(Layers)


async def test_speakers_reach_the_room_by_name_and_nobody_unknown() -> None:
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        joined = await ada.join()
        await bob.join()
        (track,) = await ada.publish("audio")
        speakers = (p.Speaker(track=TrackId("tr_gone"), level_db=-9), p.Speaker(track=track, level_db=-20))
        await house.engine.say(p.Speakers(room=ROOM, speakers=speakers))
        await wait_all_tasks_blocked()
        expected = Speakers(speakers=(Speaker(participant=joined.participant, track=track, level_db=-20),))
        assert ada.ear.take(Speakers) == bob.ear.take(Speakers) == [expected]


async def test_a_thread_of_the_engine_that_dies_is_one_restart_for_each_client() -> None:
    """Both peers of a client end together; the second is no news, and what was wished is said again."""
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        await ada.publish("video")
        await ada.ask(Prefer(tracks=(WISH,)))
        await wait_all_tasks_blocked()
        before = len(house.engine.commands)
        ends = [PeerId(f"{side}:{ada.session}") for side in ("pub", "sub")]
        await house.engine.say(*(p.PeerState(peer=peer, state="closed", reason="worker_lost") for peer in ends))
        await wait_all_tasks_blocked()
        assert ada.ear.take(Restart) == [Restart(epoch=1)]
        after = [type(command) for command in house.engine.commands[before:]]
        assert after == [p.ClosePeer, p.ClosePeer, p.Subscribe, p.Prefer]


async def test_a_new_engine_hears_nobody_until_it_says_so_and_who_comes_in_is_told_who_speaks(
    autojump_clock: MockClock,
) -> None:
    """The new one says nothing of those who stay silent, and no engine says anything twice."""
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        (track,) = await ada.publish("audio")
        await house.engine.say(p.Speakers(room=ROOM, speakers=(p.Speaker(track=track, level_db=-20),)))
        await wait_all_tasks_blocked()
        bob = await house.enter("Bob")
        await bob.join()
        assert [[one.track for one in event.speakers] for event in bob.ear.take(Speakers)] == [[track]]
        await house.engine.die()
        while len(bob.ear.take(Restart)) == 0:
            await wait_all_tasks_blocked()
            autojump_clock.jump(0.1)
        await wait_all_tasks_blocked()
        assert bob.ear.take(Speakers)[-1] == ada.ear.take(Speakers)[-1] == Speakers(speakers=())


# --- codecs ---


async def test_a_publisher_is_asked_for_what_everybody_plays_until_nobody_needs_it() -> None:
    async with open_house() as house:
        ada, bob, cleo = [await house.enter(name) for name in ("Ada", "Bob", "Cleo")]
        for person in (ada, bob, cleo):
            await person.join()
        (track,) = await ada.publish("video")
        await refuse(house, bob, track, "vp8", "h264")
        await refuse(house, cleo, track, "h264", "vp9")
        await bob.leave()
        await cleo.leave()
        assert [event.codecs for event in ada.ear.take(Codecs)] == [("vp8", "h264"), ("h264",), ("h264", "vp9"), ()]
        (refusal,) = bob.ear.take(TrackRefused)
        assert (refusal.track, refusal.codec, refusal.accepted) == (track, "av1", ("vp8", "h264"))
        assert refusal.message == (
            "Ada's camera is sent as AV1, which this device cannot play. Another format has been asked for."
        )


async def test_where_no_codec_suits_everybody_only_the_reason_is_told() -> None:
    async with open_house() as house:
        ada, bob, cleo = [await house.enter(name) for name in ("Ada", "Bob", "Cleo")]
        for person in (ada, bob, cleo):
            await person.join()
        (track,) = await ada.publish("video")
        await refuse(house, bob, track, "vp8")
        await refuse(house, cleo, track, "h264", codec="vp8")
        assert [event.codecs for event in ada.ear.take(Codecs)] == [("vp8",)]
        (refusal,) = cleo.ear.take(TrackRefused)
        assert refusal.message == "Ada's camera is sent as VP8, which this device cannot play."


async def test_a_room_may_leave_its_publishers_alone() -> None:
    async with open_house(media=RoomMedia(codec_policy="tell")) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        (track,) = await ada.publish("video")
        await refuse(house, bob, track, "vp8")
        assert not ada.ear.take(Codecs)
        assert len(bob.ear.take(TrackRefused)) == 1


async def test_a_publisher_on_another_node_is_asked_over_the_link() -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        bob = await house.enter("Bob")
        await bob.join()
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        await wait_all_tasks_blocked()
        await refuse(house, bob, FAR_TRACK, "vp8")
        await bob.leave()
        assert mesh.restrictions == [(THERE, FAR_TRACK, ("vp8",)), (THERE, FAR_TRACK, ())]


async def test_another_node_refuses_for_its_people_until_it_is_gone() -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        (track,) = await ada.publish("video")
        await refuse(house, bob, track, "vp8", "h264")
        await mesh.say.send(RemoteRestriction(node=THERE, track=track, codecs=("h264", "vp9")))
        await wait_all_tasks_blocked()
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(), is_lost=True))
        await wait_all_tasks_blocked()
        assert [event.codecs for event in ada.ear.take(Codecs)] == [("vp8", "h264"), ("h264",), ("vp8", "h264")]


async def test_a_node_without_people_in_the_room_refuses_nothing_in_it() -> None:
    """Its taking back comes too late to be believed: the room is not on that node any more."""
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada = await house.enter("Ada")
        await ada.join()
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        (track,) = await ada.publish("video")
        await mesh.say.send(RemoteRestriction(node=THERE, track=track, codecs=("vp8",)))
        await mesh.say.send(RemoteRoom(node=THERE, room=RoomId("attic"), participants=()))
        await wait_all_tasks_blocked()
        assert [event.codecs for event in ada.ear.take(Codecs)] == [("vp8",)]
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=()))
        await wait_all_tasks_blocked()
        assert [event.codecs for event in ada.ear.take(Codecs)] == [("vp8",), ()]


async def test_a_publisher_hears_of_codecs_again_on_a_new_connection_and_only_there() -> None:
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        (track,) = await ada.publish("video")
        await refuse(house, bob, track, "vp8")
        again = Publish(sdp=SDP, tracks=(TrackIntent(mid="0", kind="video", source="camera", track=track),))
        await ada.ask(again)
        assert len(ada.ear.take(Codecs)) == 1
        newer = await house.enter_with(ada.token)
        await newer.join(2)
        await newer.ask(again)
        assert newer.ear.take(Codecs) == [Codecs(track=track, codecs=("vp8",))]


async def test_who_plays_nothing_keeps_nobody_else_from_it() -> None:
    async with open_house() as house:
        ada, bob, deaf = [await house.enter(name) for name in ("Ada", "Bob", "Deaf")]
        for person in (ada, bob, deaf):
            await person.join()
        (track,) = await ada.publish("video")
        await refuse(house, deaf, track)
        assert not ada.ear.take(Codecs)
        await refuse(house, bob, track, "vp8")
        await bob.leave()
        assert [event.codecs for event in ada.ear.take(Codecs)] == [("vp8",), ()]
        assert "asked for" not in deaf.ear.take(TrackRefused)[0].message


async def test_nobody_hears_of_a_track_that_is_gone() -> None:
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        (track,) = await ada.publish("video")
        await ada.publish()
        await refuse(house, bob, track, "vp8")
        assert not ada.ear.take(Codecs)
        assert not bob.ear.take(TrackRefused)
        assert not bob.ear.take(Error)
