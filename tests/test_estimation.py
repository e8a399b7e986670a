"""Intervals against published figures and the rules that any interval keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nollclassify.estimation import percentile_interval, poisson_rate, resampled_weights, wilson


def test_the_rate_of_120_complaints_in_8_million_purchases() -> None:
    rate = poisson_rate(120, 8)
    assert (round(rate.estimate, 1), round(rate.low, 1), round(rate.high, 1)) == (15.0, 12.4, 17.9)


def test_wilson_as_published_by_newcombe_1998() -> None:
    share = wilson(81, 263)
    assert (round(share.low, 4), round(share.high, 4)) == (0.2553, 0.3662)


def test_nothing_counted_still_has_an_upper_end() -> None:
    assert poisson_rate(0, 1).low == 0
    assert round(poisson_rate(0, 1).high, 2) == 3.69
    assert wilson(0, 0).low == 0
    assert wilson(0, 0).high == 1
    assert np.isnan(wilson(0, 0).estimate)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_within_its_interval_and_the_interval_within_0_and_1(case: tuple[int, int]) -> None:
    share = wilson(*case)
    assert 0 <= share.low <= share.estimate <= share.high <= 1


@pytest.mark.parametrize(("count", "exposure"), [(-1, 1), (1, 0), (1, -2)])
def test_impossible_counts_and_exposures_are_refused(count: int, exposure: float) -> None:
    with pytest.raises(ValueError, match="wanted count >= 0 and exposure > 0"):
        poisson_rate(count, exposure)


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="wanted 0 to 2"):
        wilson(3, 2)


def test_every_resample_draws_as_many_groups_as_there_are() -> None:
    weights = resampled_weights(7, 50, seed=1)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_the_percentile_interval_leaves_out_what_is_no_number() -> None:
    interval = percentile_interval(0.5, np.array([0.0, 1.0, np.nan]))
    assert (interval.low, interval.high) == pytest.approx((0.025, 0.975))
    assert np.isnan(percentile_interval(0.5, np.array([np.nan])).low)
