"""What a machine must offer, how to see whether it does, and which Debian packages bring it."""

import ctypes
import importlib.util
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

# Version questions answer at once; a toolchain proxy that wants to download first may take this long, in seconds.
PROBE_DEADLINE_S = 60.0

# Loaded from the system by the node program that playwright and pyright bring along.
NODE_LIBRARY = "libatomic.so.1"

# Debian splits pip off from Python; its wheel lies here, inside a package.
PIP_WHEEL = "usr/share/python-wheels/pip-*.whl"
# Where Debian keeps the certificates that cargo checks a registry against.
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing a machine must offer."""

    name: str
    """What a person calls it."""

    present: Callable[[], bool]
    """Looks at the machine, without changing it."""

    packages: tuple[tuple[str, ...], ...]
    """Sets of Debian packages, the best first; the first set that is new enough is taken."""

    least: tuple[int, ...] = ()
    """The version that the first package of a set must have; empty where any will do."""

    programs: Mapping[str, str]
    """Name on PATH -> file inside the packages, for the launchers of unpacked packages."""

    otherwise: str
    """The next step, as a sentence, for where Debian packages are out of reach."""

    evidence: str = ""
    """Glob inside unpacked packages, for what no PATH can show."""


def on_path(*names: str) -> bool:
    """Say whether every one of these programs is on PATH."""
    return all(shutil.which(name) for name in names)


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def parse_version(text: str) -> tuple[int, ...]:
    """Return the first dotted number in a text, `(1, 96, 0)` for `cargo 1.96.0`; empty when there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def rust_version(manifest: Path) -> tuple[int, ...]:
    """Return the oldest Rust the engine builds with, from its Cargo manifest.

    Raises:
        OSError: The manifest cannot be read.
        KeyError: It states no `rust-version`.
    """
    package = tomllib.loads(manifest.read_text(encoding="utf-8"))["package"]
    return parse_version(package["rust-version"])


def _cargo_is(least: tuple[int, ...]) -> bool:
    if not on_path("cargo", "rustc"):
        return False
    try:
        said = subprocess.run(
            ["cargo", "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_DEADLINE_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return parse_version(said.stdout) >= least


def _same(folder: str, *names: str) -> dict[str, str]:
    return {name: f"{folder}/{name}" for name in names}


def needs(manifest: Path) -> tuple[Need, ...]:
    """List everything, in the order a person would install it.

    Args:
        manifest: The engine's Cargo.toml, which states how old Rust may be.
    """
    rust = rust_version(manifest)
    rust_name = f"Rust {'.'.join(map(str, rust))} or newer"
    return (
        Need(
            name="certificates",
            present=CA_BUNDLE.exists,
            packages=(("ca-certificates",),),
            programs={},
            otherwise="Install your system's CA certificates.",
            evidence=str(CA_BUNDLE.relative_to("/")),
        ),
        Need(
            name="venv",
            present=lambda: importlib.util.find_spec("ensurepip") is not None,
            packages=(("python3-venv", "python3-pip-whl"),),
            programs={},
            otherwise="Install Python's venv and ensurepip modules.",
            evidence=PIP_WHEEL,
        ),
        Need(
            name="libatomic",
            present=lambda: _loads(NODE_LIBRARY),
            packages=(("libatomic1",),),
            programs={},
            otherwise=f"Install the GCC runtime library {NODE_LIBRARY}.",
            evidence=f"usr/lib/*/{NODE_LIBRARY}",
        ),
        Need(
            name="C compiler",
            present=lambda: on_path("cc"),
            packages=(("gcc", "libc6-dev", "binutils"),),
            programs={
                "cc": "usr/bin/gcc",
                **_same("usr/bin", "gcc", "ar", "as", "ld", "nm", "objcopy", "ranlib", "strip"),
            },
            otherwise="Install a C compiler that answers to `cc`.",
        ),
        Need(
            name="cmake",
            present=lambda: on_path("cmake", "make"),
            packages=(("cmake", "make"),),
            programs=_same("usr/bin", "cmake", "make"),
            otherwise="Install cmake and make.",
        ),
        Need(
            name=rust_name,
            present=lambda: _cargo_is(rust),
            packages=(
                ("cargo", "rustc", "rustfmt", "rust-clippy"),
                # Debian's stable releases keep a second, newer Rust for their browsers.
                ("cargo-web", "rustc-web", "rustfmt-web", "rust-web-clippy"),
            ),
            least=rust,
            programs=_same(
                "usr/bin", "cargo", "rustc", "rustdoc", "rustfmt", "cargo-fmt", "cargo-clippy", "clippy-driver"
            ),
            otherwise=f"Install {rust_name} with rustup.",
        ),
        Need(
            name="serf",
            present=lambda: on_path("serf"),
            packages=(("serf",),),
            programs=_same("usr/bin", "serf"),
            otherwise="Install HashiCorp Serf so that `serf` is on PATH.",
        ),
        Need(
            name="redis-server",
            present=lambda: on_path("redis-server"),
            packages=(("redis-server", "redis-tools"),),
            programs=_same("usr/bin", "redis-server"),
            otherwise="Install Redis so that `redis-server` is on PATH.",
        ),
        Need(
            name="ip",
            present=lambda: on_path("ip"),
            packages=(("iproute2",),),
            programs=_same("bin", "ip"),
            otherwise="Install iproute2 so that `ip` is on PATH.",
        ),
        Need(
            name="chromium",
            present=lambda: on_path("chromium"),
            packages=(("chromium",),),
            programs={"chromium": "usr/lib/chromium/chromium"},
            otherwise="Install Chromium so that `chromium` is on PATH.",
        ),
    )
