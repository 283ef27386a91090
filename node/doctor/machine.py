"""This machine: programs, limits, and the folder that outlives a process."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from node.doctor.findings import fail, ok, warn
from sfu import EngineStartError
from sfu.process import find_program

if TYPE_CHECKING:
    from node.config import Config
    from node.doctor.findings import Check

PROGRAM_DEADLINE_S: Final = 5.0
"""For a program to say its version; a cold disk takes a second."""

FILES_BESIDE_CLIENTS: Final = 256
"""Listeners, the engine, the agent's connections, links' sockets, the store, the log: some 60, and room to spare."""

LITTLE_SPACE_BYTES: Final = 200 * 1024 * 1024
"""A log that nobody rotates writes that in a day."""


def check_serf(program: str, *, is_needed: bool) -> Check:
    """Whether the gossip agent's program is there and runs."""
    name, path = "serf.program", shutil.which(program)
    cure = "install serf 0.8 or later (https://www.serf.io), or name it in mesh.serf"
    if path is None:
        said = f"there is no program {program!r}"
        return fail(name, said, cure) if is_needed else ok(name, f"{said}; a node on its own needs none")
    version = _first_line(path, "version")
    return ok(name, f"{version} at {path}") if version else fail(name, f"{path} does not say its version", cure)


def check_engine() -> Check:
    """Whether the media engine's program is there and runs."""
    name, cure = "engine.program", "install the package again: pip builds the engine with it"
    try:
        program = find_program()
    except EngineStartError as error:
        return fail(name, error.message, cure)
    version = _first_line(str(program), "--version")
    return ok(name, f"{version} at {program}") if version else fail(name, f"{program} does not run", cure)


def check_files(config: Config, *, limit: int | None = None, in_use: int | None = None) -> Check:
    """Whether the process may open enough files: a socket each client, and some.

    Args:
        config: The node's.
        limit: Of the running node; else what a node started here would have.
        in_use: Files that it has open.
    """
    name = "files"
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    needed = config.http.max_connections + FILES_BESIDE_CLIENTS
    used = "" if in_use is None else f"{in_use} open of "
    if soft != resource.RLIM_INFINITY and soft < needed:
        cure = f"allow {needed} (LimitNOFILE= in the unit, or ulimit -n), or lower http.max_connections"
        said = f"{used}{soft} files allowed, and http.max_connections = {config.http.max_connections} may need {needed}"
        return warn(name, said, cure)
    return ok(name, f"{used}{soft} files allowed, {needed} may be needed")


def check_data_dir(config: Config) -> Check:
    """Whether the data folder can be used, or made, and is not full."""
    name, folder = "data_dir", Path(config.node.data_dir)
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return fail(name, f"{folder} cannot be written", "give it to this user, or set node.data_dir")
    free = shutil.disk_usage(there).free
    if free < LITTLE_SPACE_BYTES:
        return warn(name, f"{free / 1e6:.0f} MB are free for {folder}", "make room, or set node.data_dir")
    return ok(name, f"{folder}, {free / 1e9:.1f} GB free" if folder.exists() else f"{folder} can be made")


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_DEADLINE_S, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    lines = done.stdout.splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else ""
