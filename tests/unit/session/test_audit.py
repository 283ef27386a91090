"""What an audit finds, and what it lets pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session.audit import Finding, StoredSeat, compare_seats
from session.memory_store import MemorySeatStore
from session.store import SlotId
from signalling.ids import NodeId, RoomId, SessionId
from tests.unit.session.seats import ROOM, seat

if TYPE_CHECKING:
    from session.store import Seat

HERE, THERE = NodeId("n1"), NodeId("n2")


def stored(held: Seat, **changes: str) -> StoredSeat:
    return StoredSeat(
        room=held.room,
        slot=SlotId(changes.get("slot", held.slot)),
        session=SessionId(changes.get("session", held.session)),
        device=held.device,
        attempt=held.attempt,
        node=NodeId(changes.get("node", held.node)),
    )


def kinds(found: frozenset[Finding]) -> list[str]:
    return sorted(finding.kind for finding in found)


ANN, BOB = seat("s-ann", 1), seat("s-bob", 1, user="bob", node="n2")


@pytest.mark.parametrize(
    ("index", "held", "expected"),
    [
        ((), (), []),
        ((stored(ANN), stored(BOB)), (ANN,), []),
        ((stored(ANN),), (), ["ghost"]),
        ((stored(BOB),), (), []),
        ((stored(BOB, node="n9"),), (), ["ghost"]),
        ((), (ANN,), ["missing"]),
        ((stored(ANN, session="s-old"),), (ANN,), ["double"]),
        ((stored(ANN, session="s-new", node="n2"),), (ANN,), ["double"]),
        ((stored(BOB), stored(BOB, slot="d:laptop-01:bob")), (), ["double", "double"]),
    ],
)
def test_findings(index: tuple[StoredSeat, ...], held: tuple[Seat, ...], expected: list[str]) -> None:
    assert kinds(compare_seats(index, held, node=HERE, alive={HERE, THERE})) == expected


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_ghosts_and_missing_are_the_two_differences(in_store: set[int], in_node: set[int]) -> None:
    people = [seat(f"s{number}", 1, user=f"u{number}") for number in range(10)]
    found = compare_seats(
        (stored(people[number]) for number in in_store),
        (people[number] for number in in_node),
        node=HERE,
        alive={HERE},
    )
    assert {(one.kind, one.session) for one in found} == {
        *(("ghost", f"s{number}") for number in in_store - in_node),
        *(("missing", f"s{number}") for number in in_node - in_store),
    }


async def test_the_memory_store_can_be_read() -> None:
    now = 0.0
    store = MemorySeatStore(lease_s=8, tombstone_s=60, clock=lambda: now)
    await store.assert_seats((ANN, BOB))
    elsewhere = seat("s-cal", 3, user="cal", room="attic")
    await store.assert_seats((elsewhere,))
    assert await store.rooms() == {ROOM, RoomId("attic")}
    assert set(await store.seats_in({ROOM, RoomId("nowhere")})) == {stored(ANN), stored(BOB)}
    await store.release((ANN,))
    assert set(await store.seats_in({ROOM, RoomId("attic")})) == {stored(BOB), stored(elsewhere)}
    now = 9.0
    assert await store.seats_in({ROOM}) == ()
