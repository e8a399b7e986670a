"""One complaint sent twice: the same case number, or nearly the same text, within a month."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd

# Two texts are one complaint sent twice when they share this part of their runs of three words (Jaccard), within a
# month; texts of a known customer may be edited more. Fewer words than MIN_WORDS are everybody's.
SAME_CUSTOMER, SAME_TEXT, WITHIN_DAYS, MIN_WORDS = 0.5, 0.8, 31, 8
# MinHash (Broder 1997) in bands: a pair that shares 0.8 of its runs meets in some band with probability 0.9997.
_BANDS, _BAND_WIDTH = 8, 2
# Texts that meet in a band are compared with so many after them, by date.
_NEIGHBOURS = 3
# What stands where no customer is known; so does a number that stands by more complaints than one customer makes.
_NOBODY = frozenset({"-", "--", "0", "?", "x", "n/a", "na", "null", "none", "unknown", "okänd", "anonym", "saknas"})
_MOST_OF_ONE = 50
_TEXTS_AT_ONCE = 5_000
_WORD = re.compile(r"\w+")


def first_of_copies(cases: pd.DataFrame, inside: np.ndarray) -> np.ndarray:
    """For each row the position of the row that counts for it: its own where it is the first.

    Rows that the definition counts come before the others, then the first by date, case id and the rest: so the same
    rows in any order give the same answer. A copy belongs to the first one within a month, not to a copy of a copy
    of it months before.
    """
    keys = cases[["received", "case_id", "text", "product", "channel", "causes"]].replace({"received": {"": "9"}})
    order = keys.assign(outside=~inside).sort_values(["outside", *keys.columns], kind="stable").index.to_numpy()
    ranked = cases.iloc[order]
    days = days_of(ranked["received"])
    first = np.arange(len(cases))
    same_id = _same_ids(ranked["case_id"].tolist())
    for earlier, later in sorted(same_id | _near_pairs(ranked, days), key=lambda pair: (pair[1], pair[0])):
        head = first[earlier]
        if first[later] == later and ((earlier, later) in same_id or _within(days[head] - days[later])):
            first[later] = head
    result = np.empty(len(cases), dtype=int)
    result[order] = order[first]
    return result


def days_of(received: pd.Series) -> np.ndarray:
    """Days as numbers, not a number where there is no date."""
    days = received.replace("", "NaT").to_numpy(dtype="datetime64[D]")
    return np.where(np.isnat(days), np.nan, days.astype(float))


def _within(apart: Any) -> Any:
    """Whether so many days, of which the sign does not matter, are within a month, or unknown."""
    return ~(np.abs(apart) > WITHIN_DAYS)


def _same_ids(ids: Sequence[str]) -> set[tuple[int, int]]:
    first: dict[str, int] = {}
    return {(first[case_id], i) for i, case_id in enumerate(ids) if first.setdefault(case_id, i) != i}


def _near_pairs(cases: pd.DataFrame, days: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of rows, the earlier first, whose texts are near-identical, within a month, and of one customer if any."""
    texts, customer = cases["text"].tolist(), customers_of(cases["customer"])
    pairs = np.concatenate([_pairs_by_customer(customer), _pairs_by_text(texts, np.flatnonzero(customer == ""))])
    pairs = np.unique(pairs[_within(days[pairs[:, 0]] - days[pairs[:, 1]])], axis=0)
    return {(i, j) for i, j in pairs.tolist() if _same_text(texts[i], texts[j], bool(customer[i]))}


def customers_of(written: pd.Series) -> np.ndarray:
    """The customer of each row, empty where none is known."""
    nobody = written.str.casefold().isin(_NOBODY) | (written.map(written.value_counts()) > _MOST_OF_ONE)
    return written.mask(nobody, "").to_numpy(dtype=object)


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def _same_text(one: str, other: str, known: bool) -> bool:
    """Whether two texts are near-identical, by a known customer or by somebody."""
    return one == other or likeness(one, other) >= (SAME_CUSTOMER if known else SAME_TEXT)


def likeness(one: str, other: str) -> float:
    """The part of their runs of three words that two texts share (Jaccard), 0 to 1; shorter texts are one run."""
    a, b = _runs_of_three(_words(one)), _runs_of_three(_words(other))
    return len(a & b) / len(a | b)


def _runs_of_three(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + 3]) for at in range(max(len(words) - 2, 1))}


def _pairs_by_customer(customer: np.ndarray) -> np.ndarray:
    """All pairs of rows of one known customer, shape (n, 2), the earlier first."""
    known = np.flatnonzero(customer != "")
    codes = pd.factorize(customer[known])[0]
    order = np.argsort(codes, kind="stable")
    return _pairs_of_equals(known[order], codes[order], _MOST_OF_ONE)


def _pairs_of_equals(rows: np.ndarray, keys: np.ndarray, reach: int) -> np.ndarray:
    """Each row with those up to `reach` places behind it that have its key; shape (n, 2). Equal keys stand together."""
    found = [np.empty((0, 2), dtype=int)]
    for step in range(1, min(reach, len(rows) - 1) + 1):
        equal = np.flatnonzero(keys[step:] == keys[:-step])
        if not len(equal):
            break
        found.append(np.stack([rows[equal], rows[equal + step]], axis=1))
    return np.concatenate(found)


def _pairs_by_text(texts: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Pairs of these rows that meet in some band of MinHash, shape (n, 2), the earlier first."""
    codes = _Codes()
    found = [np.empty((0, 2), dtype=int)]
    parts = [_bands(texts, rows[at : at + _TEXTS_AT_ONCE], codes) for at in range(0, len(rows), _TEXTS_AT_ONCE)]
    if parts:
        long = np.concatenate([kept for kept, _ in parts])
        for keys in np.concatenate([bands for _, bands in parts]).T:
            order = np.argsort(keys, kind="stable")
            found.append(_pairs_of_equals(long[order], keys[order], _NEIGHBOURS))
    return np.unique(np.concatenate(found), axis=0)


class _Codes(dict[str, int]):
    """The number of a word, 64 bits, the same on every machine and for every order of words."""

    def __missing__(self, word: str) -> int:
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        code = self[word] = int.from_bytes(digest, "little")
        return code


def _bands(texts: Sequence[str], rows: np.ndarray, codes: _Codes) -> tuple[np.ndarray, np.ndarray]:
    """Those of the rows whose texts are long enough, and their keys: shape (n, bands + 1), the last of the whole."""
    flat, long, ends = array("Q"), [], [0]
    for row in rows.tolist():
        words = _words(texts[row])
        if len(words) >= MIN_WORDS:
            flat.extend(map(codes.__getitem__, words))
            long.append(row)
            ends.append(len(flat))
    keys = np.zeros((len(long), _BANDS + 1), dtype=np.uint64)
    if long:
        runs, starts = _run_codes(np.frombuffer(flat, dtype=np.uint64), np.array(ends))
        for k, odd in enumerate(_mix(np.arange(_BANDS * _BAND_WIDTH, dtype=np.uint64)) | np.uint64(1)):
            least = np.minimum.reduceat(runs * odd, starts)
            keys[:, k // _BAND_WIDTH] = _mix(keys[:, k // _BAND_WIDTH] ^ least)
        keys[:, _BANDS] = np.add.reduceat(runs, starts)
    return np.array(long, dtype=int), keys


def _run_codes(words: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The runs of three words as numbers, all texts on end, and where those of each text begin.

    Args:
        words: codes of the words of all texts, three or more a text.
        ends: 0, then where each text ends.
    """
    # The two last words of a text begin no run.
    at = np.delete(np.arange(len(words)), np.concatenate([ends[1:] - 2, ends[1:] - 1]))
    runs = words[at] * np.uint64(3) + words[at + 1] * np.uint64(5) + words[at + 2] * np.uint64(7)
    return _mix(runs), ends[:-1] - 2 * np.arange(len(ends) - 1)


def _mix(values: np.ndarray) -> np.ndarray:
    """Numbers spread evenly over 64 bits, the same on every machine (splitmix64, Steele et al. 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
