"""The repository that tests use keeps the contract of the real ones."""

from __future__ import annotations

import pytest

from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.durable.repository_contract import LocalRepositoryContract


@pytest.fixture
def repository() -> MemoryRepository:
    return MemoryRepository()


class TestMemoryRepository(LocalRepositoryContract):
    pass
