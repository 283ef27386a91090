"""What is ordered of the agent: whom it joins, whom the cluster forgets, and what is said when it cannot."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio

from membership import GossipSetupError, GossipUnavailableError
from membership.agent import orders
from membership.agent.orders import AgentOrders
from membership.members.forgetting import ForgetRefusedError, Forgotten
from membership.rpc.errors import BrokenRpcError, RemoteRpcError
from node.admin.member_orders import MemberOrder
from node.admin.protocol import Question
from tests.unit.membership.samples import a_member

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio.testing import MockClock

    from membership.config import MembershipConfig
    from membership.rpc.records import SerfMember

ADDRESS = "198.51.100.1:7946"
CALL_S = 5.0


class Agent:
    """An agent in use; ``is_there`` is false while there is none."""

    def __init__(self, *members: SerfMember) -> None:
        self.is_there = True
        self.pruned: list[str] = []
        self.hints = 0
        self.endpoint = SimpleNamespace(rpc_port=1, rpc_token="t")
        self.fast = self.slow = self
        self.slow_s = 0.0
        self.refuses: set[str] = set()
        self._members = members
        self.orders = AgentOrders(
            cast("MembershipConfig", SimpleNamespace(call_deadline_s=CALL_S)),
            using_agent=self._using,
            hinted=self._hinted,
        )

    async def members(self) -> tuple[SerfMember, ...]:
        await trio.lowlevel.checkpoint()
        return self._members

    async def prune(self, name: str) -> None:
        self.pruned.append(name)
        if name in self.refuses:
            raise RemoteRpcError("force-leave", "timed out broadcasting node removal")
        with trio.fail_after(CALL_S):
            await trio.sleep(self.slow_s)
        self._members = tuple(one for one in self._members if one.name != name)

    @contextmanager
    def _using(self) -> Iterator[Any]:
        if not self.is_there:
            raise GossipUnavailableError("no agent")
        yield self

    def _hinted(self) -> None:
        self.hints += 1


def _answer_joins(monkeypatch: pytest.MonkeyPatch, answer: Exception | None) -> list[tuple[str, ...]]:
    tried: list[tuple[str, ...]] = []

    async def try_seeds(_config: object, _endpoint: object, addresses: tuple[str, ...]) -> Exception | None:
        await trio.lowlevel.checkpoint()
        tried.append(addresses)
        if isinstance(answer, ExceptionGroup):
            raise answer
        return answer

    monkeypatch.setattr(orders, "try_seeds", try_seeds)
    return tried


async def test_a_join_tries_this_address_alone_and_members_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    agent, tried = Agent(), _answer_joins(monkeypatch, None)
    await agent.orders.join(ADDRESS)
    assert (tried, agent.hints) == ([(ADDRESS,)], 1)


async def test_a_join_that_reaches_nobody_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent()
    _answer_joins(monkeypatch, GossipSetupError("seeds_unreachable", "nobody there"))
    with pytest.raises(GossipSetupError, match="nobody there") as refused:
        await agent.orders.join(ADDRESS)
    assert (refused.value.code, agent.hints) == ("seeds_unreachable", 0)


async def test_an_agent_that_is_away_or_goes_away_is_said_as_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent()
    _answer_joins(monkeypatch, ExceptionGroup("the connection", [BrokenRpcError("gone")]))
    with pytest.raises(GossipUnavailableError, match="went away"):
        await agent.orders.join(ADDRESS)
    agent.is_there = False
    with pytest.raises(GossipUnavailableError):
        await agent.orders.join(ADDRESS)
    with pytest.raises(GossipUnavailableError):
        await agent.orders.forget("ada")
    with pytest.raises(GossipUnavailableError):
        async with agent.orders.log("INFO"):
            raise AssertionError("there is no log of no agent")
    assert agent.hints == 0


async def test_all_boots_of_a_node_that_is_gone_are_forgotten() -> None:
    agent = Agent(
        a_member("ada", 1, status="failed"), a_member("ada", 2, status="left"), a_member("bob", 1, status="failed")
    )
    assert await agent.orders.forget("ada") == Forgotten(names=("ada-1", "ada-2"))
    assert agent.pruned == ["ada-1", "ada-2"]
    assert agent.hints == 1


async def test_an_agent_that_is_slow_with_one_boot_goes_on_with_the_next_and_what_is_left_is_said(
    autojump_clock: MockClock,
) -> None:
    boots = [a_member("ada", number, status="failed") for number in range(1, 4)]
    agent = Agent(*boots)
    agent.refuses = {"ada-2"}
    agent.slow_s = CALL_S + 1.0
    assert await agent.orders.forget("ada") == Forgotten(names=(), remaining=("ada-1", "ada-2", "ada-3"))
    assert agent.pruned == ["ada-1", "ada-2", "ada-3"]
    agent.slow_s = CALL_S - 1.0
    assert await agent.orders.forget("ada") == Forgotten(names=("ada-1", "ada-3"), remaining=("ada-2",))
    assert agent.hints == 2


async def test_many_boots_take_no_longer_than_the_verb_waits(autojump_clock: MockClock) -> None:
    agent = Agent(*(a_member("ada", number, status="failed") for number in range(1, 41)))
    agent.slow_s = CALL_S - 1.0
    t0 = trio.current_time()
    forgotten = await agent.orders.forget("ada")
    question = Question(token="t", topic="member", member_order=MemberOrder(action="forget", target="ada"))
    assert trio.current_time() - t0 + 2 * CALL_S < question.deadline_s
    assert (len(forgotten.names), len(forgotten.remaining)) == (7, 33)


@pytest.mark.parametrize(("wanted", "code"), [("ada", "member_alive"), ("nobody", "member_unknown")])
async def test_who_lives_or_is_unknown_is_not_forgotten(wanted: str, code: str) -> None:
    agent = Agent(a_member("ada", 1, status="failed"), a_member("ada", 2, status="alive"))
    with pytest.raises(ForgetRefusedError) as refused:
        await agent.orders.forget(wanted)
    assert (refused.value.code, agent.pruned, agent.hints) == (code, [], 0)
