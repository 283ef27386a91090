from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.paths.cost import HOP_MS, LinkQuality, link_cost_ms

amounts = st.floats(min_value=0, max_value=1000)
shares = st.floats(min_value=0, max_value=1)


def test_a_clean_link_costs_its_delay_and_a_hop() -> None:
    assert link_cost_ms(LinkQuality(rtt_ms=100)) == 50 + HOP_MS
    assert link_cost_ms(LinkQuality(rtt_ms=100, jitter_ms=4)) == 50 + 8 + HOP_MS


@pytest.mark.parametrize(("loss", "more_ms"), [(0.01, 50 + 1), (0.02, 100 + 4), (0.1, 100 + 100), (0.3, 100 + 900)])
def test_loss_costs_the_wait_for_resends_and_what_is_lost_again(loss: float, more_ms: float) -> None:
    assert link_cost_ms(LinkQuality(rtt_ms=100, loss=loss)) == pytest.approx(50 + HOP_MS + more_ms)


@given(amounts, amounts, shares, amounts, amounts, shares)
def test_a_worse_link_never_costs_less(
    rtt_ms: float, jitter_ms: float, loss: float, more_rtt: float, more_jitter: float, more_loss: float
) -> None:
    worse = LinkQuality(rtt_ms=rtt_ms + more_rtt, jitter_ms=jitter_ms + more_jitter, loss=min(1.0, loss + more_loss))
    assert link_cost_ms(worse) >= link_cost_ms(LinkQuality(rtt_ms=rtt_ms, jitter_ms=jitter_ms, loss=loss)) > 0


def test_two_good_links_beat_a_lossy_one_and_lose_to_a_good_one() -> None:
    half = link_cost_ms(LinkQuality(rtt_ms=110))
    assert 2 * half < link_cost_ms(LinkQuality(rtt_ms=200, loss=0.03))
    assert 2 * half > link_cost_ms(LinkQuality(rtt_ms=200))
