"""The real engine keeps the contract that the fake one keeps, and comes back when it is killed."""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import pytest
import structlog
import trio

from sfu import Engine, EngineConfig, EngineStarted, EngineStartError, open_engine
from tests.unit.sfu.engine_contract import EngineContract, next_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.cluster


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with open_engine(EngineConfig()) as engine:
        yield engine


class TestRealEngineKeepsTheContract(EngineContract):
    pass


async def test_killed_engine_is_back_within_a_second_on_its_port() -> None:
    with structlog.testing.capture_logs() as logs:
        async with open_engine(EngineConfig()) as engine:
            first = await next_event(engine)
            assert isinstance(first, EngineStarted)
            pid = next(entry["pid"] for entry in logs if entry["event"] == "engine_serves")
            died = trio.current_time()
            os.kill(pid, signal.SIGKILL)
            assert await next_event(engine) == EngineStarted(epoch=2, addresses=first.addresses)
            assert trio.current_time() - died < 1.0
            assert (await engine.statistics()).peers == ()


async def test_taken_port_is_said_at_the_first_start() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(EngineStartError) as failure:
            async with open_engine(EngineConfig(media_port=taken.getsockname()[1])):
                pytest.fail("it must not serve")
    assert failure.value.code == "media_port_taken"
