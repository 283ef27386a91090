"""The map of members and round trips, as characters."""

from __future__ import annotations

import itertools

import pytest

from node.admin import MemberReport, RttPair
from node.atlas import can_draw_dots, draw_map

CITIES = {
    "amsterdam": (52.37, 4.90),
    "singapore": (1.35, 103.82),
    "virginia": (39.04, -77.49),
    "tokyo": (35.68, 139.69),
    "sydney": (-33.87, 151.21),
    "paulo": (-23.55, -46.63),
}


def member(node: str, place: tuple[float, float] | None, *, state: str = "alive", me: bool = False) -> MemberReport:
    latitude, longitude = place or (None, None)
    return MemberReport(node=node, state=state, latitude=latitude, longitude=longitude, me=me)


def pair(a: str, b: str, rtt_ms: float | None = 82.0, source: str = "link") -> RttPair:
    return RttPair(a=a, b=b, rtt_ms=rtt_ms, error_ms=1.0, source=source)


def drawn(
    members: list[MemberReport], pairs: list[RttPair] | None = None, *, columns: int = 100, dots: bool = True
) -> str:
    if pairs is None:
        pairs = [pair(a.node, b.node) for a, b in itertools.combinations(members, 2)]
    return "\n".join(line.plain for line in draw_map(members, pairs, columns=columns, dots=dots))


def world(count: int = 6) -> list[MemberReport]:
    return [member(name, place, me=name == "amsterdam") for name, place in list(CITIES.items())[:count]]


def row_of(picture: str, text: str) -> int:
    return next(number for number, line in enumerate(picture.splitlines()) if text in line)


def column_of(picture: str, text: str) -> int:
    return next(line.index(text) for line in picture.splitlines() if text in line)


def test_nodes_stand_where_they_are() -> None:
    picture = drawn(world(), [])
    north_to_south = sorted(CITIES, key=lambda name: -CITIES[name][0])
    assert [row_of(picture, name) for name in north_to_south] == sorted(row_of(picture, name) for name in CITIES)
    assert column_of(picture, "virginia") < column_of(picture, "amsterdam") < column_of(picture, "tokyo")


@pytest.mark.parametrize("columns", [1, 60, 61, 80, 99, 120, 400])
@pytest.mark.parametrize("dots", [True, False])
def test_no_line_is_longer_than_the_terminal(columns: int, dots: bool) -> None:
    many = [member(f"n{number}", (number * 3 - 50, number * 9 % 360 - 180.0), me=number == 0) for number in range(40)]
    for members in ([], world(), many, [*world(), member("x" * 63, None)]):
        picture = drawn(members, columns=columns, dots=dots)
        assert max(map(len, picture.splitlines())) <= min(max(columns, 40), 120)


def test_ascii_is_ascii() -> None:
    picture = drawn(world(), dots=False)
    assert picture.isascii()
    for part in ("@ amsterdam", "* tokyo", "-", "|", "\\", "/", " 82 "):
        assert part in picture


def test_each_figure_says_how_it_is_known() -> None:
    pairs = [
        pair("amsterdam", "virginia", 81.6),
        pair("amsterdam", "singapore", 170.0, "coordinates"),
        pair("amsterdam", "paulo", 160.0, "positions"),
        pair("sydney", "tokyo", None, "unknown"),
    ]
    picture = drawn(world(), pairs)
    for figure in (" 82 ", " ~170 ", " ?160 "):
        assert figure in picture
    assert "82 measured by the link; ~82 estimated from coordinates; ?82 guessed from the map" in picture


def test_links_are_whole_lines_and_estimates_are_broken() -> None:
    def dots_of(source: str) -> int:
        picture = drawn(world(2), [pair("amsterdam", "singapore", source=source)])
        bare = drawn(world(2), [])
        return sum(a != b for a, b in zip(picture, bare, strict=False))

    assert drawn(world(2), []).count("82") == 0
    pictures = {drawn(world(2), [pair("amsterdam", "singapore", 82, source)]) for source in ("link", "coordinates")}
    assert len(pictures) == 2
    assert dots_of("link") > 0


def test_nodes_on_one_meridian_are_joined_by_an_upright_line() -> None:
    members = [member("north", (60.0, 20.0)), member("south", (-30.0, 20.0))]
    picture = drawn(members, dots=False)
    column = column_of(picture, "* north")
    assert column == column_of(picture, "* south")
    between = picture.splitlines()[row_of(picture, "* north") + 1 : row_of(picture, "* south")]
    assert {line[column] for line in between} <= {"|", "8", "2"}
    assert len(between) > 3


def test_a_line_takes_the_short_way_over_the_pacific() -> None:
    picture = drawn(world(), [pair("tokyo", "virginia")], dots=False)
    assert any(line.startswith("---") for line in picture.splitlines())
    row = picture.splitlines()[row_of(picture, "virginia")]
    assert "-" not in row.partition("virginia")[2].partition("tokyo")[0]


def test_nodes_in_one_place_share_a_mark_and_none_is_lost() -> None:
    picture = drawn([member(name, (50.0, 8.0), me=name == "ada") for name in ("ada", "bob", "cyd")])
    assert "ada +2" in picture
    assert "too close for a name: bob, cyd" in picture
    assert "too close for a figure: " in picture
    assert "ada - bob 82" in picture


def test_near_nodes_are_shown_nearer() -> None:
    far, near = ("a", (50.0, 8.0)), ("b", (52.5, 13.4))
    picture = drawn([member(*far), member(*near)])
    assert column_of(picture, "b") - column_of(picture, "a") > 2


def test_with_many_nodes_lines_go_out_from_one() -> None:
    members = [*world(), member("delhi", (28.6, 77.2))]
    picture = drawn(members)
    assert "lines from the node that was asked alone: 6 of 21 round trips" in picture


def test_who_has_no_position_is_named_and_who_left_is_not() -> None:
    picture = drawn([*world(2), member("lost", None), member("gone", (1.0, 1.0), state="left"), member("odd", (99, 0))])
    assert "without a position (node.latitude, node.longitude): lost, odd" in picture
    assert "gone" not in picture


def test_an_empty_cluster_is_a_map() -> None:
    assert len(drawn([]).splitlines()) == 19


def test_a_failed_node_is_marked() -> None:
    assert "x tokyo" in drawn([member("tokyo", CITIES["tokyo"], state="failed")], dots=False)


@pytest.mark.parametrize(
    ("encoding", "term", "can"),
    [
        ("utf-8", "xterm-256color", True),
        ("utf-8", "linux", False),
        ("utf-8", "dumb", False),
        ("ascii", "xterm", False),
        ("iso-8859-1", "xterm", False),
        ("nonsense", "xterm", False),
    ],
)
def test_braille_is_for_terminals_that_have_it(encoding: str, term: str, can: bool) -> None:
    assert can_draw_dots(encoding, term) is can
