"""Real agents on free ports of loopback."""

import base64
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import trio

from membership.agent.life import AgentEndpoint, free_port, run_agent
from membership.config import MembershipConfig
from signalling.ids import NodeId

Configure = Callable[..., MembershipConfig]


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def processes_with(text: str) -> list[int]:
    """Living processes whose command line holds `text`."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and text.encode() in (entry / "cmdline").read_bytes():
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z":
                    found.append(int(entry.name))
    return found


async def wait_until(condition: Callable[[], bool], *, deadline_s: float) -> float:
    """Wait until it holds; returns how long that took."""
    start = trio.current_time()
    with trio.fail_after(deadline_s):
        # What is watched are other processes, which set no event of ours.
        while not condition():
            await trio.sleep(0.01)
    return trio.current_time() - start


@pytest.fixture(autouse=True)
def serf() -> str:
    """The serf program; without it this ring cannot be run, and set-up is what installs it."""
    path = shutil.which("serf")
    assert path is not None, "serf is not installed; run `make setup`"
    return path


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Configurations of nodes under the test's own folder."""

    def make(name: str, **settings: object) -> MembershipConfig:
        arguments: dict[str, object] = {
            "cluster": "test",
            "node_id": NodeId(name),
            "region": "here",
            "data_dir": tmp_path / name,
            "runtime_dir": tmp_path / "run",
            "bind_port": free_port(),
            "refresh_interval_s": 1.0,
            "leave_deadline_s": 0.1,  # a graceful leave takes 2 s; the test of it asks for more
            **settings,
        }
        return MembershipConfig(**arguments)  # type: ignore[arg-type]

    return make


@pytest.fixture
async def agent(configure: Configure) -> AsyncIterator[AgentEndpoint]:
    """One lone agent without a key; killed, not asked to leave."""
    async with trio.open_nursery() as nursery:
        ready, endpoint = trio.open_memory_channel[AgentEndpoint](1)

        async def use(endpoint: AgentEndpoint) -> None:
            await ready.send(endpoint)
            await trio.sleep_forever()

        config = configure("lone", leave_deadline_s=0.1)
        nursery.start_soon(lambda: run_agent(config, agent_boot=1, tags={"c": "test"}, use=use))
        with trio.fail_after(10):
            found = await endpoint.receive()
        yield found
        nursery.cancel_scope.cancel()
