"""Keep one serf agent alive: every end is followed by a new start, with a new boot and a growing pause.

The first start is different: whoever starts the node waits for it, and a reason that will not go away by itself is
told instead of retried.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
import trio

from membership.agent.files import next_boot
from membership.agent.life import AgentEnd, AgentEndpoint, run_agent
from membership.errors import GossipSetupError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from membership.config import MembershipConfig

__all__ = ["AgentSupervisor", "draw_boot"]

FIRST_START_PATIENCE_S = 2.0
"""How long a first start is tried again although the gossip port is taken or the agent does not come up.  The agent
of a killed predecessor lives for up to a second; a free RPC port can be snatched before the agent binds it."""

PATIENT_WITH = frozenset({"gossip_port_taken", "serf_failed"})

log = structlog.get_logger(__name__)


async def draw_boot(config: MembershipConfig, *, above: int = 0) -> int:
    """The next boot number of this node.

    Args:
        config: the membership's settings.
        above: it is greater than this, too.

    Raises:
        GossipSetupError: `data_dir_unusable`.
    """
    try:
        return await trio.to_thread.run_sync(lambda: next_boot(config.data_dir, now_s=time.time(), above=above))
    except OSError as error:
        raise GossipSetupError(
            "data_dir_unusable",
            f"the boot counter in {config.data_dir} cannot be written ({error}); check its owner and free space",
        ) from error


@dataclass(slots=True)
class AgentSupervisor:
    """Runs agents one after another.

    Attributes:
        config: the membership's settings.
        boot: the boot drawn for the first agent.
        tags: encodes the tags of the moment for an agent of this boot.
        use: see `run_agent`.
        above: later agents start under greater boots than this: another process had it under this node's id.
        restarts: agents started after the first that was ready.
        failed: set, with `failure`, when the first start failed for good.
        failure: why.
    """

    config: MembershipConfig
    boot: int
    tags: Callable[[int], Mapping[str, str]]
    use: Callable[[AgentEndpoint], Awaitable[None]]
    above: int = 0
    restarts: int = 0
    failed: trio.Event = field(default_factory=trio.Event)
    failure: GossipSetupError | None = None

    async def run(self) -> None:
        """Supervise until cancelled, or until the first start has failed for good."""
        config = self.config
        agent_boot = self.boot
        patience_ends = trio.current_time() + FIRST_START_PATIENCE_S
        pause_s = config.restart_backoff_s
        was_ever_ready = False
        while True:
            started_at = trio.current_time()
            end = await run_agent(config, agent_boot=agent_boot, tags=self.tags(agent_boot), use=self.use)
            was_ever_ready = was_ever_ready or end.was_ready
            if not was_ever_ready and (end.code not in PATIENT_WITH or trio.current_time() > patience_ends):
                self._give_up(end)
                return
            if trio.current_time() - started_at > config.restart_backoff_max_s:
                pause_s = config.restart_backoff_s
            log.warning("gossip agent ended", code=end.code, reason=end.message, restart_in_s=round(pause_s, 2))
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, config.restart_backoff_max_s)
            try:
                agent_boot = await draw_boot(config, above=self.above)
            except GossipSetupError as error:
                # Still ordered: no other process of this node draws numbers while this one lives.
                agent_boot = max(agent_boot, self.above) + 1
                log.error("boot counter not saved", code=error.code, reason=error.message)
            self.restarts += was_ever_ready

    def _give_up(self, end: AgentEnd) -> None:
        self.failure = GossipSetupError(end.code, end.message)
        self.failed.set()
