"""An invitation is used by who sits in the room, whatever becomes of a join on its way."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from durable.repository import Kind
from node.http.backend import JoinRequest
from session import MemorySeatStore, SessionConfig
from session.directory import Access, RoomDirectory, define_room
from session.invitations import Invitations
from session.store import Verdict
from signalling.client.admission import SessionRequest
from signalling.client.messages import Join
from signalling.errors import ErrorCode, Refused
from signalling.ids import SessionId, UserId
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.node.conductor.house import HERE, ROOM, THERE, House, Person, open_house

MOST_STEPS = 60
"""Above the turns that a join takes here, so that the last one of them is let run to its end."""


class Invited:
    """A room by invitation, and one invitation for so many."""

    def __init__(self, house: House, repository: MemoryRepository) -> None:
        self.house = house
        self.repository = repository
        self.invitations = Invitations(repository, house.tokens)

    async def open(self, *, max_uses: int, max_participants: int = 9) -> str:
        definition = define_room(ROOM, max_participants=max_participants, now_ms=0)
        await RoomDirectory(self.repository, max_rooms=10).create(
            msgspec.structs.replace(definition, access=Access.INVITE)
        )
        _, _, token = await self.invitations.make(
            ROOM, by=UserId("us_owner"), lifetime_s=60, max_uses=max_uses, note=""
        )
        return token

    async def used(self) -> int:
        ((_, record),) = await self.invitations.page(ROOM, after="", limit=2)
        return len(record.used_by)

    async def join(self, person: Person, invitation: str, *, two_steps: bool, attempt: int = 1) -> None:
        if two_steps:
            request = JoinRequest(attempt=attempt, invitation=invitation)
            granted = await self.house.conductor.join_token(person.token, ROOM, request)
            await person.ask(Join(room=ROOM, attempt=attempt, room_token=granted.room_token))
        else:
            await person.ask(Join(room=ROOM, attempt=attempt, invitation=invitation))


async def cancelled_after(steps: int, *, two_steps: bool) -> tuple[bool, int]:
    """Whether somebody sits whose join was cancelled after so many turns, and how often the invitation was used."""
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        invited = Invited(house, repository)
        invitation = await invited.open(max_uses=1)
        person = await house.enter("Ann")
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:

            async def join() -> None:
                await invited.join(person, invitation, two_steps=two_steps)

            nursery.start_soon(join)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        await wait_all_tasks_blocked()
        is_in = house.sessions.seat(person.session, ROOM) is not None
        assert is_in == (house.conductor.stage.rooms.room_of(person.session) == ROOM), "a seat and its room go together"
        return is_in, await invited.used()


@pytest.mark.parametrize("two_steps", [False, True])
async def test_a_join_cancelled_at_any_turn_is_in_and_counted_or_neither(two_steps: bool) -> None:
    seen = [await cancelled_after(steps, two_steps=two_steps) for steps in range(MOST_STEPS)]
    assert set(seen) == {(False, 0), (True, 1)}
    assert seen[0] == (False, 0)
    assert seen[-1] == (True, 1)


@pytest.mark.parametrize("two_steps", [False, True])
async def test_a_refused_join_uses_nothing_and_the_next_one_gets_the_use(two_steps: bool) -> None:
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        invited = Invited(house, repository)
        invitation = await invited.open(max_uses=2, max_participants=1)
        ann, bob, eve = [await house.enter(name) for name in ("Ann", "Bob", "Eve")]
        await invited.join(ann, invitation, two_steps=two_steps)
        for person in (bob, eve):
            with pytest.raises(Refused) as refused:
                await invited.join(person, invitation, two_steps=two_steps)
            assert refused.value.code is ErrorCode.ROOM_FULL
        assert await invited.used() == 1
        await ann.leave()
        await invited.join(eve, invitation, two_steps=two_steps, attempt=2)
        assert await invited.used() == 2


async def test_a_room_token_that_nobody_redeems_uses_nothing() -> None:
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        invited = Invited(house, repository)
        invitation = await invited.open(max_uses=1)
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        request = JoinRequest(attempt=1, invitation=invitation)
        granted = await house.conductor.join_token(ann.token, ROOM, request)
        await invited.join(bob, invitation, two_steps=True)
        with pytest.raises(Refused) as refused:
            await ann.ask(Join(room=ROOM, attempt=1, room_token=granted.room_token))
        assert refused.value.code is ErrorCode.INVITATION_INVALID
        await wait_all_tasks_blocked()
        assert house.sessions.seat(ann.session, ROOM) is None


async def test_of_many_at_once_as_many_get_in_as_it_is_for() -> None:
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        invited = Invited(house, repository)
        invitation = await invited.open(max_uses=3)
        people = [await house.enter(f"Guest {n}") for n in range(8)]
        refusals: list[ErrorCode] = []

        async def come(person: Person) -> None:
            try:
                await invited.join(person, invitation, two_steps=False)
            except Refused as refused:
                refusals.append(refused.code)

        async with trio.open_nursery() as nursery:
            for person in people:
                nursery.start_soon(come, person)
        await wait_all_tasks_blocked()
        sitting = [person for person in people if house.sessions.seat(person.session, ROOM) is not None]
        assert len(sitting) == await invited.used() == 3
        assert refusals == [ErrorCode.INVITATION_INVALID] * 5


class HeldUp(MemoryRepository):
    """Writes a use of an invitation and does not say so for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.is_holding = False
        self.held = trio.Event()
        self.go_on = trio.Event()

    async def put(
        self,
        kind: Kind,
        scope: str,
        key: str = "",
        *,
        body: bytes,
        expected: int | None = None,
        expires_at_ms: int | None = None,
    ) -> int:
        revision = await super().put(kind, scope, key, body=body, expected=expected, expires_at_ms=expires_at_ms)
        if kind is Kind.INVITATION and self.is_holding:
            self.held.set()
            await self.go_on.wait()
        return revision


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_a_use_is_not_taken_back_under_another_device_of_the_user(is_elsewhere: bool) -> None:
    repository = HeldUp()
    settings = SessionConfig(cluster="test", node=HERE)
    store = MemorySeatStore(lease_s=settings.lease_s, tombstone_s=settings.tombstone_s, repository=repository)
    async with open_house(repository=repository, store=store) as house:
        invited = Invited(house, repository)
        invitation = await invited.open(max_uses=1)
        account = house.tokens.issue_user(user=UserId("us_ann"), name="Ann")
        phone, laptop = [
            await house.enter_with((await house.conductor.create_session(SessionRequest(token=account))).token)
            for _ in range(2)
        ]
        eve = await house.enter("Eve")
        repository.is_holding = True

        async def come_by_phone() -> None:
            with pytest.raises(Refused) as refused:
                await invited.join(phone, invitation, two_steps=False)
            assert refused.value.code is ErrorCode.REPLACED

        async with trio.open_nursery() as nursery:
            nursery.start_soon(come_by_phone)
            await repository.held.wait()
            if is_elsewhere:
                await sit_elsewhere(house, store, phone, laptop)
            else:
                await invited.join(laptop, invitation, two_steps=False)
            await wait_all_tasks_blocked()
            repository.go_on.set()
        assert await invited.used() == 1
        with pytest.raises(Refused) as refused:
            await invited.join(eve, invitation, two_steps=False)
        assert refused.value.code is ErrorCode.INVITATION_INVALID


async def sit_elsewhere(house: House, store: MemorySeatStore, one: Person, other: Person) -> None:
    """The other device takes its user's seat at another node, and the first one's hears of it."""
    seat, known = house.sessions.seat(one.session, ROOM), house.sessions.definitions.known(ROOM)
    record = house.sessions.record(other.session)
    assert seat is not None
    assert known is not None
    assert record is not None
    far = replace(seat, session=SessionId("f" * 32), device=record.device, node=THERE, epoch=0)
    answer = await store.claim(far, known.rules)
    assert answer.verdict is Verdict.OK
    house.sessions.check_seat(one.session, ROOM)
    await wait_all_tasks_blocked()
    assert house.sessions.seat(one.session, ROOM) is None
