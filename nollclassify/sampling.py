"""The one sampler of audit and review: which cases a person sees, each with its known probability of being drawn.

By chance (the audit's design), or, where it is known what each case is worth, about two thirds for their worth and the
others by chance among the rest. What is chosen for its worth depends on no chance, so its probability is 1, and those
of all the others are known: shares can still be estimated honestly, which a queue of doubtful cases alone forbids.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from nollclassify.copies import likeness
from nollclassify.estimation import allocate

USEFUL, AUDIT = "useful", "audit"
# Of n cases so many are drawn for their worth, where so many are worth anything.
_USEFUL_SHARE = 2 / 3
# The next case of the same kind, or with the same predicted cause, is worth so much of what it was: a queue of one
# reason, or of the commonest cause alone, teaches little.
_ONE_MORE = 0.95
# Two texts that share this part of their runs of three words are one complaint for whoever learns from them.
_ALIKE = 0.4


def sample(cases: pd.DataFrame, n: int, seed: int = 0, worth: pd.Series | None = None) -> pd.DataFrame:
    """Draw n cases: by chance, or where `worth` is given two thirds by worth and the others by chance.

    By chance: stratified by predicted cause, so many from each as `estimation.allocate` says. Within a predicted cause
    the cases stand by product, shuffled within it, and every k-th is drawn from a random start (systematic sampling,
    Madow and Madow 1944): each has the same probability, and each product gets its part.

    By worth: the one worth most again and again, where each case of its kind or predicted cause that was taken makes
    the others of them worth less, and texts that are nearly alike are taken once.

    Args:
        cases: with `case_id` (each once), `primary` and `product`; where `worth` is given also `text` and `kind` (any
            label: why the case is worth something).
        n: fewer are drawn where there are fewer cases.
        seed: of the part drawn by chance; the same cases in any order and the same seed give the same draw.
        worth: 0 and more, in the order of `cases`; cases worth 0 are drawn by chance alone.

    Returns:
        One row a case, in order: `case_id`, `stratum` (predicted primary cause), `drawn` (bool), `probability` of
        being drawn (0 to 1), `chosen` (`useful`, `audit`, or empty where it is not drawn) and `rank` (1 for the most
        useful, those drawn by chance behind them, 0 where it is not drawn).
    """
    useful = [] if worth is None else _most_useful(cases, worth.to_numpy(dtype=float), round(n * _USEFUL_SHARE))
    rest = np.setdiff1d(np.arange(len(cases)), useful)
    drawn, probability = np.zeros(len(cases), dtype=bool), np.ones(len(cases))
    drawn[rest], probability[rest] = _by_chance(cases.iloc[rest], n - len(useful), seed)
    chosen = np.where(drawn, AUDIT, "").astype(object)
    chosen[useful] = USEFUL
    rank = np.zeros(len(cases), dtype=int)
    by_chance = np.flatnonzero(drawn)
    by_chance = by_chance[np.argsort(cases["case_id"].to_numpy(dtype=str)[by_chance], kind="stable")]
    ranked = np.concatenate([np.array(useful, dtype=int), by_chance])
    rank[ranked] = np.arange(1, len(ranked) + 1)
    columns = {
        "case_id": cases["case_id"],
        "stratum": cases["primary"],
        "drawn": rank > 0,
        "probability": probability,
        "chosen": chosen,
        "rank": rank,
    }
    return pd.DataFrame(columns, index=cases.index)


def _by_chance(cases: pd.DataFrame, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether each case is drawn, and its probability; shape (n_cases,)."""
    generator = np.random.default_rng(seed)
    case_id, primary, product = (cases[name].to_numpy(dtype=str) for name in ("case_id", "primary", "product"))
    # By case id, so that the same cases are drawn however the rows are sorted.
    chance = np.empty(len(cases))
    chance[np.argsort(case_id, kind="stable")] = generator.random(len(cases))
    drawn, probability = np.zeros(len(cases), dtype=bool), np.zeros(len(cases))
    strata, sizes = np.unique(primary, return_counts=True)
    for stratum, size, take in zip(strata, sizes, allocate(sizes, n), strict=True):
        rows = np.flatnonzero(primary == stratum)
        rows = rows[np.lexsort((chance[rows], product[rows]))]
        points = np.floor((np.arange(take) + generator.random()) * size / max(take, 1)).astype(int)
        drawn[rows[np.minimum(points, size - 1)]] = True  # A start just below 1 may be rounded up.
        probability[rows] = take / size
    return drawn, probability


def _most_useful(cases: pd.DataFrame, worth: np.ndarray, n: int) -> list[int]:
    """Positions of at most n cases, the most useful first."""
    taken: list[int] = []
    texts, kinds, strata = (cases[name].tolist() for name in ("text", "kind", "primary"))
    n_kind, n_stratum = dict.fromkeys(kinds, 0), dict.fromkeys(strata, 0)
    groups = _groups(cases["case_id"].to_numpy(dtype=str), worth, kinds, strata)
    while len(taken) < n and groups:
        present = {g: worth[at[-1]] * _ONE_MORE ** (n_kind[g[0]] + n_stratum[g[1]]) for g, at in groups.items()}
        kind, stratum = max(present, key=lambda group: (present[group], group))
        best = groups[kind, stratum].pop()
        if not groups[kind, stratum]:
            del groups[kind, stratum]
        if all(likeness(texts[best], texts[other]) < _ALIKE for other in taken):
            taken.append(best)
            n_kind[kind] += 1
            n_stratum[stratum] += 1
    return taken


def _groups(
    case_id: np.ndarray, worth: np.ndarray, kinds: list[str], strata: list[str]
) -> dict[tuple[str, str], list[int]]:
    """The positions of the cases that are worth anything by kind and predicted cause, the one worth most last."""
    groups: dict[tuple[str, str], list[int]] = {}
    for at in np.lexsort((case_id, worth)).tolist():
        if worth[at] > 0:
            groups.setdefault((kinds[at], strata[at]), []).append(at)
    return groups
