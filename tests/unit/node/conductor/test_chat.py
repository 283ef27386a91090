"""Chat through the conductor: stored, acknowledged, missed, paged, and going on without the store."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from durable import StoreUnavailableError
from relay import LinkRenewed, LinkUp, NodeReached, RemoteChat, RemoteChatBefore, RemoteRoom
from session import ChatHistory as ChatLog
from signalling.client.messages import Chat, ChatHistory, ChatMessage, ChatPage, ChatSent, Join, Joined, ParticipantInfo
from signalling.errors import ErrorCode, Refused
from signalling.ids import MessageId, ParticipantId, UserId, new_message_id
from signalling.mesh.link import RoomChat
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.node.conductor.house import ROOM, THERE, Mesh, Person, open_house

FAR = ParticipantInfo(participant=ParticipantId("pa_far"), user=UserId("far"), name="Far", node=THERE, region="there")


async def say(person: Person, text: str, nonce: str = "") -> ChatSent:
    sent = await person.ask(Chat(text=text, nonce=nonce or text))
    assert isinstance(sent, ChatSent)
    return sent


async def back(person: Person, after: MessageId) -> Joined:
    joined = await person.ask(Join(room=ROOM, attempt=2, chat_after=after))
    assert isinstance(joined, Joined)
    return joined


def texts(messages: tuple[ChatMessage, ...] | list[ChatMessage]) -> list[str]:
    return [message.text for message in messages]


async def test_a_message_is_stored_when_it_is_acknowledged_and_a_repeat_after_a_crash_is_known() -> None:
    """The repeat reaches a node that never heard of the first: the store knows it."""
    repository = MemoryRepository()
    stored = ChatLog(repository, keep=200)
    async with open_house(repository=repository) as house:
        ada = await house.enter("Ada")
        me = (await ada.join()).participant
        first = await say(ada, "hello", "n1")
        kept = await stored.read(ROOM, limit=10)
        assert kept is not None
        assert [(chat.message, chat.participant, chat.nonce) for chat in kept] == [(first.message, me, "n1")]
    async with open_house(repository=repository) as house:
        ada = await house.enter("Ada")
        me = (await ada.join()).participant
        crashed = RoomChat(ROOM, MessageId("me_000000000001-0"), me, "Ada", "again", 1, "n2")
        assert await stored.append(crashed)
        assert (await say(ada, "again", "n2")).message == crashed.message
        assert ada.ear.take(ChatMessage) == []


async def test_who_comes_back_gets_what_was_missed_once_and_in_order() -> None:
    async with open_house(grace_s=0.0) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob", device="device-bob")
        await ada.join()
        await bob.join()
        seen = await say(ada, "one")
        await bob.leave()
        for text in ("two", "three"):
            await say(ada, text)
        joined = await back(await house.enter_with(bob.token), seen.message)
        assert texts(joined.missed) == ["two", "three"]
        assert not joined.missed_more
        newcomer = await house.enter("Cy")
        assert (await newcomer.join()).missed == ()


async def test_what_is_said_between_seat_and_reply_is_told_once() -> None:
    """Messages that come while the join waits for the store are missed; those after it are live."""
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await ada.join()
        seen = await say(ada, "0")
        replies: list[Joined] = []

        async def talk() -> None:
            for n in range(1, 20):
                await say(ada, str(n))

        async def come() -> None:
            for _ in range(7):
                await trio.lowlevel.checkpoint()
            replies.append(await back(bob, seen.message))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk)
            nursery.start_soon(come)
        told = texts(replies[0].missed) + texts(bob.ear.take(ChatMessage))
        assert told == [str(n) for n in range(1, 20)]


async def test_chat_goes_on_without_the_store_and_what_was_not_stored_is_counted() -> None:
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        ada = await house.enter("Ada")
        await ada.join()
        repository.failure = StoreUnavailableError("away")
        sent = await say(ada, "hello")
        assert house.conductor.chat.statistics().unstored == 1
        page = await ada.ask(ChatHistory())
        assert isinstance(page, ChatPage)
        assert [message.message for message in page.messages] == [sent.message]
        repository.failure = None
        assert await say(ada, "hello") == sent
        assert house.conductor.chat.statistics().stored == 1


async def test_without_a_history_nothing_is_stored() -> None:
    repository = MemoryRepository()
    async with open_house(repository=repository, chat_history=0) as house:
        ada = await house.enter("Ada")
        await ada.join()
        calls = repository.calls
        await say(ada, "hello")
        assert repository.calls == calls


async def test_the_history_is_read_in_pages_and_only_in_the_room() -> None:
    async with open_house() as house:
        ada = await house.enter("Ada")
        await ada.join()
        for n in range(5):
            await say(ada, str(n))
        newest = await ada.ask(ChatHistory(limit=2))
        assert isinstance(newest, ChatPage)
        assert (texts(newest.messages), newest.more) == (["3", "4"], True)
        older = await house.conductor.chat_page(ada.token, ROOM, before=newest.messages[0].message, limit=10)
        assert (texts(older.messages), older.more) == (["0", "1", "2"], False)
        stranger = await house.enter("Eve")
        with pytest.raises(Refused) as refused:
            await house.conductor.chat_page(stranger.token, ROOM, before=None, limit=10)
        assert refused.value.code is ErrorCode.NOT_IN_ROOM


async def test_a_node_that_comes_to_the_room_or_whose_link_is_back_is_told_what_was_said_here() -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada = await house.enter("Ada")
        await ada.join()
        first = await say(ada, "before")
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
        await wait_all_tasks_blocked()
        for link in (LinkUp(node=THERE, setup_ms=1.0), LinkRenewed(node=THERE), NodeReached(node=THERE)):
            await mesh.say.send(link)
            await wait_all_tasks_blocked()
        told = [[chat.message for chat in chats] for _, _, chats in mesh.chats_before]
        assert told == [[first.message]] * 4
        theirs = RoomChat(ROOM, new_message_id(2**42, THERE), FAR.participant, FAR.name, "late", 2**42, "n")
        for _ in range(2):
            await mesh.say.send(RemoteChatBefore(node=THERE, room=ROOM, chats=(theirs,)))
            await mesh.say.send(RemoteChat(node=THERE, chat=theirs))
        await wait_all_tasks_blocked()
        assert texts(ada.ear.take(ChatMessage)) == ["before", "late"]
