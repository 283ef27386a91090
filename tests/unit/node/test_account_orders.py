"""What the operator orders about accounts is done, also where people may not register."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.account_orders import AccountOrder, carry_out
from signalling.client.accounts import LogIn
from signalling.client.admission import SessionRequest
from signalling.errors import ErrorCode
from tests.unit.node.conductor.house import open_house

if TYPE_CHECKING:
    from trio.testing import MockClock

SECRET = "three words long"


async def test_accounts_are_made_listed_and_logged_out(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        desk = house.conductor.accounts
        made = await carry_out(desk, AccountOrder(action="create", login="Ann", password=SECRET, name="Ann Smith"))
        assert [(line.login, line.name, line.generation) for line in made.accounts] == [("ann", "Ann Smith", 1)]
        await carry_out(desk, AccountOrder(action="create", login="ben", password=SECRET))
        listed = await carry_out(desk, AccountOrder(action="list"))
        assert [line.login for line in listed.accounts] == ["ann", "ben"]
        assert (await carry_out(desk, AccountOrder(action="list", login="ben"))).accounts == ()

        grant = await desk.log_in(LogIn(login="ann", password=SECRET))
        session = await house.conductor.create_session(SessionRequest(token=grant.token))
        person = await house.enter_with(session.token)
        answer = await carry_out(desk, AccountOrder(action="password", login="ann", password="another password"))
        assert (answer.sessions_ended, answer.code) == (1, "")
        assert person.ear.ended is ErrorCode.LOGGED_OUT
        assert (await carry_out(desk, AccountOrder(action="logout", login="ben"))).sessions_ended == 0


async def test_a_refusal_is_an_answer(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        desk = house.conductor.accounts
        assert (await carry_out(desk, AccountOrder(action="logout", login="nobody"))).code == "account_unknown"
        short = await carry_out(desk, AccountOrder(action="create", login="ann", password="short"))
        assert short.code == "password_unfit"
        assert "10" in short.message
