"""Questions to apt and the texts it answers with; nothing here changes the machine."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import SetupError
from .needs import Need, parse_version

# Answering from a cold cache on a slow disk takes seconds; beyond this apt hangs on a lock.
ASK_DEADLINE_S = 120.0

# Ends the waiting for a lock that another apt holds, such as a boot's unattended upgrades.
LOCK_WAIT = ("-o", "DPkg::Lock::Timeout=300")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What apt would do."""

    installs: tuple[str, ...]
    """Packages it would fetch, dependencies included."""

    removes: tuple[str, ...]
    """Packages it would take away because they conflict."""


def available() -> bool:
    """Say whether this machine has apt and dpkg."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None


def is_root() -> bool:
    """Say whether packages can be installed."""
    return os.geteuid() == 0


def private_lists(folder: Path) -> tuple[str, ...]:
    """Return options that make apt keep its lists and cache in a folder of ours, for which nobody need be root."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return (
        "-o",
        f"Dir::State::Lists={folder / 'lists'}",
        "-o",
        f"Dir::Cache={folder / 'cache'}",
        # Root's apt would drop to a user that may not write into the project.
        "-o",
        f"APT::Sandbox::User={'root' if is_root() else ''}",
    )


def parse_plan(text: str) -> Plan:
    """Read what `apt-get --simulate install` prints; lines it does not know are skipped."""
    installs: list[str] = []
    removes: list[str] = []
    for line in text.splitlines():
        match line.split():
            case ["Inst", package, *_]:
                installs.append(package)
            case ["Remv", package, *_]:
                removes.append(package)
            case _:
                continue
    return Plan(installs=tuple(installs), removes=tuple(removes))


def plan(packages: Sequence[str], options: Sequence[str] = ()) -> Plan:
    """Ask what installing these packages would do.

    Raises:
        SetupError: apt does not know them or cannot satisfy them.
    """
    said = _ask("apt-get", *options, "--simulate", "--no-install-recommends", "install", *packages)
    if said is None:
        raise SetupError(f"apt cannot install {', '.join(packages)}.")
    return parse_plan(said)


def choose(need: Need, options: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the first of a need's package sets that apt knows and that is new enough.

    Raises:
        SetupError: None is; the message ends with the need's own next step.
    """
    for names in need.packages:
        shown = [_ask("apt-cache", *options, "show", "--no-all-versions", name) for name in names]
        if all(shown) and parse_version(_field(shown[0] or "", "Version")) >= need.least:
            return names
    raise SetupError(f"This system's packages have no {need.name}. {need.otherwise}")


def _field(record: str, name: str) -> str:
    for line in record.splitlines():
        key, _, value = line.partition(": ")
        if key == name:
            # An epoch (`5:7.0.15`) is Debian's own affair.
            return value.rpartition(":")[2]
    return ""


def _ask(*command: str) -> str | None:
    """Return what a question prints, or None when its answer is no."""
    try:
        said = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            timeout=ASK_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"{command[0]} did not answer within {ASK_DEADLINE_S:.0f} s.") from error
    return said.stdout if said.returncode == 0 and said.stdout else None
