"""An invitation is counted by who came in with it, and keeps what a newer version wrote."""

from __future__ import annotations

import msgspec
import pytest

from durable.errors import StoreUnavailableError
from durable.repository import Kind
from session import ClusterKeys, Tokens
from session.invitations import Invitations
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId, UserId
from tests.unit.durable.memory_repository import MemoryRepository

HALL, ANN, BOB = RoomId("hall"), UserId("us_ann"), UserId("us_bob")
OWNER = UserId("us_owner")


@pytest.fixture
def repository() -> MemoryRepository:
    return MemoryRepository()


@pytest.fixture
def invitations(repository: MemoryRepository) -> Invitations:
    return Invitations(repository, Tokens(ClusterKeys.generate(), cluster="c"))


async def uses(invitations: Invitations) -> int:
    ((_, record),) = await invitations.page(HALL, after="", limit=2)
    return len(record.used_by)


async def test_a_check_uses_nothing_and_a_user_counts_once(invitations: Invitations) -> None:
    _, _, token = await invitations.make(HALL, by=OWNER, lifetime_s=60, max_uses=1, note="")
    first, second = [await invitations.check(token, room=HALL, user=user) for user in (ANN, BOB)]
    assert first is not None
    assert second is not None
    assert await uses(invitations) == 0
    assert await invitations.count(first, room=HALL)
    assert not await invitations.count(first, room=HALL)
    assert await invitations.check(token, room=HALL, user=ANN) is None
    with pytest.raises(Refused) as refused:
        await invitations.count(second, room=HALL)
    assert refused.value.code is ErrorCode.INVITATION_INVALID
    await invitations.uncount(first, room=HALL)
    await invitations.uncount(first, room=HALL)
    assert await invitations.count(second, room=HALL)
    assert await uses(invitations) == 1


async def test_without_the_store_the_signature_has_to_do(
    invitations: Invitations, repository: MemoryRepository
) -> None:
    _, _, token = await invitations.make(HALL, by=OWNER, lifetime_s=60, max_uses=1, note="")
    use = await invitations.check(token, room=HALL, user=ANN)
    assert use is not None
    repository.failure = StoreUnavailableError("away")
    assert await invitations.check(token, room=HALL, user=BOB) is None
    assert not await invitations.count(use, room=HALL)
    await invitations.uncount(use, room=HALL)


async def test_a_use_keeps_what_a_newer_version_wrote(invitations: Invitations, repository: MemoryRepository) -> None:
    key, record, token = await invitations.make(HALL, by=OWNER, lifetime_s=60, max_uses=2, note="")
    newer = {**msgspec.to_builtins(record), "used_by": [], "version": 9, "colour": "blue"}
    await repository.put(
        Kind.INVITATION, HALL, key, body=msgspec.json.encode(newer), expires_at_ms=record.expires_at_ms
    )
    use = await invitations.check(token, room=HALL, user=ANN)
    assert use is not None
    await invitations.count(use, room=HALL)
    document = await repository.get(Kind.INVITATION, HALL, key)
    assert document is not None
    counted = msgspec.json.decode(document.body)
    assert len(counted.pop("used_by")) == 1
    await invitations.uncount(use, room=HALL)
    document = await repository.get(Kind.INVITATION, HALL, key)
    assert document is not None
    assert msgspec.json.decode(document.body) == newer
    newer.pop("used_by")
    assert counted == newer
