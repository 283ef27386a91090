"""A step shows one line, keeps a log, and ends every command it starts."""

import sys
from pathlib import Path

import pytest

from deploy.setup.errors import SetupError
from deploy.setup.step import TAIL_LINES, Step


def test_a_good_step_logs_commands_and_says_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "records" / "x.log"
    with Step("Something", log) as step:
        step.run(["sh", "-c", "echo to stdout; echo to stderr >&2"], deadline_s=60)
    assert log.read_text().splitlines() == [
        "$ sh -c echo to stdout; echo to stderr >&2",
        "to stdout",
        "to stderr",
    ]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("Something done")


def test_a_long_step_says_where_its_log_is_and_what_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.setup.step.HEARTBEAT_S", 0.0)
    monkeypatch.setattr("deploy.setup.step.LOOK_S", 0.01)
    with Step("Something", tmp_path / "x.log") as step:
        step.run(["sh", "-c", "echo Compiling str0m; exec sleep 0.2"], deadline_s=60)
    out = capsys.readouterr().out
    assert f"tail -f {tmp_path / 'x.log'}" in out
    assert "Something ... Compiling str0m\n" in out


def test_a_failed_step_shows_the_end_of_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = f"for i in range({2 * TAIL_LINES}): print('line', i)\nraise SystemExit(3)"
    with (
        pytest.raises(SetupError, match="ended with code 3"),
        Step("Something", tmp_path / "x.log") as step,
    ):
        step.run([sys.executable, "-c", count], deadline_s=60)
    out = capsys.readouterr().out
    assert "Something FAILED" in out
    assert f"line {2 * TAIL_LINES - 1}\n" in out
    assert "line 0\n" not in out


def test_a_command_past_its_deadline_is_killed(tmp_path: Path) -> None:
    with (
        pytest.raises(SetupError, match="did not end within 0 s"),
        Step("Something", tmp_path / "x.log") as step,
    ):
        step.run(["sleep", "600"], deadline_s=0)


def test_a_missing_program_is_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(SetupError, match="cannot be started: No such file"),
        Step("Something", tmp_path / "x.log") as step,
    ):
        step.run(["starling-has-no-such-program"], deadline_s=60)


def test_commands_have_no_stdin_and_get_their_variables(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with Step("Something", log) as step:
        step.run(["sh", "-c", 'cat; echo "$WORD"'], deadline_s=60, env={"WORD": "heard"})
    assert log.read_text().splitlines()[1:] == ["heard"]


def test_commands_run_only_inside_the_block(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        Step("Something", tmp_path / "x.log").run(["true"], deadline_s=60)
