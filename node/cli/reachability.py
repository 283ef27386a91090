"""``starling reachability``: whether every two nodes reach each other with media, before people need it."""

import sys
from threading import Timer
from typing import TYPE_CHECKING, Final

import typer

from node.cli.asking import ask_local, print_json, print_table
from node.cli.settings import AsJson, ConfigFile, DataDir

if TYPE_CHECKING:
    from node.reachability import Reach, Reachability

PATIENCE_S: Final = 1.0
"""Without an answer for so long there is a node, and it is at work."""

UP: Final = "up"
NOT_MEASURED: Final = "not measured"
WHY_NOT_MEASURED: Final = (
    "carries: not measured where calls want no more than the way has room for, so not on an idle link; no probe is sent"
)


def reachability(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look whether every two nodes reach each other with media, and how well.

    Each node makes a link with every other one and tells what it measures: how long gossip, ICE and DTLS took, round
    trip, jitter, loss, the largest packet, and how the clocks differ. What a way carries is not tried: it is told only
    where calls just now want more than that, and not of an idle link. Takes a few seconds where all is well, up to
    half a minute where something is not. Exit code 1: some way is missing or a node did not say; 3: no node runs here.
    Example: starling reachability --json
    """
    from node.admin import Reaches
    from node.errors import NodeStartError

    patience = Timer(PATIENCE_S, sys.stderr.write, ["links between all nodes are tried; this takes 5 to 40 s\n"])
    patience.start()
    try:
        answer = ask_local(config, data_dir, "reachability", Reaches)
    finally:
        patience.cancel()
    if answer.found is None:
        raise NodeStartError(answer.code, answer.message)
    if as_json:
        print_json(answer.found)
    else:
        _show(answer.found)
    if not answer.found.is_whole:
        raise typer.Exit(1)


def _show(found: "Reachability") -> None:
    print_table(
        ("from", "to", "link", "set up in ms", "rtt ms", "jitter ms", "loss", "carries Mbit/s", "mtu", "clock ms"),
        [_row(way) for way in found.ways],
    )
    if any(_carries(way) == NOT_MEASURED for way in found.ways):
        sys.stdout.write(f"\n{WHY_NOT_MEASURED}\n")
    problems = [f"{way.sender} to {way.receiver}: {problem}" for way in found.ways for problem in way.problems]
    problems += [
        f"{node} is failed: look at its machine; if it is gone for good: starling force-leave {node}"
        for node in found.failed
    ]
    problems += [f"{node} did not say how it reaches the others: its log says why" for node in found.silent]
    for problem in problems:
        sys.stdout.write(f"\n{problem}")
    said = "every node reaches every other one" if found.is_whole else "not every node reaches every other one"
    sys.stdout.write(f"\n{said}\n")


def _row(way: "Reach") -> tuple[str, ...]:
    return (
        way.sender,
        way.receiver,
        way.state,
        _number(way.setup_ms),
        _number(way.rtt_ms),
        _number(way.jitter_ms),
        "" if way.loss is None else f"{way.loss:.1%}",
        _carries(way),
        "" if way.mtu is None else str(way.mtu),
        "" if way.clock_ms is None else f"{way.clock_ms:+.1f} +/- {way.clock_error_ms or 0:.1f}",
    )


def _carries(way: "Reach") -> str:
    if way.bandwidth_bps is not None:
        return f"{way.bandwidth_bps / 1e6:.1f}"
    return NOT_MEASURED if way.state == UP else ""


def _number(value: "float | None") -> str:
    return "" if value is None else f"{value:.1f}"
