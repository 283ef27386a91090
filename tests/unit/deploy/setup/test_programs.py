"""Which route brings what is missing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from deploy.setup import apt, programs
from deploy.setup.errors import SetupError
from deploy.setup.needs import Need
from deploy.setup.places import Places


class Machine:
    """A machine without apt's packages on disk: remembers what was installed and unpacked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> None:
        self.has_apt = True
        self.root = True
        self.broken = False
        self.removals: dict[str, tuple[str, ...]] = {}
        self.installed: list[str] = []
        self.unpacked: list[str] = []
        wanted = tuple(self._need(name) for name in names)
        monkeypatch.setattr(programs, "needs", lambda _: wanted)
        monkeypatch.setattr(apt, "available", lambda: self.has_apt)
        monkeypatch.setattr(apt, "is_root", lambda: self.root)
        monkeypatch.setattr(apt, "private_lists", self._private_lists)
        monkeypatch.setattr(apt, "choose", lambda need, _options=(): need.packages[0])
        monkeypatch.setattr(apt, "plan", self._plan)
        monkeypatch.setattr(programs, "_update", lambda *_: None)
        monkeypatch.setattr(programs, "install", self._bring(self.installed))
        monkeypatch.setattr(programs, "unpack", self._bring(self.unpacked))

    def _need(self, name: str) -> Need:
        return Need(
            name=name,
            present=lambda: name in self.installed + self.unpacked,
            packages=((name,),),
            programs={},
            otherwise=f"Install {name}.",
        )

    def _private_lists(self, folder: Path) -> tuple[str, ...]:
        folder.mkdir(parents=True)
        return ("-o", "private")

    def _plan(self, packages: Sequence[str], _options: Sequence[str] = ()) -> apt.Plan:
        removes = tuple(gone for name in packages for gone in self.removals.get(name, ()))
        return apt.Plan(installs=tuple(packages), removes=removes)

    def _bring(self, pile: list[str]) -> Callable[..., None]:
        def bring(_step: object, packages: Sequence[str], *_: object) -> None:
            if not self.broken:
                pile.extend(packages)

        return bring


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch, ["serf", "rust"])


def test_root_installs(machine: Machine, places: Places) -> None:
    programs.bring_programs(places)
    assert machine.installed == ["serf", "rust"]
    assert not machine.unpacked


def test_another_user_unpacks(machine: Machine, places: Places) -> None:
    machine.root = False
    programs.bring_programs(places)
    assert machine.unpacked == ["serf", "rust"]
    assert not machine.installed


def test_root_unpacks_what_would_remove_something(machine: Machine, places: Places) -> None:
    machine.removals["rust"] = ("old-rust",)
    programs.bring_programs(places)
    assert machine.installed == ["serf"]
    assert machine.unpacked == ["rust"]


def test_nothing_missing_asks_nobody(machine: Machine, places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    machine.installed += ["serf", "rust"]
    machine.has_apt = False
    programs.bring_programs(places)
    assert not capsys.readouterr().out


def test_without_apt_every_next_step_is_said(machine: Machine, places: Places) -> None:
    machine.has_apt = False
    with pytest.raises(SetupError, match=r"(?s)Install serf\..*Install rust\."):
        programs.bring_programs(places)


def test_packages_that_did_not_help_are_said(machine: Machine, places: Places) -> None:
    machine.broken = True
    with pytest.raises(SetupError, match=r"Install serf\."):
        programs.bring_programs(places)
