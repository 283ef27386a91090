"""Shells complete verbs and options, and a plain call does not pay for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from node.cli import COMPLETE_VARIABLE, COMPLETION_OPTIONS, VERBS, completion, load, main

if TYPE_CHECKING:
    from pathlib import Path

ASK = """
source "$SCRIPT"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_starling_completion starling
printf '%s\\n' "${COMPREPLY[@]}"
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    said = capsys.readouterr()
    return caught.value.code, said.out, said.err


@pytest.fixture
def shell_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMPLETE_VARIABLE, "complete_bash")


def answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    monkeypatch.setenv("COMP_WORDS", "\n".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    code, out, _ = run(capsys)
    assert code == 0
    return out.split()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("starling", "no"), ["node"]),
        (("starling", "node", "dr"), ["drain"]),
        (("starling", "rtt", "--m"), ["--matrix", "--map"]),
        (("starling", "force-leave", "--d"), ["--data-dir"]),
        (("starling", "monitor", "--level", "w"), ["warning"]),
        (("starling", "--v"), ["--version"]),
        (("starling", "--install"), ["--install-completion"]),
        (("starling", "xyzzy", "--j"), []),
    ],
)
@pytest.mark.usefixtures("shell_asks")
def test_what_may_come_next(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: list[str]
) -> None:
    assert answer(capsys, monkeypatch, *words) == says


@pytest.mark.usefixtures("shell_asks")
def test_every_verb_is_offered(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(answer(capsys, monkeypatch, "starling", "")) == set(VERBS)


@pytest.mark.usefixtures("shell_asks")
def test_only_the_typed_verb_is_loaded(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def count(verb: str) -> object:
        loaded.append(verb)
        return load(verb)

    monkeypatch.setattr("node.cli.load", count)
    answer(capsys, monkeypatch, "starling", "links", "--j")
    assert loaded == ["links"]


def test_a_real_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, script, _ = run(capsys, "--show-completion", "bash")
    assert code == 0
    (tmp_path / "script").write_text(script)
    program = tmp_path / "starling"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m node "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SCRIPT": str(tmp_path / "script")}
    for words, says in ((("starling", "no"), "node"), (("starling", "members", "--js"), "--json")):
        asked = subprocess.run(
            ["bash", "--norc", "-c", ASK, "bash", *words], env=environment, capture_output=True, text=True, check=True
        )
        assert asked.stdout.split() == [says]


@pytest.mark.parametrize(
    ("shell", "file"),
    [
        ("bash", ".bash_completions/starling.sh"),
        ("zsh", ".zfunc/_starling"),
        ("fish", ".config/fish/completions/starling.fish"),
    ],
)
def test_a_script_is_installed_for_each_shell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shell: str, file: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    code, out, _ = run(capsys, "--install-completion", "--json")
    assert (code, json.loads(out)) == (0, {"shell": shell, "path": str(tmp_path / file)})
    assert COMPLETE_VARIABLE in (tmp_path / file).read_text()
    assert run(capsys, "--install-completion", shell)[0] == 0


@pytest.mark.parametrize("option", COMPLETION_OPTIONS)
def test_an_unknown_shell_is_refused_with_the_next_step(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("SHELL", "")
    code, _, err = run(capsys, option)
    assert code == 2
    assert f"starling {option} bash" in err
    code, out, _ = run(capsys, option, "tcsh", "--json")
    assert (code, json.loads(out)["error"]["code"]) == (2, "shell_unknown")


def test_a_home_that_takes_no_file_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/nowhere")
    code, _, err = run(capsys, "--install-completion", "fish")
    assert code == 1
    assert "starling --show-completion fish" in err


def test_the_names_are_those_of_the_module() -> None:
    assert completion.VARIABLE == COMPLETE_VARIABLE
    assert (completion.INSTALL, completion.SHOW) == COMPLETION_OPTIONS
