"""Stamps decide whether a second run starts at once or does too little."""

from pathlib import Path

import pytest

from deploy.setup.stamp import Stamp, digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    return tmp_path


def test_the_order_of_files_does_not_matter(tree: Path) -> None:
    a, b = tree / "a", tree / "b"
    assert digest(tree, [a, b], "3.11") == digest(tree, [b, a], "3.11")


def test_contents_count(tree: Path) -> None:
    before = digest(tree, [tree / "a"])
    (tree / "a").write_text("other")
    assert digest(tree, [tree / "a"]) != before


def test_names_count(tree: Path) -> None:
    before = digest(tree, [tree / "a"])
    moved = (tree / "a").rename(tree / "c")
    assert digest(tree, [moved]) != before


def test_facts_count_one_by_one(tree: Path) -> None:
    assert digest(tree, [], "ab", "c") != digest(tree, [], "a", "bc")


def test_a_stamp_holds_only_what_was_written(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / "deep" / "x.stamp")
    assert not stamp.holds("abc")
    stamp.write("abc")
    assert stamp.holds("abc")
    assert not stamp.holds("abd")


def test_a_cleared_stamp_holds_nothing(tmp_path: Path) -> None:
    stamp = Stamp(tmp_path / "x.stamp")
    stamp.clear()
    stamp.write("abc")
    stamp.clear()
    assert not stamp.holds("abc")
