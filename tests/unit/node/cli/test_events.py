"""``starling events``: the same lines live and afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from node.admin import EventLine, HistoryAnswer, LogLine, Lost, Note
from node.cli import events, main
from node.cli.events import form

if TYPE_CHECKING:
    from node.admin import StreamLine

LINE = EventLine(number=1, at_ms=0, kind="appeared", node="ada", serf_name="ada-1", detail="eu")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (LINE, "1970-01-01 00:00:00 UTC  appeared  ada  eu"),
        (msgspec.structs.replace(LINE, kind="left", detail=""), "1970-01-01 00:00:00 UTC  left      ada"),
        (msgspec.structs.replace(LINE, node="a\x1b[2J\n"), "1970-01-01 00:00:00 UTC  appeared  a\ufffd[2J\ufffd  eu"),
        (Lost(lines=3), "... 3 more that are no longer known"),
        (Note(message="restarted"), "... restarted"),
        (LogLine(at="", source="node", level="info", text="no event"), ""),
    ],
)
def test_an_event_is_a_line(line: StreamLine, text: str) -> None:
    assert form(line) == text


def exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


def test_history_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bad = msgspec.structs.replace(LINE, number=2, kind="refused", node="x\x1b[31m", detail="why")
    monkeypatch.setattr(events, "ask_history", lambda *_: HistoryAnswer(events=(LINE, bad), flaps={"ada": 1}))
    assert exit_code("events", "--history") == 0
    shown = capsys.readouterr().out
    assert "1970-01-01 00:00:00 UTC" in shown
    assert "flaps since this node started: ada 1" in shown
    assert "\x1b" not in shown
    assert exit_code("events", "--history", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["flaps"] == {"ada": 1}
    assert told["events"][0] == json.loads(msgspec.json.encode(LINE))  # as a live line
