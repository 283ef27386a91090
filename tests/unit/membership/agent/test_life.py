"""A life that cannot begin is an end with a code: nothing that this machine lacks for a moment ends the node."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from membership import MembershipConfig
from membership.agent.life import run_agent
from signalling.ids import NodeId

if TYPE_CHECKING:
    from pathlib import Path

    from membership.agent.life import AgentEndpoint


async def never(_endpoint: AgentEndpoint) -> None:
    raise AssertionError("there is no agent to use")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM])
async def test_without_files_or_processes_it_ends_and_does_not_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def lacking(*_: object) -> tuple[int, int]:
        raise OSError(number, "none left")

    monkeypatch.setattr("membership.agent.child.os.pipe2", lacking)
    config = MembershipConfig(cluster="test", node_id=NodeId("ada"), region="here", data_dir=tmp_path)
    end = await run_agent(config, agent_boot=1, tags={}, use=never)
    assert (end.code, end.was_ready) == ("serf_unstartable", False)
    assert "limits" in end.message
