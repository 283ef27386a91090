"""What a way to place people costs is what all pairs of them say."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.planner import RoomFacts, weigh
from relay.planner.facts import UNKNOWN_LEG_MS, UNKNOWN_PATH_MS
from tests.unit.relay.planner.rooms import A, B, C, facts, measured_rooms, person, visage

if TYPE_CHECKING:
    from signalling.ids import NodeId, ParticipantId


def _pairs(room: RoomFacts, node: NodeId | None) -> dict[tuple[ParticipantId, ParticipantId], float]:
    """The naive way: every pair."""
    seats = {who: one.home if node is None else node for who, one in room.people.items()}
    return {
        (p, q): room.leg_ms(room.people[p], seats[p])
        + room.path_ms(seats[p], seats[q])
        + room.leg_ms(room.people[q], seats[q])
        for p, q in combinations(sorted(room.people), 2)
    }


@given(measured_rooms(), st.sampled_from((None, A, B, C)))
def test_it_is_what_every_pair_says(room: RoomFacts, node: NodeId | None) -> None:
    weighed, pairs = weigh(room, node), _pairs(room, node)
    if not pairs:
        return
    assert weighed.mean_ms == pytest.approx(sum(pairs.values()) / len(pairs))
    for who in room.people:
        assert weighed.worst_ms[who] == pytest.approx(max(ms for pair, ms in pairs.items() if who in pair))


def test_figures_by_hand() -> None:
    room = visage()
    relay, gathered = weigh(room), weigh(room, A)
    # ada-bob 5+6; ada-cyd 5+30+10; bob-cyd 6+30+10
    assert relay.mean_ms == pytest.approx((11 + 45 + 46) / 3)
    assert gathered.mean_ms == pytest.approx((11 + 20 + 21) / 3)
    assert (relay.longest_ms, gathered.longest_ms) == (46.0, 21.0)
    assert (relay.there, gathered.there) == (3, 2)


def test_who_measured_nothing_is_no_nearer_to_any_node_than_the_nodes_are() -> None:
    room = facts({"ada": person(A), "bob": person(B)}, {(A, B): 40.0})
    assert weigh(room).mean_ms == 2 * UNKNOWN_LEG_MS + 40
    assert weigh(room, A).mean_ms == weigh(room, B).mean_ms == weigh(room).mean_ms
    assert weigh(room, C).mean_ms == 2 * UNKNOWN_LEG_MS + 2 * UNKNOWN_PATH_MS
