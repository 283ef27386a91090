"""Names of former agents: kept over restarts, bounded, and never a reason not to start."""

from pathlib import Path

import pytest

from membership.agent.former_names import MAX_NAMES, FormerNames


def test_names_are_kept_in_order_once_each_and_struck_off(tmp_path: Path) -> None:
    names = FormerNames(tmp_path)
    assert names.read() == ()
    for name in ("ada-1", "ada-2", "ada-1", "ada-3"):
        names.note(name)
    assert FormerNames(tmp_path).read() == ("ada-2", "ada-1", "ada-3")
    names.forget("ada-1")
    names.forget("ada-1")
    assert names.read() == ("ada-2", "ada-3")


def test_the_oldest_are_dropped(tmp_path: Path) -> None:
    names = FormerNames(tmp_path)
    for number in range(MAX_NAMES + 5):
        names.note(f"ada-{number}")
    assert names.read() == tuple(f"ada-{number}" for number in range(5, MAX_NAMES + 5))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\x00\xfe\n" * 10, b"x" * 100_000])
def test_a_spoilt_file_is_written_over(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "former-names").write_bytes(content)
    names = FormerNames(tmp_path)
    names.note("ada-1")
    assert names.read()[-1] == "ada-1"
