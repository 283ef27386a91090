"""An engine that is killed and started anew, at whatever moment of what the far node does about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from signalling.ids import NodeId, RoomId, TrackId
from tests.unit.relay.neighbours import open_world, person

if TYPE_CHECKING:
    from trio.testing import MockClock

A, B = NodeId("a"), NodeId("b")
OTHER = {A: B, B: A}
ROOM = RoomId("room")
STAYS, GOES = TrackId("tr_stays"), TrackId("tr_goes")


@pytest.mark.parametrize("killed", [A, B])
@pytest.mark.parametrize("has_gossip", [True, False])
async def test_what_was_no_longer_wanted_meanwhile_is_sent_no_more(
    autojump_clock: MockClock, killed: NodeId, *, has_gossip: bool
) -> None:
    sender = OTHER[killed]
    for tenths in range(4, 34, 2):
        async with open_world() as world:
            for node in OTHER:
                await world.open(node)
            await trio.sleep(0.1)
            world.relays[sender].share_room(ROOM, frozenset({killed}), (person("ann", sender, STAYS, GOES),))
            world.relays[killed].share_room(ROOM, frozenset({sender}), (person("bob", killed),))
            world.relays[killed].want_tracks(ROOM, dict.fromkeys((STAYS, GOES), (sender, "video")))
            await trio.sleep(5)
            world.engines[killed].kill()
            world.relays[killed].want_tracks(ROOM, {STAYS: (sender, "video")})
            world.gossips[killed].is_down = not has_gossip
            await trio.sleep(tenths / 10)
            world.engines[killed].is_dead = False
            world.relays[killed].handle_engine_started(2)
            await trio.sleep(0.3)
            world.gossips[killed].is_down = False
            await trio.sleep(60)
            assert list(world.engines[killed].legs_in.values()) == [STAYS]
            assert list(world.engines[sender].legs_out.values()) == [STAYS]
