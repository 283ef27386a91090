"""``starling keys``: the gossip keys of the whole cluster, through the local node."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from node.cli.asking import check_running, order_mesh, print_json, print_table
from node.cli.settings import AsJson, ConfigFile, DataDir

if TYPE_CHECKING:
    from node.mesh_orders import KeysAction, KeysAnswer


class Action(StrEnum):
    """What to do."""

    LIST = "list"
    CHECK = "check"
    ROTATE = "rotate"
    INSTALL = "install"
    USE = "use"
    REMOVE = "remove"


WITH_FILE = (Action.ROTATE, Action.INSTALL)
WITH_FINGERPRINT = (Action.USE, Action.REMOVE)


def keys(
    action: Annotated[Action, typer.Argument(help="What to do.")],
    what: Annotated[
        str,
        typer.Argument(help="For rotate and install a key file, made if missing; for use and remove a key's name."),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Also while nodes are down or silent.")] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List, check and change the keys that gossip is encrypted with, on all nodes at once.

    Keys go by fingerprints, never by themselves. `rotate` installs the key of the file everywhere, uses it and removes
    all others; stopped at any point, run it again with the same file. Then copy the file over mesh.gossip_key_file of
    every node: until then a node restarts with the keyring in its data folder, and once its key file has changed, with
    that. Refused while a known node is down or silent: it would come back with a key that nobody speaks any more. Nodes
    that left in good order hold nothing up and are named.
    Exit code 1: refused, not done everywhere, or `check` found something; 3: no node runs here.
    """
    from node.errors import NodeStartError
    from node.mesh_orders import MeshOrder

    if action in WITH_FILE and not what:
        raise typer.BadParameter(f"say in which file: starling keys {action} KEY_FILE", param_hint="what")
    if action in WITH_FINGERPRINT and not what:
        raise typer.BadParameter(f"say which key: starling keys {action} NAME (`list` names all)", param_hint="what")
    key = ""
    if action in WITH_FILE:
        file = _key_file(what)
        if not file.exists():
            check_running(config, data_dir)  # a key is made for a cluster, and not for a mistyped folder
        key = _read_or_make(file)
    order = MeshOrder(
        action="list" if action is Action.CHECK else cast("KeysAction", action.value),
        key=key,
        fingerprint=what if action in WITH_FINGERPRINT else "",
        force=force,
    )
    answer = order_mesh(config, data_dir, order)
    if answer.code and not answer.changes:
        raise NodeStartError(answer.code, answer.message)
    if as_json:
        print_json(answer)
    else:
        _print(answer)
    is_unwell = action is Action.CHECK and bool(answer.problems)
    if answer.code or is_unwell or not all(change.done for change in answer.changes):
        raise SystemExit(1)


def _print(answer: "KeysAnswer") -> None:
    for change in answer.changes:
        said = "".join(f"; {member}: {reason}" for member, reason in sorted(change.failed.items()))
        outcome = "done" if change.done else "NOT done"
        sys.stdout.write(
            f"{change.action} {change.key}: {outcome} by {change.answered} of {change.agents} agents{said}\n"
        )
    if answer.code:
        sys.stdout.write(f"How the keys are now is unknown: {answer.message}\n")
        return
    print_table(("key", "in keyrings"), [(one.key, str(one.agents)) for one in answer.keys])
    print_table(
        ("node", "state", "uses", "has too", ""),
        [
            (
                one.node,
                one.state,
                one.keys[0] if one.keys else "",
                " ".join(one.keys[1:]),
                "" if one.answered else "no answer",
            )
            for one in answer.nodes
        ],
    )
    if answer.left and any(change.action in ("use", "remove") for change in answer.changes):
        sys.stdout.write(
            f"{', '.join(answer.left)}: left before this. Should they come back, copy the key file over "
            "mesh.gossip_key_file there first: with a key that was removed they do not start (gossip_key_invalid).\n"
        )
    for problem in answer.problems:
        sys.stdout.write(f"{problem.code}: {problem.message}\n")


def _key_file(text: str) -> Path:
    """The file that an argument names, where it could be one."""
    path = Path(text)
    if path.is_dir():
        raise typer.BadParameter(f"{text} is a folder: name a file in it", param_hint="what")
    if not path.parent.is_dir():
        raise typer.BadParameter(
            f"there is no folder {path.parent}, so no key file in it: is {text} mistyped?", param_hint="what"
        )
    return path


def _read_or_make(path: Path) -> str:
    from node.cli.keygen import new_gossip_key
    from node.errors import NodeStartError
    from node.private_files import read_private, write_private

    try:
        write_private(path, new_gossip_key(), replace=False)
        sys.stderr.write(f"Made a new key in {path}, which was not there.\n")
    except FileExistsError:
        pass
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise NodeStartError("file_unwritable", f"{path} cannot be written: {reason}") from None
    return read_private(path, what="The key file").decode("ascii", "replace").strip()
