from __future__ import annotations

import pytest
import trio
import trio.testing

from accounts.passwords import MAX_WAITING, Passwords
from signalling.errors import ErrorCode, Refused
from tests.unit.accounts.quick_passwords import QuickPasswords


@pytest.fixture(params=[lambda: Passwords(time_cost=1, memory_kib=64), QuickPasswords], ids=["argon2id", "quick"])
def passwords(request: pytest.FixtureRequest) -> Passwords:
    made: Passwords = request.param()
    return made


async def test_a_password_fits_its_own_hash_alone(passwords: Passwords) -> None:
    kept = await passwords.hash("three words long")
    assert await passwords.check(kept, "three words long")
    assert not await passwords.check(kept, "three words lonG")
    assert "three" not in kept


async def test_a_check_costs_one_hash_whoever_it_is_for(passwords: Passwords) -> None:
    kept = await passwords.hash("three words long")
    for password_hash in (None, kept):
        before = passwords.hashes
        assert not await passwords.check(password_hash, "wrong password")
        assert passwords.hashes == before + 1


async def test_nobody_has_a_password() -> None:
    passwords = Passwords(time_cost=1, memory_kib=64)
    kept = await passwords.hash("x")
    assert kept.split("$")[:4] == passwords._nobodys.split("$")[:4]
    assert not passwords._fits(passwords._nobodys, "x")
    assert not await passwords.check(None, "")


async def test_what_is_no_hash_fits_nothing() -> None:
    assert not await Passwords(time_cost=1, memory_kib=64).check("plain text", "plain text")


async def test_hashes_are_of_the_algorithm_and_cost_that_we_say() -> None:
    passwords = Passwords()
    kept = await passwords.hash("three words long")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not passwords.is_dated(kept)
    assert passwords.is_dated(await Passwords(time_cost=1, memory_kib=64).hash("three words long"))


async def test_more_than_a_second_of_hashes_does_not_wait() -> None:
    passwords = Passwords(time_cost=1, memory_kib=64)
    passwords._limiter.total_tokens = 1
    async with passwords._limiter, trio.open_nursery() as nursery:
        for _ in range(MAX_WAITING):
            nursery.start_soon(passwords.hash, "x")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Refused) as caught:
            await passwords.hash("x")
        nursery.cancel_scope.cancel()
    assert caught.value.code is ErrorCode.RATE_LIMITED
