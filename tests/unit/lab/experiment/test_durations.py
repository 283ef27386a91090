"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab import LabError
from lab.experiment.durations import LEAST_S, MOST_S, parse_duration, written


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("60s", 60), ("10m", 600), ("1h", 3600), ("1h30m", 5400), (" 2m5s ", 125)]
)
def test_what_people_write_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "4s", "25h", "1d", "-60s", "1.5h", "60 s", "10m1h", "²0s"])
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(LabError, match="write 60s, 10m, 1h") as refused:
        parse_duration(text)
    assert refused.value.code == "duration_invalid"


@given(st.integers(LEAST_S, MOST_S))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert parse_duration(written(seconds)) == seconds
