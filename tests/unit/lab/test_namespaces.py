"""What can be said of namespaces without making one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from lab import LabError, namespaces

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(namespaces, "NAMESPACES", tmp_path)
    return tmp_path


def test_only_what_a_dead_process_left_is_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    monkeypatch.setattr(namespaces, "remove", removed.append)
    mine = namespaces.name_of(namespaces.new_prefix(), "fra1")
    same_pid = f"starling-{os.getpid()}-1-1-fra1"  # the number was somebody else's before
    dead = "starling-999999999-5-1-sin-2"
    for name in (mine, same_pid, dead, "starling-mine", "w-fra1", "starling-12-x-1-a"):
        (folder / name).touch()
    assert set(namespaces.remove_stale()) == {same_pid, dead}
    assert set(removed) == {same_pid, dead}


def test_every_network_has_names_of_its_own() -> None:
    assert namespaces.new_prefix() != namespaces.new_prefix()


def test_others_than_root_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="root: run it with sudo") as caught:
        namespaces.check_permission()
    assert caught.value.code == "not_permitted"


def test_a_machine_without_tun_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(namespaces, "TUN", tmp_path / "tun")
    with pytest.raises(LabError, match="modprobe tun"):
        namespaces.check_permission()


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(namespaces, "TUN", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="iproute2") as caught:
        namespaces.check_permission()
    assert caught.value.code == "program_missing"
