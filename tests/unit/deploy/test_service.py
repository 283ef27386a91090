"""The systemd unit."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from node.config import NodeConfig

# systemd's own verdict from 0 (sealed) to 10 (open); a typical service has 9.
MAX_EXPOSURE = 2.5


@pytest.fixture(scope="module")
def unit(root: Path) -> dict[str, list[str]]:
    """Values by key; a key may stand several times."""
    values: dict[str, list[str]] = {}
    for line in (root / "deploy/starling.service").read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            values.setdefault(key, []).append(value)
    return values


def test_the_node_alone_is_told_to_stop(unit: dict[str, list[str]]) -> None:
    assert unit["KillMode"] == ["mixed"]


def test_systemd_waits_longer_than_the_node(unit: dict[str, list[str]]) -> None:
    (seconds,) = unit["TimeoutStopSec"]
    assert int(seconds) > NodeConfig().drain_deadline_s + NodeConfig().stop_deadline_s


def test_bad_settings_are_not_tried_again(unit: dict[str, list[str]]) -> None:
    assert unit["Restart"] == ["on-failure"]
    assert unit["RestartPreventExitStatus"] == ["78"]


def test_state_outlives_the_process_where_the_node_looks_for_it(unit: dict[str, list[str]]) -> None:
    assert unit["StateDirectory"] == ["starling"]
    assert unit["ProtectSystem"] == ["strict"]


@pytest.fixture
def runnable(root: Path, tmp_path: Path) -> Path:
    """The unit with a program and a user that every machine has."""
    text = (root / "deploy/starling.service").read_text()
    text = text.replace("/opt/starling/bin/starling", shutil.which("true") or "/bin/true")
    text = re.sub(r"(?m)^(User|Group)=starling$", r"\1=daemon", text)
    path = tmp_path / "starling.service"
    path.write_text(text)
    return path


def systemd_analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_accepts_it(runnable: Path) -> None:
    said = systemd_analyze("verify", "--man=no", runnable)
    ours = [line for line in said.stderr.splitlines() if runnable.name in line]
    assert (said.returncode, ours) == (0, [])


def test_systemd_finds_it_hardened(runnable: Path) -> None:
    said = systemd_analyze("security", "--offline=true", f"--threshold={MAX_EXPOSURE * 10:.0f}", runnable)
    assert said.returncode == 0, said.stdout[-2000:]
