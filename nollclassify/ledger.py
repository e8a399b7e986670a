"""What counts as a complaint: by which definition, once each, and in which of the two ledgers.

The definition of a complaint, the ledgers and the spellings of sources are a table, `data/definitions.toml`.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from nollclassify.cases import Cases
from nollclassify.errors import SettingsError
from nollclassify.privacy import mask
from nollclassify.taxonomy import OTHER, Taxonomy

NO_MONTH, NO_PRODUCT, ALL_PRODUCTS = "utan datum", "Produkt saknas", "Alla produkter"
FEW_PRODUCTS = "Produkter med få klagomål"
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
_LONGEST_NAME = 100
_WORD, _DIGIT = re.compile(r"\w+"), re.compile(r"\d")
_ID_LIKE = re.compile(r"(?<![\w-])(?=[\w-]*\d)[\w-]{5,}(?![\w-])")


@dataclass(frozen=True)
class Definition:
    """One version of what counts as a complaint, with the formal ledger beside it.

    Attributes:
        version: as the setting `definition` names it.
        text_sv, text_en: the definition in words; `formal_sv`, `formal_en` those of the formal ledger.
        sources: kinds of source that count, of `own`, `authority` and `social`; `formal_sources` for the formal ledger.
        general_causes: primary causes that are opinions in general, not a customer's own matter.
    """

    version: str
    text_sv: str
    text_en: str
    sources: frozenset[str]
    formal_sv: str
    formal_en: str
    formal_sources: frozenset[str]
    general_causes: frozenset[str]


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((files("nollclassify") / "data" / "definitions.toml").read_text(encoding="utf-8"))


def load_definition(version: str) -> Definition:
    """The definition of this version.

    Raises:
        SettingsError: there is no such version.
    """
    table, formal = _table(), _table()["formal"]
    known = {entry["version"]: entry for entry in table["definitions"]}
    if version not in known:
        raise SettingsError(
            f"definition: version {version!r} finns inte; välj en av {', '.join(known)} i nollclassify.toml."
        )
    entry = known[version]
    return Definition(
        version,
        entry["text_sv"],
        entry["text_en"],
        frozenset(entry["sources"]),
        formal["text_sv"],
        formal["text_en"],
        frozenset(formal["sources"]),
        frozenset(formal["general_causes"]),
    )


@dataclass(frozen=True)
class Ledger:
    """The complaints of a set of files, each counted once, and what was not counted.

    Attributes:
        cases: one row a complaint, in the order of the files: `case_id`, `month` (YYYY-MM or `utan datum`),
            `received` (ISO date or empty), `product` (present Swedish name), `channel`, `source` (`own`, `authority`
            or `social`), `customer`, `text`, `primary` (cause id, `other` for none), `causes` (ids joined by `;`),
            `evidence`, `needs_review`, `model_version`, `formal` (whether it stands in the formal ledger too),
            `first_case` (id of the first complaint of the matter where this one is a repeated one about waiting).
        duplicates: what was counted, or left out, already: `case_id`, `same_as` (the id that stands for it), `month`.
        outside: how many complaints the definition leaves out, each once.
        unknown_sources: how many counted complaints have no source or channel that the table knows (counted as own).
    """

    cases: pd.DataFrame
    duplicates: pd.DataFrame
    outside: int
    unknown_sources: int


def make_ledger(many: Sequence[Cases], taxonomy: Taxonomy, definition: Definition) -> Ledger:
    """Count the complaints of labelled files once each, by a definition.

    Of the copies of a complaint the first that the definition counts is the one that counts; its source is that of
    the first formal copy where there is one, so that a complaint that was posted first and sent in later is formal.
    """
    cases = pd.concat([_cases(one, taxonomy) for one in many], ignore_index=True)
    cases["channel"] = _one_spelling(cases["channel"].tolist())
    unknown = cases["source"].to_numpy() == ""
    cases["source"] = cases["source"].mask(unknown, "own")
    inside = cases["source"].isin(definition.sources).to_numpy()
    first = _first_of_copies(cases, inside)
    copies = first != np.arange(len(cases))
    counted = inside & ~copies
    ids = cases["case_id"].to_numpy(dtype=object)
    months = cases["month"].to_numpy(dtype=object)[copies]
    same = pd.DataFrame({"case_id": ids[copies], "same_as": ids[first[copies]], "month": months}, dtype=str)
    formal = cases["source"].isin(definition.formal_sources)
    cases["source"] = cases["source"].where(formal, _first_formal(cases["source"], first, formal.to_numpy()))
    kept = cases[counted].reset_index(drop=True)
    own_matter = ~kept["primary"].isin(definition.general_causes)
    kept["formal"] = kept["source"].isin(definition.formal_sources) & own_matter
    kept["first_case"] = pd.Series(_chains(kept, same), dtype=str)
    return Ledger(kept, same, int((~inside & ~copies).sum()), int((counted & unknown).sum()))


def _first_formal(source: pd.Series, first: np.ndarray, formal: np.ndarray) -> pd.Series:
    """For each row the source of the first formal copy of it, else its own."""
    there = pd.Series(source[formal].to_numpy(), index=first[formal], dtype=str)
    there = there[~there.index.duplicated()]
    return there.reindex(range(len(source))).fillna(source)


def _cases(cases: Cases, taxonomy: Taxonomy) -> pd.DataFrame:
    fields, original = cases.fields, cases.original
    named = {column.casefold(): column for column in original.columns}

    def passed_on(name: str) -> pd.Series:
        return original[named[name]].astype(str) if name in named else pd.Series([""] * len(original), dtype=str)

    received = fields["received"].astype(str)  # Without rows it is not text.
    return pd.DataFrame(
        {
            "case_id": fields["case_id"],
            "month": received.str.slice(0, 7).where(received != "", NO_MONTH),
            "received": received,
            "product": pd.Series(product_names(fields["product"].tolist(), received.tolist(), taxonomy), dtype=str),
            "channel": fields["channel"],
            "source": pd.Series(_source_kinds(fields["source"].tolist(), fields["channel"].tolist()), dtype=str),
            "customer": fields["customer"],
            "text": fields["text"],
            "primary": fields["primary_cause"].where(fields["primary_cause"] != "", OTHER),
            "causes": fields["causes"].where(fields["causes"] != "", OTHER),
            "evidence": passed_on("evidence"),
            "needs_review": passed_on("needs_review").str.lower().isin({"true", "1", "sant", "ja"}),
            "model_version": passed_on("model_version"),
        }
    )


def _one_spelling(written: Sequence[str]) -> pd.Series:
    """Names without regard to capitals and spaces, each as it is written most often; at most 100 characters."""
    masked = {name: mask(name) for name in set(written)}
    plain = [" ".join(masked[name].split())[:_LONGEST_NAME] for name in written]
    spelled = {name.casefold(): name for name, _ in sorted(Counter(plain).items(), key=lambda pair: (pair[1], pair[0]))}
    return pd.Series([spelled[name.casefold()] for name in plain], dtype=str)


def product_names(written: Sequence[str], received: Sequence[str], taxonomy: Taxonomy) -> list[str]:
    """The present name of each product, by the name it bore on the day (ISO or empty); as written where unknown."""
    known: dict[tuple[str, str], str] = {}
    pairs = list(zip(written, received, strict=True))
    for pair in set(pairs):
        known[pair] = _product(*pair, taxonomy)
    return [known[pair] for pair in pairs]


def _product(written: str, received: str, taxonomy: Taxonomy) -> str:
    if not written:
        return NO_PRODUCT
    found = taxonomy.find_product(written, date.fromisoformat(received) if received else None)
    reserved = written.casefold() in (ALL_PRODUCTS.casefold(), FEW_PRODUCTS.casefold())
    if found:
        return taxonomy.product_name(found)
    return f"{written} (i filen)" if reserved else mask(written)[:_LONGEST_NAME]


@cache
def _kinds() -> dict[str, str]:
    return {spelling: kind for kind, spellings in _table()["sources"].items() for spelling in spellings}


def _source_kinds(sources: Sequence[str], channels: Sequence[str]) -> list[str]:
    """The kind of each source; of the channel where no source is given; empty where it is unknown."""
    return [_kind(source or channel) for source, channel in zip(sources, channels, strict=True)]


@cache
def _kind(written: str) -> str:
    return _kinds().get(" ".join(written.casefold().split()), "")


# --- one complaint sent twice ------------------------------------------------------------------------------------


def _first_of_copies(cases: pd.DataFrame, inside: np.ndarray) -> np.ndarray:
    """For each row the position of the row that counts for it: its own where it is the first.

    Rows that the definition counts come before the others, then the first by date, case id and the rest: so the same
    rows in any order give the same answer. A copy belongs to the first one within a month, not to a copy of a copy
    of it months before.
    """
    keys = cases[["received", "case_id", "text", "product", "channel", "causes"]].replace({"received": {"": "9"}})
    order = keys.assign(outside=~inside).sort_values(["outside", *keys.columns], kind="stable").index.to_numpy()
    ranked = cases.iloc[order]
    days = _days(ranked["received"])
    first = np.arange(len(cases))
    same_id = _same_ids(ranked["case_id"].tolist())
    for earlier, later in sorted(same_id | _near_pairs(ranked, days), key=lambda pair: (pair[1], pair[0])):
        head = first[earlier]
        if first[later] == later and ((earlier, later) in same_id or _within(days[head] - days[later])):
            first[later] = head
    result = np.empty(len(cases), dtype=int)
    result[order] = order[first]
    return result


def _days(received: pd.Series) -> np.ndarray:
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
    texts, customer = cases["text"].tolist(), _customers(cases["customer"])
    pairs = np.concatenate([_pairs_by_customer(customer), _pairs_by_text(texts, np.flatnonzero(customer == ""))])
    pairs = np.unique(pairs[_within(days[pairs[:, 0]] - days[pairs[:, 1]])], axis=0)
    return {(i, j) for i, j in pairs.tolist() if _same_text(texts[i], texts[j], bool(customer[i]))}


def _customers(written: pd.Series) -> np.ndarray:
    """The customer of each row, empty where none is known."""
    nobody = written.str.casefold().isin(_NOBODY) | (written.map(written.value_counts()) > _MOST_OF_ONE)
    return written.mask(nobody, "").to_numpy(dtype=object)


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFC", text).lower())


def _same_text(one: str, other: str, known: bool) -> bool:
    """Whether two texts are near-identical, by a known customer or by somebody."""
    return one == other or _likeness(_words(one), _words(other)) >= (SAME_CUSTOMER if known else SAME_TEXT)


def _likeness(words: Sequence[str], others: Sequence[str]) -> float:
    """The part of their runs of three words that two texts share (Jaccard), 0 to 1; shorter texts are one run."""
    a, b = _runs_of_three(words), _runs_of_three(others)
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


# --- one matter that drags on ------------------------------------------------------------------------------------


def _chains(cases: pd.DataFrame, same: pd.DataFrame) -> list[str]:
    """For each counted complaint that repeats one about waiting the id of the first of its chain, else empty text.

    A complaint goes on with the latest one of its customer, else with one that its text names, itself or a copy of it.
    """
    rule = _table()["chains"]
    days, waiting = _days(cases["received"]), set(rule["causes"])
    columns = [cases[name].tolist() for name in ("case_id", "causes", "text")]
    rows = list(zip(*columns, _customers(cases["customer"]).tolist(), strict=True))
    folded = (same[column].str.casefold() for column in ("case_id", "same_as"))
    chains = _Chains(dict(zip(*folded, strict=True)), rule["days"])
    result = [""] * len(rows)
    for at in np.lexsort((cases["case_id"].to_numpy(dtype=str), days)).tolist():
        case_id, causes, text, customer = rows[at]
        first = chains.first_of(case_id, customer, text, days[at])
        if first and waiting & set(causes.split(";")):
            result[at] = first
    return result


class _Chains:
    """The complaints so far, by date: which is the first of each chain, and when a customer last complained.

    Attributes:
        copies: id of a copy -> id of the complaint that counts for it, both case-folded.
        most_days: a customer who complains again after more days begins a new chain.
        head: id of each complaint so far, case-folded -> id of the first of its chain.
        latest: customer -> the case-folded id and the day of the latest complaint.
    """

    def __init__(self, copies: Mapping[str, str], most_days: int) -> None:
        self.copies = copies
        self.most_days = most_days
        self.head: dict[str, str] = {}
        self.latest: dict[str, tuple[str, float]] = {}

    def first_of(self, case_id: str, customer: str, text: str, day: float) -> str:
        """Add a complaint; returns the first one of the chain that it goes on with, empty where it begins one."""
        earlier, latest = self.latest.get(customer, ("", day))
        if not earlier or not day - latest <= self.most_days:
            earlier = self._named(text)
        head = self.head.get(earlier, "")
        self.head[case_id.casefold()] = head or case_id
        if customer and day == day:
            self.latest[customer] = (case_id.casefold(), day)
        return head

    def _named(self, text: str) -> str:
        """The id, case-folded, of an earlier complaint that a text names, or of its copy; else empty text."""
        for found in _ID_LIKE.findall(text) if _DIGIT.search(text) else ():
            named: str = found.casefold()
            named = self.copies.get(named, named)
            if named in self.head:
                return named
        return ""
