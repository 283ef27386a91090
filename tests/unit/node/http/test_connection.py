"""One connection on a memory wire, with a clock that jumps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import trio

from node.http.connection import CLOSE_DEADLINE_S, MAX_INBOX, ClientConnection, ConnectionCounters
from signalling.client.messages import NodeEvent, ParticipantLeft
from signalling.errors import ErrorCode
from signalling.ids import ParticipantId
from tests.unit.node.http.fakes import FIRST, GOOD_TOKEN, FakeBackend

if TYPE_CHECKING:
    from trio.testing import MockClock

    from node.http.backend import OpenedSession, SessionSocket
    from signalling.client.messages import Hello

HELLO = json.dumps({"topic": "hello", "id": 1, "token": GOOD_TOKEN})
JOIN = json.dumps({"topic": "join", "id": 2, "room": "den", "attempt": 1})
SOMEBODY_LEFT = ParticipantLeft(participant=ParticipantId("pa_9"), reason="left")


class MemoryWire:
    """The client's end is ``say`` and ``hear``; the close frame is kept."""

    def __init__(self) -> None:
        self.say, self._said = trio.open_memory_channel[str | bytes](1000)
        self._sent, self.hear = trio.open_memory_channel[str](1000)
        self.closed: tuple[int, str] | None = None
        self.is_stuck = False

    async def receive(self) -> str | bytes:
        return await self._said.receive()

    async def send(self, text: str) -> None:
        if self.is_stuck:
            await trio.sleep_forever()
        await self._sent.send(text)

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    async def heard(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.hear.receive())
        return message


class Run:
    """A connection that runs in a nursery; ``gone`` is what the server does when the client is."""

    def __init__(self, backend: FakeBackend, nursery: trio.Nursery, *, request_deadline_s: float = 5.0) -> None:
        self.wire = MemoryWire()
        self.counters = ConnectionCounters()
        self.stopping = trio.Event()
        self.ended_at: float | None = None
        self._scope = trio.CancelScope()
        connection = ClientConnection(
            backend=backend, wire=self.wire, request_deadline_s=request_deadline_s, counters=self.counters
        )

        async def run() -> None:
            with self._scope:
                await connection.run(self.stopping)
            self.ended_at = trio.current_time()

        nursery.start_soon(run)

    def gone(self) -> None:
        self._scope.cancel()

    async def greet(self) -> None:
        await self.wire.say.send(HELLO)
        assert (await self.wire.heard())["topic"] == "welcome"


async def test_a_request_that_takes_too_long_is_answered_and_the_next_one_served(
    backend: FakeBackend, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery, request_deadline_s=2.0)
        await run.greet()
        backend.delay_s = 60
        started = trio.current_time()
        await run.wire.say.send(JOIN)
        assert (await run.wire.heard())["code"] == "deadline_exceeded"
        assert trio.current_time() - started == pytest.approx(2.0)
        backend.delay_s = 0
        await run.wire.say.send(JOIN.replace("2", "3"))
        assert (await run.wire.heard())["topic"] == "joined"
        run.gone()
    assert backend.closed == [("session-0", "gone")]


async def test_events_come_after_the_reply_that_they_follow(backend: FakeBackend, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
        await run.greet()
        await run.wire.say.send(JOIN)
        assert [(await run.wire.heard())["topic"] for _ in range(2)] == ["joined", "participant_left"]
        run.gone()


async def test_what_the_backend_says_before_the_welcome_waits_for_it(autojump_clock: MockClock) -> None:
    class Eager(FakeBackend):
        async def open_session(self, hello: Hello, socket: SessionSocket) -> OpenedSession:
            socket.send(SOMEBODY_LEFT)
            await trio.sleep(1)
            return await super().open_session(hello, socket)

    async with trio.open_nursery() as nursery:
        run = Run(Eager(), nursery)
        await run.wire.say.send(HELLO)
        assert [(await run.wire.heard())["topic"] for _ in range(2)] == ["welcome", "participant_left"]
        run.gone()


async def test_a_silent_client_is_pinged_and_dropped(backend: FakeBackend, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
        await run.greet()
        assert (await run.wire.heard())["topic"] == "ping"
        assert (await run.wire.heard())["code"] == "ping_timeout"
    assert backend.closed == [("session-0", "ping_timeout")]
    assert run.wire.closed == (4410, "ping_timeout")
    assert run.counters.ended == {"ping_timeout": 1}
    assert run.counters.open == 0


async def test_a_client_is_asked_whether_it_is_there(backend: FakeBackend, autojump_clock: MockClock) -> None:
    found: list[bool] = []
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
        await run.greet()

        async def ask() -> None:
            found.append(await backend.sockets[FIRST].is_there(2.0))

        nursery.start_soon(ask)
        ping = await run.wire.heard()
        await run.wire.say.send(json.dumps({"topic": "pong", "n": ping["n"]}))
        await trio.sleep(0.1)
        assert found == [True]
        started = trio.current_time()
        await ask()
        assert trio.current_time() - started == pytest.approx(2.0)
    assert found == [True, False]
    assert backend.closed == [("session-0", "ping_timeout")]


async def test_a_client_that_never_says_hello_is_dropped(backend: FakeBackend, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
    assert run.wire.closed == (4408, "hello_timeout")
    assert not backend.closed


async def test_a_burst_beyond_the_outbox_drops_the_client(backend: FakeBackend, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
        await run.greet()
        run.wire.is_stuck = True
        for _ in range(2000):
            backend.sockets[FIRST].send(SOMEBODY_LEFT)
    assert backend.closed == [("session-0", "slow_consumer")]
    assert run.wire.closed == (4430, "slow_consumer")


async def test_no_event_is_lost_in_silence(backend: FakeBackend, autojump_clock: MockClock) -> None:
    # The client reads at once, but the node says more in one breath than the inbox takes.
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
        await run.greet()
        # One more is in the owner's hands already.
        for _ in range(MAX_INBOX + 2):
            backend.sockets[FIRST].send(SOMEBODY_LEFT)
    assert backend.closed == [("session-0", "slow_consumer")]


async def test_a_client_that_stops_reading_is_dropped_when_its_outbox_is_full(
    backend: FakeBackend, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
        await run.greet()
        run.wire.is_stuck = True
        while not backend.closed:
            backend.sockets[FIRST].send(SOMEBODY_LEFT)
            await trio.testing.wait_all_tasks_blocked()
    assert backend.closed == [("session-0", "slow_consumer")]
    # What waits for a client that does not read is not waited for.
    assert run.ended_at is not None
    assert run.ended_at <= CLOSE_DEADLINE_S


async def test_the_last_words_have_a_deadline(backend: FakeBackend, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
        await run.greet()
        run.wire.is_stuck = True
        started = trio.current_time()
        backend.sockets[FIRST].end(ErrorCode.NODE_DRAINING, "Elsewhere, please.")
    assert run.ended_at is not None
    assert run.ended_at - started <= 2 * CLOSE_DEADLINE_S
    assert backend.closed == [("session-0", "ended_by_node")]


async def test_a_stopping_server_sends_its_clients_elsewhere(backend: FakeBackend, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
        await run.greet()
        run.stopping.set()
        assert (await run.wire.heard())["code"] == "node_draining"
    assert run.wire.closed == (4503, "node_draining")


async def test_a_failure_of_the_backend_ends_the_request_alone(backend: FakeBackend, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
        await run.greet()
        backend.failure = RuntimeError("a defect")
        await run.wire.say.send(JOIN)
        assert (await run.wire.heard())["code"] == "internal_error"
        backend.failure = None
        await run.wire.say.send(JOIN.replace("2", "3"))
        assert (await run.wire.heard())["topic"] == "joined"
        run.gone()


async def test_words_of_the_backend_after_the_end_go_nowhere(backend: FakeBackend, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        run = Run(backend, nursery)
        await run.greet()
        run.gone()
    events: list[NodeEvent] = [SOMEBODY_LEFT] * 2000
    for event in events:
        backend.sockets[FIRST].send(event)
    backend.sockets[FIRST].end(ErrorCode.NODE_DRAINING, "Too late.")
    assert backend.closed == [("session-0", "gone")]
