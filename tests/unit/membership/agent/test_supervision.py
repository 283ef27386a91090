"""Restarts of the agent: every end is followed by one, after a pause that grows to its limit and starts over."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from membership import GossipSetupError, MembershipConfig
from membership.agent.files import next_boot
from membership.agent.life import AgentEnd, AgentEndpoint
from membership.agent.supervision import FIRST_START_PATIENCE_S, AgentSupervisor
from signalling.ids import NodeId

READY = AgentEnd(code="agent_exited", message="the gossip agent exited (0)", was_ready=True)
BROKEN = AgentEnd(code="serf_failed", message="the serf agent did not start", was_ready=False)


class Lives:
    """Agents that end as a script says: after how many seconds, and how; the last line holds for ever."""

    def __init__(self, *script: tuple[float, AgentEnd]) -> None:
        self._script = list(script)
        self.started_at: list[float] = []
        self.boots: list[int] = []

    async def run(
        self,
        config: MembershipConfig,
        *,
        agent_boot: int,
        tags: Mapping[str, str],
        use: Callable[[AgentEndpoint], Awaitable[None]],
    ) -> AgentEnd:
        self.started_at.append(trio.current_time())
        self.boots.append(agent_boot)
        lasts_s, end = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        await trio.sleep(lasts_s)
        return end

    def pauses_s(self, lasted_s: float) -> list[float]:
        """Between an end and the next start, of lives that lasted so long."""
        starts = self.started_at
        return [round(after - before - lasted_s, 3) for before, after in pairwise(starts)]


@pytest.fixture
def supervise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Lives], AgentSupervisor]:
    """Supervisors of such agents."""

    async def draw(config: MembershipConfig, *, above: int = 0) -> int:
        """As the real one, without its thread: the clock would jump meanwhile."""
        await trio.lowlevel.checkpoint()
        try:
            return next_boot(config.data_dir, now_s=0.0, above=above) + 1
        except OSError as error:
            raise GossipSetupError("data_dir_unusable", str(error)) from error

    def make(lives: Lives) -> AgentSupervisor:
        monkeypatch.setattr("membership.agent.supervision.run_agent", lives.run)
        monkeypatch.setattr("membership.agent.supervision.draw_boot", draw)
        config = MembershipConfig(cluster="test", node_id=NodeId("ada"), region="here", data_dir=tmp_path)

        async def use(_endpoint: AgentEndpoint) -> None:
            raise AssertionError("these agents are none")

        return AgentSupervisor(config=config, boot=1, tags=lambda _boot: {}, use=use)

    return make


async def test_pauses_grow_to_half_a_minute_and_every_start_has_a_new_boot(
    supervise: Callable[[Lives], AgentSupervisor], autojump_clock: MockClock
) -> None:
    lives = Lives((1.0, READY))
    supervisor = supervise(lives)
    with trio.move_on_after(200):
        await supervisor.run()
    assert lives.pauses_s(1.0)[:10] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert lives.boots == sorted(set(lives.boots))
    assert supervisor.restarts == len(lives.boots) - 1


async def test_the_next_start_has_a_boot_above_another_process_of_this_id(
    supervise: Callable[[Lives], AgentSupervisor], autojump_clock: MockClock
) -> None:
    lives = Lives((1.0, READY))
    supervisor = supervise(lives)
    supervisor.above = 500
    with trio.move_on_after(3):
        await supervisor.run()
    assert lives.boots[1] > 500


async def test_a_life_that_was_long_starts_the_pauses_over(
    supervise: Callable[[Lives], AgentSupervisor], autojump_clock: MockClock
) -> None:
    short, long = (0.0, READY), (31.0, READY)
    lives = Lives(short, short, short, short, long, short)
    supervisor = supervise(lives)
    with trio.move_on_after(38):
        await supervisor.run()
    assert lives.pauses_s(0.0)[:7] == [0.25, 0.5, 1.0, 2.0, 31.25, 0.5, 1.0]


async def test_an_agent_that_was_ready_once_is_tried_for_ever(
    supervise: Callable[[Lives], AgentSupervisor], autojump_clock: MockClock
) -> None:
    lives = Lives((1.0, READY), (1.0, BROKEN))
    supervisor = supervise(lives)
    with trio.move_on_after(3600):
        await supervisor.run()
    assert supervisor.failure is None
    assert len(lives.boots) > 100


async def test_a_first_start_that_fails_is_told_after_some_patience(
    supervise: Callable[[Lives], AgentSupervisor], autojump_clock: MockClock
) -> None:
    supervisor = supervise(lives := Lives((0.1, BROKEN)))
    with trio.fail_after(FIRST_START_PATIENCE_S + 3):
        await supervisor.run()
    assert supervisor.failure is not None
    assert supervisor.failure.code == "serf_failed"
    assert len(lives.boots) > 2
    assert supervisor.restarts == 0


@pytest.mark.parametrize("code", ["serf_missing", "data_dir_unusable", "gossip_address_invalid"])
async def test_a_first_start_that_cannot_work_is_told_at_once(
    code: str, supervise: Callable[[Lives], AgentSupervisor], autojump_clock: MockClock
) -> None:
    lives = Lives((0.1, AgentEnd(code=code, message="why", was_ready=False)))
    supervisor = supervise(lives)
    await supervisor.run()
    assert (supervisor.failed.is_set(), lives.boots) == (True, [1])


async def test_a_counter_that_cannot_be_written_keeps_no_agent_from_starting(
    supervise: Callable[[Lives], AgentSupervisor], tmp_path: Path, autojump_clock: MockClock
) -> None:
    (tmp_path / "gossip").touch()  # a file where the folder should be
    lives = Lives((1.0, READY))
    with trio.move_on_after(5):
        await supervise(lives).run()
    assert lives.boots == [1, 2, 3, 4]
