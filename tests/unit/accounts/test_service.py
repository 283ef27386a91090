from __future__ import annotations

import msgspec
import pytest
import trio

from accounts import Account, Accounts, AccountSettings
from accounts.service import TRIES_BURST
from durable import Kind, StoreOutcomeUnknownError, StoreUnavailableError
from signalling.errors import ErrorCode, Refused
from tests.unit.accounts.quick_passwords import SCHEME, QuickPasswords
from tests.unit.durable.memory_repository import MemoryRepository

SECRET = "three words long"
OTHER = "four words are longer"
ON = AccountSettings(enabled=True)


@pytest.fixture
def repository() -> MemoryRepository:
    return MemoryRepository()


@pytest.fixture
def passwords() -> QuickPasswords:
    return QuickPasswords()


@pytest.fixture
def accounts(repository: MemoryRepository, passwords: QuickPasswords) -> Accounts:
    return Accounts(repository, passwords, ON, now_ms=lambda: 1234)


async def refusal(accounts: Accounts, login: str, password: str) -> Refused:
    with pytest.raises(Refused) as caught:
        await accounts.log_in(login, password)
    return caught.value


async def test_who_registered_logs_in_whatever_the_case(accounts: Accounts) -> None:
    made = await accounts.register("Ann", SECRET, "  Ann   Smith ")
    assert made == Account(login="ann", user=made.user, name="Ann Smith", generation=1, created_at_ms=1234)
    assert await accounts.log_in(" aNN", SECRET) == made
    assert "ann" not in made.user


async def test_without_a_name_one_is_called_by_the_login(accounts: Accounts) -> None:
    assert (await accounts.register("Ann", SECRET)).name == "ann"
    with pytest.raises(Refused, match="malformed"):
        await accounts.register("ben", SECRET, "B\x07n")


async def test_a_wrong_login_and_a_wrong_password_are_answered_alike_and_cost_alike(
    accounts: Accounts, passwords: QuickPasswords, repository: MemoryRepository
) -> None:
    await accounts.register("ann", SECRET)
    seen: list[tuple[ErrorCode, str, int, int]] = []
    for login, password in (("ann", OTHER), ("nobody", OTHER), ("no login at all!", OTHER), ("", "")):
        passwords.hashes = repository.calls = 0
        refused = await refusal(accounts, login, password)
        seen.append((refused.code, refused.message, passwords.hashes, repository.calls))
    assert set(seen) == {(ErrorCode.CREDENTIALS_INVALID, seen[0][1], 1, 1)}
    assert accounts.statistics().logins_refused == 4


async def test_a_login_is_taken_once(accounts: Accounts) -> None:
    results: list[Account | ErrorCode] = []

    async def register(password: str) -> None:
        try:
            results.append(await accounts.register("ann", password))
        except Refused as refused:
            results.append(refused.code)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(register, f"password number {number}")
    await register(SECRET)
    assert results.count(ErrorCode.ACCOUNT_EXISTS) == 5
    assert len(await accounts.accounts()) == 1


async def test_a_changed_password_holds_alone_and_raises_the_generation(accounts: Accounts) -> None:
    made = await accounts.register("ann", SECRET)
    changed = await accounts.change_password("Ann", SECRET, OTHER)
    assert (changed.user, changed.generation) == (made.user, 2)
    assert await accounts.log_in("ann", OTHER) == changed
    assert (await refusal(accounts, "ann", SECRET)).code is ErrorCode.CREDENTIALS_INVALID
    assert not await accounts.is_current("ann", 1)
    assert await accounts.is_current("ann", 2)


async def test_of_two_changes_at_once_one_wins(accounts: Accounts) -> None:
    await accounts.register("ann", SECRET)
    won: list[str] = []
    lost: list[ErrorCode] = []

    async def change(new: str) -> None:
        try:
            await accounts.change_password("ann", SECRET, new)
        except Refused as refused:
            lost.append(refused.code)
        else:
            won.append(new)

    async with trio.open_nursery() as nursery:
        for new in ("the first of two", "the second of two"):
            nursery.start_soon(change, new)
    (password,) = won
    assert lost == [ErrorCode.CREDENTIALS_INVALID]
    assert (await accounts.log_in("ann", password)).generation == 2


async def test_a_change_and_a_log_out_at_once_both_count(accounts: Accounts) -> None:
    await accounts.register("ann", SECRET)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accounts.change_password, "ann", SECRET, OTHER)
        nursery.start_soon(accounts.log_out, "ann")
    assert (await accounts.log_in("ann", OTHER)).generation == 3


async def test_an_unfit_new_password_changes_nothing(accounts: Accounts) -> None:
    await accounts.register("ann", SECRET)
    for new in ("short", "x" * 300):
        with pytest.raises(Refused) as caught:
            await accounts.change_password("ann", SECRET, new)
        assert caught.value.code is ErrorCode.PASSWORD_UNFIT
    assert (await accounts.log_in("ann", SECRET)).generation == 1


async def test_a_log_out_everywhere_leaves_the_password(accounts: Accounts) -> None:
    await accounts.register("ann", SECRET)
    assert (await accounts.log_out("Ann")).generation == 2
    assert not await accounts.is_current("ann", 1)
    assert (await accounts.log_in("ann", SECRET)).generation == 2
    with pytest.raises(Refused) as caught:
        await accounts.log_out("nobody")
    assert caught.value.code is ErrorCode.ACCOUNT_UNKNOWN


async def test_tries_are_counted_by_login_over_all_addresses(accounts: Accounts) -> None:
    await accounts.register("ann", SECRET)
    for number in range(TRIES_BURST):
        assert (await refusal(accounts, "ann", f"guess number {number}")).code is ErrorCode.CREDENTIALS_INVALID
    for login in ("ann", "ANN", " ann"):
        assert (await refusal(accounts, login, SECRET)).code is ErrorCode.RATE_LIMITED
    await accounts.register("ben", SECRET)
    await accounts.log_in("ben", SECRET)


async def test_tries_come_back_with_time(accounts: Accounts, autojump_clock: object) -> None:
    await accounts.register("ann", SECRET)
    for _ in range(TRIES_BURST + 1):
        await refusal(accounts, "ann", OTHER)
    await trio.sleep(13)
    await accounts.log_in("ann", SECRET)


async def test_accounts_that_are_off_take_nobody(repository: MemoryRepository, passwords: QuickPasswords) -> None:
    accounts = Accounts(repository, passwords, AccountSettings(enabled=False))
    for refused in (
        accounts.register("ann", SECRET),
        accounts.log_in("ann", SECRET),
        accounts.change_password("ann", SECRET, OTHER),
    ):
        with pytest.raises(Refused) as caught:
            await refused
        assert caught.value.code is ErrorCode.NOT_PERMITTED
    assert repository.calls == passwords.hashes == 0


async def test_without_registration_the_operator_makes_accounts(
    repository: MemoryRepository, passwords: QuickPasswords
) -> None:
    accounts = Accounts(repository, passwords, AccountSettings(enabled=True, registration=False))
    with pytest.raises(Refused) as caught:
        await accounts.register("ann", SECRET)
    assert caught.value.code is ErrorCode.NOT_PERMITTED
    made = await accounts.create("ann", SECRET)
    assert await accounts.log_in("ann", SECRET) == made
    assert (await accounts.set_password("ann", OTHER)).generation == 2
    assert (await accounts.log_in("ann", OTHER)).user == made.user


@pytest.mark.parametrize("failure", [StoreUnavailableError("away"), StoreOutcomeUnknownError("late")])
async def test_a_store_that_is_away_is_said_and_tokens_count_on_their_own(
    accounts: Accounts, repository: MemoryRepository, failure: StoreUnavailableError
) -> None:
    await accounts.register("ann", SECRET)
    repository.failure = failure
    assert (await refusal(accounts, "ann", SECRET)).code is ErrorCode.STORE_UNAVAILABLE
    with pytest.raises(Refused) as caught:
        await accounts.register("ben", SECRET)
    assert caught.value.code is ErrorCode.STORE_UNAVAILABLE
    assert await accounts.is_current("ann", 1)
    assert accounts.statistics().tokens_unchecked == 1
    repository.failure = None
    assert not await accounts.is_current("ann", 7)
    assert not await accounts.is_current("nobody", 1)


async def test_fields_of_a_newer_version_survive_our_changes(accounts: Accounts, repository: MemoryRepository) -> None:
    await accounts.register("ann", SECRET)
    document = await repository.get(Kind.ACCOUNT, "account:ann")
    assert document is not None
    newer = {**msgspec.json.decode(document.body), "version": 2, "second_factor": {"kind": "totp"}}
    await repository.put(Kind.ACCOUNT, "account:ann", body=msgspec.json.encode(newer))
    await accounts.change_password("ann", SECRET, OTHER)
    document = await repository.get(Kind.ACCOUNT, "account:ann")
    assert document is not None
    kept = msgspec.json.decode(document.body)
    assert (kept["version"], kept["second_factor"], kept["generation"]) == (2, {"kind": "totp"}, 2)


async def test_a_hash_of_an_older_cost_is_made_anew_at_the_log_in(
    accounts: Accounts, repository: MemoryRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accounts.register("ann", SECRET)
    monkeypatch.setattr(QuickPasswords, "is_dated", lambda _self, password_hash: password_hash.startswith(SCHEME))
    document = await repository.get(Kind.ACCOUNT, "account:ann")
    await accounts.log_in("ann", SECRET)
    again = await repository.get(Kind.ACCOUNT, "account:ann")
    assert document is not None
    assert again is not None
    assert again.revision > document.revision
    assert (await accounts.log_in("ann", SECRET)).generation == 1


async def test_a_record_that_is_none_is_not_a_crash(accounts: Accounts, repository: MemoryRepository) -> None:
    await repository.put(Kind.ACCOUNT, "account:ann", body=b'{"login": 3}')
    assert (await refusal(accounts, "ann", SECRET)).code is ErrorCode.STORE_UNAVAILABLE


async def test_no_more_accounts_than_a_node_is_made_for(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.service.MAX_ACCOUNTS", 2)
    await accounts.register("ann", SECRET)
    await accounts.register("ben", SECRET)
    with pytest.raises(Refused) as caught:
        await accounts.register("cat", SECRET)
    assert caught.value.code is ErrorCode.NODE_FULL
    assert [account.login for account in await accounts.accounts()] == ["ann", "ben"]
    assert [account.login for account in await accounts.accounts(after="ann")] == ["ben"]


async def test_what_is_kept_shows_no_hash_when_it_is_printed(accounts: Accounts, repository: MemoryRepository) -> None:
    await accounts.register("ann", SECRET)
    stored = await accounts._read("ann")
    assert stored is not None
    assert SCHEME not in repr(stored) + repr(stored.record)
