"""How well people agree who labelled the same cases: raw agreement and Krippendorff's alpha, with intervals.

K. Krippendorff: Computing Krippendorff's Alpha-Reliability (2011), and Content Analysis (3rd ed. 2013), ch. 12. Alpha
is 1 - observed / expected disagreement: 1 where all agree, 0 where they agree as often as by chance. Any number of
people may have labelled a case, and not everybody each.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nollclassify.estimation import Interval, percentile_interval, resampled_weights, wilson

N_RESAMPLES = 1000

Distance = Callable[[Any, Any], float]


@dataclass(frozen=True)
class Reliability:
    """What some people's labels of the same cases are worth.

    Attributes:
        n: cases that at least two people labelled.
        agreement: of the pairs of people of a case the share that agree, mean over the cases; 0 to 1, Wilson.
        alpha: Krippendorff's, at most 1; not a number where all labels are the same, for then nothing varies.
    """

    n: int
    agreement: Interval
    alpha: Interval


def nominal(one: Hashable, other: Hashable) -> float:
    """0 where both are the same, else 1."""
    return float(one != other)


def masi(one: frozenset[str], other: frozenset[str]) -> float:
    """Distance of two sets, 0 to 1: 1 - Jaccard x monotonicity (Passonneau 2006, MASI).

    Monotonicity is 1 for equal sets, 2/3 where one holds the other, 1/3 where they overlap, 0 where nothing is shared.
    """
    shared, all_of_them = len(one & other), len(one | other)
    if one == other:
        return 0.0
    if not shared:
        return 1.0
    return 1 - shared / all_of_them * (2 / 3 if one <= other or other <= one else 1 / 3)


def reliability(units: Sequence[Sequence[Hashable]], distance: Distance = nominal, seed: int = 0) -> Reliability:
    """Agreement and alpha of labelled cases; intervals of 95 %, of alpha by resampling cases.

    Where nobody ever disagreed, resampling finds no disagreement either: the lower end of alpha is then where it would
    be with as much disagreement as Wilson's limit leaves room for.

    Args:
        units: of each case the labels that people gave it; cases with fewer than two are left out.
        distance: how far apart two labels are, 0 to 1.
        seed: of the resampling.
    """
    units = [unit for unit in units if len(unit) > 1]
    if not units:
        nothing = Interval(float("nan"), float("nan"), float("nan"))
        return Reliability(0, nothing, nothing)
    values = list(dict.fromkeys(value for unit in units for value in unit))
    apart = np.array([[distance(a, b) for b in values] for a in values])
    counts = _counts(units, values)
    differing = _mean_distance(counts, 1.0 - np.eye(len(values)))
    agreement = wilson(float((1 - differing).sum()), len(units))
    estimate = float(_alpha(np.ones((1, len(units))), counts, apart)[0])
    alpha = percentile_interval(estimate, _alpha(resampled_weights(len(units), N_RESAMPLES, seed), counts, apart))
    if not differing.any() and np.isfinite(estimate):
        by_chance = float(_mean_distance(counts.sum(axis=0), apart))
        alpha = Interval(1.0, max(1 - (1 - agreement.low) / by_chance, -1.0), 1.0)
    return Reliability(len(units), agreement, alpha)


def _counts(units: Sequence[Sequence[Hashable]], values: Sequence[Hashable]) -> np.ndarray:
    """How often each value stands in each unit, shape (u, v)."""
    place = {value: at for at, value in enumerate(values)}
    counts = np.zeros((len(units), len(values)))
    for row, unit in zip(counts, units, strict=True):
        for value in unit:
            row[place[value]] += 1
    return counts


def _mean_distance(counts: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """The mean distance of two labels, for counts of values (..., v), at least two in all; shape (...)."""
    n = counts.sum(axis=-1)
    return np.asarray(((counts @ apart) * counts).sum(axis=-1) / (n * (n - 1)))


def _alpha(weights: np.ndarray, counts: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Alpha for each way (b) of weighing the units, shape (b,); not a number where nothing varies."""
    sizes = counts.sum(axis=1)
    observed = weights @ (sizes * _mean_distance(counts, apart)) / (weights @ sizes)
    expected = _mean_distance(weights @ counts, apart)
    ratio = np.divide(observed, expected, out=np.full(len(weights), np.nan), where=expected > 0)
    return np.asarray(1 - ratio)
