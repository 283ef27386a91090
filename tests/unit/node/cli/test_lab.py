"""``starling lab``: what it lists, and how it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lab import LabError
from node.cli import main
from node.lab import experiment

if TYPE_CHECKING:
    from pathlib import Path

Capture = pytest.CaptureFixture[str]


def ends(code: int, *words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["lab", *words])
    assert ended.value.code == code


def test_presets_and_scenarios_are_listed(capsys: Capture) -> None:
    ends(0, "presets", "--json")
    listed = json.loads(capsys.readouterr().out)["presets"]
    assert {"europe-vietnam", "visage", "visage-europe"} < {one["name"] for one in listed}
    ends(0, "scenarios", "--preset", "visage", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["topology"] == "visage"
    assert said["scenarios"]["relay"]["places"] == {"eu-peer": "sin-node", "vn-peer": "hcm-node"}
    ends(0, "scenarios")
    assert "single-near" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "nope"), 2, "there are relay"),
        (("run", "--duration", "1d"), 2, "write 60s"),
        (("run", "--preset", "nope"), 2, "there are europe-vietnam"),
        (("run", "--repeat", "0"), 2, "repeat"),
        (("scenarios", "--preset", "nope"), 2, "there are europe-vietnam"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(
    words: tuple[str, ...], code: int, said: str, capsys: Capture
) -> None:
    ends(code, *words)
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


def test_a_report_that_could_not_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "file"
    file.touch()
    for words in (
        ("--json", ""),
        ("--json", str(tmp_path)),
        ("--json", str(file / "report.json")),
        ("--out", str(file)),
    ):
        ends(2, "run", *words)
        assert words[0] in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_program_reads_refusals_as_json(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise LabError("not_permitted", "run it with sudo")

    monkeypatch.setattr(experiment, "check_permission", refuse)
    ends(1, "run", "--json", "-", "--out", str(tmp_path / "new"))
    assert json.loads(capsys.readouterr().out) == {"error": {"code": "not_permitted", "message": "run it with sudo"}}
    assert not (tmp_path / "new").exists()
