"""Orders of other nodes about people and rooms here: each acts once, and none is used up before it acts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trio.testing import wait_all_tasks_blocked

from relay import RemoteOrder
from signalling.client.messages import MuteAsked, SeatLost
from signalling.ids import TrackId
from signalling.mesh.link import KickOrder, MuteOrder
from tests.unit.node.conductor.house import ROOM, THERE, Mesh, open_house

if TYPE_CHECKING:
    from trio.testing import MockClock

    from signalling.mesh.link import RoomOrder


async def hear(mesh: Mesh, order: RoomOrder) -> None:
    """Another node sends an order, for the first time or again."""
    await mesh.say.send(RemoteOrder(node=THERE, order=order))
    await wait_all_tasks_blocked()


async def test_a_kick_that_comes_before_its_target_acts_when_it_is_repeated(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ann = await house.enter("Ann")
        joined = await ann.join()
        await ann.leave()
        order = KickOrder(ROOM, "order-1", joined.participant)
        await hear(mesh, order)
        again = await ann.join(2)
        assert again.participant == joined.participant
        await hear(mesh, order)
        assert ann.ear.take(SeatLost) == [SeatLost(reason="kicked")]
        await ann.join(3)
        await hear(mesh, order)
        assert len(ann.ear.take(SeatLost)) == 1, "once it has acted, a late copy does nothing"


async def test_a_mute_is_asked_for_once_and_not_before_there_is_whom_to_ask(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ann = await house.enter("Ann")
        joined = await ann.join()
        await ann.leave()
        order = MuteOrder(ROOM, "order-1", joined.participant, TrackId("tr_1"))
        await hear(mesh, order)
        await ann.join(2)
        for _ in range(3):
            await hear(mesh, order)
        assert ann.ear.take(MuteAsked) == [MuteAsked(by=None, track=TrackId("tr_1"))]
