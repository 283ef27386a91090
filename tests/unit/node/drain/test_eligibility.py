"""Whether a node takes new people, kept by a file that is there or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from node.drain import Eligibility, UnkeptError
from node.drain.eligibility import INELIGIBLE_FILE

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_last_order_is_what_the_next_process_reads(tmp_path: Path) -> None:
    kept = Eligibility(tmp_path)
    assert kept.read(), "nobody said anything yet"
    await kept.keep(True)
    assert kept.read()
    for _ in range(2):
        await kept.keep(False)
        assert not Eligibility(tmp_path).read()
    assert _names(tmp_path) == [INELIGIBLE_FILE], "nothing else is left behind"
    assert b"eligibility on" in (tmp_path / INELIGIBLE_FILE).read_bytes()
    await kept.keep(True)
    assert Eligibility(tmp_path).read()


async def test_a_write_that_a_kill_broke_off_says_nothing(tmp_path: Path) -> None:
    """What is written is a neighbour until it is whole; it is no word of the operator."""
    (tmp_path / f".{INELIGIBLE_FILE}.0a1b2c3d").write_bytes(b"This no")
    assert Eligibility(tmp_path).read()


async def test_orders_that_cross_end_as_the_last_one_said(tmp_path: Path) -> None:
    kept = Eligibility(tmp_path)
    done: list[bool] = []

    async def order(eligible: bool) -> None:
        await kept.keep(eligible)
        done.append(eligible)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(order, number % 2 == 0)
            await trio.lowlevel.checkpoint()
    assert kept.read() == done[-1]


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnkeptError, match="nothing was changed") as refused:
        await Eligibility(tmp_path / "gone").keep(False)
    assert refused.value.code == "data_dir_unwritable"


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]
