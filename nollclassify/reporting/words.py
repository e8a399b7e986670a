"""The words that set a cause apart from the rest, or a month from the one before, in the customers' own language."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

from nollclassify import swedish
from nollclassify.model import prepare

# spaCy reads three thousand texts a second: of more than this a sample is read.
SAMPLE = 1_000
_MASK = re.compile(r"<[a-zåäö-]+>")
_CAPITAL_INSIDE = re.compile(r"(?<=[a-zåäöé,] )[A-ZÅÄÖÉ][a-zåäöéü]+")
_SMALL = re.compile(r"(?<![^\W_])[a-zåäöéü]+(?![^\W_])")


@cache
def word_table() -> dict[str, frozenset[str]]:
    """The lists of words in `data/report_words.toml`, by name."""
    source = (files("nollclassify") / "data" / "report_words.toml").read_text(encoding="utf-8")
    return {name: frozenset(words.split()) for name, words in tomllib.loads(source).items()}


def characteristic_words(cases: pd.DataFrame, min_cases: int = 5, n: int = 8) -> dict[str, list[str]]:
    """For each primary cause the words whose share of its cases most exceeds their share of all others.

    Weighed by the log odds ratio with an informative prior (Monroe, Colaresi and Quinn 2008). A word counts once a
    case, and only words that stand in at least `min_cases` cases are named, so that none points at a person.

    Args:
        cases: with `text` and `primary`; of more than 1,000 a sample, by a digest of the text, is read.
        min_cases: least number of cases that a word must stand in.
        n: how many words a cause gets at most.
    """
    cases = _sample(cases)
    found = word_sets(cases["text"].tolist())
    total = Counter(word for words in found for word in words)
    common = {word for word, count in total.items() if count >= min_cases}
    result = {}
    for cause in cases["primary"].unique():
        here = Counter(w for words, c in zip(found, cases["primary"], strict=True) if c == cause for w in words)
        result[str(cause)] = most_telling(here, total, common, int((cases["primary"] == cause).sum()), len(cases))[:n]
    return result


def new_words(now: pd.DataFrame, before: pd.DataFrame, min_cases: int = 5, n: int = 6) -> list[str]:
    """The words that stand in a larger share of these cases than of the earlier ones, weighed in the same way.

    Args:
        now, before: cases with `text`; of more than 1,000 a sample is read.
        min_cases: least number of the cases of now that a word must stand in.
        n: how many words at most.
    """
    now, before = _sample(now), _sample(before)
    here = Counter(word for words in word_sets(now["text"].tolist()) for word in words)
    total = here + Counter(word for words in word_sets(before["text"].tolist()) for word in words)
    common = {word for word, count in here.items() if count >= min_cases}
    return most_telling(here, total, common, len(now), len(now) + len(before))[:n]


def word_sets(texts: Sequence[str]) -> list[set[str]]:
    """The words of each raw text that may tell something, each once."""
    return [set(words) - word_table()["small"] for words in content_words([prepare(text) for text in texts])]


def content_words(masked: Sequence[str]) -> list[list[str]]:
    """The words of masked texts that carry matter; the masks themselves are none."""
    texts = [_MASK.sub(" ", text) for text in masked]
    names = _names(texts)
    return [[word for word in found if word not in names] for found in swedish.content_words(texts)]


def _names(texts: Sequence[str]) -> set[str]:
    """Words that stand inside sentences with a capital letter more often than without: people, places, firms."""
    capital = Counter(word.lower() for text in texts for word in _CAPITAL_INSIDE.findall(text))
    small = Counter(word for text in texts for word in _SMALL.findall(text) if word in capital)
    return {word for word, n in capital.items() if n > small[word]} - word_table()["capitalised"]


def _sample(cases: pd.DataFrame) -> pd.DataFrame:
    if len(cases) <= SAMPLE:
        return cases
    digests = [hashlib.blake2b(text.encode(errors="replace")).digest() for text in cases["text"]]
    return cases.iloc[sorted(range(len(cases)), key=digests.__getitem__)[:SAMPLE]]


def most_telling(here: Counter[str], total: Counter[str], common: set[str], n_here: int, n_all: int) -> list[str]:
    """The common words by how much more often they stand here (log odds above 1.5 standard errors), highest first.

    Args:
        here, total: texts that a word stands in, here and in all.
        common: the words that may be named.
        n_here, n_all: how many texts.
    """
    scored = {}
    for word in sorted(common & here.keys()):
        prior = total[word] / n_all
        inside, outside = here[word] + prior, total[word] - here[word] + prior
        odds = np.log(inside / (n_here + 2 - inside)) - np.log(outside / (n_all - n_here + 2 - outside))
        z = odds / np.sqrt(1 / inside + 1 / outside)
        if z > 1.5:
            scored[word] = float(z)
    return sorted(scored, key=lambda word: -scored[word])
