"""Shares, rates and changes with intervals: pure functions on numbers, each with its source.

Where a person has audited a sample, the share of a cause is estimated by the difference estimator (Särndal, Swensson
and Wretman 1992, ch. 6; "prediction-powered" in Angelopoulos et al. 2023): what the classifier said, corrected by what
the audit found. Drawn with equal chances within strata of one prediction each, it is the mean of the strata's audited
shares, weighted by the strata's sizes. So it never leaves 0 to 1, and the causes add up to the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, betaincinv, gammaincinv, ndtr, ndtri


@dataclass(frozen=True)
class Interval:
    """An estimate with the lower and upper end of its interval, in the unit of the estimate."""

    estimate: float
    low: float
    high: float


def wilson(successes: float, n: float, confidence: float = 0.95) -> Interval:
    """Share of `successes` in `n` with the score interval of Wilson (1927); all values 0 to 1.

    With n = 0 nothing is known: the estimate is not a number and the interval 0 to 1.

    Raises:
        ValueError: successes below 0 or above n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes in {n}, wanted 0 to {n}")
    if n == 0:
        return Interval(float("nan"), 0.0, 1.0)
    share = successes / n
    low, high = wilson_limits(np.array(share), np.array(float(n)), confidence)
    return Interval(share, float(low), float(high))


def wilson_limits(share: np.ndarray, n: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The limits of Wilson's interval for shares 0 to 1 of n > 0, which need not be whole; same shape as they."""
    z = float(ndtri(0.5 + confidence / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.clip(centre - half, 0.0, share), np.clip(centre + half, share, 1.0)


def poisson_rate(count: float, exposure: float, confidence: float = 0.95) -> Interval:
    """Count per unit of exposure with the exact interval of Garwood (1936); unit: events per unit of exposure.

    A count that is not whole is an effective one (`effective_count`): the limits are the same quantiles of gamma.

    Raises:
        ValueError: a negative count, or an exposure that is not positive.
    """
    if count < 0 or exposure <= 0:
        raise ValueError(f"count {count} and exposure {exposure}, wanted count >= 0 and exposure > 0")
    low, high = poisson_limits(np.array(float(count)), confidence)
    return Interval(count / exposure, float(low) / exposure, float(high) / exposure)


def poisson_limits(count: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The limits of Garwood's interval of Poisson means by counts >= 0, which need not be whole; same shape."""
    tail = (1 - confidence) / 2
    low = np.where(count > 0, gammaincinv(np.maximum(count, 1e-9), tail), 0.0)
    return low, np.asarray(gammaincinv(count + 1, 1 - tail))


# --- shares corrected by an audit ----------------------------------------------------------------------------------


def allocate(sizes: np.ndarray, n: int, power: float = 0.7) -> np.ndarray:
    """How many to draw from each stratum: by size to the power 0.7 (Bankier 1988), two from each at first.

    Proportional drawing leaves too few in small strata, equal drawing too few in large ones; by simulation 0.7 covers
    best. Returns whole numbers of the shape of `sizes`, in all min(n, all cases), none above its stratum's size.
    """
    sizes = np.asarray(sizes, dtype=int)
    drawn = np.minimum(sizes, 2)
    while drawn.sum() > n:
        drawn[np.argmax(drawn)] -= 1
    while drawn.sum() < min(n, int(sizes.sum())):
        wanted = np.where(drawn < sizes, sizes.astype(float) ** power / (drawn + 0.5), -1.0)
        drawn[np.argmax(wanted)] += 1
    return np.asarray(drawn)


@dataclass(frozen=True)
class Audited:
    """Shares estimated from audited strata; all arrays of the shape that the strata had without their last axis.

    Attributes:
        share: 0 to 1.
        low, high: 95 % limits, 0 to 1.
        n: effective number of audited cases: a plain random sample of as many would tell as much.
    """

    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


def audited_share(sizes: np.ndarray, drawn: np.ndarray, found: np.ndarray, guess: np.ndarray) -> Audited:
    """Share of the cases that have a cause, from an audit of cases drawn with equal chances within each stratum.

    The interval is Wilson's on the effective sample size (Franco et al. 2019; the size after Korn and Graubard 1998),
    its lower end drawn towards that of Jeffreys (by simulation: `tests/benchmarks/intervals.py`). It holds for
    the share behind the batch, of which the batch itself is a sample: with every case audited it is the plain
    Wilson interval. In the variance each stratum's share is that of Jeffreys, half a case of each kind more, for
    strata in which an audit of few found no error are not free of errors.

    Args:
        sizes: cases in each stratum, shape (..., s).
        drawn: audited cases in each stratum, shape (..., s).
        found: audited cases that have the cause, shape (..., s).
        guess: the share to take where none was drawn: 0 to 1, shape (..., s).
    """
    sizes, drawn, found = (np.asarray(a, dtype=float) for a in (sizes, drawn, found))
    total = sizes.sum(axis=-1)
    weight = sizes / total[..., None]
    at_least_one = np.maximum(drawn, 1.0)
    shares = np.where(drawn > 0, found / at_least_one, guess)
    drawn_in = (found + 0.5) / (drawn + 1.0) * (drawn > 0) + np.where(drawn > 0, 0.0, 0.5)
    share, smooth = (weight * shares).sum(axis=-1), (weight * drawn_in).sum(axis=-1)
    within = (weight**2 * drawn_in * (1 - drawn_in) / at_least_one).sum(axis=-1)
    between = ((weight * drawn_in**2).sum(axis=-1) - smooth**2) / total
    n = np.minimum(smooth * (1 - smooth) / np.maximum(within + between, 1e-12), total)
    share = np.clip(share, 0.0, 1.0)
    low, high = wilson_limits(share, n)
    # One rare case found in a stratum of few lifts Wilson's lower end too far: the less of all is known, the more
    # weighs that of Jeffreys (for both see Brown, Cai and DasGupta 2001).
    jeffreys = np.where(share > 0, betaincinv(share * n + 0.5, (1 - share) * n + 0.5, 0.025), 0.0)
    low = low - (1 - n / total) * np.maximum(low - jeffreys, 0.0)
    return Audited(share, low, high, n)


def effective_count(share: float, n: float, total: float) -> tuple[float, float]:
    """A count of events, and its part of the exposure, that tell as much as a share estimated from a sample.

    The total is a Poisson count and the share an estimate worth `n` cases; the count of a cause is their product, of
    relative variance 1/total + (1-share)/(share n). A Poisson count of the same relative variance is returned, with
    the factor by which the exposure is to be multiplied. With n = total both are exact: share * total, and 1.
    """
    worth = 1 / (share / total + (1 - share) / n)
    return share * worth, worth / total


# --- shares in other codes -----------------------------------------------------------------------------------------

# How far the parts of a code may move between the double-coded sample and a month, as the variance of a share over
# share * (1 - share): two months in three within 5 points of a half.
DRIFT = 0.01


def bridged_share(share: np.ndarray, worth: np.ndarray, found: np.ndarray, drift: float = DRIFT) -> Audited:
    """Shares in the codes after a change, from those before it and a sample of cases coded by both (double coding).

    A code's share is given out to the codes after it as the double-coded cases of it were. Interval: Wilson's on the
    effective number, whose variance is the sum of three (Goodman 1960 for the product): the month's own sampling, the
    sample's, and what the parts may have moved in between (`drift`, an intra-class correlation). So a sample is
    never worth more than 1 / drift cases, however large it is. In the variance shares are those of Jeffreys.

    Args:
        share: of each code before, shape (..., k), 0 to 1, together 1.
        worth: effective number of cases behind each, shape (..., k).
        found: double-coded cases by code before and after, shape (..., k, k); a code without any stays itself.
    """
    share, worth, found = (np.asarray(a, dtype=float) for a in (share, worth, found))
    cases, same = found.sum(axis=-1, keepdims=True), np.eye(share.shape[-1])
    part = np.where(cases > 0, found / np.maximum(cases, 1.0), same)
    near = np.where(cases > 0, (found + 0.5) / (cases + 1.0), same)
    new = np.einsum("...i,...ij->...j", share, part)
    s = (share * worth + 0.5) / (worth + 1.0)
    # Each code is a part of the month's cases: variances, less the covariances of a multinomial.
    weaker = np.maximum(worth[..., :, None], worth[..., None, :])
    covariance = same * (s / worth)[..., None] - s[..., :, None] * s[..., None, :] / weaker
    of_month = np.einsum("...ij,...il,...lj->...j", near, covariance, near)
    unknown = np.where(cases > 0, 1 / np.maximum(cases, 1.0) + drift, 0.0)
    of_parts = ((s**2)[..., None] * near * (1 - near) * unknown).sum(axis=-2)
    smooth = np.minimum(np.einsum("...i,...ij->...j", s, near), 1.0)
    n = np.maximum(smooth * (1 - smooth), 1e-12) / np.maximum(of_month + of_parts, 1e-12)
    new = np.clip(new, 0.0, 1.0)
    return Audited(new, *wilson_limits(new, n), n)


# --- changes -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A ratio of two rates with its 95 % interval and two-sided p-value (0 to 1)."""

    ratio: float
    low: float
    high: float
    p: float


def rate_ratio(count: float, exposure: float, count_before: float, exposure_before: float) -> Change:
    """This rate against an earlier one: exact conditional interval (Przyborowski and Wilenski 1940; Clopper-Pearson).

    Given both counts' sum, this one is binomial, whatever the level. Counts may be effective ones. With both 0
    nothing is known: not a number, 0 to infinity, p 1.

    Raises:
        ValueError: a negative count, or an exposure that is not positive.
    """
    if min(count, count_before) < 0 or min(exposure, exposure_before) <= 0:
        raise ValueError("wanted counts >= 0 and exposures > 0")
    if count + count_before == 0:
        return Change(float("nan"), 0.0, float("inf"), 1.0)
    per = exposure_before / exposure
    low = float(betaincinv(count, count_before + 1, 0.025)) if count else 0.0
    # The other count's share, for 1 - share would lose its digits where that count is small.
    rest = float(betaincinv(count_before, count + 1, 0.025)) if count_before else 0.0
    return Change(
        count / count_before * per if count_before else float("inf"),
        low / (1 - low) * per if low < 1 else float("inf"),
        (1 - rest) / rest * per if rest else float("inf"),
        _conditional_p(count, count_before, exposure / (exposure + exposure_before)),
    )


def _conditional_p(count: float, count_before: float, expected: float) -> float:
    """Twice the smaller tail of the conditional binomial, at most 1; tails as regularised beta functions."""
    upper = float(betainc(count, count_before + 1, expected)) if count else 1.0
    lower = float(betainc(count_before, count + 1, 1 - expected)) if count_before else 1.0
    return min(1.0, 2 * min(upper, lower))


def difference_in_changes(touched: Change, others: Change) -> Change:
    """How much more a rate changed than others did, as a ratio of ratios; Wald on the logarithm (Bland, Altman 2003).

    The standard errors are read off the two intervals. Not a number where one of the ratios is 0 or unknown.
    """
    values = (touched.ratio, touched.low, touched.high, others.ratio, others.low, others.high)
    if not all(0 < v < float("inf") for v in values):
        return Change(float("nan"), 0.0, float("inf"), 1.0)
    z = float(ndtri(0.975))
    error = float(np.hypot(*(np.log(c.high / c.low) / (2 * z) for c in (touched, others))))
    estimate = float(np.log(touched.ratio / others.ratio))
    low, high = np.exp(estimate - z * error), np.exp(estimate + z * error)
    return Change(float(np.exp(estimate)), float(low), float(high), float(2 * ndtr(-abs(estimate) / error)))


def power_to_see(fall: float, before: float, exposure_ratio: float, extra_variance: float = 0.0) -> float:
    """About the chance (0 to 1) that a true fall would show at the 5 % level, by the logarithm of the ratio.

    The exact test of `rate_ratio` sees up to 4 points less where there are few cases.

    Args:
        fall: 0 to 1, for example 0.3 for a fall of 30 %.
        before: cases before the measure.
        exposure_ratio: exposure after against before.
        extra_variance: of the logarithm, from the comparison with others.
    """
    left = max(1 - fall, 0.01)  # the logarithm knows no fall to nothing
    after = before * exposure_ratio * left
    if after <= 0:
        return 0.0
    error = float(np.sqrt(1 / before + 1 / after + extra_variance))
    return float(ndtr(-np.log(left) / error - ndtri(0.975)))


# --- bootstrap -----------------------------------------------------------------------------------------------------


def resampled_weights(n_groups: int, n_resamples: int, seed: int) -> np.ndarray:
    """How often each group is drawn in each bootstrap resample (Efron 1979), shape (n_resamples, n_groups)."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=n_resamples).astype(float)


def percentile_interval(estimate: float, resampled: np.ndarray, confidence: float = 0.95) -> Interval:
    """The percentile interval of a bootstrap distribution; values that are not numbers are left out."""
    kept = resampled[np.isfinite(resampled)]
    if not len(kept):
        return Interval(estimate, float("nan"), float("nan"))
    low, high = np.quantile(kept, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(estimate, float(low), float(high))
