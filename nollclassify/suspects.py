"""Suspected label errors: training texts whose given causes the model, which had not seen them, finds very unlikely.

Confident learning (Northcutt et al. 2021) for several causes at once: every cause is a question of its own, the
probabilities come from models that saw nothing of the text's author, and a text is ranked by how unlikely its whole
given label set is. The threshold of a cause and direction is that paper's, the mean probability of the texts that
are labelled that way; a text is a suspect only where some cause passes its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nollclassify.gate import HeldOut
from nollclassify.taxonomy import OTHER_NAME_SV, Taxonomy

# With 3 % errors planted, on other authors: of the suspects above it 0.44 were planted, and 0.76 of the planted were
# among them; above 0.98 it was 0.68 and 0.65, above 0.999 0.97 and 0.18 (tests/benchmarks/label_errors.py).
LEAST_SCORE = 0.9
_TINY = 1e-6


def suspects(
    probabilities: np.ndarray, Y: np.ndarray, cause_ids: Sequence[str], least: float = LEAST_SCORE
) -> pd.DataFrame:
    """Texts whose given causes are probably wrong, the surest first.

    Args:
        probabilities: shape (n, k), 0 to 1, of texts that the predicting models had not seen.
        Y: shape (n, k), the given labels, 0 or 1.
        cause_ids: k ids.
        least: the lowest score that makes a suspect, 0 to 1.

    Returns:
        One row a suspect: `position` (0 to n - 1), `given` and `suggested` (ids joined by `;`, empty for other; the
        suggested ones by probability), `cause` (the one most in doubt), `probability` (that it belongs there),
        `wrong` (that the cause most in doubt is given wrongly or wrongly left out) and `score` (the probability that
        the given set is not the whole truth, were the causes independent); all 0 to 1.

    Raises:
        ValueError: shapes that do not agree.
    """
    if probabilities.shape != Y.shape or Y.shape[1:] != (len(cause_ids),):
        raise ValueError(f"shapes {probabilities.shape} and {Y.shape}, wanted (n, {len(cause_ids)}) for both")
    p, given = np.asarray(probabilities, dtype=float), np.asarray(Y) == 1
    likely = np.where(given, p, 1 - p)
    log_likely = np.log(np.maximum(likely, _TINY)).sum(axis=1)
    score = 1 - np.exp(log_likely)
    chosen = np.flatnonzero(_confident(p, given).any(axis=1) & (score >= least))
    # By the logarithm: many scores are 1 to many decimals.
    chosen = chosen[np.argsort(log_likely[chosen], kind="stable")]
    worst = likely[chosen].argmin(axis=1)
    turned = given ^ (likely < 0.5)
    return pd.DataFrame(
        {
            "position": chosen,
            "given": [_joined(given[i], p[i], cause_ids) for i in chosen],
            "suggested": [_joined(turned[i], p[i], cause_ids) for i in chosen],
            "cause": [cause_ids[k] for k in worst],
            "probability": p[chosen, worst],
            "wrong": 1 - likely[chosen, worst],
            "score": score[chosen],
        }
    )


def suspects_of(held_out: HeldOut, least: float = LEAST_SCORE) -> pd.DataFrame:
    """The suspects among a model's training texts, with each text's `digest` first; see `suspects`.

    Texts that stand several times in training with the same words are one: the surest row stays.
    """
    found = suspects(held_out.probabilities, held_out.truth, held_out.cause_ids, least)
    found.insert(0, "digest", pd.Series([held_out.digests[i] for i in found["position"]], dtype=object))
    return found.drop_duplicates("digest", ignore_index=True)


def why(suspect: Mapping[Hashable, Any], taxonomy: Taxonomy) -> str:
    """In a Swedish phrase why a suspect (a row of `suspects`) is one, for the review queue."""
    cause, given = suspect["cause"], suspect["given"].split(";")
    stands = cause in given
    if stands and not suspect["suggested"]:
        believes = OTHER_NAME_SV
    else:
        believes = f"{'inte ' if stands else ''}{taxonomy.cause(cause).name_sv}"
    # Nobody is a hundred per cent sure: of the surest two hundred, seven in a hundred are the model's own mistakes.
    percent = f"{min(100 * suspect['wrong'], 99):.0f} %"
    return f"misstänkt fel etikett: står som {_names(suspect['given'], taxonomy)}, modellen tror {believes} ({percent})"


def _names(causes: str, taxonomy: Taxonomy) -> str:
    return " och ".join(taxonomy.cause(c).name_sv for c in causes.split(";") if c) or OTHER_NAME_SV


def _confident(p: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Whether each cause is surely on the other side, shape (n, k), bool.

    Surely: at least as probable as it is on average for texts that are labelled so; and more probable than not, for
    that average may be low for a cause with few examples.
    """
    # A hair below the mean: where all are equal, rounding must not decide.
    there, absent = _mean(p, given) - _TINY, _mean(1 - p, ~given) - _TINY
    surely: np.ndarray = np.where(given, (1 - p >= absent) & (p < 0.5), (p >= there) & (p > 0.5))
    return surely


def _mean(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """The mean of each column's values where it says so, shape (k,); 0 for none."""
    mean: np.ndarray = (values * where).sum(axis=0) / np.maximum(where.sum(axis=0), 1)
    return mean


def _joined(mask: np.ndarray, p: np.ndarray, cause_ids: Sequence[str]) -> str:
    return ";".join(cause_ids[k] for k in np.argsort(-p, kind="stable") if mask[k])
