"""What counts as a complaint: by which definition, once each, and in which of the two ledgers.

The definition of a complaint, the ledgers and the spellings of sources are a table, `data/definitions.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from nollclassify.cases import UNKNOWN_CAUSE, Cases
from nollclassify.copies import customers_of, days_of, first_of_copies
from nollclassify.errors import InputError, SettingsError
from nollclassify.privacy import mask
from nollclassify.taxonomy import OTHER, Taxonomy

NO_MONTH, NO_PRODUCT, ALL_PRODUCTS = "utan datum", "Produkt saknas", "Alla produkter"
FEW_PRODUCTS = "Produkter med få klagomål"
_LONGEST_NAME = 100
_DIGIT = re.compile(r"\d")
_LONG_WORD = re.compile(r"[\w-]{5,}")


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


def load_definition(version: str, taxonomy: Taxonomy | None = None) -> Definition:
    """The definition of this version; with a taxonomy its causes are those, and what they became.

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
    general = frozenset(formal["general_causes"])
    return Definition(
        version,
        entry["text_sv"],
        entry["text_en"],
        frozenset(entry["sources"]),
        formal["text_sv"],
        formal["text_en"],
        frozenset(formal["sources"]),
        taxonomy.with_heirs(general) if taxonomy else general,
    )


@dataclass(frozen=True)
class Ledger:
    """The complaints of a set of files, each counted once, and what was not counted.

    Attributes:
        cases: one row a complaint, in the order of the files: `case_id`, `month` (YYYY-MM or `utan datum`),
            `received` (ISO date or empty), `product` (present Swedish name), `channel`, `source` (`own`, `authority`
            or `social`), `customer`, `text`, `primary` (cause id, `other` for none), `causes` (ids joined by `;`),
            `evidence`, `needs_review`, `review_reason`, `p_<cause>`, `model_version`, `taxonomy_version` (as `label`
            wrote them, text, empty where they are missing), `formal` (whether it stands in the formal ledger too),
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

    Raises:
        InputError: labels of another version of the taxonomy that this one does not know; they would be missed.
    """
    for one in many:
        _check_version(one, taxonomy)
    cases = pd.concat([_cases(one, taxonomy) for one in many], ignore_index=True)
    cases["channel"] = _one_spelling(cases["channel"].tolist())
    unknown = cases["source"].to_numpy() == ""
    cases["source"] = cases["source"].mask(unknown, "own")
    inside = cases["source"].isin(definition.sources).to_numpy()
    first = first_of_copies(cases, inside)
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
    kept["first_case"] = pd.Series(_chains(kept, same, taxonomy), dtype=str)
    return Ledger(kept, same, int((~inside & ~copies).sum()), int((counted & unknown).sum()))


def _check_version(cases: Cases, taxonomy: Taxonomy) -> None:
    """A file labelled by a newer taxonomy would lose just the cases of its new causes."""
    refused = cases.rejected
    if "taxonomy_version" not in refused:
        return
    unknown = refused["rejected_reason"].str.contains(UNKNOWN_CAUSE, regex=False)
    versions = set(refused.loc[unknown, "taxonomy_version"].astype(str)) - {taxonomy.version, ""}
    if versions:
        raise InputError(
            f"{cases.path}: {unknown.sum()} rader har orsaker som taxonomin {taxonomy.version} inte känner, för filen "
            f"är märkt med {min(versions)[:50]!r}; ange den taxonomin med --taxonomy."
        )


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
            **{name: passed_on(name) for name in ("review_reason", "model_version", "taxonomy_version")},
            **{f"p_{cause}": passed_on(f"p_{cause}") for cause in taxonomy.cause_ids},
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


# --- one matter that drags on ------------------------------------------------------------------------------------


def _chains(cases: pd.DataFrame, same: pd.DataFrame, taxonomy: Taxonomy) -> list[str]:
    """For each counted complaint that repeats one about waiting the id of the first of its chain, else empty text.

    A complaint goes on with the latest one of its customer, else with one that its text names, itself or a copy of it.
    """
    rule = _table()["chains"]
    days, waiting = days_of(cases["received"]), taxonomy.with_heirs(rule["causes"])
    columns = [cases[name].tolist() for name in ("case_id", "causes", "text")]
    rows = list(zip(*columns, customers_of(cases["customer"]).tolist(), strict=True))
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
        words = _LONG_WORD.findall(text) if _DIGIT.search(text) else ()
        for word in filter(_DIGIT.search, words):
            named: str = word.casefold()
            named = self.copies.get(named, named)
            if named in self.head:
                return named
        return ""
