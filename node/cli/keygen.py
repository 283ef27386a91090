"""``starling keygen``: the keys that the nodes of a cluster share."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from node.cli.settings import AsJson

GOSSIP_KEY_BYTES = 32
"""AES-256, the largest that Serf takes."""

GOSSIP_KEY_FILE = "gossip.key"
CLUSTER_KEYS_FILE = "cluster-keys.json"


def keygen(
    folder: Annotated[str, typer.Argument(help="Where to write; made if missing.")] = ".",
    as_json: AsJson = False,
) -> None:
    """Make gossip.key and cluster-keys.json: what all nodes of one cluster share and nobody else may read.

    Copy both to every node, and name them there as mesh.gossip_key_file and
    tokens.cluster_keys_file. Files that are there already are never overwritten.
    """
    from node.errors import NodeStartError
    from node.private_files import write_private
    from session import ClusterKeys

    if not folder.strip():
        # As a path it would mean the current folder, where an unset variable of a script never wanted its keys.
        raise NodeStartError("folder_unusable", "the folder has no name: say where to write, or nothing for here")
    place = Path(folder)
    gossip, cluster = place / GOSSIP_KEY_FILE, place / CLUSTER_KEYS_FILE
    for path in (gossip, cluster):
        if path.exists():
            raise NodeStartError(
                "file_exists",
                f"{path} is there already, and a cluster may use it: choose another folder, or change the keys of the "
                "cluster by `starling keys rotate` and `starling token rotate`",
            )
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(gossip, new_gossip_key(), replace=False)
        ClusterKeys.generate().save(cluster)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise NodeStartError("folder_unusable", f"cannot write into {folder}: {reason}") from None
    if as_json:
        from node.cli.asking import print_json

        print_json({"gossip_key_file": str(gossip.resolve()), "cluster_keys_file": str(cluster.resolve())})
    else:
        sys.stdout.write(
            f"Wrote {GOSSIP_KEY_FILE} and {CLUSTER_KEYS_FILE} into {place.resolve()}.\n"
            "Copy both to every node, and set there:\n"
            f'  mesh.gossip_key_file = "{gossip.resolve()}"\n'
            f'  tokens.cluster_keys_file = "{cluster.resolve()}"\n'
        )


def new_gossip_key() -> bytes:
    """Draw a gossip key, as it stands in its file."""
    import base64
    import os

    return base64.b64encode(os.urandom(GOSSIP_KEY_BYTES)) + b"\n"
