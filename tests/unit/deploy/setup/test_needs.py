"""What a machine must offer."""

from pathlib import Path

import pytest

from deploy.setup.needs import needs, on_path, parse_version, rust_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("cargo 1.96.0 (30a34c682 2026-05-25)", (1, 96, 0)),
        ("1.96.0+dfsg1-1~deb12u2", (1, 96, 0)),
        ("1.89", (1, 89)),
        ("cargo nightly", ()),
        ("", ()),
    ],
)
def test_versions_are_read_out_of_what_programs_say(text: str, version: tuple[int, ...]) -> None:
    assert parse_version(text) == version


def test_an_unreadable_version_is_never_new_enough() -> None:
    assert parse_version("nothing") < (1, 89)


def test_versions_compare_as_numbers() -> None:
    assert parse_version("1.100.0") > parse_version("1.89")


def test_the_manifest_says_how_old_rust_may_be(tmp_path: Path) -> None:
    manifest = tmp_path / "Cargo.toml"
    manifest.write_text('[package]\nrust-version = "1.70"\n')
    assert rust_version(manifest) == (1, 70)
    (rust,) = [need for need in needs(manifest) if need.least]
    assert rust.name == "Rust 1.70 or newer"


def test_a_cargo_that_is_too_old_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = tmp_path / "Cargo.toml"
    manifest.write_text('[package]\nrust-version = "1.89"\n')
    for program in ("cargo", "rustc"):
        (tmp_path / program).write_text(f"#!/bin/sh\necho {program} 1.63.0\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (rust,) = [need for need in needs(manifest) if need.least]
    assert not rust.present()
    (tmp_path / "cargo").write_text("#!/bin/sh\necho cargo 1.89.0\n")
    assert rust.present()


def test_every_program_is_wanted(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not on_path("sh")
    for need in needs(root / "sfu/engine/Cargo.toml"):
        if need.programs:
            assert not need.present(), need.name


def test_every_need_names_packages_and_a_next_step(root: Path) -> None:
    for need in needs(root / "sfu/engine/Cargo.toml"):
        assert need.packages, need.name
        assert need.otherwise.endswith("."), need.name
