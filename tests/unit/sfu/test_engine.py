"""Supervision, epochs and deadlines, with engines that misbehave on purpose."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from sfu import (
    Engine,
    EngineConfig,
    EngineLostError,
    EngineRefused,
    EngineStarted,
    EngineStartError,
    EngineTimeoutError,
    TrackStarted,
    open_engine,
)
from sfu import protocol as p
from sfu.channel import MAX_OUTSTANDING
from sfu.supervision import EVENTS_AHEAD, LOOK_EVERY_S, MAX_RESTART_DELAY_S
from signalling.ids import ParticipantId, PeerId, RoomId, TrackId
from tests.unit.sfu.engine_contract import EngineContract, next_event
from tests.unit.sfu.fake_engine import FakeEngine, FakeHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONFIG = EngineConfig(command_deadline_s=5.0)
PEER = PeerId("sb_1")


@pytest.fixture
async def engine(autojump_clock: trio.testing.MockClock) -> AsyncIterator[Engine]:
    async with open_engine(CONFIG, spawn=FakeHost().spawn) as engine:
        yield engine


class TestFakeKeepsTheContract(EngineContract):
    pass


@asynccontextmanager
async def running(*engines: FakeEngine) -> AsyncIterator[tuple[FakeHost, Engine]]:
    host = FakeHost(*engines)
    async with open_engine(CONFIG, spawn=host.spawn) as engine:
        assert isinstance(await next_event(engine), EngineStarted)
        yield host, engine


@pytest.mark.parametrize(
    ("fake", "code"),
    [
        (FakeEngine(refuse="media_port_taken"), "media_port_taken"),
        (FakeEngine(protocol=p.ENGINE_PROTOCOL + 1), "engine_incompatible"),
    ],
)
async def test_first_start_fails_with_the_reason(
    fake: FakeEngine, code: str, autojump_clock: trio.testing.MockClock
) -> None:
    host = FakeHost(fake)
    with pytest.raises(EngineStartError) as failure:
        async with open_engine(CONFIG, spawn=host.spawn):
            pytest.fail("it must not serve")
    assert failure.value.code == code
    assert len(host.started) == 1


async def test_silent_first_start_ends_at_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEngine()
    fake.mute.add(p.Hello)
    with pytest.raises(EngineStartError) as failure:
        async with open_engine(CONFIG, spawn=FakeHost(fake).spawn):
            pytest.fail("it must not serve")
    assert failure.value.code == "engine_silent"
    assert trio.current_time() == pytest.approx(CONFIG.command_deadline_s)


async def test_restart_within_a_second_on_the_same_port(autojump_clock: trio.testing.MockClock) -> None:
    async with running(FakeEngine(port=41_234)) as (host, engine):
        await trio.sleep(60)
        died = trio.current_time()
        await host.started[0].die()
        started = await next_event(engine)
        assert trio.current_time() - died < 1.0
        assert started == EngineStarted(epoch=2, addresses=("127.0.0.1:41234",))
        await engine.close_peer(PEER)
        assert host.started[1].commands[-1] == p.ClosePeer(id=2, peer=PEER)


async def test_commands_under_way_are_lost_with_their_engine(autojump_clock: trio.testing.MockClock) -> None:
    first = FakeEngine()
    first.mute.add(p.ClosePeer)
    async with running(first) as (host, engine), trio.open_nursery() as nursery:

        async def lose() -> None:
            with pytest.raises(EngineLostError) as loss:
                await engine.close_peer(PEER)
            assert not isinstance(loss.value, EngineTimeoutError)

        nursery.start_soon(lose)
        await trio.testing.wait_all_tasks_blocked()
        await first.die()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(EngineLostError):  # between two engines
            await engine.close_peer(PEER)
        await next_event(engine)
        await engine.close_peer(PEER)
        assert engine.supervision().epoch == len(host.started) == 2


async def test_engine_that_keeps_dying_is_started_less_often(autojump_clock: trio.testing.MockClock) -> None:
    failing = [FakeEngine(refuse="media_port_taken") for _ in range(9)]
    async with running(FakeEngine(), *failing) as (host, engine):
        await host.started[0].die()
        with trio.move_on_after(30):
            await engine.events.receive()
        waits = [later - earlier for earlier, later in zip(host.starts, host.starts[1:], strict=False)]
        assert waits == sorted(waits)
        assert waits[-1] == pytest.approx(MAX_RESTART_DELAY_S, abs=0.5)
        assert engine.supervision().failed_starts >= 5


@pytest.mark.parametrize(
    "garbage",
    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xff", b"\x00\x00\x00\x03abc", b"\x00\x00\x00\x02\x81\xa0"],
    ids=["too long", "not CBOR", "not an array", "no type"],
)
async def test_engine_that_sends_garbage_is_replaced(garbage: bytes, autojump_clock: trio.testing.MockClock) -> None:
    async with running() as (host, engine):
        await host.started[0].send_raw(garbage)
        started = await next_event(engine)
        assert isinstance(started, EngineStarted)
        assert started.epoch == 2


async def test_reply_of_another_kind_is_garbage(autojump_clock: trio.testing.MockClock) -> None:
    first = FakeEngine()
    first.mute.add(p.ClosePeer)
    async with running(first) as (_, engine), trio.open_nursery() as nursery:

        async def lose() -> None:
            with pytest.raises(EngineLostError):
                await engine.close_peer(PEER)

        nursery.start_soon(lose)
        await trio.testing.wait_all_tasks_blocked()
        await first.say(p.Described(id=first.commands[-1].id, sdp=""))
        started = await next_event(engine)
        assert isinstance(started, EngineStarted)


async def test_slow_reply_times_out_and_comes_too_late(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEngine()
    fake.mute.add(p.ClosePeer)
    async with running(fake) as (_, engine):
        with pytest.raises(EngineTimeoutError):
            await engine.close_peer(PEER)
        late = next(c for c in fake.commands if isinstance(c, p.ClosePeer))
        await fake.say(p.Done(id=late.id))
        await engine.statistics()  # it is well otherwise, so it stays
        assert engine.supervision().late_replies == 1
        assert engine.supervision().timeouts == 1
        assert engine.epoch == 1


async def test_engine_that_answers_nothing_is_replaced(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEngine()
    fake.mute |= {p.ClosePeer, p.GetStatistics}
    async with running(fake) as (_, engine):
        with pytest.raises(EngineTimeoutError):
            await engine.close_peer(PEER)
        started = await next_event(engine)
        assert isinstance(started, EngineStarted)
        assert started.epoch == 2


async def test_engine_that_hangs_while_nobody_asks_it_anything_is_replaced(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fake = FakeEngine()
    async with running(fake) as (_, engine):
        await trio.sleep(60)
        assert engine.epoch == 1
        fake.mute.add(p.GetStatistics)
        hangs = trio.current_time()
        with trio.fail_after(60):
            await engine.events.receive()
        assert engine.epoch == 2
        assert trio.current_time() - hangs <= LOOK_EVERY_S + 2 * CONFIG.command_deadline_s + 1


async def test_engine_that_answers_one_of_two_questions_stays(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEngine()
    async with running(fake) as (_, engine):
        for _ in range(5):
            fake.mute.add(p.GetStatistics)
            await trio.sleep(LOOK_EVERY_S + CONFIG.command_deadline_s / 2)
            fake.mute.clear()
            await trio.sleep(CONFIG.command_deadline_s)
        assert engine.epoch == 1


async def test_events_of_an_engine_come_in_order_and_after_its_start(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as (host, engine):
        tracks = [TrackStarted(track=TrackId(f"tr_{n}"), codec="opus") for n in range(4)]
        await host.started[0].say(*tracks[:2])
        await trio.testing.wait_all_tasks_blocked()
        await host.started[0].die()
        await trio.sleep(1)
        await host.started[1].say(*tracks[2:])
        seen = [await next_event(engine) for _ in range(5)]
        assert seen == [*tracks[:2], EngineStarted(epoch=2, addresses=engine.addresses), *tracks[2:]]


async def test_events_that_nobody_takes_hold_the_engine_back_but_do_not_end_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as (host, engine):
        event = TrackStarted(track=TrackId("tr_1"), codec="opus")
        await host.started[0].say(*[event] * (EVENTS_AHEAD + 1))
        await trio.testing.wait_all_tasks_blocked()
        assert engine.supervision().events_waiting == EVENTS_AHEAD
        with pytest.raises(EngineTimeoutError):
            await engine.close_peer(PEER)
        await trio.sleep(10 * CONFIG.command_deadline_s)
        for _ in range(EVENTS_AHEAD + 1):
            assert await next_event(engine) == event
        await engine.close_peer(PEER)
        assert engine.epoch == 1


async def test_outstanding_commands_are_bounded(autojump_clock: trio.testing.MockClock) -> None:
    fake = FakeEngine()
    fake.mute.add(p.ClosePeer)
    async with running(fake) as (_, engine), trio.open_nursery() as nursery:

        async def time_out() -> None:
            with pytest.raises(EngineTimeoutError):
                await engine.close_peer(PEER)

        for _ in range(MAX_OUTSTANDING + 10):
            nursery.start_soon(time_out)
        await trio.testing.wait_all_tasks_blocked()
        assert engine.supervision().outstanding == MAX_OUTSTANDING
        assert sum(isinstance(c, p.ClosePeer) for c in fake.commands) == MAX_OUTSTANDING


async def test_command_too_large_is_refused_unsent(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as (host, engine):
        with pytest.raises(EngineRefused) as refusal:
            await engine.publish(PEER, "v=0" * p.MAX_FRAME_BYTES, {}, room=RoomId("r"), sender=ParticipantId("p"))
        assert refusal.value.code == "command_too_large"
        assert len(host.started[0].commands) == 1
        assert engine.supervision().refusals == 1


async def test_events_end_with_the_service(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as (_, engine):
        pass
    with pytest.raises(trio.EndOfChannel):
        await engine.events.receive()
    with pytest.raises(EngineLostError):
        await engine.close_peer(PEER)
