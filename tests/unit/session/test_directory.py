"""The directory in memory keeps the contract."""

from __future__ import annotations

import pytest

from session.directory import MemoryRoomDirectory
from tests.unit.session.directory_contract import MAX_ROOMS, RoomDirectoryContract


@pytest.fixture
def directory() -> MemoryRoomDirectory:
    return MemoryRoomDirectory(max_rooms=MAX_ROOMS)


class TestMemoryRoomDirectory(RoomDirectoryContract):
    pass
