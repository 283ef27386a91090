"""Redis and memory agree on every sequence of calls, and a script that is wrong in one place is found out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import trio
from hypothesis import HealthCheck, given, settings

from durable.redis_connection import RedisConnection
from durable.redis_repository import RedisRepository, documents_script
from durable.repository import RevisionConflictError
from tests.unit.durable.repository_agreement import Call, calls, check_agreement
from tests.unit.durable.repository_contract import RepositoryContract

if TYPE_CHECKING:
    import redis

    from tests.cluster.durable.private_redis import PrivateRedis

pytestmark = pytest.mark.cluster

MUTANTS: Final = {
    "writes whatever was expected": (" ~= revision then return {'conflict'", " ~= revision and false then return {'x'"),
    "counts from what stands there": ("math.max(last + 1, now_us)", "last + 1"),
    "an expired one stands": ("if not has_expired(value) then revision = last end", "revision = last"),
    "nothing expires": ("return expires ~= nil and expires ~= 0", "return false and expires ~= 0"),
    "a scope is not listed": ("if is_listed then redis.call('ZADD', KEYS[2], 0, scope) end", ""),
    "a scope stays listed": ("  redis.call('ZREM', KEYS[2], scope)", ""),
    "a scope with another document is unlisted": ("kind .. ':') then return end", "kind .. ':') then break end"),
    "a dropped scope stays listed": ("then redis.call('ZREM', KEYS[index], scope)", "then local _ = 0"),
    "a dropped log stays": ("else redis.call('DEL', KEYS[index]) end", "end"),
    "every kind is dropped": ("if starts_with(field, ARGV[index] .. ':') then", "if true then"),
    "an entry is written again": ("if #known == 0 then redis.call('ZADD'", "if true then redis.call('ZADD'"),
    "an id is known by its beginning": ("'(' .. id .. '\\1'", "'(' .. id .. 'z'"),
    "one entry too many stays": ("-keep - 1)", "-keep - 2)"),
    "the number of a deleted one is none": ("revision == 0 and '0' or '1'", "'1'"),
}


@pytest.fixture
def client(redis_server: PrivateRedis) -> redis.Redis:
    return redis_server.client()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=calls)
def test_redis_and_memory_agree(client: redis.Redis, cluster: str, made: list[Call]) -> None:
    repository = RedisRepository(RedisConnection(client, deadline_s=5.0), cluster=cluster)
    trio.run(check_agreement, repository, made)


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_a_wrong_script_breaks_the_contract(connection: RedisConnection, cluster: str, mutant: str) -> None:
    right, wrong = MUTANTS[mutant]
    assert documents_script().count(right) == 1
    script = documents_script().replace(right, wrong)
    promises = [name for name in vars(RepositoryContract) if name.startswith("test_")]
    broken: list[str] = []
    for number, name in enumerate(promises):
        repository = RedisRepository(connection, cluster=f"{cluster}-{number}", script=script)
        try:
            await getattr(RepositoryContract(), name)(repository)
        except (AssertionError, RevisionConflictError, pytest.fail.Exception):
            broken.append(name)
    assert broken
