"""Completion in a shell: bash, zsh and fish ask the program itself what may come next.

The shell starts ``starling`` with ``_STARLING_COMPLETE`` set at each press of Tab. Then, and only then, there is one
program of all verbs; of these the one that is typed is loaded, and the others are no more than their names, so that an
answer does not wait for the imports of twenty verbs.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
import typer.completion

from node.cli.refusing import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["INSTALL", "SHELLS", "SHOW", "VARIABLE", "answer_shell", "offer_completion"]

PROGRAM: Final = "starling"

VARIABLE: Final = "_STARLING_COMPLETE"
"""What the shell sets when it asks."""

INSTALL: Final = "--install-completion"

SHOW: Final = "--show-completion"

SHELLS: Final = ("bash", "zsh", "fish")

EXIT_FAILED: Final = 1

EXIT_USAGE: Final = 2


def answer_shell(verbs: Mapping[str, str], load: Callable[[str], object]) -> None:
    """Print what may come next, and end the process.

    Args:
        verbs: All verbs with what they do.
        load: Gives a verb: a function, or a program of verbs of its own.

    Raises:
        SystemExit: Always.
    """
    typed = _typed_words()
    program = typer.Typer(rich_markup_mode=None)
    program.callback()(_options)
    for verb, text in verbs.items():
        command = load(verb) if verb in typed[1:] else _nothing
        if isinstance(command, typer.Typer):
            program.add_typer(command, name=verb, help=text)
        else:
            assert callable(command), "a verb is a function or a program"
            program.command(verb, help=text)(command)
    program(prog_name=PROGRAM)
    raise SystemExit(0)


def offer_completion(option: str, rest: Sequence[str], *, as_json: bool) -> None:
    """Install the script for a shell, or print it, and end the process.

    Raises:
        SystemExit: Always.
    """
    words = [word for word in rest if word != "--json"]
    shell = words[0] if words else Path(os.environ.get("SHELL", "")).name
    if len(words) > 1 or shell not in SHELLS:
        what = f"no completion for the shell {shell!r}" if shell else "which shell is yours is not known"
        refuse(
            "shell_unknown", f"{what}; name one of {', '.join(SHELLS)}: starling {option} bash",
            exit_code=EXIT_USAGE, as_json=as_json, next_step=f"starling {option} bash",
        )  # fmt: skip
    if option == SHOW:
        script = typer.completion.get_completion_script(  # type: ignore[attr-defined]
            prog_name=PROGRAM, complete_var=VARIABLE, shell=shell
        )
        sys.stdout.write(f"{script}\n")
        raise SystemExit(0)
    try:
        _, path = typer.completion.install(  # type: ignore[attr-defined]
            shell=shell, prog_name=PROGRAM, complete_var=VARIABLE
        )
    except OSError as error:
        refuse(
            "completion_failed", f"the script cannot be written: {error}; `starling {SHOW} {shell}` prints it",
            exit_code=EXIT_FAILED, as_json=as_json, next_step=f"starling {SHOW} {shell}",
        )  # fmt: skip
    if as_json:
        from node.cli.asking import print_json

        print_json({"shell": shell, "path": str(path)})
    else:
        sys.stdout.write(f"Completion for {shell} is in {path}; a new terminal has it.\n")
    raise SystemExit(0)


def _typed_words() -> Sequence[str]:
    """What stands on the shell's line, as each shell says it."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    try:
        return shlex.split(line)
    except ValueError:  # an open quote
        return line.split()


def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the versions of program and parts.")] = False,
) -> None:
    """What may stand in place of a verb, besides the options about completion; `node.cli.main` does it."""


def _nothing() -> None:
    """A verb that is not being completed."""
