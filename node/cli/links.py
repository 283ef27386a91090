"""``starling links``: the local node's links to other nodes."""

import sys
from typing import Annotated

import typer

from node.cli.asking import ask_local, print_json, print_table
from node.cli.ordering import order_members
from node.cli.settings import AsJson, ConfigFile, DataDir


def links(
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    renew: Annotated[
        str | None,
        typer.Option(metavar="NODE", help="Make the link with that node anew; the one there is serves meanwhile."),
    ] = None,
) -> None:
    """List the local node's links to other nodes, with what their keepalives measure.

    A link exists while a room spans both nodes, and for some minutes after; the first few peers are
    linked before that (mesh.warm_links). With --renew a link is negotiated again beside the one there is, as after a
    change of a firewall or an address; what flows goes over when it is up, and stays where it is if that fails. Exit
    code 1: no such link carries now; 3: no node runs here.
    """
    from node.admin import Links, MemberOrder

    if renew == "":
        raise typer.BadParameter("--renew wants the id of a node; `starling links` lists them")
    if renew is not None:
        order_members(config, data_dir, MemberOrder(action="renew", target=renew))
        if as_json:
            print_json({"node": renew, "is_being_renewed": True})
        else:
            sys.stdout.write(f"The link with {renew} is being made anew; its time of set-up: starling links\n")
        return
    answer = ask_local(config, data_dir, "links", Links)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("node", "state", "rtt ms", "jitter ms", "loss", "set up in ms", "seconds in this state", "last failure"),
        [
            (
                one.node,
                one.state,
                _number(one.rtt_ms),
                _number(one.jitter_ms),
                "" if one.loss is None else f"{one.loss:.1%}",
                _number(one.setup_ms),
                f"{one.age_s:.0f}",
                one.reason,
            )
            for one in answer.links
        ],
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
