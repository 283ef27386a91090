"""``starling events``: what happens to the members of the cluster, as the local node sees it."""

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.asking import ask_history, print_json, print_table
from node.cli.settings import AsJson, ConfigFile, DataDir

if TYPE_CHECKING:
    from node.mesh_orders import HistoryLine

LOOK_EVERY_S = 1.0
"""Gossip itself takes a second to tell."""


def events(
    history: Annotated[bool, typer.Option("--history", help="Print what happened lately, and end.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Watch nodes appear, change, fail, leave and come back, until Ctrl-C.

    The local node remembers its last 1000 changes. `back` is a flap: a node that gossip had given up and that had never
    stopped; many are a machine without CPU to spare, or a path that loses too much. With --json each is one
    line, with --history and --json all are one object with the number of flaps by node. Exit code 3: no node runs here.
    """
    answer = ask_history(config, data_dir, 0)
    if history and as_json:
        print_json(answer)
        return
    if history:
        print_table(("time", "what", "node", "member", ""), [_row(one) for one in answer.events])
        if answer.flaps:
            flaps = ", ".join(f"{node} {count}" for node, count in answer.flaps.items())
            sys.stdout.write(f"flaps since this node started: {flaps}\n")
        return
    seen = answer.events[-1].number if answer.events else 0
    while True:
        time.sleep(LOOK_EVERY_S)
        for one in ask_history(config, data_dir, seen).events:
            seen = one.number
            sys.stdout.write(_json_line(one) if as_json else "  ".join(_row(one)) + "\n")
        sys.stdout.flush()


def _row(one: "HistoryLine") -> tuple[str, ...]:
    at = datetime.fromtimestamp(one.at_ms / 1000, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S} UTC", one.kind, one.node, one.member, one.detail


def _json_line(one: "HistoryLine") -> str:
    import msgspec

    return msgspec.json.encode(one).decode() + "\n"
