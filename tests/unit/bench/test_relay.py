"""Which parts of the benchmark run, and how long they say they take."""

from __future__ import annotations

import pytest

from lab import LabError
from tests.bench import test_relay as relay
from tests.bench.rounds import Rounds


def rounds(*only: str, count: int = 2) -> Rounds:
    return Rounds(count=count, warm_up_s=3, measure_s=4, only=frozenset(only))


def test_parts_are_run_in_order_and_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "check_permission", lambda: None)
    assert [part.name for part in relay.chosen(rounds())] == ["setup", "hop", "legs", "deaths", "growth"]
    assert [part.name for part in relay.chosen(rounds("growth", "hop"))] == ["hop", "growth"]


def test_a_part_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no part hops; there are setup, hop"):
        relay.chosen(rounds("hops"))


def test_without_root_the_others_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise LabError("not_permitted", "needs root")

    monkeypatch.setattr(relay, "check_permission", refuse)
    assert [part.name for part in relay.chosen(rounds())] == ["hop", "legs", "growth"]
    assert "left out: setup, deaths" in capsys.readouterr().out
    assert [part.name for part in relay.chosen(rounds("legs"))] == ["legs"]


def test_all_of_it_takes_some_twelve_minutes_and_less_with_less() -> None:
    assert relay.total_s(relay.PARTS, rounds()) <= 720
    assert relay.total_s(relay.PARTS, rounds(count=1)) < relay.total_s(relay.PARTS, rounds())


def test_the_help_names_every_part() -> None:
    assert relay.__doc__ is not None
    assert all(f"    {part.name}" in relay.__doc__ for part in relay.PARTS)
