"""Agents that end, in every way an agent can: the node stays, under a new name of its agent, and nobody is lost."""

from collections.abc import Callable

import pytest
import trio

from membership import Membership, MemberState, NodeGone, ViewReset
from membership.agent.files import gossip_folder
from signalling.ids import NodeId
from tests.cluster.membership.conftest import Configure, wait_until
from tests.cluster.membership.foreign_agents import foreign_agent
from tests.cluster.membership.nodes import cluster, kill_agent, opened, wait_met

pytestmark = pytest.mark.cluster

ADA = NodeId("ada")


def is_new_to(ada: Membership, other: Membership, *, boot: int) -> Callable[[], bool]:
    """Whether another node hears an agent of ada's that is newer than this one."""

    def answer() -> bool:
        seen = other.view.members[ADA]
        return seen.state is MemberState.ALIVE and seen.tags.agent_boot == ada.statistics().agent_boot > boot

    return answer


async def test_an_agent_that_was_told_to_leave_exits_with_0_and_is_started_again(configure: Configure) -> None:
    async with opened(*cluster(configure, "ada", "bob")) as (ada, bob):
        await wait_met(ada, bob)
        boot, agent_boot = ada.boot, ada.statistics().agent_boot
        with ada.changes() as own:
            assert ada._session is not None
            async with ada._session.endpoint.connect(deadline_s=5) as client:
                await client.leave(deadline_s=5)
            await wait_until(is_new_to(ada, bob, boot=agent_boot), deadline_s=8)
            await wait_met(ada, bob)
            with trio.move_on_after(0.5):
                async for change in own:
                    assert not isinstance(change, NodeGone)
        assert (ada.boot, ada.statistics().agent_restarts) == (boot, 1)
        assert bob.view.members[ADA].tags.boot == boot  # the same node, so what was open with it stays


async def test_a_stranger_under_the_name_of_a_living_agent_takes_nothing_from_it(configure: Configure) -> None:
    configs = cluster(configure, "ada", "bob", "eve")
    liar = configure("liar", gossip_key=configs[0].gossip_key)
    async with opened(*configs) as (ada, bob, eve):
        await wait_met(ada, bob, eve)
        before = dict(bob.view.members)
        async with foreign_agent(liar, name=before[ADA].serf_name, tags={"role": "liar"}) as stranger:
            with bob.changes() as changes:
                assert isinstance(await anext(changes), ViewReset)
                await stranger.join(configs[1])
                with trio.fail_after(10):  # its agent asks all others whose the name is, and is gone after some 3 s
                    assert await stranger.child.wait() == 0
                with pytest.raises(trio.TooSlowError), trio.fail_after(1.5):
                    await anext(changes)
        assert bob.view.members == before
        assert (ada.statistics().agent_restarts, bob.view.unusable) == (0, ())


async def test_an_agent_whose_name_a_stranger_had_first_exits_with_0_and_takes_another(configure: Configure) -> None:
    configs = cluster(configure, "ada", "bob", "eve")
    known = 2_000_000_000  # ahead of the clock, so that the names to come are known
    (gossip_folder(configs[0].data_dir) / "boot").write_text(f"{known}\n")
    liar = configure("liar", gossip_key=configs[0].gossip_key)
    async with opened(*configs) as (ada, bob, eve):
        await wait_met(ada, bob, eve)
        assert ada.statistics().agent_boot == known + 1
        async with foreign_agent(liar, name=f"ada-{known + 2}", tags={"role": "liar"}) as stranger:
            await stranger.join(configs[1])
            await wait_until(lambda: [one.code for one in eve.view.unusable] == ["tags_missing"], deadline_s=8)
            kill_agent(ada)
            await wait_until(is_new_to(ada, bob, boot=known + 2), deadline_s=15)
            await wait_met(ada, bob, eve)
            assert bob.view.members[ADA].tags.boot == ada.boot == known + 1
            assert ada.statistics().agent_restarts == 2
