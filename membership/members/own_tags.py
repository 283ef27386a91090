"""What this node says of itself, as its present agent is to say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from membership.members.tags import OPTIONAL_TAGS, AgentKind, NodeTags, encode_tags

if TYPE_CHECKING:
    from membership.config import MembershipConfig
    from membership.session import AgentSession

__all__ = ["OwnTags"]


class OwnTags:
    """The tags of this node, stamped with the boots of process and agent.

    Args:
        config: of this node's gossip.
        tags: what it says of itself.
        boot: number of this process' start.

    Attributes:
        boot: number of the process' start.
        kind: whose child the agent is.
        agent_boot: number of the present agent's start.
    """

    def __init__(self, config: MembershipConfig, tags: NodeTags, boot: int) -> None:
        self._config = config
        self._tags = tags
        self.boot = self.agent_boot = boot
        self.kind = AgentKind.OWN if config.rpc is None else AgentKind.EXTERNAL

    @property
    def stamped(self) -> NodeTags:
        """As the present agent says them."""
        return self._stamped(self.agent_boot, self.kind)

    def replace(self, tags: NodeTags) -> None:
        """Say something else from now on.

        Raises:
            ValueError: another node's id or cluster, a field out of range, or too large together.
        """
        if (tags.cluster, tags.node_id) != (self._config.cluster, self._config.node_id):
            raise ValueError("tags of another node or cluster")
        encode_tags(tags, certify=self._config.certify)
        self._tags = tags

    def encoded(self, agent_boot: int) -> dict[str, str]:
        """As an agent of that start takes them."""
        return self._encode(agent_boot, self.kind)

    def farewell(self) -> dict[str, str]:
        """For an agent that outlives its node."""
        return self._encode(self.agent_boot, AgentKind.VACATED)

    async def announce(self, session: AgentSession) -> dict[str, str]:
        """Have an agent say them; returns what it says.

        Raises:
            RpcError: it does not.
            trio.TooSlowError: nor in time.
        """
        wire = self.encoded(session.endpoint.agent_boot)
        await session.slow.set_tags(wire, delete=[name for name in OPTIONAL_TAGS if name not in wire])
        return wire

    def _stamped(self, agent_boot: int, kind: AgentKind) -> NodeTags:
        return self._tags.stamped(boot=self.boot, agent_boot=agent_boot, agent=kind)

    def _encode(self, agent_boot: int, kind: AgentKind) -> dict[str, str]:
        return encode_tags(self._stamped(agent_boot, kind), certify=self._config.certify)
