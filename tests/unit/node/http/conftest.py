from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.node.http.fakes import FakeBackend

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def web_root(tmp_path: Path) -> Path:
    root = tmp_path / "web"
    (root / "sdk").mkdir(parents=True)
    (root / "index.html").write_text("<!doctype html><title>Starling</title>")
    (root / "sdk" / "starling.js").write_text("export const version = 1;\n")
    (root / "notes.txt").write_text("not part of the page")
    (root / "big.js").write_text("//" + "x" * 4_000_000)
    return root
