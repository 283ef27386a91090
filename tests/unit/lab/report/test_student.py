"""Student's t against printed tables."""

from statistics import NormalDist

import pytest

from lab.report.student import t_quantile, t_within


@pytest.mark.parametrize(
    ("confidence", "degrees", "expected"),
    [
        (0.95, 1, 12.70620474),
        (0.95, 2, 4.30265273),
        (0.95, 3, 3.18244631),
        (0.95, 4, 2.77644511),
        (0.95, 9, 2.26215716),
        (0.95, 10, 2.22813885),
        (0.95, 29, 2.04522964),
        (0.95, 120, 1.97993041),
        (0.90, 3, 2.35336343),
        (0.99, 5, 4.03214298),
        (0.99, 40, 2.70445927),
    ],
)
def test_agrees_with_printed_tables(confidence: float, degrees: int, expected: float) -> None:
    assert t_quantile(confidence, degrees) == pytest.approx(expected, rel=1e-8)


def test_nears_the_normal_distribution() -> None:
    assert t_quantile(0.95, 20_000) == pytest.approx(NormalDist().inv_cdf(0.975), rel=1e-4)


def test_more_degrees_never_reach_further() -> None:
    reaches = [t_quantile(0.95, degrees) for degrees in range(1, 200)]
    assert reaches == sorted(reaches, reverse=True)


def test_a_right_angle_holds_everything() -> None:
    assert [t_within(1.5707963267948966, degrees) for degrees in range(1, 30)] == pytest.approx([1.0] * 29)


@pytest.mark.parametrize(("confidence", "degrees"), [(0.0, 4), (1.0, 4), (0.95, 0)])
def test_refuses_what_has_no_interval(confidence: float, degrees: int) -> None:
    with pytest.raises(ValueError, match="no interval"):
        t_quantile(confidence, degrees)
