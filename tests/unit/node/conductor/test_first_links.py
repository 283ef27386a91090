"""When a node that just started is ready, as far as its links go."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import pytest
import trio

from membership import ClusterView, MemberState, NodeState, NodeTags, ViewMember
from node.conductor.first_links import WAIT_S, FirstLinks
from relay import LinkState, LinkStatus
from signalling.ids import NodeId

if TYPE_CHECKING:
    from trio.testing import MockClock

ME = "m"


@dataclass
class Mesh:
    """Who there is, and which links there are."""

    members: dict[str, ViewMember] = field(default_factory=dict)
    states: dict[str, LinkState] = field(default_factory=dict)

    def add(self, *names: str, state: MemberState = MemberState.ALIVE, drains: bool = False) -> None:
        for name in names:
            tags = NodeTags(
                cluster="test",
                node_id=NodeId(name),
                role="media",
                region="r",
                public_url="http://x",
                public_key=bytes(32),
                state=NodeState.DRAINING if drains else NodeState.SERVING,
            )
            self.members[name] = ViewMember(serf_name=name, address="127.0.0.1", port=1, state=state, tags=tags)

    def view(self) -> ClusterView:
        members = MappingProxyType({NodeId(name): member for name, member in self.members.items()})
        return ClusterView(own_id=NodeId(ME), members=members, is_fresh=True)

    def links(self) -> list[LinkStatus]:
        return [cast("LinkStatus", _Link(node=name, state=state)) for name, state in self.states.items()]

    def first_links(self, warm_links: int = 8) -> FirstLinks:
        return FirstLinks(view=self.view, links=self.links, warm_links=warm_links)


@dataclass
class _Link:
    node: str
    state: LinkState


@pytest.fixture
def mesh() -> Mesh:
    mesh = Mesh()
    mesh.add(ME)
    return mesh


async def test_a_node_is_not_ready_before_its_links_are_up(mesh: Mesh, autojump_clock: MockClock) -> None:
    mesh.add("a", "z")
    first = mesh.first_links()
    (problem,) = first.problems()
    assert (problem.part, problem.code) == ("mesh", "links_starting")
    assert "a, z" in problem.message
    mesh.states = {"a": LinkState.UP, "z": LinkState.CONNECTING}
    assert "a" not in first.problems()[0].message.partition("to ")[2].partition(" are")[0]
    mesh.states["z"] = LinkState.UP
    assert first.problems() == ()


async def test_a_link_that_does_not_come_up_is_waited_for_so_long_and_no_longer(
    mesh: Mesh, autojump_clock: MockClock
) -> None:
    mesh.add("a")
    first = mesh.first_links()
    await trio.sleep(WAIT_S - 0.1)
    assert first.problems()
    await trio.sleep(0.1)
    assert not first.problems()


async def test_once_ready_links_and_newcomers_change_nothing(mesh: Mesh, autojump_clock: MockClock) -> None:
    mesh.add("a")
    mesh.states = {"a": LinkState.UP}
    first = mesh.first_links()
    assert not first.problems()
    mesh.states = {"a": LinkState.SUSPECT}
    mesh.add("b")
    assert not first.problems()


async def test_only_peers_that_are_linked_without_a_reason_are_waited_for(
    mesh: Mesh, autojump_clock: MockClock
) -> None:
    mesh.add("a", "b", "c")
    mesh.states = {"a": LinkState.UP, "b": LinkState.UP}
    assert not mesh.first_links(warm_links=2).problems(), "the first two by id"
    assert not mesh.first_links(warm_links=0).problems()
    assert mesh.first_links(warm_links=3).problems()


@pytest.mark.parametrize("state", [MemberState.FAILED, MemberState.LEFT])
async def test_who_is_gone_or_takes_no_link_is_not_waited_for(
    mesh: Mesh, state: MemberState, autojump_clock: MockClock
) -> None:
    mesh.add("a", state=state)
    mesh.add("b", drains=True)
    assert not mesh.first_links().problems()
    assert not Mesh(members={ME: mesh.members[ME]}).first_links().problems(), "alone"
