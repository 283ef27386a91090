"""``starling demo``: a cluster with people in it, on this machine."""

from __future__ import annotations

import sys
from typing import Annotated, Final

import typer

UNWATCHED_S: Final = 20.0
"""Off a terminal nobody presses Ctrl-C, so the demo ends by itself."""

ONCE_S: Final = 10.0

EXIT_FAILED: Final = 1
"""Somebody did not receive somebody else, or the demo could not be set up."""

EXIT_INTERRUPTED: Final = 130
"""As a shell says it of a program that Ctrl-C ended before it had anything to report."""


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Run for a while without the live table, then say what was received.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            max=86_400.0,
            help="How long the people stay. Default: until Ctrl-C on a terminal, 20 off one, 10 with --once.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document at the end and nothing else on stdout.")
    ] = False,
) -> None:
    """Start three nodes in three regions with six people in two rooms, and show their media flow.

    Everything runs on loopback, below one temporary folder, and stops with this command. Open the
    printed link in a browser to join the people. Exit code 0: everybody received everybody else in
    their room, to the end; 1: somebody did not, or the demo could not be set up.
    """
    import trio
    from rich.console import Console

    from node.config import LogConfig
    from node.demo.cluster import DemoError
    from node.demo.screen import play_live, play_quietly
    from node.logging import set_up_logging

    # Each node logs for itself; of the demo's own process only what is wrong is of interest.
    set_up_logging(LogConfig(level="warning", format="console"), node_id="demo")
    out, err = Console(), Console(stderr=True)
    live = out.is_terminal and not once and not as_json
    if seconds is None and not live:
        seconds = ONCE_S if once or as_json else UNWATCHED_S

    def progress(step: str) -> None:
        err.print(f"... {step}", style="dim", markup=False, highlight=False)

    report = None
    failures: tuple[Exception, ...] = ()
    try:
        report = trio.run(play_live, out, seconds, progress) if live else trio.run(play_quietly, seconds, progress)
    except* DemoError as group:
        failures = group.exceptions
    if as_json and failures:
        from node.cli.refusing import refuse

        first = failures[0]
        assert isinstance(first, DemoError), "except* takes nothing else"
        refuse(first.code, first.message, exit_code=EXIT_FAILED, as_json=True)
    for error in failures:
        err.print(f"starling demo: {error}", style="red", markup=False, highlight=False)
    if failures:
        raise typer.Exit(EXIT_FAILED)
    if report is None:
        raise typer.Exit(EXIT_INTERRUPTED)
    if as_json:
        import msgspec

        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    elif not live:
        from node.demo.table import Room, describe, draw_world

        for row in draw_world(report, Room.of(out)):
            out.print(row, markup=False, highlight=False, soft_wrap=True)
        for line in describe(report):
            out.print(line, markup=False, highlight=False, soft_wrap=True)
        out.print("ok" if report.ok else "not ok", highlight=False)
    raise typer.Exit(0 if report.ok else EXIT_FAILED)
