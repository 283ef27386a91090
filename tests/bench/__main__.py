"""Run every benchmark, or those that are named: `python -m tests.bench [--help] [name ...]`.

With a name, `--help` says what that benchmark measures and what shortens it.
"""

import ast
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
HELP = frozenset({"-h", "--help"})


def names() -> list[str]:
    """Return what can be run, in order."""
    return sorted(path.stem.removeprefix("test_") for path in FOLDER.glob("test_*.py"))


def story(path: Path) -> str:
    """What a module says of itself; it is not imported, because that takes a while."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def explain(wanted: list[str]) -> str:
    """What these benchmarks measure; all of them in a line each where none is named."""
    if wanted:
        return "\n\n".join(f"{name}: {story(FOLDER / f'test_{name}.py')}" for name in wanted)
    lines = [f"    {name:12}{story(FOLDER / f'test_{name}.py').splitlines()[0]}" for name in names()]
    return "\n".join((story(Path(__file__)), "", *lines))


def main(words: list[str]) -> int:
    """Run benchmarks and return an exit code; one that is unknown is an error that lists those there are."""
    known, wanted = names(), [word for word in words if word not in HELP]
    if unknown := [name for name in wanted if name not in known]:
        print(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(known) or 'none yet'}")
        return 2
    if len(wanted) < len(words):
        print(explain(wanted))
        return 0
    if not known:
        print("there are no benchmarks yet")
        return 0
    files = [FOLDER / f"test_{name}.py" for name in wanted or known]
    # A benchmark runs as long as its rounds take; the person at the terminal is its deadline.
    options = ["-m", "bench", "-s", "-o", "faulthandler_timeout=0"]
    return subprocess.run([sys.executable, "-m", "pytest", *options, *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
