"""`python -m tests.bench [name]`: run every benchmark, or one."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def names() -> list[str]:
    """Return what can be run, in order."""
    return sorted(path.stem.removeprefix("test_") for path in FOLDER.glob("test_*.py"))


def main(wanted: list[str]) -> int:
    """Run benchmarks and return an exit code; one that is unknown is an error that lists those there are."""
    known = names()
    if unknown := [name for name in wanted if name not in known]:
        print(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(known) or 'none yet'}")
        return 2
    if not known:
        print("there are no benchmarks yet")
        return 0
    files = [FOLDER / f"test_{name}.py" for name in wanted or known]
    # A benchmark runs as long as its rounds take; the person at the terminal is its deadline.
    options = ["-m", "bench", "-s", "-o", "faulthandler_timeout=0"]
    return subprocess.run([sys.executable, "-m", "pytest", *options, *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
