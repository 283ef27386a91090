from __future__ import annotations

import json

import pytest
import structlog

from node.config import LogConfig
from node.logging import set_up_logging


def fail_with(token: str) -> None:
    raise RuntimeError(f"failed with a name of {len(token)} letters")


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_exception_shows_no_local_variable(capsys: pytest.CaptureFixture[str], form: str) -> None:
    set_up_logging(LogConfig(format=form), node_id="a")  # type: ignore[arg-type]
    try:
        fail_with("-".join(("very", "secret", "token")))
    except RuntimeError:
        structlog.get_logger().exception("failed")
    said = capsys.readouterr().err
    assert "failed with a name of 17 letters" in said
    assert "very-secret-token" not in said


def test_json_lines_begin_with_what_is_asked_first(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogConfig(), node_id="a")
    structlog.get_logger().debug("hidden")
    structlog.get_logger().info("link_up", peer="b", rtt_ms=3)
    (line,) = capsys.readouterr().err.splitlines()
    record = json.loads(line)
    assert list(record) == ["timestamp", "level", "node", "event", "peer", "rtt_ms"]
    assert (record["node"], record["event"]) == ("a", "link_up")
