from __future__ import annotations

from typing import TYPE_CHECKING, cast

import trio
import trio.testing

from node.link_doubts import LOOK_EVERY_S, doubting, nodes_in_doubt
from relay import LinkState, LinkStatus
from signalling.ids import NodeId

if TYPE_CHECKING:
    from membership import Membership
    from relay import Relay


class Link:
    """As much of a link's status as is looked at."""

    def __init__(self, node: str, state: LinkState) -> None:
        self.node = NodeId(node)
        self.state = state


class Mesh:
    def __init__(self, *links: Link) -> None:
        self.links = links
        self.doubted: list[frozenset[NodeId]] = []

    def snapshot(self) -> tuple[LinkStatus, ...]:
        return cast("tuple[LinkStatus, ...]", self.links)

    def doubt(self, nodes: frozenset[NodeId]) -> None:
        self.doubted.append(nodes)


def test_every_link_that_does_not_work_is_a_doubt() -> None:
    links = tuple(Link(state.value, state) for state in LinkState)
    assert nodes_in_doubt(Mesh(*links).snapshot()) == {state.value for state in LinkState} - {"up"}


async def test_doubts_follow_the_links(autojump_clock: trio.testing.MockClock) -> None:
    mesh = Mesh(Link("ada", LinkState.UP), Link("bob", LinkState.SUSPECT))
    async with doubting(cast("Membership", mesh), cast("Relay", mesh)):
        await trio.sleep(LOOK_EVERY_S / 2)
        mesh.links = (Link("ada", LinkState.UP), Link("bob", LinkState.UP))
        await trio.sleep(LOOK_EVERY_S)
    assert mesh.doubted == [{"bob"}, frozenset()]
