"""An agent that somebody else runs: used, checked and kept in touch with, never started or ended.

Its Serf name must be the node's id, as that is how others know whose it is; it is encrypted, answers on loopback and
has a token. The rest of its config cannot be seen by RPC: it should keep coordinates, allow events and queries of
1024 bytes (`user_event_size_limit`, `query_size_limit`, `query_response_size_limit`), and `leave_on_terminate`.

The agent outlives its node. A node that ends in good order says so in a tag, and one that does not is found out by
pings (queries/pings.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog
import trio

from membership.agent.life import AgentEndpoint
from membership.errors import GossipSetupError
from membership.rpc.errors import RemoteRpcError, RpcError, reasons_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from membership.config import MembershipConfig

__all__ = ["ExternalAgent"]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class ExternalAgent:
    """Uses one external agent; the counterpart of `AgentSupervisor`.

    Attributes:
        config: the membership's settings, with `rpc`.
        boot: of this process.
        farewell: encodes the tags of a node that has left its agent.
        use: see `run_agent`; when it returns, the agent is connected anew.
        above: later connections say greater boots than this, as in `AgentSupervisor`.
        restarts: connections after the first that was good.
        failed: set, with `failure`, when the first connection failed for good.
        failure: why.
    """

    config: MembershipConfig
    boot: int
    farewell: Callable[[], Mapping[str, str]]
    use: Callable[[AgentEndpoint], Awaitable[None]]
    above: int = 0
    restarts: int = 0
    failed: trio.Event = field(default_factory=trio.Event)
    failure: GossipSetupError | None = None

    async def run(self) -> None:
        """Use the agent until cancelled, or until the first connection has failed for good."""
        config = self.config
        assert config.rpc is not None
        host, _, port = config.rpc.rpartition(":")
        endpoint = AgentEndpoint(
            agent_boot=self.boot,
            name=config.node_id,
            rpc_port=int(port),
            rpc_token=config.rpc_token,
            rpc_host=host.strip("[]"),
        )
        patience_ends = trio.current_time() + config.start_deadline_s
        pause_s = config.restart_backoff_s
        was_ever_used = False
        while True:
            started_at = trio.current_time()
            endpoint = replace(endpoint, agent_boot=max(endpoint.agent_boot, self.above + 1))
            problem = await self._inspect(endpoint)
            if problem is None:
                self.restarts += was_ever_used
                was_ever_used = True
                was_lost = False
                try:
                    await self.use(endpoint)
                    was_lost = True
                finally:
                    if not was_lost:
                        await self._say_farewell(endpoint)
            elif not was_ever_used and (problem.code != "agent_unreachable" or trio.current_time() > patience_ends):
                self.failure = problem
                self.failed.set()
                return
            if trio.current_time() - started_at > config.restart_backoff_max_s:
                pause_s = config.restart_backoff_s
            reason = "its connection ended" if problem is None else problem.message
            log.warning("external gossip agent lost", agent=endpoint.name, reason=reason, again_in_s=round(pause_s, 2))
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, config.restart_backoff_max_s)

    async def _inspect(self, endpoint: AgentEndpoint) -> GossipSetupError | None:
        """Say why the agent cannot be used, if it cannot."""
        problem: GossipSetupError | None = None
        try:
            async with endpoint.connect(deadline_s=self.config.call_deadline_s) as client:
                stats = await client.stats()
                if stats.agent_name != endpoint.name:
                    return _unsuitable(f"is named {stats.agent_name!r}: set its node name to {endpoint.name!r}")
                if not stats.is_encrypted:
                    return _unsuitable("has no gossip key, so anybody can join it: give it a keyring file")
        except* RemoteRpcError as group:
            problem = _refusal(reasons_of(group), self.config)
        except* (RpcError, trio.TooSlowError) as group:
            problem = GossipSetupError(
                "agent_unreachable",
                f"no serf agent answers at {self.config.rpc}: start it, or correct mesh.rpc ({reasons_of(group)})",
            )
        return problem

    async def _say_farewell(self, endpoint: AgentEndpoint) -> None:
        """Let the others know that the node is gone, if the agent is still there; when it is not, they know."""
        with trio.move_on_after(self.config.leave_deadline_s, shield=True):
            try:
                async with endpoint.connect(deadline_s=self.config.call_deadline_s) as client:
                    await client.set_tags(self.farewell())
            except* (RpcError, trio.TooSlowError) as group:
                log.info("external gossip agent not told goodbye", agent=endpoint.name, reason=reasons_of(group))


def _refusal(reason: str, config: MembershipConfig) -> GossipSetupError:
    if "token" in reason:
        return GossipSetupError(
            "agent_token_refused",
            f"the serf agent at {config.rpc} refuses the token of mesh.rpc_token_file: it is not the agent's rpc_auth",
        )
    return _unsuitable(f"refuses what a node needs of it: {reason}")


def _unsuitable(what: str) -> GossipSetupError:
    return GossipSetupError("agent_unsuitable", f"the external serf agent {what}")
