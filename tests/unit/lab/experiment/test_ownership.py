"""One experiment at a time in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab import LabError
from lab.experiment.ownership import owning

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_is_one_experiment_s_and_free_again_after_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "runs"
    for _ in range(2):
        with owning(folder), pytest.raises(LabError, match="--out") as refused, owning(folder):
            pass
        assert refused.value.code == "folder_in_use"
