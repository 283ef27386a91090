"""Where set-up keeps things; all of it inside the project."""

import sys
from dataclasses import dataclass
from pathlib import Path

from .needs import CA_BUNDLE, PIP_WHEEL


@dataclass(frozen=True)
class Places:
    """The project's folders and files as set-up sees them."""

    root: Path

    @property
    def manifest(self) -> Path:
        """The engine's Cargo manifest."""
        return self.root / "sfu/engine/Cargo.toml"

    @property
    def emulator(self) -> Path:
        """The crate of the lab's network."""
        return self.root / "lab/emulator"

    @property
    def lock(self) -> Path:
        """The hashed list of Python dependencies."""
        return self.root / "requirements.lock"

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """The virtual environment's interpreter."""
        return self.venv / "bin/python"

    @property
    def tools(self) -> Path:
        """Everything of the unprivileged route."""
        return self.root / ".tools"

    @property
    def tree(self) -> Path:
        """Root of the unpacked packages."""
        return self.tools / "debian"

    @property
    def launchers(self) -> Path:
        """Launchers of unpacked programs; the Makefile has it on PATH."""
        return self.tools / "bin"

    @property
    def libraries(self) -> Path:
        """The few unpacked libraries that programs outside need; the Makefile has it in LD_LIBRARY_PATH."""
        return self.tools / "lib"

    @property
    def records(self) -> Path:
        """Logs and stamps."""
        return self.root / "build/setup"

    @property
    def unpacked_ca_bundle(self) -> Path:
        """CA certificates of the unprivileged route, where it brought them."""
        return self.tree / CA_BUNDLE.relative_to("/")

    def unpacked_pip(self) -> Path | None:
        """Return pip's wheel from an unpacked package, which stands in for a missing ensurepip."""
        return next(self.tree.glob(PIP_WHEEL), None)

    def log(self, step: str) -> Path:
        """Return the log file of a step."""
        return self.records / f"{step}.log"

    def stamp(self, step: str) -> Path:
        """Return the stamp file of a step."""
        return self.records / f"{step}.stamp"

    def interpreter(self) -> str:
        """Name the interpreter and the place of the project; a virtual environment outlives a change of neither."""
        return f"{sys.version} {sys.base_prefix} {self.root}"
