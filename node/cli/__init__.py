"""The program ``starling``: finds the verb, loads it alone, and turns refusals into one line.

Each verb is a module of its own with a function of the same name, so that ``starling --help`` and
``starling version`` do not wait for the web server to be imported. Exit codes: 0 done, 1 failed,
2 wrong usage, 3 no node to ask, 78 wrong configuration, 130 interrupted. With ``--json`` a refusal is JSON too
(:mod:`node.cli.refusing`).
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from node.cli.refusing import refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typer.exceptions import TyperException

VERBS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "up": "run a node until Ctrl-C",
        "demo": "run three nodes with people in them on this machine, and watch",
        "lab": "measure calls over an emulated network, arranged in different ways",
        "status": "ask the local node how it is",
        "members": "list the nodes of the cluster as the local node sees them",
        "events": "watch nodes come and go, or list what happened lately",
        "node": "drain the local node, put it back, say whether it takes new people",
        "links": "list the local node's links to other nodes",
        "reachability": "look whether every two nodes reach each other with media, and how well",
        "explain": "say which way a track takes, and what each step measures; or why a room gathers",
        "rtt": "say how far two nodes are from each other, or all of them",
        "top": "show the local node and its cluster, live",
        "monitor": "watch the logs of the local node and its gossip agent",
        "doctor": "find out what is wrong with this machine, its settings, or its node",
        "join": "have the local node join others, once",
        "leave": "take the local node out of the cluster and end it",
        "force-leave": "have the cluster forget a node that is gone",
        "audit": "compare the store's seats with those of the local node",
        "account": "create accounts, set passwords, log people out",
        "keygen": "make the keys that the nodes of a cluster share",
        "keys": "list, check and rotate the keys of the cluster's gossip",
        "token": "make keys and tokens for your own service, read tokens, rotate the cluster's keys",
        "version": "print the versions of the program and its parts",
    }
)

COMPLETE_VARIABLE: Final = "_STARLING_COMPLETE"
"""Set by a shell that asks what may come next (:mod:`node.cli.completion`, too slow to be imported for it)."""

COMPLETION_OPTIONS: Final = ("--install-completion", "--show-completion")

AS_JSON: Final = "--json"

EXIT_USAGE: Final = 2

EXIT_INTERRUPTED: Final = 130
"""As a shell says it of a program that Ctrl-C ended before it could stop by itself."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb and end the process with its exit code."""
    if COMPLETE_VARIABLE in os.environ:
        from node.cli.completion import answer_shell

        answer_shell(VERBS, load)
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        sys.stderr.write(_help())
        raise SystemExit(EXIT_USAGE)
    if given[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        raise SystemExit(0)
    verb, rest = given[0], given[1:]
    if verb == "--version":
        verb = "version"
    as_json = AS_JSON in rest or verb == AS_JSON
    if verb in COMPLETION_OPTIONS:
        from node.cli.completion import offer_completion

        offer_completion(verb, rest, as_json=as_json)
    if verb not in VERBS:
        refuse("verb_unknown", _unknown(verb), exit_code=EXIT_USAGE, as_json=as_json, next_step="starling --help")
    _run(verb, rest, as_json=as_json)


def _run(verb: str, arguments: Sequence[str], *, as_json: bool) -> None:
    import typer
    from typer.exceptions import TyperException

    from node.cli.examples import epilog_of
    from node.config.errors import EXIT_CODE, ConfigError
    from node.errors import NodeStartError

    command = load(verb)
    if isinstance(command, typer.Typer):  # a verb with verbs of its own
        program = command
        program.info.epilog = epilog_of(verb)
    else:
        program = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        program.command(verb, epilog=epilog_of(verb))(command)
    try:
        exit_code = program(args=list(arguments), prog_name=f"starling {verb}", standalone_mode=False)
    except TyperException as error:
        _refuse_usage(verb, error, as_json=as_json)
    except ConfigError as error:
        text = f"starling: config: {error.message}\n"
        refuse("config_invalid", error.message, exit_code=EXIT_CODE, as_json=as_json, text=text)
    except (KeyboardInterrupt, typer.Abort):
        raise SystemExit(EXIT_INTERRUPTED) from None
    except NodeStartError as error:
        refuse(error.code, error.message, exit_code=error.exit_code, as_json=as_json, next_step=error.next_step)
    raise SystemExit(exit_code or 0)


def load(verb: str) -> Any:  # noqa: ANN401 - a function of any signature, or a typer.Typer
    """Import a verb's module and give what is in it."""
    name = verb.replace("-", "_")
    return getattr(import_module(f"node.cli.{name}"), name)


def _refuse_usage(verb: str, error: TyperException, *, as_json: bool) -> NoReturn:
    """Say what is wrong with the arguments, and where help is: the library leaves that out where it could not parse."""
    from node.cli.usage_words import in_our_words

    context = getattr(error, "ctx", None)
    path = f"starling {verb}" if context is None else context.command_path
    message = in_our_words(error.format_message())
    usage = "" if context is None else f"{context.get_usage()}\n"
    hint = f"{path} --help"
    if message.startswith(("\n", "Usage:")):  # a verb of verbs, alone: the help itself
        refuse(
            "usage_wrong", f"{path} needs a verb of its own", exit_code=EXIT_USAGE, as_json=as_json, next_step=hint,
            text=f"{message.strip()}\n",
        )  # fmt: skip
    refuse(
        "usage_wrong", message, exit_code=EXIT_USAGE, as_json=as_json, next_step=hint,
        text=f"{usage}starling: {message.rstrip('.')}: `{hint}` says more.\n",
    )  # fmt: skip


def _help() -> str:
    width = max(map(len, VERBS)) + 2
    verbs = "\n".join(f"  {verb:<{width}}{text}" for verb, text in VERBS.items())
    return f"""\
Starling: a mesh of media nodes for rooms whose people are far apart.

Usage: starling VERB [OPTIONS]

{verbs}

`starling VERB --help` says more. Try `starling demo` first; `starling up` runs one node with no
configuration at all, and node.example.toml explains every setting. `starling --install-completion`
has your shell (bash, zsh or fish) complete verbs and options.
"""


def _unknown(verb: str) -> str:
    import difflib

    if verb.startswith("-"):
        return f"options come behind a verb (starling up {verb} ...): `starling --help` lists all verbs."
    near = difflib.get_close_matches(verb, VERBS, n=1)
    hint = f"did you mean `starling {near[0]}`?" if near else "`starling --help` lists all verbs."
    return f"there is no verb {verb!r}: {hint}"
