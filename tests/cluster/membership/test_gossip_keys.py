"""Gossip keys with real agents: rotated under traffic, refused with one node down, right after a restart."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from membership import GossipSetupError, KeysRefusedError, Membership, MemberState
from membership.keys.keyring import fingerprint_of, read_keyring
from signalling.ids import NodeId
from tests.cluster.membership.conftest import Configure, new_key, wait_until
from tests.cluster.membership.nodes import cluster, enter, kill_agent, opened, sees

pytestmark = pytest.mark.cluster


async def all_see(nodes: list[Membership], *names: str) -> None:
    for node in nodes:
        await wait_until(lambda node=node: sees(node, *names), deadline_s=8)  # type: ignore[misc]


async def test_a_rotation_reaches_every_node_and_outlives_restarts(configure: Configure, tmp_path: Path) -> None:
    configs = cluster(configure, "ada", "bob")
    old, new = str(configs[0].gossip_key), new_key()
    async with opened(*configs) as nodes:
        ada, bob = nodes
        await all_see(nodes, "ada", "bob")
        before = await ada.keys.report()
        assert before.agents_with == {fingerprint_of(old): 2}
        assert [(one.node, one.keys) for one in before.nodes] == [
            ("ada", (fingerprint_of(old),)),
            ("bob", (fingerprint_of(old),)),
        ]
        changes = await bob.keys.rotate(new)
        assert [(change.action, change.is_done) for change in changes] == [
            ("install", True),
            ("use", True),
            ("remove", True),
        ]
        after = await ada.keys.report()
        assert after.agents_with == {fingerprint_of(new): 2}
        assert {one.keys for one in after.nodes} == {(fingerprint_of(new),)}
        assert after.own_file == fingerprint_of(old)  # the operator's to change
        # A restarted agent comes back with the new key, although the file holds the old one.
        boot = ada.statistics().agent_boot
        kill_agent(ada)
        await wait_until(lambda: ada.statistics().agent_boot > boot, deadline_s=10)
        await all_see(nodes, "ada", "bob")
        await wait_until(
            lambda: bob.view.members[ada.view.own_id].tags.agent_boot == ada.statistics().agent_boot, deadline_s=20
        )
    # And so does the node, also when its file was brought up to date meanwhile.
    ada_config, bob_config = configs
    async with opened(ada_config, replace(bob_config, gossip_key=new)) as nodes:
        await all_see(nodes, "ada", "bob")
    assert read_keyring(tmp_path / "bob" / "gossip" / "keyring.json") == (new,)


def states_of_eve(nodes: list[Membership]) -> set[MemberState]:
    return {node.view.members[NodeId("eve")].state for node in nodes}


async def test_one_change_at_a_time_and_each_refused_with_its_reason(configure: Configure) -> None:
    (config,) = cluster(configure, "ada")
    async with opened(replace(config, seeds=())) as (ada,):
        await wait_until(lambda: sees(ada, "ada"), deadline_s=20)
        used, spare = fingerprint_of(str(config.gossip_key)), new_key()

        async def code_of(call: object) -> str:
            with pytest.raises(KeysRefusedError) as caught:
                await call  # type: ignore[misc]
            return caught.value.code

        assert await code_of(ada.keys.install("short")) == "gossip_key_invalid"
        assert await code_of(ada.keys.use("0" * 16)) == "key_unknown"
        assert (await ada.keys.install(spare)).is_done
        assert (await ada.keys.install(spare)).is_done  # again does no harm
        refused = await ada.keys.remove(used)
        assert not refused.is_done
        assert (await ada.keys.use(fingerprint_of(spare))).is_done
        assert (await ada.keys.remove(used)).is_done
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ada.keys.install, spare)
            await trio.testing.wait_all_tasks_blocked()
            assert await code_of(ada.keys.rotate(new_key())) == "keys_busy"


async def test_without_a_key_there_is_none_to_list(configure: Configure) -> None:
    async with opened(configure("ada")) as (ada,):
        with pytest.raises(KeysRefusedError, match="gossip_unencrypted"):
            await ada.keys.report()


async def test_a_rotation_with_one_node_down_is_refused_and_forced_it_leaves_that_node_out(
    configure: Configure,
) -> None:
    first, second, third = cluster(configure, "ada", "bob", "eve", first_join_wait_s=10.0)
    new = new_key()
    async with opened(first, second) as nodes:
        ada, bob = nodes
        async with opened(replace(third, restart_backoff_s=60.0)) as (eve,):
            await all_see(nodes, "ada", "bob", "eve")
            kill_agent(eve)
            await wait_until(lambda: states_of_eve(nodes) == {MemberState.FAILED}, deadline_s=20)
        assert (await ada.keys.report()).left == ()
        with pytest.raises(KeysRefusedError, match="eve would miss this") as caught:
            await ada.keys.rotate(new)
        assert caught.value.code == "nodes_missing"
        assert (await ada.keys.report()).agents_with == {fingerprint_of(str(first.gossip_key)): 2}
        changes = await ada.keys.rotate(new, force=True)
        assert [change.is_done for change in changes] == [True, True, True]
        report = await bob.keys.report()
        assert [(one.node, one.has_answered) for one in report.nodes] == [("ada", True), ("bob", True), ("eve", False)]
        with pytest.raises(GossipSetupError) as missed:
            await enter(third)
        assert missed.value.code == "gossip_key_invalid"
        assert "starling keys rotate" in missed.value.message
        async with opened(replace(third, gossip_key=new)) as (eve,):
            await all_see([ada, bob, eve], "ada", "bob", "eve")


async def test_a_node_that_left_holds_no_rotation_up_and_is_told_the_way_back(configure: Configure) -> None:
    first, second, third = cluster(configure, "ada", "bob", "eve", first_join_wait_s=10.0)
    new = new_key()
    async with opened(first, second) as nodes:
        ada, bob = nodes
        async with opened(replace(third, leave_deadline_s=3.0)) as (eve,):
            await all_see([*nodes, eve], "ada", "bob", "eve")
        await wait_until(lambda: states_of_eve(nodes) == {MemberState.LEFT}, deadline_s=20)
        changes = await ada.keys.rotate(new)
        assert [(change.action, change.is_done) for change in changes] == [
            ("install", True),
            ("use", True),
            ("remove", True),
        ]
        report = await bob.keys.report()
        assert (report.left, report.silent) == (("eve",), ())
        with pytest.raises(GossipSetupError, match="copy the key file of `starling keys rotate`") as missed:
            await enter(third)
        assert missed.value.code == "gossip_key_invalid"
        assert sees(ada, "ada", "bob")
        # Its keyring is there still, and the file that was copied wins.
        async with opened(replace(third, gossip_key=new)) as (eve,):
            await all_see([ada, bob, eve], "ada", "bob", "eve")
            assert (await ada.keys.report()).left == ()
