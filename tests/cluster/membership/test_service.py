"""Whole memberships on loopback: finding each other, surviving their agents, refusing what is wrong."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from membership import (
    GossipSetupError,
    GossipUnavailableError,
    LoadClass,
    MembershipConfig,
    MemberState,
    NodeChanged,
    NodeGone,
    NodeState,
    RttSource,
    ViewReset,
    open_membership,
)
from membership.agent.life import free_port
from signalling.ids import NodeId
from tests.cluster.membership.conftest import Configure, new_key, processes_with, wait_until
from tests.cluster.membership.nodes import cluster, enter, opened, sees, serf_pids

pytestmark = pytest.mark.cluster


async def test_three_nodes_find_each_other_and_talk(configure: Configure) -> None:
    async with opened(*cluster(configure, "ada", "bob", "eve")) as nodes:
        for node in nodes:
            await wait_until(lambda node=node: sees(node, "ada", "bob", "eve"), deadline_s=20)  # type: ignore[misc]
        ada, bob, eve = nodes
        # A newcomer takes no events that are older than its join, by a clock that the others' agents hear of by gossip.
        await trio.sleep(2)
        for node in nodes:
            await node.send_event(b"from " + node.view.own_id.encode())
        for node in nodes:
            with trio.fail_after(20):
                heard = {await node.user_events.receive() for _ in nodes}
            assert heard == {b"from ada", b"from bob", b"from eve"}
        with pytest.raises(ValueError, match="901"):
            await ada.send_event(bytes(901))

        with eve.changes() as changes:
            assert isinstance(await anext(changes), ViewReset)
            await bob.set_tags(replace(bob.tags, state=NodeState.DRAINING, load=LoadClass.HIGH))
            with trio.fail_after(20):
                change = await anext(changes)
            assert isinstance(change, NodeChanged)
            assert change.after.tags == bob.tags
            assert not change.after.is_serving
        assert not bob.view.members[NodeId("bob")].is_serving

        assert {member.name.split("-")[0] for member in await ada.members_raw()} == {"ada", "bob", "eve"}
        known = [cell.estimate for cell in ada.rtts({NodeId("bob"): 0.2}).cells() if cell.estimate is not None]
        assert all(0 <= one.rtt_ms < 100 for one in known)
        assert RttSource.LINK in {one.source for one in known}
        statistics = ada.statistics()
        assert (statistics.members_alive, statistics.events_sent, statistics.events_received) == (3, 1, 3)
        assert statistics.join_problem is None
        await wait_until(lambda: ada.statistics().greetings_heard >= 1, deadline_s=10)


async def test_a_node_that_leaves_is_gone_and_comes_back_as_a_new_boot(configure: Configure) -> None:
    first, second = cluster(configure, "ada", "bob")
    async with opened(first) as (ada,):
        async with opened(replace(second, leave_deadline_s=3.0)) as (bob,):
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=20)
            boot = bob.boot
        await wait_until(lambda: ada.view.members[NodeId("bob")].state is MemberState.LEFT, deadline_s=20)
        async with opened(second) as (bob,):
            assert bob.boot > boot
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=20)
            assert ada.view.members[NodeId("bob")].tags.boot == bob.boot


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_lost_agent_is_replaced_and_nobody_is_taken_for_dead(
    number: signal.Signals, configure: Configure
) -> None:
    configs = cluster(configure, "ada", "bob", call_deadline_s=1.0)
    async with opened(*configs) as (ada, bob):
        await wait_until(lambda: sees(ada, "ada", "bob") and sees(bob, "ada", "bob"), deadline_s=20)
        before = ada.statistics()
        with ada.changes() as own, bob.changes() as others:
            for pid in serf_pids(ada):
                os.kill(pid, number)
            await wait_until(lambda: ada.statistics().agent_boot > before.agent_boot, deadline_s=10)
            await wait_until(lambda: sees(ada, "ada", "bob") and ada.view.is_fresh, deadline_s=20)
            assert ada.boot == before.agent_boot  # the node is the same
            await wait_until(
                lambda: bob.view.members[NodeId("ada")].tags.agent_boot == ada.statistics().agent_boot, deadline_s=20
            )
            await ada.send_event(b"still here")
            for subscription in (own, others):
                with trio.move_on_after(1.0):
                    async for change in subscription:
                        assert not isinstance(change, NodeGone)
        assert ada.statistics().agent_restarts == 1


async def test_without_an_agent_requests_are_refused_and_tags_wait_for_the_next(configure: Configure) -> None:
    async with opened(configure("ada", restart_backoff_s=0.5)) as (ada,):
        for pid in serf_pids(ada):
            os.kill(pid, signal.SIGKILL)
        await wait_until(lambda: not ada.statistics().agent_is_up, deadline_s=20)
        assert not ada.view.is_fresh
        with pytest.raises(GossipUnavailableError):
            await ada.send_event(b"x")
        with pytest.raises(GossipUnavailableError):
            await ada.set_tags(replace(ada.tags, load=LoadClass.FULL))
        await wait_until(lambda: ada.view.is_fresh, deadline_s=20)
        assert ada.view.members[NodeId("ada")].tags.load is LoadClass.FULL


async def test_a_wrong_key_is_refused_with_the_reason_and_joins_nothing(configure: Configure) -> None:
    first = configure("ada", gossip_key=new_key())
    seed = (f"127.0.0.1:{first.bind_port}",)
    async with opened(first) as (ada,):
        with pytest.raises(GossipSetupError) as caught:
            await enter(configure("eve", gossip_key=new_key(), seeds=seed))
        assert caught.value.code == "gossip_key_invalid"
        assert "same" in caught.value.message
        assert sees(ada, "ada")
        assert [member.name for member in await ada.members_raw()] == [f"ada-{ada.boot}"]


async def test_a_member_of_another_cluster_is_refused_and_shown(configure: Configure) -> None:
    first, second = cluster(configure, "ada", "eve")
    async with opened(first, replace(second, cluster="other")) as (ada, eve):
        await wait_until(lambda: len(ada.view.unusable) == 1 and len(eve.view.unusable) == 1, deadline_s=20)
        assert ada.view.unusable[0].code == "foreign_cluster"
        assert sees(ada, "ada")
        assert sees(eve, "eve")


async def test_seeds_that_come_later_are_joined(configure: Configure) -> None:
    first, second = cluster(configure, "ada", "bob")
    async with opened(first) as (ada,):
        assert "seeds_unreachable" in (ada.statistics().join_problem or "")
        async with opened(second):
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=20)


async def test_a_setup_that_cannot_work_says_why(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def check(code: str, config: MembershipConfig) -> None:
        with trio.fail_after(8), pytest.raises(GossipSetupError) as caught:
            await enter(config)
        assert caught.value.code == code

    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(check, "serf_missing", configure("ada", serf_path="/nowhere/serf"))
            nursery.start_soon(check, "gossip_port_taken", configure("bob", bind_port=taken.getsockname()[1]))
            nursery.start_soon(check, "gossip_address_invalid", configure("eve", bind_address="192.0.2.1"))
            nursery.start_soon(check, "serf_failed", configure("fay", serf_path="false"))
            nursery.start_soon(check, "data_dir_unusable", configure("gil", data_dir=tmp_path / "file"))
    assert list((tmp_path / "run").iterdir()) == []


async def test_a_node_that_cannot_describe_itself_is_not_started(configure: Configure) -> None:
    config = configure("ada")
    with pytest.raises(GossipSetupError, match="tags_invalid"):
        async with open_membership(config, config.tags(public_url="x", public_key=b"")):
            pytest.fail("it started")


OWNER = """
import sys, trio
from pathlib import Path
from membership import MembershipConfig, open_membership
from signalling.ids import NodeId
async def main():
    folder = Path(sys.argv[1])
    config = MembershipConfig(cluster="test", node_id=NodeId("ada"), region="here", data_dir=folder / "data",
                              runtime_dir=folder / "run", bind_port=int(sys.argv[2]))
    async with open_membership(config, config.tags(public_url="http://127.0.0.1", public_key=bytes(32))):
        print("up", flush=True)
        await trio.sleep_forever()
trio.run(main)
"""


@pytest.fixture
def owner(tmp_path: Path, root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own that has opened a membership."""
    arguments = [sys.executable, "-c", OWNER, str(tmp_path), str(free_port())]
    with subprocess.Popen(arguments, cwd=root, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while (line := process.stdout.readline()) and b"up" not in line:
            pass
        yield process
        process.kill()


async def test_a_killed_owner_takes_its_agent_with_it(owner: subprocess.Popen[bytes], tmp_path: Path) -> None:
    mark = str(tmp_path / "run")
    assert len(processes_with(mark)) == 2  # serf and its tether
    owner.kill()
    await wait_until(lambda: not processes_with(mark), deadline_s=20)
    assert list((tmp_path / "run").iterdir()) == []
