"""What an operator may order of the agent: join others, have the cluster forget who is gone, read its log."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

from membership.agent.joining import try_seeds
from membership.errors import GossipUnavailableError
from membership.members.forgetting import names_to_forget
from membership.rpc.errors import RpcError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager

    from membership.agent.life import AgentEndpoint
    from membership.config import MembershipConfig
    from membership.errors import GossipSetupError
    from membership.rpc.client import LogStream, SerfClient

__all__ = ["AgentOrders"]


class AgentInUse(Protocol):
    """An agent and the connections to it that orders need."""

    @property
    def endpoint(self) -> AgentEndpoint:
        """Where it answers."""
        ...

    @property
    def fast(self) -> SerfClient:
        """For what is answered at once."""
        ...

    @property
    def slow(self) -> SerfClient:
        """For what waits for other nodes."""
        ...


class AgentOrders:
    """Carries them out.

    Args:
        config: settings of this node's gossip.
        using_agent: gives the agent for the length of a block and turns its failures into `GossipUnavailableError`.
        hinted: called when members may have changed.
    """

    def __init__(
        self,
        config: MembershipConfig,
        *,
        using_agent: Callable[[], AbstractContextManager[AgentInUse]],
        hinted: Callable[[], None],
    ) -> None:
        self._config = config
        self._using_agent = using_agent
        self._hinted = hinted

    async def join(self, address: str) -> None:
        """Join the cluster by this `host:port`, once; what is to last belongs into the seeds.

        Raises:
            GossipSetupError: `seeds_unreachable`, or `gossip_key_invalid`.
            GossipUnavailableError: there is no agent, or it went away.
        """
        problem: GossipSetupError | None = None
        is_lost = False
        with self._using_agent() as agent:
            try:
                problem = await try_seeds(self._config, agent.endpoint, (address,))
            except* RpcError:
                is_lost = True
        if is_lost:
            raise GossipUnavailableError("the gossip agent went away; try again in a moment")
        if problem is not None:
            raise problem
        self._hinted()

    async def forget(self, wanted: str) -> tuple[str, ...]:
        """Have the whole cluster forget a node that is gone, by its id, or one boot of it, by its Serf name.

        Returns:
            The Serf names that were forgotten.

        Raises:
            ForgetRefusedError: nobody is called that, or it lives.
            GossipUnavailableError: no agent did it in time.
        """
        with self._using_agent() as agent:
            names = names_to_forget(wanted, await agent.fast.members())
            for name in names:
                await agent.slow.prune(name)
        self._hinted()
        return names

    @contextlib.asynccontextmanager
    async def log(self, level: str) -> AsyncIterator[LogStream]:
        """The agent's log for the length of the block, on a connection of its own; it ends with that agent.

        Args:
            level: `DEBUG`, `INFO`, `WARN` or `ERR`; below the agent's own level (INFO) there is nothing.

        Raises:
            GossipUnavailableError: there is no agent.
            ExceptionGroup: of RPC errors, once it goes away.
        """
        with self._using_agent() as agent:
            endpoint = agent.endpoint
        async with endpoint.connect(deadline_s=self._config.call_deadline_s) as client:
            yield await client.monitor(level)
