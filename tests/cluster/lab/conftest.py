"""The network needs root; as anybody else these tests are skipped with the reason, never left out in silence."""

from __future__ import annotations

import pytest

from lab import LabError
from lab.namespaces import check_permission


@pytest.fixture(autouse=True)
def permitted() -> None:
    try:
        check_permission()
    except LabError as error:
        pytest.skip(str(error))
