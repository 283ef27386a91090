"""``starling members``: the cluster as the local node sees it."""

from node.cli.asking import ask_local, print_json, print_table
from node.cli.settings import AsJson, ConfigFile, DataDir


def members(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the nodes of the cluster as the local node sees them.

    A node that is `refused` is in the gossip but not in the cluster; its row says why. The round trip is what a link to
    it measures, else an estimate; `starling rtt` says which, and how good it is. Exit code 3: no node runs here.
    """
    from node.admin import Members

    answer = ask_local(config, data_dir, "members", Members)
    if as_json:
        print_json(answer)
        return
    print_table(
        ("node", "state", "region", "url", "gossip", "load", "rtt ms", ""),
        [
            (
                f"{one.node} (me)" if one.me else one.node,
                one.state,
                one.region,
                one.url,
                one.address,
                one.load,
                "" if one.rtt_ms is None else f"{one.rtt_ms:.1f}",
                one.reason,
            )
            for one in answer.members
        ],
    )
