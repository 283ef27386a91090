"""What every ring shares: what set-up unpacked into the project is found without `make`, too."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

ROOT = Path(__file__).resolve().parents[1]

for _variable, _folder in (("PATH", ROOT / ".tools/bin"), ("LD_LIBRARY_PATH", ROOT / ".tools/lib")):
    if _folder.is_dir():
        os.environ[_variable] = os.pathsep.join(filter(None, [str(_folder), os.environ.get(_variable)]))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return ROOT


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A verb that runs in this process directs all logging to the stderr of its own test, which is closed after it."""
    handlers, level = list(logging.root.handlers), logging.root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
