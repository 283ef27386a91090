"""``starling join``: have the local node join others, once."""

import sys
from typing import Annotated

import typer

from node.cli.asking import print_json
from node.cli.ordering import order_members
from node.cli.settings import AsJson, ConfigFile, DataDir

LONGEST = 280


def join(
    address: Annotated[str, typer.Argument(help="host:port of the gossip of a node of the cluster.")],
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Have the local node join the cluster by the address of one of its nodes.

    Once: for the next start put the address into mesh.seeds. Both need the same gossip key and cluster keys. Exit
    code 1: it cannot be reached, or uses another key; 3: no node runs here.
    """
    from node.admin import MemberOrder

    _check(address)
    answer = order_members(config, data_dir, MemberOrder(action="join", target=address))
    if as_json:
        print_json(answer)
    else:
        sys.stdout.write(f"Joined by {address}; `starling members` lists who is there.\n")


def _check(address: str) -> None:
    host, colon, port = address.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 65536
    if not (host and colon and is_port and len(address) <= LONGEST) or (":" in host and not host.startswith("[")):
        raise typer.BadParameter(f"{address!r} is not of the form host:port (10.0.0.7:7946)", param_hint="address")
