"""A topology come to life: a namespace for each host, one program between them, for the length of a block.

Names of hosts may also be those of regions, or ``*`` for all::

    async with open_wan(load_preset("six-regions")) as wan:
        async with wan.run_in("fra1", ["starling", "up", ...]) as node:
            await wan.set("frankfurt", "sydney", Change(loss=0.3))
            await wan.partition(["frankfurt", "virginia"])     # from all others
            await wan.heal()
"""

from __future__ import annotations

import os
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import structlog
import trio

from lab import namespaces
from lab.emulator import Emulator, WanStatistics, open_emulator
from membership.agent.child import open_tethered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from lab.conditions import Change, Conditions
    from lab.topology import Topology
    from membership.agent.child import TetheredChild

__all__ = ["Wan", "open_wan"]

T = TypeVar("T")

Pair = tuple[str, str]
"""Names of the sending and of the receiving host."""

_BLOCKING: Final = trio.CapacityLimiter(1)
"""One at a time: the kernel makes networks under one lock anyway."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger("lab.wan")


class Wan:
    """The running network; made by :func:`open_wan`."""

    def __init__(self, topology: Topology, prefix: str, emulator: Emulator) -> None:
        self.topology: Final = topology
        self._prefix = prefix
        self._emulator = emulator
        self._conditions = dict(topology.conditions)
        self._cut: frozenset[Pair] = frozenset()

    @property
    def emulator_pid(self) -> int:
        """Process id of the program between the hosts."""
        return self._emulator.pid

    def address(self, host: str) -> str:
        """The IPv4 address of a host.

        Raises:
            LabError: ``topology_invalid``, there is no such host.
        """
        return self.topology.host(host).address

    def namespace(self, host: str) -> str:
        """The name of a host's namespace, for `ip netns exec`.

        Raises:
            LabError: ``topology_invalid``, there is no such host.
        """
        return namespaces.name_of(self._prefix, self.topology.host(host).name)

    def conditions(self, sender: str, receiver: str) -> Conditions:
        """How the path from one host to another is now; cut or not is another matter.

        Raises:
            KeyError: There is no such host.
        """
        return self._conditions[sender, receiver]

    def in_namespace(self, host: str, work: Callable[[], T]) -> T:
        """Do something quick with this thread on a host, such as to open a socket, which stays there for good.

        Args:
            host: Name of the host.
            work: A plain function; it must not wait, and nothing of Trio works in it.

        Raises:
            LabError: ``topology_invalid``, there is no such host; ``not_permitted``, ``namespace_failed``.
        """
        return namespaces.enter(self.namespace(host), work)

    def tcp_socket(self, host: str) -> trio.socket.SocketType:
        """A socket of TCP on a host, connected to nobody.

        Raises:
            LabError: As for :meth:`in_namespace`.
        """

        def make() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            made.setblocking(False)
            return made

        return trio.socket.from_stdlib_socket(self.in_namespace(host, make))

    def run_in(
        self,
        host: str,
        command: Sequence[str],
        *,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        close_grace_s: float = 2.0,
        on_line: Callable[[str], None] | None = None,
    ) -> AbstractAsyncContextManager[TetheredChild]:
        """Run a program on a host for the length of a block; it dies with this process, however that dies.

        Args:
            host: Name of the host.
            command: Program and arguments.
            name: What to call it in errors; the host's name and the program's, unless said.
            env: Its environment; None means this process' own.
            cwd: Its working directory.
            close_grace_s: Seconds between SIGTERM and SIGKILL at the end of the block.
            on_line: Called with each line that it prints.

        Raises:
            LabError: ``topology_invalid``, there is no such host.
            OSError: The program cannot be started.
        """
        inside = ["nsenter", f"--net={namespaces.NAMESPACES / self.namespace(host)}", "--", *command]
        return open_tethered(
            inside, name=name or f"{host}: {command[0]}", env=env, cwd=cwd, close_grace_s=close_grace_s, on_line=on_line
        )

    async def set(self, a: str, b: str, change: Change, *, both: bool = True) -> None:
        """Change the conditions between hosts; what is under way arrives as it would have.

        Args:
            a: One end, the sending one unless ``both``.
            b: The other end.
            change: What becomes different.
            both: Both ways; else only from ``a`` to ``b``, with half of a given ``rtt_ms`` as its delay.

        Raises:
            LabError: ``topology_invalid``, nothing is called that; ``emulator_refused``, a number is out of its
                range and nothing has changed; ``emulator_failed``.
        """
        changed = {pair: self._conditions[pair].changed(change) for pair in self.topology.pairs(a, b, both=both)}
        await self._emulator.ask({"do": "set", "paths": _paths(changed)})
        self._conditions |= changed

    async def cut(self, a: str, b: str, *, both: bool = True) -> None:
        """Let nothing pass between hosts, beside what is cut already; see :meth:`set` for the arguments.

        Raises:
            LabError: ``topology_invalid``, nothing is called that; ``emulator_failed``.
        """
        await self._cut_exactly(self._cut | self.topology.pairs(a, b, both=both))

    async def partition(self, *groups: Iterable[str]) -> None:
        """Let nothing pass between groups of hosts; those that no group names are a group of their own.

        It takes the place of every cut before.

        Raises:
            LabError: ``topology_invalid``, nothing is called that; ``emulator_failed``.
        """
        side = {host.name: -1 for host in self.topology.hosts}
        for number, group in enumerate(groups):
            for name in group:
                side.update(dict.fromkeys(self.topology.named(name), number))
        pairs = self.topology.pairs("*", "*")
        await self._cut_exactly(frozenset((one, other) for one, other in pairs if side[one] != side[other]))

    async def heal(self) -> None:
        """Undo every cut; conditions stay as they were set.

        Raises:
            LabError: ``emulator_failed``.
        """
        await self._cut_exactly(frozenset())

    async def statistics(self) -> WanStatistics:
        """What happened so far on every path.

        Raises:
            LabError: ``emulator_failed``.
        """
        return await self._emulator.statistics()

    async def _cut_exactly(self, pairs: frozenset[Pair]) -> None:
        await self._emulator.ask({"do": "cut", "pairs": sorted(pairs)})
        self._cut = pairs


@asynccontextmanager
async def open_wan(topology: Topology, *, seed: int | None = None) -> AsyncIterator[Wan]:
    """Make the network for the length of the block. What an earlier one that was killed left behind goes first.

    Args:
        topology: Who is where, and what lies between.
        seed: For the dice of losses and jitter; None takes the topology's own.

    Raises:
        LabError: ``not_permitted``, not root or no TUN devices; ``program_missing``; ``namespace_failed``;
            ``emulator_failed``, also out of the block when the emulator ends.
    """
    namespaces.check_permission()
    stale = await _in_thread(namespaces.remove_stale)
    if stale:
        _log.info("stale_namespaces_removed", names=stale)
    prefix = namespaces.new_prefix()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(_remove_all, topology, prefix)
        devices = await _in_thread(lambda: _make_all(topology, prefix))
        try:
            emulator = await stack.enter_async_context(open_emulator(tuple(devices.values())))
        finally:
            # The emulator has its own copies; with these closed, a device goes when it goes.
            for device in devices.values():
                os.close(device)
        hosts = [{"name": host.name, "fd": devices[host.name], "addresses": [host.address]} for host in topology.hosts]
        await emulator.ask(
            {
                "do": "open",
                "seed": topology.seed if seed is None else seed,
                "hosts": hosts,
                "paths": _paths(topology.conditions),
            }
        )
        yield Wan(topology, prefix, emulator)


def _paths(conditions: Mapping[Pair, Conditions]) -> list[dict[str, object]]:
    return [
        {"from": sender, "to": receiver, "conditions": one.one_way()} for (sender, receiver), one in conditions.items()
    ]


def _make_all(topology: Topology, prefix: str) -> dict[str, int]:
    devices: dict[str, int] = {}
    try:
        for host in topology.hosts:
            devices[host.name] = namespaces.make(namespaces.name_of(prefix, host.name), host, mtu=topology.mtu)
    except BaseException:
        for device in devices.values():
            os.close(device)
        raise
    return devices


async def _remove_all(topology: Topology, prefix: str) -> None:
    def remove() -> None:
        for host in topology.hosts:
            namespaces.remove(namespaces.name_of(prefix, host.name))

    # Bounded by the deadline of each call of `ip`.
    with trio.CancelScope(shield=True):
        await _in_thread(remove)


async def _in_thread(work: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(work, limiter=_BLOCKING)
