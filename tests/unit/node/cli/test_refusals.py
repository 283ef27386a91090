"""How the program says no: one way for people, one for programs, each with a next step."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from node.admin import ADMIN_FILE
from node.cli import VERBS
from node.private_files import write_private
from session import ClusterKeys
from tests.unit.node.cli.test_cli import away_from_home, run  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from pathlib import Path

Capture = pytest.CaptureFixture[str]


def refusal(capsys: Capture, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code and what stands under ``error`` with ``--json``: one document, and nothing beside it."""
    code, out, err = run(capsys, *arguments, "--json")
    assert err == ""
    (name,) = json.loads(out)
    assert name == "error"
    return code, json.loads(out)["error"]


def given(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))


def test_without_a_verb_it_is_wrong_usage_and_help(capsys: Capture) -> None:
    code, out, err = run(capsys)
    assert (code, out) == (2, "")
    assert all(f"  {verb} " in err for verb in VERBS)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("up", "--config"), "starling up --help"),
        (("status", "--data-dir"), "starling status --help"),
        (("token", "rotate"), "starling token rotate --help"),
        (("account", "create"), "starling account create LOGIN"),
        (("keygen", "--bogus"), "starling keygen --help"),
        (("token", "create", "--lifetime", "soon", "--key", "k", "--user", "u"), "12h"),
        (("--config", "node.toml"), "starling up --config"),
    ],
)
def test_wrong_usage_says_where_help_is(capsys: Capture, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_a_verb_of_verbs_alone_shows_its_verbs(capsys: Capture) -> None:
    code, _, err = run(capsys, "token")
    assert code == 2
    assert all(f"  {verb} " in err for verb in ("keygen", "create", "inspect", "rotate"))


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (("member",), 2, "verb_unknown"),
        (("status", "extra"), 2, "usage_wrong"),
        (("token",), 2, "usage_wrong"),
        (("status",), 3, "not_running"),
        (("account", "list"), 3, "not_running"),
        (("status", "--config", "/nowhere.toml"), 78, "config_invalid"),
        (("keygen", ""), 1, "folder_unusable"),
        (("token", "inspect", "nonsense"), 1, "token_unreadable"),
        (("token", "rotate", "/nowhere", "add"), 78, "keys_missing"),
        (("token", "keygen", ""), 1, "folder_unusable"),
    ],
)
def test_with_json_a_refusal_is_one_object_with_a_stable_code(
    capsys: Capture, arguments: tuple[str, ...], exit_code: int, code: str
) -> None:
    ended, error = refusal(capsys, *arguments)
    assert (ended, error["code"]) == (exit_code, code)
    assert error["message"]
    assert set(error) <= {"code", "message", "next"}
    assert error.get("next", "starling").startswith("starling")


def test_with_json_a_step_out_of_order_names_the_next_one(capsys: Capture, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    ClusterKeys.generate().with_next().save(file)
    assert refusal(capsys, "token", "rotate", str(file), "drop")[1]["next"] == f"starling token rotate {file} switch"


def test_with_json_a_token_of_somebody_else_is_one_document(capsys: Capture, tmp_path: Path) -> None:
    key, jwks = tmp_path / "key", tmp_path / "jwks"
    ClusterKeys.generate().save(key)
    jwks.write_text(json.dumps(ClusterKeys.generate().jwks()))
    text = run(capsys, "token", "create", "--key", str(key), "--user", "u")[1].strip()
    code, out, _ = run(capsys, "token", "inspect", text, "--jwks", str(jwks), "--json")
    assert (code, json.loads(out)["error"]["code"], json.loads(out)["claims"]["sub"]) == (1, "token_unsigned", "u")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"caf\xe9 au lait\n", "UTF-8"),
        (b"x" * 10_000_000, "256 characters"),
        (b"", "one line"),
        (b"\n", "one line"),
    ],
)
def test_what_is_no_password_on_stdin_is_said_before_a_node_is_asked(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, line: bytes, says: str
) -> None:
    given(monkeypatch, line)
    code, error = refusal(capsys, "account", "create", "ann")
    assert (code, error["code"]) == (1, "password_unfit")
    assert says in error["message"]


def test_the_longest_password_goes_to_the_node(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, ("\U0001f511" * 256 + "\r\n").encode())
    assert refusal(capsys, "account", "create", "ann")[1]["code"] == "not_running"


@pytest.mark.parametrize(("login", "code"), [("ann\udce9", "text_invalid"), ("a" * 5000, "text_too_long")])
def test_what_cannot_be_asked_is_not_blamed_on_the_node(capsys: Capture, tmp_path: Path, login: str, code: str) -> None:
    write_private(tmp_path / ADMIN_FILE, b'{"port": 1, "token": "t", "pid": 1}')
    assert refusal(capsys, "account", "logout", login, "--data-dir", str(tmp_path))[1]["code"] == code


def test_an_admin_file_that_is_none_says_so(capsys: Capture, tmp_path: Path) -> None:
    write_private(tmp_path / ADMIN_FILE, b"{")
    code, error = refusal(capsys, "status", "--data-dir", str(tmp_path))
    assert (code, error["code"]) == (3, "admin_file_invalid")


def test_keygen_says_where_it_wrote(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "keygen")
    assert code == 0
    assert f"into {tmp_path.resolve()}" in out.splitlines()[0]
