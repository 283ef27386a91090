"""Orders about the mesh: a refusal is an answer, problems come with what to do, keys are never shown."""

from __future__ import annotations

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

    async def report(self) -> KeysReport:
        return WELL

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
