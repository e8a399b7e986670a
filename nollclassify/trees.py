"""Small boosted decision trees as plain arrays: what scikit-learn fits, evaluated with numpy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DEPTH = 3
_N_SPLITS = 2**DEPTH - 1
# A limit that everything stays below; finite, as all that a model directory holds.
_NO_LIMIT = 1e300


@dataclass(frozen=True)
class Trees:
    """For each of k causes t complete binary trees whose leaves add up to log-odds.

    The children of split i are 2 i + 1 (where the feature is at most the limit) and 2 i + 2, as in a heap.

    Attributes:
        features: shape (k, t, 7), int16: the feature that each split looks at.
        limits: shape (k, t, 7).
        leaves: shape (k, t, 8), from left to right.
        base: shape (k,): the log-odds that the leaves are added to.
    """

    features: np.ndarray
    limits: np.ndarray
    leaves: np.ndarray
    base: np.ndarray

    @classmethod
    def none(cls, n_causes: int) -> Trees:
        """No trees at all."""
        splits, leaves = np.zeros((n_causes, 0, _N_SPLITS)), np.zeros((n_causes, 0, _N_SPLITS + 1))
        return cls(splits.astype(np.int16), splits, leaves, np.zeros(n_causes))

    def log_odds(self, matrix: np.ndarray, cause: int) -> np.ndarray:
        """The log-odds of one cause for each row of a matrix, shape (n,)."""
        total, columns = np.full(len(matrix), self.base[cause]), np.ascontiguousarray(matrix.T)
        rows = np.arange(len(matrix))
        for features, limits, leaves in zip(self.features[cause], self.limits[cause], self.leaves[cause], strict=True):
            node = np.zeros(len(matrix), dtype=np.intp)
            for _ in range(DEPTH):
                node = 2 * node + 1 + (columns[features[node], rows] > limits[node])
            total += leaves[node - _N_SPLITS]
        return total


def of_scikit_learn(boosted: object) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Features (t, 7), limits (t, 7), leaves (t, 8) and base of a `HistGradientBoostingClassifier` of two classes.

    Its trees lie in an attribute that is not public; a test holds what comes out here against `decision_function`.
    """
    trees = [stage[0].nodes for stage in boosted._predictors]  # type: ignore[attr-defined]
    features = np.zeros((len(trees), _N_SPLITS), dtype=np.int16)
    limits, leaves = np.full((len(trees), _N_SPLITS), _NO_LIMIT), np.zeros((len(trees), _N_SPLITS + 1))
    for tree, nodes in enumerate(trees):
        places = [(0, 0)]  # our place, its node there; a leaf higher up stands for all the places below it
        for place, at in places:
            node = nodes[at]
            if place >= _N_SPLITS:
                leaves[tree, place - _N_SPLITS] = node["value"]
                continue
            left = right = at
            if not node["is_leaf"]:
                features[tree, place], limits[tree, place] = node["feature_idx"], node["num_threshold"]
                left, right = node["left"], node["right"]
            places += [(2 * place + 1, left), (2 * place + 2, right)]
    return features, limits, leaves, float(boosted._baseline_prediction.ravel()[0])  # type: ignore[attr-defined]
