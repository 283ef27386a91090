from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from node.cli import VERBS, main
from node.cli.examples import EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    said = capsys.readouterr()
    code = caught.value.code
    assert isinstance(code, int)
    return code, said.out, said.err


@pytest.fixture(autouse=True)
def away_from_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("STATE_DIRECTORY", "STARLING_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(f"  {verb} " in out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_teaches(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    code, out, _ = run(capsys, verb, "--help")
    assert code == 0
    assert out.startswith(f"Usage: starling {verb}")
    assert len(out.splitlines()) > 5
    assert "Example" in out
    for example in EXAMPLES.get(verb, ()):
        assert f"\n  {example}\n" in out or f"\n    {example}\n" in out


@pytest.mark.parametrize(
    "verb", ["members", "events", "links", "status", "audit", "account", "keys", "keygen", "version", "demo"]
)
def test_what_prints_data_prints_json(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    assert "--json" in run(capsys, verb, "--help")[1]


def test_an_unknown_verb_is_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "member")
    assert code == 2
    assert err == "starling: there is no verb 'member': did you mean `starling members`?\n"
    assert "--help" in run(capsys, "xyzzy")[2]


def test_an_unknown_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "up", "--http-prot", "1")
    assert code == 2
    assert "--http-port" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "http.prot=1"), "did you mean http.port?"),
        (("--set", "nonsense"), "section.key=value"),
        (("--set", "http.=1"), "section.key=value"),
        (("--set", ".port=1"), "section.key=value"),
        (("--http-port", "70000"), "http.port from the flag --http-port"),
        (("--config", "/nowhere.toml"), "/nowhere.toml"),
        (("--mesh-seeds", "a:1"), "mesh.gossip_key_file"),
    ],
)
def test_bad_configuration_is_78_and_one_line(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    code, out, err = run(capsys, "up", *arguments)
    assert (code, out) == (78, "")
    assert says in err
    assert err.startswith("starling: config: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("verb", ["members", "events", "links", "status", "audit"])
def test_without_a_node_to_ask_it_is_3(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    code, out, err = run(capsys, verb)
    assert (code, out) == (3, "")
    assert "starling up" in err


def test_keygen_makes_both_files_and_overwrites_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "keygen", str(tmp_path / "keys"), "--json")
    assert code == 0
    for path in json.loads(out).values():
        assert (tmp_path / "keys" / path).stat().st_mode & 0o777 == 0o600
    code, _, err = run(capsys, "keygen", str(tmp_path / "keys"))
    assert code == 1
    assert "is there already" in err


def test_keygen_takes_no_nameless_folder_for_this_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, "keygen", "")
    assert code == 1
    assert "the folder has no name" in err
    assert list(tmp_path.iterdir()) == []


def test_version_knows_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "version", "--json")
    assert code == 0
    versions = json.loads(out)
    assert set(versions) == {"starling", "engine", "python", "serf"}
    assert versions["python"] == sys.version.split()[0]
    assert run(capsys, "--version")[0] == 0


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_a_function_of_its_module(verb: str) -> None:
    name = verb.replace("-", "_")
    assert callable(getattr(import_module(f"node.cli.{name}"), name))
