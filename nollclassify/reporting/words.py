"""The words that set a cause apart from the rest, in the customers' own language."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from nollclassify import swedish
from nollclassify.model import prepare


def characteristic_words(cases: pd.DataFrame, min_cases: int = 5, n: int = 8) -> dict[str, list[str]]:
    """For each primary cause the words whose share of its cases most exceeds their share of all others.

    Weighed by the log odds ratio with an informative prior (Monroe, Colaresi and Quinn 2008). A word counts once a
    case, and only words that stand in at least `min_cases` cases are named, so that none points at a person.

    Args:
        cases: with `text` and `primary`.
        min_cases: least number of cases that a word must stand in.
        n: how many words a cause gets at most.
    """
    found = [set(w) for w in swedish.content_words([prepare(text) for text in cases["text"]])]
    total = Counter(word for words in found for word in words)
    common = {word for word, count in total.items() if count >= min_cases}
    result = {}
    for cause in cases["primary"].unique():
        here = Counter(w for words, c in zip(found, cases["primary"], strict=True) if c == cause for w in words)
        result[str(cause)] = _most_telling(here, total, common, int((cases["primary"] == cause).sum()), len(cases))[:n]
    return result


def _most_telling(here: Counter[str], total: Counter[str], common: set[str], n_here: int, n_all: int) -> list[str]:
    scored = {}
    for word in sorted(common & here.keys()):
        prior = total[word] / n_all
        inside, outside = here[word] + prior, total[word] - here[word] + prior
        odds = np.log(inside / (n_here + 2 - inside)) - np.log(outside / (n_all - n_here + 2 - outside))
        z = odds / np.sqrt(1 / inside + 1 / outside)
        if z > 1.5:
            scored[word] = float(z)
    return sorted(scored, key=lambda word: -scored[word])
