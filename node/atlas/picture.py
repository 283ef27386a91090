"""The picture: land, a line for each round trip, a mark and a name for each node, figures where there is room.

How a line is drawn says how its figure is known: whole where a link measures it, broken where it is an estimate. Nodes
come first, then their names, then figures; what finds no room is told in words under the map, so nothing is lost.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from rich.text import Text

from membership import Position
from node.atlas.canvas import Canvas
from node.atlas.land import is_land
from node.atlas.ways import Known, how_known, way_label
from node.atlas.window import ROWS_PER_COLUMN, window_around

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from node.admin import MemberReport, RttPair
    from node.atlas.window import Window

MIN_COLUMNS: Final = 40
"""Below this no name has room."""

MAX_COLUMNS: Final = 120
"""Then a square degree is about a dot: a larger map would show no more."""

MAX_MESHED: Final = 6
"""Nodes up to which all 15 round trips are drawn; with more only those of one node."""

MAX_NAME: Final = 16

ME_DOTTED: Final = "\N{FISHEYE}"

ME_ASCII: Final = "@"

ABSENT: Final = frozenset({"left", "refused"})
"""States of members that are nowhere."""

STYLES: Final = {"alive": "bold green", "failed": "bold red"}

LINE_STYLES: Final[Mapping[Known, str]] = {
    Known.LINK: "green",
    Known.COORDINATES: "yellow",
    Known.FLOOR: "magenta",
    Known.POSITIONS: "blue",
}

RHYTHMS: Final[Mapping[Known, str]] = {
    Known.LINK: "x",
    Known.COORDINATES: "xxx ",
    Known.FLOOR: "x ",
    Known.POSITIONS: "x   ",
}
"""Which dots of a line are drawn, over and over."""

FRACTIONS: Final = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8)
"""Where on its line a figure may stand, the best place first."""


def can_draw_dots(encoding: str, term: str | None = None) -> bool:
    """Whether a terminal shows Braille: its encoding must have it, and the console of Linux and `dumb` have no glyphs.

    Args:
        encoding: Of what is written to.
        term: The kind of terminal; the one that `TERM` names if not said.
    """
    if (os.environ.get("TERM", "") if term is None else term) in ("linux", "dumb"):
        return False
    try:
        "\N{BRAILLE PATTERN DOTS-1}\N{BLACK CIRCLE}".encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def draw_map(
    members: Sequence[MemberReport], pairs: Sequence[RttPair], *, columns: int, dots: bool = True
) -> list[Text]:
    """Draw the members and their round trips, with a legend.

    Args:
        members: As the node lists them; those without a position are named below the map.
        pairs: The round trips it knows.
        columns: Width at hand; the map takes 40 to 120 of them, and a fifth of that in rows.
        dots: Whether the terminal shows Braille (:func:`can_draw_dots`).

    Returns:
        Lines, none longer than `columns` or 40.
    """
    columns = max(MIN_COLUMNS, min(columns, MAX_COLUMNS))
    here = [one for one in members if one.state not in ABSENT]
    places = {one.node: place for one in here if (place := _place_of(one)) is not None}
    canvas = Canvas(columns, round(columns * ROWS_PER_COLUMN), dots=dots)
    wide, high = canvas.size
    window = window_around(tuple(places.values()), wide=wide, high=high)
    for y in range(high):
        for x in range(wide):
            if is_land(*window.place_of(x, y)):
                canvas.put_land(x, y)
    drawn = [(pair, how_known(pair, places)) for pair in _pairs_to_draw(here, pairs, places)]
    for pair, known in sorted(drawn, key=lambda one: list(Known).index(one[1]), reverse=True):
        _draw_line(canvas, window, places, pair, known)
    unnamed = _write_nodes(canvas, window, here, places)
    crowded = [one for one in drawn if not _write_figure(canvas, window, places, *one)]
    notes = _notes(here, places, drawn, unnamed=unnamed, crowded=crowded, all_pairs=len(pairs), dots=dots)
    return [*canvas.lines(), *(part for note in notes for part in _folded(note, columns))]


def _place_of(member: MemberReport) -> Position | None:
    if member.latitude is None or member.longitude is None:
        return None
    try:
        return Position(latitude=member.latitude, longitude=member.longitude)
    except ValueError:  # what another node says of itself
        return None


def _pairs_to_draw(
    here: Sequence[MemberReport], pairs: Sequence[RttPair], places: Mapping[str, Position]
) -> list[RttPair]:
    known = [pair for pair in pairs if pair.a in places and pair.b in places and pair.rtt_ms is not None]
    if len(places) <= MAX_MESHED:
        return known
    me = next((one.node for one in here if one.me), "")
    return [pair for pair in known if me in (pair.a, pair.b)]


def _points(window: Window, a: Position, b: Position) -> list[tuple[int, int]]:
    """The dots of a straight line, the shorter way round the earth."""
    (from_x, from_y), (to_x, to_y) = window.dot_of(a), window.dot_of(b)
    half = window.circle // 2
    across = (to_x - from_x + half) % window.circle - half
    down = to_y - from_y
    steps = max(abs(across), abs(down), 1)
    points = [
        ((from_x + round(across * step / steps)) % window.circle, from_y + round(down * step / steps))
        for step in range(steps + 1)
    ]
    return [point for point in points if point[0] < window.wide]


def _draw_line(canvas: Canvas, window: Window, places: Mapping[str, Position], pair: RttPair, known: Known) -> None:
    points = _points(window, places[pair.a], places[pair.b])
    rhythm = RHYTHMS[known]
    kept = [point for number, point in enumerate(points) if rhythm[number % len(rhythm)] == "x"]
    canvas.put_line(kept, letter=_letter(points), style=LINE_STYLES[known])


def _letter(points: Sequence[tuple[int, int]]) -> str:
    """The ASCII character that leans as the line does."""
    across, down = points[-1][0] - points[0][0], points[-1][1] - points[0][1]
    if abs(across) > 2 * abs(down):
        return "-"
    if abs(down) > 2 * abs(across):
        return "|"
    return "\\" if (across > 0) == (down > 0) else "/"


def _write_nodes(
    canvas: Canvas, window: Window, here: Sequence[MemberReport], places: Mapping[str, Position]
) -> list[str]:
    """Write marks, then names; returns the names that found no room. Nodes in one character share a name."""
    cells: dict[tuple[int, int], list[MemberReport]] = {}
    for one in here:
        if one.node in places:
            cells.setdefault(canvas.cell_of(*window.dot_of(places[one.node])), []).append(one)
    for (column, row), there in cells.items():
        canvas.mark(column, row, _mark(there, dots=canvas.grain != (1, 1)), style=_style(there))
    unnamed: list[str] = []
    # Who asks has the best place for its name.
    for (column, row), there in sorted(cells.items(), key=lambda item: not any(one.me for one in item[1])):
        name = _name(there)
        middle = min(max(0, column - len(name) // 2), canvas.columns - len(name))
        spots = ((column + 2, row), (column - len(name) - 1, row), (middle, row - 1), (middle, row + 1))
        spot = next((spot for spot in spots if canvas.has_room(*spot, len(name))), None)
        if spot is None:
            unnamed += [one.node for one in there]
        else:
            canvas.write(*spot, name, style=_style(there))
            if len(there) > 2:
                unnamed += [one.node for one in there[1:]]
    return unnamed


def _mark(there: Sequence[MemberReport], *, dots: bool) -> str:
    if any(one.me for one in there):
        return ME_DOTTED if dots else ME_ASCII
    if all(one.state == "failed" for one in there):
        return "\N{MULTIPLICATION SIGN}" if dots else "x"
    return "\N{BLACK CIRCLE}" if dots else "*"


def _style(there: Sequence[MemberReport]) -> str:
    states = {one.state for one in there}
    return STYLES.get(states.pop(), "bold yellow") if len(states) == 1 else "bold yellow"


def _name(there: Sequence[MemberReport]) -> str:
    names = [one.node if len(one.node) <= MAX_NAME else f"{one.node[: MAX_NAME - 2]}.." for one in there]
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} +{len(names) - 1}"


def _write_figure(canvas: Canvas, window: Window, places: Mapping[str, Position], pair: RttPair, known: Known) -> bool:
    points = _points(window, places[pair.a], places[pair.b])
    text = way_label(pair, known)
    for fraction in FRACTIONS:
        column, row = canvas.cell_of(*points[int((len(points) - 1) * fraction)])
        begin = column - len(text) // 2
        if canvas.has_room(begin, row, len(text)):
            canvas.write(begin, row, text, style=f"bold {LINE_STYLES[known]}")
            return True
    return False


def _notes(
    here: Sequence[MemberReport],
    places: Mapping[str, Position],
    drawn: Sequence[tuple[RttPair, Known]],
    *,
    unnamed: Sequence[str],
    crowded: Sequence[tuple[RttPair, Known]],
    all_pairs: int,
    dots: bool,
) -> Iterator[Text]:
    """What stands under the map."""
    if drawn:
        legend = Text("round trips in ms: ")
        for number, known in enumerate(known for known in Known if any(one[1] is known for one in drawn)):
            legend.append("; " if number else "")
            legend.append(f"{known.value}82", style=f"bold {LINE_STYLES[known]}")
            legend.append(f" {known.words}")
        yield legend
    if any(one.me for one in here if one.node in places):
        yield Text(f"{ME_DOTTED if dots else ME_ASCII} the node that was asked")
    if len(places) > MAX_MESHED:
        yield Text(f"lines from the node that was asked alone: {len(drawn)} of {all_pairs} round trips")
    if crowded:
        told = (f"{pair.a} - {pair.b} {way_label(pair, known)}" for pair, known in crowded)
        yield Text(f"too close for a figure: {', '.join(told)}")
    if unnamed:
        yield Text(f"too close for a name: {', '.join(unnamed)}")
    if lost := [one.node for one in here if one.node not in places]:
        yield Text(f"without a position (node.latitude, node.longitude): {', '.join(lost)}")


def _folded(note: Text, columns: int) -> Iterator[Text]:
    """Break a note at blanks."""
    rest = note
    while len(rest) > columns:
        at = rest.plain.rfind(" ", 0, columns + 1)
        at = columns if at <= 0 else at
        first, rest = rest.divide([at])
        yield first
        rest = rest[1:] if rest.plain.startswith(" ") else rest
    yield rest
