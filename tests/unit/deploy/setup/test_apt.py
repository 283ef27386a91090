"""What apt says, and which packages are taken."""

import pytest

from deploy.setup import apt
from deploy.setup.errors import SetupError
from deploy.setup.needs import Need

SIMULATION = """\
Reading package lists...
The following packages will be REMOVED:
  rustc
Remv rustc [1.63.0+dfsg1-2]
Inst libllvm22 (1:22.1.8-1~deb12u1 Debian-Security:12/oldstable-security [amd64])
Inst libssl3 [3.0.15-1] (3.0.20-1 Debian-Security:12/oldstable-security [amd64])
Inst rustc-web (1.96.0+dfsg1-1~deb12u2 Debian-Security:12/oldstable-security [amd64])
Conf rustc-web (1.96.0+dfsg1-1~deb12u2 Debian-Security:12/oldstable-security [amd64])
"""


def record(name: str, version: str) -> str:
    return f"Package: {name}\nVersion: {version}\nDepends: libc6 (>= 2.34)\n"


def rust(*packages: tuple[str, ...]) -> Need:
    return Need(
        name="Rust",
        present=lambda: False,
        packages=packages,
        least=(1, 89),
        programs={},
        otherwise="Install Rust.",
    )


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Versions by package name, instead of what this machine's apt knows."""
    versions: dict[str, str] = {}

    def ask(*command: str) -> str | None:
        name = command[-1]
        return record(name, versions[name]) if name in versions else None

    monkeypatch.setattr(apt, "_ask", ask)
    return versions


def test_a_simulation_is_read() -> None:
    plan = apt.parse_plan(SIMULATION)
    assert plan.installs == ("libllvm22", "libssl3", "rustc-web")
    assert plan.removes == ("rustc",)


@pytest.mark.parametrize("text", ["", "Inst", "Inst\nRemv \n", "Instead of words\n"])
def test_other_lines_are_skipped(text: str) -> None:
    assert apt.parse_plan(text) == apt.Plan(installs=(), removes=())


@pytest.mark.parametrize(
    ("version", "chosen"),
    [("1.63.0+dfsg1-2", "cargo-web"), ("1.90.0-1", "cargo"), ("1:1.90.0-1", "cargo"), ("90:1.63.0-1", "cargo-web")],
)
def test_the_first_set_that_is_new_enough_is_taken(archive: dict[str, str], version: str, chosen: str) -> None:
    archive |= {"cargo": version, "cargo-web": "1.96.0+dfsg1-1~deb12u2"}
    assert apt.choose(rust(("cargo",), ("cargo-web",))) == (chosen,)


def test_a_set_with_an_unknown_package_is_passed_over(archive: dict[str, str]) -> None:
    archive |= {"cargo": "1.96.0", "cargo-web": "1.96.0"}
    assert apt.choose(rust(("cargo", "unknown"), ("cargo-web",))) == ("cargo-web",)


@pytest.mark.parametrize("known", [{}, {"cargo": "1.63.0"}])
def test_without_a_good_set_the_next_step_is_said(archive: dict[str, str], known: dict[str, str]) -> None:
    archive |= known
    with pytest.raises(SetupError, match=r"packages have no Rust\. Install Rust\."):
        apt.choose(rust(("cargo",)))


def test_what_apt_cannot_satisfy_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "_ask", lambda *_: None)
    with pytest.raises(SetupError, match="apt cannot install serf"):
        apt.plan(["serf"])
