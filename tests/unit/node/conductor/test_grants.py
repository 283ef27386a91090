"""What a session may do is what its user token granted, at every door of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from trio.testing import wait_all_tasks_blocked

from node.http.backend import JoinRequest
from session import Grants
from sfu import protocol as p
from signalling.client.admission import SessionRequest
from signalling.client.messages import (
    Chat,
    ChatHistory,
    ChatMessage,
    ChatPage,
    ChatSent,
    Join,
    Joined,
    Offer,
    Publish,
    Published,
    TrackIntent,
)
from signalling.client.rooms import RoomCreation, RoomPatch
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId, UserId
from tests.unit.node.conductor.house import ROOM, House, Person, open_house

if TYPE_CHECKING:
    from collections.abc import Awaitable

AUDIO = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
DATA = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
MICROPHONE = (TrackIntent(mid="0", kind="audio", source="microphone"),)


async def enter(house: House, grants: Grants) -> Person:
    user = house.tokens.issue_user(user=UserId("us_limited"), name="Lim", grants=grants)
    granted = await house.conductor.create_session(SessionRequest(token=user))
    return await house.enter_with(granted.token)


async def refusal(asked: Awaitable[object]) -> ErrorCode:
    with pytest.raises(Refused) as refused:
        await asked
    return refused.value.code


@pytest.mark.parametrize("grants", [Grants(join=False), Grants(rooms="den-*")])
async def test_no_room_but_those_granted(grants: Grants) -> None:
    async with open_house() as house:
        person = await enter(house, grants)
        conductor = house.conductor
        assert await refusal(person.ask(Join(room=ROOM, attempt=1))) is ErrorCode.NOT_PERMITTED
        asked = conductor.join_token(person.token, ROOM, JoinRequest(attempt=1))
        assert await refusal(asked) is ErrorCode.NOT_PERMITTED
        assert (
            await refusal(conductor.room_desk.create(person.token, RoomCreation(room=ROOM))) is ErrorCode.NOT_PERMITTED
        )
        if grants.join:
            den = RoomId("den-1")
            await conductor.room_desk.create(person.token, RoomCreation(room=den))
            token = (await conductor.join_token(person.token, den, JoinRequest(attempt=1))).room_token
            assert isinstance(await person.ask(Join(room=den, attempt=1, room_token=token)), Joined)


async def test_a_room_for_nodes_that_are_not_there_is_made_with_a_warning() -> None:
    async with open_house() as house:
        owner = await enter(house, Grants())
        desk = house.conductor.room_desk
        made = await desk.create(owner.token, RoomCreation(room=ROOM, residency=("mars", "eu")))
        assert made.details.residency == ("mars", "eu")
        (warning,) = made.details.warnings
        assert "mars, eu" in warning
        changed = await desk.patch(owner.token, ROOM, RoomPatch(residency=()), revisions=None)
        assert changed.details.warnings == ()


async def test_rooms_beyond_the_grants_are_not_even_shown() -> None:
    async with open_house() as house:
        owner, limited = await enter(house, Grants()), await enter(house, Grants(rooms="den-*"))
        for room in (ROOM, RoomId("den-1")):
            await house.conductor.room_desk.create(owner.token, RoomCreation(room=room))
        listed = await house.conductor.room_desk.page(limited.token, after="", limit=10)
        assert [room.room for room in listed.rooms] == ["den-1"]
        assert await refusal(house.conductor.room_desk.get(limited.token, ROOM)) is ErrorCode.ROOM_UNKNOWN
        assert await refusal(house.conductor.room_desk.participants(limited.token, ROOM)) is ErrorCode.ROOM_UNKNOWN


async def test_a_room_token_that_allows_more_than_its_session_is_refused() -> None:
    async with open_house() as house:
        person = await enter(house, Grants(publish=False))
        claims = house.tokens.verify_session(person.token)
        assert claims.grants == Grants(publish=False)
        assert claims.session is not None
        more = house.tokens.issue_room(
            room=ROOM, user=claims.user, device=claims.device, name="Lim", session=claims.session, attempt=1
        )
        assert await refusal(person.ask(Join(room=ROOM, attempt=1, room_token=more))) is ErrorCode.NOT_PERMITTED
        other = house.tokens.issue_room(
            room=ROOM,
            user=UserId("us_other"),
            device=claims.device,
            name="Lim",
            session=claims.session,
            attempt=1,
            grants=claims.grants,
        )
        assert await refusal(person.ask(Join(room=ROOM, attempt=1, room_token=other))) is ErrorCode.TOKEN_INVALID


async def test_who_may_not_publish_may_still_send_data() -> None:
    async with open_house() as house:
        person = await enter(house, Grants(publish=False))
        await person.join()
        for offer in (
            Publish(sdp=AUDIO, tracks=MICROPHONE),
            Publish(sdp=AUDIO, tracks=()),
            Publish(sdp=DATA, tracks=MICROPHONE),
        ):
            assert await refusal(person.ask(offer)) is ErrorCode.NOT_PERMITTED
        assert isinstance(await person.ask(Publish(sdp=DATA, tracks=())), Published)


async def test_who_may_not_send_data_may_still_publish() -> None:
    async with open_house() as house:
        person = await enter(house, Grants(publish_data=False))
        await person.join()
        for data in (DATA, AUDIO + "m=application 9 x y\n", AUDIO + "M=APPLICATION 9 x y"):
            offer = Publish(sdp=data, tracks=MICROPHONE)
            assert await refusal(person.ask(offer)) is ErrorCode.NOT_PERMITTED
        assert isinstance(await person.ask(Publish(sdp=AUDIO, tracks=MICROPHONE)), Published)


async def test_who_may_not_send_data_reads_the_chat_and_says_nothing() -> None:
    async with open_house() as house:
        mute, speaker = await enter(house, Grants(publish_data=False)), await house.enter("Ann")
        await mute.join()
        await speaker.join()
        sent = await speaker.ask(Chat(text="hello", nonce="n1"))
        assert isinstance(sent, ChatSent)
        with pytest.raises(Refused, match="ask its issuer for `publish_data`") as refused:
            await mute.ask(Chat(text="hello yourself", nonce="n2"))
        assert refused.value.code is ErrorCode.NOT_PERMITTED
        assert [heard.text for heard in mute.ear.take(ChatMessage)] == ["hello"]
        page = await mute.ask(ChatHistory(limit=9))
        assert isinstance(page, ChatPage)
        assert [kept.message for kept in page.messages] == [sent.message], "what was refused is kept nowhere"


async def test_nothing_is_offered_to_who_may_not_subscribe() -> None:
    async with open_house() as house:
        speaker = await house.enter("Ann")
        await speaker.join()
        await speaker.publish("audio")
        deaf = await enter(house, Grants(subscribe=False))
        hearing = await enter(house, Grants())
        assert len((await deaf.join()).participants) == 1
        await hearing.join()
        await wait_all_tasks_blocked()
        assert not deaf.ear.take(Offer)
        subscribed = {command.peer for command in house.engine.commands if isinstance(command, p.Subscribe)}
        assert f"sub:{deaf.session}" not in subscribed
        assert f"sub:{hearing.session}" in subscribed
