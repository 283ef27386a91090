"""Where the lines of a stream wait for their reader: few, and what does not fit is counted."""

from __future__ import annotations

from typing import Final

import trio

from node.admin.stream_lines import Lost, StreamLine

MAX_WAITING: Final = 2048
"""Lines: the agent's 512 old ones at once, and a node that logs a thousand in a burst; half a megabyte."""


class Outlet:
    """One stream's lines, from its tasks to its reader."""

    def __init__(self, *, max_waiting: int = MAX_WAITING) -> None:
        self._send, self._receive = trio.open_memory_channel[StreamLine](max_waiting)
        self._lost = 0

    def put(self, line: StreamLine) -> None:
        """Hand a line on, or drop it when too many wait, or nobody reads any more."""
        try:
            self._send.send_nowait(line)
        except trio.WouldBlock:
            self._lost += 1
        except trio.ClosedResourceError:
            return

    def close(self) -> None:
        """No more lines come; those that wait are still read."""
        self._send.close()

    async def receive(self) -> StreamLine:
        """The next line; how many were lost is told once those before them are read.

        Raises:
            trio.EndOfChannel: There are no more.
        """
        if self._lost and not self._receive.statistics().current_buffer_used:
            await trio.lowlevel.checkpoint()
            lost, self._lost = self._lost, 0
            return Lost(lines=lost)
        return await self._receive.receive()
