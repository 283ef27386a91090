"""Accounts at work: tokens of a generation, sessions that end with it, and nothing of a password in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from accounts import Accounts, AccountSettings
from durable import Kind, StoreUnavailableError
from node.conductor.accounts import SWEEP_S
from node.http.backend import JoinRequest
from session import AccountMark
from signalling.client.accounts import LogIn, PasswordChange, Registration, UserGrant
from signalling.client.admission import SessionRequest
from signalling.client.messages import ParticipantLeft
from signalling.client.rooms import RoomCreation
from signalling.errors import ErrorCode, Refused
from tests.unit.accounts.quick_passwords import QuickPasswords
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.node.conductor.house import ROOM, House, Person, open_house

if TYPE_CHECKING:
    from trio.testing import MockClock

SECRET = "three words long"
OTHER = "four words are longer"
ANN = Registration(login="Ann", password=SECRET, name="Ann Smith")


async def sit(house: House, grant: UserGrant) -> Person:
    """Come in with a user token and take a seat."""
    granted = await house.conductor.create_session(SessionRequest(token=grant.token))
    assert granted.user == grant.user
    person = await house.enter_with(granted.token)
    await person.join()
    return person


async def refusal(house: House, grant: UserGrant) -> ErrorCode:
    with pytest.raises(Refused) as caught:
        await house.conductor.create_session(SessionRequest(token=grant.token))
    return caught.value.code


async def test_a_log_in_is_a_way_in(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        made = await house.conductor.accounts.register(ANN)
        assert (made.login, made.name) == ("ann", "Ann Smith")
        logged_in = await house.conductor.accounts.log_in(LogIn(login="ann", password=SECRET))
        assert logged_in.user == made.user
        person = await sit(house, logged_in)
        (record,) = house.conductor._sessions.records()
        assert (record.session, record.name) == (person.session, "Ann Smith")
        assert record.account == AccountMark(login="ann", generation=1)


async def test_a_log_out_everywhere_ends_tokens_and_sessions_at_once(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        grant = await house.conductor.accounts.register(ANN)
        ann, ben = await sit(house, grant), await house.enter("Ben")
        await ben.join()
        assert (await house.conductor.accounts.log_out(grant.token)).sessions_ended == 1
        await wait_all_tasks_blocked()
        assert ann.ear.ended is ErrorCode.LOGGED_OUT
        assert ben.ear.ended is None
        with pytest.raises(Refused) as caught:
            await house.enter_with(ann.token)
        assert caught.value.code is ErrorCode.LOGGED_OUT
        with pytest.raises(Refused) as caught:
            await house.conductor.room_desk.create(ann.token, RoomCreation(room=ROOM))
        assert caught.value.code is ErrorCode.LOGGED_OUT
        with pytest.raises(Refused) as caught:
            await house.conductor.join_token(ann.token, ROOM, JoinRequest(attempt=2))
        assert caught.value.code is ErrorCode.LOGGED_OUT
        assert {record.session for record in house.conductor._sessions.records()} == {ann.session, ben.session}
        assert [event.reason for event in ben.ear.take(ParticipantLeft)] == ["left"]
        assert await refusal(house, grant) is ErrorCode.LOGGED_OUT
        with pytest.raises(Refused) as caught:
            await house.conductor.accounts.log_out(grant.token)
        assert caught.value.code is ErrorCode.LOGGED_OUT
        await sit(house, await house.conductor.accounts.log_in(LogIn(login="ann", password=SECRET)))


async def test_a_session_that_has_no_seat_ends_too(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        grant = await house.conductor.accounts.register(ANN)
        granted = await house.conductor.create_session(SessionRequest(token=grant.token))
        person = await house.enter_with(granted.token)
        assert (await house.conductor.accounts.log_out(grant.token)).sessions_ended == 1
        assert person.ear.ended is ErrorCode.LOGGED_OUT


async def test_a_seat_in_grace_does_not_outlive_the_log_out(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        grant = await house.conductor.accounts.register(ANN)
        ann, ben = await sit(house, grant), await house.enter("Ben")
        await ben.join()
        house.conductor.session_closed(ann.session, "gone")
        await house.conductor.accounts.log_out(grant.token)
        await wait_all_tasks_blocked()
        assert len(ben.ear.take(ParticipantLeft)) == 1
        assert house.conductor._sessions.seat(ann.session, ROOM) is None


async def test_a_seat_that_was_just_lost_is_no_hindrance(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(_session: object, _room: object) -> None:
        raise Refused(ErrorCode.NOT_IN_ROOM, "You are not in that room.")

    async with open_house() as house:
        grant = await house.conductor.accounts.register(ANN)
        ann, again = await sit(house, grant), await sit(house, grant)
        monkeypatch.setattr(house.conductor._sessions, "leave", leave)
        await house.conductor.accounts.log_out(grant.token)
        assert ann.ear.ended is again.ear.ended is ErrorCode.LOGGED_OUT


async def test_a_changed_password_ends_what_was_logged_in_before(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        grant = await house.conductor.accounts.register(ANN)
        ann = await sit(house, grant)
        change = PasswordChange(login="ann", password=SECRET, new_password=OTHER)
        fresh = await house.conductor.accounts.change_password(change)
        assert ann.ear.ended is ErrorCode.LOGGED_OUT
        assert await refusal(house, grant) is ErrorCode.LOGGED_OUT
        await sit(house, fresh)


async def test_a_log_out_on_another_node_is_noticed(autojump_clock: MockClock) -> None:
    repository = MemoryRepository()
    elsewhere = Accounts(repository, QuickPasswords(), AccountSettings(enabled=True))
    async with open_house(repository=repository) as house:
        ann = await sit(house, await house.conductor.accounts.register(ANN))
        ben = await sit(house, await house.conductor.accounts.register(Registration(login="ben", password=SECRET)))
        await elsewhere.log_out("ann")
        await trio.sleep(SWEEP_S + 1)
        assert ann.ear.ended is ErrorCode.LOGGED_OUT
        assert ben.ear.ended is None


async def test_while_the_store_is_away_the_signature_has_to_do(autojump_clock: MockClock) -> None:
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        grant = await house.conductor.accounts.register(ANN)
        await house.conductor.accounts.log_out(grant.token)
        repository.failure = StoreUnavailableError("away")
        ann = await sit(house, grant)
        assert house.conductor.accounts.statistics().tokens_unchecked == 2
        await trio.sleep(SWEEP_S + 1)
        assert ann.ear.ended is None
        repository.failure = None
        await trio.sleep(SWEEP_S + 1)
        assert ann.ear.ended is ErrorCode.LOGGED_OUT


async def test_tokens_of_others_ask_no_store_and_cannot_be_logged_out(autojump_clock: MockClock) -> None:
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        grant = await house.conductor.accounts.register(ANN)
        foreign = house.conductor.accounts._tokens.issue_user(user=grant.user, name="Ann")
        before = repository.calls
        await house.conductor.create_session(SessionRequest(token=foreign))
        await house.conductor.create_session(SessionRequest(name="guest"))
        assert repository.calls == before
        with pytest.raises(Refused) as caught:
            await house.conductor.accounts.log_out(foreign)
        assert caught.value.code is ErrorCode.NOT_PERMITTED


async def test_a_deleted_account_lets_nobody_in(autojump_clock: MockClock) -> None:
    repository = MemoryRepository()
    async with open_house(repository=repository) as house:
        grant = await house.conductor.accounts.register(ANN)
        await repository.delete(Kind.ACCOUNT, "account:ann")
        assert await refusal(house, grant) is ErrorCode.LOGGED_OUT


async def test_no_password_and_no_token_is_in_a_log(autojump_clock: MockClock) -> None:
    repository = MemoryRepository()
    with capture_logs() as logs:
        async with open_house(repository=repository) as house:
            desk = house.conductor.accounts
            grant = await desk.register(ANN)
            await sit(house, grant)
            with pytest.raises(Refused):
                await desk.log_in(LogIn(login="ann", password=OTHER))
            repository.failure = StoreUnavailableError("away")
            with pytest.raises(Refused) as caught:
                await desk.log_in(LogIn(login="ann", password=SECRET))
            repository.failure = None
            await desk.change_password(PasswordChange(login="ann", password=SECRET, new_password=OTHER))
            await trio.sleep(SWEEP_S + 1)
    said = repr(logs) + repr(caught.value) + repr([ANN, LogIn(login="ann", password=SECRET)])
    for secret in (SECRET, OTHER, grant.token):
        assert secret not in said
