"""A cluster on this machine: a private Redis and some nodes, each a process of its own.

Everything listens on loopback, on ports that were free a moment ago, and lives below one new
folder: a sub-folder for each process, which its tether removes once the process is gone, also when
this process was killed.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import trio

from membership.child import TetheredChild, open_tethered
from node.demo.ports import LOOPBACK, find_free_ports
from session import ClusterKeys

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
    settings: Mapping[str, Mapping[str, object]] | None = None,
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
    folder = Path(tempfile.mkdtemp(prefix="starling-demo-"))  # mode 0700
    async with AsyncExitStack() as stack:
        # Each process' folder goes with its tether; what is left is the empty one around them.
        stack.callback(_remove_if_empty, folder)
        progress("starting a private Redis")
        redis_socket = folder / "redis" / "redis.sock"
        redis = await stack.enter_async_context(_open_redis(redis_socket))
        await _wait_for_redis(redis, redis_socket)

        gossip_key = base64.b64encode(secrets.token_bytes(32)).decode()
        keys = ClusterKeys.generate()
        ports = find_free_ports(2 * len(stages))
        gossip_ports, http_ports = ports[: len(stages)], ports[len(stages) :]
        seeds = [f"{LOOPBACK}:{port}" for port in gossip_ports]
        nodes: list[RunningNode] = []
        for stage, gossip_port, http_port in zip(stages, gossip_ports, http_ports, strict=True):
            progress(f"starting node {stage.node} in {stage.region}")
            home = folder / stage.node
            home.mkdir(mode=0o700)
            (home / "gossip.key").touch(mode=0o600)
            (home / "gossip.key").write_text(gossip_key + "\n")
            keys.save(home / "cluster-keys.json")
            url = f"http://{LOOPBACK}:{http_port}"
            config: dict[str, dict[str, object]] = {
                "node": {
                    "id": stage.node,
                    "region": stage.region,
                    "latitude": stage.latitude,
                    "longitude": stage.longitude,
                    "cluster": "starling-demo",
                    "public_url": url,
                    "data_dir": str(home / "data"),
                },
                "http": {"address": LOOPBACK, "port": http_port},
                "media": {"address": LOOPBACK},
                "mesh": {
                    "gossip_key_file": str(home / "gossip.key"),
                    "port": gossip_port,
                    "seeds": seeds,
                    "warm_links": 0,
                },
                "store": {"kind": "redis", "url": f"unix://{redis_socket}"},
                "tokens": {"cluster_keys_file": str(home / "cluster-keys.json")},
            }
            for section, keys_of in (settings or {}).items():
                config.setdefault(section, {}).update(keys_of)
            (home / "node.toml").write_text(_toml(config))
            process = await stack.enter_async_context(
                open_tethered(
                    [sys.executable, "-m", "node", "up", "--config", str(home / "node.toml")],
                    name=f"node {stage.node}",
                    close_grace_s=STOP_GRACE_S,
                    workdir=home,
                )
            )
            nodes.append(RunningNode(stage=stage, url=url, data_dir=home / "data", process=process))
        progress("waiting until the nodes have found each other")
        await _wait_until_met(nodes)
        # Together, so that stopping takes as long as the slowest and not as the sum.
        stack.push_async_callback(_stop_all, [running.process for running in nodes])
        yield Cluster(nodes=tuple(nodes), redis=redis, folder=folder)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return


async def _stop_all(processes: Sequence[TetheredChild]) -> None:
    # Bounded by the grace of each, so the shield cannot hold a Ctrl-C for ever.
    with trio.CancelScope(shield=True):
        async with trio.open_nursery() as nursery:
            for process in processes:
                nursery.start_soon(process.terminate, STOP_GRACE_S)


@asynccontextmanager
async def _open_redis(path: Path) -> AsyncIterator[TetheredChild]:
    path.parent.mkdir(mode=0o700)
    # No TCP port, nothing on disk: this one lives and dies with the demo.
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
    command += ["--save", "", "--appendonly", "no", "--dir", str(path.parent)]
    try:
        async with open_tethered(command, name="redis-server", workdir=path.parent) as redis:
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


def _toml(config: Mapping[str, Mapping[str, object]]) -> str:
    """Write sections of plain values; JSON's strings, numbers, booleans and lists are TOML's too."""
    lines: list[str] = []
    for section, keys in config.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
        lines.append("")
    return "\n".join(lines)
