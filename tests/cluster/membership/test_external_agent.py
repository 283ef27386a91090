"""Agents that somebody else runs: checked, used, and found out when they outlive their node."""

import contextlib
import json
import os
import signal
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from membership import GossipSetupError, LoadClass, MembershipConfig, MemberState
from membership.agent.child import TetheredChild, open_tethered
from membership.agent.files import write_agent_files
from membership.agent.life import free_port
from membership.members.tags import AgentKind
from membership.rpc.client import open_serf_client
from signalling.ids import NodeId
from tests.cluster.membership.conftest import Configure, new_key, wait_until
from tests.cluster.membership.nodes import enter, opened, sees
from tests.cluster.membership.owner import owner_of

pytestmark = pytest.mark.cluster


@contextlib.asynccontextmanager
async def external(
    config: MembershipConfig, **settings: object
) -> AsyncIterator[tuple[MembershipConfig, TetheredChild]]:
    """An agent beside the node, and the configuration to use it."""
    files = write_agent_files(config, agent_boot=0, rpc_port=free_port(), tags={})
    written = json.loads(files.config.read_text())
    written |= {"node_name": config.node_id, "tags": {"operator": "kept"}, **settings}
    files.config.write_text(json.dumps(written))
    async with open_tethered(
        ["serf", "agent", "-config-file", str(files.config)], name="external", close_grace_s=0.1, workdir=files.folder
    ) as child:
        yield (
            replace(config, rpc=f"127.0.0.1:{files.rpc_port}", rpc_token=files.rpc_token, gossip_key=None),
            child,
        )


def pair(configure: Configure) -> tuple[MembershipConfig, MembershipConfig]:
    key = new_key()
    first = configure("ada", gossip_key=key)
    seed = f"127.0.0.1:{first.bind_port}"
    return first, configure("bob", gossip_key=key, seeds=(seed,), ping_interval_s=0.5, query_timeout_s=1.0)


async def test_an_external_agent_is_used_and_outlives_its_node_that_says_goodbye(configure: Configure) -> None:
    own, other = pair(configure)
    async with opened(replace(own, ping_interval_s=0.5)) as (ada,), external(other) as (config, _):
        async with opened(config) as (bob,):
            await wait_until(lambda: sees(ada, "ada", "bob") and sees(bob, "ada", "bob"), deadline_s=8)
            assert ada.view.members[NodeId("bob")].serf_name == "bob"
            assert bob.tags.agent is AgentKind.EXTERNAL
            await bob.send_event(b"hello")
            with trio.fail_after(20):
                assert await ada.user_events.receive() == b"hello"
            (mine,) = [member for member in await bob.members_raw() if member.name == "bob"]
            assert mine.tags["operator"] == "kept"
            report = await ada.keys.report()
            assert [(one.node, one.has_answered, len(one.keys)) for one in report.nodes] == [
                ("ada", True, 1),
                ("bob", True, 0),
            ]
            boot = bob.boot
        await wait_until(lambda: ada.view.members[NodeId("bob")].state is MemberState.LEFT, deadline_s=20)
        async with open_serf_client(*endpoint(config), deadline_s=5) as client:
            assert {member.status for member in await client.members()} == {"alive"}
        async with opened(config) as (bob,):
            assert bob.boot > boot
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=20)


async def test_an_external_agent_that_comes_back_is_used_again(configure: Configure) -> None:
    _, other = pair(configure)
    async with external(other) as (config, child), opened(replace(config, seeds=(), call_deadline_s=1.0)) as (bob,):
        await wait_until(lambda: bob.view.is_fresh, deadline_s=20)
        await child.kill()
        await wait_until(lambda: not bob.view.is_fresh, deadline_s=20)
        async with external(other, rpc_addr=config.rpc, rpc_auth=config.rpc_token):
            await wait_until(lambda: bob.view.is_fresh, deadline_s=8)
        assert bob.statistics().agent_restarts == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_node_whose_external_agent_outlives_it_is_not_serving_whatever_its_tag_says(
    number: signal.Signals, configure: Configure, root: Path
) -> None:
    own, other = pair(configure)
    async with opened(replace(own, ping_interval_s=0.5, query_timeout_s=1.0)) as (ada,), external(other) as (config, _):
        with owner_of(config, root) as process:
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=10)
            os.kill(process.pid, number)
            took_s = await wait_until(lambda: not sees(ada, "ada", "bob"), deadline_s=10)
            assert took_s < 6
            bob = ada.view.members[NodeId("bob")]
            assert (bob.state, bob.is_serving, bob.tags.state.name) == (MemberState.FAILED, False, "SERVING")
            assert {member.status for member in await ada.members_raw()} == {"alive"}
            if number is signal.SIGSTOP:
                os.kill(process.pid, signal.SIGCONT)
                await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=8)
                assert ada.history.flaps_of(NodeId("bob")) == 1


async def test_a_node_that_hangs_beside_its_own_agent_is_found_out_once_its_link_is_down(
    configure: Configure, root: Path
) -> None:
    own, other = pair(configure)
    async with opened(replace(own, ping_interval_s=0.5, query_timeout_s=1.0)) as (ada,):
        with owner_of(other, root) as process:
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=10)
            ada.doubt(frozenset({NodeId("bob")}))
            await trio.sleep(2.0)
            assert sees(ada, "ada", "bob")  # it answers
            os.kill(process.pid, signal.SIGSTOP)
            assert await wait_until(lambda: not sees(ada, "ada", "bob"), deadline_s=10) < 6
            os.kill(process.pid, signal.SIGCONT)
            await wait_until(lambda: sees(ada, "ada", "bob"), deadline_s=8)


async def test_what_the_agent_drops_while_the_node_stands_still_is_noticed_and_read_again(configure: Configure) -> None:
    _, other = pair(configure)
    # It logs no more than warnings: with more, a pipe that nobody reads would stop an own agent before it drops any.
    async with external(replace(other, seeds=()), log_level="WARN") as (config, _):
        patient = replace(config, seeds=(), refresh_interval_s=1000.0, call_deadline_s=60.0)
        async with opened(patient) as (bob,):
            await wait_until(lambda: sees(bob, "bob"), deadline_s=20)
            assert bob.view.members[NodeId("bob")].tags.load is LoadClass.LOW
            speaker = threading.Thread(target=trio.run, args=(overwhelm, *endpoint(config)))
            speaker.start()
            speaker.join(30)  # nothing of the node runs meanwhile
            await wait_until(lambda: bob.view.members[NodeId("bob")].tags.load is LoadClass.FULL, deadline_s=20)
            assert bob._session is not None
            dropped_here = bob._session.stream
            # Of the flood that had waited some may be dropped on this side, too: that is told at once.
            await wait_until(lambda: bob.statistics().records_dropped > dropped_here.dropped, deadline_s=20)
            assert bob.statistics().agent_restarts == 0
            await bob.send_event(b"still here")


async def overwhelm(port: int, token: str) -> None:
    """Send events until the agent drops those for the node, then change its tags: that record is dropped, too."""
    async with open_serf_client(port, token, deadline_s=30) as client, trio.open_nursery() as nursery:
        log = await client.monitor("WARN")
        is_full = trio.Event()

        async def watch() -> None:
            while "Dropping event to" not in await log.receive():
                pass
            is_full.set()

        async def send() -> None:
            while not is_full.is_set():
                await client.send_event("x", os.urandom(8) + bytes(890))

        nursery.start_soon(watch)
        async with trio.open_nursery() as senders:
            for _ in range(8):
                senders.start_soon(send)
        await client.set_tags({"l": LoadClass.FULL.value})
        nursery.cancel_scope.cancel()


async def test_an_agent_that_cannot_be_used_is_refused_with_the_reason(configure: Configure) -> None:
    _, other = pair(configure)

    async def check(code: str, config: MembershipConfig) -> None:
        with trio.fail_after(15), pytest.raises(GossipSetupError) as caught:
            await enter(replace(config, start_deadline_s=0.5))
        assert caught.value.code == code

    async with external(other) as (config, _):
        await wait_answers(config)
        await check("agent_token_refused", replace(config, rpc_token="wrong"))
        await check("agent_unsuitable", replace(config, node_id=NodeId("eve"), data_dir=config.data_dir / "eve"))
    await check("agent_unreachable", config)
    async with external(replace(other, gossip_key=None, seeds=())) as (config, _):
        await wait_answers(config)
        await check("agent_unsuitable", config)


def endpoint(config: MembershipConfig) -> tuple[int, str]:
    return int(str(config.rpc).rpartition(":")[2]), config.rpc_token


async def wait_answers(config: MembershipConfig) -> None:
    port, _ = endpoint(config)
    with trio.fail_after(20):
        while True:
            with contextlib.suppress(OSError):
                async with await trio.open_tcp_stream("127.0.0.1", port):
                    return
            await trio.sleep(0.02)
