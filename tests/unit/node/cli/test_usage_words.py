"""Nobody who mistypes an argument reads the words of the library that parses it."""

from __future__ import annotations

import re

import pytest

from node.cli import main

FOREIGN = re.compile(r"Input|Value error|Invalid value|pars(e|ing)|valid ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("top", "--interval", "x"), "'--interval': it has to be a number"),
        (("top", "--interval", "nan"), "'--interval': it has to be "),
        (("top", "--interval", "0.1"), "'--interval': it has to be at least 0.5"),
        (("top", "--interval", "1e9"), "'--interval': it has to be at most 3600"),
        (("node", "drain", "--batch", "1.5"), "'--batch': it has to be a whole number"),
        (("node", "drain", "--batch", "x"), "'--batch': it has to be a whole number"),
        (("node", "drain", "--deadline", "soon"), "--deadline: 'soon' is no time up to a day: say 90s, 5m or 1h"),
        (("node", "eligibility", "maybe"), "'switch': 'maybe' is not one of 'on', 'off'"),
        (("monitor", "--level", "loud"), "'--level': 'loud' is not one of 'debug', 'info', 'warning', 'error'"),
        (("monitor", "--count", "0"), "'--count': it has to be at least 1"),
        (("keys", "rotat"), "'action': 'rotat' is not one of 'list'"),
        (("rtt", "a", "b", "c"), "c"),
    ],
)
def test_a_mistyped_argument_is_told_in_our_words(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    text = capsys.readouterr().err
    assert said in text
    assert FOREIGN.search(text) is None, text
