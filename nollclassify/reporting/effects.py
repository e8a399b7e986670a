"""Did the measure help? Before and after it, against the complaints that no measure touched.

The change of the touched cell (a product's complaints of a cause) is held against that of the others, for what changed
everything, a holiday or a pandemic, is no merit of the measure (difference in differences, Card and Krueger 1994). A
measure that was taken because a month was bad will seem to help all the same: the months after it lie nearer the mean
anyway (regression to the mean), and only months before the bad one show it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtri

from nollclassify import swedish
from nollclassify.auditing import ENOUGH_AUDITED, Audit
from nollclassify.estimation import Change, difference_in_changes, effective_count, power_to_see, rate_ratio
from nollclassify.ledger import ALL_PRODUCTS, NO_MONTH, NO_PRODUCT
from nollclassify.model import prepare
from nollclassify.reporting.coding import Coding
from nollclassify.reporting.estimates import CORRECTED, PLAIN, SHARED, Domain, Domains
from nollclassify.reporting.exposure import Exposure
from nollclassify.reporting.figures import cause_names
from nollclassify.reporting.measures import Measure
from nollclassify.reporting.words import characteristic_words
from nollclassify.taxonomy import Taxonomy

FELL, ROSE, NO_DIFFERENCE, TOO_FEW = "fell", "rose", "no difference shown", "too few to say"
PURCHASES, MONTHS = "purchases", "months"
SIDE_MONTHS, WITHIN_MONTHS = 3, 12  # so many months on each side of a measure, none further from it than a year
FALL, CHANCE, WORD_SHARE = (
    0.3,
    0.8,
    0.1,
)  # a word that stands in so many of a cause's cases is one that the classifier goes by


@dataclass(frozen=True)
class Effect:
    """What came after a measure.

    Attributes:
        measure, months: what was done, and the months (YYYY-MM) before and after that are compared, up to three each.
        per: what rates are per: `purchases`, or `months` where a purchase is unknown.
        exposure: that of the touched product before and after, in millions of purchases or in months.
        cases: complaints of the touched cell before and after, estimated where audited; None (hidden) below `min_cell`.
        touched: the touched cell's rate after against before; None where a count is hidden.
        others: that of the complaints that no measure of the windows touches; None where a side has too few of them.
        difference: `touched` against `others`; None where one of them is.
        placebos: how many causes of the others differ as much from all of them, and how many there are with enough
            cases (placebo test, Abadie et al. 2010): what happens without a measure is no sign of one.
        power: the chance (0 to 1) that a fall of 30 % would have shown, by the number before; None: hidden.
        smallest_fall: the smallest fall (0 to 1, whole per cents) that would have shown with 80 % chance; None: none.
        method: `plain` counts, `corrected`, or `corrected with all`: the product shares its audit with others.
        audited: audited cases of the touched product before and after.
        words: those of the measure that the classifier goes by in the cause, and both names of a renamed product.
        warning: there are such words, and a side has less than 20 audited cases of the product: audit both.
        overlapping: other measures of the windows that touch the same cell: whose merit it is cannot be told.
        verdict: `fell` or `rose`, more than the others where there are; `no difference shown`; `too few to say`.
    """

    measure: Measure
    months: tuple[tuple[str, ...], tuple[str, ...]]
    per: str
    exposure: tuple[float, float]
    cases: tuple[float | None, float | None]
    touched: Change | None
    others: Change | None
    difference: Change | None
    placebos: tuple[int, int]
    power: float | None
    smallest_fall: float | None
    method: str
    audited: tuple[int, int]
    words: tuple[str, ...]
    warning: bool
    overlapping: tuple[Measure, ...]
    verdict: str


def effects(
    measures: Sequence[Measure],
    cases: pd.DataFrame,
    taxonomy: Taxonomy,
    audits: Mapping[str, Audit],
    exposure: Exposure,
    month: str,
    min_cell: int,
    coding: Coding | None = None,
) -> tuple[Effect, ...]:
    """What came after each measure that has months with complaints on both sides, up to a month; in their order.

    Before and after are up to three months each, none further off than a year, without the month of the measure
    unless that was on its first day (after) or its last (before), and without months in which the product was not
    there (no complaint, and no purchase though others have).

    Args:
        measures: all of them: the others are what none of them touches within the windows.
        cases: the counted complaints (`ledger.Ledger.cases`), small products too.
        taxonomy: for the causes, and the products' names by day.
        audits: month -> its audit; shares are corrected where every month of both sides has one.
        exposure: purchases; without them counts a month are compared.
        month: the reported month, YYYY-MM; later ones are not looked at.
        min_cell: below this many cases a count is hidden, and with it what it could be worked out from.
        coding: which causes the months were coded by; a measure about one that changed meanwhile is left out.
    """
    coding = coding or Coding(tuple(cause_names(taxonomy)))
    domains = Domains(cases, coding.causes, audits, coding.recode)
    there = sorted(m for m in domains.by_month if NO_MONTH != m <= month != NO_MONTH)
    found = []
    for measure in measures:
        sides = _windows(measure.day, [m for m in there if _was_there(measure.product, m, domains, exposure)])
        if all(sides) and not _recoded(measure.cause, sides, domains, coding):
            within = [m for m in measures if sides[0][0] <= m.day.isoformat()[:7] <= sides[1][-1] and m is not measure]
            found.append(_Comparison(measure, sides, within, domains, exposure, min_cell).effect(taxonomy))
    return tuple(found)


def _recoded(cause: str, sides: tuple[list[str], list[str]], domains: Domains, coding: Coding) -> bool:
    months = [month for side in sides for month in side]
    plain = not all(month in domains.audited for month in months)
    return bool(cause) and coding.changes(cause, [(m, domains.of(m, ALL_PRODUCTS, plain)) for m in months])


Cells = Mapping[str, frozenset[str]]  # product -> causes
Parts = list[tuple[Domain, frozenset[str]]]  # estimates, and which of their causes count
Both = tuple[Parts, Parts]  # before and after, as in a Pair
Pair = tuple[float, float]


def _windows(day: date, months: Sequence[str]) -> tuple[list[str], list[str]]:
    own = day.year * 12 + day.month
    off = {m: int(m[:4]) * 12 + int(m[5:]) - own for m in months}
    before = [m for m, k in off.items() if -WITHIN_MONTHS <= k < 0 or (k == 0 and (day + timedelta(days=1)).day == 1)]
    after = [m for m, k in off.items() if 0 < k <= WITHIN_MONTHS or (k == 0 and day.day == 1)]
    return before[-SIDE_MONTHS:], after[:SIDE_MONTHS]


def _was_there(product: str, month: str, domains: Domains, exposure: Exposure) -> bool:
    unknown = not product or (month, ALL_PRODUCTS) not in exposure.purchases
    return unknown or (month, product) in exposure.purchases or product in domains.products[month]


class _Side(NamedTuple):
    """Cases of a cell on one side, the factor that makes them effective (`effective_count`), and their exposure."""

    n: float
    factor: float
    exposure: float


@dataclass(frozen=True)
class _Comparison:
    """One measure, the months before and after it, and the other measures of that time."""

    measure: Measure
    sides: tuple[list[str], list[str]]
    rivals: list[Measure]
    domains: Domains
    exposure: Exposure
    min_cell: int

    def effect(self, taxonomy: Taxonomy) -> Effect:
        cell, beside = self._cells()
        per, exposures, exposures_beside = self._exposures(beside)
        parts, parts_beside = self._parts(cell), self._parts(beside)
        before, after = self._counted(parts, exposures)
        others = self._others(parts_beside, exposures_beside)
        touched, shown = _change(before, after), min(before.n, after.n) >= self.min_cell
        # Half a case for none: where nobody complains any more the logarithm must have a value all the same.
        difference = difference_in_changes(_change(before, after, least=0.5), others) if others else None
        seen = [side.n if side.n >= self.min_cell else None for side in (before, after)]
        power, smallest = _power(before, after, others) if seen[0] is not None else (None, None)
        (method, audited), words = _audit(parts), self._words(taxonomy)
        return Effect(
            self.measure,
            (tuple(self.sides[0]), tuple(self.sides[1])),
            per,
            exposures,
            (seen[0], seen[1]),
            touched if shown else None,
            others,
            difference if shown else None,
            self._placebos(parts_beside, exposures_beside, others, difference if shown else None),
            power,
            smallest,
            method,
            audited,
            words,
            bool(words) and min(audited) < ENOUGH_AUDITED,
            tuple(m for m in self.rivals if m.touches(self.measure.product, self.measure.cause)),
            _verdict(difference or touched, shown),
        )

    def _cells(self) -> tuple[Cells, Cells]:
        """The touched cell and the others. A case without a product may be of the touched one: it is in neither."""
        measure, causes = self.measure, self.domains.causes
        products = sorted({p for side in self.sides for m in side for p in self.domains.products[m]} - {ALL_PRODUCTS})
        cell = {p: frozenset(c for c in causes if measure.touches(p, c)) for p in products}
        beside = {p: frozenset(c for c in causes if not any(m.touches(p, c) for m in self.rivals)) for p in products}
        maybe = frozenset(c for c in causes if measure.touches(measure.product, c))
        return cell, {p: beside[p] - cell[p] - (maybe if p == NO_PRODUCT else frozenset()) for p in products}

    def _exposures(self, beside: Cells) -> tuple[str, Pair, Pair]:
        """What rates are per, and the exposures of the cell and of the others; purchases only if all are known."""
        gone = [product for product, causes in beside.items() if not causes]
        bought = [self._bought(side, self.measure.product or ALL_PRODUCTS, []) for side in self.sides]
        bought += [self._bought(side, ALL_PRODUCTS, gone) for side in self.sides]
        if min(bought) > 0:
            return PURCHASES, (bought[0], bought[1]), (bought[2], bought[3])
        before, after = (float(len(side)) for side in self.sides)
        return MONTHS, (before, after), (before, after)

    def _bought(self, side: Sequence[str], product: str, without: Sequence[str]) -> float:
        """Millions of purchases; 0 where one of the months is unknown."""
        bought = self.exposure.purchases
        each = [bought.get((m, product), 0) - sum(bought.get((m, p), 0) for p in without) for m in side]
        return sum(each) / 1e6 if min(each) > 0 else 0.0

    def _parts(self, cells: Cells) -> Both:
        """On each side the estimates of the products that have the same causes in the cells, by month."""
        plain = not all(m in self.domains.audited for side in self.sides for m in side)
        groups = sorted(set(cells.values()) - {frozenset()}, key=sorted)
        found: Both = ([], [])
        for parts, month in ((p, m) for p, side in zip(found, self.sides, strict=True) for m in side):
            product = self.domains.by_month[month]["product"]
            for causes in groups:
                where = product.isin([p for p in cells if cells[p] == causes]).to_numpy()
                parts.append((self.domains.part(month, where, plain), causes))
        return found

    def _counted(self, sides: Both, exposures: Pair) -> tuple[_Side, _Side]:
        """Counts and their variances, n / factor, are added over months; plain counts stay what they are."""
        found = []
        for parts, per in zip(sides, exposures, strict=True):
            each = [_estimate(domain, np.isin(self.domains.causes, [*causes])) for domain, causes in parts if causes]
            n, factor = np.array(each or [(0.0, 1.0)]).T
            weight = np.maximum(n, 0.5)  # a count of 0 has a variance, too
            found.append(_Side(round(float(n.sum()), 6), float(weight.sum() / (weight / factor).sum()), per))
        return found[0], found[1]

    def _others(self, sides: Both, exposures: Pair) -> Change | None:
        before, after = self._counted(sides, exposures)
        return _change(before, after) if min(before.n, after.n) >= max(self.min_cell, 1) else None

    def _placebos(self, sides: Both, per: Pair, others: Change | None, difference: Change | None) -> tuple[int, int]:
        if not (others and difference):
            return 0, 0
        changes = []
        for cause in self.domains.causes:
            before, after = ([(domain, causes & {cause}) for domain, causes in parts] for parts in sides)
            changes.append(self._others((before, after), per))
        far = [abs(np.log(c.ratio / others.ratio)) >= abs(np.log(difference.ratio)) for c in changes if c]
        return sum(map(bool, far)), len(far)

    def _words(self, taxonomy: Taxonomy) -> tuple[str, ...]:
        """Words of the measure in at least a tenth of the touched cause's evidence, and both names of a rename."""
        spoken = sorted({word for words in swedish.content_words([self.measure.text]) for word in words})
        found = {word for side in self.sides for word in self._telling(spoken, side, taxonomy)}
        first, last = (date.fromisoformat(f"{m}-01") for m in (self.sides[0][0], self.sides[1][-1]))
        known = taxonomy.find_product(self.measure.product, self.measure.day) if self.measure.product else None
        names = [taxonomy.product_name(known, day) for day in (first, last)] if known else []
        return (*sorted(found), *(names if len(set(names)) > 1 else []))

    def _telling(self, spoken: Sequence[str], side: Sequence[str], taxonomy: Taxonomy) -> list[str]:
        cases = pd.concat([self.domains.by_month[m] for m in side])
        product, cause = self.measure.product, self.measure.cause
        inside = cases["primary"] == cause if cause else (cases["product"] == product) | (not product)
        said = _evidence(cases[inside], cause, taxonomy) or _own_words(cases, inside)
        # Swedish bends words at their ends: konto, kontot. Of short ones too many others begin alike.
        bends = {s: re.compile(rf"{re.escape(s)}{'.*' if len(s) > 3 else ''}") for s in spoken}
        cases_with = {s: sum(any(map(bend.fullmatch, words)) for words in said) for s, bend in bends.items()}
        return [s for s, n in cases_with.items() if n and n >= WORD_SHARE * len(said)]


def _audit(sides: Both) -> tuple[str, tuple[int, int]]:
    methods = {domain.method for parts in sides for domain, _ in parts}
    before, after = (sum(domain.audited for domain, _ in parts) for parts in sides)
    return next((m for m in (SHARED, CORRECTED) if m in methods), PLAIN), (before, after)


def _estimate(domain: Domain, inside: np.ndarray) -> tuple[float, float]:
    """Cases of some causes, with the factor; their share is worth what the least known of them (or the rest) is."""
    if inside.all():
        return float(domain.n), 1.0
    fewer = inside if inside.sum() <= (~inside).sum() else ~inside
    share = min(max(float(domain.share[inside].sum()), 0.0), 1.0)
    return domain.n * share, effective_count(share, float(domain.worth[fewer].min()), max(domain.n, 1))[1]


def _change(before: _Side, after: _Side, least: float = 0.0) -> Change:
    now, then = (max(side.n, least) * side.factor for side in (after, before))
    return rate_ratio(now, after.exposure * after.factor, then, before.exposure * before.factor)


def _power(before: _Side, after: _Side, others: Change | None) -> tuple[float, float | None]:
    extra = float(np.log(others.high / others.low) / (2 * ndtri(0.975))) ** 2 if others else 0.0
    known = before.n * before.factor
    ratio = after.exposure * after.factor / (before.exposure * before.factor)
    seen = (k / 100 for k in range(1, 100) if power_to_see(k / 100, known, ratio, extra) >= CHANCE)
    return power_to_see(FALL, known, ratio, extra), next(seen, None)


def _verdict(change: Change, shown: bool) -> str:
    """A count that is hidden because few complain any more is told too, where chance does not explain it."""
    if change.high < 1 or change.low > 1:
        return FELL if change.high < 1 else ROSE
    return NO_DIFFERENCE if shown else TOO_FEW


def _evidence(cases: pd.DataFrame, cause: str, taxonomy: Taxonomy) -> list[set[str]]:
    """The words of each case's evidence for a cause (empty: any); an empty list where no case has any."""
    pieces = [re.split(rf"(?:^|; )({'|'.join(taxonomy.cause_ids)}): ", text)[1:] for text in cases["evidence"]]
    texts = [" ".join(p for c, p in zip(row[::2], row[1::2], strict=True) if cause in ("", c)) for row in pieces]
    return [set(swedish.words(swedish.repair(text))) for text in texts] if any(texts) else []


def _own_words(cases: pd.DataFrame, inside: pd.Series) -> list[set[str]]:
    """The words of each touched case that set the touched ones apart from all others."""
    named = cases.assign(primary=inside.map({True: "touched", False: "others"}))
    telling = set(characteristic_words(named, n=30).get("touched", []))
    return [telling.intersection(swedish.words(prepare(text))) for text in cases.loc[inside, "text"]]
