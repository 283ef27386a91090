"""The membership service."""
from __future__ import annotations
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
import trio
from membership.config import MembershipConfig
from membership.tags import NodeTags
from membership.snapshot import Change, ClusterView
from signalling.ids import NodeId

@dataclass(frozen=True, kw_only=True, slots=True)
class MembershipStatistics:
    """Counters since start and gauges of now, see the fields."""

class Membership:
    """A running membership; made by `open_membership`."""

    @property
    def boot(self) -> int:
        """This node process' incarnation: put it into signed messages; constant while the service lives."""
        raise NotImplementedError
    @property
    def view(self) -> ClusterView:
        """The current snapshot (self included)."""
        raise NotImplementedError
    @property
    def user_events(self) -> trio.MemoryReceiveChannel[bytes]:
        """Payloads of our user events, own ones included; bounded, the overflow is dropped and counted."""
        raise NotImplementedError
    def changes(self) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """`async with membership.changes() as changes: async for change in changes:`; the first item, and
        the next one after an overflow, is a `ViewReset` with the whole view."""
        raise NotImplementedError
    async def send_event(self, payload: bytes) -> None:
        """Gossip a payload (<= 900 B) to every node.  Raises ValueError, GossipUnavailableError."""
        raise NotImplementedError
    async def set_tags(self, tags: NodeTags) -> None:
        """Replace the own tags (boots are stamped).  Raises ValueError, GossipUnavailableError."""
        raise NotImplementedError
    async def rtt_estimates_ms(self) -> Mapping[NodeId, float]:
        """Vivaldi estimate from here to each alive node that has one."""
        raise NotImplementedError
    def statistics(self) -> MembershipStatistics:
        raise NotImplementedError

@asynccontextmanager
async def open_membership(config: MembershipConfig, tags: NodeTags) -> AsyncIterator[Membership]:
    """Run gossip for this node: `tags` come from `config.tags(...)`.  Raises GossipSetupError on entry."""
    raise NotImplementedError
    yield Membership()
