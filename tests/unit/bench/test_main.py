"""What `python -m tests.bench` says of the benchmarks there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.__main__ import main, names

if TYPE_CHECKING:
    import pytest


def test_help_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "relay" in names()
    assert all(f"    {name} " in shown for name in names())


def test_help_of_one_is_its_story(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relay", "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("relay: What relaying costs")
    assert "STARLING_BENCH_ONLY" in shown


def test_one_that_is_unknown_is_refused_also_for_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["relays", "--help"]) == 2
    assert "no benchmark is called relays; there are: " in capsys.readouterr().out
