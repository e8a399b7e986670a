"""From what probability on a cause is labelled: thresholds, chosen on out-of-fold probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nollclassify.model import PRECISIONS, CauseModel

# Fewer texts than this are not judged by their share.
MIN_ABOVE = 20
# A threshold that no probability reaches.
NEVER = 1.01
# A cause with fewer examples than this, beside its definition, gets no higher threshold than this. What few examples
# say out of fold, where others of them are missing, is too high: of new authors' texts it found a third. The best
# threshold is half the F1 it reaches (Lipton et al., Optimal thresholding of classifiers to maximize F1, 2014).
_FEW, _HIGHEST_OF_FEW = 50, 0.15


def best_thresholds(probabilities: np.ndarray, Y: np.ndarray, weight: np.ndarray, taught: Sequence[int]) -> np.ndarray:
    """The threshold of each cause by `best_threshold`; at most 0.15 for a taught one with fewer than 50 examples.

    Args:
        probabilities, Y: shape (n, k); weight: shape (n,).
        taught: columns of `Y`: causes whose definition is learned from, because their examples are few.
    """
    best = np.array([best_threshold(probabilities[:, k], Y[:, k], weight) for k in range(Y.shape[1])])
    few = [k for k in taught if Y[:, k].sum() < _FEW]
    best[few] = np.minimum(best[few], _HIGHEST_OF_FEW)
    return best


def best_threshold(probabilities: np.ndarray, y: np.ndarray, weight: np.ndarray | None = None) -> float:
    """The highest threshold, from 0.05 to 0.95, whose smoothed F1 is within 0.003 of the best.

    The highest, for causes are rarer in real mixes than in texts that were written to show them, and there the same
    F1 is reached at a higher threshold.
    """
    weight = np.ones(len(y)) if weight is None else weight
    grid = np.arange(0.05, 0.951, 0.01)
    chosen = probabilities[:, None] >= grid
    found, all_chosen, given = (y * weight) @ chosen, weight @ chosen, (y * weight).sum()
    f1 = 2 * found / np.maximum(all_chosen + given, 1e-9)
    smooth = np.convolve(np.pad(f1, 3, mode="edge"), np.ones(7) / 7, mode="valid")
    return float(grid[np.flatnonzero(smooth >= smooth.max() - 0.003)[-1]])


def strict_thresholds(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    """For each of `PRECISIONS` the lowest threshold that reaches it on these texts, shape (20,)."""
    return np.array([_lowest(probabilities, y == 1, precision) for precision in PRECISIONS])


def certainties(model: CauseModel, probabilities: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """For each of `PRECISIONS` the lowest confidence from which that share of label sets is right, shape (20,)."""
    levels = []
    for precision in PRECISIONS:
        strict, _ = model.at_precision(precision)
        right = (strict.decide(probabilities) == (Y == 1)).all(axis=1)
        levels.append(_lowest(strict.confidence(probabilities), right, precision))
    return np.array(levels)


def _lowest(values: np.ndarray, right: np.ndarray, precision: float) -> float:
    """The lowest value from which on at least this share is right; above 1 where there is none."""
    order = np.argsort(-values, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    share[: min(MIN_ABOVE, len(share)) - 1] = 0  # a handful at the top says nothing
    reached = np.flatnonzero(share >= precision)
    return float(values[order[reached[-1]]]) if len(reached) else NEVER
