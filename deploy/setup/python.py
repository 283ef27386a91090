"""Layers 2 and 3: the virtual environment, what the lock pins, and Starling itself with its engine."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from .needs import CA_BUNDLE
from .places import Places
from .stamp import Stamp, digest
from .step import Step

VENV_DEADLINE_S = 300.0
# 200 MB of wheels over a slow line.
DOWNLOAD_DEADLINE_S = 1800.0
# A clean release build with fat link-time optimisation takes 2.5 min on two idle cores.
BUILD_DEADLINE_S = 3600.0

QUIET = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def install_dependencies(places: Places) -> None:
    """Fill `.venv` with exactly what the lock pins, unless it is so already.

    Raises:
        SetupError: A command failed.
    """
    wanted = digest(places.root, [places.lock], places.interpreter())
    stamp = Stamp(places.stamp("dependencies"))
    if stamp.holds(wanted) and places.python.exists():
        return
    stamp.clear()
    with Step("Python dependencies", places.log("dependencies")) as step:
        _make_venv(step, places)
        step.run(
            [places.python, "-m", "pip", "install", "--require-hashes", "-r", places.lock],
            deadline_s=DOWNLOAD_DEADLINE_S,
            env=_pip_variables(places),
        )
    stamp.write(wanted)


def install_starling(places: Places) -> None:
    """Install Starling in editable form and build the engine in release, unless nothing that matters has changed.

    Raises:
        SetupError: A command failed.
    """
    inputs = [places.root / "pyproject.toml", places.lock, *crate_sources(places.manifest.parent)]
    inputs += crate_sources(places.emulator)
    wanted = digest(places.root, inputs, places.interpreter())
    stamp = Stamp(places.stamp("starling"))
    made = [places.venv / "bin" / name for name in ("starling", "starling-sfu", "starling-wan")]
    if stamp.holds(wanted) and all(path.exists() for path in made):
        return
    stamp.clear()
    with Step("Starling and its engine (minutes, the first time)", places.log("starling")) as step:
        # pip hides what builds print unless asked; without it the log of a failed build says nothing.
        step.run(
            [places.python, "-m", "pip", "install", "-v", "--no-deps", "--no-build-isolation", "-e", places.root],
            deadline_s=BUILD_DEADLINE_S,
            env={
                **_pip_variables(places),
                "PATH": f"{places.venv / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            },
        )
    stamp.write(wanted)


def crate_sources(crate: Path) -> Iterator[Path]:
    """Yield every file a program in Rust is built from, leaving out what building made."""
    for path in crate.iterdir():
        if path.is_file():
            yield path
        elif path.name != "target":
            yield from (file for file in path.rglob("*") if file.is_file())


def _make_venv(step: Step, places: Places) -> None:
    """Make the virtual environment anew, unless it is this interpreter's and stands where it was made.

    Where ensurepip is missing, pip comes from its unpacked Debian wheel.
    """
    stamp = Stamp(places.stamp("venv"))
    wanted = digest(places.root, [], places.interpreter())
    if stamp.holds(wanted) and places.python.exists():
        return
    stamp.clear()
    make: list[str | Path] = [sys.executable, "-m", "venv", "--clear", places.venv]
    wheel = places.unpacked_pip()
    if importlib.util.find_spec("ensurepip") is not None or wheel is None:
        step.run(make, deadline_s=VENV_DEADLINE_S)
    else:
        step.run([*make, "--without-pip"], deadline_s=VENV_DEADLINE_S)
        step.run(
            [places.python, wheel / "pip", "install", "--no-index", wheel],
            deadline_s=VENV_DEADLINE_S,
            env=_pip_variables(places),
        )
    stamp.write(wanted)


def _pip_variables(places: Places) -> dict[str, str]:
    """Return pip's settings; Debian's own pip knows no certificates but the system's, which may be unpacked ones."""
    if places.unpacked_ca_bundle.exists() and not CA_BUNDLE.exists():
        return {**QUIET, "PIP_CERT": str(places.unpacked_ca_bundle)}
    return QUIET
