"""Where a room gathers its people are told to move, once, and not who insists; what they measured is told on."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from membership import ClusterView, MemberState, NodeState, ViewMember, rtt_matrix
from node.conductor.plan_views import show_plan
from relay import LinkRenewed, LinkUp, NodeReached, RemotePlan, RemoteRoom
from signalling.client.messages import Join, Joined, Measured, Move, ParticipantInfo
from signalling.ids import NodeId, ParticipantId, UserId
from signalling.mesh.link import RoomHops, RoomPlan
from tests.unit.membership.samples import TAGS
from tests.unit.node.conductor.house import HERE, ROOM, Mesh, open_house

if TYPE_CHECKING:
    from trio.testing import MockClock

    from node.conductor.gathering import GatherDesk
    from signalling.client.rooms import PlacementPolicy
    from tests.unit.node.conductor.house import Person

FIRST = NodeId("first")
"""Before `here` by name, so it decides."""


_MEMBERS: Final = {
    node: ViewMember(
        serf_name=node,
        address="127.0.0.1",
        port=1,
        state=MemberState.ALIVE,
        tags=replace(TAGS, node_id=node, state=NodeState.SERVING, public_url=f"http://{node}"),
    )
    for node in (HERE, FIRST)
}
_VIEW: Final = ClusterView(own_id=HERE, members=MappingProxyType(_MEMBERS), is_fresh=True)


def _with_policy(desk: GatherDesk, policy: PlacementPolicy) -> None:
    desk._usual = policy
    desk._view = lambda: _VIEW
    desk._rtts = lambda: rtt_matrix(_VIEW)


async def _join(person: Person, *, gathers: bool) -> None:
    asked = Join(room=ROOM, attempt=1, moves=True, gathers=gathers, rtts_ms={HERE: 9.0, FIRST: 21.0})
    assert isinstance(await person.ask(asked), Joined)
    await wait_all_tasks_blocked()


async def test_what_is_decided_and_what_each_way_costs_is_shown(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        desk = house.conductor.gathering
        _with_policy(desk, "gather")
        assert show_plan(desk, ROOM, trio.current_time()) is None, "nobody is there"
        await _join(await house.enter("Ada"), gathers=True)
        await _join(await house.enter("Bob"), gathers=True)
        await trio.sleep(5.0)
        shown = show_plan(desk, ROOM, trio.current_time())
        assert shown is not None
        assert (shown.policy, shown.decided_by, shown.node, shown.reason) == ("gather", HERE, HERE, "policy")
        assert [one.node for one in shown.weighed][:2] == [None, HERE]
        assert shown.weighed[1].longest_ms == 9.0, "4.5 ms to here for each"
        assert shown.for_s is not None
        assert 0 < shown.for_s < 5
        # Who hears what another node decided tells what it knows itself.
        await _hear_of_cyd(mesh)
        await trio.sleep(3.0)
        other = show_plan(desk, ROOM, trio.current_time())
        assert other is not None
        assert (other.decided_by, other.people) == (FIRST, 3)
        assert {one.node for one in other.weighed} == {None, HERE, FIRST}


async def _hear_of_cyd(mesh: Mesh) -> None:
    cyd = ParticipantInfo(participant=ParticipantId("cyd"), user=UserId("cyd"), name="Cyd", node=FIRST, region="r")
    await mesh.say.send(RemoteRoom(node=FIRST, room=ROOM, participants=(cyd,)))


async def test_the_first_by_name_decides_and_each_leads_its_own(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        _with_policy(house.conductor.gathering, "auto")
        ada, bob = await house.enter("Ada"), await house.enter("Bob")
        await _join(ada, gathers=True)
        await _join(bob, gathers=False)
        await _hear_of_cyd(mesh)
        await trio.sleep(3.0)
        (told,) = [word for node, word in mesh.plans if node == FIRST]
        assert isinstance(told, RoomHops)
        assert sorted([(hop.node, hop.rtt_ms) for hop in one.rtts] for one in told.people) == [
            [(HERE, 9)],
            [(HERE, 9), (FIRST, 21)],
        ]
        await mesh.say.send(RemotePlan(node=FIRST, word=RoomPlan(ROOM, FIRST, "better_for_everyone")))
        await trio.sleep(5.0)
        moved = ada.ear.take(Move)
        assert [(one.urls, one.reason) for one in moved] == [((f"http://{FIRST}",), "gather")]
        assert bob.ear.take(Move) == []
        assert house.conductor.gathering.statistics().rooms == {"gathered": 1, "relayed": 0}


@pytest.mark.parametrize("link", [LinkUp(node=FIRST, setup_ms=1.0), LinkRenewed(node=FIRST), NodeReached(node=FIRST)])
async def test_what_may_have_been_lost_with_a_link_is_said_over_its_successor(
    link: LinkUp | LinkRenewed | NodeReached, autojump_clock: MockClock
) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        _with_policy(house.conductor.gathering, "auto")
        await _join(await house.enter("Ada"), gathers=True)
        await _hear_of_cyd(mesh)
        await trio.sleep(3.0)
        (told,) = mesh.plans
        await mesh.say.send(link)
        await trio.sleep(3.0)
        assert mesh.plans == [told, told], "once more, and not before half a minute without it"


async def test_a_room_that_relays_heeds_no_plan(autojump_clock: MockClock) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        _with_policy(house.conductor.gathering, "relay")
        ada = await house.enter("Ada")
        await _join(ada, gathers=True)
        await _hear_of_cyd(mesh)
        await mesh.say.send(RemotePlan(node=FIRST, word=RoomPlan(ROOM, FIRST, "policy")))
        await trio.sleep(5.0)
        assert ada.ear.take(Move) == []


@pytest.mark.parametrize(("policy", "reasons"), [("gather", []), ("relay", ["nearer"])])
async def test_who_gathered_here_is_led_to_no_nearer_node(
    policy: PlacementPolicy, reasons: list[str], autojump_clock: MockClock
) -> None:
    mesh = Mesh()
    async with open_house(mesh=mesh, view=_VIEW) as house:
        _with_policy(house.conductor.gathering, policy)
        ada = await house.enter("Ada")
        await _join(ada, gathers=True)
        await trio.sleep(5.0)
        assert house.conductor.gathering.gathered(ROOM) == (HERE if policy == "gather" else None)
        await ada.ask(Measured(rtts_ms={HERE: 200.0, FIRST: 1.0}))
        assert [one.reason for one in ada.ear.take(Move)] == reasons


async def test_what_is_heard_of_a_room_first_dates_it_from_now(autojump_clock: MockClock) -> None:
    """Another node plans a room that relays here: nothing has held since the clock's beginning."""
    mesh = Mesh()
    async with open_house(mesh=mesh) as house:
        _with_policy(house.conductor.gathering, "relay")
        await trio.sleep(500.0)
        ada = await house.enter("Ada")
        await _join(ada, gathers=True)
        await mesh.say.send(RemotePlan(node=FIRST, word=RoomPlan(ROOM, FIRST, "policy")))
        await trio.sleep(3.0)
        plan = house.conductor.gathering.plan(ROOM)
        assert plan is not None
        assert plan.since == pytest.approx(trio.current_time(), abs=5.0)
