"""What an operator may order of the agent: join others, have the cluster forget who is gone, read its log."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, Protocol

import trio

from membership.agent.joining import try_seeds
from membership.errors import GossipUnavailableError
from membership.members.forgetting import Forgotten, names_to_forget
from membership.rpc.errors import RemoteRpcError, RpcError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager

    from membership.agent.life import AgentEndpoint
    from membership.config import MembershipConfig
    from membership.errors import GossipSetupError
    from membership.rpc.client import LogStream, SerfClient

__all__ = ["AgentOrders"]

FORGET_S: Final = 30.0
"""For all boots of a node: an agent that reaches nobody waits 5 s for each (its `broadcast_timeout`)."""


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

    async def forget(self, wanted: str) -> Forgotten:
        """Have the whole cluster forget a node that is gone, by its id, or one boot of it, by its Serf name.

        A name that takes the agent too long does not keep the next from its turn. What came of it is read from the
        agent's members afterwards, since a late call may have been carried out. Takes 40 s at most.

        Raises:
            ForgetRefusedError: nobody is called that, or it lives.
            GossipUnavailableError: there is no agent, or it went away.
        """
        with self._using_agent() as agent:
            names = names_to_forget(wanted, await agent.fast.members())
            with trio.move_on_after(FORGET_S):
                for name in names:
                    with contextlib.suppress(RemoteRpcError, trio.TooSlowError):
                        await agent.slow.prune(name)
            listed = {one.name for one in await agent.fast.members()}
        self._hinted()
        return Forgotten(
            names=tuple(name for name in names if name not in listed),
            remaining=tuple(name for name in names if name in listed),
        )

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
