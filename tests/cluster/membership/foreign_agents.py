"""Agents that no node of ours runs: they have the gossip key, and say what a test wants."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import trio

from membership import MembershipConfig
from membership.agent.child import TetheredChild, open_tethered
from membership.agent.files import write_agent_files
from membership.agent.life import AgentEndpoint, free_port
from membership.rpc.errors import RpcError


@dataclass(frozen=True)
class ForeignAgent:
    """A running one."""

    endpoint: AgentEndpoint
    child: TetheredChild

    async def join(self, config: MembershipConfig) -> None:
        """Join the cluster by this node."""
        async with self.endpoint.connect(deadline_s=5) as client:
            await client.join([f"{config.bind_address}:{config.bind_port}"], deadline_s=5)


@contextlib.asynccontextmanager
async def foreign_agent(
    config: MembershipConfig, *, name: str, tags: Mapping[str, str], **settings: object
) -> AsyncIterator[ForeignAgent]:
    """Run an agent of this Serf name beside the nodes; it has joined nobody yet, and is killed at the end."""
    files = write_agent_files(config, agent_boot=0, rpc_port=free_port(), tags=tags)
    written = json.loads(files.config.read_text()) | {"node_name": name, **settings}
    files.config.write_text(json.dumps(written))
    async with open_tethered(
        ["serf", "agent", "-config-file", str(files.config)], name="foreign", close_grace_s=0.0, workdir=files.folder
    ) as child:
        endpoint = AgentEndpoint(agent_boot=0, name=name, rpc_port=files.rpc_port, rpc_token=files.rpc_token)
        await _wait_ready(endpoint)
        yield ForeignAgent(endpoint, child)


async def _wait_ready(endpoint: AgentEndpoint) -> None:
    with trio.fail_after(10):
        while True:
            try:
                async with endpoint.connect(deadline_s=2):
                    return
            except* RpcError:
                pass  # not yet
            await trio.sleep(0.02)
