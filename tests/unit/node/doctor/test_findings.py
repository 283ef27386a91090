"""The worst of all checks is what counts."""

import pytest

from node.doctor import Examination, Verdict
from node.doctor.findings import fail, ok, warn

GOOD, ODD, BAD = ok("a", "fine"), warn("b", "odd", "look"), fail("c", "broken", "mend it")


@pytest.mark.parametrize(
    ("checks", "worst"),
    [((), "ok"), ((GOOD,), "ok"), ((ODD, GOOD), "warn"), ((GOOD, BAD, ODD), "fail"), ((BAD,), "fail")],
)
def test_the_worst_verdict_counts(checks: tuple[object, ...], worst: Verdict) -> None:
    assert Examination(running=False, checks=checks).worst == worst  # type: ignore[arg-type]


def test_only_what_is_well_has_no_next_step() -> None:
    assert (GOOD.next, ODD.next, BAD.next) == ("", "look", "mend it")
