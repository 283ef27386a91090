"""Who may be forgotten: never a node that a link of ours reaches, by whichever of its names it is meant."""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from membership import ClusterView, MemberState, NodeTags, ViewMember
from membership.members.forgetting import Forgotten
from node.admin.member_orders import MemberOrder, MemberOrders
from relay import LinkState, LinkStatus
from signalling.ids import NodeId

HERE, SIN = NodeId("here"), NodeId("sin-1")
NOW, FORMER = "sin-1-1732", "sin-1-1600"


class Agent:
    """Forgets whatever it is told to."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    async def forget(self, wanted: str) -> Forgotten:
        self.forgotten.append(wanted)
        return Forgotten(names=(wanted,), remaining=("slow-1",))


async def test_a_node_that_is_being_ended_is_not_ended_at_once_by_an_order_to_leave() -> None:
    stopped: list[str] = []
    nobody: Any = None
    for is_stopping in (True, False):
        order = MemberOrders(
            membership=nobody,
            relay=nobody,
            stop=lambda: stopped.append("signal"),
            is_stopping=lambda is_stopping=is_stopping: is_stopping,  # type: ignore[misc]
            pid=1,
        )
        codes = [(await order.carry_out(MemberOrder(action="leave"))).code for _ in range(2)]
        assert codes == (["leaving"] * 2 if is_stopping else ["", "leaving"])
    assert stopped == ["signal"]


def orders(agent: Agent, state: LinkState, renewed: list[NodeId] | None = None) -> MemberOrders:
    tags = NodeTags(cluster="test", node_id=SIN, role="media", region="r", public_url="http://h", public_key=bytes(32))
    failed = ViewMember(serf_name=NOW, address="127.0.0.1", port=1, state=MemberState.FAILED, tags=tags)
    view = ClusterView(own_id=HERE, members=MappingProxyType({SIN: failed}))
    link = LinkStatus(
        node=SIN,
        state=state,
        role="offerer",
        age_s=1.0,
        setup_ms=1.0,
        rtt_ms=1.0,
        jitter_ms=0.0,
        loss=0.0,
        failures=0,
        reason="",
    )
    membership: Any = SimpleNamespace(view=view, orders=agent)
    relay: Any = SimpleNamespace(snapshot=lambda: (link,), renew_link=None if renewed is None else renewed.append)
    return MemberOrders(membership=membership, relay=relay, stop=lambda: None, is_stopping=lambda: False, pid=1)


@pytest.mark.parametrize("wanted", [SIN, NOW])
async def test_a_node_whose_link_is_up_is_not_forgotten_by_either_name(wanted: str) -> None:
    agent = Agent()
    answer = await orders(agent, LinkState.UP).carry_out(MemberOrder(action="forget", target=wanted))
    assert (answer.code, agent.forgotten) == ("member_alive", [])


@pytest.mark.parametrize(
    ("wanted", "state"), [(SIN, LinkState.SUSPECT), (NOW, LinkState.CONNECTING), (FORMER, LinkState.UP)]
)
async def test_who_is_gone_and_former_names_of_who_is_not_are_forgotten(wanted: str, state: LinkState) -> None:
    agent = Agent()
    answer = await orders(agent, state).carry_out(MemberOrder(action="forget", target=wanted))
    assert (answer.code, answer.forgotten, agent.forgotten) == ("", (wanted,), [wanted])
    assert answer.remaining == ("slow-1",)


@pytest.mark.parametrize("state", [LinkState.UP, LinkState.SUSPECT])
async def test_a_link_that_carries_is_made_anew(state: LinkState) -> None:
    renewed: list[NodeId] = []
    answer = await orders(Agent(), state, renewed).carry_out(MemberOrder(action="renew", target=SIN))
    assert (answer.code, renewed) == ("", [SIN])


@pytest.mark.parametrize(
    ("wanted", "state", "known"), [("ghost", LinkState.UP, "sin-1"), (SIN, LinkState.CONNECTING, "none")]
)
async def test_a_link_that_does_not_carry_is_not_made_anew(wanted: str, state: LinkState, known: str) -> None:
    renewed: list[NodeId] = []
    answer = await orders(Agent(), state, renewed).carry_out(MemberOrder(action="renew", target=wanted))
    assert (answer.code, renewed) == ("not_linked", [])
    assert answer.message.endswith(f"those that do: {known}")
