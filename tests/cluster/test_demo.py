"""The demo: everybody receives everybody, and nothing stays behind, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

import pytest

from node.demo.cast import PEOPLE, STAGES
from tests.cluster.processes import alive, wait_for, with_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.cluster

DEMO: Final = (sys.executable, "-m", "node", "demo")

WHOLE_S: Final = 90.0
"""For a whole demo on a busy machine; it takes a quarter of it."""

GONE_S: Final = 4.0
"""From the death of the demo to that of everything it started, folders included: half a second of
grace, and the time that two busy cores need for it."""


@contextmanager
def running_demo(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the demo with all its files below ``folder``."""
    process = subprocess.Popen(
        [*DEMO, *arguments],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            yield process
    finally:
        process.kill()


def everything_of(folder: Path) -> set[int]:
    """Every process that some demo below ``folder`` started, at whatever remove."""
    return alive(with_environment(f"TMPDIR={folder}"))


def wait_for_step(stream: IO[str], step: str) -> None:
    """Read the demo's progress up to a step."""
    for line in stream:
        if step in line:
            return
    raise AssertionError(f"the demo ended before {step!r}")


def nothing_is_left(folder: Path) -> None:
    """No process, no socket, no folder."""
    wait_for(lambda: not everything_of(folder) and not list(folder.iterdir()), within_s=GONE_S)


def test_everybody_receives_everybody(tmp_path: Path) -> None:
    """One document, exit code 0; two nodes of each room share a link, and only what must crosses it."""
    with running_demo(tmp_path, "--once", "--seconds", "10", "--json") as demo:
        out, err = demo.communicate(timeout=WHOLE_S)
    assert out, err
    report = json.loads(out)
    assert (demo.returncode, report["missing"], report["ok"]) == (0, [], True), err
    assert {node["node"] for node in report["nodes"]} == {stage.node for stage in STAGES}
    assert {node["state"] for node in report["nodes"]} == {"alive"}
    assert {(link["a"], link["b"]) for link in report["links"]} == {
        ("amsterdam", "singapore"),
        ("singapore", "virginia"),
    }
    assert all(link["bytes"] > 0 and link["setup_ms"] > 0 and link["rtt_ms"] > 0 for link in report["links"])
    rooms = {person.name: person.room for person in PEOPLE}
    nodes = {person.name: person.node for person in PEOPLE}
    for one in report["participants"]:
        expected = {
            (name, kind)
            for name, room in rooms.items()
            if room == one["room"] and name != one["id"]
            for kind in ("audio", "video")
        }
        assert {(item["from"], item["kind"]) for item in one["received"]} == expected
        for item in one["received"]:
            assert item["relayed"] == (nodes[item["from"]] != one["node"])
            assert item["duplicates"] == 0
            assert item["packets"] > 100
            assert 0 < item["delay_ms_p50"] <= item["delay_ms_p99"]
    nothing_is_left(tmp_path)


def test_off_a_terminal_it_ends_by_itself(tmp_path: Path) -> None:
    """Plain lines, one for each node, link and received track, and the verdict last."""
    with running_demo(tmp_path, "--seconds", "8") as demo:
        out, err = demo.communicate(timeout=WHOLE_S)
    assert demo.returncode == 0, err
    lines = out.splitlines()
    assert lines[-1] == "ok"
    assert sum(line.startswith("node ") for line in lines) == len(STAGES)
    assert sum("(relayed)" in line for line in lines) == 16
    assert sum("(local)" in line for line in lines) == 8
    nothing_is_left(tmp_path)


@pytest.mark.parametrize("step", ["starting node singapore", "waiting until", "bringing", "everybody is in"])
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT], ids=lambda ending: ending.name)
def test_nothing_stays_behind(tmp_path: Path, step: str, ending: signal.Signals) -> None:
    """Killed or interrupted half way, at whatever step: no process, no socket, no folder."""
    with running_demo(tmp_path, "--once", "--seconds", "60") as demo:
        assert demo.stderr is not None
        wait_for_step(demo.stderr, step)
        assert everything_of(tmp_path) - {demo.pid}
        demo.send_signal(ending)
        demo.communicate(timeout=WHOLE_S)
    nothing_is_left(tmp_path)
