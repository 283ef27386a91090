"""Fetch Debian packages and unpack them into the project, for where nobody is root.

The packages are checked by apt like installed ones (signed lists, hashes). Their maintainer scripts do not run; what
those would have done and we need is done by the launchers (`launcher.py`).
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import apt
from .errors import SetupError
from .install import INSTALL_DEADLINE_S
from .step import Step

# Merged since Debian 12; without the links a library would land beside the folder its program looks in.
MERGED = ("bin", "sbin", "lib", "lib64")
# The host's loader only works with the host's own C library, so this one is linked, never unpacked.
C_LIBRARY = "libc6"
# What the linker scripts of libc6-dev and gcc name; every host has them, so apt does not fetch them.
HOST_LIBRARIES = ("libc.so.6", "libm.so.6", "libmvec.so.1", "libgcc_s.so.1", "ld-linux-x86-64.so.2")


def unpack(step: Step, packages: Sequence[str], tree: Path, options: Sequence[str]) -> None:
    """Fetch packages with those of their dependencies that the machine lacks, and unpack them.

    Args:
        step: Where progress and logs go.
        packages: Wanted packages; fetched even when dpkg says they are installed, as their programs were not found.
        tree: The folder that becomes the root of the unpacked files.
        options: apt's options (`apt.private_lists`).

    Raises:
        SetupError: Fetching or unpacking failed.
    """
    archives = tree.parent / "archives"
    shutil.rmtree(archives, ignore_errors=True)
    archives.mkdir(parents=True)
    for name in MERGED:
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (tree / name).is_symlink():
            (tree / name).symlink_to(f"usr/{name}")
    names = sorted({*packages, *apt.plan(packages, options).installs} - {C_LIBRARY})
    step.run(
        ["env", "-C", archives, "apt-get", *options, "download", *names],
        deadline_s=INSTALL_DEADLINE_S,
    )
    fetched = sorted(archives.glob("*.deb"))
    if len(fetched) < len(names):
        raise SetupError(f"apt fetched {len(fetched)} of {len(names)} packages.")
    for package in fetched:
        _extract(package, tree)
    _link_host_libraries(tree)
    shutil.rmtree(archives)


def _extract(package: Path, tree: Path) -> None:
    """Unpack one package, through the merged folders' links rather than over them."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE) as opened:
        done = subprocess.run(
            ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "--directory", tree],
            stdin=opened.stdout,
            capture_output=True,
            text=True,
            timeout=INSTALL_DEADLINE_S,
            check=False,
        )
    if opened.returncode or done.returncode:
        raise SetupError(f"{package.name} cannot be unpacked: {done.stderr.strip()}.")


def _link_host_libraries(tree: Path) -> None:
    """Let a compiler whose root is the tree link against the host's own libraries."""
    for host in Path("/lib").glob("*-linux-gnu"):
        for name in HOST_LIBRARIES:
            link = tree / "usr" / host.relative_to("/") / name
            if (host / name).exists() and link.parent.is_dir() and not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(host / name)
    for loader in Path("/lib64").glob("ld-linux*"):
        link = tree / "usr/lib64" / loader.name
        if not link.exists():
            link.unlink(missing_ok=True)
            link.symlink_to(loader)
