"""What streams: changes without a gap that is not told, and the logs of node and agent."""

from __future__ import annotations

import re
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
import structlog
import trio
import trio.testing

from membership import ChangeHistory, GossipUnavailableError, NodeAppeared, ViewMember
from membership.agent.life import AGENT_SAYS
from membership.members.history import MAX_ENTRIES
from membership.members.standing import Rules, judge
from membership.rpc.errors import BrokenRpcError
from node.admin.outlet import Outlet
from node.admin.stream_lines import EventLine, LogLine, Lost, Note, Source, StreamLine, StreamOrder, StreamRefused
from node.admin.streams import AGENT_PAUSE_S, read_agent_line, stream_events, stream_logs
from node.log_feed import FEED
from tests.unit.membership.samples import a_member

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from trio.testing import MockClock

    from membership import Membership


def _a_node(name: str) -> ViewMember:
    member = judge(a_member(name), Rules(cluster="test"))
    assert isinstance(member, ViewMember)
    return member


class Mesh:
    """A membership whose changes the test makes, and an agent whose log it writes."""

    def __init__(self) -> None:
        self.history = ChangeHistory()
        self.wake, self.changed = trio.open_memory_channel[None](10)
        self.orders = self
        self.agents: list[Agent] = []
        self.levels: list[str] = []

    def happen(self, *names: str) -> None:
        self.history.add([NodeAppeared(member=_a_node(name)) for name in names], at_ms=7)
        self.wake.send_nowait(None)

    @contextmanager
    def changes(self) -> Iterator[trio.MemoryReceiveChannel[None]]:
        yield self.changed

    @asynccontextmanager
    async def log(self, level: str) -> AsyncIterator[Agent]:
        await trio.lowlevel.checkpoint()
        self.levels.append(level)
        if not self.agents:
            raise GossipUnavailableError("no agent")
        yield self.agents.pop(0)


@dataclass
class Agent:
    """Says its lines, then is gone, or stays silent."""

    lines: list[str] = field(default_factory=list)
    ends: Exception | None = None

    async def receive(self) -> str:
        await trio.lowlevel.checkpoint()
        if self.lines:
            return self.lines.pop(0)
        if self.ends is None:
            await trio.sleep_forever()
        assert self.ends is not None
        raise self.ends


async def _drain(outlet: Outlet) -> list[StreamLine]:
    """Everything that waits there now."""
    lines = []
    await trio.testing.wait_all_tasks_blocked()
    while True:
        with trio.move_on_after(0.001) as scope:
            lines.append(await outlet.receive())
        if scope.cancelled_caught:
            return lines


def _of(mesh: Mesh) -> Membership:
    return cast("Membership", mesh)


# --- events -------------------------------------------------------------------------------


async def test_only_what_happens_from_now_on_is_told_each_once(autojump_clock: MockClock) -> None:
    mesh, outlet = Mesh(), Outlet()
    mesh.history.add([NodeAppeared(member=_a_node("old"))], at_ms=1)
    mesh.wake.send_nowait(None)  # what a new subscription says first
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream_events, _of(mesh), outlet)
        assert await _drain(outlet) == []
        mesh.happen("ada", "bob")
        mesh.wake.send_nowait(None)
        told = await _drain(outlet)
        nursery.cancel_scope.cancel()
    assert [(line.number, line.kind, line.node, line.at_ms) for line in told if isinstance(line, EventLine)] == [
        (2, "appeared", "ada", 7),
        (3, "appeared", "bob", 7),
    ]
    assert len(told) == 2


async def test_what_the_history_does_not_keep_any_more_is_counted(autojump_clock: MockClock) -> None:
    mesh, outlet = Mesh(), Outlet()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream_events, _of(mesh), outlet)
        await trio.testing.wait_all_tasks_blocked()
        mesh.happen(*["ada"] * (MAX_ENTRIES + 5))
        told = await _drain(outlet)
        nursery.cancel_scope.cancel()
    assert told[0] == Lost(lines=5)
    assert isinstance(told[1], EventLine)
    assert told[1].number == 6
    assert len(told) == 1 + MAX_ENTRIES


async def test_a_node_alone_has_no_events_and_says_so() -> None:
    outlet = Outlet()
    await stream_events(None, outlet)
    (line,) = await _drain(outlet)
    assert isinstance(line, StreamRefused)
    assert line.code == "no_mesh"


ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z"


@pytest.fixture
def five_hours_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "XST-5")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


# --- logs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("2026/01/31 12:00:00 [INFO] serf: a: b", ("2026-01-31T07:00:00Z", "info", "serf: a: b")),
        ("2026/01/31 12:00:00 [WARN] x] y", ("2026-01-31T07:00:00Z", "warning", "x] y")),
        ("2026/01/31 12:00:00 [ERR] x", ("2026-01-31T07:00:00Z", "error", "x")),
        ("2026/01/31 02:00:00 [TRACE] x", ("2026-01-30T21:00:00Z", "debug", "x")),
        ("2026/13/31 12:00:00 [INFO] x", ("", "info", "2026/13/31 12:00:00 [INFO] x")),
        ("2026/01/31 12:00:00 [ODD] x", ("", "info", "2026/01/31 12:00:00 [ODD] x")),
        ("panic: out of memory", ("", "info", "panic: out of memory")),
        ("", ("", "info", "")),
    ],
)
@pytest.mark.usefixtures("five_hours_east")
def test_a_line_of_the_agent_is_taken_apart_or_kept_whole(text: str, line: tuple[str, str, str]) -> None:
    read = read_agent_line(text)
    assert (read.at, read.level, read.text, read.source) == (*line, "agent")


async def test_one_agent_after_the_other_is_read_and_old_lines_are_not_told(autojump_clock: MockClock) -> None:
    mesh, outlet = Mesh(), Outlet()
    gone = ExceptionGroup("the connection", [BrokenRpcError("gone")])
    mesh.agents = [
        Agent(["1999/12/31 23:59:59 [INFO] old", "2999/01/01 00:00:00 [WARN] first", "a panic"], ends=gone),
        Agent(["2999/01/01 00:00:01 [INFO] second"]),
    ]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream_logs, _of(mesh), StreamOrder(level="warning", sources=("agent",)), outlet)
        await trio.sleep(2 * AGENT_PAUSE_S)
        told = await _drain(outlet)
        nursery.cancel_scope.cancel()
    texts = [line.text if isinstance(line, LogLine) else line for line in told]
    assert texts[:2] == ["first", "a panic"]
    assert isinstance(texts[2], Note)
    assert texts[3:] == ["second"]
    assert mesh.levels == ["WARN", "WARN"], "the agent leaves out what is less"
    assert all(re.fullmatch(ISO, line.at) for line in told if isinstance(line, LogLine)), "a line without a time too"


async def test_what_an_agent_says_again_after_a_broken_connection_is_told_once(autojump_clock: MockClock) -> None:
    mesh, outlet = Mesh(), Outlet()
    gone = ExceptionGroup("the connection", [BrokenRpcError("gone")])
    lines = [f"2999/01/01 00:00:00 [INFO] {text}" for text in ("first", "again", "again", "new", "again")]
    mesh.agents = [Agent(lines[:3], ends=gone), Agent(list(lines))]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream_logs, _of(mesh), StreamOrder(sources=("agent",)), outlet)
        await trio.sleep(2 * AGENT_PAUSE_S)
        told = await _drain(outlet)
        nursery.cancel_scope.cancel()
    assert [line.text for line in told if isinstance(line, LogLine)] == ["first", "again", "again", "new", "again"]


@pytest.mark.parametrize(("sources", "expected"), [(("node", "agent"), ["other"]), (("node",), [AGENT_SAYS, "other"])])
async def test_what_the_node_repeats_of_its_agent_is_told_once(
    sources: tuple[Source, ...], expected: list[str], autojump_clock: MockClock
) -> None:
    outlet = Outlet()
    async with trio.open_nursery() as nursery:
        order = StreamOrder(level="debug", sources=sources)
        nursery.start_soon(stream_logs, _of(Mesh()), order, outlet)
        await trio.testing.wait_all_tasks_blocked()
        for text in (AGENT_SAYS, "other"):
            with suppress(structlog.DropEvent):
                FEED.tap(None, "debug", {"event": text, "level": "debug"})
        told = await _drain(outlet)
        nursery.cancel_scope.cancel()
    assert [line.text for line in told if isinstance(line, LogLine)] == expected


async def test_an_agent_that_stays_away_is_told_once(autojump_clock: MockClock) -> None:
    mesh, outlet = Mesh(), Outlet()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream_logs, _of(mesh), StreamOrder(sources=("agent",)), outlet)
        await trio.sleep(10.2 * AGENT_PAUSE_S)
        told = await _drain(outlet)
        nursery.cancel_scope.cancel()
    assert all(isinstance(line, Note) for line in told)
    assert len(told) == 1, "that it is away is one piece of news"


async def test_lines_of_the_node_come_at_the_level_that_was_asked_for() -> None:
    outlet = Outlet()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream_logs, None, StreamOrder(level="warning"), outlet)
        await trio.testing.wait_all_tasks_blocked()
        for level in ("info", "warning", "critical"):
            _log(level)
        told = await _drain(outlet)
        nursery.cancel_scope.cancel()
    lines = [line for line in told if isinstance(line, LogLine)]
    assert [(line.level, line.text, line.source) for line in lines] == [
        ("warning", "warning line", "node"),
        ("error", "critical line", "node"),
    ]
    assert lines[0].fields == {"room": "hall"}


async def test_a_node_alone_has_no_agents_log_and_says_so() -> None:
    outlet = Outlet()
    await stream_logs(None, StreamOrder(sources=("agent",)), outlet)
    assert [line.code for line in await _drain(outlet) if isinstance(line, StreamRefused)] == ["no_mesh"]


def _log(level: str) -> None:
    line: dict[str, Any] = {"level": level, "event": f"{level} line", "room": "hall", "timestamp": "now"}
    with suppress(structlog.DropEvent):
        FEED.tap(None, level, line)
