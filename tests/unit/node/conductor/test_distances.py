"""Round trips of a moment ago serve whoever asks next, until the cluster changes."""

from __future__ import annotations

from membership import rtt_matrix
from node.conductor.distances import KEPT_S, RecentRtts
from tests.unit.membership.places import member, view


def test_a_snapshot_serves_for_a_second_and_not_over_a_change() -> None:
    clusters = [view(member("a"))]
    times = [0.0]
    recent = RecentRtts(lambda: clusters[-1], lambda: rtt_matrix(clusters[-1]), lambda: times[-1])
    first = recent()
    times.append(0.9 * KEPT_S)
    assert recent() is first
    times.append(KEPT_S)
    second = recent()
    assert second is not first
    clusters.append(view(member("a"), member("b")))
    assert recent().nodes == ("a", "b")
