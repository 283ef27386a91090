"""Whether the running node takes people, as it says itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.doctor.findings import fail, ok, warn

if TYPE_CHECKING:
    from node.admin import StatusReport
    from node.doctor.findings import Check

ORDERED: Final = {
    "node_draining": "starling node undrain, if it is to stay",
    "node_ineligible": "starling node eligibility on",
    "links_starting": "look again in 5 s",
}
"""What somebody wanted, or what passes by itself: nothing is broken."""

CURES: Final = {
    "node_twin": "stop the other process, or give this one an id and a node-key.pem of its own",
    "key_shared": "remove node-key.pem from the data folder of the node that was copied, and restart it",
    "key_changed": "give this machine a node.id of its own, or stop the node that has this one",
    "uncertified": "copy tokens.cluster_keys_file from another node over this one's, and restart it",
    "key_revoked": "take the key out of mesh.revoked_keys_file on all nodes, or remove node-key.pem here; then restart",
    "engine_unavailable": "look again in some seconds; starling monitor says why",
    "gossip_unavailable": "starling monitor --source node",
}


def check_ready(status: StatusReport) -> tuple[Check, ...]:
    """One check, or one for each thing that keeps people away."""
    if status.ready:
        return (ok("ready", "takes people"),)
    checks = []
    for problem in status.problems:
        name = f"ready:{problem.code}"
        if problem.code in ORDERED:
            checks.append(warn(name, problem.message, ORDERED[problem.code]))
        else:
            cure = CURES.get(problem.code, "starling monitor says what happens")
            checks.append(fail(name, problem.message, cure))
    return tuple(checks)
