"""How good predictions are: groups that stay together in a split, and scores with intervals."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from nollclassify.estimation import Interval, percentile_interval, resampled_weights, wilson
from nollclassify.model import prepare
from nollclassify.swedish import words
from nollclassify.taxonomy import OTHER

N_RESAMPLES = 1000
# Fewer groups than this, and resampling them says nothing: the single texts are resampled instead.
MIN_GROUPS = 8
# Two texts are near-duplicates when at least half of their runs of three words are shared (Broder 1997).
SHINGLE, NEAR, MAX_SHARING = 3, 0.5, 200


# --- what stays together -----------------------------------------------------------------------------------------


def text_digest(text: str) -> str:
    """A name for a text that cannot be read back: SHA-256 of its masked and normalised words, 32 characters."""
    return hashlib.sha256(" ".join(words(prepare(text))).encode("utf-8", "replace")).hexdigest()[:32]


def near_duplicates(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of texts that share at least half of their runs of three words (Jaccard similarity)."""
    shingles = [_shingles(words(prepare(text))) for text in texts]
    index: dict[str, int] = {}
    columns = np.fromiter((index.setdefault(s, len(index)) for ss in shingles for s in ss), dtype=np.int64)
    sizes = np.array([len(ss) for ss in shingles], dtype=np.int64)
    rows = np.repeat(np.arange(len(texts)), sizes)
    # A run that stands in very many texts is a phrase of the language, not a sign of copying.
    common = np.bincount(columns, minlength=len(index) or 1)[columns] > MAX_SHARING
    rows, columns = rows[~common], columns[~common]
    sizes = np.bincount(rows, minlength=len(texts))
    incidence = sp.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(texts), len(index) or 1)).tocsr()
    shared = sp.triu(incidence @ incidence.T, k=1).tocoo()
    union = sizes[shared.row] + sizes[shared.col] - shared.data
    near = shared.data >= NEAR * union
    return [(int(i), int(j)) for i, j in zip(shared.row[near], shared.col[near], strict=True)]


def _shingles(text_words: list[str]) -> set[str]:
    runs = range(max(len(text_words) - SHINGLE + 1, 1))
    return {" ".join(text_words[i : i + SHINGLE]) for i in runs if text_words}


def groups(texts: Sequence[str], authors: Sequence[str]) -> np.ndarray:
    """Numbers of the groups that may not be split: texts of one author, and near-duplicates; shape (n_texts,).

    An empty author is unknown: such a text is alone, unless it has near-duplicates.
    """
    first: dict[str, int] = {}
    pairs = [(first.setdefault(a, i), i) for i, a in enumerate(authors) if a] + near_duplicates(texts)
    rows, columns = np.array(pairs, dtype=int).reshape(-1, 2).T
    n = len(texts)
    graph = sp.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    return np.asarray(sp.csgraph.connected_components(graph, directed=False)[1])


def indicator(causes: Sequence[str], cause_ids: Sequence[str]) -> np.ndarray:
    """Label sets written as ids joined by `;` as a matrix of 0 and 1, shape (n, k)."""
    sets = [set(cell.split(";")) for cell in causes]
    return np.array([[int(c in s) for c in cause_ids] for s in sets], dtype=int).reshape(len(sets), len(cause_ids))


# --- scores ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores:
    """The scores of a set of predictions, each figure with its n and a 95 % interval.

    Attributes:
        n: number of texts.
        n_groups: number of independent groups that were resampled (authors, else texts).
        causes: one row a cause: `cause`, `n` (texts that carry it), `n_predicted`, then `precision`, `recall` (Wilson),
            `f1` (bootstrap) each with `_low` and `_high`, `average_precision` and `calibration_error`.
        macro_f1, micro_f1, exact_match: overall.
        confusion: primary cause given (rows) against predicted (columns), `other` included; counts.
    """

    n: int
    n_groups: int
    causes: pd.DataFrame
    macro_f1: Interval
    micro_f1: Interval
    exact_match: Interval
    confusion: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """The same as plain numbers for JSON; what is not a number becomes None."""
        overall = {name: vars(getattr(self, name)) for name in ("macro_f1", "micro_f1", "exact_match")}
        return {
            "n": self.n,
            "n_groups": self.n_groups,
            **{name: {k: _finite(v) for k, v in interval.items()} for name, interval in overall.items()},
            "causes": [{k: _finite(v) for k, v in row.items()} for row in self.causes.to_dict("records")],
            "confusion": {str(row): {str(k): int(v) for k, v in r.items()} for row, r in self.confusion.iterrows()},
        }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def score(
    truth: np.ndarray,
    probabilities: np.ndarray,
    decided: np.ndarray,
    cause_ids: Sequence[str],
    group: Sequence[int] | np.ndarray | None = None,
    true_primary: Sequence[str] | None = None,
    seed: int = 0,
) -> Scores:
    """Compare predictions with labels.

    Args:
        truth: shape (n, k), 0 or 1.
        probabilities: shape (n, k), 0 to 1.
        decided: shape (n, k), whether the cause was labelled.
        cause_ids: k ids.
        group: n group numbers; intervals resample groups where there are at least eight, else texts.
        true_primary: n primary causes (empty: other), for the confusion; the first labelled one where None.
        seed: of the resampling.

    Raises:
        ValueError: no texts.
    """
    if not len(truth):
        raise ValueError("no texts to score")
    weights, members = resampling(len(truth), group, seed)
    parts = np.stack([truth & decided, ~truth.astype(bool) & decided, truth & ~decided.astype(bool)], axis=-1)
    by_group = members.T @ parts.reshape(len(truth), -1)
    drawn = (weights @ by_group).reshape(len(weights), len(cause_ids), 3)
    counted = parts.sum(axis=0)
    right = (truth == decided).all(axis=1)
    sizes = np.asarray(members.sum(axis=0)).ravel()
    return Scores(
        n=len(truth),
        n_groups=members.shape[1],
        causes=_cause_table(truth, probabilities, counted, drawn, cause_ids),
        macro_f1=percentile_interval(float(f1_of(counted).mean()), f1_of(drawn).mean(axis=1)),
        micro_f1=percentile_interval(float(f1_of(counted.sum(axis=0))), f1_of(drawn.sum(axis=1))),
        exact_match=percentile_interval(float(right.mean()), (weights @ (members.T @ right)) / (weights @ sizes)),
        confusion=_confusion(truth, probabilities, decided, cause_ids, true_primary),
    )


def resampling(n: int, group: Sequence[int] | np.ndarray | None, seed: int) -> tuple[np.ndarray, sp.csr_matrix]:
    """Bootstrap weights (n_resamples, n_groups) and membership (n, n_groups)."""
    number = np.arange(n) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
    if number.max() + 1 < MIN_GROUPS:
        number = np.arange(n)
    members = sp.coo_matrix((np.ones(n), (np.arange(n), number))).tocsr()
    return resampled_weights(members.shape[1], N_RESAMPLES, seed), members


def f1_of(parts: np.ndarray) -> np.ndarray:
    """F1 of counts (..., 3): right, wrongly labelled, missed. 1 where there was nothing to find and nothing found."""
    right, wrong, missed = parts[..., 0], parts[..., 1], parts[..., 2]
    whole = 2 * right + wrong + missed
    return np.where(whole > 0, 2 * right / np.where(whole > 0, whole, 1), 1.0)


def _cause_table(
    truth: np.ndarray, probabilities: np.ndarray, counted: np.ndarray, drawn: np.ndarray, cause_ids: Sequence[str]
) -> pd.DataFrame:
    rows = []
    for k, cause in enumerate(cause_ids):
        right, wrong, missed = (int(v) for v in counted[k])
        figures = {
            "precision": wilson(right, right + wrong),
            "recall": wilson(right, right + missed),
            "f1": percentile_interval(float(f1_of(counted[k])), f1_of(drawn[:, k])),
        }
        row: dict[str, Any] = {"cause": cause, "n": right + missed, "n_predicted": right + wrong}
        for name, interval in figures.items():
            row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
        row["average_precision"] = average_precision(truth[:, k], probabilities[:, k])
        row["calibration_error"] = calibration_error(truth[:, k], probabilities[:, k])
        rows.append(row)
    return pd.DataFrame(rows)


def average_precision(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under precision and recall, step-wise, ties together; not a number where the cause never occurs."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, probabilities)) if truth.any() else float("nan")


def calibration_error(truth: np.ndarray, probabilities: np.ndarray, n_bins: int = 15) -> float:
    """Mean distance of predicted from observed share over bins of equal mass (Nguyen and O'Connor 2015), 0 to 1."""
    gaps = np.bincount(calibration_bins(probabilities, n_bins), probabilities - truth)
    return float(np.abs(gaps).sum() / len(truth))


def calibration_bins(probabilities: np.ndarray, n_bins: int = 15) -> np.ndarray:
    """The number of each text's bin, shape (n,): as many texts in each, in the order of their probabilities."""
    bins = np.empty(len(probabilities), dtype=int)
    for number, texts in enumerate(np.array_split(np.argsort(probabilities, kind="stable"), n_bins)):
        bins[texts] = number
    return bins


def primary_causes(probabilities: np.ndarray, decided: np.ndarray, cause_ids: Sequence[str]) -> list[str]:
    """The labelled cause with the highest probability, or an empty text where none is labelled."""
    best = np.where(decided, probabilities, -1.0).argmax(axis=1)
    return [cause_ids[k] if row.any() else "" for k, row in zip(best, decided, strict=True)]


def _confusion(
    truth: np.ndarray,
    probabilities: np.ndarray,
    decided: np.ndarray,
    cause_ids: Sequence[str],
    true_primary: Sequence[str] | None,
) -> pd.DataFrame:
    given = true_primary or primary_causes(truth.astype(float), truth.astype(bool), cause_ids)
    predicted = primary_causes(probabilities, decided, cause_ids)
    names = [*cause_ids, OTHER]
    table = pd.crosstab(pd.Series([g or OTHER for g in given]), pd.Series([p or OTHER for p in predicted]))
    return table.reindex(index=names, columns=names, fill_value=0).rename_axis(index=None, columns=None)
