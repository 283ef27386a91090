"""The auditor: looks twice whether the store and this node agree on who sits where.

A change on its way looks like a fault for a moment, so only what is found both times counts. The second look is at
the rooms of the first one's findings alone. For other nodes' seats it says no more than that their node is gone: each
node answers for its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from durable import StoreUnavailableError
from session import compare_seats

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from session import Finding, SeatReader, Sessions
    from signalling.ids import NodeId, RoomId

LOOK_AGAIN_S: Final = 0.5
"""Longer than any one call to the store may take (`store.deadline_s`, 0.4 s), so that a change on its way is over."""


class FindingReport(msgspec.Struct, frozen=True, kw_only=True):
    """A seat about which the store and its node differ; ``kind`` is ``ghost``, ``missing`` or ``double``."""

    kind: str
    room: str
    slot: str
    session: str
    node: str


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit found; ``store`` is ``ok`` or ``unavailable``, and with the latter nothing was compared."""

    node: str
    store: str
    rooms: int = 0
    seats_here: int = 0
    seats_stored: int = 0
    seats_unconfirmed: int = 0
    findings: tuple[FindingReport, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether the store answered, and agrees."""
        return self.store == "ok" and not self.findings


@dataclass(frozen=True, kw_only=True)
class Auditor:
    """Audits the seats of one node.

    Attributes:
        node: this node.
        sessions: its seats.
        reader: the index of seats.
        alive: the living nodes, now.
    """

    node: NodeId
    sessions: Sessions
    reader: SeatReader
    alive: Callable[[], Collection[NodeId]]

    async def audit(self) -> AuditReport:
        """Compare the whole index with what sits here; takes half a second longer when there are findings."""
        try:
            rooms = await self.reader.rooms() | frozenset(self.sessions.rooms_here())
            stored, findings = await self._look(rooms)
            if findings:
                await trio.sleep(LOOK_AGAIN_S)
                findings &= (await self._look({finding.room for finding in findings}))[1]
        except StoreUnavailableError:
            return self._report("unavailable")
        return self._report("ok", rooms=len(rooms), stored=stored, findings=findings)

    def _report(
        self, store: str, *, rooms: int = 0, stored: int = 0, findings: Collection[Finding] = ()
    ) -> AuditReport:
        statistics = self.sessions.statistics()
        return AuditReport(
            node=self.node,
            store=store,
            rooms=rooms,
            seats_here=statistics.seats,
            seats_stored=stored,
            seats_unconfirmed=statistics.seats_unconfirmed,
            findings=tuple(
                FindingReport(kind=one.kind, room=one.room, slot=one.slot, session=one.session, node=one.node)
                for one in sorted(findings)
            ),
        )

    async def _look(self, rooms: Collection[RoomId]) -> tuple[int, frozenset[Finding]]:
        stored = await self.reader.seats_in(rooms)
        held = [seat for seat in self.sessions.seats() if seat.room in rooms]
        return len(stored), compare_seats(stored, held, node=self.node, alive=self.alive())
