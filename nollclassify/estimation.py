"""Shares and rates with intervals: pure functions on numbers, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri


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
    z = float(ndtri(0.5 + confidence / 2))
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)))
    return Interval(share, max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share)))


def poisson_rate(count: int, exposure: float, confidence: float = 0.95) -> Interval:
    """Count per unit of exposure with the exact interval of Garwood (1936); unit: events per unit of exposure.

    Raises:
        ValueError: a negative count, or an exposure that is not positive.
    """
    from scipy.stats import chi2

    if count < 0 or exposure <= 0:
        raise ValueError(f"count {count} and exposure {exposure}, wanted count >= 0 and exposure > 0")
    tail = (1 - confidence) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    high = float(chi2.ppf(1 - tail, 2 * count + 2)) / 2
    return Interval(count / exposure, low / exposure, high / exposure)


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
