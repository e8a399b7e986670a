"""The tool's own search: the texts most like a definition and examples, by the words and n-grams of a model.

Relevance feedback after Rocchio (1971), on features of which the average text is taken away: what all complaints
have in common says nothing. No model of the cause is needed, so that a new one can be looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nollclassify.evaluation import near_duplicates
from nollclassify.features import Lexicon, features
from nollclassify.model import tokenise
from nollclassify.taxonomy import Cause
from nollclassify.vocabulary import Vocabulary

# What a text that is not meant counts against one that is; measured by tests/benchmarks/search.py.
_AGAINST = 0.3
_CHUNK, _AVERAGED, _FEW = 2_500, 5_000, 100
# So many times the wanted number are looked at for near-duplicates at once.
_SPARE = 3


def described(cause: Cause) -> tuple[list[str], list[str]]:
    """What a taxonomy says of a cause, as texts: of what belongs to it, and of what does not."""
    meant = [f"{cause.name_sv}. {cause.definition_sv}", *cause.belongs, *cause.examples]
    return meant, [*cause.excludes, *cause.counter_examples]


def similar(
    texts: Sequence[str],
    vocabulary: Vocabulary,
    query: Sequence[str] = (),
    examples: Sequence[str] = (),
    unlike: Sequence[str] = (),
    n: int = 30,
) -> pd.DataFrame:
    """The n texts most like a query and examples; of near-duplicates, and of the examples themselves, none twice.

    Args:
        texts: raw texts to search.
        vocabulary: the words and n-grams that are compared, a model's.
        query: what is looked for, in words: a definition, what belongs to it, phrases.
        examples: texts as those looked for; all together count as much as the query.
        unlike: texts that look alike and are not meant.
        n: how many to find; a text without a word of the vocabulary is never found.

    Returns:
        One row a found text, the most similar first: `position` in `texts`, and `similarity`, -1 to 1
        (below 0: less like it than the average text).

    Raises:
        ValueError: neither a query nor an example has a word of the vocabulary.
    """
    score = likeness(tokenise(texts), vocabulary, query, examples, unlike)
    order = np.argsort(-score, kind="stable")
    found = _diverse(texts, order[np.isfinite(score[order])], examples, n)
    return pd.DataFrame({"position": found, "similarity": score[found]})


def likeness(
    words: Sequence[list[str]],
    vocabulary: Vocabulary,
    query: Sequence[str] = (),
    examples: Sequence[str] = (),
    unlike: Sequence[str] = (),
) -> np.ndarray:
    """How like what is looked for each tokenised text is, shape (n,), -1 to 1; see `similar`.

    Minus infinity for a text without a word of the vocabulary.
    """
    lexicon = Lexicon(vocabulary)
    # Of a handful of texts the average is too much like each of them to be taken away.
    average = _mean(words[:: max(len(words) // _AVERAGED, 1)], lexicon) * (len(words) / (len(words) + _FEW))
    sides = [_mean(tokenise(side), lexicon) for side in (query, examples)]
    meant = [side - average for side in sides if side.any()]
    if not meant:
        raise ValueError("neither a query nor an example has a word of the vocabulary")
    direction = np.mean(meant, axis=0)
    if len(unlike):
        direction -= _AGAINST * (_mean(tokenise(unlike), lexicon) - average)
    return _cosines(words, direction, lexicon)


def _mean(words: Sequence[list[str]], lexicon: Lexicon) -> np.ndarray:
    """The mean feature row of tokenised texts, shape (n_features,); zeros for none."""
    if not words:
        return np.zeros(lexicon.vocabulary.n_features)
    return np.asarray(features(words, lexicon).mean(axis=0)).ravel()


def _cosines(words: Sequence[list[str]], direction: np.ndarray, lexicon: Lexicon) -> np.ndarray:
    """The cosine of each text's features with a direction, shape (n_texts,); minus infinity without known words."""
    scores = np.zeros(len(words))
    for at in range(0, len(words), _CHUNK):
        matrix = features(words[at : at + _CHUNK], lexicon)
        lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
        cosines = matrix @ direction / np.maximum(lengths * np.linalg.norm(direction), 1e-12)
        scores[at : at + _CHUNK] = np.where(lengths > 0, cosines, -np.inf)
    return scores


def _diverse(texts: Sequence[str], order: np.ndarray, examples: Sequence[str], n: int) -> np.ndarray:
    """The first n positions of which no two texts are near-duplicates, nor one of an example."""
    kept: list[int] = []
    for at in range(0, len(order), max(_SPARE * n, 1)):
        kept = _without_copies(texts, [*kept, *order[at : at + _SPARE * n].tolist()], examples)
        if len(kept) >= n:
            break
    return np.array(kept[:n], dtype=int)


def _without_copies(texts: Sequence[str], positions: list[int], examples: Sequence[str]) -> list[int]:
    m = len(examples)
    earlier: dict[int, list[int]] = {}
    for i, j in near_duplicates([*examples, *(texts[p] for p in positions)]):
        earlier.setdefault(j, []).append(i)
    kept: set[Any] = set(range(m))
    for j in range(m, m + len(positions)):
        if not kept.intersection(earlier.get(j, ())):
            kept.add(j)
    return [positions[j - m] for j in sorted(kept) if j >= m]
