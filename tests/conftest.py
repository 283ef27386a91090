"""What every ring shares: what set-up unpacked into the project is found without `make`, too."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

for _variable, _folder in (("PATH", ROOT / ".tools/bin"), ("LD_LIBRARY_PATH", ROOT / ".tools/lib")):
    if _folder.is_dir():
        os.environ[_variable] = os.pathsep.join(filter(None, [str(_folder), os.environ.get(_variable)]))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT
