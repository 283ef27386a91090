"""``starling events``: what happens to the members of the cluster, as the local node sees it."""

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.asking import ask_history, print_json, print_table
from node.cli.settings import AsJson, ConfigFile, DataDir
from node.cli.streaming import follow_local, printable

if TYPE_CHECKING:
    from node.admin import EventLine, StreamLine


def events(
    history: Annotated[bool, typer.Option("--history", help="Print what happened lately, and end.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Watch nodes appear, change, fail, leave and come back, until Ctrl-C.

    The local node remembers its last 1000 changes. `back` is a flap: a node that gossip had given up and that had never
    stopped; many are a machine without CPU to spare, or a path that loses too much. With --json each is one line; with
    --history and --json all are one object, in the same form, with the number of flaps by node. Exit code 3: no node
    runs here.
    """
    from node.admin import StreamOrder

    if history:
        answer = ask_history(config, data_dir)
        if as_json:
            print_json(answer)
            return
        print_table(("time", "what", "node", "member", ""), [_row(one) for one in answer.events])
        if answer.flaps:
            flaps = ", ".join(f"{node} {count}" for node, count in answer.flaps.items())
            sys.stdout.write(f"flaps since this node started: {flaps}\n")
        return
    follow_local(config, data_dir, "events", StreamOrder(), count=None, form=form, as_json=as_json)


def form(line: "StreamLine") -> str:
    """One line for people."""
    from node.admin import EventLine, Lost, Note

    match line:
        case EventLine():
            told = f"{_clock(line.at_ms)}  {line.kind:<8}  {printable(line.node)}"
            return f"{told}  {printable(line.detail)}" if line.detail else told
        case Lost():
            return f"... {line.lines} more that are no longer known"
        case Note():
            return f"... {printable(line.message)}"
        case _:
            return ""


def _row(one: "EventLine") -> tuple[str, ...]:
    return _clock(one.at_ms), one.kind, printable(one.node), printable(one.serf_name), printable(one.detail)


def _clock(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
