"""Launchers for unpacked programs: small shell scripts that set what an installed program would find by itself."""

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from .needs import CA_BUNDLE, NODE_LIBRARY


def library_folders(tree: Path) -> tuple[Path, ...]:
    """Return the folders of unpacked shared libraries: each architecture's folder and those right below it."""
    places = sorted({*tree.glob("usr/lib/*-linux-gnu"), *tree.glob("usr/lib/*-linux-gnu/*/")})
    return tuple(place for place in places if any(place.glob("lib*.so*")))


def script(tree: Path, program: str, target: Path, libraries: Iterable[Path]) -> str:
    """Return the text of one launcher.

    Args:
        tree: Root of the unpacked packages.
        program: The name it is called by, which decides what else it needs.
        target: The program itself.
        libraries: Folders of shared libraries.
    """
    path = ":".join(map(str, libraries))
    lines = [
        "#!/bin/sh",
        f'export LD_LIBRARY_PATH={shlex.quote(path)}"${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"',
        *(f"export {name}={shlex.quote(value)}" for name, value in _variables(tree, program).items()),
        shlex.join(["exec", str(target), *_arguments(tree, program)]) + ' "$@"',
    ]
    return "\n".join(lines) + "\n"


def write_launchers(tree: Path, folder: Path, programs: Mapping[str, str]) -> None:
    """Write a launcher for each program that lies in the tree; rewriting them is harmless.

    Args:
        tree: Root of the unpacked packages.
        folder: Where launchers go; it belongs on PATH.
        programs: Name on PATH -> file inside the tree.
    """
    folder.mkdir(parents=True, exist_ok=True)
    libraries = library_folders(tree)
    for program, inside in programs.items():
        target = tree / inside
        if target.exists():
            launcher = folder / program
            launcher.write_text(script(tree, program, target, libraries), encoding="utf-8")
            launcher.chmod(0o755)


def link_libraries(tree: Path, folder: Path) -> None:
    """Collect what programs outside the tree load from it in a folder that can stand in LD_LIBRARY_PATH for all."""
    folder.mkdir(parents=True, exist_ok=True)
    for library in tree.glob(f"usr/lib/*/{NODE_LIBRARY}"):
        link = folder / library.name
        link.unlink(missing_ok=True)
        link.symlink_to(library)


def write_ca_bundle(tree: Path) -> None:
    """Join unpacked CA certificates into the one file that the package's own script would have made."""
    certificates = sorted(tree.glob("usr/share/ca-certificates/mozilla/*.crt"))
    if certificates:
        bundle = tree / CA_BUNDLE.relative_to("/")
        bundle.parent.mkdir(parents=True, exist_ok=True)
        bundle.write_text("".join(file.read_text(encoding="ascii") for file in certificates), encoding="ascii")


def write_font_config(tree: Path) -> Path:
    """Tell where unpacked fonts lie, and return the file that says so; the packages' own names the system's folder."""
    config = tree / "etc/fonts/unpacked.conf"
    config.write_text(
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n<fontconfig>\n'
        f"  <dir>{escape(str(tree / 'usr/share/fonts'))}</dir>\n"
        f'  <include ignore_missing="yes">{escape(str(tree / "etc/fonts/conf.d"))}</include>\n'
        f"  <cachedir>{escape(str(tree / 'var/cache/fontconfig'))}</cachedir>\n"
        "</fontconfig>\n",
        encoding="utf-8",
    )
    return config


def _variables(tree: Path, program: str) -> dict[str, str]:
    bundle = tree / CA_BUNDLE.relative_to("/")
    match program:
        case "cargo" if bundle.exists():
            return {"CARGO_HTTP_CAINFO": str(bundle)}
        case "chromium" if (tree / "etc/fonts").is_dir():
            return {"FONTCONFIG_FILE": str(write_font_config(tree))}
        case _:
            return {}


def _arguments(tree: Path, program: str) -> list[str]:
    # Headers and start files lie in the tree, not where the compiler was built to look.
    return [f"--sysroot={tree}"] if program in {"cc", "gcc"} else []
