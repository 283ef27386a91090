"""``starling status``: how the local node is."""

import sys

from node.cli.asking import ask_local, print_json
from node.cli.settings import AsJson, ConfigFile, DataDir


def status(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Ask the local node who it is and whether it takes clients. Exit code 3: no node runs here."""
    from node.admin import StatusReport

    answer = ask_local(config, data_dir, "status", StatusReport)
    if as_json:
        print_json(answer)
        return
    mesh = f"in cluster {answer.cluster}" if answer.mesh else "on its own"
    is_degraded = any(one.part == "store" for one in answer.warnings)
    ready = "not ready" if not answer.ready else "ready, degraded" if is_degraded else "ready"
    sys.stdout.write(f"Node {answer.node} ({answer.region}) {mesh}, {ready}, process {answer.pid}: {answer.url}\n")
    for problem in (*answer.problems, *answer.warnings):
        sys.stdout.write(f"  {problem.part}: {problem.message} ({problem.code})\n")
