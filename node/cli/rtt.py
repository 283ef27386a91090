"""``starling rtt``: how far two nodes are from each other, or all of them."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.asking import ask_local, print_json, print_table
from node.cli.settings import AsJson, ConfigFile, DataDir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from node.admin import Members, RttPair, Rtts

MARKS = {"link": "", "coordinates": "~", "positions": "?", "unknown": ""}
"""What stands before a figure of the matrix."""

LEGEND = {
    "link": "no mark: measured by the link between the two",
    "coordinates": "~ estimated from network coordinates",
    "positions": "? guessed from the map",
    "unknown": "empty: nothing is known",
}

MAP_COLUMNS = 100
"""Off a terminal."""


def rtt(
    a: Annotated[str, typer.Argument(help="A node; the local one where only one is named.", show_default=False)] = "",
    b: Annotated[str, typer.Argument(help="Another node.", show_default=False)] = "",
    matrix: Annotated[bool, typer.Option("--matrix", help="All pairs of living nodes.")] = False,
    as_map: Annotated[bool, typer.Option("--map", help="Members and round trips on a map of the world.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say how far two nodes are: the round trip in ms, where the figure comes from, and how far to trust it.

    `link`: measured by the link between them, several times a second; of two other nodes as both of them tell it.
    `coordinates`: estimated from how gossip travels, good to some 10 % and 8 ms after three minutes. `positions`:
    guessed from the map. Confidence is 0 to 1; at 0.5 the figure may be off by as much as it says. In the matrix and on
    the map `~` marks an estimate, `?` a guess, and on the map `>` an estimate that is no more than light needs for the
    way. Exit code 1: no such node lives, or nothing is known of the pair; 3: no node runs here.
    """
    from node.admin import Members, Rtts

    if (matrix or as_map) == bool(a):
        wrong = "--matrix and --map are of all nodes" if a else "of which nodes"
        raise typer.BadParameter(f"{wrong}: name two, or one, or give one of --matrix and --map alone", param_hint="a")
    if as_map:
        known = ask_local(config, data_dir, "members", Members)
        answer = ask_local(config, data_dir, "rtt", Rtts)
        if as_json:
            print_json({"members": known.members, "rtts": answer})
            return
        print_map(known, answer)
        if not matrix:
            return
    else:
        answer = ask_local(config, data_dir, "rtt", Rtts)
    if matrix:
        if as_json:
            print_json(answer)
        else:
            print_table(("", *answer.nodes), list(matrix_rows(answer)))
            sys.stdout.write(f"{legend(answer)}\n")
        return
    pair = find_pair(answer, *((a, b) if b else (answer.me, a)))
    if as_json:
        print_json(pair)
    else:
        sys.stdout.write(f"{describe(pair)}\n")
    if pair.rtt_ms is None:
        raise typer.Exit(1)


def find_pair(rtts: "Rtts", a: str, b: str) -> "RttPair":
    """The pair of these two, either way round.

    Raises:
        NodeStartError: One of them is not a living node.
    """
    from node.admin import RttPair
    from node.errors import NodeStartError

    for node in (a, b):
        if node not in rtts.nodes:
            raise NodeStartError(
                "member_unknown",
                f"no living node is called {node!r}; there are {', '.join(rtts.nodes)}: `starling members` says more",
                next_step="starling members",
            )
    if a == b:
        return RttPair(a=a, b=b, rtt_ms=0.0, error_ms=0.0, source="self", confidence=1.0)
    return next(pair for pair in rtts.pairs if {pair.a, pair.b} == {a, b})


def print_map(known: "Members", rtts: "Rtts") -> None:
    """Draw the members where they stand, as wide as the terminal."""
    from rich.console import Console

    from node.atlas import can_draw_dots, draw_map

    console = Console(markup=False, highlight=False)
    columns = console.width if sys.stdout.isatty() else MAP_COLUMNS
    lines = draw_map(known.members, rtts.pairs, columns=columns, dots=can_draw_dots(console.encoding))
    for line in lines:
        console.print(line, soft_wrap=True)


def describe(pair: "RttPair") -> str:
    """One line for people."""
    if pair.rtt_ms is None:
        return f"{pair.a} - {pair.b}: nothing is known yet"
    return (
        f"{pair.a} - {pair.b}: {pair.rtt_ms:.1f} ms +/- {pair.error_ms:.1f} "
        f"({pair.source}, confidence {pair.confidence:.2f})"
    )


def matrix_rows(rtts: "Rtts") -> "Iterator[tuple[str, ...]]":
    """A row for each node; the way there and the way back are the same figure."""
    known = {frozenset((pair.a, pair.b)): pair for pair in rtts.pairs}
    for a in rtts.nodes:
        yield (a, *(_cell(known.get(frozenset((a, b)))) for b in rtts.nodes))


def legend(rtts: "Rtts") -> str:
    """What the marks in the matrix mean, of the sources that it has."""
    sources = {pair.source if pair.rtt_ms is not None else "unknown" for pair in rtts.pairs}
    return "; ".join(("round trips in ms", *(text for source, text in LEGEND.items() if source in sources)))


def _cell(pair: "RttPair | None") -> str:
    if pair is None:
        return "-"
    return "" if pair.rtt_ms is None else f"{MARKS.get(pair.source, '')}{pair.rtt_ms:.1f}"
