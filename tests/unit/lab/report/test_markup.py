"""Elements: text stays text."""

import pytest

from lab.report.markup import path_data, render, tag, unbroken


def test_text_and_attributes_are_escaped() -> None:
    text = render(tag("p", {"title": '"><script>'}, "<b>&", tag("i", {}, "x"), "</p>"))
    assert text == '<!doctype html>\n<p title="&quot;&gt;<script&gt;">&lt;b&gt;&amp;<i>x</i>&lt;/p&gt;</p>\n'


def test_children_keep_their_order_and_none_is_left_out() -> None:
    assert "<p>a<b></b>bc<i></i></p>" in render(tag("p", {}, "a", tag("b"), None, "b", "c", tag("i")))


def test_control_characters_and_lone_surrogates_are_replaced() -> None:
    text = render(tag("p", {"title": "a\x00b"}, "c\x1bd\ud800e"))
    assert text.encode()
    assert text.count("\ufffd") == 3


def test_a_path_goes_through_its_points_without_drifting() -> None:
    assert path_data([(0.0, 0.0), (1.04, 2.0), (2.08, 2.0)]) == "M0 0l1 2l1.1 0"
    assert path_data([]) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("34 ms (31\u201337) faster", "34\u00a0ms (31\u2060\u2013\u206037) faster"),
        ("95 % of 5 runs", "95\u00a0% of 5 runs"),
        ("a \u2013 b", "a \u2013 b"),
        ("as single-far is", "as single-\u2060far is"),
    ],
)
def test_numbers_stay_with_their_units(text: str, expected: str) -> None:
    assert unbroken(text) == expected
