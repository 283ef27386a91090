"""Orders about the mesh: a refusal is an answer, problems come with what to do, keys are never shown."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from membership import (
    KeyChange,
    KeysRefusedError,
    KeysReport,
    MemberState,
    NodeKeys,
)
from membership.keys.keyring import fingerprint_of
from node.errors import NodeStartError
from node.mesh_orders import MeshOrder, carry_out_keys, find_problems

if TYPE_CHECKING:
    from membership import Membership

OLD, NEW = "0" * 16, "1" * 16

WELL = KeysReport(
    nodes=(
        NodeKeys(node="ada", state=MemberState.ALIVE, has_answered=True, keys=(OLD,)),
        NodeKeys(node="bob", state=MemberState.ALIVE, has_answered=True, keys=(OLD,)),
    ),
    strangers=(),
    agents=2,
    agents_with={OLD: 2},
    own_file=OLD,
)
DOWN = NodeKeys(node="bob", state=MemberState.FAILED, has_answered=False)
AHEAD = NodeKeys(node="bob", state=MemberState.ALIVE, has_answered=True, keys=(NEW, OLD))


class Keys:
    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.now = WELL

    async def report(self) -> KeysReport:
        return self.now

    async def rotate(self, key: str, *, force: bool) -> tuple[KeyChange, ...]:
        self.calls.append(("rotate", key, force))
        if not force:
            raise KeysRefusedError("nodes_missing", "bob would miss this")
        return (
            KeyChange(action="install", fingerprint=NEW, nodes=2, answered=2, failed={"bob-1": "no"}, is_done=False),
        )


class Mesh:
    def __init__(self) -> None:
        self.keys = Keys()


async def test_a_check_looks_at_the_key_file_as_it_is_now() -> None:
    """The node was started with another file: the operator copied the new key there since."""
    new = base64.b64encode(bytes(32)).decode()
    mesh = Mesh()
    mesh.keys.now = replace(
        WELL,
        nodes=tuple(replace(one, keys=(fingerprint_of(new),)) for one in WELL.nodes),
        agents_with={fingerprint_of(new): 2},
    )
    order, membership = MeshOrder(action="list"), cast("Membership", mesh)
    assert [one.code for one in (await carry_out_keys(membership, order)).problems] == ["key_file_behind"]
    assert (await carry_out_keys(membership, order, key_in_file=lambda: new)).problems == ()
    other = base64.b64encode(bytes([1]) * 32).decode()
    (problem,) = (await carry_out_keys(membership, order, key_in_file=lambda: other)).problems
    assert problem.code == "key_file_behind"
    assert fingerprint_of(other) in problem.message
    assert fingerprint_of(new) in problem.message

    def unreadable() -> str:
        raise NodeStartError("file_unreadable", "it is gone")

    (problem,) = (await carry_out_keys(membership, order, key_in_file=unreadable)).problems
    assert (problem.code, problem.message) == ("key_file_unreadable", "it is gone")


@pytest.mark.parametrize(
    ("report", "codes"),
    [
        (WELL, []),
        (replace(WELL, nodes=(WELL.nodes[0], DOWN)), ["nodes_missing"]),
        (
            replace(WELL, nodes=(WELL.nodes[0], AHEAD), agents_with={OLD: 2, NEW: 1}),
            ["keys_differ", "keys_left_over", "key_not_everywhere"],
        ),
        (replace(WELL, own_file=NEW), ["key_file_behind"]),
        (replace(WELL, own_file=None), []),
        (replace(WELL, strangers=("eve-1",)), ["strangers_listen"]),
    ],
)
def test_what_is_wrong_is_told(report: KeysReport, codes: list[str]) -> None:
    assert [problem.code for problem in find_problems(report)] == codes


async def test_a_refusal_is_an_answer_and_so_is_half_a_change() -> None:
    mesh = Mesh()
    membership = cast("Membership", mesh)
    refused = await carry_out_keys(membership, MeshOrder(action="rotate", key="secret"))
    assert (refused.code, refused.changes) == ("nodes_missing", ())
    half = await carry_out_keys(membership, MeshOrder(action="rotate", key="secret", force=True))
    assert [(one.done, one.failed) for one in half.changes] == [(False, {"bob-1": "no"})]
    assert mesh.keys.calls == [("rotate", "secret", False), ("rotate", "secret", True)]
    assert "secret" not in repr(MeshOrder(action="rotate", key="secret"))
    assert (await carry_out_keys(membership, MeshOrder())).keys[0].agents == 2
    assert (await carry_out_keys(None, MeshOrder())).code == "mesh_off"
