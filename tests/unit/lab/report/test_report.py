"""Files of a report."""

import json
from pathlib import Path

import pytest

from lab.report import write_reports
from tests.unit.lab.report.samples import make_topology, visage_runs


def test_both_files_are_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    found = write_reports(folder, visage_runs(repeats=2, duration_s=5), make_topology(), None)
    assert (found.json, found.html) == (folder / "report.json", folder / "report.html")
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json"]
    assert json.loads(found.json.read_text())["format"] == 1
    assert found.html.read_text().startswith("<!doctype html>")
    assert found.table.startswith("visage: A peer in Amsterdam")


def test_the_json_goes_where_it_is_wanted_and_replaces_what_was_there(tmp_path: Path) -> None:
    wanted = tmp_path / "build" / "out.json"
    for repeats in (1, 2):
        write_reports(tmp_path, visage_runs(repeats=repeats, duration_s=5), make_topology(), wanted)
    assert len(json.loads(wanted.read_text())["scenarios"][0]["runs"]) == 2
    assert not (tmp_path / "report.json").exists()


def test_no_runs_are_no_report(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one run"):
        write_reports(tmp_path, [], make_topology(), None)
