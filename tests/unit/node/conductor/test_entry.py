"""The door of a room while its definition changes, and while nobody knows it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING
from unittest.mock import patch

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from durable.errors import StoreUnavailableError
from node.conductor import entry, unchecked
from node.http.backend import JoinRequest
from node.http.candidates import CandidateQuery
from session import ChatHistory, RoomDirectory
from session.directory import Access, define_room
from signalling.client.messages import Chat, ChatMessage, ChatPage, Join, Joined, ParticipantLeft, SeatLost
from signalling.client.messages import ChatHistory as ChatHistoryRequest
from signalling.errors import ErrorCode, Refused
from signalling.ids import ParticipantId, first_id_at, new_message_id
from signalling.mesh.link import RoomChat
from tests.unit.accounts.quick_passwords import QuickPasswords
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.node.conductor.house import ROOM, THERE, Person, open_house

if TYPE_CHECKING:
    from node.http.backend import RoomRequest
    from signalling.client.messages import NodeReply


async def change_elsewhere(repository: MemoryRepository, **changes: object) -> None:
    """Another node changes the room: this one goes on with what it knows."""
    directory = RoomDirectory(repository, max_rooms=10)
    stored = await directory.get(ROOM)
    assert stored is not None
    await directory.replace(stored, msgspec.structs.replace(stored.definition, **changes))


async def refused(person: Person, request: RoomRequest) -> ErrorCode:
    """Why somebody is not let in."""
    with pytest.raises(Refused) as caught:
        await person.ask(request)
    await wait_all_tasks_blocked()
    return caught.value.code


async def test_whoever_is_refused_after_the_seat_was_handed_over_is_gone_for_everybody(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    monkeypatch.setattr(entry, "MAX_CHECKS", 1)
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        bob, ann = await house.enter("Bob"), await house.enter("Ann", "device-of-ann")
        await bob.join()
        await ann.join()
        await change_elsewhere(repository, metadata={"topic": "another"})
        reloaded = await house.enter_with(ann.token)
        assert await refused(reloaded, Join(room=ROOM, attempt=2)) is ErrorCode.ROOM_CHANGED
        assert house.conductor.stage.rooms.others(bob.session) == ()
        assert [left.reason for left in bob.ear.take(ParticipantLeft)] == ["left"]
        assert house.conductor.stage.rooms.room_of(reloaded.session) is None


async def test_a_stale_join_leaves_the_seat_that_stands(autojump_clock: object) -> None:
    async with open_house() as house:
        ann = await house.enter("Ann")
        await ann.join(attempt=3)
        reply = await ann.ask(Join(room=ROOM, attempt=2))
        assert getattr(reply, "code", None) is ErrorCode.ATTEMPT_STALE
        await wait_all_tasks_blocked()
        assert house.conductor.stage.rooms.room_of(ann.session) == ROOM
        assert house.sessions.seat(ann.session, ROOM) is not None


AWAY = StoreUnavailableError("away")


async def define(repository: MemoryRepository, **rules: object) -> None:
    """Another node makes the room: this one has never heard of it."""
    definition = msgspec.structs.replace(define_room(ROOM, max_participants=9, now_ms=0), **rules)
    await RoomDirectory(repository, max_rooms=10).create(definition)


async def pin_room(repository: MemoryRepository) -> None:
    await define(repository, access=Access.PIN, pin_hash=await QuickPasswords().hash("2468"))


async def test_who_came_in_unchecked_is_checked_when_the_store_returns(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await pin_room(repository)
    async with open_house(repository=repository) as house:
        stranger, guesser, guest = [await house.enter(name) for name in ("Stranger", "Guesser", "Guest")]
        repository.failure = AWAY
        await stranger.join()
        for person, pin in ((guesser, "1357"), (guest, "2468")):
            joined = await person.ask(Join(room=ROOM, attempt=1, pin=pin))
            assert isinstance(joined, Joined)
            assert joined.degraded
            assert joined.degraded_reasons == ("bans", "caps", "order", "definition", "access")
        await trio.sleep(5)
        assert len(house.conductor.stage.rooms.sessions_in(ROOM)) == 3, "a store that is away keeps nobody out"
        repository.failure = None
        await trio.sleep(1.5)
        assert house.conductor.stage.rooms.sessions_in(ROOM) == (guest.session,)
        assert [lost.reason for lost in stranger.ear.take(SeatLost)] == ["kicked"]
        assert await refused(stranger, Join(room=ROOM, attempt=2)) is ErrorCode.PIN_REQUIRED


async def test_who_has_to_wait_for_a_check_is_not_sent_away(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await pin_room(repository)
    async with open_house(repository=repository) as house:
        guest = await house.enter("Guest")
        repository.failure = AWAY
        await guest.ask(Join(room=ROOM, attempt=1, pin="2468"))
        repository.failure = None
        busy = Refused(ErrorCode.RATE_LIMITED, "busy")
        with patch.object(house.conductor._entry._pins, "check", side_effect=busy):
            await trio.sleep(10)
            assert house.conductor._entry.is_unchecked(guest.session, ROOM)
        await trio.sleep(1.5)
        assert not house.conductor._entry.is_unchecked(guest.session, ROOM)
        assert house.conductor.stage.rooms.sessions_in(ROOM) == (guest.session,)


async def test_nobody_waits_for_a_check_for_ever(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await pin_room(repository)
    async with open_house(repository=repository) as house:
        guest = await house.enter("Guest")
        repository.failure = AWAY
        await guest.ask(Join(room=ROOM, attempt=1, pin="2468"))
        repository.failure = None
        busy = Refused(ErrorCode.RATE_LIMITED, "busy")
        with patch.object(house.conductor._entry._pins, "check", side_effect=busy):
            await trio.sleep(unchecked.MAX_TURNS * unchecked.LOOK_AGAIN_S + 5)
        assert [lost.reason for lost in guest.ear.take(SeatLost)] == ["kicked"]


async def test_the_store_is_asked_once_a_room_and_then_left_alone(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await define(repository)
    async with open_house(repository=repository, grace_s=1.0) as house:
        people = [await house.enter(f"Person {number}") for number in range(5)]
        repository.failure = AWAY
        for person in people:
            await person.join()
        repository.failure = None
        with patch.object(house.sessions.definitions, "get", wraps=house.sessions.definitions.get) as read:
            await trio.sleep(5)
        assert read.call_count == 1
        assert len(house.conductor.stage.rooms.sessions_in(ROOM)) == 5


async def test_who_is_not_checked_yet_reads_nothing_of_before(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await define(repository)
    history = ChatHistory(repository, keep=9)
    sent = first_id_at(1_000)
    said = RoomChat(
        room=ROOM, message=sent, participant=ParticipantId("pa_1"), name="Bob", text="between us", at_ms=1_000
    )
    await history.append(said)
    async with open_house(repository=repository) as house:
        ann = await house.enter("Ann")
        repository.failure = AWAY
        joined = await ann.ask(Join(room=ROOM, attempt=1, chat_after=first_id_at(0)))
        assert isinstance(joined, Joined)
        assert (joined.missed, joined.missed_more) == ((), True)
        assert await refused(ann, ChatHistoryRequest(limit=9)) is ErrorCode.STORE_UNAVAILABLE
        with pytest.raises(Refused):
            await house.conductor.chat_page(ann.token, ROOM, before=None, limit=9)
        repository.failure = None
        await trio.sleep(1.5)
        page = await ann.ask(ChatHistoryRequest(limit=9))
        assert isinstance(page, ChatPage)
        assert [message.message for message in page.messages] == [sent]


async def test_who_is_not_checked_yet_is_told_nothing_late_either(autojump_clock: object) -> None:
    """What somebody's words bring out of the store is not for them; once they are checked, what comes late is."""
    repository = MemoryRepository()
    await define(repository)
    history = ChatHistory(repository, keep=9)
    now_ms = time.time_ns() // 1_000_000
    before, later = (
        RoomChat(ROOM, new_message_id(at_ms, THERE), ParticipantId("pa_1"), "Bob", text, at_ms)
        for at_ms, text in ((now_ms, "between us"), (now_ms + 60_000, "to everybody"))
    )
    await history.append(before)
    async with open_house(repository=repository) as house:
        ann = await house.enter("Ann")
        repository.failure = AWAY
        await ann.join()
        repository.failure = None
        assert house.conductor.stage.rooms.talk.has_looked_back(ann.session) is False
        await ann.ask(Chat(text="hello", nonce="n"))
        assert house.conductor.stage.rooms.talk.has_looked_back(ann.session), "the message was read, and not told"
        await trio.sleep(1.5)
        house.conductor.stage.carry_out(house.conductor.stage.rooms.talk.hear_late(ROOM, (later,)))
        assert [heard.text for heard in ann.ear.take(ChatMessage)] == ["hello", "to everybody"]


async def test_a_room_token_is_not_made_for_a_room_that_nobody_knows(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await pin_room(repository)
    async with open_house(repository=repository) as house:
        ann = await house.enter("Ann")
        repository.failure = AWAY
        with pytest.raises(Refused) as caught:
            await house.conductor.join_token(ann.token, ROOM, JoinRequest(attempt=1))
        assert caught.value.code is ErrorCode.STORE_UNAVAILABLE


@pytest.mark.parametrize("is_dropped", [False, True])
async def test_a_reload_needs_no_pin_again(is_dropped: bool, autojump_clock: object) -> None:
    repository = MemoryRepository()
    await pin_room(repository)
    async with open_house(repository=repository) as house:
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        for person in (ann, bob):
            assert isinstance(await person.ask(Join(room=ROOM, attempt=1, pin="2468")), Joined)
        await change_elsewhere(repository, pin_hash=await QuickPasswords().hash("9999"))
        if is_dropped:
            house.conductor.session_closed(ann.session, "gone")
        reloaded = await house.enter_with(ann.token)
        await house.conductor.join_token(reloaded.token, ROOM, JoinRequest(attempt=2))
        assert isinstance(await reloaded.ask(Join(room=ROOM, attempt=2)), Joined)
        await wait_all_tasks_blocked()
        assert set(house.conductor.stage.rooms.sessions_in(ROOM)) == {reloaded.session, bob.session}
        assert bob.ear.take(ParticipantLeft) == []
        await reloaded.leave()
        assert await refused(reloaded, Join(room=ROOM, attempt=3)) is ErrorCode.PIN_REQUIRED


async def test_nobody_vouches_who_is_not_inside(autojump_clock: object) -> None:
    """Neither somebody unchecked, nor a seat of the same device whose own check is on its way, nor one kicked."""
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        bob, ann = await house.enter("Bob"), await house.enter("Ann")
        await bob.join()
        again = await house.enter_with(ann.token)
        await change_elsewhere(repository, access=Access.PIN, pin_hash=await QuickPasswords().hash("2468"))
        replies: list[NodeReply] = []

        async def come(person: Person, attempt: int) -> None:
            with suppress(Refused):
                replies.append(await person.ask(Join(room=ROOM, attempt=attempt, pin="1357")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come, ann, 1)
            nursery.start_soon(come, again, 2)
        await wait_all_tasks_blocked()
        assert not [reply for reply in replies if isinstance(reply, Joined)]
        assert house.conductor.stage.rooms.sessions_in(ROOM) == (bob.session,)
        house.sessions.expel(bob.session, ROOM, "kicked")
        assert await refused(bob, Join(room=ROOM, attempt=2)) is ErrorCode.PIN_REQUIRED


async def test_an_unchecked_seat_vouches_for_nobody(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await pin_room(repository)
    async with open_house(repository=repository) as house:
        ann = await house.enter("Ann")
        repository.failure = AWAY
        await ann.join()
        repository.failure = None
        reloaded = await house.enter_with(ann.token)
        assert await refused(reloaded, Join(room=ROOM, attempt=2)) is ErrorCode.PIN_REQUIRED


async def test_right_pins_are_not_counted(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await pin_room(repository)
    async with open_house(repository=repository) as house:
        ann = await house.enter("Ann")
        for attempt in range(1, 12):
            assert isinstance(await ann.ask(Join(room=ROOM, attempt=attempt, pin="2468")), Joined)
            await ann.leave()
        for attempt in range(12, 12 + entry.PINS_AT_ONCE):
            assert await refused(ann, Join(room=ROOM, attempt=attempt, pin="1357")) is ErrorCode.PIN_WRONG
        assert await refused(ann, Join(room=ROOM, attempt=99, pin="2468")) is ErrorCode.RATE_LIMITED


async def test_many_guests_do_not_multiply_the_tries_in_a_room(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    monkeypatch.setattr(entry, "PINS_AT_ONCE_IN_ROOM", 4)
    repository = MemoryRepository()
    await pin_room(repository)
    async with open_house(repository=repository) as house:
        codes: list[ErrorCode] = []

        async def guess() -> None:
            codes.append(await refused(await house.enter("Guest"), Join(room=ROOM, attempt=1, pin="1357")))

        async with trio.open_nursery() as nursery:
            for _ in range(9):
                nursery.start_soon(guess)
        assert sorted(codes) == [ErrorCode.PIN_WRONG] * 4 + [ErrorCode.RATE_LIMITED] * 5
        await trio.sleep(1 / entry.PINS_PER_S_IN_ROOM)
        ann = await house.enter("Ann")
        assert isinstance(await ann.ask(Join(room=ROOM, attempt=1, pin="2468")), Joined)


async def test_who_has_no_tries_left_takes_none_from_the_others(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: object
) -> None:
    monkeypatch.setattr(entry, "PINS_AT_ONCE_IN_ROOM", entry.PINS_AT_ONCE + 1)
    repository = MemoryRepository()
    await pin_room(repository)
    async with open_house(repository=repository) as house:
        guesser, ann = await house.enter("Guesser"), await house.enter("Ann")
        codes = [await refused(guesser, Join(room=ROOM, attempt=at, pin="1357")) for at in range(1, 21)]
        assert codes.count(ErrorCode.PIN_WRONG) == entry.PINS_AT_ONCE
        assert isinstance(await ann.ask(Join(room=ROOM, attempt=1, pin="2468")), Joined)


async def test_a_room_that_may_not_live_here_takes_nobody_and_names_where_it_does(autojump_clock: object) -> None:
    """This node says nothing of itself, so a room with a residency may not live on it, by one step or by two."""
    repository = MemoryRepository()
    await define(repository, residency=("eu",))
    async with open_house(repository=repository) as house:
        ann = await house.enter("Ann")
        for _ in range(2):
            assert await refused(ann, Join(room=ROOM, attempt=1)) is ErrorCode.ROOM_NOT_HERE
        granted = await house.conductor.join_token(ann.token, ROOM, JoinRequest(attempt=2))
        join = Join(room=ROOM, attempt=2, room_token=granted.room_token)
        assert await refused(ann, join) is ErrorCode.ROOM_NOT_HERE
        assert house.conductor.stage.rooms.sessions_in(ROOM) == ()
        assert house.sessions.seat(ann.session, ROOM) is None
        explained = await house.conductor.explain_placement(CandidateQuery(room=ROOM))
        assert explained.allowed == ("eu",)


async def test_whoever_is_inside_stays_when_the_room_is_given_other_regions(autojump_clock: object) -> None:
    repository = MemoryRepository()
    await define(repository)
    async with open_house(repository=repository) as house:
        ann = await house.enter("Ann")
        await ann.ask(Join(room=ROOM, attempt=1))
        definitions = house.sessions.definitions
        stored = await definitions.get(ROOM)
        await definitions.change(stored, lambda old: msgspec.structs.replace(old, residency=("eu",)), again=False)
        await ann.ask(Join(room=ROOM, attempt=2))
        ben = await house.enter("Ben")
        assert await refused(ben, Join(room=ROOM, attempt=1)) is ErrorCode.ROOM_NOT_HERE
        assert house.conductor.stage.rooms.sessions_in(ROOM) == (ann.session,)


@pytest.mark.parametrize("residency", [("EU",), ("",), ("a b",), tuple(f"r{number}" for number in range(17))])
async def test_a_residency_is_a_few_short_words(residency: tuple[str, ...], autojump_clock: object) -> None:
    async with open_house() as house:
        definitions = house.sessions.definitions
        with pytest.raises(Refused, match="short words"):
            await definitions.create(msgspec.structs.replace(definitions.usual(ROOM), residency=residency))
