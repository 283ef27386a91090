"""The keyring on disk: which of two places wins, and that nobody else may read it."""

import base64
import json
from pathlib import Path

import pytest

from membership.keys.keyring import fingerprint_of, is_gossip_key, prepare_keyring, read_keyring

OLD, NEW, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in range(3))


def test_a_new_node_begins_with_its_file(tmp_path: Path) -> None:
    keyring = prepare_keyring(tmp_path, OLD)
    assert read_keyring(keyring) == (OLD,)
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]
    assert OLD not in (tmp_path / "keyring-from").read_text()


def test_a_rotated_keyring_outlives_a_restart_with_the_old_file(tmp_path: Path) -> None:
    keyring = prepare_keyring(tmp_path, OLD)
    keyring.write_text(json.dumps([NEW, OLD]))
    assert read_keyring(prepare_keyring(tmp_path, OLD)) == (NEW, OLD)


def test_a_file_that_has_changed_since_wins_alone(tmp_path: Path) -> None:
    keyring = prepare_keyring(tmp_path, OLD)
    keyring.write_text(json.dumps([NEW, OLD]))
    assert read_keyring(prepare_keyring(tmp_path, OTHER)) == (OTHER,)
    assert read_keyring(prepare_keyring(tmp_path, OTHER)) == (OTHER,)


@pytest.mark.parametrize(
    "damage", ["", "{}", "[]", "[1]", '["short"]', "[" * 100_000, '{"a"', json.dumps([OLD]) + "\n" * 70_000]
)
def test_a_damaged_keyring_begins_anew(damage: str, tmp_path: Path) -> None:
    prepare_keyring(tmp_path, OLD).write_text(damage)
    assert read_keyring(prepare_keyring(tmp_path, OLD)) == (OLD,)


def test_fingerprints_tell_keys_apart_and_not_what_they_are() -> None:
    assert len({fingerprint_of(key) for key in (OLD, NEW, OTHER)}) == 3
    assert len(fingerprint_of(OLD)) == 16
    assert not is_gossip_key("x" * 44)
    assert not is_gossip_key(base64.b64encode(bytes(20)).decode())
