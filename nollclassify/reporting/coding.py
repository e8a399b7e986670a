"""Months that were coded by other causes: which codes a month has, which may be compared, and recoding by a bridge.

Renamed and merged causes have been read as what they became, so that their series go on by themselves. A split one
has not: without a bridge its months keep it, and only the sum of the parts goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from nollclassify.estimation import bridged_share
from nollclassify.reporting.bridge import Coded
from nollclassify.reporting.estimates import Domain
from nollclassify.reporting.language import Language
from nollclassify.taxonomy import OTHER, Taxonomy
from nollclassify.taxonomy_events import Fate


@dataclass(frozen=True)
class Coding:
    """The codes of a report's months.

    Attributes:
        causes: ids, those of today, then split ones that some case still has, `other` last.
        splits: the split ones.
        added: causes that some months came before, with their first day.
        bridge: double-coded cases of split causes.
    """

    causes: tuple[str, ...]
    splits: Mapping[str, Fate] = field(default_factory=dict)
    added: Mapping[str, date] = field(default_factory=dict)
    bridge: Mapping[str, Coded] = field(default_factory=dict)

    def _place(self, cause: str) -> int:
        return self.causes.index(cause)

    # --- which months have which causes ---

    def uncoded(self, month: str, domain: Domain) -> frozenset[str]:
        """Causes that a month's cases were not coded by; `domain` is that of all its products."""
        found = {code for code in self.splits if not self._has(domain, code)}
        for code, fate in self.splits.items():
            if code not in found:
                found |= {heir for heir in fate.heirs & set(self.causes) if not self._has(domain, heir)}
        found |= {code for code, day in self.added.items() if self._before(month, day, domain, code)}
        return frozenset(found - {OTHER})

    def comparable(self, cause: str, months: tuple[str, str], domains: tuple[Domain, Domain]) -> bool:
        """Whether a cause means the same in two months."""
        for code, fate in self.splits.items():
            if cause == code and not all(fate.split and month < f"{fate.split.day:%Y-%m}" for month in months):
                return False
            if cause in fate.heirs and any(self._has(domain, code) for domain in domains):
                return False
        for code, day in self.added.items():
            if cause in (code, OTHER):
                begun = day.day > 1 and f"{day:%Y-%m}" in months
                before = {self._before(m, day, d, code) for m, d in zip(months, domains, strict=True)}
                if begun or len(before) > 1:
                    return False
        return True

    def changes(self, cause: str, sides: Sequence[tuple[str, Domain]]) -> bool:
        """Whether a cause does not mean the same in all of these months."""
        (first, domain), *others = sides
        return not all(self.comparable(cause, (first, month), (domain, other)) for month, other in others)

    def family(self, cause: str, domains: tuple[Domain, Domain]) -> frozenset[str]:
        """A split cause and its parts, whose sum goes on from the one month to the other; empty where none does."""
        fate = self.splits.get(cause)
        if fate is None or OTHER in fate.heirs or len({self._has(domain, cause) for domain in domains}) < 2:
            return frozenset()
        return (fate.heirs | {cause}) & frozenset(self.causes)

    def _has(self, domain: Domain, code: str) -> bool:
        place = self._place(code)
        return bool(domain.share[place] > 0 or domain.mentioned[0][place] > 0)

    def _before(self, month: str, day: date, domain: Domain, code: str) -> bool:
        return month < f"{day:%Y-%m}" and not self._has(domain, code)

    # --- recoding ---

    def recode(self, domain: Domain) -> Domain:
        """A month's estimates with the split causes of the bridge given out to the causes of today."""
        codes = [code for code in self.bridge if code in self.splits and self._has(domain, code)]
        if not codes:
            return domain
        touched = np.isin(self.causes, [c for code in codes for c in (code, *self._parts(code))])
        shares = bridged_share(domain.share, domain.worth, self._found(codes))
        columns: dict[str, np.ndarray] = {
            "share": shares.share,
            "low": shares.low,
            "high": shares.high,
            "worth": shares.n,
        }
        arrays: dict[str, Any] = {k: np.where(touched, new, getattr(domain, k)) for k, new in columns.items()}
        mentioned = domain.mentioned
        for code in codes:
            mentioned = self._mentioned(mentioned, code, domain.worth)
        return replace(domain, **arrays, mentioned=mentioned, bridged=touched)

    def _parts(self, code: str) -> frozenset[str]:
        coded = self.bridge[code]
        return self.splits[code].parts | coded.primary.keys() | coded.mentioned.keys()

    def _found(self, codes: Sequence[str]) -> np.ndarray:
        found = np.zeros((len(self.causes), len(self.causes)))
        for code in codes:
            for cause, n in self.bridge[code].primary.items():
                found[self._place(code), self._place(cause)] = n
        return found

    def _mentioned(
        self, mentioned: tuple[np.ndarray, np.ndarray, np.ndarray], code: str, worth: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Shares of mentions: those of the split cause, by its part of the double-coded cases, added to a cause's own.

        The limits of a sum are those of its parts, put together (Zou and Donner 2008).
        """
        value, low, high = (array.copy() for array in mentioned)
        at, coded = self._place(code), self.bridge[code]
        share, n = value[at], worth[at]
        for cause in self._parts(code) - {OTHER}:
            k, yes = self._place(cause), coded.mentioned[cause]
            found = np.array([[yes, coded.n_mentioned - yes], [0, 0]])
            more = bridged_share(np.array([share, 1 - share]), np.array([n, n]), found)
            own, down, up = value[k], value[k] - low[k], high[k] - value[k]
            # Of nothing at all there is no upper end to add: the cause was not coded.
            up = up if own else 0.0
            value[k] = min(own + more.share[0], 1.0)
            low[k] = max(value[k] - np.hypot(down, more.share[0] - more.low[0]), 0.0)
            high[k] = min(value[k] + np.hypot(up, more.high[0] - more.share[0]), 1.0)
        value[at] = low[at] = high[at] = 0.0
        return value, low, high

    # --- words ---

    def names(self, taxonomy: Taxonomy, language: Language) -> dict[str, str]:
        """Names by id, of split causes with the day until which they were used."""
        causes = {c: taxonomy.cause(c) for c in self.causes if c != OTHER}
        names = {c: cause.name_en if language.english else cause.name_sv for c, cause in causes.items()}
        for code, fate in self.splits.items():
            if fate.split:
                names[code] = language("split_name", cause=names[code], day=fate.split.day)
        return names | {OTHER: language("other_cause")}

    def told(self, taxonomy: Taxonomy, language: Language) -> list[str]:
        """A sentence for every change of the codes that these months lie across."""
        t, said, names = language, [], self.names(taxonomy, language)
        for code, fate in self.splits.items():
            cause, parts = taxonomy.cause(code), [names[c] for c in self.causes if c in fate.parts]
            values = {"cause": cause.name_en if t.english else cause.name_sv, "parts": t.listed(parts)}
            n = {"n": self.bridge[code].n} if code in self.bridge else {}
            key = "b_bridged" if n else "b_split_other" if OTHER in fate.heirs else "b_split"
            said.append(t(key, day=fate.split.day if fate.split else "", **values, **n))
            if n and self.bridge[code].n_mentioned > self.bridge[code].n:
                said.append(t("b_mentioned", cause=values["cause"]))
        return said + [t("b_added", cause=names[code], day=day) for code, day in self.added.items()]


def coding_of(cases: pd.DataFrame, taxonomy: Taxonomy, bridge: Mapping[str, Coded] | None = None) -> Coding:
    """The codes of counted cases (`ledger.Ledger.cases`)."""
    there = {code for written in cases["causes"].unique() for code in written.split(";")}
    split = {cause.id: fate for cause in taxonomy.retired if cause.id in there and (fate := taxonomy.fate(cause.id))}
    first = min(cases["month"])
    added: dict[str, date] = {}
    for event in taxonomy.events:
        if event.kind == "add" and first < f"{event.day:%Y-%m}":
            added |= {code: event.day for code in event.new if code in taxonomy.cause_ids}
    return Coding((*taxonomy.cause_ids, *split, OTHER), split, added, bridge or {})
