"""Nodes that come back: on another address, several times in a row; their former names are forgotten, nobody else's."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from membership import Membership, MemberState, NodeGone
from membership.agent.life import free_port
from signalling.ids import NodeId
from tests.cluster.membership.conftest import Configure, wait_until
from tests.cluster.membership.nodes import cluster, kill_agent, opened, sees, wait_met
from tests.cluster.membership.owner import owner_of

pytestmark = pytest.mark.cluster

ADA, BOB, EVE = NodeId("ada"), NodeId("bob"), NodeId("eve")


@pytest.fixture
def _forget_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """For clusters in which one other node has to know of a death, and does."""
    monkeypatch.setattr("membership.members.own_names.FORGET_AFTER_S", 1.0)
    monkeypatch.setattr("membership.members.own_names.SETTLE_S", 1.0)


@pytest.fixture
def _settle_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membership.members.own_names.SETTLE_S", 2.0)


async def names_listed(node: Membership) -> dict[str, str]:
    """Serf's own list: state by name."""
    return {member.name: member.status for member in await node.members_raw()}


async def wait_listed(node: Membership, names: dict[str, str], *, deadline_s: float) -> None:
    """Wait until it lists these names with these states, and no others."""
    listed: dict[str, str] = {}
    with trio.move_on_after(deadline_s):
        while listed != names:
            listed = await names_listed(node)
            await trio.sleep(0.1)
    assert listed == names


@pytest.mark.usefixtures("_settle_soon")
async def test_on_a_new_address_the_newest_boot_alone_speaks_and_the_old_name_is_forgotten(
    configure: Configure, root: Path
) -> None:
    first, second = cluster(configure, "ada", "bob")
    async with opened(first) as (ada,):
        with owner_of(second, root) as process:
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=20)
            process.kill()
        moved = replace(second, bind_address="127.0.0.2", bind_port=free_port())
        with ada.changes() as changes:
            async with opened(moved) as (bob,):
                await wait_until(lambda: is_at(ada, "127.0.0.2"), deadline_s=10)
                # To gossip bob's old name lives for some seconds yet, and then dies; the node does not.
                living = {ada.view.members[one].serf_name: "alive" for one in (ADA, BOB)}
                for node in (ada, bob):
                    await wait_listed(node, living, deadline_s=25)
                assert sees(ada, "ada", "bob")
                with trio.move_on_after(0.2):
                    async for change in changes:
                        assert not isinstance(change, NodeGone)


def is_at(node: Membership, address: str) -> bool:
    bob = node.view.members[BOB]
    return bob.state is MemberState.ALIVE and bob.address == address


async def test_five_crashes_of_an_agent_in_a_row_leave_one_node_that_never_died(configure: Configure) -> None:
    configs = cluster(configure, "ada", "bob", restart_backoff_s=0.05, restart_backoff_max_s=0.2)
    async with opened(*configs) as (ada, bob):
        await wait_met(ada, bob)
        for _ in range(5):
            boot = ada.statistics().agent_boot
            kill_agent(ada)
            await wait_until(lambda boot=boot: ada.statistics().agent_boot > boot, deadline_s=20)  # type: ignore[misc]
        await wait_until(lambda: bob.view.members[ADA].tags.agent_boot == ada.statistics().agent_boot, deadline_s=20)
        assert len(await names_listed(bob)) > 2  # most of them alive, to gossip
        await wait_met(ada, bob)
        assert ada.statistics().agent_restarts == 5
        assert {one.kind for one in bob.history.entries() if one.node == ADA} <= {"appeared", "changed"}


@pytest.mark.usefixtures("_forget_soon")
async def test_a_node_that_was_away_for_long_has_its_old_name_forgotten_and_nobody_elses(
    configure: Configure, root: Path
) -> None:
    """Serf tells newcomers nothing of the dead, so the node has to know by itself what it was called."""
    first, second, third = cluster(configure, "ada", "bob", "eve")
    async with opened(first) as (ada,):
        with owner_of(second, root) as bob_process, owner_of(third, root) as eve_process:
            await wait_until(lambda: sees(ada, "ada", "bob", "eve"), deadline_s=20)
            old, other = ada.view.members[BOB].serf_name, ada.view.members[EVE].serf_name
            for process in (bob_process, eve_process):
                process.kill()
            await wait_until(lambda: sees(ada, "ada"), deadline_s=25)
            assert (await names_listed(ada))[old] == "failed"
        async with opened(second) as (bob,):
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=10)
            assert old not in await names_listed(bob)
            left = {ada.view.members[one].serf_name: "alive" for one in (ADA, BOB)} | {other: "failed"}
            await wait_listed(ada, left, deadline_s=15)
