"""``starling version``: what runs here."""

import sys

from node.cli.settings import AsJson

PROGRAM_DEADLINE_S = 5.0
"""For a program to say its version; a cold disk takes a second."""

UNKNOWN = "not found"


def version(as_json: AsJson = False) -> None:
    """Print the versions of the program, its media engine, Python and serf."""
    import platform
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    from sfu import EngineStartError
    from sfu.process import find_program

    try:
        program = installed("starling")
    except PackageNotFoundError:
        program = UNKNOWN
    try:
        engine = _first_line(str(find_program()), "--version")
    except EngineStartError:
        engine = UNKNOWN
    versions = {
        "starling": program,
        "engine": engine.removeprefix("starling-sfu "),
        "python": platform.python_version(),
        "serf": _first_line("serf", "version").removeprefix("Serf v"),
    }
    if as_json:
        from node.cli.asking import print_json

        print_json(versions)
    else:
        width = max(map(len, versions)) + 2
        for name, text in versions.items():
            sys.stdout.write(f"{name:<{width}}{text}\n")


def _first_line(*command: str) -> str:
    import subprocess

    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_DEADLINE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return UNKNOWN
    lines = done.stdout.splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else UNKNOWN
