"""The customers' own words: a few short quotations a cause, the most typical and the most different.

The masks do not find first names in the middle of a text, so a quotation is built the other way round: it may hold
only words that several authors of the starter corpus wrote in lower case, and a short list of company names. What
nobody else writes (a name, a village, an order number) is never quoted, and a sentence lost is no loss.
"""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from nollclassify import swedish
from nollclassify.model import prepare
from nollclassify.reporting.words import word_table

# Ends of family and street names, which look like compounds of common words.
_NAME_ENDINGS = ("ström", "kvist", "qvist", "strand", "gatan", "vägen", "gränd", "torget", "stigen", "backen", "allén")
_STOP = re.compile(r"(?<![.!?…])[.!?…]+[\"”’')]*\s+")
_LOWER = re.compile(r"(?<![^\W_])[a-zåäöéü]+(?![^\W_])")
_CAPITAL_INSIDE = re.compile(r"(?:(?<=[^\W_] )|(?<=[^\W_], ))[A-ZÅÄÖÉ][^\W\d_]*")
_WORD = re.compile(r"[^\W_]+")
_UNFIT = re.compile(
    r"[<>{}\[\]\\|=@#^~_*]|\d{5}|\d(?:[\s.,/:–-]{0,3}\d){5}|(?<!\d)\d{3}\s\d{2}(?!\d)"  # markup; numbers; postcodes
    r"|\b(?:\w*(?:nr|nummer|numret)|(?:order|ärende|ref|bokning|kod)\w*|id)[\s.:]*\d"  # numbers that point at a case
    r"|https?:|www|\w\.(?:se|com|nu|net|org|eu)\b|snabel"
    r"|(?:gata|gatan|väg|vägen|gränd|torg|torget|stig|stigen|plan|backe|backen|allé)\s\d"
    r"|\b(?:mvh|hälsn\w*|hälsar|vänligen|tel|mobil|heter|undertecknad|född)\b|(?<!\S)[/–-]+\s?[^\W\d]+[.!]*$"
    # Health is nobody's business, with or without a name.
    r"|cancer|cellgift|sjuk|protes|rullstol|handled|bidrag|pension|undersköterska|diagnos|depress|ångest|självmord|gravid|missfall|avlid|begrav|dödsbo|demens|operation",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"”“«»][^\"”“«»]*[\"”“«»]")
_QUANTITY = re.compile(r"\d+(?:e|a|kr|st|h|x|k|v|år|min|tim|ggr|mån|dgr|dagar|spänn|kronor)?", re.IGNORECASE)
# What an agent writes about a customer, and what a customer writes.
_NOTE = re.compile(
    r"\b(?:kd|kund|kunden|kundens|uppger|vll|upplyst|vill ha)\b"
    r"|^(?:ringer|frågar|undrar|säger|tycker|anser|missnöjd|dam|herre|har sett)\b",
    re.IGNORECASE,
)
_OWN = re.compile(r"\b(?:jag|mig|min|mitt|mina|vi|oss|vår|ni|er|ert|era)\b", re.IGNORECASE)
_GOES_ON = re.compile(r"(?:men|och|ändå|dessutom|däremot|han|hon|de|dom|den|då|sen|sedan|hej|hallå)\b", re.IGNORECASE)
_ENOUGH_AUTHORS = 4
_SHORTEST, _LONGEST = 4, 35  # words
_TOO_LONG = 500  # characters; more cannot be 35 words, and would only cost time
# Quotations that are more alike than this (cosine) say the same.
_LIKE = 0.5


@dataclass(frozen=True)
class Quotation:
    """A customer's words, fit to be shown, the case they come from, and whether they are the most typical."""

    case_id: str
    text: str
    typical: bool


# --- the quotations of a cause -----------------------------------------------------------------------------------


def quotations(cases: pd.DataFrame, n: int = 5, pool: int = 150) -> list[Quotation]:
    """At most `n` quotations of one cause: the most typical first, then those that differ most from the ones before.

    Typical is what is near the centroid of the cases' texts (TF-IDF, cosine); what differs is chosen by maximal
    marginal relevance (Carbonell and Goldstein 1998) among the more typical half, so that no outlier comes in. Never
    two of one case or one customer, and never two that say the same. The order of the rows does not matter.

    Args:
        cases: of one cause, with `case_id`, `customer` (may be empty), `text` (as it came in), `evidence` (as `label`
            writes it, may be empty), `needs_review` (bool) and `primary` (the cause's id).
        n: how many at most; fewer where fewer are fit.
        pool: how many cases are looked at: sure ones before others, then by a digest of the text.
    """
    drawn = _drawn(cases, pool)
    found = [_best(c["text"], tuple(_stretches(c["evidence"], c["primary"]))) for c in drawn]
    kept = [i for i, (text, _) in enumerate(found) if text]
    if not kept:
        return []
    texts = [found[i][0] for i in kept]
    near, alike = _likeness(texts, [_masked(c["text"]) for c in drawn])
    # A doubtful case, an agent's note, and above all a sentence beside the point, are quoted for want of better only.
    doubts = [2 - 2 * found[i][1] + bool(drawn[i]["needs_review"]) + bool(_NOTE.search(found[i][0])) for i in kept]
    owners = [_owners(drawn[i]) for i in kept]
    chosen = _chosen(near * 0.6 ** np.array(doubts), alike, owners, n)
    return [Quotation(str(drawn[kept[i]]["case_id"]), texts[i], typical=k == 0) for k, i in enumerate(chosen)]


def _drawn(cases: pd.DataFrame, pool: int) -> list[dict[Any, Any]]:
    columns = [cases[name].tolist() for name in ("text", "case_id", "needs_review")]
    keys = [
        (bool(doubtful), hashlib.blake2b(f"{text}\0{case}".encode(errors="replace")).digest())
        for text, case, doubtful in zip(*columns, strict=True)
    ]
    order = sorted(range(len(cases)), key=keys.__getitem__)
    return cases.iloc[order[:pool]].to_dict("records")


def _owners(case: dict[Any, Any]) -> set[tuple[str, str]]:
    """The case, and the customer where one is known: whoever has been quoted is not quoted again."""
    customer = str(case["customer"]).strip().casefold()
    return {("case", str(case["case_id"]))} | ({("customer", customer)} if customer else set())


def _stretches(written: str, cause: str) -> list[str]:
    """The stretches that `label` wrote for a cause: `wait_time: "aldrig svar", "fyra veckor"; other_cause: ...`."""
    found = re.search(rf'(?:^|; ){re.escape(cause)}: "(.*?)"(?=; \w+: "|$)', written, flags=re.DOTALL)
    return found[1].split('", "') if found else []


def _likeness(texts: Sequence[str], whole: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """How near each quotation is to the centroid of all texts, shape (n,), and to each other, shape (n, n)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    both = [*whole, *texts]
    words = [[w for w in found if len(w) > 2] or found for found in map(swedish.words, both)]
    vectorizer = TfidfVectorizer(analyzer=list, sublinear_tf=True)
    centroid = normalize(np.asarray(vectorizer.fit_transform(words[: len(whole)]).mean(axis=0)))
    rows = vectorizer.transform(words[len(whole) :])
    return np.asarray(rows @ centroid.T).ravel(), np.asarray((rows @ rows.T).todense())


def _chosen(typical: np.ndarray, alike: np.ndarray, owners: Sequence[set[tuple[str, str]]], n: int) -> list[int]:
    """Greedily the next best: typical and unlike what is chosen; none that is nearly a copy or has a chosen owner."""
    chosen: list[int] = []
    enough = min(len(typical), max(2 * n, len(typical) // 2))
    open_ = typical >= np.sort(typical)[-enough]
    while open_.any() and len(chosen) < n:
        like = alike[:, chosen].max(axis=1, initial=0)
        best = int(np.argmax(np.where(open_, typical / max(typical.max(), 1e-9) - 2 * like, -np.inf)))
        chosen.append(best)
        open_ &= (alike[best] < _LIKE) & np.array([owner.isdisjoint(owners[best]) for owner in owners])
    return chosen


# --- one complaint -----------------------------------------------------------------------------------------------


def excerpt(text: str, evidence: Sequence[str] = (), at_most: int = 180) -> str | None:
    """The one or two sentences of a complaint that say most about its cause, masked; None where none is fit.

    Args:
        text: the complaint as it came in.
        evidence: stretches of it that spoke for its cause; the sentences that hold most of them are preferred.
        at_most: length in characters, cut at a word with an ellipsis.
    """
    return _best(text, tuple(evidence), at_most)[0] or None


@lru_cache(maxsize=20_000)
def _masked(text: str) -> str:
    return prepare(text)


@lru_cache(maxsize=20_000)  # the page of all products quotes from the same texts as the pages of each
def _best(text: str, evidence: tuple[str, ...], at_most: int = 180) -> tuple[str, float]:
    """The excerpt, empty where none is fit, and the share of the stretches of evidence that it holds."""
    stretches = [stretch for stretch in (set(swedish.words(e)) for e in evidence) if stretch]
    choices = [c for c in _choices(_masked(text)) if _is_whole(c)]
    # max keeps the first of equals: a single sentence before a pair, the earlier before the later.
    best = max(choices, key=lambda c: 3 * _held(c, stretches) + _manner(c), default="")
    shown = textwrap.shorten(best, at_most, placeholder=" …", break_on_hyphens=False)
    # Out of its surroundings a stretch of digits, or a last word, may turn out to be something that is masked.
    if len(_WORD.findall(shown)) < _SHORTEST or not _is_fit(shown) or prepare(shown) != shown:
        return "", 0.0
    return shown, _held(shown, stretches)


def _choices(text: str) -> list[str]:
    """The sentences that are fit, and pairs of neighbours that are; a slash stands for a line break between them."""
    fit = [s if _is_fit(s) else "" for s in _sentences(text)]
    joints = [" " if a[-1:] in '.!?…"”)' else " / " for a in fit]
    pairs = [a + joint + b for a, joint, b in zip(fit, joints, fit[1:], strict=False) if a and " " in b]
    return [s for s in fit if s] + pairs


def _is_whole(sentence: str) -> bool:
    """Whether a sentence has a fit length, no quotation half open, and enough words that are the customer's own."""
    own = _QUOTED.sub("", sentence)
    return len(sentence.split()) <= _LONGEST and len(_WORD.findall(own)) >= _SHORTEST and not re.search('["”“«»]', own)


def _held(sentence: str, stretches: Sequence[set[str]]) -> float:
    """The share of the stretches of evidence that a sentence holds, at least half of the words of each."""
    words = set(swedish.words(sentence))
    shares = [len(stretch & words) / len(stretch) for stretch in stretches]
    return sum(share for share in shares if share >= 0.5) / max(len(shares), 1)


def _manner(sentence: str) -> float:
    """Whether a sentence speaks for itself: a customer's voice, of middle length, not going on from one before it."""
    voice = 0.4 * bool(_OWN.search(sentence)) - 0.6 * bool(_NOTE.search(sentence))
    return voice - 0.3 * bool(_GOES_ON.match(sentence)) - 0.02 * abs(len(sentence.split()) - 10)


def _sentences(text: str) -> list[str]:
    """The sentences of a text; a line break ends one, the full stop of an abbreviation or an ordinal does not."""
    parts = [part for line in text.splitlines() for part in _cut(line)]
    return [s for s in (" ".join(part.split()).lstrip("+-–•·,;:.)/ ").rstrip(",;:–- ") for part in parts) if s]


def _cut(line: str) -> Iterator[str]:
    start = 0
    for match in _STOP.finditer(line):
        last = "".join(_WORD.findall(line[max(0, match.start() - 12) : match.start()])[-1:]).lower()
        short = last in word_table()["abbreviations"] or len(last) == 1 or last.isdigit()
        if match[0].strip() != "." or not short or line[match.end() : match.end() + 1].isupper():
            yield line[start : match.end()]
            start = match.end()
    yield line[start:]


def _is_fit(sentence: str) -> bool:
    """Whether a sentence holds nothing that could point at a person."""
    # Compatibility forms of digits and signs (①, ＠) are judged as what they look like.
    plain = unicodedata.normalize("NFKC", sentence)
    if len(plain) > _TOO_LONG or not plain.isprintable() or _UNFIT.search(plain):
        return False
    words = list(_WORD.finditer(plain))
    return all(_is_known(w[0], _opens(plain[: w.start()])) for w in words)


def _opens(before: str) -> bool:
    return not _WORD.search(before) or before.rstrip(" \"”'(")[-1:] in ".!?…:/" or before[-1:] in '"”'


@lru_cache(maxsize=50_000)
def _is_known(word: str, opens: bool) -> bool:
    lower = word.lower()
    if word[0].isdigit():
        return bool(_QUANTITY.fullmatch(word))
    if lower in word_table()["capitalised"]:
        return True
    if word != lower and (
        lower in word_table()["names_in_capitals"] or not (opens or (word.isupper() and len(word) > 1))
    ):
        return False
    return lower in _common_words() or lower in word_table()["abbreviations"] or _is_compound(lower)


def _is_compound(word: str) -> bool:
    """Whether a rare long word ends in a common one, as `våffelmaskin` does."""
    if len(word) < 9 or word.endswith(_NAME_ENDINGS):
        return False
    return any(word[cut:] in _common_words() for cut in range(3, len(word) - 4))


@cache
def _common_words() -> frozenset[str]:
    """The words of the starter corpus that several authors wrote, and wrote in lower case more often than not."""
    authors: defaultdict[str, set[str]] = defaultdict(set)
    balance: Counter[str] = Counter()
    for line in (files("nollclassify") / "data" / "starter_corpus.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        for word in _LOWER.findall(case["text"]):
            authors[word].add(case["author"])
            balance[word] += 1
        balance.subtract(word.lower() for word in _CAPITAL_INSIDE.findall(case["text"]))
    return (
        frozenset(w for w, by in authors.items() if len(by) >= _ENOUGH_AUTHORS and balance[w] >= 0)
        - word_table()["names"]
    )
