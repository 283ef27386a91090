from __future__ import annotations

from typing import TYPE_CHECKING

from relay.paths import states as module
from relay.paths.core import BEFORE_MEASURED
from relay.paths.cost import LinkQuality
from relay.paths.states import MAX_PASSED, STALE_S, LinkStates, differs, figures
from signalling import cbor
from signalling.ids import NodeId
from signalling.mesh.link import MAX_LINK_MESSAGE_BYTES, MAX_LINKS_REPORTED, LinkFigures, LinkReport, LinkReports

if TYPE_CHECKING:
    import pytest

ME, A, B, C = map(NodeId, ("me", "a", "b", "c"))


def report(
    node: NodeId, *far: NodeId, sequence: int = 1, boot: int = 1, passed: int = 0, rtt_ms: int = 10
) -> LinkReport:
    return LinkReport(node, boot, sequence, tuple(LinkFigures(other, rtt_ms, 0, 0) for other in far), passed)


def test_a_link_is_there_where_both_ends_say_so_and_costs_what_the_receiver_says() -> None:
    states = LinkStates(ME)
    states.take(A, report(A, B, rtt_ms=100), 0.0)
    assert states.into(A) == {}
    states.take(B, report(B, A, C, rtt_ms=40), 0.0)
    assert states.into(A) == {B: 55.0}
    assert states.out_of(A) == {B: 25.0}
    assert states.into(C) == {}


def test_what_is_measured_is_told_as_a_millisecond_at_least() -> None:
    told = [
        figures(A, quality).rtt_ms for quality in (BEFORE_MEASURED, LinkQuality(rtt_ms=0.3), LinkQuality(rtt_ms=1.6))
    ]
    assert told == [0, 1, 2], "nought is what is not measured"


def test_a_round_trip_is_told_where_both_ends_measured_it() -> None:
    states = LinkStates(ME)
    states.take(A, report(A, B, C, rtt_ms=100), 0.0)
    assert states.rtt_ms(A, B) is None, "one end alone"
    states.take(B, report(B, A, C, rtt_ms=102), 0.0)
    states.take(C, report(C, A, rtt_ms=0), 0.0)
    assert states.rtt_ms(A, B) == states.rtt_ms(B, A) == 101.0
    assert states.rtt_ms(A, C) is None, "up, and not measured yet"
    states.expire(STALE_S + 1)
    assert states.rtt_ms(A, B) is None


def test_the_newest_report_counts_and_a_new_boot_is_newer() -> None:
    states = LinkStates(ME)
    assert states.take(A, report(A, B, sequence=5), 0.0)
    assert not states.take(A, report(A, sequence=5), 0.0)
    assert not states.take(B, report(A, sequence=4, passed=1), 0.0)
    assert states.take(A, report(A, sequence=1, boot=2), 0.0)
    assert not states.take(A, report(A, B, sequence=9), 0.0)


def test_nobody_speaks_for_another_and_nobody_for_us() -> None:
    states = LinkStates(ME)
    assert not states.take(B, report(A, B), 0.0), "as if B were A"
    assert not states.take(A, report(A, B, passed=1), 0.0), "A's own word comes from A"
    assert not states.take(B, report(A, B, passed=MAX_PASSED + 1), 0.0)
    assert not states.take(A, report(ME, A), 0.0)
    assert states.take(B, report(A, B, passed=1), 0.0), "hearsay that says so"
    assert states.oddities == {"report_of_another": 2}


def test_a_report_runs_out_but_ours_does_not() -> None:
    states = LinkStates(ME)
    states.state_own(report(ME, A))
    states.take(A, report(A, ME), 0.0)
    assert not states.expire(STALE_S - 0.1)
    assert states.expire(STALE_S)
    assert states.into(ME) == {}
    assert states.own_cost(A) == 10.0


def test_reports_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NODES", 2)
    states = LinkStates(ME)
    assert [states.take(node, report(node), 0.0) for node in (A, B, C)] == [True, True, False]
    assert states.take(A, report(A, sequence=2), 0.0)


def test_a_report_is_passed_on_to_those_that_its_author_does_not_reach_and_not_for_ever() -> None:
    passed = LinkStates.passed_on(report(A, ME), B)
    assert passed == report(A, ME, passed=1)
    assert LinkStates.passed_on(report(A, ME, B), B) is None
    assert LinkStates.passed_on(report(A, ME), A) is None
    assert LinkStates.passed_on(report(A, ME, passed=MAX_PASSED), B) is None
    states = LinkStates(ME)
    states.state_own(report(ME, A))
    states.take(A, report(A, ME), 0.0)
    assert states.reports_for(B) == (report(A, ME, passed=1),), "our own goes its own way"


def test_small_changes_are_no_news() -> None:
    before = report(ME, A, rtt_ms=100).links
    assert not differs(before, report(ME, A, rtt_ms=105).links)
    assert differs(before, report(ME, A, rtt_ms=120).links)
    assert differs(before, report(ME, A, B, rtt_ms=100).links)
    assert differs(before, report(ME, B, rtt_ms=100).links)
    assert not differs(report(ME, A, rtt_ms=2).links, report(ME, A, rtt_ms=6).links)


def test_the_largest_report_fits_a_message() -> None:
    links = tuple(LinkFigures(NodeId("n" * 48), 60_000, 60_000, 1000) for _ in range(MAX_LINKS_REPORTED))
    word = LinkReports((LinkReport(ME, 2**53, 2**53, links),))
    assert len(cbor.encode(word)) < MAX_LINK_MESSAGE_BYTES
    assert cbor.decode(cbor.encode(word), LinkReports, max_bytes=MAX_LINK_MESSAGE_BYTES) == word
