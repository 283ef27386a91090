"""One life of a serf agent: start it, wait until it answers, use it, notice its end, and say why.

`run_agent` never raises for what the agent does: every end is a value with a stable code, and the service decides
whether to start again (any exit counts, code 0 too: that is how a name conflict ends).
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import trio

from membership.agent.child import TetheredChild, open_tethered
from membership.agent.files import AgentFiles, write_agent_files
from membership.rpc.client import open_serf_client
from membership.rpc.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from membership.config import MembershipConfig
    from membership.rpc.client import SerfClient

__all__ = ["AgentEnd", "AgentEndpoint", "run_agent"]

READY_POLL_S = 0.05
"""Between two tries to reach a starting agent, which takes 0.1-0.3 s on an idle machine."""

READY_CALL_DEADLINE_S = 2.0
"""For one such try."""

AGENT_SAYS = "gossip agent says"
"""The event of the node's own log, at debug, that repeats a line of its agent."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentEndpoint:
    """Where a ready agent answers.

    Attributes:
        agent_boot: number of its start.
        name: its Serf name.
        rpc_port: its RPC port.
        rpc_token: the RPC's secret.
        rpc_host: its loopback address.
    """

    agent_boot: int
    name: str
    rpc_port: int
    rpc_token: str
    rpc_host: str = "127.0.0.1"

    def connect(self, *, deadline_s: float) -> AbstractAsyncContextManager[SerfClient]:
        """Open a connection of its own; see `open_serf_client`."""
        return open_serf_client(self.rpc_port, self.rpc_token, host=self.rpc_host, deadline_s=deadline_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentEnd:
    """How a life ended.

    Attributes:
        code: `serf_missing`, `serf_unstartable`, `gossip_port_taken`, `gossip_address_invalid`, `data_dir_unusable`,
            `serf_failed` before it was ready; `agent_exited` or `agent_abandoned` (its user gave up on it) afterwards.
        message: for a human, with the next step.
        was_ready: whether it had answered.
    """

    code: str
    message: str
    was_ready: bool


async def run_agent(
    config: MembershipConfig,
    *,
    agent_boot: int,
    tags: Mapping[str, str],
    use: Callable[[AgentEndpoint], Awaitable[None]],
) -> AgentEnd:
    """Run one agent until it ends or `use` returns.

    When cancelled, the agent gets `leave_deadline_s` to leave the cluster.

    Args:
        config: the membership's settings.
        agent_boot: number of this start.
        tags: encoded tags.
        use: called once the agent answers; cancelled when the agent ends.  When it returns, the agent is of no
            use any more and is killed.
    """
    try:
        files = await trio.to_thread.run_sync(
            lambda: write_agent_files(config, agent_boot=agent_boot, rpc_port=free_port(), tags=tags)
        )
    except OSError as error:
        return AgentEnd(
            code="data_dir_unusable",
            message=f"the agent's files cannot be written ({error}); check the folder's owner and free space",
            was_ready=False,
        )
    endpoint = AgentEndpoint(agent_boot=agent_boot, name=files.name, rpc_port=files.rpc_port, rpc_token=files.rpc_token)
    try:
        return await _live(config, files, endpoint, use)
    except FileNotFoundError:
        return AgentEnd(
            code="serf_missing",
            message=f"there is no program {config.serf_path!r}; install the package `serf` or set its path",
            was_ready=False,
        )
    except OSError as error:
        # No file, socket or process to be had at the moment: the next try may find one, and calls go on meanwhile.
        return AgentEnd(
            code="serf_unstartable",
            message=f"the serf agent cannot be started ({error}); look at the limits of open files and processes",
            was_ready=False,
        )


async def _live(
    config: MembershipConfig,
    files: AgentFiles,
    endpoint: AgentEndpoint,
    use: Callable[[AgentEndpoint], Awaitable[None]],
) -> AgentEnd:
    was_ready = was_abandoned = False

    async def use_when_ready(child: TetheredChild, scope: trio.CancelScope) -> None:
        nonlocal was_ready, was_abandoned
        with trio.move_on_after(config.start_deadline_s):
            await _wait_ready(endpoint)
            was_ready = True
        if was_ready:
            log.info("gossip agent ready", agent=endpoint.name)
            await use(endpoint)
        was_abandoned = True
        await child.kill()
        scope.cancel()

    async with (
        open_tethered(
            [config.serf_path, "agent", "-config-file", str(files.config)],
            name="serf agent",
            close_grace_s=config.leave_deadline_s,
            workdir=files.folder,
            on_line=lambda line: log.debug(AGENT_SAYS, agent=endpoint.name, line=line),
        ) as child,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(use_when_ready, child, nursery.cancel_scope)
        await child.wait()
        nursery.cancel_scope.cancel()
    if was_ready:
        return AgentEnd(
            code="agent_abandoned" if was_abandoned else "agent_exited",
            message=f"the gossip agent {'stopped answering' if was_abandoned else 'exited'} ({child.returncode})",
            was_ready=True,
        )
    return _why_not_started(config, child)


def _why_not_started(config: MembershipConfig, child: TetheredChild) -> AgentEnd:
    address = f"{config.bind_address}:{config.bind_port}"
    match _probe_bind(config.bind_address, config.bind_port):
        case errno.EADDRINUSE:
            code, message = (
                "gossip_port_taken",
                f"another program listens on the gossip port {address}; stop it or set another port",
            )
        case errno.EADDRNOTAVAIL:
            code, message = (
                "gossip_address_invalid",
                f"the gossip address {config.bind_address} is not one of this machine; set one that is",
            )
        case _:
            last_lines = " | ".join(child.output_tail().strip().splitlines()[-3:])
            code, message = "serf_failed", f"the serf agent did not start; it said: {last_lines or 'nothing'}"
    return AgentEnd(code=code, message=message, was_ready=False)


async def _wait_ready(endpoint: AgentEndpoint) -> None:
    while True:
        try:
            async with endpoint.connect(deadline_s=READY_CALL_DEADLINE_S):
                return
        except* (RpcError, trio.TooSlowError):
            pass  # not yet
        await trio.sleep(READY_POLL_S)


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


def _probe_bind(address: str, port: int) -> int:
    """The errno of binding the gossip's sockets, 0 if both can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(family, kind) as probe:
                if kind == socket.SOCK_STREAM:  # as serf does it: a lingering old connection is no obstacle
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            return error.errno or errno.EINVAL
    return 0
