"""What the operator may order about accounts through the admin listener, and how it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from signalling.errors import Refused

if TYPE_CHECKING:
    from accounts import Account
    from node.conductor.accounts import AccountDesk

AccountAction: TypeAlias = Literal["create", "list", "password", "logout"]


class AccountOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order; ``login`` is whose account, in a list the one behind which it begins."""

    action: AccountAction
    login: str = ""
    password: str = ""
    name: str = ""

    def __repr__(self) -> str:
        """Name it without the password."""
        return f"AccountOrder(action={self.action!r}, login={self.login!r})"


class AccountLine(msgspec.Struct, frozen=True, kw_only=True):
    """An account as a list shows it."""

    login: str
    user: str
    name: str
    generation: int
    created_at_ms: int


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order; with a ``code``, nothing did.

    ``sessions_ended`` counts those of this node; other nodes end theirs within a minute.
    """

    accounts: tuple[AccountLine, ...] = ()
    sessions_ended: int = 0
    code: str = ""
    message: str = ""


async def carry_out(desk: AccountDesk, order: AccountOrder) -> AccountAnswer:
    """Do what the operator wants; a refusal is an answer."""
    try:
        match order.action:
            case "create":
                return AccountAnswer(accounts=(_line(await desk.create(order.login, order.password, order.name)),))
            case "list":
                return AccountAnswer(accounts=tuple(map(_line, await desk.accounts(after=order.login))))
            case "password":
                return AccountAnswer(sessions_ended=await desk.set_password(order.login, order.password))
            case "logout":
                return AccountAnswer(sessions_ended=await desk.log_out_user(order.login))
    except Refused as refused:
        return AccountAnswer(code=refused.code, message=refused.message)


def _line(account: Account) -> AccountLine:
    return AccountLine(
        login=account.login,
        user=account.user,
        name=account.name,
        generation=account.generation,
        created_at_ms=account.created_at_ms,
    )
