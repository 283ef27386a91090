"""The file of revoked node keys."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from membership.errors import GossipSetupError
from membership.members.revocations import MAX_FILE_BYTES, read_revoked_keys

if TYPE_CHECKING:
    from pathlib import Path

KEY = bytes(range(224, 256))
WRITTEN = base64.urlsafe_b64encode(KEY).decode()


def test_keys_are_read_with_and_without_padding_and_words_to_them(tmp_path: Path) -> None:
    other = bytes(32)
    file = tmp_path / "revoked"
    file.write_text(
        f"# stolen in May\n\n{WRITTEN}\n  {WRITTEN.rstrip('=')}  # the same\n"
        f"{base64.urlsafe_b64encode(other).decode().rstrip('=')}\n"
    )
    assert read_revoked_keys(file) == {KEY, other}
    file.write_text("")
    assert read_revoked_keys(file) == frozenset()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"sin-1\n", "line 1 is no node key"),
        (b"# fine\n" + WRITTEN.encode() + b"AA\n", "line 2 is no node key"),
        (b"\xff\xfe", "is no text"),
        (b"#" * (MAX_FILE_BYTES + 1), "is longer than"),
        (None, "cannot be read: no such file"),
    ],
)
def test_what_is_no_such_file_is_refused_with_the_next_step(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "revoked"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(GossipSetupError, match=said) as caught:
        read_revoked_keys(file)
    assert caught.value.code == "revoked_keys_invalid"
