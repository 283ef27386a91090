"""Round trips of a moment ago serve whoever asks next, until the cluster changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from membership import rtt_matrix
from node.conductor.distances import KEPT_S, RecentRtts, rtts_now
from relay import LinkState, LinkStatus
from signalling.ids import NodeId
from tests.unit.membership.places import member, view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from membership import Membership, RttMatrix
    from membership.distance.rtt_matrix import ReportedRtt
    from relay import Relay

ME, A, B = map(NodeId, ("me", "a", "b"))


class FakeMembership:
    """Makes a matrix of three nodes without coordinates."""

    def rtts(self, links_ms: Mapping[NodeId, float], reported_ms: ReportedRtt | None) -> RttMatrix:
        return rtt_matrix(view(*map(member, (ME, A, B))), links_ms=links_ms, reported_ms=reported_ms)


class FakeRelay:
    """Has a link with one of them, and heard of another link."""

    def snapshot(self) -> tuple[LinkStatus, ...]:
        up = LinkStatus(
            node=A,
            state=LinkState.UP,
            role=None,
            age_s=9.0,
            setup_ms=None,
            rtt_ms=10.0,
            jitter_ms=None,
            loss=None,
            failures=0,
            reason="",
        )
        return (up, replace(up, node=B, state=LinkState.SUSPECT))

    def reported_rtt_ms(self, a: NodeId, b: NodeId) -> float | None:
        return 80.0 if {a, b} == {A, B} else None


def test_own_links_while_they_are_up_and_those_that_others_tell_of() -> None:
    matrix = rtts_now(cast("Membership", FakeMembership()), cast("Relay", FakeRelay()))
    assert matrix.links_ms == {A: 10.0}
    told = matrix.between(A, B)
    assert told is not None
    assert (told.rtt_ms, told.source.value) == (80.0, "link")
    assert matrix.between(ME, B) is None
    assert rtts_now(cast("Membership", FakeMembership()), None).between(A, B) is None


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
