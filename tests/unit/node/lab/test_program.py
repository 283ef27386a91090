from __future__ import annotations

from typing import TYPE_CHECKING

from node.lab.program import fingerprint_program

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_another_engine_is_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = tmp_path / "starling-sfu"
    engine.write_bytes(b"one build")
    engine.chmod(0o755)
    monkeypatch.setenv("STARLING_SFU", str(engine))
    before = fingerprint_program()
    assert fingerprint_program() == before
    engine.write_bytes(b"another one")
    assert fingerprint_program() != before
