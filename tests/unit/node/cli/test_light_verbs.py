"""A verb that asks the node one question, or prints help, does not import what only a node needs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pathlib import Path

HEAVY: Final = frozenset(
    {
        "accounts", "aioice", "argon2", "cryptography", "durable", "httpx", "hypercorn", "joserfc", "lab", "membership",
        "msgpack", "node.admin.desk", "node.admin.listener", "node.conductor", "node.drain", "node.explain",
        "node.http", "node.lab", "node.service", "prometheus_client", "quart", "redis", "relay", "session", "sfu",
        "sqlalchemy", "trio_websocket",
    }
)  # fmt: skip

PROGRAM: Final = """
import json, sys
from node.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    print(json.dumps({"code": end.code, "modules": sorted(sys.modules)}))
"""


@pytest.mark.parametrize(
    ("verb", "code"),
    [
        (("--help",), 0),
        (("status",), 3),
        (("members",), 3),
        (("links",), 3),
        (("rtt", "a", "b"), 3),
        (("top", "--once"), 3),
        (("events", "--history"), 3),
        (("node", "status"), 3),
        (("join", "127.0.0.1:7946"), 3),
        (("keys", "list"), 3),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_light_verb_imports_nothing_heavy(verb: tuple[str, ...], code: int, tmp_path: Path) -> None:
    folder = () if verb[0] == "--help" else ("--data-dir", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *verb, *folder], capture_output=True, text=True, check=False, timeout=60
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["code"] == code, done.stderr
    assert sorted(HEAVY & set(told["modules"])) == []


@pytest.mark.parametrize("name", ["ask_node", "Members", "open_admin", "TrackOrder"])
def test_what_the_listener_offers_is_found_when_it_is_asked_for(name: str) -> None:
    import node.admin

    assert name in node.admin.__all__
    assert getattr(node.admin, name).__name__ == name


def test_all_that_the_listener_offers_is_there_and_nothing_else() -> None:
    import node.admin

    assert {name for name in node.admin.__all__ if getattr(node.admin, name, None) is None} == set()
    assert set(node.admin._PLACES) == set(node.admin.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        node.admin.__getattr__("nothing")
