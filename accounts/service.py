"""The service: what may be asked of accounts, each answer a compare-and-set on one document."""

from __future__ import annotations

import math
import time
import unicodedata
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from accounts.logins import MAX_PASSWORD_CHARACTERS, fold_login, normal_password
from accounts.record import Account, AccountRecord, StoredAccount, read_account
from durable import ABSENT, Kind, RevisionConflictError, StoreUnavailableError
from signalling.client.admission import shown_name
from signalling.errors import ErrorCode, Refused
from signalling.ids import new_user_id
from signalling.keyed_pace import KeyedPace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from accounts.passwords import Passwords
    from durable import Document, Repository

__all__ = ["AccountSettings", "AccountStatistics", "Accounts"]

TRIES_PER_MINUTE: Final = 5.0
TRIES_BURST: Final = 10
"""Passwords tried on one login, whoever tries: 7,200 a day, of which none guesses ten characters. Somebody
else's tries can keep an account from logging in, not from its sessions that run."""

MAX_ACCOUNTS: Final = 100_000
"""Some 500 bytes each; more users than that have a backend that signs for them."""

MAX_CHANGES: Final = 3
"""How often a change is decided anew when somebody else's was faster."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountSettings:
    """What the operator wants.

    Attributes:
        enabled: Whether there are built-in accounts at all.
        registration: Whether people may make their own.
    """

    enabled: bool = False
    registration: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountStatistics:
    """Counters since start.

    Attributes:
        registered: Accounts made on this node.
        logins: Log-ins that held.
        logins_refused: Log-ins with a wrong login or password, or too many.
        hashes: Passwords hashed or checked.
        tokens_unchecked: User tokens and sessions that the store could not be asked about: signature and
            expiry had to do.
    """

    registered: int
    logins: int
    logins_refused: int
    hashes: int
    tokens_unchecked: int


class Accounts:
    """Accounts on a durable repository; see the package.

    Every call but :meth:`is_current` raises :class:`Refused`: `store_unavailable` when the store is away, and
    what it says itself. Cancelled, its outcome is as unknown as after a timeout of the store.

    Args:
        repository: Where accounts are kept.
        passwords: Hashes them.
        settings: What is permitted.
        now_ms: Milliseconds since 1970.
    """

    def __init__(
        self,
        repository: Repository,
        passwords: Passwords,
        settings: AccountSettings,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._repository = repository
        self._passwords = passwords
        self._settings = settings
        self._now_ms = now_ms
        self._tries = KeyedPace(rate_per_s=TRIES_PER_MINUTE / 60, burst=TRIES_BURST)
        self._registered = 0
        self._logins = 0
        self._logins_refused = 0
        self._tokens_unchecked = 0

    async def register(self, login: str, password: str, name: str = "") -> Account:
        """Make an account.

        Raises:
            Refused: `not_permitted`, `login_invalid`, `password_unfit`, `malformed_message` (the name),
                `account_exists`, `rate_limited`.
        """
        self._require_enabled()
        if not self._settings.registration:
            raise Refused(ErrorCode.NOT_PERMITTED, "This node takes no registrations; ask its operator for an account.")
        return await self.create(login, password, name)

    async def create(self, login: str, password: str, name: str = "") -> Account:
        """Make an account in the operator's name, whatever the settings say; raises as :meth:`register`."""
        folded = fold_login(login)
        normal = normal_password(password, login=folded)
        shown = shown_name(name) or folded
        with _away_is_refused():
            if await self._repository.count_scopes(Kind.ACCOUNT) >= MAX_ACCOUNTS:
                raise Refused(ErrorCode.NODE_FULL, "No more accounts can be made here.")
            if await self._repository.get(Kind.ACCOUNT, _scope(folded)) is not None:
                raise _exists(folded)
        password_hash = await self._passwords.hash(normal)
        record = AccountRecord(
            login=folded,
            user=new_user_id(),
            name=shown,
            password_hash=password_hash,
            generation=1,
            created_at_ms=self._now_ms(),
        )
        try:
            with _away_is_refused():
                await self._repository.put(
                    Kind.ACCOUNT, _scope(folded), body=msgspec.json.encode(record), expected=ABSENT
                )
        except RevisionConflictError:
            raise _exists(folded) from None
        self._registered += 1
        return record.account

    async def log_in(self, login: str, password: str) -> Account:
        """Say who that is.

        Raises:
            Refused: `not_permitted`, `credentials_invalid` (nobody of that login, or not their password),
                `rate_limited`.
        """
        self._require_enabled()
        stored = await self._authenticate(login, password)
        record = stored.record
        if self._passwords.is_dated(record.password_hash):
            # The one moment at which the password is known; when somebody else is faster, the next log-in does it.
            password_hash = await self._passwords.hash(_normal(password))
            with suppress(RevisionConflictError, Refused), _away_is_refused():
                await self._put(stored, password_hash=password_hash)
        self._logins += 1
        return record.account

    async def change_password(self, login: str, password: str, new_password: str) -> Account:
        """Put another password in place of this one and log out everywhere.

        Of two changes at the same moment one wins; the other finds that its password holds no more.

        Raises:
            Refused: as :meth:`log_in`, and `password_unfit`.
        """
        self._require_enabled()
        normal = normal_password(new_password, login=login.strip().casefold())
        stored = await self._authenticate(login, password)
        password_hash = await self._passwords.hash(normal)
        for _ in range(MAX_CHANGES):
            generation = stored.record.generation + 1
            try:
                with _away_is_refused():
                    await self._put(stored, password_hash=password_hash, generation=generation)
            except RevisionConflictError:
                stored = await self._authenticate(login, password)
                continue
            return msgspec.structs.replace(stored.record, generation=generation).account
        raise _busy()

    async def set_password(self, login: str, new_password: str) -> Account:
        """Put a password in place in the operator's name, and log out everywhere.

        Raises:
            Refused: `account_unknown`, `password_unfit`, `login_invalid`.
        """
        folded = fold_login(login)
        password_hash = await self._passwords.hash(normal_password(new_password, login=folded))
        return await self._raise_generation(folded, password_hash=password_hash)

    async def log_out(self, login: str) -> Account:
        """Log out everywhere: tokens of the generations so far are worth nothing.

        The caller has made sure that whoever asks may: by a token that is current, or as the operator.

        Raises:
            Refused: `account_unknown`, `login_invalid`.
        """
        return await self._raise_generation(fold_login(login))

    async def is_current(self, login: str, generation: int) -> bool:
        """Say whether what was issued for this generation still counts; yes while the store cannot be asked."""
        try:
            stored = await self._read(login)
        except Refused:
            self._tokens_unchecked += 1
            return True
        return stored is not None and stored.record.generation == generation

    async def accounts(self, *, after: str = "", limit: int = 100) -> tuple[Account, ...]:
        """Up to `limit` accounts in the order of their logins, beginning behind the login `after`."""
        with _away_is_refused():
            scopes = await self._repository.scopes(Kind.ACCOUNT, after=_scope(after), limit=limit)
        found = [await self._read(scope.removeprefix(_scope(""))) for scope in scopes]
        return tuple(stored.record.account for stored in found if stored is not None)

    def statistics(self) -> AccountStatistics:
        """How accounts fare."""
        return AccountStatistics(
            registered=self._registered,
            logins=self._logins,
            logins_refused=self._logins_refused,
            hashes=self._passwords.hashes,
            tokens_unchecked=self._tokens_unchecked,
        )

    async def _authenticate(self, login: str, password: str) -> StoredAccount:
        """Find the account that this password opens; every way to fail costs one hash and says the same."""
        folded = login.strip().casefold()[:MAX_PASSWORD_CHARACTERS]
        now = trio.current_time()
        if not self._tries.take(folded, now):
            self._logins_refused += 1
            wait_s = math.ceil(self._tries.wait_s(folded, now))
            sentence = f"Too many log-ins with this login; try again in {wait_s} s."
            raise Refused(ErrorCode.RATE_LIMITED, sentence, retry_after_s=wait_s)
        # A login that cannot exist is looked up all the same: the store's time is part of the answer's.
        stored = await self._read(folded)
        fits = await self._passwords.check(None if stored is None else stored.record.password_hash, _normal(password))
        if stored is None or not fits:
            self._logins_refused += 1
            raise Refused(ErrorCode.CREDENTIALS_INVALID, "There is no account with this login and password.")
        return stored

    async def _raise_generation(self, login: str, **changes: object) -> Account:
        for _ in range(MAX_CHANGES):
            stored = await self._read(login)
            if stored is None:
                raise Refused(ErrorCode.ACCOUNT_UNKNOWN, f"There is no account {login}.")
            generation = stored.record.generation + 1
            try:
                with _away_is_refused():
                    await self._put(stored, generation=generation, **changes)
            except RevisionConflictError:
                continue
            return msgspec.structs.replace(stored.record, generation=generation).account
        raise _busy()

    async def _read(self, login: str) -> StoredAccount | None:
        with _away_is_refused():
            document: Document | None = await self._repository.get(Kind.ACCOUNT, _scope(login))
        if document is None:
            return None
        try:
            return read_account(document.body, document.revision)
        except msgspec.DecodeError:
            raise Refused(ErrorCode.STORE_UNAVAILABLE, "The record of this account cannot be read.") from None

    async def _put(self, stored: StoredAccount, **changes: object) -> None:
        await self._repository.put(
            Kind.ACCOUNT, _scope(stored.record.login), body=stored.changed(**changes), expected=stored.revision
        )

    def _require_enabled(self) -> None:
        if not self._settings.enabled:
            raise Refused(
                ErrorCode.NOT_PERMITTED, "This node has no accounts; come in as a guest or bring a user token."
            )


@contextmanager
def _away_is_refused() -> Iterator[None]:
    """Turn a store that is away into an answer, its outcome known or not: who asks again finds what happened."""
    try:
        yield
    except StoreUnavailableError as error:
        sentence = "Accounts cannot be reached at the moment; try again soon."
        raise Refused(ErrorCode.STORE_UNAVAILABLE, sentence) from error


def _scope(login: str) -> str:
    return f"account:{login}"


def _normal(password: str) -> str:
    """As :func:`normal_password` for one that was given; what is too long to be one is cut, and does not fit."""
    return unicodedata.normalize("NFKC", password[: MAX_PASSWORD_CHARACTERS + 1])


def _exists(login: str) -> Refused:
    return Refused(ErrorCode.ACCOUNT_EXISTS, f"There is an account {login} already; log in, or choose another login.")


def _busy() -> Refused:
    return Refused(ErrorCode.STORE_UNAVAILABLE, "This account is being changed from elsewhere; try again.")
