"""The auditor looks twice: what is on its way is no finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from durable import StoreUnavailableError
from node.audit import LOOK_AGAIN_S, Auditor
from node.cli import main
from session import MemorySeatStore, RoomDirectory, SessionClaims, SessionConfig, open_sessions
from signalling.ids import DeviceId, NodeId, RoomId, UserId
from tests.unit.durable.memory_repository import MemoryRepository

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from trio.testing import MockClock

    from session import Sessions, StoredSeat

ROOM = RoomId("hall")
HERE = NodeId("here")
CONFIG = SessionConfig(cluster="test", node=HERE)


class Reader(MemorySeatStore):
    """A store that can be away."""

    away = False

    async def seats_in(self, rooms: Collection[RoomId]) -> tuple[StoredSeat, ...]:
        if self.away:
            raise StoreUnavailableError("away")
        return await super().seats_in(rooms)


async def joined(sessions: Sessions, user: str) -> None:
    claims = SessionClaims(
        user=UserId(user), device=DeviceId("laptop-01"), name=user, session=None, token_id="t", expires_at=0.0
    )
    await sessions.join(sessions.mint_session(claims).session, ROOM, 1)


async def test_an_audit(autojump_clock: MockClock) -> None:
    store = Reader(lease_s=CONFIG.lease_s, tombstone_s=CONFIG.tombstone_s)
    async with open_sessions(CONFIG, store=store, directory=RoomDirectory(MemoryRepository(), max_rooms=9)) as sessions:
        auditor = Auditor(node=HERE, sessions=sessions, reader=store, alive=lambda: {HERE})
        await joined(sessions, "ann")
        report = await auditor.audit()
        assert report.is_clean
        assert (report.rooms, report.seats_here, report.seats_stored) == (1, 1, 1)
        (ann,) = sessions.seats()

        # Gone from the store: found, until the renewal has stated it again.
        await store.release((ann,))
        started = trio.current_time()
        report = await auditor.audit()
        assert [(one.kind, one.session) for one in report.findings] == [("missing", ann.session)]
        assert not report.is_clean
        assert trio.current_time() - started == pytest.approx(LOOK_AGAIN_S)

        # A leave whose release comes a moment later than the first look: no finding.
        await joined(sessions, "bob")
        bob = next(seat for seat in sessions.seats() if seat.user == "bob")
        sessions.leave(bob.session, ROOM)
        sessions.leave(ann.session, ROOM)
        assert (await auditor.audit()).is_clean

        store.away = True
        report = await auditor.audit()
        assert (report.store, report.is_clean) == ("unavailable", False)


def test_without_a_node_there_is_none_to_ask(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["audit", "--data-dir", str(tmp_path)])
    assert ended.value.code == 3
