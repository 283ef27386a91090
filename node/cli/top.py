"""``starling top``: one node and its cluster on one screen, live."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.settings import AsJson, ConfigFile, DataDir

if TYPE_CHECKING:
    from collections.abc import Callable

    from node.admin import Overview


def top(
    once: Annotated[bool, typer.Option("--once", help="Print it once; so it is off a terminal.")] = False,
    interval: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between two looks.")] = 2.0,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the local node and its cluster, live: members, round trips, links, rooms and load. Ctrl-C ends it.

    Rates are those since the look before. A figure with `~` is an estimate, with `?` a guess (`starling rtt`). With
    --json: one object for each look, one a line; with --once, one in all. Exit code 3: no node runs here, or it
    stopped.
    """
    import sys

    import msgspec
    import trio
    from rich.console import Console

    from node.admin import Overview, ask_node
    from node.cli.asking import local_folder, print_json
    from node.cli.screen import draw_overview

    folder = local_folder(config, data_dir)

    def ask() -> Overview:
        return trio.run(ask_node, folder, "overview", Overview)

    if as_json and once:
        print_json(ask())
    elif as_json:
        while True:
            sys.stdout.write(f"{msgspec.json.encode(ask()).decode()}\n")
            sys.stdout.flush()
            time.sleep(interval)
    elif once or not sys.stdout.isatty():
        # Off a terminal lines are for programs: never folded.
        console = Console(markup=False) if sys.stdout.isatty() else Console(width=200, markup=False)
        console.print(draw_overview(ask(), None), highlight=False)
    else:
        _live(ask, interval)


def _live(ask: "Callable[[], Overview]", interval_s: float) -> None:
    from rich.console import Console
    from rich.live import Live

    from node.cli.screen import draw_overview

    before = None
    now = ask()  # what refuses does so before the screen is taken
    with Live(console=Console(markup=False), screen=True, auto_refresh=False) as live:
        while True:
            live.update(draw_overview(now, before), refresh=True)
            time.sleep(interval_s)
            before, now = now, ask()
