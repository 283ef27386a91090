"""Folders of runs: gone at the end, and what a killed one left with the next."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from lab.namespaces import start_ticks
from node.lab.folders import open_folder, remove_stale

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_a_killed_one_left_goes_and_what_is_in_use_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pid = os.getpid()
    (tmp_path / f"starling-lab-{pid}-1-dead" / "ams-node").mkdir(parents=True)
    (tmp_path / f"starling-lab-{pid}-{start_ticks(pid)}-lives").mkdir()
    (tmp_path / "starling-labelled").mkdir()
    with open_folder() as folder:
        assert folder.stat().st_mode & 0o077 == 0
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {f"starling-lab-{pid}-{start_ticks(pid)}-lives", "starling-labelled", folder.name}
        assert remove_stale() == ()
    assert not folder.exists()
