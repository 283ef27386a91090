"""A node that its whole cluster refuses notices: by what it refuses itself, and not by any stranger's presence."""

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.unit.membership.members.test_view import a_view, certified, read, up
from tests.unit.membership.samples import a_member

if TYPE_CHECKING:
    from membership.members.view import MemberView

OURS, THEIRS = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


def own_code(*seeds: str, others: tuple[object, ...]) -> str:
    view: MemberView = a_view(cluster_keys=(OURS.public_key().public_bytes_raw(),), seeds=seeds)
    up(view, certified(a_member("own"), OURS), *others)  # type: ignore[arg-type]
    refusal = view.view.own_refusal
    return "" if refusal is None else refusal.code


@pytest.mark.parametrize("seed", ["127.0.0.1:7001", "seed.example:7001"])
def test_who_has_other_cluster_keys_than_its_seeds_counts_for_nobody(seed: str) -> None:
    assert own_code(seed, others=(certified(a_member("ada", port=7001), THEIRS),)) == "uncertified"


def test_a_stranger_elsewhere_or_beside_one_that_holds_proves_nothing() -> None:
    stranger = certified(a_member("ada", port=7001), THEIRS)
    assert own_code(others=(stranger,)) == "", "the first node of a cluster has no seeds"
    assert own_code("127.0.0.1:7002", others=(stranger,)) == ""
    assert own_code("127.0.0.1:7001", others=(stranger, certified(a_member("bob"), OURS))) == ""
    gone = certified(a_member("ada", port=7001, status="failed"), THEIRS)
    assert own_code("127.0.0.1:7001", others=(gone,)) == ""


def test_who_has_met_its_cluster_is_talked_out_of_it_by_no_stranger() -> None:
    """The others are down, and somebody with the gossip key alone is where a seed may be."""
    view = a_view(cluster_keys=(OURS.public_key().public_bytes_raw(),), seeds=("seed.example:7001",))
    own, ada = certified(a_member("own"), OURS), certified(a_member("ada", port=7001), OURS)
    up(view, own, ada)
    gone = replace(ada, status="failed")
    read(view, own, gone, certified(a_member("mal", port=7001), THEIRS))
    assert [one.code for one in view.view.unusable] == ["uncertified"]
    assert view.view.own_refusal is None
