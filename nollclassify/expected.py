"""How good predictions are expected to be where nobody has labelled, from the probabilities alone.

Confidence-based performance estimation (Białek et al. 2024, arXiv 2401.08348; Guillory et al. 2021): a label set that
is right with a probability of 0.8 is right in eight cases of ten, if the probabilities hold. How far they hold is
learned from held-out texts: their authors differ by more than chance, and a new month may differ as an author does.
The interval holds that difference as well (random effects, DerSimonian and Laird 1986), on the log-odds.

It sees harder and easier texts, but not that known words have come to mean something else: probabilities of texts
of another kind than the training texts promise too much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from nollclassify.estimation import Interval, percentile_interval

N_DRAWS = 2_000
# A spread that a few held-out texts happen not to show is there all the same; that of the starter corpus is 0.3 to 0.9.
LEAST_SPREAD = 0.3
# A month is written by two hands at least, which halves the variance between hands: with it 95 % are covered, or more
# (tests/benchmarks/drift.py).
_HANDS = 2
_EDGE = 1e-3


@dataclass(frozen=True)
class Kept:
    """How promised probabilities were kept on held-out texts, on the log-odds.

    Attributes:
        offset: by how much they promised too little, on the average.
        error: standard error of the offset.
        spread: standard deviation of that among groups of texts (authors), beyond chance.
    """

    offset: float
    error: float
    spread: float

    def draws(self, seed: int) -> np.ndarray:
        """Offsets that a new batch may have, shape (N_DRAWS,)."""
        normal = np.random.default_rng(seed).standard_normal(N_DRAWS)
        return self.offset + float(np.hypot(self.error, max(self.spread, LEAST_SPREAD) / np.sqrt(_HANDS))) * normal


def kept(promised: np.ndarray, happened: np.ndarray, group: np.ndarray) -> Kept:
    """How promises were kept, by groups of texts; no offset where there are no texts.

    Args:
        promised: shape (n,), 0 to 1.
        happened: shape (n,), 0 or 1.
        group: n group numbers.
    """
    if not len(promised):
        return Kept(0.0, 1.0, 1.0)
    p = np.clip(promised, _EDGE, 1 - _EDGE)
    number = np.unique(group, return_inverse=True)[1]
    surplus, weight = np.bincount(number, happened - p), np.bincount(number, p * (1 - p))
    total = weight.sum()
    offset = surplus.sum() / total
    q = float((weight * (surplus / weight - offset) ** 2).sum())
    room = total - (weight**2).sum() / total
    variance = max(q - (len(weight) - 1), 0.0) / room if len(weight) > 1 else 1.0
    error = np.sqrt(1 / total + variance * (weight**2).sum() / total**2)
    return Kept(float(offset), float(error), float(np.sqrt(variance)))


def as_kept(promised: np.ndarray, how: Kept) -> np.ndarray:
    """The promises as they are kept on the average, shape (n,)."""
    moved: np.ndarray = _shifted(promised, np.array([how.offset]))[0]
    return moved


def confidence(probabilities: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """The probability that each whole label set is right, were the causes independent; both (n, k), result (n,)."""
    product: np.ndarray = np.where(decided.astype(bool), probabilities, 1 - probabilities).prod(axis=1)
    return product


def expected_share(promised: np.ndarray, how: Kept, seed: int = 0) -> Interval:
    """The share of a batch in which what was promised will be found, with the 95 % interval of that share.

    Raises:
        ValueError: an empty batch.
    """
    if not len(promised):
        raise ValueError("no promises")
    generator = np.random.default_rng(seed)
    drawn = _counts(promised, how.draws(seed + 1), generator) / len(promised)
    return percentile_interval(float(as_kept(promised, how).mean()), np.clip(drawn, 0, 1))


def expected_f1(
    probabilities: np.ndarray, decided: np.ndarray, labelled: Kept, others: Kept, seed: int = 0
) -> Interval:
    """F1 of one cause in a batch, with the 95 % interval; not a number where it is neither labelled nor expected.

    Args:
        probabilities: shape (n,), of the cause.
        decided: shape (n,), whether it was labelled.
        labelled, others: how the probabilities were kept where it was labelled, and where it was not.
    """
    yes, no = probabilities[decided.astype(bool)], probabilities[~decided.astype(bool)]
    generator = np.random.default_rng(seed)
    means = [as_kept(p, how).sum() for p, how in ((yes, labelled), (no, others))]
    if not len(yes) and means[1] < 1:
        return Interval(float("nan"), 0.0, 1.0)
    right = np.clip(_counts(yes, labelled.draws(seed + 1), generator), 0, len(yes))
    missed = np.maximum(_counts(no, others.draws(seed + 2), generator), 0)
    drawn = 2 * right / np.maximum(len(yes) + right + missed, 1e-9)
    return percentile_interval(float(2 * means[0] / max(len(yes) + sum(means), 1e-9)), drawn)


def _shifted(promised: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The promises moved by each offset, shape (n_offsets, n)."""
    moved: np.ndarray = expit(logit(np.clip(promised, _EDGE, 1 - _EDGE)) + offsets[:, None])
    return moved


def _counts(promised: np.ndarray, offsets: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """How many promises are kept, once for each offset: a normal draw with the mean and variance of their sum."""
    # By thousandths: a million promises take no more time than a thousand.
    values, sizes = np.unique(np.clip(np.round(promised, 3), _EDGE, 1 - _EDGE), return_counts=True)
    moved = _shifted(values, offsets)
    counts: np.ndarray = generator.normal(moved @ sizes, np.sqrt((moved * (1 - moved)) @ sizes))
    return counts
