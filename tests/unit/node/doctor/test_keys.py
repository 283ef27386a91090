"""Which gossip key a doctor knocks with."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from node.config import load_config
from node.doctor.keys import gossip_key_in_use

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def test_after_a_rotation_it_is_the_keyrings(tmp_path: Path) -> None:
    file = tmp_path / "gossip.key"
    file.write_text(f"{OLD}\n")
    file.chmod(0o600)
    flags = {
        ("mesh", "gossip_key_file"): str(file),
        ("store", "kind"): "redis",
        ("store", "url"): "redis://127.0.0.1",
        ("tokens", "cluster_keys_file"): "cluster-keys.json",
    }
    config = load_config(file=None, flags=flags, extra=(), environment={})
    assert gossip_key_in_use(config, tmp_path) == OLD
    (tmp_path / "gossip").mkdir()
    (tmp_path / "gossip" / "keyring.json").write_text(json.dumps([NEW, OLD]))
    assert gossip_key_in_use(config, tmp_path) == NEW
