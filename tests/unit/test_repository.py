"""What holds for the repository as a whole."""

import ast
import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

# 400 is the sign to split a file; this is where it ends.
MAX_PYTHON_LINES = 500
MAX_RUST_LINES = 500

# Written in parts, so that this file does not find itself.
HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("static", "crates", "io"),
        ("index", "crates", "io"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("deb", "debian", "org"),
    )
)
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:work|root|Users|home/(?!starling\b)\w+)/")
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}


@pytest.fixture(scope="module")
def tracked(root: Path) -> list[Path]:
    """Every file in the repository, as git knows it."""
    if shutil.which("git") is None or not (root / ".git").exists():
        pytest.skip("this is not a git checkout")
    # A checkout may belong to another user than the one who tests it, as in a container.
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    paths = [root / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def packages(project: dict[str, Any]) -> list[str]:
    included = project["tool"]["setuptools"]["packages"]["find"]["include"]
    return [name.removesuffix("*") for name in included if name != "web*"]


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, list[str]]:
    """Hashes by `name==version`, as the lock has them."""
    entries = re.split(r"(?m)^(?=[a-z0-9])", (root / "requirements.lock").read_text())[1:]
    return {entry.split()[0]: re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", entry) for entry in entries}


def text_of(path: Path) -> str:
    """Return a text file's contents, or nothing for a picture or a font."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def python_files(tracked: list[Path]) -> list[Path]:
    return [path for path in tracked if path.suffix == ".py"]


def normal(name: str) -> str:
    """Return a distribution's name as the lock spells it."""
    found = re.match(r"[A-Za-z0-9._-]+", name)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found.group()).lower()


def test_no_registry_is_named(tracked: list[Path], root: Path) -> None:
    found = [f"{path.relative_to(root)}: {host}" for path in tracked for host in HOSTS if host in text_of(path)]
    assert found == []


def test_no_path_of_somebodys_machine(tracked: list[Path], root: Path) -> None:
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in tracked
        for line in text_of(path).splitlines()
        if MACHINE_PATHS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("line", "is_path"),
    [
        ("see /{}/main".format("work"), True),
        ("'/{}/.cargo/bin'".format("root"), True),
        ("/{}/somebody/x".format("home"), True),
        ("https://example.org/{}/x".format("work"), False),
        ("framework/root/x", False),
    ],
)
def test_the_path_rule_itself(line: str, is_path: bool) -> None:
    assert bool(MACHINE_PATHS.search(line)) is is_path


def test_every_pin_has_hashes_and_no_address(root: Path, pins: dict[str, list[str]]) -> None:
    assert len(pins) > 50
    assert all("==" in name for name in pins)
    assert [name for name, hashes in pins.items() if not hashes] == []
    lock = (root / "requirements.lock").read_text()
    assert "://" not in lock
    assert not re.search(r"^\s*(-e|-i|-f|--index|--extra|--find)", lock, re.MULTILINE)


def test_the_lock_holds_all_that_is_asked_for(project: dict[str, Any], pins: dict[str, list[str]]) -> None:
    locked = {name.partition("==")[0] for name in pins}
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *extras["dev"], *extras["build"]]
    assert {normal(name) for name in wanted} <= locked


def test_what_builds_is_locked_as_it_is_required(project: dict[str, Any]) -> None:
    assert project["build-system"]["requires"] == project["project"]["optional-dependencies"]["build"]


def test_banned_packages_stay_out(pins: dict[str, list[str]]) -> None:
    assert not {name.partition("==")[0] for name in pins} & {"trio-typing"}


def test_npm_locks_name_no_host(tracked: list[Path], root: Path) -> None:
    for path in tracked:
        if path.name == "package-lock.json":
            entries = json.loads(path.read_text())["packages"]
            assert [name for name, entry in entries.items() if "resolved" in entry] == [], path.relative_to(root)


def test_every_module_says_what_it_is(tracked: list[Path], root: Path) -> None:
    silent = [
        str(path.relative_to(root))
        for path in python_files(tracked)
        if not path.is_relative_to(root / "tests")
        if ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert silent == []


def test_every_package_tells_its_story(root: Path, packages: list[str]) -> None:
    for name in packages:
        module = ast.parse((root / name / "__init__.py").read_text())
        story = ast.get_docstring(module) or ""
        assert len(story.splitlines()) >= 5, f"{name}/__init__.py"
        assert (root / name / "py.typed").exists(), name


def test_every_folder_of_tests_is_a_package(tracked: list[Path], root: Path) -> None:
    # Without this, a folder named like a package of ours would stand in for it.
    folders = {path.parent for path in python_files(tracked) if path.is_relative_to(root / "tests")}
    folders |= {parent for folder in folders for parent in folder.parents if parent.is_relative_to(root / "tests")}
    assert [str(folder.relative_to(root)) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_nothing_is_raised_inside_except_star(tracked: list[Path], root: Path) -> None:
    # Python before 3.11.4, and so Debian 12's, wraps in one more group what such a block raises.
    found = [
        f"{path.relative_to(root)}:{node.lineno}"
        for path in python_files(tracked)
        for group in ast.walk(ast.parse(path.read_text()))
        if isinstance(group, ast.TryStar)
        for handler in group.handlers
        for node in ast.walk(handler)
        if isinstance(node, ast.Raise | ast.Await)
        or (isinstance(node, ast.Call) and ast.unparse(node.func) == "sys.exit")
    ]
    assert found == []


def test_files_hold_one_idea(tracked: list[Path], root: Path) -> None:
    limits = {".py": MAX_PYTHON_LINES, ".rs": MAX_RUST_LINES}
    long = {
        str(path.relative_to(root)): count
        for path in tracked
        if not path.is_relative_to(root / "tests")
        if (count := len(text_of(path).splitlines())) > limits.get(path.suffix, count)
    }
    assert long == {}


def test_names_say_something(tracked: list[Path], root: Path) -> None:
    assert [str(path.relative_to(root)) for path in tracked if path.stem.lower() in SAYS_NOTHING] == []


def test_the_readme_maps_every_folder_and_dependency(root: Path, packages: list[str], project: dict[str, Any]) -> None:
    readme = (root / "README.md").read_text()
    for folder in (*packages, "web", "tests", "deploy"):
        assert f"`{folder}/`" in readme, folder
    table = readme.partition("## Dependencies")[2]
    for dependency in project["project"]["dependencies"]:
        assert re.search(rf"\b{re.escape(normal(dependency))}\b", table), dependency


def test_the_readmes_commands_exist(root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", (root / "README.md").read_text()))
    assert {"demo", "test"} <= named <= targets
    assert {"setup", "demo", "test", "lint", "bench", "clean"} <= targets


def test_continuous_integration_runs_what_the_readme_says(root: Path) -> None:
    assert (root / ".ci/run").read_text().rstrip().endswith("exec make test")


def test_the_changelog_has_a_place_for_the_next_line(root: Path) -> None:
    assert "\n## Unreleased\n" in (root / "CHANGELOG.md").read_text()
