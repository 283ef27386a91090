"""How far people are: read now and then, the shorter of their two ways, and never at the price of a wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
import trio

from node.client_peer import publisher_of, subscriber_of
from node.conductor.people_rtts import KEPT_S, WITHIN_S, PeopleRtts
from sfu import EngineError, PeerStatistics, Statistics
from signalling.ids import RoomId, SessionId

if TYPE_CHECKING:
    from sfu import Engine
    from signalling.ids import PeerId

ROOM = RoomId("room")
ADA, BOB, CY = SessionId("ada"), SessionId("bob"), SessionId("cy")


class FakeEngine:
    """Says these round trips, after a while, or fails."""

    def __init__(self) -> None:
        self.rtts_ms: dict[PeerId, float | None] = {}
        self.takes_s = 0.0
        self.failure: Exception | None = None
        self.asked = 0

    async def statistics(self) -> Statistics:
        self.asked += 1
        await trio.sleep(self.takes_s)
        if self.failure is not None:
            raise self.failure
        return Statistics(
            id=0,
            peers=tuple(
                PeerStatistics(
                    peer=peer,
                    kind="publisher",
                    state="connected",
                    packets_in=0,
                    bytes_in=0,
                    packets_out=0,
                    bytes_out=0,
                    rtt_ms=rtt_ms,
                )
                for peer, rtt_ms in self.rtts_ms.items()
            ),
            tracks=(),
            counters={},
        )


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def people(engine: FakeEngine) -> PeopleRtts:
    rooms = {ROOM: (ADA, BOB, CY)}
    return PeopleRtts(cast("Engine", engine), lambda room: rooms.get(room, ()))


async def test_the_farthest_counts_by_the_shorter_of_its_two_ways(
    engine: FakeEngine, people: PeopleRtts, autojump_clock: object
) -> None:
    assert people.farthest_ms(ROOM) is None, "nothing was read"
    engine.rtts_ms = {
        publisher_of(ADA): 300.0,
        subscriber_of(ADA): 80.0,
        subscriber_of(BOB): 40.0,
        publisher_of(CY): None,
    }
    await people.refresh()
    assert people.farthest_ms(ROOM) == 80.0
    assert people.farthest_ms(ROOM, leaving=ADA) == 40.0
    assert people.farthest_ms(RoomId("another")) is None


async def test_the_engine_is_read_once_in_a_while(
    engine: FakeEngine, people: PeopleRtts, autojump_clock: object
) -> None:
    await people.refresh()
    engine.rtts_ms = {subscriber_of(ADA): 80.0}
    await people.refresh()
    assert (engine.asked, people.farthest_ms(ROOM)) == (1, None)
    await trio.sleep(KEPT_S)
    await people.refresh()
    assert people.farthest_ms(ROOM) == 80.0


@pytest.mark.parametrize("slow", [True, False])
async def test_an_engine_that_is_slow_or_away_says_nothing(
    engine: FakeEngine, people: PeopleRtts, slow: bool, autojump_clock: object
) -> None:
    engine.rtts_ms = {subscriber_of(ADA): 80.0}
    if slow:
        engine.takes_s = 60.0
    else:
        engine.failure = EngineError("away")
    began = trio.current_time()
    await people.refresh()
    assert trio.current_time() - began <= WITHIN_S
    assert people.farthest_ms(ROOM) is None
