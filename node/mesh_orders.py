"""What the operator may ask and order about the mesh through the admin listener: its gossip keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from membership import KeyChange, KeysReport, Membership

KeysAction: TypeAlias = Literal["list", "install", "use", "remove", "rotate"]

ALONE = "this node is alone: mesh.gossip_key_file is not set"


class MeshOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order; what the action does not need stays empty.

    Attributes:
        action: What to do with gossip keys.
        key: A key in base64, to install or to rotate to.
        fingerprint: Of the key to use or to remove.
        force: Also while nodes are down or silent.
    """

    action: KeysAction = "list"
    key: str = ""
    fingerprint: str = ""
    force: bool = False

    def __repr__(self) -> str:
        """Name it without the key."""
        return f"MeshOrder(action={self.action!r}, fingerprint={self.fingerprint!r}, force={self.force})"


class NodeKeysLine(msgspec.Struct, frozen=True, kw_only=True):
    """One node's keyring in fingerprints, the key in use first."""

    node: str
    state: str
    answered: bool
    keys: tuple[str, ...]


class KeyLine(msgspec.Struct, frozen=True, kw_only=True):
    """One key, and in how many keyrings of living agents it is."""

    key: str
    agents: int


class KeyChangeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One change, and what agents said that could not do it."""

    action: str
    key: str
    done: bool
    agents: int
    answered: int
    failed: dict[str, str]


class KeyProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing about the keys that is not as it should be."""

    code: str
    message: str


class KeysAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The keys as they are now, behind what was ordered; with a ``code``, nothing was done.

    ``left`` names nodes that left in good order: they have the keys of then.
    """

    nodes: tuple[NodeKeysLine, ...] = ()
    keys: tuple[KeyLine, ...] = ()
    changes: tuple[KeyChangeLine, ...] = ()
    problems: tuple[KeyProblem, ...] = ()
    left: tuple[str, ...] = ()
    code: str = ""
    message: str = ""


async def carry_out_keys(
    membership: Membership | None, order: MeshOrder, *, key_in_file: Callable[[], str] | None = None
) -> KeysAnswer:
    """Do what the operator wants with the keys; a refusal is an answer.

    Args:
        membership: The node's place in the cluster.
        order: What the operator wants.
        key_in_file: Reads the key file as it is now, which may be another than at the start; raises `NodeStartError`.
            None where an external agent has the keys.
    """
    # Whoever asks imports this module, and no mesh.
    from membership import GossipUnavailableError, KeysRefusedError
    from membership.keys.keyring import fingerprint_of
    from node.errors import NodeStartError

    if membership is None:
        return KeysAnswer(code="mesh_off", message=ALONE)
    changes: tuple[KeyChange, ...] = ()
    try:
        match order.action:
            case "list":
                pass
            case "install":
                changes = (await membership.keys.install(order.key, force=order.force),)
            case "use":
                changes = (await membership.keys.use(order.fingerprint, force=order.force),)
            case "remove":
                changes = (await membership.keys.remove(order.fingerprint, force=order.force),)
            case "rotate":
                changes = await membership.keys.rotate(order.key, force=order.force)
        report = await membership.keys.report()
        unreadable: list[KeyProblem] = []
        if key_in_file is not None:
            try:
                key = await trio.to_thread.run_sync(key_in_file)
            except NodeStartError as error:
                unreadable = [KeyProblem(code="key_file_unreadable", message=error.message)]
                report = replace(report, own_file=None)
            else:
                report = replace(report, own_file=fingerprint_of(key))
    except (KeysRefusedError, GossipUnavailableError) as error:
        return KeysAnswer(code=error.code, message=error.message, changes=tuple(map(_change_line, changes)))
    return KeysAnswer(
        nodes=tuple(
            NodeKeysLine(node=one.node, state=one.state.value, answered=one.has_answered, keys=one.keys)
            for one in report.nodes
        ),
        keys=tuple(KeyLine(key=key, agents=agents) for key, agents in report.agents_with.items()),
        changes=tuple(map(_change_line, changes)),
        problems=(*find_problems(report), *unreadable),
        left=report.left,
    )


def find_problems(report: KeysReport) -> list[KeyProblem]:
    """Say what is wrong with the keys, and what to do about it."""
    found = []
    if report.silent:
        found.append(
            KeyProblem(
                code="nodes_missing",
                message=f"{', '.join(report.silent)}: down or silent, so nobody knows their keys; bring them up",
            )
        )
    in_use = {one.keys[0] for one in report.nodes if one.keys}
    if len(in_use) > 1:
        found.append(
            KeyProblem(code="keys_differ", message="nodes encrypt with different keys: `starling keys use` one of them")
        )
    if len(report.agents_with) > 1:
        found.append(
            KeyProblem(
                code="keys_left_over",
                message="a rotation was not finished: `starling keys use` and `remove`, or `rotate` again to its key",
            )
        )
    if any(agents < report.agents for key, agents in report.agents_with.items() if key in in_use):
        found.append(
            KeyProblem(code="key_not_everywhere", message="a key in use is not in every keyring: install it again")
        )
    if report.own_file is not None and in_use and report.own_file not in in_use:
        found.append(
            KeyProblem(
                code="key_file_behind",
                message=f"mesh.gossip_key_file of this node holds the key {report.own_file} now, and in use is "
                f"{', '.join(sorted(in_use))}: a node that begins with that file speaks a key that nobody else "
                "does; copy the key in use there, and look again",
            )
        )
    if report.strangers:
        found.append(
            KeyProblem(
                code="strangers_listen",
                message=f"{', '.join(report.strangers)}: no node of this cluster, but in its gossip, and told every "
                "new key; write another key into the key files of all nodes by hand and restart them to shut it out",
            )
        )
    return found


def _change_line(change: KeyChange) -> KeyChangeLine:
    return KeyChangeLine(
        action=change.action,
        key=change.fingerprint,
        done=change.is_done,
        agents=change.nodes,
        answered=change.answered,
        failed=change.failed,
    )
