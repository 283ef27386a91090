"""Lines of a stream: in order, few at a time, and what did not fit is told where it is missing."""

import pytest
import trio
import trio.testing

from node.admin import EventLine, Lost, Note
from node.admin.outlet import Outlet
from node.admin.stream_lines import StreamLine


def _line(number: int) -> EventLine:
    return EventLine(number=number, at_ms=0, kind="appeared", node="ada", serf_name="ada-1", detail="")


async def _take(outlet: Outlet, count: int) -> list[StreamLine]:
    with trio.fail_after(5):
        return [await outlet.receive() for _ in range(count)]


async def test_lines_come_in_order_and_then_no_more() -> None:
    outlet = Outlet()
    lines: list[StreamLine] = [_line(1), Note(message="x"), _line(2)]
    for line in lines:
        outlet.put(line)
    outlet.close()
    outlet.put(_line(3))
    assert await _take(outlet, 3) == lines
    with pytest.raises(trio.EndOfChannel):
        await outlet.receive()


async def test_what_does_not_fit_is_counted_and_told_behind_what_did() -> None:
    outlet = Outlet(max_waiting=3)
    for number in range(10):
        outlet.put(_line(number))
    assert await _take(outlet, 4) == [_line(0), _line(1), _line(2), Lost(lines=7)]
    outlet.put(_line(10))
    assert await _take(outlet, 1) == [_line(10)], "told once"


async def test_a_reader_that_waits_gets_the_next_line() -> None:
    outlet = Outlet(max_waiting=1)
    got: list[StreamLine] = []

    async def read() -> None:
        got.append(await outlet.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        outlet.put(_line(1))
        outlet.put(_line(2))
    assert got + await _take(outlet, 1) == [_line(1), _line(2)]
