"""Round trips out of an explanation, by hosts."""

from __future__ import annotations

from node.explain import TrackStep
from node.lab.round_trips import round_trips


def test_people_have_the_names_of_their_hosts_and_what_is_not_measured_is_left_out() -> None:
    steps = (
        TrackStep(kind="publisher", sender="pa_1", receiver="n1", rtt_ms=5.5),
        TrackStep(kind="link", sender="n1", receiver="n2", rtt_ms=36.5),
        TrackStep(kind="subscriber", sender="n2", receiver="pa_2"),
    )
    assert round_trips(steps, {"pa_1": "ann", "pa_2": "bob"}) == {
        frozenset(("ann", "n1")): 5.5,
        frozenset(("n1", "n2")): 36.5,
    }
