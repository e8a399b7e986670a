"""Candidates for a new cause: similar complaints among other and the uncertain, of which there are more than before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import pandas as pd

from nollclassify.estimation import Change, rate_ratio
from nollclassify.model import prepare
from nollclassify.reporting.words import content_words, most_telling, word_table
from nollclassify.taxonomy import OTHER

# Texts of the month, and as many of the months before: spaCy reads them in a second, and their tree takes as long.
SAMPLE = 1_500
# Cosine distance (0 to 2) at which groups are no longer joined: from 0.9 on they were of all kinds.
FARTHEST = 0.8
# 100 and 300 found a planted theme of twelve among 6,000 less often.
DIMENSIONS = 200
# The share of the candidates that chance alone may have made.
FALSE_DISCOVERIES = 0.1
# Endings by which forms of one word differ; a word of three letters (app, kö, lån) must have one of two or more.
_ENDINGS = "arna erna orna des ens ets are ade en et ar er or na de as ad at a n r s t d"
_VERBAL = re.compile(r"(?<=\w{4})(?:n?ing(?:en|ar)?|[ao]r|a(?:de?|t|s|des?)?|er?)$")


@dataclass(frozen=True)
class Candidate:
    """A group of similar complaints that a person may find to be a new cause.

    Attributes:
        words: 3 to 6 words of the group's own, the most telling first, each in its commonest form.
        cases: cases of the group in the month.
        before: as many cases as a month of the same number of complaints had before, rounded; None where there is no
            earlier month.
        growth: the group's share of all complaints in the month against that in the earlier months together; None
            where there is no earlier month.
        members: positions (`iloc`) of the group's cases of the month, the most typical first.
    """

    words: tuple[str, ...]
    cases: int
    before: int | None
    growth: Change | None
    members: tuple[int, ...]


def candidates(cases: pd.DataFrame, month: str, min_cases: int = 5, at_most: int = 5) -> list[Candidate]:
    """Groups of similar complaints among other and the uncertain, that grew: the surest growth first.

    The texts of the month and of all months before are joined, by likeness alone, into a tree of groups in groups
    (average linkage on the cosine of latent semantic analysis, Deerwester et al. 1990, of pieces of words). Each
    group is asked whether its share of all complaints grew; of the groups that overlap, the surest is kept. That is
    after the tree-based scan of Kulldorff, Fang and Walsh (2003), with the false discovery rate held at
    `FALSE_DISCOVERIES` (Benjamini and Hochberg 1995) over all groups asked. For a group that is new, with none
    before, the same is asked: five now and none before is often chance. Where no month is earlier, nothing can grow,
    and the largest groups are given.

    A word that names a group stands, in some inflection, in at least `min_cases` different texts, so that none points
    at a person; a group that fewer than three such words tell from the rest is not given.

    Of more than `SAMPLE` texts in the month, or in the months before, as many are drawn by a digest of the text.
    `cases` and `members` are then of those drawn, and the growth is that of the drawn ones. The result does not
    depend on the order of the rows.

    Args:
        cases: with `case_id`, `month` (YYYY-MM), `text`, `primary` ("other" for none) and `needs_review` (bool); rows
            of later months are not looked at.
        month: the month to look for candidates in.
        min_cases: least cases of a group in the month.
        at_most: how many candidates to give.
    """
    drawn, exposure = _draw(cases, month)
    places, texts = drawn["text"].factorize()
    words, shown = _words(list(texts))
    vectors = _vectors(words)
    now, before = (np.bincount(places[drawn["now"] == this], minlength=len(texts)) for this in (True, False))
    # By their sizes in all months together, which say nothing of growth: picked by the month's, chance alone grows.
    groups = [group for group in _groups(vectors) if now[group].sum() + before[group].sum() >= min_cases]
    total = Counter(word for text in words for word in set(text))
    found: list[Candidate] = []
    taken: set[int] = set()
    for group, growth in _ranked(groups, now, before, exposure):
        skipped = taken & set(group) or len(found) == at_most or now[group].sum() < min_cases
        named = [] if skipped else _name(group, words, total, min_cases)
        if len(named) >= 3:
            taken |= set(group)
            members = _members(group, vectors, drawn[drawn["now"]], places[drawn["now"]])
            usual = round(before[group].sum() * exposure[0] / exposure[1]) if growth else None
            found.append(Candidate(tuple(shown[stem] for stem in named), len(members), usual, growth, members))
    return found


def _draw(cases: pd.DataFrame, month: str) -> tuple[pd.DataFrame, tuple[float, float]]:
    """The drawn texts, masked, by `position` and whether they are of `now`; and the complaints that they stand for."""
    # What has no month stands under a heading of letters, which is neither before a month nor after it.
    is_now, is_before = cases["month"] == month, (cases["month"] < month) & month[:1].isdigit()
    unexplained = (cases["primary"] == OTHER) | cases["needs_review"].astype(bool)
    rows = pd.DataFrame({"position": np.arange(len(cases)), "now": is_now.to_numpy(), "text": cases["text"].to_numpy()})
    rows["digest"] = [sha256(text.encode(errors="replace")).hexdigest() for text in rows["text"]]
    rows["case_id"] = cases["case_id"].astype(str).to_numpy()
    parts, exposure = [], []
    for this in (is_now, is_before):
        eligible = rows[(this & unexplained).to_numpy()].sort_values(["digest", "case_id"])
        parts.append(eligible[:SAMPLE])
        exposure.append(float(this.sum()) * min(1.0, SAMPLE / max(len(eligible), 1)))
    drawn = pd.concat(parts).sort_values(["digest", "case_id"])
    return drawn.assign(text=[prepare(text) for text in drawn["text"]]), (exposure[0], exposure[1])


# --- words ---------------------------------------------------------------------------------------------------------


def _words(texts: Sequence[str]) -> tuple[list[list[str]], dict[str, str]]:
    """The stems of each masked text's words that may tell of a cause; and each stem's commonest word."""
    found = content_words(texts)
    forms = Counter(word for text in found for word in set(text))
    stem = _stems(forms)
    empty = word_table()["payment"] | word_table()["small"]
    shown = {stem[word]: word for word in sorted(forms, key=lambda word: (forms[word], word))}
    return [[stem[word] for word in text if not {word, shown[stem[word]]} & empty] for text in found], shown


def _stems(forms: Counter[str]) -> dict[str, str]:
    """What all forms of a word have: of the shortest other word of the texts that it is with an ending, the stem.

    So returen and returer are retur, but paket, for which pak is no word, stays; uppdatera is then uppdatering.
    """
    known = {word for word, texts in forms.items() if texts >= 2}
    stems: dict[str, str] = {}
    for word in sorted(forms, key=len):
        shorter = (word.removesuffix(e) for e in _ENDINGS.split() if len(word) - len(e) >= 3 + (len(e) == 1))
        stems[word] = next((stems[s] for s in shorter if s != word and s in known), _VERBAL.sub("", word))
    return stems


def _name(group: list[int], words: list[list[str]], total: Counter[str], min_cases: int) -> list[str]:
    """At most six words that tell the group from the rest, each in a fifth of its texts at least."""
    here = Counter(word for text in group for word in set(words[text]))
    common = {word for word, n in here.items() if n >= max(3, len(group) / 5) and total[word] >= min_cases}
    return most_telling(here, total, common, len(group), len(words))[:6]


# --- groups --------------------------------------------------------------------------------------------------------


def _vectors(words: list[list[str]]) -> np.ndarray:
    """Latent semantic analysis of pieces of words, shape (n_texts, k); rows of length 1, or 0 if like no other."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize
    from sklearn.utils.extmath import randomized_svd

    # Pieces of words, for compounds: utloggad and logga, returskåp and skåp.
    pieces = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(4, 5), min_df=3, max_df=max(20, len(words) // 5), sublinear_tf=True
    )
    try:
        matrix = pieces.fit_transform([" ".join(text) for text in words])
    except ValueError:  # no piece stands in three texts
        return np.zeros((len(words), 1))
    k = max(1, min(DIMENSIONS, len(words) // 4, matrix.shape[1] - 1))
    left, scale, _ = randomized_svd(matrix, k, random_state=0)
    vectors: np.ndarray = normalize(np.round(left * scale, 6))
    return vectors


def _groups(vectors: np.ndarray) -> list[list[int]]:
    """All groups in groups of at least two texts, from the closest on, until they are `FARTHEST` apart."""
    from scipy.cluster.hierarchy import linkage

    rows = np.flatnonzero(vectors.any(axis=1))
    if len(rows) < 2:
        return []
    groups = [[row] for row in rows.tolist()]
    for left, right, distance, _ in linkage(vectors[rows], "average", metric="cosine"):
        if distance > FARTHEST:
            break
        groups.append(groups[int(left)] + groups[int(right)])
    return groups[len(rows) :]


def _ranked(
    groups: list[list[int]], now: np.ndarray, before: np.ndarray, exposure: tuple[float, float]
) -> list[tuple[list[int], Change | None]]:
    """The groups that grew, the surest first; where nothing is earlier all groups, the largest first."""
    from scipy.stats import false_discovery_control

    if not groups or not exposure[1]:
        return [(group, None) for group in sorted(groups, key=lambda group: -now[group].sum())]
    changes = [rate_ratio(now[g].sum(), exposure[0], before[g].sum(), exposure[1]) for g in groups]
    chance = false_discovery_control([change.p for change in changes])
    asked = zip(groups, changes, chance, strict=True)
    grew = [(group, change) for group, change, p in asked if p <= FALSE_DISCOVERIES and change.low > 1]
    grew.sort(key=lambda pair: (pair[1].p, -now[pair[0]].sum()))
    return list(grew)


def _members(group: list[int], vectors: np.ndarray, drawn: pd.DataFrame, places: np.ndarray) -> tuple[int, ...]:
    """The positions of the group's cases among the drawn ones, those nearest its middle first."""
    likeness = dict(zip(group, (vectors[group] @ vectors[group].sum(axis=0)).round(6).tolist(), strict=True))
    own = [(position, likeness[p]) for position, p in zip(drawn["position"], places, strict=True) if p in likeness]
    return tuple(int(position) for position, _ in sorted(own, key=lambda pair: -pair[1]))
