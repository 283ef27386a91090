"""``starling reachability``: what its table says of ways whose bandwidth nobody knows, by an answer made up here."""

from __future__ import annotations

import json

import pytest

from node.admin import Reaches
from node.cli import main, reachability
from node.cli.reachability import NOT_MEASURED, WHY_NOT_MEASURED
from node.reachability.matrix import judge
from signalling.ids import NodeId
from signalling.mesh.link import ReachRow

A, B = NodeId("ada"), NodeId("bob")


def answer(monkeypatch: pytest.MonkeyPatch, there: ReachRow, back: ReachRow) -> None:
    found = judge(A, {A: (1, 1), B: (1, 1)}, {A: (there,), B: (back,)})
    monkeypatch.setattr(reachability, "ask_local", lambda *_: Reaches(found=found))


def run(*arguments: str) -> object:
    """Gives the exit code."""
    with pytest.raises(SystemExit) as caught:
        main(("reachability", *arguments))
    return caught.value.code


def line_from(output: str, node: str) -> str:
    (line,) = (line for line in output.splitlines() if line.startswith(f"{node} "))
    return line


def test_what_an_idle_link_carries_is_said_to_be_not_measured_and_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, ReachRow(B, "up"), ReachRow(A, "up", bandwidth_bps=2_500_000))
    assert run() == 0
    output = capsys.readouterr().out
    assert NOT_MEASURED in line_from(output, A)
    assert "2.5" in line_from(output, B)
    assert NOT_MEASURED not in line_from(output, B)
    assert WHY_NOT_MEASURED in output


def test_nothing_is_said_of_what_a_link_carries_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, ReachRow(B, "connecting"), ReachRow(A, "up", bandwidth_bps=2_500_000))
    assert run() == 1
    assert NOT_MEASURED not in capsys.readouterr().out


def test_json_has_null_where_it_was_not_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, ReachRow(B, "up"), ReachRow(A, "up"))
    assert run("--json") == 0
    assert [way["bandwidth_bps"] for way in json.loads(capsys.readouterr().out)["ways"]] == [None, None]


def test_the_help_says_that_bandwidth_is_not_tried(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    assert "What a way carries is not tried" in " ".join(capsys.readouterr().out.split())
