"""What is told about why a room gathers or relays, and to whom."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from membership import NodeState
from membership.members.snapshot import ClusterView
from node.admin.protocol import TrackOrder
from node.admin.tracks import explain
from node.cli.explain import _show_plan
from node.http.candidates import CandidateQuery
from relay import RemotePlan, RemoteRoom
from session import RoomDirectory
from session.directory import Access, define_room
from session.grants import ALL_BUT_ADMIN
from signalling.client.messages import Join, ParticipantInfo
from signalling.errors import ErrorCode
from signalling.ids import DeviceId, NodeId, ParticipantId, UserId
from signalling.mesh.link import RoomPlan
from tests.unit.durable.memory_repository import MemoryRepository
from tests.unit.membership.places import member
from tests.unit.node.conductor.house import HERE, ROOM, Mesh, open_house

if TYPE_CHECKING:
    import pytest
    from trio.testing import MockClock

    from node.http.candidates import PlanShown
    from signalling.client.rooms import PlacementPolicy
    from tests.unit.node.conductor.house import House

FIRST: Final = NodeId("first")
"""Before `here` by name, so it decides."""

CLUSTER: Final = ClusterView(own_id=HERE, members={NodeId(name): member(name) for name in (FIRST, HERE)})


async def _fill(house: House, mesh: Mesh, policy: PlacementPolicy) -> None:
    """Ada is here and as near to the other node, where Cyd is, as good as; between the nodes it is far."""
    house.conductor.gathering._usual = policy
    mesh.costs = {FIRST: {HERE: 90.0}, HERE: {FIRST: 90.0}}
    ada = await house.enter("Ada")
    await ada.ask(Join(room=ROOM, attempt=1, moves=True, gathers=True, rtts_ms={HERE: 20.0, FIRST: 30.0}))
    cyd = ParticipantInfo(participant=ParticipantId("cyd"), user=UserId("cyd"), name="Cyd", node=FIRST, region="r")
    await mesh.say.send(RemoteRoom(node=FIRST, room=ROOM, participants=(cyd,)))
    await wait_all_tasks_blocked()


async def _told(house: House) -> PlanShown:
    told = (await house.conductor.explain_placement(CandidateQuery(room=ROOM))).plan
    assert told is not None
    return told


async def test_who_does_not_decide_tells_advice_and_figures_too(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh, view=CLUSTER) as house:
        await _fill(house, mesh, "auto")
        await trio.sleep(2.0)
        told = await _told(house)
        assert (told.policy, told.node, told.reason, told.decided_by) == ("auto", None, "not_advised", FIRST)
        assert (told.advised, told.advice) == (FIRST, "better_for_everyone")
        assert (told.people, told.measured) == (2, 1)
        relay, best = told.weighed[:2]
        assert (relay.node, relay.mean_ms) == (None, 115.0), "Ada 10, the path 90, and Cyd who measured nothing 15"
        assert (best.node, best.mean_ms) == (FIRST, 30.0), "Ada 15 and Cyd 15"

        await mesh.say.send(RemotePlan(node=FIRST, word=RoomPlan(ROOM, FIRST, "better_for_everyone", for_ms=7000)))
        await trio.sleep(3.0)
        told = await _told(house)
        assert (told.node, told.reason) == (FIRST, "better_for_everyone")
        assert told.for_s is not None
        assert 9.0 <= told.for_s <= 11.0


async def test_a_room_that_relays_by_policy_says_so_and_is_advised_all_the_same(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh, view=CLUSTER) as house:
        await trio.sleep(500.0)
        await _fill(house, mesh, "relay")
        await trio.sleep(5.0)
        told = await _told(house)
        assert (told.policy, told.node, told.reason, told.for_s) == ("relay", None, "policy", None)
        assert told.weighed[0].node is None
        assert told.advice == "not_better", "nobody's measurements are kept of such a room, and a guess advises nothing"


async def test_a_node_that_takes_nobody_is_refused_with_its_code(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    first = member(FIRST)
    emptied = replace(first, tags=replace(first.tags, state=NodeState.DRAINING))
    view = ClusterView(own_id=HERE, members={FIRST: emptied, HERE: member(HERE)})
    async with open_house(mesh=mesh, view=view) as house:
        await _fill(house, mesh, "auto")
        told = await _told(house)
        assert told.refused == {FIRST: "draining"}
        assert told.advised != FIRST


async def test_nothing_is_told_where_nobody_sits(autojump_clock: MockClock) -> None:
    async with open_house(mesh=Mesh(), view=CLUSTER) as house:
        assert (await house.conductor.explain_placement(CandidateQuery(room=ROOM))).plan is None
        assert (await house.conductor.explain_placement(CandidateQuery())).plan is None
        answer = await explain(house.conductor, TrackOrder(room=ROOM))
        assert (answer.plan, answer.code) == (None, ErrorCode.ROOM_UNKNOWN)


async def test_of_a_room_that_is_not_open_a_stranger_is_told_nothing(autojump_clock: MockClock) -> None:
    repository, owner = MemoryRepository(), UserId("us_owner")
    definition = define_room(ROOM, max_participants=9, now_ms=0)
    closed = msgspec.structs.replace(definition, owner=owner, access=Access.INVITE)
    await RoomDirectory(repository, max_rooms=10).create(closed)
    async with open_house(repository=repository, mesh=Mesh(), view=CLUSTER) as house:
        device = DeviceId("de_12345678")
        token = house.tokens.issue_session(user=owner, device=device, name="Owner", grants=ALL_BUT_ADMIN)
        person = await house.enter_with(token)
        await person.join()
        query = CandidateQuery(room=ROOM)
        assert (await house.conductor.explain_placement(query)).plan is None
        known = msgspec.structs.replace(query, session_token=person.token)
        assert (await house.conductor.explain_placement(known)).plan is not None


async def test_an_operator_is_told_the_same(autojump_clock: MockClock, capsys: pytest.CaptureFixture[str]) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh, view=CLUSTER) as house:
        await _fill(house, mesh, "auto")
        answer = await explain(house.conductor, TrackOrder(room=ROOM))
        assert answer.plan == await _told(house)
        assert answer.plan is not None
        _show_plan(answer.plan)
    said = capsys.readouterr().out
    assert "each at home" in said
    assert f"on {FIRST}" in said
    assert "not_advised" in said
    assert "policy auto" in said
    assert f"gather on {FIRST} (better_for_everyone); 1 of 2 people measured" in said
