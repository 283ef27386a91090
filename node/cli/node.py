"""``starling node``: take the local node out of service without anybody noticing, and put it back."""

import re
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from node.cli.asking import order_node, print_json
from node.cli.settings import AsJson, ConfigFile, DataDir

if TYPE_CHECKING:
    from node.lifecycle_orders import NodeAnswer, NodeOrder

node = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True)

POLL_S: Final = 0.5
"""Between two looks at a drain that somebody waits for."""

UNITS_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


class Switch(StrEnum):
    """On or off."""

    ON = "on"
    OFF = "off"


@node.callback()
def about() -> None:
    """Take the local node out of service without anybody noticing, put it back, and see how it stands."""


@node.command()
def drain(
    deadline: Annotated[str, typer.Option(help="Until people still here lose their seats: 90s, 5m, 1h.")] = "5m",
    batch: Annotated[int, typer.Option(min=0, help="People moved at a time; 0 spreads them over half of it.")] = 0,
    clients: Annotated[bool, typer.Option(help="Move people; with --no-clients they lose their seats now.")] = True,
    wait: Annotated[bool, typer.Option(help="Wait until nobody is left, and show how far it is.")] = True,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take nobody new, and send people to other nodes in batches: they keep their seats, and others see nothing.

    The node stays up and empty; stop it then, or `starling node undrain`. That also works on the way, until seats
    are ended at the deadline. Exit code 1: seats were ended, or somebody undid it; 3: no node runs here.
    """
    from node.lifecycle_orders import NodeOrder

    order = NodeOrder(action="drain", deadline_s=_seconds(deadline), batch=batch or None, moves=clients)
    answer = _order(config, data_dir, order)
    if wait:
        answer = _follow(config, data_dir, answer, show=not as_json)
    _print(answer, as_json=as_json)
    if wait and not as_json and answer.state == "draining" and not answer.remaining:
        sys.stderr.write("Nobody is left: stop this node now, or put it back in service by: starling node undrain\n")
    if wait and clients and (answer.state == "serving" or answer.released):
        raise SystemExit(1)


@node.command()
def undrain(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Stay in service after all: the node takes people again, those who went stay where they are.

    Exit code 1: seats were ended already, or the process is about to end; 3: no node runs here.
    """
    _do(config, data_dir, "undrain", as_json=as_json)


@node.command()
def status(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say whether the node serves, drains or has released its people, and how many are here. 3: no node runs here."""
    _do(config, data_dir, "status", as_json=as_json)


@node.command()
def eligibility(
    switch: Annotated[
        Switch | None,
        typer.Argument(help="Whether it takes new people; else say how it is.", show_default=False),
    ] = None,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Let new people come, or send them elsewhere; those who are here stay, and may come again.

    It outlives a restart. Exit code 3: no node runs here.
    """
    if switch is not None:
        _do(config, data_dir, "eligible" if switch is Switch.ON else "ineligible", as_json=as_json)
        return
    from node.lifecycle_orders import NodeOrder

    answer = _order(config, data_dir, NodeOrder())
    if as_json:
        print_json(answer)
    else:
        sys.stdout.write(f"Node {answer.node}: takes {'new people' if answer.eligible else 'nobody new'}\n")


def _do(config: Path | None, data_dir: Path | None, action: str, *, as_json: bool) -> None:
    import msgspec

    from node.lifecycle_orders import NodeOrder

    _print(_order(config, data_dir, msgspec.convert({"action": action}, NodeOrder)), as_json=as_json)


def _order(config: Path | None, data_dir: Path | None, order: "NodeOrder") -> "NodeAnswer":
    from node.errors import NodeStartError

    answer = order_node(config, data_dir, order)
    if answer.code:
        raise NodeStartError(answer.code, answer.message)
    return answer


def _follow(config: Path | None, data_dir: Path | None, answer: "NodeAnswer", *, show: bool) -> "NodeAnswer":
    """Ask until nobody is left; on a terminal in one line that changes, else in one a change."""
    from node.lifecycle_orders import NodeOrder

    shown = ""
    while answer.state == "draining" and (answer.remaining or (answer.passing and answer.deadline_in_s)):
        line = _line(answer)
        if show and sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()
        elif show and line.partition(";")[0] != shown:
            shown = line.partition(";")[0]
            sys.stderr.write(f"{line}\n")
        time.sleep(POLL_S)
        answer = _order(config, data_dir, NodeOrder())
    if show and sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    return answer


def _print(answer: "NodeAnswer", *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        sys.stdout.write(f"Node {answer.node}: {_line(answer)}\n")


def _line(answer: "NodeAnswer") -> str:
    if answer.state == "serving":
        takes = "" if answer.eligible else ", takes nobody new"
        return f"serving, {answer.remaining} here{takes}"
    counts = f"{answer.state}, {answer.moved} moved, {answer.left} left, {answer.remaining} remaining"
    if answer.released:
        counts += f", {answer.released} released"
    if answer.passing:
        counts += f", {answer.passing} tracks of other nodes still pass here"
    return counts if answer.deadline_in_s is None else f"{counts}; deadline in {answer.deadline_in_s:.0f} s"


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smh]?)", text)
    seconds = float(match[1]) * UNITS_S[match[2] or "s"] if match else 0.0
    if not 0 < seconds <= 86_400:
        raise typer.BadParameter(f"{text!r} is no time up to a day: say 90s, 5m or 1h", param_hint="--deadline")
    return seconds
