"""Launchers of unpacked programs."""

import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from deploy.setup.launcher import library_folders, link_libraries, write_ca_bundle, write_launchers


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A root whose path needs quoting, with one library folder, one below it, and four programs."""
    tree = tmp_path / "it's here" / "debian"
    for folder in ("usr/lib/x86_64-linux-gnu/pulseaudio", "usr/lib/x86_64-linux-gnu/cmake", "usr/bin"):
        (tree / folder).mkdir(parents=True)
    (tree / "usr/lib/x86_64-linux-gnu/libone.so.1").touch()
    (tree / "usr/lib/x86_64-linux-gnu/pulseaudio/libtwo.so").touch()
    for program in ("gcc", "cargo", "serf", "chromium"):
        path = tree / "usr/bin" / program
        path.write_text('#!/bin/sh\necho "$0|$LD_LIBRARY_PATH|$CARGO_HTTP_CAINFO$FONTCONFIG_FILE|$*"\n')
        path.chmod(0o755)
    return tree


def ask(launcher: Path, *arguments: str, **environment: str) -> list[str]:
    said = subprocess.run(
        [launcher, *arguments],
        env={"PATH": os.defpath, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return said.stdout.rstrip("\n").split("|")


def test_only_folders_with_libraries_count(tree: Path) -> None:
    base = tree / "usr/lib/x86_64-linux-gnu"
    assert library_folders(tree) == (base, base / "pulseaudio")


def test_a_launcher_runs_the_program_with_its_libraries(tree: Path) -> None:
    write_launchers(tree, tree.parent / "bin", {"serf": "usr/bin/serf"})
    program, libraries, _, arguments = ask(tree.parent / "bin/serf", "a b", "c", LD_LIBRARY_PATH="/other")
    assert program == str(tree / "usr/bin/serf")
    assert libraries.split(":") == [*map(str, library_folders(tree)), "/other"]
    assert arguments == "a b c"


def test_an_unset_library_path_adds_nothing(tree: Path) -> None:
    # An empty entry would mean the current folder.
    write_launchers(tree, tree.parent / "bin", {"serf": "usr/bin/serf"})
    assert not ask(tree.parent / "bin/serf")[1].endswith(":")


def test_a_compiler_looks_for_headers_in_the_tree(tree: Path) -> None:
    write_launchers(tree, tree.parent / "bin", {"cc": "usr/bin/gcc"})
    program, _, _, arguments = ask(tree.parent / "bin/cc", "-c", "x.c")
    assert program == str(tree / "usr/bin/gcc")
    assert arguments == f"--sysroot={tree} -c x.c"


def test_programs_that_were_not_unpacked_get_no_launcher(tree: Path) -> None:
    write_launchers(tree, tree.parent / "bin", {"serf": "usr/bin/serf", "chromium": "usr/lib/chromium/chromium"})
    assert [path.name for path in (tree.parent / "bin").iterdir()] == ["serf"]


def test_unpacked_certificates_become_the_bundle_cargo_is_told_of(tree: Path) -> None:
    write_ca_bundle(tree)
    folder = tree / "usr/share/ca-certificates/mozilla"
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / f"{name}.crt").write_text(f"{name}\n")
    write_launchers(tree, tree.parent / "bin", {"cargo": "usr/bin/cargo"})
    assert not ask(tree.parent / "bin/cargo")[2]
    write_ca_bundle(tree)
    write_launchers(tree, tree.parent / "bin", {"cargo": "usr/bin/cargo"})
    assert Path(ask(tree.parent / "bin/cargo")[2]).read_text() == "one\ntwo\n"


def test_the_library_that_node_loads_is_linked_again_after_a_move(tree: Path, tmp_path: Path) -> None:
    (tree / "usr/lib/x86_64-linux-gnu/libatomic.so.1").touch()
    link_libraries(tree, tree.parent / "lib")
    moved = (tmp_path / "it's here").rename(tmp_path / "elsewhere")
    link_libraries(moved / "debian", moved / "lib")
    assert [path.name for path in (moved / "lib").iterdir()] == ["libatomic.so.1"]
    assert (moved / "lib/libatomic.so.1").exists()


def test_a_browser_is_told_where_unpacked_fonts_lie(tree: Path) -> None:
    (tree / "etc/fonts").mkdir(parents=True)
    write_launchers(tree, tree.parent / "bin", {"chromium": "usr/bin/chromium"})
    config = ElementTree.parse(ask(tree.parent / "bin/chromium")[2]).getroot()
    assert config.findtext("dir") == str(tree / "usr/share/fonts")
