"""A device is an id and a counter, kept together or not at all, by one process at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from signalling.client.device_memory import DeviceInUseError, MemoryDevice, open_device_file
from signalling.ids import is_device_id

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_counter_rises_also_beyond_what_a_node_knows() -> None:
    device = MemoryDevice()
    assert is_device_id(device.id)
    assert [await device.raise_attempt(beyond) for beyond in (0, 0, 7, 3)] == [1, 2, 8, 9]


async def test_a_file_keeps_id_and_counter(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    async with open_device_file(path) as before:
        assert [await before.raise_attempt(), await before.raise_attempt(40)] == [1, 41]
    async with open_device_file(path) as after:
        assert after.id == before.id
        assert await after.raise_attempt() == 42


async def test_nobody_is_a_device_that_somebody_is(tmp_path: Path) -> None:
    path = tmp_path / "device.json"
    async with open_device_file(path):
        with pytest.raises(DeviceInUseError):
            async with open_device_file(path):
                pytest.fail("two are one device")
    async with open_device_file(path):
        pass


@pytest.mark.parametrize(
    "half", ["", "garbage", '{"id": "de_0123456789"}', '{"attempt": 7}', '{"id": "x", "attempt": 7}', "[]", "\x00"]
)
async def test_half_a_device_is_none(tmp_path: Path, half: str) -> None:
    path = tmp_path / "device.json"
    path.write_text(half)
    async with open_device_file(path) as device:
        assert device.id not in {"de_0123456789", "x"}
        assert await device.raise_attempt() == 1


async def test_a_counter_that_cannot_be_kept_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    async with open_device_file(folder / "device.json") as device:
        (folder / "device.json.new").mkdir()
        with pytest.raises(OSError, match="directory"):
            await device.raise_attempt()
