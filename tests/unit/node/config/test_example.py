"""``node.example.toml`` and the code say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node.config import Config, load_config
from node.config.load import KEY_TYPES

EXAMPLE = Path(__file__).parents[4] / "node.example.toml"

SETTING = re.compile(r"^# ([a-z_]+ = .+)$")


def uncommented() -> dict[str, Any]:
    lines = EXAMPLE.read_text().splitlines()
    return tomllib.loads("\n".join(SETTING.sub(r"\1", line) for line in lines))


def test_it_is_a_config_as_it_stands() -> None:
    assert load_config(file=EXAMPLE, environment={}) == load_config(environment={})


def test_it_shows_every_key_once_and_no_other() -> None:
    shown = [(section, key) for section, keys in uncommented().items() for key in keys]
    assert shown == list(KEY_TYPES)


@pytest.mark.parametrize(("section", "key"), list(KEY_TYPES))
def test_it_shows_the_default(section: str, key: str) -> None:
    default = msgspec.to_builtins(getattr(getattr(Config(), section), key))
    shown = uncommented()[section][key]
    if default is None:
        # A default that is absent is shown by an example, and named so.
        assert f"# {key} = {shown}" in EXAMPLE.read_text()
        assert re.search(rf"^# {key} = .*# no default", EXAMPLE.read_text(), re.MULTILINE)
    else:
        assert shown == (list(default) if isinstance(default, tuple) else default)
        assert type(shown) is type(list(default) if isinstance(default, tuple) else default)


@pytest.mark.parametrize(("section", "key"), list(KEY_TYPES))
def test_every_key_is_explained(section: str, key: str) -> None:
    lines = EXAMPLE.read_text().splitlines()
    start = lines.index(f"[{section}]")
    at = next(n for n in range(start, len(lines)) if lines[n].startswith(f"# {key} = "))
    above = at - 1
    while SETTING.match(lines[above]):
        above -= 1
    assert re.match(r"^# \S", lines[above]), f"{section}.{key} has no comment above it"
