"""A node's folder was copied to another machine: two processes with one id and key, or two ids with one key."""

import shutil
from dataclasses import replace

import pytest
import trio

from membership import Membership, MembershipConfig, open_membership
from membership.agent.life import free_port
from signalling.ids import NodeId
from tests.cluster.membership.conftest import Configure, wait_until
from tests.cluster.membership.nodes import cluster, node_key, opened, sees, wait_met

pytestmark = pytest.mark.cluster

ADA = NodeId("ada")


@pytest.fixture(autouse=True)
def _show_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("membership.members.twins.REMNANT_S", 3.0)


def copied(config: MembershipConfig) -> MembershipConfig:
    """The same node on another machine, with all that the first one wrote."""
    folder = config.data_dir.with_name(f"{config.data_dir.name}-copy")
    shutil.copytree(config.data_dir, folder)
    return replace(config, data_dir=folder, bind_address="127.0.0.2", bind_port=free_port())


def twins_shown(node: Membership) -> list[str]:
    return [one.address for one in node.view.unusable if one.code == "node_twin"]


def is_at(node: Membership, address: str) -> bool:
    ada = node.view.members.get(ADA)
    return ada is not None and ada.address == address


async def test_the_older_twin_is_out_until_the_newer_one_is_gone(configure: Configure) -> None:
    configs = cluster(configure, "ada", "bob")
    async with opened(*configs) as (ada, bob):
        await wait_met(ada, bob)
        await trio.sleep(1.1)  # boots are seconds: one drawn in the same one would be the same start
        async with opened(copied(configs[0])) as (twin,):
            await wait_until(lambda: ada.view.own_refusal is not None, deadline_s=8)
            refusal = ada.view.own_refusal
            assert refusal is not None
            assert refusal.code == "node_twin"
            assert "127.0.0.2" in refusal.message
            assert twin.view.own_refusal is None
            for node in (twin, bob):
                await wait_until(lambda node=node: twins_shown(node) == ["127.0.0.1"], deadline_s=10)  # type: ignore[misc]
                assert is_at(node, "127.0.0.2")
            restarts = ada.statistics().agent_restarts
        await wait_until(lambda: ada.statistics().agent_restarts == restarts + 1, deadline_s=20)
        await wait_until(lambda: is_at(bob, "127.0.0.1") and sees(bob, "ada", "bob"), deadline_s=15)
        for node in (ada, bob):
            await wait_until(lambda node=node: twins_shown(node) == [], deadline_s=15)  # type: ignore[misc]
        assert ada.view.own_refusal is None
        # A boot that only rose once: nobody starts again and again.
        await trio.sleep(2)
        assert ada.statistics().agent_restarts == restarts + 1


async def test_a_second_id_with_a_living_nodes_key_is_refused_by_all_until_that_node_is_gone(
    configure: Configure,
) -> None:
    # Who goes says so: where half of the members are dead, that they failed is known after 15 s and more.
    first, second, third = cluster(configure, "ada", "bob", "eve", leave_deadline_s=5.0)
    tags = third.tags(public_url="http://127.0.0.1/eve", public_key=node_key("ada"))
    async with opened(second) as (bob,):
        async with opened(first) as (ada,):
            await wait_met(ada, bob)
            await trio.sleep(1.1)  # who started first is told in seconds
            async with open_membership(third, tags) as eve:
                for node in (ada, bob, eve):
                    await wait_until(lambda node=node: sharers(node) == [NodeId("eve")], deadline_s=8)  # type: ignore[misc]
                await wait_until(lambda: sees(bob, "ada", "bob"), deadline_s=20)
                assert (ada.view.own_refusal, eve.view.own_refusal is not None) == (None, True)
                assert bob.statistics().members_refused["key_shared"] == 1
        async with open_membership(third, tags) as eve:
            await wait_met(bob, eve, deadline_s=15)
            assert eve.view.own_refusal is None


def sharers(node: Membership) -> list[str]:
    return [one.serf_name.partition("-")[0] for one in node.view.unusable if one.code == "key_shared"]
