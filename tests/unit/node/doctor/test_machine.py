"""Programs, limits and the folder."""

from __future__ import annotations

import shutil
from collections import namedtuple
from typing import TYPE_CHECKING

import pytest

from node.doctor import machine
from node.doctor.machine import FILES_BESIDE_CLIENTS, check_data_dir, check_engine, check_files, check_serf
from tests.unit.node.doctor.configs import a_config

if TYPE_CHECKING:
    from pathlib import Path

Usage = namedtuple("Usage", "total used free")


def _program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_program_that_says_its_version_is_well(tmp_path: Path) -> None:
    serf = _program(tmp_path / "serf", 'echo "Serf v0.10.1"; echo more')
    check = check_serf(serf, is_needed=True)
    assert (check.name, check.verdict, check.message) == ("serf.program", "ok", f"Serf v0.10.1 at {serf}")


@pytest.mark.parametrize("script", ["exit 1", "echo x; exit 3", "true", "printf '\\377\\n'"])
def test_a_program_that_does_not_run_fails(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = _program(tmp_path / "program", script)
    check = check_serf(program, is_needed=True)
    assert (check.verdict, "mesh.serf" in check.next) == ("fail", True)
    monkeypatch.setenv("STARLING_SFU", program)
    assert check_engine().verdict == "fail"


def test_a_program_that_hangs_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PROGRAM_DEADLINE_S", 0.05)
    assert check_serf(_program(tmp_path / "serf", "exec sleep 30"), is_needed=True).verdict == "fail"


def test_a_program_that_is_missing_fails_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = str(tmp_path / "none")
    assert check_serf(missing, is_needed=True).verdict == "fail"
    assert check_serf(missing, is_needed=False).verdict == "ok"
    monkeypatch.setenv("STARLING_SFU", missing)
    check = check_engine()
    assert (check.name, check.verdict) == ("engine.program", "fail")


def test_few_files_are_a_warning_with_the_number_that_is_needed(tmp_path: Path) -> None:
    config = a_config(tmp_path, http={"max_connections": 1000})
    needed = 1000 + FILES_BESIDE_CLIENTS
    check = check_files(config, limit=needed - 1, in_use=7)
    assert (check.name, check.verdict) == ("files", "warn")
    assert f"7 open of {needed - 1}" in check.message
    assert f"allow {needed}" in check.next
    assert "LimitNOFILE" in check.next
    assert check_files(config, limit=needed).verdict == "ok"
    assert check_files(config, limit=-1).verdict == "ok", "without a limit"


def test_a_folder_that_is_there_or_can_be_made_is_well(tmp_path: Path) -> None:
    assert "GB free" in check_data_dir(a_config(tmp_path)).message
    assert "can be made" in check_data_dir(a_config(tmp_path / "a" / "b")).message


def test_a_folder_that_is_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check = check_data_dir(a_config(tmp_path / "file"))
    assert (check.name, check.verdict, "node.data_dir" in check.next) == ("data_dir", "fail", True)
    assert check_data_dir(a_config(tmp_path / "file" / "below")).verdict == "fail"


def test_a_full_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**9, 10**9 - 10**8, 10**8))
    check = check_data_dir(a_config(tmp_path))
    assert (check.verdict, "100 MB" in check.message) == ("warn", True)
