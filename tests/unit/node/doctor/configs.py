"""Settings for the doctor's tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from node.config import Config

if TYPE_CHECKING:
    from pathlib import Path

KEY = "MDEyMzQ1Njc4OWFiY2RlZg=="
"""A gossip key of 16 bytes."""


def a_config(folder: Path, **sections: dict[str, object]) -> Config:
    """Settings of a node that keeps its things in a folder; everything else is as given, or the default."""
    folder_of = {"id": "ada", "data_dir": str(folder)}
    given = {
        **sections,
        "node": {**folder_of, **sections.get("node", {})},
        "tokens": {"cluster_keys_file": str(folder / "cluster-keys.json"), **sections.get("tokens", {})},
    }
    return msgspec.convert(given, Config)
