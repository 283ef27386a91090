"""``starling rtt``: a pair, the matrix, the map, by answers that the test makes up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from node.admin import Members, RttPair, Rtts
from node.cli import main, rtt
from node.cli.rtt import describe, find_pair, matrix_rows
from node.errors import NodeStartError
from tests.unit.node.cli.overviews import an_overview

if TYPE_CHECKING:
    from collections.abc import Callable

RTTS = Rtts(
    me="ada",
    nodes=("ada", "bob", "cyd", "dan"),
    pairs=(
        RttPair(a="ada", b="bob", rtt_ms=81.64, error_ms=2.4, source="link", confidence=0.97),
        RttPair(a="ada", b="cyd", rtt_ms=170.0, error_ms=15.0, source="coordinates", confidence=0.9),
        RttPair(a="ada", b="dan"),
        RttPair(a="bob", b="cyd", rtt_ms=99.0, error_ms=30.0, source="positions", confidence=0.8),
        RttPair(a="bob", b="dan"),
        RttPair(a="cyd", b="dan"),
    ),
)


@pytest.fixture(autouse=True)
def node(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Answers; what was asked for."""
    asked: list[object] = []

    def ask(_config: object, _data_dir: object, topic: str, _kind: object) -> Rtts | Members:
        asked.append(topic)
        return RTTS if topic == "rtt" else an_overview(rtts=RTTS).members

    monkeypatch.setattr(rtt, "ask_local", ask)
    return asked


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str, str]]:
    def call(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(("rtt", *arguments))
        said = capsys.readouterr()
        return caught.value.code, said.out, said.err

    return call


def test_a_pair_is_found_either_way_round() -> None:
    assert find_pair(RTTS, "cyd", "bob") is RTTS.pairs[3]
    assert find_pair(RTTS, "bob", "bob").rtt_ms == 0
    with pytest.raises(NodeStartError, match="there are ada, bob, cyd, dan") as caught:
        find_pair(RTTS, "bob", "eve")
    assert caught.value.code == "member_unknown"


def test_a_pair_is_one_line() -> None:
    assert describe(RTTS.pairs[0]) == "ada - bob: 81.6 ms +/- 2.4 (link, confidence 0.97)"
    assert describe(RTTS.pairs[2]) == "ada - dan: nothing is known yet"


def test_the_matrix_is_whole_and_marks_what_is_not_measured() -> None:
    assert list(matrix_rows(RTTS)) == [
        ("ada", "-", "81.6", "~170.0", ""),
        ("bob", "81.6", "-", "?99.0", ""),
        ("cyd", "~170.0", "?99.0", "-", ""),
        ("dan", "", "", "", "-"),
    ]


def test_the_matrix_says_what_its_marks_mean(run: Callable[..., tuple[object, str, str]]) -> None:
    said = run("--matrix")[1].splitlines()[-1]
    assert said == (
        "round trips in ms; no mark: measured by the link between the two; ~ estimated from network coordinates; "
        "? guessed from the map; empty: nothing is known"
    )
    measured = Rtts(me="ada", nodes=("ada", "bob"), pairs=RTTS.pairs[:1])
    assert rtt.legend(measured) == "round trips in ms; no mark: measured by the link between the two"


def test_one_name_is_measured_from_here(run: Callable[..., tuple[object, str, str]]) -> None:
    assert run("bob")[:2] == (0, "ada - bob: 81.6 ms +/- 2.4 (link, confidence 0.97)\n")
    assert run("cyd", "bob")[1].startswith("bob - cyd: 99.0")
    assert json.loads(run("bob", "--json")[1])["source"] == "link"
    assert run("dan")[0] == 1  # nothing is known
    assert run("eve")[0] == 1


@pytest.mark.parametrize("arguments", [(), ("a", "--matrix"), ("a", "--map"), ("a", "b", "c")])
def test_wrong_usage_says_what_is_right(
    run: Callable[..., tuple[object, str, str]], node: list[object], arguments: tuple[str, ...]
) -> None:
    code, _, err = run(*arguments)
    assert (code, node) == (2, [])
    assert "starling rtt" in err


def test_the_map_holds_members_and_figures(run: Callable[..., tuple[object, str, str]], node: list[object]) -> None:
    code, out, _ = run("--map")
    assert (code, node) == (0, ["members", "rtt"])
    for part in ("ada", "bob", " 82 ", "without a position (node.latitude, node.longitude): cyd"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 100
    assert "~170.0" in run("--map", "--matrix")[1]
    told = json.loads(run("--map", "--json")[1])
    assert [one["node"] for one in told["members"]] == ["ada", "bob", "cyd"]
    assert told["rtts"]["me"] == "ada"


def test_off_utf_8_the_map_is_ascii(
    run: Callable[..., tuple[object, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert run("--map")[1].isascii()
