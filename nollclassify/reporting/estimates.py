"""Estimates of a month and product: the shares of causes, corrected where a person audited, and what they are worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from nollclassify.auditing import ENOUGH_AUDITED, Audit
from nollclassify.estimation import Change, audited_share, effective_count, rate_ratio, wilson_limits
from nollclassify.ledger import ALL_PRODUCTS, FEW_PRODUCTS

PLAIN, CORRECTED, SHARED, COUNTED = "plain", "corrected", "corrected with all", "counted"


@dataclass(frozen=True)
class Domain:
    """The estimates of one month and product, arrays over causes.

    Attributes:
        n: complaints.
        audited: how many of them were audited.
        method: how the shares were estimated.
        share, low, high: of each primary cause, 0 to 1.
        worth: effective number of cases behind each share; n where nothing was estimated.
        mentioned: three arrays, the share of complaints that carry the cause at all, with its limits.
        bridged: whether the figures of each cause were worked out from those of another, by double-coded cases.
    """

    n: int
    audited: int
    method: str
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    worth: np.ndarray
    mentioned: tuple[np.ndarray, np.ndarray, np.ndarray]
    bridged: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def only(self, which: np.ndarray) -> Domain:
        """The same of some of the causes."""
        arrays = {name: getattr(self, name)[which] for name in ("share", "low", "high", "worth")}
        value, low, high = (array[which] for array in self.mentioned)
        return replace(self, **arrays, mentioned=(value, low, high), bridged=self.bridged[which[: len(self.bridged)]])


Recode = Callable[[Domain], Domain]


class Domains:
    """The estimates of every month and product, worked out once each, and perhaps recoded."""

    def __init__(
        self,
        cases: pd.DataFrame,
        causes: Sequence[str],
        audits: Mapping[str, Audit],
        recode: Recode = lambda domain: domain,
    ) -> None:
        self.causes = list(causes)
        self.recode = recode
        self.by_month = {str(m): part for m, part in cases.groupby("month")}
        self.products = {m: [ALL_PRODUCTS, *_by_size(part)] for m, part in self.by_month.items()}
        self.audited = {m: _Audited(self.by_month[m], self.causes, a) for m, a in audits.items() if m in self.by_month}
        self._known: dict[tuple[str, str, bool], Domain] = {}

    def of(self, month: str, product: str, plain: bool = False) -> Domain:
        key = (month, product, plain or month not in self.audited)
        if key not in self._known:
            rows = self.by_month[month]
            where = np.ones(len(rows), bool) if product == ALL_PRODUCTS else (rows["product"] == product).to_numpy()
            self._known[key] = self.part(month, where, key[2])
        return self._known[key]

    def part(self, month: str, where: np.ndarray, plain: bool = False) -> Domain:
        """The estimates of any part of a month's cases; `where` is boolean over them."""
        if plain or month not in self.audited:
            return self.recode(_plain(self.by_month[month][where], self.causes))
        return self.recode(self.audited[month].part(where))


def _by_size(cases: pd.DataFrame) -> list[str]:
    sizes = cases["product"].value_counts()
    return sorted(sizes.index, key=lambda product: (product == FEW_PRODUCTS, -sizes[product], product))


def _plain(cases: pd.DataFrame, causes: Sequence[str]) -> Domain:
    n = len(cases)
    share = np.array([(cases["primary"] == cause).sum() for cause in causes]) / max(n, 1)
    mentioned = np.array([_mentions(cases["causes"], cause).sum() for cause in causes]) / max(n, 1)
    size = np.full(len(causes), float(max(n, 1)))
    return Domain(n, 0, PLAIN, share, *wilson_limits(share, size), size, (mentioned, *wilson_limits(mentioned, size)))


def _mentions(sets: pd.Series, cause: str) -> pd.Series:
    return (";" + sets + ";").str.contains(f";{cause};", regex=False)


class _Audited:
    """One month's cases in strata: groups of products, and within each the cause that was predicted."""

    def __init__(self, cases: pd.DataFrame, causes: Sequence[str], audit: Audit) -> None:
        ids = cases["case_id"].tolist()
        strata = [audit.stratum.get(c, p) for c, p in zip(ids, cases["primary"], strict=True)]
        kinds = [*causes, *sorted(set(strata) - set(causes))]
        answered = np.array([c in audit.answers for c in ids])
        own = cases["product"].map(cases["product"][answered].value_counts()).fillna(0).to_numpy() >= ENOUGH_AUDITED
        group = pd.factorize(cases["product"].where(own, ""))[0]
        self.own = own
        self.stratum = group * len(kinds) + np.array([kinds.index(s) for s in strata])
        self.n_strata = int(group.max() + 1) * len(kinds)
        self.answered = answered
        self.drawn = self._count(answered)
        given = [audit.answers.get(c, ()) for c in ids]
        primary = np.array([[bool(g) and g[0] == cause for g in given] for cause in causes])
        mentioned = np.array([[cause in g for g in given] for cause in causes])
        self.primary = np.array([self._count(row) for row in primary])
        self.mentioned = np.array([self._count(row) for row in mentioned])
        kind = np.arange(self.n_strata) % len(kinds)
        self.guess_primary, self.guess_mentioned = (
            _borrowed(found, self.drawn, kind, len(causes)) for found in (self.primary, self.mentioned)
        )

    def _count(self, which: np.ndarray) -> np.ndarray:
        return np.bincount(self.stratum[which], minlength=self.n_strata)

    def part(self, where: np.ndarray) -> Domain:
        sizes = self._count(where)
        if not sizes.sum():
            nothing = np.zeros(len(self.primary))
            return Domain(0, 0, CORRECTED, nothing, nothing, nothing + 1, nothing + 1, (nothing, nothing, nothing + 1))
        there = np.broadcast_to(sizes, self.primary.shape)
        drawn = np.broadcast_to(self.drawn, self.primary.shape)
        a = audited_share(there, drawn, self.primary, self.guess_primary)
        m = audited_share(there, drawn, self.mentioned, self.guess_mentioned)
        audited = int((self.answered & where).sum())
        method = CORRECTED if audited >= ENOUGH_AUDITED else SHARED
        return Domain(int(where.sum()), audited, method, a.share, a.low, a.high, a.n, (m.share, m.low, m.high))


def _borrowed(found: np.ndarray, drawn: np.ndarray, kind: np.ndarray, n_causes: int) -> np.ndarray:
    """For strata of which none was audited: the share among all audited of that prediction, else the prediction."""
    guess = np.empty(found.shape)
    for k in range(kind.max() + 1):
        here = kind == k
        n = drawn[here].sum()
        predicted = (np.arange(n_causes) == k).astype(float)
        guess[:, here] = (found[:, here].sum(axis=1) / n if n else predicted)[:, None]
    return guess


def together(domain: Domain, which: np.ndarray) -> Domain:
    """Some causes as one, worth as much as the least known of them."""
    if which.sum() == 1:
        return domain.only(which)
    share, n = np.array([min(float(domain.share[which].sum()), 1.0)]), np.array([float(domain.worth[which].min())])
    return Domain(domain.n, domain.audited, domain.method, share, *wilson_limits(share, n), n, domain.mentioned)


def cause_change(now: Domain, then: Domain, k: int, per: tuple[float, float]) -> Change:
    """The change of the k-th cause's rate between two domains, with what the estimates of their shares add."""
    (count, part), (count_before, part_before) = (
        effective_count(float(d.share[k]), float(d.worth[k]), max(d.n, 1)) for d in (now, then)
    )
    return rate_ratio(count, per[0] * part, count_before, per[1] * part_before)
