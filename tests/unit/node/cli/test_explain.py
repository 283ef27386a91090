"""What `starling explain --room` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import typer

from node.cli.explain import _show_plan, explain
from node.http.candidates import PlanShown, WeighedShown
from signalling.ids import NodeId

if TYPE_CHECKING:
    from collections.abc import Mapping

AMS, SIN = NodeId("ams"), NodeId("sin")


def plan(**more: object) -> PlanShown:
    known: Mapping[str, object] = {
        "policy": "auto",
        "decided_by": AMS,
        "node": None,
        "reason": "not_advised",
        "code": "",
        "for_s": 12.4,
        "advice": "better_for_everyone",
        "advised": SIN,
        "people": 3,
        "measured": 2,
        "weighed": (
            WeighedShown(node=None, mean_ms=120.0, longest_ms=180.2),
            WeighedShown(node=SIN, mean_ms=80.0, longest_ms=99.0),
        ),
        "refused": {AMS: "draining"},
    }
    return PlanShown(**{**known, **more})  # type: ignore[arg-type]


def test_a_plan_is_shown_with_all_ways_and_who_may_not(capsys: pytest.CaptureFixture[str]) -> None:
    _show_plan(plan())
    first, second, _, _, *rows = capsys.readouterr().out.splitlines()
    assert first == "each is on their near node for 12 s: not_advised, decided by ams, policy auto"
    assert (
        second
        == "advice just now: gather on sin (better_for_everyone); 2 of 3 people measured, 15 ms assumed for the rest"
    )
    assert [row.split() for row in rows] == [
        ["each", "at", "home", "120.0", "180.2"],
        ["on", "sin", "80.0", "99.0"],
        ["on", "ams", "draining"],
    ]


def test_where_people_are_led_and_why_it_ended_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    _show_plan(plan(node=SIN, reason="policy", policy="gather"))
    _show_plan(plan(reason="node_gave_up", code="full", for_s=None, advised=None, advice="no_node"))
    said = capsys.readouterr().out
    assert "all are led to sin for 12 s: policy, decided by ams, policy gather\n" in said
    assert "each is on their near node: node_gave_up (full), decided by ams, policy auto\n" in said
    assert "advice just now: relay (no_node)" in said


def test_a_track_and_a_room_are_too_much_at_once() -> None:
    with pytest.raises(typer.BadParameter, match="not both"):
        explain(track="t", room="r")
