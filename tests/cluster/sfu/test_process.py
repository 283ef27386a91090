"""The engine as a process, played by the fake: it is found, started, killed and ended."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
import structlog
import trio

from sfu import Engine, EngineConfig, EngineStarted, EngineStartError, open_engine
from sfu.process import find_program, open_child

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.cluster

FAKE = (sys.executable, "-m", "tests.unit.sfu.fake_engine")
CONFIG = EngineConfig(program=FAKE)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def next_start(engine: Engine) -> EngineStarted:
    with trio.fail_after(10):
        event = await engine.events.receive()
    assert isinstance(event, EngineStarted)
    return event


async def test_child_ends_when_its_socket_closes_and_says_its_last_words() -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_child(FAKE) as child:
            assert os.getsid(child.pid) == child.pid
        assert not is_alive(child.pid)
    said = next(entry["line"] for entry in logs if entry["event"] == "child_said")
    assert said == f"fake engine {child.pid} serves"
    assert next(entry["how"] for entry in logs if entry["event"] == "child_ended") == f"exit code 0; {said}"


async def test_child_that_does_not_end_is_killed() -> None:
    stubborn = (sys.executable, "-c", "import time; time.sleep(60)")
    async with open_child(stubborn) as child:
        assert await child.end(0.1) == "ended by SIGKILL"
    assert not is_alive(child.pid)


async def test_killed_engine_is_followed_by_another_within_a_second() -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_engine(CONFIG) as engine:
            first = await next_start(engine)
            await engine.statistics()
            pid = next(entry["pid"] for entry in logs if entry["event"] == "engine_serves")
            died = trio.current_time()
            os.kill(pid, signal.SIGKILL)
            second = await next_start(engine)
            # The fake takes most of this to import Python's libraries; the real one starts in milliseconds.
            assert trio.current_time() - died < 3
            assert second == EngineStarted(epoch=2, addresses=first.addresses)
            await engine.statistics()
    reasons = [entry["reason"] for entry in logs if entry["event"] == "engine_lost"]
    assert reasons == [f"It ended. (ended by SIGKILL; fake engine {pid} serves)"]


async def test_program_that_is_not_there_is_missing() -> None:
    with pytest.raises(EngineStartError) as failure:
        async with open_engine(EngineConfig(program=("/nowhere/starling-sfu",))):
            pytest.fail("it must not serve")
    assert failure.value.code == "engine_missing"


async def test_program_that_ends_at_once_says_why() -> None:
    with pytest.raises(EngineStartError) as failure:
        async with open_engine(EngineConfig(program=(sys.executable, "-c", "raise SystemExit('no such luck')"))):
            pytest.fail("it must not serve")
    assert failure.value.code == "engine_died"
    assert "exit code 1; no such luck" in failure.value.message


def test_program_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "engine"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    monkeypatch.setenv("STARLING_SFU", str(program))
    assert find_program() == program
    monkeypatch.setenv("STARLING_SFU", str(tmp_path / "other"))
    with pytest.raises(EngineStartError) as failure:
        find_program()
    assert failure.value.code == "engine_missing"
    assert "STARLING_SFU" in failure.value.message
