"""What one client does, and what it means to the others, the engine and the other nodes."""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from durable import StoreUnavailableError
from node.http.backend import JoinRequest
from relay import RemoteChat, RemoteRoom
from session import MemorySeatStore, TokenLifetimes
from sfu import protocol as p
from signalling.client.admission import SessionRequest
from signalling.client.messages import (
    Answer,
    Chat,
    ChatMessage,
    ChatSent,
    Error,
    FreshToken,
    Join,
    Joined,
    Mute,
    Offer,
    Ok,
    ParticipantInfo,
    ParticipantJoined,
    ParticipantLeft,
    Publish,
    Replaced,
    Restart,
    TrackInfo,
    TrackIntent,
    TrackMuted,
    TrackPublished,
    TrackUnpublished,
    Trickle,
)
from signalling.errors import ErrorCode, Refused
from signalling.ids import DeviceId, MessageId, ParticipantId, PeerId, RoomId, TrackId, UserId
from signalling.mesh.link import RoomChat
from tests.unit.node.conductor.house import HERE, ROOM, SDP, THERE, House, Mesh, open_house

FAR_TRACK = TrackId("tr_far")
FAR = ParticipantInfo(
    participant=ParticipantId("pa_far"),
    user=UserId("us_far"),
    name="Far",
    node=THERE,
    region="far",
    tracks=(TrackInfo(track=FAR_TRACK, kind="video", source="camera"),),
)


def last_wanted(house: House, session: str) -> set[TrackId] | None:
    """The tracks that the engine was last told to send to this session; None when it was told nothing."""
    for command in reversed(house.engine.commands):
        if isinstance(command, p.Subscribe) and command.peer == f"sub:{session}":
            return {wanted.track for wanted in command.tracks}
    return None


def command_is_for(command: p.NodeCommand, prefix: str) -> bool:
    """Whether a command is about a peer whose name begins so."""
    return isinstance(command, p.ClosePeer | p.Publish | p.Subscribe) and command.peer.startswith(prefix)


async def test_two_people_meet_publish_and_part() -> None:
    """Who joins is told, what is published is offered with whose it is, who leaves is gone for the engine too."""
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        joined = await bob.join()
        assert [person.name for person in joined.participants] == ["Ada"]
        assert [event.participant.name for event in ada.ear.take(ParticipantJoined)] == ["Bob"]

        (track,) = await ada.publish("video")
        (published,) = bob.ear.take(TrackPublished)
        assert published.track.track == track
        offer = bob.ear.take(Offer)[-1]
        assert [(item.track, item.participant) for item in offer.tracks] == [(track, published.participant)]
        assert last_wanted(house, bob.session) == {track}
        assert not last_wanted(house, ada.session)

        assert await bob.ask(Answer(sdp=SDP, generation=offer.generation)) == Ok()
        assert await ada.ask(Mute(track=track, muted=True)) == Ok()
        assert bob.ear.take(TrackMuted)[-1].muted

        await ada.leave()
        assert bob.ear.take(ParticipantLeft)[-1].reason == "left"
        assert last_wanted(house, bob.session) == set()
        closed = {command.peer for command in house.engine.commands if isinstance(command, p.ClosePeer)}
        assert closed == {f"pub:{ada.session}", f"sub:{ada.session}"}


async def test_what_is_no_longer_published_ends() -> None:
    """A publish names all tracks: one that is absent is over for the others."""
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        first = await ada.publish("video", "audio")
        await ada.publish()
        assert {event.track for event in bob.ear.take(TrackUnpublished)} == set(first)
        assert last_wanted(house, bob.session) == set()


async def test_many_changes_at_once_are_few_commands() -> None:
    """Ten people who publish in one turn cost each subscriber far fewer than ten commands."""
    async with open_house() as house:
        people = [await house.enter(f"P{number}") for number in range(10)]
        for person in people:
            await person.join()
        watcher = people[0].session
        before = len(house.engine.commands)
        async with trio.open_nursery() as nursery:
            for person in people[1:]:
                nursery.start_soon(person.publish, "video")
        await wait_all_tasks_blocked()
        told = [
            command
            for command in house.engine.commands[before:]
            if isinstance(command, p.Subscribe) and command.peer == f"sub:{watcher}"
        ]
        wanted = last_wanted(house, watcher)
        assert wanted is not None
        assert len(wanted) == 9
        assert len(told) < 9


async def test_nobody_publishes_under_the_track_of_another_room() -> None:
    """A track's id is known to who was in its room; elsewhere it opens nothing."""
    async with open_house() as house:
        ada, eve = await house.enter("Ada"), await house.enter("Eve")
        await ada.join()
        (track,) = await ada.publish("video")
        await eve.ask(Join(room=RoomId("elsewhere"), attempt=1))
        stolen = TrackIntent(mid="0", kind="video", source="camera", track=track)
        with pytest.raises(Refused) as refused:
            await eve.ask(Publish(sdp=SDP, tracks=(stolen,)))
        assert refused.value.code is ErrorCode.TRACK_UNKNOWN


async def test_an_engine_that_dies_is_told_everything_again(autojump_clock: MockClock) -> None:
    """Clients hear ``restart`` before the new engine's offers, and tracks and seats are what they were."""
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        (track,) = await ada.publish("video")
        bob.ear.heard.clear()
        await house.engine.die()
        await trio.sleep(2)
        assert [type(event) for event in bob.ear.heard] == [Restart, Offer]
        assert bob.ear.take(Restart)[0].epoch == 2
        assert last_wanted(house, bob.session) == {track}
        intent = TrackIntent(mid="0", kind="video", source="camera", track=track)
        await ada.ask(Publish(sdp=SDP, tracks=(intent,)))
        assert not bob.ear.take(TrackUnpublished)


async def test_without_an_engine_a_publish_is_refused_for_now(autojump_clock: MockClock) -> None:
    """It says what to wait for."""
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        await house.engine.die()
        await wait_all_tasks_blocked()
        with pytest.raises(Refused) as refused:
            await ada.publish("video")
        assert refused.value.code is ErrorCode.ENGINE_UNAVAILABLE
        assert [problem.part for problem in house.conductor.readiness()] == ["engine"]


async def test_a_peer_that_the_engine_gave_up_is_built_anew() -> None:
    """Its client hears ``restart`` once, and both peers are closed before the next ones open."""
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        (track,) = await ada.publish("video")
        bob.ear.heard.clear()
        peer = PeerId(f"sub:{bob.session}")
        before = len(house.engine.commands)
        await house.engine.say(p.PeerState(peer=peer, state="closed", reason="connect_timeout"))
        await wait_all_tasks_blocked()
        assert [type(event) for event in bob.ear.heard] == [Restart, Offer]
        told = house.engine.commands[before:]
        assert {command.peer for command in told[:2] if isinstance(command, p.ClosePeer)} == {
            f"pub:{bob.session}",
            f"sub:{bob.session}",
        }
        assert isinstance(told[2], p.Subscribe)
        assert last_wanted(house, bob.session) == {track}


async def test_a_peer_of_one_who_has_left_is_no_news() -> None:
    """The engine may say so late; there is nobody to build anything anew."""
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        await ada.leave()
        before = len(house.engine.commands)
        peer = PeerId(f"pub:{ada.session}")
        await house.engine.say(p.PeerState(peer=peer, state="closed", reason="remote_closed"))
        await wait_all_tasks_blocked()
        assert not ada.ear.take(Restart)
        assert len(house.engine.commands) == before


async def test_an_offer_for_a_new_publisher_never_reaches_the_old_one() -> None:
    """Also when the client is faster than the task that closes: the close goes first."""
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        await ada.publish("video")
        before = len(house.engine.commands)
        assert house.conductor.peers.rebuild(PeerId(f"pub:{ada.session}"))
        await ada.publish("video")
        order = [type(command) for command in house.engine.commands[before:] if command_is_for(command, "pub:")]
        assert order == [p.ClosePeer, p.Publish]


async def test_a_reload_takes_the_seat_over_and_nobody_sees_it(autojump_clock: MockClock) -> None:
    """The socket drops, the same device comes back within the grace: no leave, no join, no doubling."""
    async with open_house(grace_s=4.0) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        me = (await bob.join()).participant
        house.conductor.session_closed(bob.session, "gone")
        await trio.sleep(2)
        again = await house.enter_with(bob.token)
        assert (await again.join(attempt=2)).participant == me
        await trio.sleep(20)
        assert len(ada.ear.take(ParticipantJoined)) == 1
        assert not ada.ear.take(ParticipantLeft)


async def test_a_socket_that_stays_away_is_a_leave_after_the_grace(autojump_clock: MockClock) -> None:
    """Not before."""
    async with open_house(grace_s=4.0) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        house.conductor.session_closed(bob.session, "ping_timeout")
        await trio.sleep(3.5)
        assert not ada.ear.take(ParticipantLeft)
        await trio.sleep(2)
        assert [event.reason for event in ada.ear.take(ParticipantLeft)] == ["connection_lost"]


async def test_a_newer_join_of_the_same_device_ends_the_older_socket() -> None:
    """The older one hears ``replaced``; an attempt that is not newer is refused with the highest one."""
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join(attempt=3)
        newer = await house.enter_with(ada.token)
        stale = await newer.ask(Join(room=ROOM, attempt=3))
        assert isinstance(stale, Error)
        assert (stale.code, stale.highest_attempt) == (ErrorCode.ATTEMPT_STALE, 3)
        await newer.join(attempt=4)
        assert ada.ear.take(Replaced)
        assert not newer.ear.take(Replaced)


async def test_another_node_with_people_of_the_room() -> None:
    """Its people are shown, its tracks wanted from it, ours stated to it; when it falls silent they are gone."""
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada = await house.enter("Ada")
        await ada.join()
        (track,) = await ada.publish("audio")
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        await wait_all_tasks_blocked()
        assert ada.ear.take(ParticipantJoined)[0].participant.node == THERE
        assert mesh.wanted[ROOM] == {FAR_TRACK: (THERE, "video")}
        assert last_wanted(house, ada.session) == {FAR_TRACK}
        nodes, told = mesh.shared[ROOM]
        assert nodes == {THERE}
        assert [(one.node, [info.track for info in one.tracks]) for one in told] == [(HERE, [track])]

        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=()))
        await wait_all_tasks_blocked()
        assert [event.reason for event in ada.ear.take(ParticipantLeft)] == ["left"]
        assert mesh.wanted[ROOM] == {}
        assert mesh.shared[ROOM][0] == frozenset()

        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(), is_lost=True))
        await wait_all_tasks_blocked()
        assert [event.reason for event in ada.ear.take(ParticipantLeft)] == ["left", "node_lost"]


async def test_chat_reaches_the_room_here_and_there_once() -> None:
    """Under the node's own id; a repeat of the same message acts once; words from afar are heard here."""
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        await bob.join()
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        await wait_all_tasks_blocked()
        first = await ada.ask(Chat(text="hello", nonce="n1"))
        again = await ada.ask(Chat(text="hello", nonce="n1"))
        assert isinstance(first, ChatSent)
        assert first == again
        assert [event.text for event in bob.ear.take(ChatMessage)] == ["hello"]
        assert [(chat.text, nodes) for chat, nodes in mesh.chats] == [("hello", frozenset({THERE}))]
        word = RoomChat(ROOM, MessageId("me_1"), FAR.participant, FAR.name, "hi from afar", 1)
        await mesh.say.send(RemoteChat(node=THERE, chat=word))
        await wait_all_tasks_blocked()
        assert bob.ear.take(ChatMessage)[-1].text == "hi from afar"


async def test_link_events_go_to_the_relay_and_a_new_engine_is_told_to_it(autojump_clock: MockClock) -> None:
    """What the engine says of links is none of the conductor's business."""
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        measured = p.LinkMeasured(peer=PeerId("link:there:1"), rtt_ms=1.0, jitter_ms=0.1, loss=0.0)
        await house.engine.say(measured)
        await wait_all_tasks_blocked()
        assert mesh.engine_events == [measured]
        await house.engine.die()
        await trio.sleep(2)
        assert mesh.epochs == [1, 2]


async def test_a_candidate_of_no_use_is_no_error() -> None:
    """Nor one for a peer that is not there yet."""
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        assert await ada.ask(Trickle(peer="subscriber", candidate="candidate:1 1 udp 1 x.local 9 typ host")) == Ok()


async def test_tokens_are_renewed_at_half_their_life(autojump_clock: MockClock) -> None:
    """Pushed while the session lasts, never after."""
    async with open_house() as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        house.conductor.session_closed(bob.session, "gone")
        await trio.sleep(3600 * 2)
        assert len(ada.ear.take(FreshToken)) in (3, 4)
        assert not bob.ear.take(FreshToken)


async def test_a_session_that_is_too_old_stays_and_is_not_renewed(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        ada = await house.enter("Ada")
        again = await house.enter_with(ada.token)
        lines = house.sessions.record(ada.session), house.sessions.record(again.session)
        assert None not in lines
        assert len({record.born for record in lines if record is not None}) == 1, "the line goes on with a new socket"
        house.tokens.lifetimes = TokenLifetimes(session_age_s=0)
        await trio.sleep(3600 * 2)
        assert not ada.ear.take(FreshToken)
        await ada.join()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (SessionRequest(name="a" * 65), ErrorCode.MALFORMED_MESSAGE),
        (SessionRequest(name="bell\x07"), ErrorCode.MALFORMED_MESSAGE),
        (SessionRequest(name="Ada", device=DeviceId("short")), ErrorCode.MALFORMED_MESSAGE),
        (SessionRequest(name="Ada", token="nonsense"), ErrorCode.TOKEN_INVALID),
    ],
)
async def test_what_no_session_is_given_for(request_: SessionRequest, code: ErrorCode) -> None:
    """Each with its own code."""
    async with open_house() as house:
        with pytest.raises(Refused) as refused:
            await house.conductor.create_session(request_)
        assert refused.value.code is code


async def test_the_two_step_join() -> None:
    """A room token of the session's own token is good once named right, and for nothing else."""
    async with open_house() as house:
        ada = await house.enter("Ada")
        granted = await house.conductor.join_token(ada.token, ROOM, JoinRequest(attempt=1))
        with pytest.raises(Refused) as refused:
            await ada.ask(Join(room=ROOM, attempt=2, room_token=granted.room_token))
        assert refused.value.code is ErrorCode.TOKEN_INVALID
        bob = await house.enter("Bob")
        with pytest.raises(Refused):
            await bob.ask(Join(room=ROOM, attempt=1, room_token=granted.room_token))
        joined = await ada.ask(Join(room=ROOM, attempt=1, room_token=granted.room_token))
        assert isinstance(joined, Joined)
        assert joined.participant == granted.participant


async def test_a_store_that_is_gone_is_a_warning_and_no_reason_to_go_elsewhere() -> None:
    """Calls and joins go on; the operator is told."""
    store = MemorySeatStore(lease_s=8, tombstone_s=3660)

    async def claim(seat: object, rules: object, *, silent: object = None) -> object:
        raise StoreUnavailableError("no answer from the store")

    async with open_house(store=store) as house:
        assert house.conductor.warnings() == ()
        store.claim = claim  # type: ignore[method-assign, assignment]
        ada = await house.enter("Ada")
        joined = await ada.join()
        assert (joined.degraded, joined.degraded_reasons) == (True, ("bans", "caps", "order"))
        assert [warning.code for warning in house.conductor.warnings()] == ["store_unavailable"]
        assert house.conductor.readiness() == ()


async def test_what_others_send_into_a_room_comes_by_nodes_of_its_places_alone() -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada = await house.enter("Ada")
        await ada.join()
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        await wait_all_tasks_blocked()
        assert (set(mesh.wanted[ROOM]), mesh.places[ROOM]) == ({FAR_TRACK}, ())
        definitions = house.sessions.definitions
        stored = await definitions.get(ROOM)
        await definitions.change(stored, lambda old: msgspec.structs.replace(old, residency=("eu",)), again=False)
        house.conductor.stage.limits_changed(ROOM)
        assert (set(mesh.wanted[ROOM]), mesh.places[ROOM]) == ({FAR_TRACK}, ("eu",))
