"""Whoever was told to move and went is seen at the old place until the new one carries them; others go at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from node.conductor.moves import MEASURED_BURST, NEARER_WITHIN_S, STAY_S
from node.http.candidates import CandidateQuery, NodeCandidate
from relay import RemoteRoom
from session import SeatLost
from signalling.client.messages import Join, Joined, Measured, Move, Ok, ParticipantLeft, Replaced, TrackUnpublished
from signalling.errors import ErrorCode, Refused
from signalling.ids import RoomId
from tests.unit.node.conductor.house import HERE, ROOM, THERE, Mesh, open_house

if TYPE_CHECKING:
    from trio.testing import MockClock

    from signalling.ids import SessionId
    from tests.unit.node.conductor.house import House, Person

LOST: Final = (Replaced, ParticipantLeft, TrackUnpublished)


def _candidate(node: str) -> NodeCandidate:
    fields = {"node": node, "url": f"http://{node}", "region": "r", "latitude": None, "longitude": None}
    return msgspec.convert({**fields, "load": "low", "rtt_ms": None, "why": []}, NodeCandidate)


def _with_others(house: House, *nodes: str) -> list[CandidateQuery]:
    """What it was asked; it answers without letting others run, as where nothing has to be read."""
    asked: list[CandidateQuery] = []

    async def candidates(query: CandidateQuery) -> tuple[NodeCandidate, ...]:
        asked.append(query)
        return tuple(map(_candidate, nodes))

    house.conductor.moves._candidates = candidates
    return asked


def _with_better(house: House, *nodes: str) -> list[CandidateQuery]:
    """The nodes that are clearly better, one question after the other; none when they are used up."""
    asked: list[CandidateQuery] = []

    def better(query: CandidateQuery, _session: SessionId) -> NodeCandidate | None:
        asked.append(query)
        return _candidate(nodes[len(asked) - 1]) if len(asked) <= len(nodes) else None

    house.conductor.moves._better = better
    return asked


async def _join(person: Person, *, moves: bool, room: RoomId = ROOM) -> Joined:
    joined = await person.ask(Join(room=room, attempt=1, moves=moves))
    assert isinstance(joined, Joined)
    await wait_all_tasks_blocked()
    return joined


def _news(person: Person) -> list[object]:
    return [event for event in person.ear.heard if isinstance(event, LOST)]


async def test_a_mover_is_told_the_other_nodes_and_stays_seen_until_the_old_socket_closes(
    autojump_clock: MockClock,
) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        _with_others(house, HERE, THERE)
        moves = house.conductor.moves
        went: list[SessionId] = []
        moves.report_moves(went.append)
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await _join(ada, moves=True)
        me = (await _join(bob, moves=True)).participant
        (track,) = await bob.publish("video")
        assert await moves.send([bob.session], 6.0) == ()
        assert bob.ear.take(Move) == [Move(urls=(f"http://{THERE}",), reason="node_drained", within_s=6.0)]
        moves.seat_lost(SeatLost(session=bob.session, room=ROOM, reason="replaced", moved_to=THERE))
        assert went == [bob.session]
        await trio.sleep(STAY_S / 2)
        assert (_news(ada), _news(bob)) == ([], [])
        assert house.conductor.stage.rooms.sessions_in(ROOM) == (ada.session, bob.session)
        there = house.conductor.stage.rooms.participant(bob.session)
        assert there is not None
        await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(there,)))
        await wait_all_tasks_blocked()
        house.conductor.session_closed(bob.session, "gone")
        await wait_all_tasks_blocked()
        assert house.conductor.stage.rooms.sessions_in(ROOM) == (ada.session,)
        (info,) = house.conductor.stage.rooms.others(ada.session)
        assert (info.participant, info.node, [one.track for one in info.tracks]) == (me, THERE, [track])
        assert _news(ada) == []


async def test_an_old_socket_that_stays_open_holds_nothing_for_ever(autojump_clock: MockClock) -> None:
    async with open_house(mesh=Mesh()) as house:
        _with_others(house, THERE)
        ada = await house.enter("Ada")
        await _join(ada, moves=True)
        await house.conductor.moves.send([ada.session], 6.0)
        house.conductor.moves.seat_lost(SeatLost(session=ada.session, room=ROOM, reason="replaced", moved_to=THERE))
        await trio.sleep(STAY_S + 0.1)
        assert house.conductor.stage.rooms.sessions_in(ROOM) == ()
        assert _news(ada) == []


async def test_who_was_not_asked_hears_that_the_seat_is_taken(autojump_clock: MockClock) -> None:
    async with open_house(mesh=Mesh()) as house:
        _with_others(house, THERE)
        ada = await house.enter("Ada")
        await _join(ada, moves=False)
        assert await house.conductor.moves.send([ada.session], 6.0) == ()
        assert ada.ear.take(Move) == []
        house.conductor.moves.seat_lost(SeatLost(session=ada.session, room=ROOM, reason="replaced", moved_to=THERE))
        assert _news(ada) == [Replaced()]
        assert house.conductor.stage.rooms.sessions_in(ROOM) == ()


async def test_without_another_node_nobody_is_told(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        _with_others(house, HERE)
        ada = await house.enter("Ada")
        await _join(ada, moves=True)
        assert await house.conductor.moves.send([ada.session], 6.0) == (ada.session,)
        assert ada.ear.take(Move) == []


async def test_a_batch_ranks_once_a_room_and_lets_others_run_between_rooms(autojump_clock: MockClock) -> None:
    other = RoomId("other")
    async with open_house() as house:
        asked = _with_others(house, THERE)
        people = [await house.enter(f"Person {number}") for number in range(6)]
        for number, person in enumerate(people):
            await _join(person, moves=True, room=(ROOM, other)[number % 2])
        turns: list[int] = []

        async def run_beside(task_status: trio.TaskStatus[None]) -> None:
            task_status.started()
            while True:
                turns.append(len(asked))
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            await nursery.start(run_beside)
            before = len(turns)
            assert await house.conductor.moves.send([person.session for person in people], 6.0) == ()
            nursery.cancel_scope.cancel()
        assert [query.room for query in asked] == [ROOM, other]
        assert len(turns) > before
        assert [len(person.ear.take(Move)) for person in people] == [1] * 6


async def test_nobody_is_told_any_more_once_it_is_undone(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        asked = _with_others(house, THERE)
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await _join(ada, moves=True)
        await _join(bob, moves=True, room=RoomId("other"))
        moves = house.conductor.moves
        assert await moves.send([ada.session, bob.session], 6.0, wanted=lambda: len(asked) < 2) == ()
        assert (len(ada.ear.take(Move)), bob.ear.take(Move)) == (1, [])


async def test_an_ineligible_node_takes_back_its_own_alone(autojump_clock: MockClock) -> None:
    async with open_house() as house:
        ada = await house.enter("Ada")
        await _join(ada, moves=True)
        house.conductor.standing.eligible = False
        assert [problem.code for problem in house.conductor.readiness()] == ["node_ineligible"]
        with pytest.raises(Refused) as refused:
            await house.enter("Bob")
        assert refused.value.code is ErrorCode.NODE_FULL
        again = await house.enter_with(ada.token)
        assert isinstance(await again.ask(Join(room=ROOM, attempt=2)), Joined)


async def test_who_measures_that_another_node_is_clearly_nearer_is_told_to_go_there(autojump_clock: MockClock) -> None:
    """And is seen here until they are there, like everybody who moves; nobody is told twice in half a minute."""
    measured = Measured(rtts_ms={HERE: 200.0, THERE: 20.0})
    async with open_house(mesh=Mesh()) as house:
        asked = _with_better(house, THERE, THERE)
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await _join(ada, moves=True)
        await _join(bob, moves=True)
        assert await bob.ask(measured) == Ok()
        assert [(one.room, one.rtts_ms) for one in asked] == [(ROOM, measured.rtts_ms)]
        told = Move(urls=(f"http://{THERE}",), reason="nearer", within_s=NEARER_WITHIN_S)
        assert bob.ear.take(Move) == [told]
        assert await bob.ask(measured) == Ok()
        assert (len(asked), bob.ear.take(Move)) == (1, [told])
        await trio.sleep(NEARER_WITHIN_S)
        assert await bob.ask(measured) == Ok()
        assert bob.ear.take(Move) == [told, told]
        house.conductor.moves.seat_lost(SeatLost(session=bob.session, room=ROOM, reason="replaced", moved_to=THERE))
        await trio.sleep(STAY_S / 2)
        assert (_news(ada), _news(bob)) == ([], [])


async def test_who_is_near_enough_or_cannot_move_stays_and_nobody_asks_without_end(autojump_clock: MockClock) -> None:
    measured = Measured(rtts_ms={HERE: 200.0, THERE: 20.0})
    async with open_house(mesh=Mesh()) as house:
        ada, old = await house.enter("Ada"), await house.enter("Old")
        await _join(ada, moves=True)
        await _join(old, moves=False)
        asked = _with_better(house)
        for _ in range(MEASURED_BURST):
            assert await ada.ask(measured) == Ok()
        with pytest.raises(Refused, match="too often") as refused:
            await ada.ask(measured)
        assert refused.value.code is ErrorCode.RATE_LIMITED
        assert await old.ask(measured) == Ok()
        assert (len(asked), ada.ear.take(Move), old.ear.take(Move)) == (MEASURED_BURST, [], [])
