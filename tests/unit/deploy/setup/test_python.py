"""What makes set-up build the engine again."""

from pathlib import Path

from deploy.setup.python import crate_sources


def test_sources_are_found_and_builds_left_out(tmp_path: Path) -> None:
    for name in ("Cargo.toml", "src/main.rs", "src/forward/batch.rs", "target/release/starling-sfu"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = {str(path.relative_to(tmp_path)) for path in crate_sources(tmp_path)}
    assert found == {"Cargo.toml", "src/main.rs", "src/forward/batch.rs"}
