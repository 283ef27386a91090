"""``starling doctor``: what is wrong, and what to do about it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from node.cli.asking import print_json
from node.cli.settings import AsJson, ConfigFile, DataDir, read_settings

if TYPE_CHECKING:
    from node.doctor import Examination

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look for what is wrong with this machine, the settings, and the local node, each with the next step.

    Without a running node: settings, programs, limits, keys, certificate, ports that must be free, Redis. With one,
    by its own settings: also its engine and agent, members, who is reached by UDP and by a link, and whose clock is
    off. Nothing is changed. Exit code 1: something fails; 0: at most warnings; 78: the settings are wrong.
    """
    import trio

    from node.config import ConfigError
    from node.config.errors import EXIT_CODE
    from node.doctor import examine
    from node.doctor.examination import examine_machine
    from node.doctor.findings import Examination, fail

    exit_code = 0
    try:
        settings = read_settings(config, {})
    except ConfigError as error:
        found = examine_machine()
        broken = fail("config", error.message, "node.example.toml explains every setting")
        found = Examination(running=False, checks=(broken, *found.checks))
        exit_code = EXIT_CODE
    else:
        found = trio.run(examine, settings, data_dir or Path(settings.node.data_dir))
        exit_code = 1 if found.worst == "fail" else 0
    if as_json:
        print_json(found)
    else:
        _print(found)
    raise typer.Exit(exit_code)


def _print(found: "Examination") -> None:
    from rich.console import Console
    from rich.text import Text

    # Off a terminal lines are for programs: never folded.
    console = Console(highlight=False, markup=False, soft_wrap=not sys.stdout.isatty())
    width = max(len(check.name) for check in found.checks)
    for check in found.checks:
        mark = (f"{check.verdict:<4}", STYLES[check.verdict])
        console.print(Text.assemble(mark, f"  {check.name:<{width}}  {check.message}"))
        if check.next:
            console.print(Text(f"{'':{width + 6}}  -> {check.next}", style="dim"))
