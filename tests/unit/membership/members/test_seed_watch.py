"""The seed watchdog: a split heals whatever half the seeds are in."""

from types import MappingProxyType

import pytest

from membership.members.seed_watch import FIRST_REJOIN_S, MAX_TRIED, SeedWatch, have_left, is_numeric, missing_seeds
from membership.members.snapshot import ClusterView, MemberState, ViewMember
from membership.members.standing import Rules, judge
from signalling.ids import NodeId
from tests.unit.membership.samples import a_member

HERE, THERE, NAMED = "127.0.0.1:1", "127.0.0.1:2", "seed.example:7946"


def seen(*nodes: tuple[str, int, str, str]) -> ClusterView:
    """A view of nodes by id, port, region and gossip state."""
    members: dict[NodeId, ViewMember] = {}
    for node_id, port, region, status in nodes:
        member = judge(a_member(node_id, port=port, status=status, region=region), Rules(cluster="test"))
        assert isinstance(member, ViewMember)
        members[member.node_id] = member
    return ClusterView(own_id=NodeId("me"), members=MappingProxyType(members))


def test_a_seed_that_is_missing_is_joined_although_another_lives() -> None:
    watch = SeedWatch((HERE, THERE), interval_s=30)
    assert watch.start(0) == (HERE, THERE)
    watch.tried(reached=True, now=1)
    half = seen(("me", 9, "a", "alive"), ("ada", 1, "a", "alive"))
    assert watch.look(half, 30) == ()
    assert watch.look(half, 31) == (THERE,)
    assert watch.look(half, 99) == ()  # until it was tried
    watch.tried(reached=True, now=100)
    whole = seen(("me", 9, "a", "alive"), ("ada", 1, "a", "alive"), ("bob", 2, "b", "alive"))
    assert watch.look(whole, 130) == ()
    assert watch.at == 160


def test_seeds_are_missing_until_another_node_lives_at_them() -> None:
    assert missing_seeds((HERE, THERE, NAMED), seen(("me", 1, "a", "alive"), ("ada", 2, "a", "alive"))) == (HERE, NAMED)
    assert missing_seeds((HERE,), seen(("me", 9, "a", "alive"), ("ada", 1, "a", "failed"))) == (HERE,)
    assert [is_numeric(seed) for seed in (HERE, "[::1]:1", NAMED)] == [True, True, False]


def test_a_seed_by_name_is_joined_each_interval() -> None:
    watch = SeedWatch((NAMED,), interval_s=30)
    watch.start(0)
    for now in (0, 30, 60):
        watch.tried(reached=True, now=now)
        assert watch.look(seen(("ada", 1, "a", "alive")), now + 30) == (NAMED,)


def test_a_region_without_a_living_node_is_tried_by_its_last_addresses() -> None:
    watch = SeedWatch((), interval_s=30)
    assert watch.start(0) == ()
    nodes = [("me", 9, "a", "alive"), ("ada", 1, "a", "failed"), ("bob", 2, "b", "failed"), ("eve", 3, "b", "failed")]
    assert watch.look(seen(*nodes, ("fay", 4, "b", "failed"), ("gil", 5, "c", "left")), 30) == (
        "127.0.0.1:2",
        "127.0.0.1:3",
    )
    watch.tried(reached=False, now=40)
    assert watch.look(seen(*nodes, ("fay", 4, "b", "alive")), 41) == ()
    many = [(f"n{port}", port, f"r{port}", "failed") for port in range(1, 30)]
    assert len(watch.look(seen(*many), 99)) == MAX_TRIED


def test_failed_attempts_back_off_to_the_interval_and_start_over_with_an_agent() -> None:
    watch = SeedWatch((HERE,), interval_s=3)
    watch.start(0)
    pauses = []
    for _ in range(5):
        watch.tried(reached=False, now=0)
        pauses.append(watch.at)
    assert pauses == [FIRST_REJOIN_S, 1.0, 2.0, 3.0, 3.0]
    watch.start(0)
    watch.tried(reached=False, now=0)
    assert watch.at == FIRST_REJOIN_S


def test_own_addresses_are_no_sign_of_life_of_a_seed() -> None:
    watch = SeedWatch((HERE,), interval_s=30)
    watch.start(0)
    watch.tried(reached=True, now=0)
    assert watch.look(seen(("me", 1, "a", "alive")), 30) == (HERE,)
    assert seen(("ada", 1, "a", "failed")).members[NodeId("ada")].state is MemberState.FAILED


@pytest.mark.parametrize(
    ("addresses", "gone"),
    [
        ((THERE,), True),
        ((HERE,), False),  # it failed
        ((HERE, THERE), False),
        (("127.0.0.1:9",), False),  # nobody was ever there
        (("192.0.2.1:2",), False),
        (("bob.example:2",), True),  # a name may be anybody's at that port
        (("bob.example:1",), False),
        (("bob.example:port",), False),
        (("[::1]:2",), False),
        ((), False),
    ],
)
def test_seeds_that_left_in_good_order_are_missed_by_nobody(addresses: tuple[str, ...], gone: bool) -> None:
    view = seen(("me", 9, "a", "alive"), ("ada", 1, "a", "failed"), ("bob", 2, "b", "left"))
    assert have_left(addresses, view) is gone


def test_who_left_is_joined_all_the_same() -> None:
    watch = SeedWatch((THERE,), interval_s=30)
    watch.start(0)
    watch.tried(reached=True, now=0)
    assert watch.look(seen(("me", 9, "a", "alive"), ("bob", 2, "b", "left")), 30) == (THERE,)
