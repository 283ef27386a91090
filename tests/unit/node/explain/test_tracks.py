"""Who is told which way a track takes, and what happens where a node on it does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from node.explain.tracks import MAX_ANSWERS, WITHIN_S
from relay import RemoteRoom, TraceAsked, TraceTold, WayStatus
from signalling.client.messages import Publish, Published, TrackIntent
from signalling.errors import ErrorCode, Refused
from signalling.ids import NodeId, TrackId
from signalling.mesh.link import MAX_TRACE_STEPS, TraceStep
from tests.unit.node.conductor.house import HERE, ROOM, SDP, THERE, House, Mesh, Person, open_house
from tests.unit.node.conductor.test_conductor import FAR, FAR_TRACK

if TYPE_CHECKING:
    from trio.testing import MockClock

    from node.explain import TrackExplained

FIRST = TraceStep(False, "pa_far", str(THERE), 20.0, 1.0, 0.0, 400_000)


async def far_track(house: House, mesh: Mesh) -> None:
    """A track of another node's participant flows to here."""
    await mesh.say.send(RemoteRoom(node=THERE, room=ROOM, participants=(FAR,)))
    mesh.sources[FAR_TRACK] = THERE
    await wait_all_tasks_blocked()


async def explain(house: House, person: Person, track: TrackId) -> TrackExplained:
    return await house.conductor.explain_track(person.token, track)


async def test_the_node_before_is_asked_and_its_steps_come_first(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house, trio.open_nursery() as nursery:
        ada = await house.enter("Ada")
        await ada.join()
        await far_track(house, mesh)
        told: list[TrackExplained] = []

        async def ask() -> None:
            told.append(await explain(house, ada, FAR_TRACK))

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        ((node, trace, track, within_s),) = mesh.traces
        assert (node, track) == (THERE, FAR_TRACK)
        assert within_s < WITHIN_S, "each node keeps some of the time for its own link"
        await mesh.say.send(TraceTold(node=NodeId("liar"), trace=trace, track=track, steps=(), missing="busy"))
        await mesh.say.send(TraceTold(node=THERE, trace="another", track=track, steps=(), missing="busy"))
        await mesh.say.send(TraceTold(node=THERE, trace=trace, track=track, steps=(FIRST,), missing=""))
        await trio.sleep(1)
        (explained,) = told
        assert [(step.kind, step.sender, step.receiver) for step in explained.steps] == [
            ("publisher", "pa_far", THERE),
            ("link", THERE, HERE),
        ]
        assert (explained.trace, explained.origin, explained.asked, explained.missing) == (trace, THERE, HERE, "")
        assert explained.steps[0].rtt_ms == 20.0


async def test_a_node_that_does_not_answer_costs_its_steps_and_no_more(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada = await house.enter("Ada")
        await ada.join()
        await far_track(house, mesh)
        began = trio.current_time()
        explained = await explain(house, ada, FAR_TRACK)
        assert trio.current_time() - began <= WITHIN_S
        assert explained.missing == "no_answer"
        assert [step.kind for step in explained.steps] == ["link"]
        del mesh.sources[FAR_TRACK]
        explained = await explain(house, ada, FAR_TRACK)
        assert (explained.missing, explained.steps) == ("no_leg", ())


async def test_a_track_of_this_node_asks_nobody_and_only_the_asker_is_shown(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada, bob, eve = [await house.enter(name) for name in ("Ada", "Bob", "Eve")]
        for person in (ada, bob, eve):
            await person.join()
        intent = TrackIntent(mid="0", kind="video", source="camera")
        published = await ada.ask(Publish(sdp=SDP, tracks=(intent,)))
        assert isinstance(published, Published)
        track = published.tracks["0"]
        explained = await explain(house, bob, track)
        assert mesh.traces == []
        assert [step.kind for step in explained.steps] == ["publisher"]
        assert len(explained.receivers) == 1
        everything = await house.conductor.tracer.explain(track)
        assert len(everything.receivers) == 2, "the operator sees all who receive it, and the publisher is none"


async def test_who_has_no_seat_in_the_room_learns_nothing(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada, outside = await house.enter("Ada"), await house.enter("Out")
        await ada.join()
        await far_track(house, mesh)
        for person, track in ((outside, FAR_TRACK), (ada, TrackId("tr_none"))):
            with pytest.raises(Refused) as refused:
                await explain(house, person, track)
            assert refused.value.code is ErrorCode.TRACK_UNKNOWN
        with pytest.raises(Refused) as refused:
            await house.conductor.explain_track("nonsense", FAR_TRACK)
        assert refused.value.code is ErrorCode.TOKEN_INVALID


async def test_another_nodes_question_is_answered_and_too_many_are_told_so(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada = await house.enter("Ada")
        await ada.join()
        await far_track(house, mesh)
        for number in range(MAX_ANSWERS + 1):
            await mesh.say.send(
                TraceAsked(node=NodeId("third"), trace=f"t{number}", track=TrackId("tr_none"), within_ms=100)
            )
        await wait_all_tasks_blocked()
        missing = [told[4] for told in mesh.told_traces]
        assert sorted(missing) == ["no_leg"] * (MAX_ANSWERS + 1), "an unknown track costs nothing, so none is too many"
        mesh.told_traces.clear()
        for number in range(MAX_ANSWERS + 1):
            await mesh.say.send(TraceAsked(node=NodeId("third"), trace=f"t{number}", track=FAR_TRACK, within_ms=900))
        await trio.sleep(5)
        missing = [told[4] for told in mesh.told_traces]
        assert missing.count("busy") == 1
        assert missing.count("no_answer") == MAX_ANSWERS


async def test_a_question_that_comes_twice_is_answered_once_more_and_ends_nothing(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        ada = await house.enter("Ada")
        await ada.join()
        await far_track(house, mesh)
        for _ in range(2):
            await mesh.say.send(TraceAsked(node=NodeId("third"), trace="t", track=FAR_TRACK, within_ms=1500))
            await trio.sleep(0.2)
        await trio.sleep(5)
        assert sorted(told[4] for told in mesh.told_traces) == ["busy", "no_answer"]
        assert len(mesh.traces) == 1


async def test_a_way_that_goes_on_for_ever_is_cut_off(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house, trio.open_nursery() as nursery:
        ada = await house.enter("Ada")
        await ada.join()
        await far_track(house, mesh)
        await mesh.say.send(TraceAsked(node=NodeId("third"), trace="t", track=FAR_TRACK, within_ms=300))
        await trio.sleep(2)
        assert mesh.traces == [], "no time is left to ask on"
        assert mesh.told_traces[0][4] == "too_far"
        told: list[TrackExplained] = []

        async def ask() -> None:
            told.append(await explain(house, ada, FAR_TRACK))

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        (asked,) = mesh.traces
        steps = (FIRST,) * MAX_TRACE_STEPS
        await mesh.say.send(TraceTold(node=THERE, trace=asked[1], track=FAR_TRACK, steps=steps, missing=""))
        await trio.sleep(1)
        assert told[0].missing == "too_far"
        assert len(told[0].steps) == 1


async def test_the_way_and_its_alternatives_are_told_with_their_costs(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    third = NodeId("third")
    mesh.ways[THERE] = (
        WayStatus(path=(THERE, third, HERE), cost_ms=61.04, taken=True, reason="broken"),
        WayStatus(path=(THERE, HERE), cost_ms=190.0, taken=False, reason=""),
    )
    async with open_house(mesh=mesh) as house:
        ada = await house.enter("Ada")
        await ada.join()
        await far_track(house, mesh)
        explained = await explain(house, ada, FAR_TRACK)
        assert [(way.path, way.cost_ms, way.taken, way.reason) for way in explained.ways] == [
            ((THERE, third, HERE), 61.0, True, "broken"),
            ((THERE, HERE), 190.0, False, ""),
        ]


async def test_a_track_that_is_only_passed_on_here_is_explained_to_the_node_behind(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    track = TrackId("tr_passing")
    mesh.sources[track] = THERE
    async with open_house(mesh=mesh):
        await mesh.say.send(TraceAsked(node=NodeId("third"), trace="t", track=track, within_ms=3000))
        await wait_all_tasks_blocked()
        ((node, trace, _, _),) = mesh.traces
        await mesh.say.send(TraceTold(node=node, trace=trace, track=track, steps=(FIRST,), missing=""))
        await trio.sleep(2)
        ((_, _, _, steps, missing),) = mesh.told_traces
        assert missing == ""
        assert [(step.is_link, step.receiver) for step in steps] == [(False, THERE), (True, HERE)]
