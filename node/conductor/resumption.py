"""Who came back goes on with the tracks of before, for so long as it takes a page to publish them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from node.conductor.stage import Stage
    from signalling.ids import ParticipantId, RoomId

RESUME_WITHIN_S: Final = 5.0
"""From the join until what was not published again is gone for the others.

A page that was loaded anew asks for the camera and negotiates within about two seconds; above that, those who came back
without it would stand there with a still picture."""


class ResumptionDesk:
    """Ends the tracks that somebody came back without, here or on another node.

    Args:
        stage: Knows the rooms.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        # Everybody has the same time, so the first in order is the first to be due.
        self._due: dict[tuple[RoomId, ParticipantId], float] = {}
        self._added = trio.Event()

    def await_tracks(self, room: RoomId, participant: ParticipantId) -> None:
        """Somebody came back and is to publish their tracks again, from now on; an earlier return counts no more."""
        self._due.pop((room, participant), None)
        self._due[room, participant] = trio.current_time() + RESUME_WITHIN_S
        self._added.set()

    async def keep_time(self) -> None:
        """Give up what was not published again; runs until cancelled."""
        while True:
            first = next(iter(self._due), None)
            if first is None:
                self._added = trio.Event()
                await self._added.wait()
                continue
            due = self._due[first]
            await trio.sleep_until(due)
            if self._due.get(first) == due:
                del self._due[first]
                self._stage.carry_out(self._stage.rooms.give_up_awaited(*first))
