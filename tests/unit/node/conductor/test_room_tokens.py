"""A room token is as good as the check before it: the room may be another by the time it is used, or its bearer out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from durable.errors import StoreUnavailableError
from node.http.backend import JoinRequest
from signalling.client.messages import Join, Joined, SeatLost
from signalling.client.rooms import InvitationRequest, KickRequest, RoomCreation, RoomPatch
from signalling.errors import ErrorCode, Refused
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.node.conductor.house import ROOM, House, Person, open_house

if TYPE_CHECKING:
    from trio.testing import MockClock


async def token(person: Person, attempt: int, *, pin: str | None = None, invitation: str | None = None) -> str:
    """The first of two steps."""
    request = JoinRequest(attempt=attempt, pin=pin, invitation=invitation)
    return (await person.house.conductor.join_token(person.token, ROOM, request)).room_token


async def redeemed(person: Person, attempt: int, room_token: str, *, pin: str | None = None) -> ErrorCode | None:
    """The second step: why somebody is not let in, None of whoever is."""
    try:
        reply = await person.ask(Join(room=ROOM, attempt=attempt, room_token=room_token, pin=pin))
    except Refused as refused:
        await wait_all_tasks_blocked()
        assert person.house.sessions.seat(person.session, ROOM) is None
        return refused.code
    assert isinstance(reply, Joined)
    await wait_all_tasks_blocked()
    return None


async def kick(house: House, owner: Person, person: Person) -> None:
    info = house.conductor.stage.rooms.participant(person.session)
    assert info is not None
    await house.conductor.room_desk.kick(owner.token, ROOM, info.participant, KickRequest())
    await wait_all_tasks_blocked()
    assert [lost.reason for lost in person.ear.take(SeatLost)] == ["kicked"]


@pytest.mark.parametrize("is_closed", [True, False])
async def test_a_token_made_before_its_room_is_checked_where_it_is_used(is_closed: bool) -> None:
    async with open_house() as house:
        eve, ann = await house.enter("Eve"), await house.enter("Ann")
        early = await token(eve, 1)
        creation = RoomCreation(room=ROOM, access="invite" if is_closed else "open")
        await house.conductor.room_desk.create(ann.token, creation)
        await ann.join()
        assert await redeemed(eve, 1, early) is (ErrorCode.ROOM_CHANGED if is_closed else None)


async def test_a_token_made_before_its_room_makes_it() -> None:
    async with open_house() as house:
        ann = await house.enter("Ann")
        assert await redeemed(ann, 1, await token(ann, 1)) is None


async def test_nobody_comes_back_with_a_token_made_inside() -> None:
    async with open_house() as house:
        eve, ann = await house.enter("Eve"), await house.enter("Ann")
        desk = house.conductor.room_desk
        await desk.create(ann.token, RoomCreation(room=ROOM))
        await ann.join()
        early = await token(eve, 5)
        await eve.join()
        while_open = await token(eve, 2)
        await desk.patch(ann.token, ROOM, RoomPatch(access="invite"), revisions=None)
        while_closed = await token(eve, 3)
        assert await redeemed(eve, 2, while_open) is None, "inside, and a reload is no new visit"
        while_inside = await token(eve, 4)
        await kick(house, ann, eve)
        assert await redeemed(eve, 3, while_closed) is ErrorCode.INVITATION_REQUIRED
        assert await redeemed(eve, 4, while_inside) is ErrorCode.INVITATION_REQUIRED
        assert await redeemed(eve, 5, early) is ErrorCode.ROOM_CHANGED


async def test_an_owner_needs_no_other_token_than_the_one_from_inside() -> None:
    async with open_house() as house:
        ann = await house.enter("Ann")
        await house.conductor.room_desk.create(ann.token, RoomCreation(room=ROOM, access="invite"))
        await ann.join()
        inside = await token(ann, 2)
        await ann.leave()
        assert await redeemed(ann, 2, inside) is None


async def test_whoever_brings_the_new_pin_with_an_old_token_comes_in() -> None:
    async with open_house() as house:
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        desk = house.conductor.room_desk
        await desk.create(ann.token, RoomCreation(room=ROOM, access="pin", pin="2468"))
        await ann.join()
        for attempt, pin, why in ((1, "2468", ErrorCode.PIN_WRONG), (2, "1357", None)):
            room_token = await token(bob, attempt, pin="2468")
            await desk.patch(ann.token, ROOM, RoomPatch(pin="1357"), revisions=None)
            assert await redeemed(bob, attempt, room_token, pin=pin) is why
            await desk.patch(ann.token, ROOM, RoomPatch(pin="2468"), revisions=None)


async def test_a_counted_invitation_is_good_whatever_became_of_the_settings() -> None:
    async with open_house() as house:
        ann, bob, eve = [await house.enter(name) for name in ("Ann", "Bob", "Eve")]
        desk = house.conductor.room_desk
        await desk.create(ann.token, RoomCreation(room=ROOM, access="invite"))
        made = await desk.invite(ann.token, ROOM, InvitationRequest(expires_in_s=60, max_uses=2))
        of_bob, of_eve = await token(bob, 1, invitation=made.token), await token(eve, 1, invitation=made.token)
        await desk.patch(ann.token, ROOM, RoomPatch(on_join="multi"), revisions=None)
        assert await redeemed(bob, 1, of_bob) is None
        await desk.revoke_invitation(ann.token, ROOM, made.invitation)
        assert await redeemed(eve, 1, of_eve) is ErrorCode.INVITATION_INVALID


async def test_while_the_store_is_away_a_token_stands_against_an_older_definition(autojump_clock: MockClock) -> None:
    """Its maker read a newer one than this node knows."""
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        ann, bob = await house.enter("Ann"), await house.enter("Bob")
        desk = house.conductor.room_desk
        await desk.create(ann.token, RoomCreation(room=ROOM, access="invite"))
        await ann.join()
        old = house.sessions.definitions.known(ROOM)
        assert old is not None
        await desk.patch(ann.token, ROOM, RoomPatch(access="pin", pin="2468"), revisions=None)
        room_token = await token(bob, 1, pin="2468")
        house.sessions.definitions._keep(old)
        repository.failure = StoreUnavailableError("away")
        assert await redeemed(bob, 1, room_token) is None
        await trio.sleep(5)
        assert house.sessions.seat(bob.session, ROOM) is not None
