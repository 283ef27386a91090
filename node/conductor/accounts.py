"""Built-in accounts at work: their log-ins become user tokens, their log-outs end sessions.

A user token carries the account's generation, and so do the session tokens and sessions that come of it.
Whoever comes in with one is checked against the store; while that is away, signature and expiry have to do.
Guests and users of others cost no such question. A log-out everywhere ends the sessions on this node at
once. Other nodes ask for the accounts of their sessions every :data:`SWEEP_S`, which also catches who was
let in while the store was away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from session import AccountMark
from session.access import caller_of
from signalling.client.accounts import LoggedOut, UserGrant
from signalling.errors import ErrorCode, Refused

if TYPE_CHECKING:
    from accounts import Account, Accounts, AccountStatistics
    from node.conductor.stage import Stage
    from session import SessionRecord, Sessions, Tokens, UserClaims
    from session.access import Caller
    from signalling.client.accounts import LogIn, PasswordChange, Registration

SWEEP_S: Final = 60.0
"""How long a session may outlive a log-out on another node. One read an account each time: with 1,000 of them
some 130 ms of processor time a minute (measured for a read from Redis: 0.13 ms)."""

_LOGGED_OUT: Final = "This account was logged out everywhere; log in again."


class AccountDesk:
    """The accounts of a node, as its HTTP side and its operator ask for them.

    Args:
        accounts: Keeps and checks them.
        tokens: Signs for who logged in.
        sessions: Knows whose session is of which account.
        stage: Shows out whose session ends.
    """

    def __init__(self, *, accounts: Accounts, tokens: Tokens, sessions: Sessions, stage: Stage) -> None:
        self._accounts = accounts
        self._tokens = tokens
        self._sessions = sessions
        self._stage = stage

    async def register(self, request: Registration) -> UserGrant:
        """See :class:`node.http.backend.AccountBackend`."""
        return self._grant(await self._accounts.register(request.login, request.password, request.name))

    async def log_in(self, request: LogIn) -> UserGrant:
        """See :class:`node.http.backend.AccountBackend`."""
        return self._grant(await self._accounts.log_in(request.login, request.password))

    async def change_password(self, request: PasswordChange) -> UserGrant:
        """See :class:`node.http.backend.AccountBackend`."""
        account = await self._accounts.change_password(request.login, request.password, request.new_password)
        self._end_older(account)
        return self._grant(account)

    async def log_out(self, user_token: str) -> LoggedOut:
        """See :class:`node.http.backend.AccountBackend`."""
        mark = (await self.user(user_token)).account
        if mark is None:
            raise Refused(
                ErrorCode.NOT_PERMITTED, "This token is not of an account of this mesh; let its issuer end it."
            )
        return LoggedOut(sessions_ended=self._end_older(await self._accounts.log_out(mark.login)))

    async def user(self, user_token: str) -> UserClaims:
        """Say whose user token this is.

        Raises:
            Refused: `logged_out`, when it is of a built-in account that was since; or it does not hold.
        """
        claims = self._tokens.verify_user(user_token)
        await self.check(claims.account)
        return claims

    async def caller(self, session_token: str) -> Caller:
        """Say who asks something about a room.

        Raises:
            Refused: `logged_out`, or the token does not hold.
        """
        claims = self._tokens.verify_session(session_token)
        await self.check(claims.account)
        return caller_of(claims)

    async def check(self, mark: AccountMark | None) -> None:
        """Refuse what comes of a built-in account that was logged out since; None is of no account.

        Raises:
            Refused: `logged_out`.
        """
        if mark is not None and not await self._accounts.is_current(mark.login, mark.generation):
            raise Refused(ErrorCode.LOGGED_OUT, _LOGGED_OUT)

    async def create(self, login: str, password: str, name: str) -> Account:
        """For the operator; see :meth:`Accounts.create`."""
        return await self._accounts.create(login, password, name)

    async def accounts(self, *, after: str) -> tuple[Account, ...]:
        """For the operator; see :meth:`Accounts.accounts`."""
        return await self._accounts.accounts(after=after)

    async def set_password(self, login: str, password: str) -> int:
        """For the operator; says how many sessions ended here."""
        return self._end_older(await self._accounts.set_password(login, password))

    async def log_out_user(self, login: str) -> int:
        """For the operator; says how many sessions ended here."""
        return self._end_older(await self._accounts.log_out(login))

    async def sweep(self) -> None:
        """End sessions of accounts that were logged out through another node; runs until cancelled."""
        while True:
            await trio.sleep(SWEEP_S)
            marks = {record.account for record in self._sessions.records()}
            for mark in marks:
                if mark is not None and not await self._accounts.is_current(mark.login, mark.generation):
                    self._end([record for record in self._sessions.records() if record.account == mark])

    def statistics(self) -> AccountStatistics:
        """How accounts fare."""
        return self._accounts.statistics()

    def _grant(self, account: Account) -> UserGrant:
        mark = AccountMark(login=account.login, generation=account.generation)
        return UserGrant(
            token=self._tokens.issue_user(user=account.user, name=account.name, account=mark),
            user=account.user,
            login=account.login,
            name=account.name,
            expires_in_s=self._tokens.lifetimes.user_s,
        )

    def _end_older(self, account: Account) -> int:
        return self._end(
            [
                record
                for record in self._sessions.records()
                if record.account is not None
                and record.account.login == account.login
                and record.account.generation < account.generation
            ]
        )

    def _end(self, records: list[SessionRecord]) -> int:
        for record in records:
            self._stage.show_out(record.session, ErrorCode.LOGGED_OUT, _LOGGED_OUT)
        return len(records)
