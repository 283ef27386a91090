"""Unpacking packages into the project, with packages made here instead of fetched."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deploy.setup import apt
from deploy.setup.errors import SetupError
from deploy.setup.step import Step
from deploy.setup.unpack import unpack

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")


def make_package(folder: Path, name: str, files: Sequence[str]) -> None:
    source = folder / f"{name}.d"
    for file in (*files, "DEBIAN/control"):
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).write_text(f"{name}\n")
    (source / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: test\n"
    )
    command = ["dpkg-deb", "--root-owner-group", "--build", str(source), str(folder / f"{name}.deb")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    shutil.rmtree(source)


class Archive(Step):
    """A step whose only command, apt's download, makes the packages it is asked for."""

    def __init__(self, folder: Path, contents: Mapping[str, Sequence[str]]) -> None:
        super().__init__("Packages", folder / "packages.log")
        self.asked: list[str] = []
        self._contents = contents

    def run(self, command: Sequence[str | Path], *, deadline_s: float, env: Mapping[str, str] | None = None) -> None:
        words = [str(word) for word in command]
        self.asked = words[words.index("download") + 1 :]
        for name in self.asked:
            if name in self._contents:
                make_package(Path(words[2]), name, self._contents[name])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path / "tools" / "debian"


def plan_installs(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(apt, "plan", lambda *_: apt.Plan(installs=names, removes=()))


def test_files_of_all_packages_land_in_one_merged_tree(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_installs(monkeypatch, "serf", "libserf")
    library = "x86_64-linux-gnu/libserf.so.1"
    archive = Archive(tmp_path, {"serf": ["usr/bin/serf"], "libserf": [f"lib/{library}"]})
    unpack(archive, ["serf"], tree, ())
    assert (tree / "usr/bin/serf").read_text() == "serf\n"
    assert (tree / "usr/lib" / library).read_text() == "libserf\n"
    assert (tree / "lib").is_symlink()


def test_what_is_wanted_is_fetched_even_when_dpkg_has_it(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_installs(monkeypatch)
    archive = Archive(tmp_path, {"serf": ["usr/bin/serf"]})
    unpack(archive, ["serf"], tree, ())
    assert archive.asked == ["serf"]


def test_the_hosts_c_library_stays_the_only_one(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_installs(monkeypatch, "libc6", "libc6-dev")
    archive = Archive(tmp_path, {"libc6-dev": ["usr/lib/x86_64-linux-gnu/libc.so"]})
    unpack(archive, ["libc6-dev"], tree, ())
    assert archive.asked == ["libc6-dev"]
    for host in Path("/lib").glob("x86_64-linux-gnu/libc.so.6"):
        assert (tree / "usr" / host.relative_to("/")).samefile(host)


def test_a_second_run_adds_to_the_first(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_installs(monkeypatch)
    archive = Archive(tmp_path, {"serf": ["usr/bin/serf"], "cmake": ["usr/bin/cmake"]})
    unpack(archive, ["serf"], tree, ())
    unpack(archive, ["cmake"], tree, ())
    assert {path.name for path in (tree / "usr/bin").iterdir()} == {"serf", "cmake"}
    assert not (tree.parent / "archives").exists()


def test_a_package_that_did_not_come_is_an_error(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_installs(monkeypatch)
    with pytest.raises(SetupError, match="fetched 0 of 1 packages"):
        unpack(Archive(tmp_path, {}), ["serf"], tree, ())


def test_a_broken_package_is_an_error(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_installs(monkeypatch)

    class Broken(Archive):
        def run(
            self, command: Sequence[str | Path], *, deadline_s: float, env: Mapping[str, str] | None = None
        ) -> None:
            (Path(str(command[2])) / "serf.deb").write_text("no package")

    with pytest.raises(SetupError, match=r"serf\.deb cannot be unpacked"):
        unpack(Broken(tmp_path, {}), ["serf"], tree, ())
