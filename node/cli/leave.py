"""``starling leave``: take the local node out of the cluster and end it."""

import sys
import time
from typing import Annotated, Final

import typer

from node.cli.asking import print_json
from node.cli.ordering import order_members
from node.cli.settings import AsJson, ConfigFile, DataDir

POLL_S: Final = 0.1


def leave(
    timeout: Annotated[
        float, typer.Option(min=0, max=86_400, help="Seconds to wait for its end; 0 does not wait.")
    ] = 600.0,
    config: ConfigFile = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take the local node out of the cluster in good order, and end it: the same as SIGTERM to its process.

    Its people go to other nodes, the others list it as `left` at once instead of waiting for its failure, and its
    process ends with code 0; a service manager that restarts it then undoes that, so stop the service instead where
    there is one. Exit code 1: it still runs after the timeout; 3: no node runs here.
    """
    from node.admin import MemberOrder
    from node.admin.asking import is_alive
    from node.errors import NodeStartError

    answer = order_members(config, data_dir, MemberOrder(action="leave"))
    until = time.monotonic() + timeout
    while (runs := is_alive(answer.pid)) and time.monotonic() < until:
        time.sleep(POLL_S)
    if runs and timeout:
        raise NodeStartError(
            "still_running",
            f"process {answer.pid} leaves, and still runs after {timeout:.0f} s; its log says what it waits for",
            next_step=f"kill -TERM {answer.pid}",
        )
    if as_json:
        print_json({"pid": answer.pid, "ended": not runs})
    else:
        sys.stdout.write(f"Process {answer.pid} {'leaves' if runs else 'left and ended'}.\n")
