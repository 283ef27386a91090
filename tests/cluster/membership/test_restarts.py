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


@pytest.fixture(autouse=True)
def _forget_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membership.members.view.FORGET_AFTER_S", 2.0)


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


async def test_on_a_new_address_the_newest_boot_alone_speaks_and_only_its_own_old_name_is_forgotten(
    configure: Configure, root: Path
) -> None:
    ada_config, bob_config, eve_config = cluster(configure, "ada", "bob", "eve")
    async with opened(ada_config) as (ada,):
        with owner_of(bob_config, root) as bob_process, owner_of(eve_config, root) as eve_process:
            await wait_until(lambda: sees(ada, "ada", "bob", "eve"), deadline_s=10)
            old, eve_name = ada.view.members[BOB].serf_name, ada.view.members[EVE].serf_name
            for process in (bob_process, eve_process):
                process.kill()
            moved = replace(bob_config, bind_address="127.0.0.2", bind_port=free_port())
            with ada.changes() as changes:
                async with opened(moved) as (bob,):
                    await wait_until(lambda: is_at(ada, "127.0.0.2"), deadline_s=4)
                    new = ada.view.members[BOB].serf_name
                    assert (await names_listed(ada))[old] == "alive"  # to gossip, which looks at names
                    # Serf tells of the old name's death after the new one's birth; the node lives.
                    left = {ada.view.members[ADA].serf_name: "alive", new: "alive", eve_name: "failed"}
                    for node in (ada, bob):  # eve's name is not bob's to forget
                        await wait_listed(node, left, deadline_s=15)
                    await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=3)
                    assert ada.view.members[EVE].state is MemberState.FAILED
                    gone = set()
                    with trio.move_on_after(0.2):
                        async for change in changes:
                            gone |= {change.member.node_id} if isinstance(change, NodeGone) else set()
                    assert gone == {EVE}


def is_at(node: Membership, address: str) -> bool:
    bob = node.view.members[BOB]
    return bob.state is MemberState.ALIVE and bob.address == address


async def test_five_crashes_of_an_agent_in_a_row_leave_no_names_behind(configure: Configure) -> None:
    configs = cluster(configure, "ada", "bob", restart_backoff_s=0.05, restart_backoff_max_s=0.2)
    async with opened(*configs) as (ada, bob):
        await wait_met(ada, bob)
        for _ in range(5):
            boot = ada.statistics().agent_boot
            kill_agent(ada)
            await wait_until(lambda boot=boot: ada.statistics().agent_boot > boot, deadline_s=5)  # type: ignore[misc]
        await wait_until(lambda: bob.view.members[ADA].tags.agent_boot == ada.statistics().agent_boot, deadline_s=5)
        assert len(await names_listed(bob)) > 2
        living = {bob.view.members[one].serf_name: "alive" for one in (ADA, BOB)}
        for node in (bob, ada):
            await wait_listed(node, living, deadline_s=20)
        assert ada.statistics().agent_restarts == 5
        assert bob.statistics().flaps == 0


async def test_a_node_that_was_away_for_long_has_its_old_name_forgotten_although_it_never_sees_it(
    configure: Configure, root: Path
) -> None:
    """Serf tells newcomers nothing of the dead, so the node has to know by itself what it was called."""
    first, second = cluster(configure, "ada", "bob")
    async with opened(first) as (ada,):
        with owner_of(second, root) as process:
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=10)
            old = ada.view.members[BOB].serf_name
            process.kill()
            await wait_until(lambda: ada.view.members[BOB].state is MemberState.FAILED, deadline_s=15)
        async with opened(second) as (bob,):
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=5)
            assert (await names_listed(ada))[old] == "failed"
            assert old not in await names_listed(bob)
            living = {ada.view.members[one].serf_name: "alive" for one in (ADA, BOB)}
            await wait_listed(ada, living, deadline_s=15)
