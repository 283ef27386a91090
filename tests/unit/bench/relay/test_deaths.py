"""Who is killed next, who noticed, and how long nothing came."""

from __future__ import annotations

import math

import pytest

from lab.experiment.samples import MediaSample, Sample
from node.admin import LinkReport
from tests.bench.relay.deaths import described, next_victim
from tests.bench.relay.detection import Detected, LinkEnding, Listener, failed_member, ratio, since_s
from tests.bench.relay.gaps import Gap, gaps

PEOPLE = ("anna", "bram", "chen")


def link(state: str, age_s: float, node: str = "b") -> LinkReport:
    return LinkReport(
        node=node,
        state=state,
        rtt_ms=None,
        jitter_ms=None,
        loss=None,
        setup_ms=None,
        age_s=age_s,
        bytes_in=0,
        bytes_out=0,
        reason="",
    )


def sample(at_s: float, packets: int, gap_ms: float, stamp: int = 0) -> Sample:
    one = MediaSample(
        stamp=stamp,
        kind="audio",
        packets=packets,
        bytes=0,
        lost=0,
        missing=0,
        delay_sum_ms=0,
        jitter_sum_ms=0,
        gap_ms=gap_ms,
        freezes=0,
        frozen_ms=0,
        first_frame_at_s=None,
        delays_us=(),
        jitters_us=(),
    )
    return Sample(at_s=at_s, sent={}, received=(one,))


def test_the_fullest_node_dies() -> None:
    assert next_victim({"anna": "a", "bram": "b", "chen": "b"}) == "b"
    assert next_victim({"anna": "b", "bram": "a"}) == "a"


def test_a_node_with_everybody_is_spared() -> None:
    with pytest.raises(ValueError, match="one node"):
        next_victim({"anna": "a", "bram": "a"})


def test_a_link_is_dead_since_it_left_its_state_of_up() -> None:
    assert since_s([link("up", 50)], "b", 100.0) is None
    assert since_s([link("suspect", 0.3)], "b", 100.0) == pytest.approx(99.7)
    assert since_s([link("up", 50, node="c")], "b", 100.0) == 100.0, "one that is gone carries nothing"


def test_a_link_in_doubt_is_not_lost_until_it_is_given_up() -> None:
    ending = LinkEnding()
    assert not ending.see([link("up", 50)], "b", 100.0)
    assert not ending.see([link("suspect", 0.3)], "b", 101.0)
    assert [ending.doubt_s, ending.lost_s] == pytest.approx([100.7, math.inf])
    assert ending.see([link("waiting", 0.1)], "b", 102.0)
    assert [ending.doubt_s, ending.lost_s] == pytest.approx([100.7, 101.9])


def test_a_doubt_that_went_away_is_forgotten() -> None:
    ending = LinkEnding()
    ending.see([link("suspect", 0.3)], "b", 100.0)
    assert not ending.see([link("up", 50)], "b", 101.0)
    assert ending.doubt_s == math.inf


def test_a_link_that_is_gone_at_once_was_in_doubt_and_lost_at_once() -> None:
    ending = LinkEnding()
    assert ending.see([], "b", 100.0)
    assert (ending.doubt_s, ending.lost_s) == (100.0, 100.0)


def test_a_death_is_told_with_doubt_loss_and_serf_apart() -> None:
    found = Detected(by="a", victim="v", link_s=0.7, lost_s=3.71, serf_s=6.5)
    gap = Gap(sender="anna", receiver="bram", kind="audio", silent_s=0.6, is_over=True)
    assert "a 0.70 s (lost 3.71, Serf 6.5)" in described([found], [gap])


def test_an_agents_word_names_the_node() -> None:
    assert failed_member("2026/11/28 19:00:00 [INFO] serf: EventMemberFailed: node-1-1764356400 10.77.1.1") == "node-1"
    assert failed_member("2026/11/28 19:00:00 [INFO] serf: EventMemberJoin: node-1-1764356400 10.77.1.1") is None
    assert failed_member("serf: EventMemberFailed: ") is None


def test_what_was_heard_is_kept_by_who_said_it() -> None:
    listener = Listener()
    listener.hear("a", "serf: EventMemberFailed: node-1-17 10.77.1.1")
    listener.hear("a", "something else")
    assert [one[:2] for one in listener.heard] == [("a", "node-1")]


def test_a_link_is_judged_by_serf_in_the_same_death() -> None:
    found = [Detected(by="a", victim="v", link_s=0.5, lost_s=1.0, serf_s=serf_s) for serf_s in (5.0, 10.0, 2.0)]
    assert ratio(found) == pytest.approx(0.1)
    assert ratio([Detected(by="a", victim="v", link_s=0.5, lost_s=1.0, serf_s=math.inf)]) == math.inf, (
        "says nothing, so no success"
    )
    with pytest.raises(ValueError, match="nobody"):
        ratio([])


def test_the_longest_silence_after_the_death_counts() -> None:
    samples = {"bram": [sample(9.0, 10, 5000), sample(10.5, 12, 300), sample(11.5, 20, 900), sample(12.5, 70, 20)]}
    (gap,) = gaps(samples, PEOPLE, ["anna"], ["bram"], died_s=10.0, until_s=20.0)
    assert (gap.sender, gap.receiver, gap.kind, gap.silent_s, gap.is_over) == ("anna", "bram", "audio", 0.9, True)


def test_what_does_not_come_back_in_time_is_no_end() -> None:
    samples = {"bram": [sample(9.0, 10, 0), sample(10.5, 12, 300), sample(11.5, 12, 1300), sample(30.0, 70, 19000)]}
    (gap,) = gaps(samples, PEOPLE, ["anna"], ["bram"], died_s=10.0, until_s=20.0)
    assert (gap.silent_s, gap.is_over) == (1.3, False)


def test_others_and_newcomers_have_no_gap() -> None:
    samples = {"bram": [sample(9.0, 1, 0, stamp=2), sample(11.0, 2, 900, stamp=2), sample(12.0, 3, 1, stamp=0)]}
    assert gaps(samples, PEOPLE, ["anna"], ["bram"], died_s=10.0, until_s=20.0) == []
