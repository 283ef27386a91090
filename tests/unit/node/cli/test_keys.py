"""``starling keys``, against answers that the test makes up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from membership.keys.keyring import is_gossip_key
from node.cli import keys, main
from node.mesh_orders import (
    KeyChangeLine,
    KeyLine,
    KeyProblem,
    KeysAnswer,
    MeshOrder,
    NodeKeysLine,
)

if TYPE_CHECKING:
    from pathlib import Path

NAME = "0123456789abcdef"
NOW = KeysAnswer(
    nodes=(NodeKeysLine(node="ada", state="alive", answered=True, keys=(NAME,)),), keys=(KeyLine(key=NAME, agents=1),)
)
DONE = KeyChangeLine(action="install", key=NAME, done=True, agents=1, answered=1, failed={})


class Node:
    """Answers each order with the same."""

    def __init__(self, answer: KeysAnswer) -> None:
        self.answer = answer
        self.orders: list[MeshOrder] = []

    def order(self, config: object, data_dir: object, order: MeshOrder) -> KeysAnswer:
        self.orders.append(order)
        return self.answer


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(NOW)
    monkeypatch.setattr(keys, "order_mesh", made.order)
    monkeypatch.setattr(keys, "check_running", lambda *_: None)
    return made


def exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    return caught.value.code


def test_a_new_key_is_made_in_the_file_and_not_shown(
    node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "new.key"
    node.answer = KeysAnswer(nodes=NOW.nodes, keys=NOW.keys, changes=(DONE,))
    assert exit_code("keys", "rotate", str(file)) == 0
    assert exit_code("keys", "rotate", str(file), "--force") == 0
    key = file.read_text().strip()
    assert is_gossip_key(key)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [(order.action, order.key, order.force) for order in node.orders] == [
        ("rotate", key, False),
        ("rotate", key, True),
    ]
    shown = capsys.readouterr()
    assert key not in shown.out + shown.err
    assert f"install {NAME}: done by 1 of 1 agents" in shown.out


def test_only_check_minds_problems(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("keys", "check") == 0
    node.answer = KeysAnswer(problems=(KeyProblem(code="keys_left_over", message="why"),))
    assert exit_code("keys", "list") == 0
    assert exit_code("keys", "check") == 1
    assert "keys_left_over: why" in capsys.readouterr().out
    assert {order.action for order in node.orders} == {"list"}


@pytest.mark.parametrize(("action", "is_named"), [("remove", True), ("use", True), ("install", False)])
def test_who_left_before_a_change_is_named_with_what_to_do(
    action: str, is_named: bool, node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    change = KeyChangeLine(action=action, key=NAME, done=True, agents=1, answered=1, failed={})
    node.answer = KeysAnswer(nodes=NOW.nodes, keys=NOW.keys, changes=(change,), left=("bob", "eve"))
    assert exit_code("keys", "use", NAME) == 0, "nothing is wrong"
    assert ("bob, eve: left before this" in capsys.readouterr().out) is is_named
    node.answer = KeysAnswer(nodes=NOW.nodes, keys=NOW.keys, left=("bob",))
    assert exit_code("keys", "check") == 0
    assert "bob" not in capsys.readouterr().out


def test_what_was_refused_or_not_done_everywhere_is_1(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    node.answer = KeysAnswer(code="nodes_missing", message="bob would miss this")
    assert exit_code("keys", "use", NAME, "--json") == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "nodes_missing"
    failed = KeyChangeLine(action="use", key=NAME, done=False, agents=2, answered=1, failed={"bob-1": "cannot"})
    node.answer = KeysAnswer(changes=(failed,))
    assert exit_code("keys", "use", NAME) == 1
    assert "NOT done by 1 of 2 agents; bob-1: cannot" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("rotate",), ("install",), ("use",), ("remove",), ("nonsense",), ()])
def test_what_is_missing_is_asked_for(arguments: tuple[str, ...], node: Node) -> None:
    assert exit_code("keys", *arguments) == 2
    assert node.orders == []


@pytest.mark.parametrize("action", ["rotate", "install"])
@pytest.mark.parametrize("what", ["no/such/folder/new.key", "."])
def test_a_path_that_can_be_no_key_file_is_wrong_usage_and_leaves_nothing(
    action: str, what: str, node: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("keys", action, str(tmp_path / what)) == 2
    assert (node.orders, list(tmp_path.iterdir())) == ([], [])
    said = capsys.readouterr().err
    assert str(tmp_path) in said
    assert "is a folder: name a file in it" in said or ("is" in said and "mistyped?" in said)


def test_no_key_is_made_where_no_node_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new.key"
    assert exit_code("keys", "rotate", str(file), "--data-dir", str(tmp_path)) == 3
    assert not file.exists()
    assert "no node runs in" in capsys.readouterr().err
