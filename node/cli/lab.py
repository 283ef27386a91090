"""``starling lab``: the experiments that Starling makes with itself, over a network on this machine."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from node.cli.settings import AsJson

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from lab import LabError, Topology
    from lab.experiment.records import Run
    from lab.experiment.settings import Settings

EXIT_FAILED = 1

EXIT_USAGE = 2

EXIT_INTERRUPTED = 130

USAGE_CODES = ("usage_wrong", "topology_invalid", "scenario_unknown", "duration_invalid")

RUNS = Path("build/lab")

STDOUT = "-"

lab = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Experiments: people and nodes on an emulated network, arranged in different ways, and measured.",
)

Preset = Annotated[str | None, typer.Option(help="A network that comes along; see `starling lab presets`.")]
TopologyFile = Annotated[Path | None, typer.Option("--topology", help="A network of your own, with its scenarios.")]


@lab.command(short_help="Run scenarios, and report.")
def run(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(help="Scenarios, or a preset with all of its own. Default: those of europe-vietnam."),
    ] = None,
    topology: TopologyFile = None,
    preset: Preset = None,
    repeat: Annotated[int, typer.Option(min=1, max=1000, help="How often each scenario runs.")] = 1,
    duration: Annotated[str, typer.Option(help="How long a run measures: 60s, 10m, 1h.")] = "60s",
    browser: Annotated[bool, typer.Option("--browser", help="People are Chromium browsers.")] = False,
    json_path: Annotated[
        str | None, typer.Option("--json", help="Where the report goes as JSON; - prints it and nothing else.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the runs. Default: build/lab/ and the network's name.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Remove the runs of the folder first.")] = False,
) -> None:
    """Run scenarios in turn over an emulated network, each as often as wanted, and report what was measured.

    Needs root, since it makes network namespaces. A run that has ended is kept in the folder and not run again, so
    what was interrupted goes on with the same command. Ctrl-C ends it and cleans up.
    """
    import trio
    from rich.console import Console

    from lab.errors import LabError
    from lab.experiment.choice import choose
    from lab.experiment.chromium import check_browser
    from lab.experiment.durations import parse_duration
    from lab.experiment.settings import BROWSER, SYNTHETIC, Participants, folder_name, settings_of
    from node.config import LogConfig
    from node.lab.program import fingerprint_program
    from node.logging import set_up_logging
    from sfu import EngineStartError

    # Each node logs for itself; of the experiment's own process only what is wrong is of interest.
    set_up_logging(LogConfig(level="warning", format="console"), node_id="lab")
    runs: Sequence[Run] | None = None
    failure: LabError | None = None
    try:
        _check_targets(json_path, out)
        network, chosen = choose(scenarios or [], preset, topology)
        duration_s = parse_duration(duration)
        if browser:
            check_browser()
        program = fingerprint_program()
    except LabError as error:
        _refuse(error, json_path)
    except EngineStartError as error:
        _refuse(LabError(error.code, error.message), json_path)
    players: Participants = "browser" if browser else "synthetic"
    video = BROWSER if browser else SYNTHETIC
    settings = settings_of(network, duration_s, players, video, program=program)
    folder = out or RUNS / folder_name(settings)
    try:
        runs = trio.run(_run, Console(stderr=True), network, chosen, repeat, settings, folder, fresh)
    except* LabError as group:
        first = _first(group)
        assert isinstance(first, LabError), "except* takes nothing else"
        failure = first
    except* OSError as group:
        failure = LabError("system_refused", f"The system does not let it run: {_first(group)}.")
    if failure is not None:
        _refuse(failure, json_path)
    if runs is None:
        raise typer.Exit(EXIT_INTERRUPTED)
    try:
        _report(folder, runs, network, json_path)
    except OSError as error:
        _refuse(LabError("report_unwritten", f"{error}. The runs are kept: the same command reports them."), None)


@lab.command(short_help="List the networks that come along.")
def presets(as_json: AsJson = False) -> None:
    """List the networks that come along, with what each is."""
    from lab import load_preset
    from lab import presets as names
    from node.cli.asking import print_json, print_table

    found = [load_preset(name) for name in names()]
    if as_json:
        print_json({"presets": [{"name": one.name, "about": one.about, "hosts": len(one.hosts)} for one in found]})
    else:
        print_table(("preset", "hosts", "what"), [(one.name, str(len(one.hosts)), one.about) for one in found])


@lab.command(short_help="List the scenarios of a network.")
def scenarios(preset: Preset = None, topology: TopologyFile = None, as_json: AsJson = False) -> None:
    """List the scenarios of a network, with who is at which node."""
    from lab.errors import LabError
    from lab.experiment.choice import load
    from node.cli.asking import print_json, print_table

    try:
        network = load(preset, topology)
    except LabError as error:
        _refuse(error, STDOUT if as_json else None)
    if as_json:
        print_json({"topology": network.name, "scenarios": network.scenarios})
        return
    rows = [
        (name, ", ".join(f"{person} at {node}" for person, node in one.places.items()), one.about)
        for name, one in network.scenarios.items()
    ]
    print_table(("scenario", "who is where", "what"), rows)


async def _run(
    console: "Console",
    network: "Topology",
    chosen: "Sequence[str]",
    repeat: int,
    settings: "Settings",
    folder: Path,
    fresh: bool,
) -> "Sequence[Run] | None":
    from node.interruption import until_signal
    from node.lab.experiment import run_experiment
    from node.lab.screen import Screen

    runs = None
    with Screen(console) as screen:
        async with until_signal(lambda: screen.say("stopping; the same command goes on from here")):
            runs = await run_experiment(network, chosen, repeat, settings, folder, screen, fresh=fresh)
    return runs


def _check_targets(json_path: str | None, out: Path | None) -> None:
    """See that what is measured for hours can be written in the end.

    Raises:
        LabError: ``usage_wrong``.
    """
    from lab.errors import LabError

    if out is not None and out.exists() and not out.is_dir():
        raise LabError("usage_wrong", f"--out {out} is a file; name a folder, which need not be there.")
    if json_path is None or json_path == STDOUT:
        return
    named = Path(json_path)
    try:
        named.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError("usage_wrong", f"--json {json_path}: its folder cannot be made ({error.strerror}).") from None
    if not json_path or named.is_dir() or not os.access(named.absolute().parent, os.W_OK):
        raise LabError("usage_wrong", f"--json {json_path!r} is no file that can be written; - prints it.")


def _report(folder: Path, runs: "Sequence[Run]", network: "Topology", json_path: str | None) -> None:
    from lab.report import write_reports

    named = None if json_path is None or json_path == STDOUT else Path(json_path)
    reports = write_reports(folder, runs, network, named)
    if json_path == STDOUT:
        sys.stdout.write(reports.json.read_text())
    else:
        sys.stdout.write(f"{reports.table}\n\n{reports.json}\n{reports.html}\n")
    sys.stdout.flush()


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _refuse(error: "LabError", json_path: str | None) -> NoReturn:
    from node.cli.refusing import refuse

    code = EXIT_USAGE if error.code in USAGE_CODES else EXIT_FAILED
    refuse(error.code, error.message, exit_code=code, as_json=json_path == STDOUT)
