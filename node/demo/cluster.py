"""A cluster on this machine: a private Redis and some nodes, each a process of its own.

Everything listens on loopback, on ports that were free a moment ago, and lives below one new
folder, which goes with the cluster, also when this process is killed.
"""

from __future__ import annotations

import secrets
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import httpx
import trio

from membership.agent.child import TetheredChild, open_tethered
from node.demo.home import Ports, SharedSecrets, write_home
from node.demo.ports import find_free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from node.demo.cast import Stage

READY_DEADLINE_S: Final = 30.0
"""From start to ready, on two busy cores: a node takes 1-3 s there, its serf agent half of it."""

MEET_DEADLINE_S: Final = 30.0
"""Until every node knows every other one; gossip needs about a second."""

POLL_S: Final = 0.1

REQUEST_DEADLINE_S: Final = 5.0

STOP_GRACE_S: Final = 8.0
"""A node says goodbye to its cluster (5 s at most) before it ends."""


class DemoError(Exception):
    """The cluster did not come up; ``code`` is stable, ``message`` says the next step."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningNode:
    """A node process of the cluster: its place, its URL, its folder, the process behind its tether."""

    stage: Stage
    url: str
    data_dir: Path
    process: TetheredChild

    @property
    def node(self) -> str:
        """The id of the node."""
        return self.stage.node


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    """The running cluster."""

    nodes: tuple[RunningNode, ...]
    redis: TetheredChild
    folder: Path

    def at(self, node: str) -> RunningNode:
        """Find a node by its id.

        Raises:
            KeyError: There is none of that name.
        """
        for running in self.nodes:
            if running.node == node:
                return running
        raise KeyError(node)


@asynccontextmanager
async def open_cluster(
    stages: Sequence[Stage],
    *,
    progress: Callable[[str], None] = lambda _line: None,
    settings: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
) -> AsyncIterator[Cluster]:
    """Start Redis and one node a stage, and wait until all know each other.

    Args:
        stages: The nodes to start; at least one.
        progress: Called with a sentence for each step.
        settings: More settings for every node, by section and key, over the demo's own.

    Raises:
        DemoError: A program is missing, a process ended, or something was not ready in time;
            whatever was started is stopped again.
    """
    async with AsyncExitStack() as stack:
        folder = await stack.enter_async_context(_open_folder())
        progress("starting a private Redis")
        redis_socket = folder / "redis.sock"
        redis = await stack.enter_async_context(_open_redis(redis_socket))
        await _wait_for_redis(redis, redis_socket)

        shared = SharedSecrets.generate()
        found = find_free_ports(2 * len(stages))
        ports = [Ports(http=http, gossip=gossip) for http, gossip in zip(found[::2], found[1::2], strict=True)]
        nodes: list[RunningNode] = []
        for stage, mine in zip(stages, ports, strict=True):
            progress(f"starting node {stage.node} in {stage.region}")
            config = write_home(
                folder / stage.node,
                stage,
                ports=mine,
                seeds=ports,
                shared=shared,
                redis_socket=redis_socket,
                settings=settings,
            )
            command = [sys.executable, "-m", "node", "up", "--config", str(config)]
            process = await stack.enter_async_context(
                open_tethered(command, name=f"node {stage.node}", close_grace_s=STOP_GRACE_S)
            )
            data_dir = folder / stage.node / "data"
            nodes.append(RunningNode(stage=stage, url=mine.url, data_dir=data_dir, process=process))
        # Together, so that stopping takes as long as the slowest and not as the sum.
        stack.push_async_callback(_stop_all, [running.process for running in nodes])
        progress("waiting until the nodes have found each other")
        await _wait_until_met(nodes)
        yield Cluster(nodes=tuple(nodes), redis=redis, folder=folder)


@asynccontextmanager
async def _open_folder() -> AsyncIterator[Path]:
    """Make a folder that is removed with the block, and with this process, however it ends.

    Whoever removes it stands ready before it is there: so not even a kill in between leaves it.
    """
    folder = Path(tempfile.gettempdir()) / f"starling-demo-{secrets.token_hex(4)}"
    async with open_tethered(["sleep", "infinity"], name="folder keeper", workdir=folder):
        folder.mkdir(mode=0o700)
        yield folder


async def _stop_all(processes: Sequence[TetheredChild]) -> None:
    # Bounded by the grace of each, so the shield cannot hold a Ctrl-C for ever.
    with trio.CancelScope(shield=True):
        async with trio.open_nursery() as nursery:
            for process in processes:
                nursery.start_soon(process.terminate, STOP_GRACE_S)


@asynccontextmanager
async def _open_redis(path: Path) -> AsyncIterator[TetheredChild]:
    # No TCP port, nothing on disk: this one lives and dies with the demo.
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
    command += ["--save", "", "--appendonly", "no", "--dir", str(path.parent)]
    try:
        async with open_tethered(command, name="redis-server") as redis:
            yield redis
    except FileNotFoundError:
        message = "There is no redis-server on this machine; `make setup` installs it."
        raise DemoError("redis_missing", message) from None


async def _wait_for_redis(redis: TetheredChild, path: Path) -> None:
    with trio.move_on_after(READY_DEADLINE_S):
        while redis.returncode is None:
            try:
                async with await trio.open_unix_socket(str(path)) as stream:
                    await stream.send_all(b"PING\r\n")
                    if (await stream.receive_some(64)).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            await trio.sleep(POLL_S)
    raise DemoError("redis_failed", f"Redis did not start. It said:\n{redis.output_tail()}")


async def _wait_until_met(nodes: Sequence[RunningNode]) -> None:
    async with httpx.AsyncClient(timeout=REQUEST_DEADLINE_S, trust_env=False) as http:
        for running in nodes:
            with trio.move_on_after(READY_DEADLINE_S + MEET_DEADLINE_S) as scope:
                while not await _has_met(http, running, len(nodes)):
                    if running.process.returncode is not None:
                        message = f"Node {running.node} ended. It said:\n{running.process.output_tail()}"
                        raise DemoError("node_failed", message)
                    await trio.sleep(POLL_S)
            if scope.cancelled_caught:
                message = f"Node {running.node} was not ready in time. It said:\n{running.process.output_tail()}"
                raise DemoError("node_not_ready", message)


async def _has_met(http: httpx.AsyncClient, running: RunningNode, count: int) -> bool:
    try:
        ready = await http.get(f"{running.url}/readyz")
        known = await http.get(f"{running.url}/v1/nodes")
    except httpx.TransportError:
        return False
    return ready.is_success and known.is_success and len(known.json()["nodes"]) == count
