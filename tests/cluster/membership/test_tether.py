"""The tether: whoever dies, and however, the child does not outlive its parent by a second."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from membership.agent.child import TAIL_BYTES, TetheredChild, open_tethered
from tests.cluster.membership.conftest import processes_with, wait_until

pytestmark = pytest.mark.cluster

STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
POLITE = "import time; print('up', flush=True); time.sleep(60)"


def python(code: str, mark: Path) -> list[str]:
    """A Python program with a mark on its command line to find it by."""
    return [sys.executable, "-c", code, f"mark={mark}"]


async def wait_up(child: TetheredChild) -> None:
    await wait_until(lambda: "up" in child.output_tail(), deadline_s=20)


@pytest.mark.parametrize(
    ("code", "expected"), [("pass", 0), ("exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)]
)
async def test_the_exit_code_is_the_programs(code: str, expected: int, tmp_path: Path) -> None:
    async with open_tethered(python(code, tmp_path), name="test") as child:
        with trio.fail_after(20):
            assert await child.wait() == expected
        assert await child.terminate(1) == expected


async def test_a_missing_program_is_told_at_once(tmp_path: Path) -> None:
    workdir = tmp_path / "a" / "run"
    workdir.mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        async with open_tethered(["no-such-program"], name="test", workdir=workdir):
            pytest.fail("it was started")
    assert not workdir.exists()
    assert workdir.parent.exists()


async def test_output_is_handed_on_and_its_end_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import sys; print('x' * 20000); sys.stderr.buffer.write(b'bad \\xff\\n'); print('end')"
    async with open_tethered(python(code, tmp_path), name="test", on_line=lines.append) as child:
        await child.wait()
        assert len(child.output_tail()) <= TAIL_BYTES + 3
    assert "bad \\xff" in lines
    assert "end" in lines


async def test_it_runs_in_a_session_of_its_own_and_signals_reach_it(tmp_path: Path) -> None:
    code = "import signal; signal.signal(signal.SIGHUP, lambda *_: exit(5)); print('up', flush=True); signal.pause()"
    async with open_tethered(python(code, tmp_path), name="test") as child:
        await wait_up(child)
        assert {os.getsid(pid) for pid in processes_with(f"mark={tmp_path}")} == {child.pid}
        child.send_signal(signal.SIGHUP)
        with trio.fail_after(20):
            assert await child.wait() == 5


@pytest.mark.parametrize("is_stopped", [False, True])
async def test_a_program_that_does_not_listen_is_killed_after_its_grace(is_stopped: bool, tmp_path: Path) -> None:
    async with open_tethered(python(STUBBORN, tmp_path), name="test") as child:
        await wait_up(child)
        if is_stopped:
            for pid in processes_with(f"mark={tmp_path}"):
                if pid != child.pid:
                    os.kill(pid, signal.SIGSTOP)
        start = trio.current_time()
        await child.terminate(0.3)
        assert trio.current_time() - start < 1.5
    await wait_until(lambda: not processes_with(f"mark={tmp_path}"), deadline_s=1)


async def test_the_end_of_the_block_ends_the_program_also_when_cancelled(tmp_path: Path) -> None:
    with trio.move_on_after(0.3):
        async with open_tethered(python(STUBBORN, tmp_path), name="test", close_grace_s=0.1) as child:
            await child.wait()
    # The program was killed together with its tether; the kernel may still be at it.
    await wait_until(lambda: not processes_with(f"mark={tmp_path}"), deadline_s=1)


async def test_when_the_tether_is_killed_the_program_dies_too(tmp_path: Path) -> None:
    workdir = tmp_path / "a" / "run"
    workdir.mkdir(parents=True)
    async with open_tethered(python(STUBBORN, tmp_path), name="test", workdir=workdir) as child:
        await wait_up(child)
        os.kill(child.pid, signal.SIGKILL)
        assert await child.wait() == -signal.SIGKILL
        await wait_until(lambda: not processes_with(f"mark={tmp_path}"), deadline_s=1)
    assert not workdir.exists()
    assert workdir.parent.exists()


PARENT = """
import sys, trio
from pathlib import Path
from membership.agent.child import open_tethered
async def main():
    async with trio.open_nursery() as nursery:
        async def child(name, code):
            workdir = Path(sys.argv[1]) / "shared" / name
            workdir.mkdir(parents=True)
            (workdir / "file").touch()
            command = [sys.executable, "-c", code, "mark=" + sys.argv[1]]
            async with open_tethered(command, name=name, workdir=workdir) as c:
                while "up" not in c.output_tail():
                    await trio.sleep(0.01)
                print("up", flush=True)
                await c.wait()
        nursery.start_soon(child, "a", sys.argv[2])
        nursery.start_soon(child, "b", sys.argv[3])
trio.run(main)
"""


@pytest.fixture
def parent(tmp_path: Path, root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with two tethered children that have a folder each."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), STUBBORN, POLITE], cwd=root, stdout=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
async def test_when_the_parent_dies_the_programs_are_gone_within_a_second(
    number: signal.Signals, parent: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    assert parent.stdout is not None
    for _ in range(2):
        assert await trio.to_thread.run_sync(parent.stdout.readline) == b"up\n"
    assert len(processes_with(f"mark={tmp_path}")) == 4  # two programs, two tethers
    parent.send_signal(number)
    children_gone = await wait_until(
        lambda: not [pid for pid in processes_with(f"mark={tmp_path}") if pid != parent.pid], deadline_s=3
    )
    assert children_gone < 1.0
    await wait_until(lambda: not list((tmp_path / "shared").iterdir()), deadline_s=1)
