"""Cold start: learning a cause that the starter corpus was not labelled for, from its definition and few examples.

What the starter corpus has of such a cause stands there as something else and would be learned as a counter-example.
So its texts that the search finds most like the new cause are left out: they are unlabelled, not negative (positive and
unlabelled learning, Elkan and Noto 2008; in two steps, as Liu et al. 2003). And what the taxonomy says of the cause is
learned beside the examples. Measured by tests/benchmarks/cold_start.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nollclassify.classifier import Taught
from nollclassify.model import tokenise
from nollclassify.similar import described, likeness
from nollclassify.taxonomy import Taxonomy
from nollclassify.vocabulary import learn_vocabulary

# So large a share of the starter corpus is left out for each new cause.
LEFT_OUT = 0.1


def new_causes(Y: np.ndarray, is_starter: np.ndarray) -> list[int]:
    """The columns of the causes that no text of the starter corpus has; none where there is no starter corpus.

    Args:
        Y: shape (n, k), 0 or 1.
        is_starter: shape (n,), bool.
    """
    return np.flatnonzero(~Y[is_starter].any(axis=0)).tolist() if is_starter.any() else []


def taught_by(taxonomy: Taxonomy, new: Sequence[int], weight: float) -> Taught | None:
    """What a taxonomy says of new causes, as texts: of each what belongs to it and what does not; None for none."""
    texts: list[str] = []
    of: list[int] = []
    for k in new:
        meant, not_meant = described(taxonomy.causes[k])
        texts += meant + not_meant
        of += [k] * len(meant) + [-1] * len(not_meant)
    Y = (np.array(of)[:, None] == np.arange(len(taxonomy.causes))).astype(int)
    return Taught(tuple(texts), Y, np.full(len(texts), weight)) if texts else None


def certain(
    texts: Sequence[str], Y: np.ndarray, is_starter: np.ndarray, new: Sequence[int], taxonomy: Taxonomy
) -> np.ndarray:
    """Which texts to learn from, shape (n,), bool: all but the starter corpus's most like each of the new causes.

    Args:
        texts: n texts.
        Y: shape (n, k), 0 or 1.
        is_starter: shape (n,), bool.
        new: columns of `Y`, as from `new_causes`.
    """
    kept = np.ones(len(texts), dtype=bool)
    if not new:
        return kept
    words, starter = tokenise(texts), np.flatnonzero(is_starter)
    vocabulary = learn_vocabulary(words)
    for k in new:
        meant, not_meant = described(taxonomy.causes[k])
        examples = [texts[i] for i in np.flatnonzero(Y[:, k]).tolist()]
        like = likeness([words[i] for i in starter], vocabulary, meant, examples, not_meant)
        kept[starter[np.argsort(-like, kind="stable")[: round(LEFT_OUT * len(starter))]]] = False
    return kept
