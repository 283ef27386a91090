"""Rooms with the policy `reject`: whoever keeps a seat from another device is asked whether it is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from node.conductor.holders import MAX_ASKED
from relay import HolderAsked, HolderTold
from session import MemorySeatStore, RoomPolicy, RoomRules, Tokens
from session.store import Seat, SeatAnswer, Verdict
from signalling.client.messages import ChatHistory, Joined
from signalling.errors import ErrorCode, Refused
from signalling.ids import DeviceId, NodeId, RoomId, SessionId, UserId
from tests.unit.node.conductor.house import ROOM, THERE, House, Mesh, Person, open_house

if TYPE_CHECKING:
    from trio.testing import MockClock

FAR = SessionId("a" * 32)


async def enter(house: House, device: str) -> Person:
    """Ann, on one of her devices."""
    tokens = Tokens(house.conductor._keys, cluster="test")
    return await house.enter_with(tokens.issue_session(user=UserId("ann"), device=DeviceId(device), name="Ann"))


async def define(house: House) -> None:
    definitions = house.conductor._sessions.definitions
    await definitions.create(msgspec.structs.replace(definitions.usual(ROOM), policy=RoomPolicy.REJECT))


async def code_of_join(person: Person, attempt: int = 1) -> ErrorCode:
    with pytest.raises(Refused) as refused:
        await person.join(attempt)
    return refused.value.code


async def test_a_second_device_is_refused_while_the_first_is_there(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        await define(house)
        laptop, phone = await enter(house, "laptop-01"), await enter(house, "phone-001")
        await laptop.join()
        with pytest.raises(Refused) as refused:
            await phone.join()
        assert refused.value.code is ErrorCode.SEAT_OCCUPIED
        assert "leave there first" in refused.value.message
        assert laptop.ear.pings == 1
        reloaded = await enter(house, "laptop-01")
        await reloaded.join(2)
        assert reloaded.ear.pings == 0, "its own device passes without a question"
        await reloaded.leave()
        await phone.join(2)


async def test_a_silent_device_loses_its_seat_to_the_one_that_is_there(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        await define(house)
        laptop, phone = await enter(house, "laptop-01"), await enter(house, "phone-001")
        await laptop.join()
        laptop.ear.is_deaf = True
        started = trio.current_time()
        await phone.join()
        assert trio.current_time() - started == pytest.approx(2.0)
        assert [type(event).__name__ for event in laptop.ear.heard][-1] == "Replaced"


async def test_a_device_whose_socket_dropped_is_not_waited_for(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        await define(house)
        laptop, phone = await enter(house, "laptop-01"), await enter(house, "phone-001")
        await laptop.join()
        house.conductor.session_closed(laptop.session, "gone")
        started = trio.current_time()
        await phone.join()
        assert trio.current_time() == started


class LateStore(MemorySeatStore):
    """A store that decides at once and whose first answer is long on its way."""

    answer_s = 1.0

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        answer = await super().claim(seat, rules, silent=silent)
        wait_s, self.answer_s = self.answer_s, 0.0
        await trio.sleep(wait_s)
        return answer


async def test_who_does_not_know_yet_that_it_is_in_is_there(autojump_clock: MockClock) -> None:
    async with open_house(store=LateStore(lease_s=8, tombstone_s=60)) as house:
        await define(house)
        laptop, phone = await enter(house, "laptop-01"), await enter(house, "phone-001")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(laptop.join)
            await trio.sleep(0.5)
            assert await code_of_join(phone) is ErrorCode.SEAT_OCCUPIED
        assert laptop.ear.ended is None
        assert house.conductor.stage.rooms.others(laptop.session) == ()


# --- over the link -------------------------------------------------------------------------


class FarHolder(MemorySeatStore):
    """A store in which another node's session holds the seat, unless the claim says that it is silent."""

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        answer = await super().claim(seat, rules, silent=silent)
        if silent == FAR:
            return answer
        return replace(answer, verdict=Verdict.OCCUPIED, by_session=FAR, by_node=THERE, by_device=DeviceId("laptop-01"))


@pytest.mark.parametrize("is_there", [True, False])
async def test_the_node_of_the_first_device_is_asked(autojump_clock: MockClock, is_there: bool) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh, store=FarHolder(lease_s=8, tombstone_s=60)) as house:
        await define(house)
        phone = await enter(house, "phone-001")
        outcomes: list[object] = []

        async def join() -> None:
            outcomes.append(await code_of_join(phone) if is_there else await phone.join())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(join)
            await wait_all_tasks_blocked()
            assert mesh.questions == [(THERE, FAR, ROOM)]
            liar = HolderTold(node=NodeId("elsewhere"), session=FAR, room=ROOM, is_there=not is_there)
            await mesh.say.send(liar)
            await wait_all_tasks_blocked()
            assert not outcomes, "nobody is believed about another's people"
            await mesh.say.send(HolderTold(node=THERE, session=FAR, room=ROOM, is_there=is_there))
        (outcome,) = outcomes
        assert outcome is ErrorCode.SEAT_OCCUPIED if is_there else isinstance(outcome, Joined)


async def test_a_node_that_does_not_answer_says_nothing_about_its_people(autojump_clock: MockClock) -> None:
    for mesh in (Mesh(), None):
        async with open_house(mesh=mesh, store=FarHolder(lease_s=8, tombstone_s=60)) as house:
            await define(house)
            phone = await enter(house, "phone-001")
            started = trio.current_time()
            assert await code_of_join(phone) is ErrorCode.SEAT_OCCUPIED
            assert trio.current_time() - started == pytest.approx(2.5 if mesh else 0.0)
            assert not house.conductor._holders._awaited


async def test_another_node_hears_whether_ours_is_there(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        await define(house)
        laptop, bob = await enter(house, "laptop-01"), await house.enter("Bob")
        await laptop.join()
        for session in (laptop.session, bob.session, FAR):
            await mesh.say.send(HolderAsked(node=THERE, session=session, room=ROOM))
        await wait_all_tasks_blocked()
        assert sorted(mesh.words) == sorted(
            [(THERE, laptop.session, ROOM, True), (THERE, bob.session, ROOM, False), (THERE, FAR, ROOM, False)]
        ), "who has no seat here keeps nobody out"
        assert bob.ear.pings == 0
        mesh.words.clear()
        laptop.ear.is_deaf = True
        await mesh.say.send(HolderAsked(node=THERE, session=laptop.session, room=ROOM))
        await trio.sleep(2.1)
        assert mesh.words == [(THERE, laptop.session, ROOM, False)]
        seat = house.conductor._sessions.seat(laptop.session, ROOM)
        assert seat is not None
        assert seat.in_grace


async def test_questions_of_other_nodes_are_bounded(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        await define(house)
        laptop = await enter(house, "laptop-01")
        await laptop.join()
        laptop.ear.is_deaf = True
        for _ in range(MAX_ASKED + 50):
            await mesh.say.send(HolderAsked(node=THERE, session=laptop.session, room=ROOM))
        await trio.sleep(3)
        assert len(mesh.words) == MAX_ASKED


async def test_a_question_about_another_room_ends_nothing_of_who_is_there(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    elsewhere = RoomId("elsewhere")
    async with open_house(mesh=mesh) as house:
        await define(house)
        laptop = await enter(house, "laptop-01")
        await laptop.join()
        await mesh.say.send(HolderAsked(node=THERE, session=laptop.session, room=elsewhere))
        await trio.sleep(10)
        assert mesh.words == [(THERE, laptop.session, elsewhere, False)]
        seat = house.conductor._sessions.seat(laptop.session, ROOM)
        assert seat is not None
        assert not seat.in_grace
        await laptop.leave()
        await laptop.join(2)


@pytest.mark.parametrize("by_pong", [True, False])
async def test_a_silent_device_that_is_heard_again_keeps_its_seat(autojump_clock: MockClock, by_pong: bool) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        await define(house)
        laptop = await enter(house, "laptop-01")
        await laptop.join()
        laptop.ear.is_deaf = True
        await mesh.say.send(HolderAsked(node=THERE, session=laptop.session, room=ROOM))
        await trio.sleep(3)
        assert mesh.words == [(THERE, laptop.session, ROOM, False)]
        # Whoever asked gives up; what the first one says next comes before its grace ends.
        if by_pong:
            laptop.ear.is_deaf = False
        else:
            await laptop.ask(ChatHistory())
        await trio.sleep(20)
        seat = house.conductor._sessions.seat(laptop.session, ROOM)
        assert seat is not None
        assert not seat.in_grace
        assert not house.conductor._holders._silent


async def test_a_silent_device_is_pinged_until_its_seat_is_over_and_no_longer(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh, grace_s=3.5) as house:
        await define(house)
        laptop = await enter(house, "laptop-01")
        await laptop.join()
        laptop.ear.is_deaf = True
        for _ in range(3):
            await mesh.say.send(HolderAsked(node=THERE, session=laptop.session, room=ROOM))
        await trio.sleep(20)
        assert house.conductor._sessions.seat(laptop.session, ROOM) is None
        assert laptop.ear.pings == 3 + 2, "one after the other while the grace of 3.5 s lasts, whoever asks"
        assert not house.conductor._holders._silent
