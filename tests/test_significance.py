"""How sure one may be of a difference: against published values and by hand."""

import math

import pytest

from airr.significance import half_interval, holm, rank_correlation, spread, welch


def test_a_mean_s_interval_is_student_s():
    values = [1.0, 2.0, 3.0, 4.0]
    # t(0.975, 3) = 3.18245 in every table; the standard error is sqrt(5/3) / 2
    assert half_interval(values) == pytest.approx(3.18245 * math.sqrt(5 / 3) / 2, rel=1e-5)
    assert spread(values) == pytest.approx(math.sqrt(5 / 3))
    assert half_interval([1.0]) is spread([1.0]) is None


def test_welch_agrees_with_the_distributions_that_have_a_closed_form():
    """With 2 degrees of freedom p = 1 - t / sqrt(2 + t^2), with 1 it is 1 - 2 atan(t) / pi."""
    t = 3 / math.sqrt(2)  # means 3 apart, and two variances of 2 over 2 values
    assert welch([0, 2], [3, 5]) == pytest.approx(1 - t / math.sqrt(2 + t**2))
    # only one side scatters: its single degree of freedom is all there is
    assert welch([0, 0], [1, 3]) == pytest.approx(1 - 2 * math.atan(2) / math.pi)


def test_there_is_no_p_value_without_scatter_or_with_one_score():
    assert welch([1.0], [1.0, 2.0]) is None
    assert welch([1.0, 1.0], [2.0, 2.0]) is None
    assert welch([1.0, 1.0], [2.0, 2.1]) is not None


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.04, None, 0.01], [0.04, None, 0.02]),
        ([0.9, 0.8], [1.0, 1.0]),
        ([], []),
    ],
)
def test_p_values_that_are_looked_at_together_are_raised(given, adjusted):
    assert holm(given) == pytest.approx(adjusted)


def test_ranks_of_five_pairs_in_the_same_order_are_one_case_in_sixty():
    rho, p_value = rank_correlation([1, 2, 3, 4, 5], [10, 20, 30, 40, 90]) or (0, 0)
    assert rho == pytest.approx(1)
    assert p_value == pytest.approx(2 / 120)
    rho, _ = rank_correlation([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]) or (0, 0)
    assert rho == pytest.approx(-1)


def test_many_pairs_are_judged_by_student_s_distribution():
    """Critical values of Spearman's rho for 20 pairs stand in tables: 0.447 at 5 %."""
    one = list(range(20))
    for turned, expected, related in ((12, 1 - 572 / 1330, True), (14, 1 - 910 / 1330, False)):
        other = [*reversed(one[:turned]), *one[turned:]]
        rho, p_value = rank_correlation(one, other) or (0, 0)
        assert rho == pytest.approx(expected)
        assert (rho > 0.447) == related == (p_value < 0.05)


def test_no_ranks_are_compared_where_there_are_none():
    assert rank_correlation([1, 2], [1, 2]) is None
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None
