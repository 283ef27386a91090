"""Real nodes, each on a host of an emulated network, with real serf agents and a Redis that all of them reach.

A node has the name of the host that it begins on, and keeps it when it moves to another. Light enough for twelve on two
cores: one media worker each, no links but wanted ones, started three at a time. At the end of the block all are killed;
who wants to see them leave stops them before.
"""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from lab import LabError
from node.admin import ADMIN_FILE, AdminFile, Explained, Links, Members, Question, TrackOrder
from node.demo.cast import Stage
from node.demo.home import Ports, SharedSecrets, write_home
from signalling.ids import NodeId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from lab import Wan
    from membership.agent.child import TetheredChild
    from node.admin.protocol import Topic

HTTP_PORT: Final = 8080
GOSSIP_PORT: Final = 7946
REDIS_PORT: Final = 6379

START_DEADLINE_S: Final = 60.0
"""From start to serving, three at a time on two busy cores: a node takes 2-4 s of one."""

MEET_DEADLINE_S: Final = 60.0
"""Until every node knows every other one; gossip over 300 ms needs some seconds."""

AT_A_TIME: Final = 3

POLL_S: Final = 0.2

ANSWER_DEADLINE_S: Final = 10.0

ENDS_AT_ONCE_S: Final = 0.05

ALL_TRACKS: Final = TrackOrder()

Settings = MappingProxyType[str, "Mapping[str, object]"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WanNode:
    """A node: the host it is on, its folder and what it has printed since it was started last."""

    host: str
    address: str
    data_dir: Path
    config: Path
    lines: list[str]

    @property
    def url(self) -> str:
        """Where clients in the network reach it."""
        return f"http://{self.address}:{HTTP_PORT}"


class WanNodes:
    """The nodes of a network; made by :func:`open_wan_nodes`."""

    def __init__(self, wan: Wan, nodes: dict[str, WanNode], nursery: trio.Nursery) -> None:
        self.wan: Final = wan
        self.nodes: Final[Mapping[str, WanNode]] = nodes
        self._nodes = nodes
        self._nursery = nursery
        self._processes: dict[str, TetheredChild] = {}
        self._starting = trio.CapacityLimiter(AT_A_TIME)

    async def start(self, host: str) -> None:
        """Start a node and wait until it serves.

        Raises:
            LabError: ``node_failed``, it ended, or does not serve in time; the message has its last words.
        """
        async with self._starting:
            self.nodes[host].lines.clear()
            self._processes[host] = await self._nursery.start(self._live, host)
            with trio.move_on_after(START_DEADLINE_S):
                while not await self.is_ready(host):
                    if self._processes[host].returncode is not None:
                        raise _failed(self.last_words(host))
                    await trio.sleep(POLL_S)
                return
        raise _failed(f"{host} does not serve; {self.last_words(host)}")

    async def stop(self, host: str, grace_s: float = 15.0) -> int | None:
        """Ask a node to end (SIGTERM), and wait; returns its exit code."""
        return await self._processes[host].terminate(grace_s)

    async def kill(self, host: str) -> None:
        """SIGKILL a node; its serf agent and its engine end with it."""
        await self._processes[host].kill()

    def move(self, name: str, host: str) -> None:
        """Give a node that does not run another host, and so another address; it keeps its name and its folder."""
        node, address = self.nodes[name], self.wan.address(host)
        node.config.write_text(node.config.read_text().replace(f'"{node.address}"', f'"{address}"'))
        self._nodes[name] = replace(node, host=host, address=address)

    def forget_peers(self, name: str) -> None:
        """Let a node that does not run know nobody but the seeds when it comes back: Serf keeps whom it knew."""
        (self.nodes[name].data_dir / "gossip" / "snapshot").unlink(missing_ok=True)

    def agent_pid(self, name: str) -> int:
        """Process id of a running node's serf agent.

        Raises:
            LookupError: It has none now.
        """
        return find_descendant(self.pid(name), "serf")

    def pid(self, host: str) -> int:
        """Process id of a running node itself, such as to stop it for a while with SIGSTOP."""
        return msgspec.json.decode((self.nodes[host].data_dir / ADMIN_FILE).read_bytes(), type=AdminFile).pid

    def last_words(self, host: str) -> str:
        """The last lines that a node has printed."""
        return f"{host} said:\n" + "\n".join(self.nodes[host].lines[-20:])

    async def is_ready(self, host: str) -> bool:
        """Whether the node's `/readyz` says so; asked on its own host, so that no cut and no distance matters."""
        try:
            status, _body = await self.get(host, "/readyz")
        except OSError:
            return False
        return status == 200

    async def get(self, host: str, path: str) -> tuple[int, bytes]:
        """Ask a node by HTTP, from its own host; returns status and body.

        Raises:
            OSError: Nobody listens.
        """
        request = f"GET {path} HTTP/1.1\r\nHost: {self.nodes[host].address}\r\nConnection: close\r\n\r\n"
        answer = await self._ask(host, (self.nodes[host].address, HTTP_PORT), request.encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        words = head.split(None, 2)
        return (int(words[1]) if len(words) > 1 else 0), body

    async def members(self, host: str) -> Members:
        """The cluster as a node sees it: what `starling members` prints, without the price of a process.

        Raises:
            OSError: The node does not run.
        """
        return msgspec.json.decode(await self._question(host, "members"), type=Members)

    async def links(self, host: str) -> Links:
        """The links of a node: what `starling links` prints.

        Raises:
            OSError: The node does not run.
        """
        return msgspec.json.decode(await self._question(host, "links"), type=Links)

    async def explained(self, host: str, track: str = "") -> Explained:
        """The way of a track to a node, or without one the tracks that it knows: what `starling explain` prints.

        Raises:
            OSError: The node does not run.
        """
        answer = await self._question(host, "explain", TrackOrder(track=track))
        return msgspec.json.decode(answer, type=Explained)

    async def members_by_command(self, host: str) -> list[dict[str, Any]]:
        """What `starling members --json` prints on the node's host."""
        said: list[str] = []
        command = [sys.executable, "-m", "node", "members", "--json", "--data-dir", str(self.nodes[host].data_dir)]
        async with self.wan.run_in(self.nodes[host].host, command, on_line=said.append) as process:
            code = await process.wait()
        text = "\n".join(said)
        if code != 0:
            raise _failed(text)
        found: list[dict[str, Any]] = json.loads(text)["members"]
        return found

    async def alive_in_view(self, host: str) -> frozenset[str]:
        """Names of the nodes that a node takes for alive; none while it does not answer."""
        try:
            found = await self.members(host)
        except (OSError, msgspec.DecodeError):
            return frozenset()
        return frozenset(one.node for one in found.members if one.state == "alive")

    async def wait_until_met(
        self, hosts: Sequence[str] | None = None, *, deadline_s: float = MEET_DEADLINE_S
    ) -> dict[str, float]:
        """Wait until each of these nodes takes exactly these for alive; returns after how many seconds each did.

        Raises:
            LabError: ``node_failed``, they do not in time; the message has what each sees.
        """
        hosts = list(self.nodes) if hosts is None else hosts
        wanted = frozenset(hosts)
        start = trio.current_time()
        after: dict[str, float] = {}
        with trio.move_on_after(deadline_s):
            while len(after) < len(hosts):
                for host in hosts:
                    if host not in after and await self.alive_in_view(host) == wanted:
                        after[host] = trio.current_time() - start
                await trio.sleep(POLL_S)
            return after
        seen = {host: sorted(wanted ^ await self.alive_in_view(host)) for host in hosts if host not in after}
        raise _failed(f"after {deadline_s} s these miss or have too much: {seen}")

    async def _live(self, host: str, *, task_status: trio.TaskStatus[TetheredChild]) -> None:
        node = self.nodes[host]
        command = [sys.executable, "-m", "node", "up", "--config", str(node.config)]
        async with self.wan.run_in(
            node.host, command, close_grace_s=ENDS_AT_ONCE_S, on_line=node.lines.append
        ) as process:
            task_status.started(process)
            await process.wait()

    async def _question(self, host: str, topic: Topic, track_order: TrackOrder = ALL_TRACKS) -> bytes:
        admin = msgspec.json.decode((self.nodes[host].data_dir / ADMIN_FILE).read_bytes(), type=AdminFile)
        question = msgspec.json.encode(Question(token=admin.token, topic=topic, track_order=track_order)) + b"\n"
        return await self._ask(host, ("127.0.0.1", admin.port), question)

    async def _ask(self, host: str, address: tuple[str, int], request: bytes) -> bytes:
        with trio.fail_after(ANSWER_DEADLINE_S), self.wan.tcp_socket(self.nodes[host].host) as stream:
            await stream.connect(address)
            rest = request
            while rest:
                rest = rest[await stream.send(rest) :]
            answer = b""
            while part := await stream.recv(65536):
                answer += part
            return answer


@asynccontextmanager
async def open_wan_nodes(
    wan: Wan,
    folder: Path,
    *,
    hosts: Sequence[str] | None = None,
    redis_host: str | None = None,
    seeds: Sequence[str] | None = None,
    begin: Sequence[str] | None = None,
    settings: Mapping[str, Mapping[str, object]] = MappingProxyType({}),
) -> AsyncIterator[WanNodes]:
    """Start Redis and nodes, and wait until all have met.

    Args:
        wan: The network.
        folder: Where the nodes' homes go; nothing in it is removed.
        hosts: Which hosts have a node; all unless said.
        redis_host: The host that Redis is on, for a store with a distance; without it Redis is a socket in the folder,
            near everybody and beyond every cut.
        seeds: Hosts whose nodes the others join; the first and the last unless said.
        begin: Which nodes to start; all unless said. The others are for :meth:`WanNodes.start`.
        settings: More settings for every node, by section and key.

    Raises:
        LabError: ``node_failed``, some node does not serve or does not meet the others in time; ``program_missing``.
    """
    chosen = [host.name for host in wan.topology.hosts] if hosts is None else list(hosts)
    shared = SharedSecrets.generate()
    joined = [f"{wan.address(seed)}:{GOSSIP_PORT}" for seed in seeds or (chosen[0], chosen[-1])]
    redis_socket = folder / "redis.sock"
    store_url = f"unix://{redis_socket}" if redis_host is None else f"redis://{wan.address(redis_host)}:{REDIS_PORT}"
    nodes: dict[str, WanNode] = {}
    for host in chosen:
        address = wan.address(host)
        place = wan.topology.regions[wan.topology.host(host).region]
        own: dict[str, dict[str, object]] = {
            "node": {"public_url": f"http://{address}:{HTTP_PORT}"},
            "http": {"address": address, "port": HTTP_PORT},
            "media": {"address": address, "workers": 1},
            "mesh": {"address": address, "port": GOSSIP_PORT, "seeds": joined},
            "store": {"kind": "redis", "url": store_url},
            "log": {"format": "json"},
        }
        for section, keys in settings.items():
            own.setdefault(section, {}).update(keys)
        config = write_home(
            folder / host,
            Stage(
                node=NodeId(host),
                region=wan.topology.host(host).region,
                latitude=place.latitude,
                longitude=place.longitude,
            ),
            ports=Ports(http=HTTP_PORT, gossip=GOSSIP_PORT),
            seeds=(),
            shared=shared,
            redis_socket=redis_socket,
            settings=own,
        )
        nodes[host] = WanNode(host=host, address=address, data_dir=folder / host / "data", config=config, lines=[])
    async with (
        _open_redis(wan, chosen[0] if redis_host is None else redis_host, redis_socket),
        trio.open_nursery() as nursery,
    ):
        running = WanNodes(wan, nodes, nursery)
        async with trio.open_nursery() as starting:
            for host in chosen if begin is None else begin:
                starting.start_soon(running.start, host)
        await running.wait_until_met(begin)
        yield running
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _open_redis(wan: Wan, host: str, path: Path) -> AsyncIterator[None]:
    command = ["redis-server", "--bind", wan.address(host), "--port", str(REDIS_PORT), "--protected-mode", "no"]
    command += ["--unixsocket", str(path), "--unixsocketperm", "700", "--save", "", "--dir", str(path.parent)]
    # The nodes want a store that keeps what outlives them; nothing is read from it again here.
    command += ["--appendonly", "yes", "--appendfsync", "no"]
    async with wan.run_in(host, command, close_grace_s=ENDS_AT_ONCE_S) as redis:
        with trio.fail_after(ANSWER_DEADLINE_S):
            while not await trio.Path(path).exists():
                if redis.returncode is not None:
                    raise _failed(f"Redis ended: {redis.output_tail()}")
                await trio.sleep(POLL_S)
        yield


def _failed(message: str) -> LabError:
    return LabError("node_failed", message)


def find_descendant(pid: int, program: str) -> int:
    """Process id of a running program that a process has started, itself or by another.

    Raises:
        LookupError: There is none.
    """
    below = [pid]
    while below:
        one = below.pop()
        try:
            if Path(f"/proc/{one}/comm").read_text().strip() == program:
                return one
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                below += map(int, children.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    raise LookupError(f"no process {program!r} below {pid}")
