"""Whole memberships on loopback, several in one process."""

import contextlib
import hashlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from membership import Membership, MembershipConfig, open_membership
from membership.agent.life import free_port
from tests.cluster.membership.conftest import Configure, new_key, processes_with


def node_key(name: str) -> bytes:
    """The public key that a node of this name has here."""
    return hashlib.sha256(name.encode()).digest()


@contextlib.asynccontextmanager
async def opened(*configs: MembershipConfig) -> AsyncIterator[list[Membership]]:
    """Several nodes at once; they also leave at once."""
    async with trio.open_nursery() as nursery:
        ready, memberships = trio.open_memory_channel[Membership](len(configs))

        async def run(config: MembershipConfig) -> None:
            tags = config.tags(public_url=f"http://127.0.0.1/{config.node_id}", public_key=node_key(config.node_id))
            async with open_membership(config, tags) as membership:
                await ready.send(membership)
                await trio.sleep_forever()

        for config in configs:
            nursery.start_soon(run, config)
        with trio.fail_after(20):
            found = [await memberships.receive() for _ in configs]
        yield sorted(found, key=lambda membership: membership.view.own_id)
        nursery.cancel_scope.cancel()


def cluster(configure: Configure, *names: str, **settings: object) -> list[MembershipConfig]:
    """Configurations of nodes that have each other as seeds and share a key."""
    ports = [free_port() for _ in names]
    seeds = tuple(f"127.0.0.1:{port}" for port in ports)
    key = new_key()
    return [
        configure(name, bind_port=port, seeds=seeds, gossip_key=key, **settings)
        for name, port in zip(names, ports, strict=True)
    ]


def sees(membership: Membership, *names: str) -> bool:
    return {str(member.node_id) for member in membership.view.alive()} == set(names)


async def wait_met(*nodes: Membership, deadline_s: float = 8.0) -> None:
    """Wait until each of them sees exactly these, as its agent says now."""
    names = [str(node.view.own_id) for node in nodes]
    with trio.fail_after(deadline_s):
        while not all(sees(node, *names) and node.view.is_fresh for node in nodes):
            await trio.sleep(0.01)


def serf_pids(membership: Membership) -> list[int]:
    """The agent's process, without its tether."""
    return agent_pids(membership.view.own_id)


def agent_pids(node: str) -> list[int]:
    """The process of a node's agent, whoever runs the node, without its tether."""
    name = f'"{node}-'
    found = []
    for pid in processes_with("agent.json"):
        program, *_, config = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
        if program.endswith("serf") and name in Path(config).read_text():
            found.append(pid)
    return found


def kill_agent(membership: Membership) -> None:
    """End its agent as a crash does."""
    for pid in serf_pids(membership):
        os.kill(pid, signal.SIGKILL)


async def enter(config: MembershipConfig) -> None:
    tags = config.tags(public_url="http://127.0.0.1", public_key=bytes(32))
    async with open_membership(config, tags):
        pytest.fail("it started")
