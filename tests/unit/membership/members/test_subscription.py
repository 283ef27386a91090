"""Subscriptions: in order, bounded, and a fresh start after falling behind."""

import pytest
import trio
import trio.testing

from membership.members.snapshot import ClusterView, MemberState, NodeAppeared, ViewMember, ViewReset
from membership.members.subscription import MAX_WAITING, ChangeSubscription
from signalling.ids import NodeId
from tests.unit.membership.samples import TAGS

VIEW = ClusterView(own_id=NodeId("ada"))
LATER = ClusterView(own_id=NodeId("ada"), number=9)
CHANGE = NodeAppeared(
    member=ViewMember(serf_name="ada-1", address="127.0.0.1", port=1, state=MemberState.ALIVE, tags=TAGS)
)


async def test_first_the_snapshot_then_changes(autojump_clock: trio.testing.MockClock) -> None:
    subscription = ChangeSubscription(VIEW)
    subscription.put(LATER, [CHANGE])
    assert await anext(subscription) == ViewReset(view=VIEW)
    assert await anext(subscription) == CHANGE
    with pytest.raises(trio.TooSlowError), trio.fail_after(1):
        await anext(subscription)
    subscription.put(LATER, [])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(anext, subscription)
        await trio.testing.wait_all_tasks_blocked()
        subscription.put(LATER, [CHANGE])


async def test_one_that_falls_behind_starts_over() -> None:
    subscription = ChangeSubscription(VIEW)
    for _ in range(MAX_WAITING):
        subscription.put(LATER, [CHANGE])
    assert await anext(subscription) == ViewReset(view=LATER)
    assert subscription.resets == 1
