"""What a moderator decides reaches people on other nodes without a link: it stands in the store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from durable.errors import StoreUnavailableError
from node.conductor.moderation import SWEEP_S
from relay import RemoteRoom
from session import MemorySeatStore, Seat, SessionConfig
from session.store import RoomPolicy, Verdict, slot_of
from signalling.client.messages import AskMute, Kick, ParticipantInfo, SeatLost, TrackInfo
from signalling.client.rooms import KickRequest, RoomCreation
from signalling.errors import ErrorCode, Refused
from signalling.ids import DeviceId, ParticipantId, SessionId, TrackId, UserId, participant_id
from signalling.mesh.link import KickOrder, MuteOrder, RoomAltered
from tests.unit.node.conductor.house import HERE, ROOM, THERE, Mesh, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from trio.testing import MockClock

    from session.store import RoomRules, SeatAnswer
    from signalling.ids import RoomId
    from tests.unit.node.conductor.house import House, Person

FAR, LAPTOP, TRACK = UserId("us_far"), DeviceId("a-laptop"), TrackId("tr_far")
FAR_IS = participant_id(ROOM, FAR, LAPTOP)
SETTINGS = SessionConfig(cluster="test", node=HERE)
RENEWED_S = SETTINGS.renew_s + 0.1


class Store(MemorySeatStore):
    """The seats of the house and of somebody far away; may be unable to evict."""

    def __init__(self) -> None:
        super().__init__(lease_s=SETTINGS.lease_s, tombstone_s=SETTINGS.tombstone_s)
        self.is_away = False
        self.on_evict: Callable[[], None] = lambda: None
        self.is_slow = False

    async def claim(self, seat: Seat, rules: RoomRules, *, silent: SessionId | None = None) -> SeatAnswer:
        if self.is_slow:
            await trio.sleep(0.3)
        return await super().claim(seat, rules, silent=silent)

    async def evict(
        self, room: RoomId, *, participant: ParticipantId | None = None, user: UserId | None = None
    ) -> None:
        if self.is_away:
            raise StoreUnavailableError("away")
        self.on_evict()
        await super().evict(room, participant=participant, user=user)


@dataclass
class Hall:
    """A room with its owner here and somebody on another node."""

    house: House
    mesh: Mesh
    store: Store
    owner: Person
    far: Seat

    async def verdict(self) -> Verdict:
        """What the far node hears of its seat at the next renewal."""
        (answer,) = await self.store.touch((self.far,))
        return answer.verdict


@pytest.fixture
async def hall(autojump_clock: MockClock) -> AsyncIterator[Hall]:
    mesh, store = Mesh(), Store()
    async with open_house(mesh=mesh, store=store) as house:
        owner = await house.enter("Ann")
        await house.conductor.room_desk.create(owner.token, RoomCreation(room=ROOM))
        await owner.join()
        far = Seat(
            room=ROOM,
            slot=slot_of(RoomPolicy.REPLACE, FAR, LAPTOP),
            user=FAR,
            device=LAPTOP,
            session=SessionId("far"),
            attempt=1,
            node=THERE,
            epoch=1,
        )
        (answer,) = await store.assert_seats((far,))
        assert answer.verdict is Verdict.OK
        track = TrackInfo(track=TRACK, kind="audio", source="microphone")
        info = ParticipantInfo(participant=FAR_IS, user=FAR, name="Far", node=THERE, region="", tracks=(track,))
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(info,)))
        await wait_all_tasks_blocked()
        yield Hall(house, mesh, store, owner, far)


async def test_a_kick_stands_in_the_store_and_goes_over_the_link_once(hall: Hall) -> None:
    await hall.owner.ask(Kick(participant=FAR_IS))
    assert await hall.verdict() is Verdict.KICKED
    await trio.sleep(6)
    ((node, order),) = hall.mesh.orders
    assert (node, type(order)) == (THERE, KickOrder)


@pytest.mark.parametrize("by_rest", [True, False])
async def test_a_kick_needs_no_link(hall: Hall, by_rest: bool) -> None:
    hall.mesh.cut_off.add(THERE)
    if by_rest:
        await hall.house.conductor.room_desk.kick(hall.owner.token, ROOM, FAR_IS, KickRequest())
    else:
        await hall.owner.ask(Kick(participant=FAR_IS))
    assert await hall.verdict() is Verdict.KICKED
    assert not hall.mesh.orders


async def test_a_kick_that_cannot_be_made_certain_is_refused_and_not_half_done(hall: Hall) -> None:
    hall.store.is_away = True
    with pytest.raises(Refused) as refused:
        await hall.owner.ask(Kick(participant=FAR_IS))
    assert refused.value.code is ErrorCode.STORE_UNAVAILABLE
    assert not hall.mesh.orders
    assert await hall.verdict() is Verdict.OK


async def test_a_room_is_deleted_without_a_link(hall: Hall) -> None:
    hall.mesh.cut_off.add(THERE)
    await hall.house.conductor.room_desk.delete(hall.owner.token, ROOM, revisions=None)
    await wait_all_tasks_blocked()
    assert hall.owner.ear.take(SeatLost) == [SeatLost(reason="room_deleted")]
    assert await hall.verdict() is Verdict.DELETED


async def test_a_room_is_deleted_by_whoever_is_elsewhere(hall: Hall) -> None:
    """No node has to see into a room to end it."""
    await hall.owner.leave()
    await hall.house.conductor.room_desk.delete(hall.owner.token, ROOM, revisions=None)
    assert await hall.verdict() is Verdict.DELETED


async def test_a_deletion_that_fails_half_way_is_done_when_it_is_asked_again(hall: Hall) -> None:
    desk, token = hall.house.conductor.room_desk, hall.owner.token
    hall.store.is_away = True
    with pytest.raises(Refused) as refused:
        await desk.delete(token, ROOM, revisions=None)
    assert refused.value.code is ErrorCode.STORE_UNAVAILABLE
    assert hall.mesh.orders == []
    with pytest.raises(Refused) as refused:
        await desk.get(token, ROOM)
    assert refused.value.code is ErrorCode.ROOM_UNKNOWN, "it is decided"
    hall.store.is_away = False
    await desk.delete(token, ROOM, revisions=None)
    assert [type(order) for _, order in hall.mesh.orders] == [RoomAltered]
    assert await hall.verdict() is Verdict.DELETED


async def test_a_deletion_that_nobody_asks_for_again_empties_the_room_by_the_sweep(
    hall: Hall, autojump_clock: MockClock
) -> None:
    hall.store.is_away = True
    with pytest.raises(Refused):
        await hall.house.conductor.room_desk.delete(hall.owner.token, ROOM, revisions=None)
    await trio.sleep(SWEEP_S + 1)
    assert hall.owner.ear.take(SeatLost) == [SeatLost(reason="room_deleted")]


async def test_a_deletion_goes_on_when_whoever_asked_hangs_up(hall: Hall) -> None:
    with trio.CancelScope() as asking:
        hall.store.on_evict = asking.cancel
        await hall.house.conductor.room_desk.delete(hall.owner.token, ROOM, revisions=None)
    assert await hall.verdict() is Verdict.DELETED
    assert hall.owner.ear.take(SeatLost) == [SeatLost(reason="room_deleted")]
    assert await hall.house.sessions.definitions.peek(ROOM) is None, "not even as one that is being deleted"


async def test_a_wish_to_mute_that_no_link_carries_is_refused(hall: Hall) -> None:
    await hall.owner.ask(AskMute(participant=FAR_IS, track=TRACK))
    assert [type(order) for _, order in hall.mesh.orders] == [MuteOrder]
    hall.mesh.cut_off.add(THERE)
    with pytest.raises(Refused) as refused:
        await hall.owner.ask(AskMute(participant=FAR_IS, track=TRACK))
    assert refused.value.code is ErrorCode.PARTICIPANT_UNREACHABLE


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_a_seat_here_ends_within_a_renewal_of_what_another_node_wrote(hall: Hall, is_deleted: bool) -> None:
    record = hall.house.sessions.record(hall.owner.session)
    assert record is not None
    me = participant_id(ROOM, record.user, record.device)
    if is_deleted:
        await hall.store.evict(ROOM)
    else:
        await hall.store.evict(ROOM, participant=me, user=record.user)
    await trio.sleep(RENEWED_S)
    reasons = [event.reason for event in hall.owner.ear.take(SeatLost)]
    assert reasons == ["room_deleted" if is_deleted else "kicked"]
    # And comes in again: it was no ban.
    await hall.owner.join(2)
    await trio.sleep(2 * RENEWED_S)
    assert len(hall.owner.ear.take(SeatLost)) == 1


async def test_whoever_moved_on_a_moment_ago_is_kicked_there(hall: Hall) -> None:
    """The seat here is an old one; which node has the new one, nobody has said yet."""
    guest = await hall.house.enter("Guest")
    joined = await guest.join()
    old = hall.house.sessions.seat(guest.session, ROOM)
    rules = hall.house.sessions.definitions.known(ROOM)
    assert old is not None
    assert rules is not None
    moved = replace(old, session=SessionId("moved"), attempt=2, node=THERE)
    answer = await hall.store.claim(moved, rules.rules)
    assert answer.verdict is Verdict.OK
    await hall.owner.ask(Kick(participant=joined.participant))
    (renewed,) = await hall.store.touch((replace(moved, epoch=answer.epoch),))
    assert renewed.verdict is Verdict.KICKED
    (order,) = [(node, order.participant) for node, order in hall.mesh.orders if isinstance(order, KickOrder)]
    assert order == (THERE, joined.participant)


async def test_a_store_that_is_away_keeps_nobody_in_who_sits_here(hall: Hall) -> None:
    guest = await hall.house.enter("Guest")
    joined = await guest.join()
    hall.store.is_away = True
    await hall.owner.ask(Kick(participant=joined.participant))
    await wait_all_tasks_blocked()
    assert guest.ear.take(SeatLost) == [SeatLost(reason="kicked")]


async def test_a_reload_on_its_way_does_not_outlive_a_kick(hall: Hall) -> None:
    guest = await hall.house.enter("Guest", "device-of-guest")
    joined = await guest.join()
    reloaded = await hall.house.enter_with(guest.token)
    refusals: list[ErrorCode] = []
    hall.store.is_slow = True

    async def reload() -> None:
        with pytest.raises(Refused) as refused:
            await reloaded.join(2)
        refusals.append(refused.value.code)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reload)
        await wait_all_tasks_blocked()
        await hall.owner.ask(Kick(participant=joined.participant))
    assert refusals == [ErrorCode.NOT_PERMITTED]
    await trio.sleep(RENEWED_S)
    assert [seat.session for seat in hall.house.sessions.seats()] == [hall.owner.session]


async def test_whoever_is_not_seen_any_more_for_a_lost_link_can_be_kicked(hall: Hall) -> None:
    hall.mesh.cut_off.add(THERE)
    await hall.mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(), is_lost=True))
    await wait_all_tasks_blocked()
    await hall.owner.ask(Kick(participant=FAR_IS))
    assert await hall.verdict() is Verdict.KICKED
    for request in (AskMute(participant=FAR_IS, track=TRACK), Kick(participant=ParticipantId("pa_nobody"))):
        with pytest.raises(Refused) as refused:
            await hall.owner.ask(request)
        assert refused.value.code is ErrorCode.PARTICIPANT_UNKNOWN


async def test_whoever_is_not_seen_any_more_for_a_lost_link_can_be_banned(hall: Hall) -> None:
    await hall.mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(), is_lost=True))
    await wait_all_tasks_blocked()
    await hall.owner.ask(Kick(participant=FAR_IS, ban_s=60))
    bans = await hall.house.conductor.room_desk.bans(hall.owner.token, ROOM, after="", limit=9)
    assert [ban.user for ban in bans.bans] == [FAR]
