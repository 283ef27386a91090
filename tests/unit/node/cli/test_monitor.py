"""``starling monitor``: a log's line for people."""

from __future__ import annotations

import pytest

from node.admin import EventLine, LogLine, Lost, Note, StreamLine
from node.cli.monitor import form

AT = "2026-01-31T12:00:00Z"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            LogLine(at=AT, source="node", level="warning", text="link down", fields={"node": "me", "peer": "bob"}),
            f"{AT}  warning  node   link down peer=bob",
        ),
        (LogLine(at=AT, source="agent", level="info", text="serf: ok"), f"{AT}  info     agent  serf: ok"),
        (LogLine(at="", source="agent", level="error", text="\x1b]0;x\x07"), "  error    agent  \ufffd]0;x\ufffd"),
        (
            LogLine(at=AT, source="node", level="info", text="t", fields={"a": "1\n2", "b": None, "c": 1.5}),
            f"{AT}  info     node   t a=1\ufffd2 b=None c=1.5",
        ),
        (Lost(lines=7), "... 7 lines were not shown: they came too fast"),
        (Note(message="the agent's log ended"), "... the agent's log ended"),
        (EventLine(number=1, at_ms=0, kind="left", node="a", serf_name="a-1", detail=""), ""),
    ],
)
def test_a_log_line_is_one_line(line: StreamLine, text: str) -> None:
    assert form(line) == text
