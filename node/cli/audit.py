"""``starling audit``: whether the store and the local node agree on who sits where."""

import sys

from node.cli.asking import ask_local, print_json, print_table
from node.cli.settings import AsJson, ConfigFile, DataDir


def audit(config: ConfigFile = None, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Compare the store's seats with those of the local node, and list where they differ.

    A ghost is a seat in the store that nobody holds, or one of a node that is gone; missing is somebody who sits
    here and not in the store; double is somebody who sits in both and as two sessions. Of living other nodes only
    their own audit knows more. Exit code 1: there are findings, or the store does not answer; 3: no node runs here.
    """
    from node.audit import AuditReport

    answer = ask_local(config, data_dir, "audit", AuditReport)
    if as_json:
        print_json(answer)
    elif answer.store != "ok":
        sys.stdout.write(
            f"The store does not answer: {answer.seats_here} seats here, {answer.seats_unconfirmed} unconfirmed.\n"
            "Start Redis again, or correct store.url; `starling doctor` says what is wrong with it. Seats are stated "
            "anew by themselves.\n"
        )
    else:
        sys.stdout.write(
            f"{answer.seats_here} seats here, {answer.seats_stored} in the store, {answer.rooms} rooms, "
            f"{len(answer.findings)} findings\n"
        )
        if answer.findings:
            print_table(
                ("finding", "room", "slot", "session", "node"),
                [(one.kind, one.room, one.slot, one.session, one.node) for one in answer.findings],
            )
    if not answer.is_clean:
        raise SystemExit(1)
