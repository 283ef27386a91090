"""What every ring shares: programs that set-up unpacked into the project are found without `make`, too."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

_launchers = ROOT / ".tools/bin"
if _launchers.is_dir():
    os.environ["PATH"] = f"{_launchers}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT
