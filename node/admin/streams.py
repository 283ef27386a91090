"""The topics that stream: changes of the members, and the logs of node and agent."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from membership import GossipUnavailableError
from membership.agent.life import AGENT_SAYS
from membership.rpc import RpcError
from node.admin.history import event_line
from node.admin.stream_lines import (
    Alive,
    EventLine,
    Level,
    LogLine,
    Lost,
    Note,
    StreamLine,
    StreamOrder,
    StreamRefused,
)
from node.log_feed import FEED

if TYPE_CHECKING:
    from membership import Membership
    from node.admin.outlet import Outlet
    from node.log_feed import LogRecord

__all__ = [
    "Alive",
    "EventLine",
    "LogLine",
    "Lost",
    "Note",
    "StreamLine",
    "StreamOrder",
    "StreamRefused",
    "stream_events",
    "stream_logs",
]

AGENT_LEVELS: Final[dict[Level, str]] = {"debug": "DEBUG", "info": "INFO", "warning": "WARN", "error": "ERR"}

LEVEL_OF_AGENT: Final[dict[str, Level]] = {
    "TRACE": "debug", "DEBUG": "debug", "INFO": "info", "WARN": "warning", "ERR": "error", "ERROR": "error",
}  # fmt: skip

MAX_REPEATED: Final = 512
"""Lines that an agent keeps, and says first to whoever asks for its log."""

AGENT_PAUSE_S: Final = 0.5
"""Before the log of a new agent is asked for; one starts in 0.1-0.3 s."""

NO_MESH: Final = StreamRefused(
    code="no_mesh", message="this node is on its own: there are no other members, and no agent"
)


async def stream_events(membership: Membership | None, outlet: Outlet) -> None:
    """Tell what changes among the members from now on, until cancelled."""
    if membership is None:
        outlet.put(NO_MESH)
        return
    with membership.changes() as changes:  # subscribed before the past is looked at, so nothing falls between them
        past = membership.history.entries()
        told = past[-1].number if past else 0
        async for _change in changes:
            for entry in membership.history.entries(after=told):
                if entry.number > told + 1:
                    outlet.put(Lost(lines=entry.number - told - 1))
                told = entry.number
                outlet.put(event_line(entry))


async def stream_logs(membership: Membership | None, order: StreamOrder, outlet: Outlet) -> None:
    """Tell what node and agent log from now on, until cancelled."""
    wants_agent = "agent" in order.sources
    if wants_agent and membership is None and "node" not in order.sources:
        outlet.put(NO_MESH)
        return
    async with trio.open_nursery() as nursery:
        if wants_agent and membership is not None:
            nursery.start_soon(_stream_agent, membership, order.level, outlet)
        if "node" in order.sources:
            # At debug the node repeats what its agent says: here that comes from the agent itself.
            is_repeated = wants_agent and membership is not None

            def hand_on(record: LogRecord) -> None:
                if not (is_repeated and record.text == AGENT_SAYS):
                    outlet.put(_of_node(record))

            with FEED.reading(order.level, hand_on):
                await trio.sleep_forever()


async def _stream_agent(membership: Membership, level: Level, outlet: Outlet) -> None:
    """Hand on the lines of one agent after the other."""
    # The agent begins with up to 512 old lines, after a broken connection with some that were told; its times have
    # whole seconds.
    began = _utc(datetime.now(UTC).replace(microsecond=0))
    is_away = False
    told: deque[str] = deque(maxlen=MAX_REPEATED)
    while True:
        repeated = Counter(told)
        try:
            async with membership.orders.log(AGENT_LEVELS[level]) as lines:
                is_away = False
                for number in itertools.count():
                    text = await lines.receive()
                    if number < MAX_REPEATED and repeated[text] > 0:
                        repeated[text] -= 1
                        continue
                    line = read_agent_line(text)
                    if line.at and line.at < began:
                        continue
                    told.append(text)
                    outlet.put(line if line.at else msgspec.structs.replace(line, at=_utc(datetime.now(UTC))))
        except* (GossipUnavailableError, RpcError, trio.TooSlowError):
            if not is_away:
                outlet.put(Note(message="the agent's log ended: the agent is being restarted"))
            is_away = True
        await trio.sleep(AGENT_PAUSE_S)


def read_agent_line(text: str) -> LogLine:
    """Take ``2026/01/31 12:00:00 [INFO] serf: ...`` apart; a line of another form is kept whole."""
    day, _, rest = text.partition(" ")
    clock, _, rest = rest.partition(" ")
    mark, closing, said = rest.partition("] ")
    level = LEVEL_OF_AGENT.get(mark.removeprefix("["))
    try:
        # As the agent, which is a child of this machine, writes it: local time.
        at = _utc(datetime.strptime(f"{day} {clock}", "%Y/%m/%d %H:%M:%S").astimezone(UTC))
    except (ValueError, OverflowError, OSError):
        at = ""
    if not closing or level is None or not at:
        return LogLine(at="", source="agent", level="info", text=text)
    return LogLine(at=at, source="agent", level=level, text=said)


def _utc(moment: datetime) -> str:
    """As the node's own log has it."""
    return moment.isoformat().replace("+00:00", "Z")


def _of_node(record: LogRecord) -> LogLine:
    level: Level = "error" if record.level == "critical" else LEVEL_OF_NODE.get(record.level, "info")
    return LogLine(at=record.at, source="node", level=level, text=record.text, fields=dict(record.fields))


LEVEL_OF_NODE: Final[dict[str, Level]] = {"debug": "debug", "info": "info", "warning": "warning", "error": "error"}
