"""`starling node`: what is ordered, what is printed, and how the program ends."""

from __future__ import annotations

import json

import msgspec
import pytest

import node.cli.node as verb
from node.cli import main
from node.lifecycle_orders import NodeAnswer, NodeOrder

SERVING = NodeAnswer(
    node="a",
    state="serving",
    eligible=True,
    stopping=False,
    moved=0,
    left=0,
    remaining=3,
    released=0,
    deadline_in_s=None,
)
HALF = msgspec.structs.replace(SERVING, state="draining", moved=1, left=1, remaining=1, deadline_in_s=12.3)
DONE = msgspec.structs.replace(HALF, moved=2, remaining=0)


class Answers:
    """A node that answers with these, one after the other."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: NodeAnswer) -> None:
        self.orders: list[NodeOrder] = []
        self._answers = list(answers)
        monkeypatch.setattr(verb, "order_node", self._take)
        monkeypatch.setattr("time.sleep", lambda _: None)

    def _take(self, config: object, data_dir: object, order: NodeOrder) -> NodeAnswer:
        self.orders.append(order)
        return self._answers.pop(0)


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["node", *arguments])
    return int(ended.value.code or 0)


def test_a_drain_is_waited_for_and_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    node = Answers(monkeypatch, HALF, HALF, DONE)
    assert _run("drain", "--deadline", "90s", "--batch", "2") == 0
    assert node.orders == [NodeOrder(action="drain", deadline_s=90.0, batch=2), NodeOrder(), NodeOrder()]
    shown = capsys.readouterr()
    assert shown.out == "Node a: draining, 2 moved, 1 left, 0 remaining; deadline in 12 s\n"
    assert shown.err.splitlines() == [
        "draining, 1 moved, 1 left, 1 remaining; deadline in 12 s",
        "Nobody is left: stop this node now, or put it back in service by: starling node undrain",
    ]


def test_a_drain_of_an_empty_node_asks_once_and_names_the_next_step(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = Answers(monkeypatch, msgspec.structs.replace(DONE, moved=0, left=0))
    assert _run("drain") == 0
    assert len(node.orders) == 1
    assert "starling node undrain" in capsys.readouterr().err


def test_what_passes_is_shown_and_waited_for_until_the_deadline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    passed = msgspec.structs.replace(DONE, passing=2)
    Answers(monkeypatch, passed, msgspec.structs.replace(passed, deadline_in_s=None))
    assert _run("drain") == 0
    shown = capsys.readouterr()
    assert ", 2 tracks of other nodes still pass here" in shown.out
    assert ", 2 tracks of other nodes still pass here; deadline in 12 s" in shown.err


def test_a_drain_need_not_be_waited_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    node = Answers(monkeypatch, HALF)
    assert _run("drain", "--no-wait", "--json") == 0
    assert node.orders == [NodeOrder(action="drain", deadline_s=300.0)]
    assert msgspec.json.decode(capsys.readouterr().out, type=NodeAnswer) == HALF


@pytest.mark.parametrize(
    "last", [SERVING, msgspec.structs.replace(DONE, state="released", released=1)], ids=["undone", "released"]
)
def test_a_drain_that_did_not_move_all_has_failed(monkeypatch: pytest.MonkeyPatch, last: NodeAnswer) -> None:
    Answers(monkeypatch, HALF, last)
    assert _run("drain") == 1


def test_without_moving_people_the_end_of_their_seats_is_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Answers(monkeypatch, msgspec.structs.replace(DONE, state="released", released=3))
    assert _run("drain", "--no-clients") == 0
    assert node.orders == [NodeOrder(action="drain", deadline_s=300.0, moves=False)]


def test_what_cannot_be_undone_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Answers(monkeypatch, msgspec.structs.replace(DONE, code="drain_over", message="Restart it."))
    assert _run("undrain") == 1
    assert "Restart it." in capsys.readouterr().err


def test_status_and_eligibility(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ineligible = msgspec.structs.replace(SERVING, eligible=False)
    node = Answers(monkeypatch, SERVING, ineligible, SERVING)
    assert (_run("status"), _run("eligibility", "off"), _run("eligibility", "on")) == (0, 0, 0)
    assert [order.action for order in node.orders] == ["status", "ineligible", "eligible"]
    assert capsys.readouterr().out.splitlines() == [
        "Node a: serving, 3 here",
        "Node a: serving, 3 here, takes nobody new",
        "Node a: serving, 3 here",
    ]


def test_eligibility_without_a_word_says_how_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ineligible = msgspec.structs.replace(HALF, eligible=False)
    node = Answers(monkeypatch, SERVING, ineligible, SERVING)
    assert (_run("eligibility"), _run("eligibility"), _run("eligibility", "--json")) == (0, 0, 0)
    assert [order.action for order in node.orders] == ["status"] * 3
    first, second, *told = capsys.readouterr().out.splitlines()
    assert (first, second) == ("Node a: takes new people", "Node a: takes nobody new")
    assert json.loads("\n".join(told))["eligible"] is True


@pytest.mark.parametrize(
    "wrong", [("drain", "--deadline", "soon"), ("drain", "--deadline", "2d"), ("eligibility", "maybe")]
)
def test_wrong_usage(monkeypatch: pytest.MonkeyPatch, wrong: tuple[str, ...]) -> None:
    Answers(monkeypatch)
    assert _run(*wrong) == 2
