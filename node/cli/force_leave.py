"""``starling force-leave``: have the cluster forget a node that is gone."""

import sys
from typing import Annotated

import typer

from node.cli.asking import print_json
from node.cli.ordering import order_members
from node.cli.settings import AsJson, ConfigFile, DataDir


def force_leave(
    node: Annotated[str, typer.Argument(help="The node's id, or the gossip name of one of its boots.")],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Have the whole cluster forget a node that failed or left, with all its boots, instead of in 24 hours.

    A node that lives is refused: it would go on, and nobody would see it. That is decided by what the agent knows at
    this moment and by our link to it. A node that was forgotten may come back at any time. Exit code 1: it lives,
    nobody is called that, or not all of its boots are forgotten yet; 3: no node runs here.
    """
    from node.admin import MemberOrder

    if not 0 < len(node) <= 280:
        raise typer.BadParameter("name a node as `starling members` does", param_hint="node")
    answer = order_members(config, data_dir, MemberOrder(action="forget", target=node))
    if as_json:
        print_json(answer)
    else:
        sys.stdout.write(f"Forgotten: {', '.join(answer.forgotten) or 'none'}\n")
    if answer.remaining:
        names = ", ".join(answer.remaining)
        sys.stderr.write(f"Not forgotten yet: {names}. The agent is slow; run it again: starling force-leave {node}\n")
        raise SystemExit(1)
