"""The figures of a breakdown: one tidy table. Page, pictures and workbook only show what stands here.

The parts add up to the whole in every direction: each product's causes to its complaints, and for each cause the
products to all of them, because all are the same weighted sums; what rounding leaves over goes to the largest rests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nollclassify.auditing import Audit
from nollclassify.estimation import Change, effective_count, poisson_limits, rate_ratio, wilson_limits
from nollclassify.ledger import ALL_PRODUCTS, FEW_PRODUCTS, NO_MONTH, Definition
from nollclassify.reporting.coding import Coding
from nollclassify.reporting.estimates import COUNTED, Domain, Domains, cause_change, together
from nollclassify.reporting.exposure import Exposure
from nollclassify.reporting.suppression import shown_cells
from nollclassify.taxonomy import OTHER, OTHER_NAME_SV, Taxonomy

COLUMNS = ["month", "product", "cause", "figure", "of", "value", "low", "high", "n", "audited", "q", "method", "shown"]
# Decimals of each figure: page, workbook and CSV file show the same, and what is shown adds up to the last digit.
DIGITS = {
    **dict.fromkeys(("primary", "mentioned", "formal"), 1),
    **dict.fromkeys(("share", "mentioned_share", "channel_share", "source_share"), 3),
}
DEFAULT_DIGITS = 2
OTHER_KINDS = "other_kinds"  # channels of few complaints, together
BRIDGED = "bridge"  # of: a figure worked out from an older cause, by double-coded cases


def cause_names(taxonomy: Taxonomy, english: bool = False) -> dict[str, str]:
    """Names by id, in the order of the taxonomy, other last."""
    names = {cause.id: cause.name_en if english else cause.name_sv for cause in taxonomy.causes}
    return names | {OTHER: "Other" if english else OTHER_NAME_SV}


def tidy_table(
    cases: pd.DataFrame,
    causes: Sequence[str],
    exposure: Exposure,
    audits: Mapping[str, Audit],
    definition: Definition,
    min_cell: int,
    month: str,
    coding: Coding | None = None,
) -> pd.DataFrame:
    """Every figure of the breakdown, one a row.

    Products with fewer than `min_cell` complaints in a month are put together.

    Args:
        cases: the counted complaints (`ledger.Ledger.cases`).
        causes: ids, `other` last.
        exposure: purchases; without them there are no rates, and changes are of counts.
        audits: month -> its audit.
        definition: for the formal ledger.
        min_cell: below this many cases a figure is not `shown`.
        month: the month whose changes, channels and sources are told.
        coding: which of the causes the months were coded by; by default all of them.

    Columns: `month`, `product` (`Alla produkter` for the sum), `cause` (id, empty for all), `figure`, `of` (the month
    compared with, the channel or the source; `bridge` where the cause is worked out from an older one), `value`,
    `low`, `high` (95 % interval), `n` (complaints behind it), `audited`, `q` (of a change: the false discovery rate at
    which it would count), `method`, `shown`. Figures: `cases`, `rate_all`, `formal`, `formal_rate` of all causes;
    `primary`, `share`, `rate`, `mentioned`, `mentioned_share` of one; `ratio_month`, `ratio_year` of both; `channel`,
    `source` (counts) with `..._share`. A cause has no figures in a month that was coded without it, and no change
    between months in which it does not mean the same; a split one has that of its parts' sum.
    """
    pooled = _pool_small_products(cases, min_cell)
    coding = coding or Coding(tuple(causes))
    domains, rows = Domains(pooled, causes, audits, coding.recode), []
    for at, products in domains.products.items():
        coded = ~np.isin(causes, list(coding.uncoded(at, domains.of(at, ALL_PRODUCTS))))
        of_causes = [cause for cause, is_coded in zip(causes, coded, strict=True) if is_coded]
        rows += _month_rows(at, {p: domains.of(at, p).only(coded) for p in products}, of_causes, exposure, min_cell)
        rows += _formal_rows(at, domains, exposure, definition, min_cell)
    seen = {row[:3] for row in rows if row[3] == "primary" and row[-1]}
    rows += _changes(domains, month, coding, exposure, seen, min_cell)
    for column in ("channel", "source"):
        rows += _kinds(pooled[pooled["month"] == month], column, min_cell)
    return pd.DataFrame(rows, columns=COLUMNS)


def _pool_small_products(cases: pd.DataFrame, least: int) -> pd.DataFrame:
    """Products below `least` put together; with the next smallest one where they are below it even so."""
    small = set()
    for month, products in cases.groupby("month")["product"]:
        sizes = products.value_counts().sort_index().sort_values(kind="stable")
        few = sizes[sizes < least]
        if 0 < few.sum() < least:
            few = sizes[: len(few) + 1]
        small |= {(month, product) for product in few.index}
    keys = zip(cases["month"], cases["product"], strict=True)
    return cases.assign(product=[FEW_PRODUCTS if key in small else key[1] for key in keys])


# --- rows --------------------------------------------------------------------------------------------------------

Row = tuple[Any, ...]


def _row(
    at: tuple[str, str, str],
    figure: str,
    numbers: Any,
    n: int,
    audited: int = 0,
    method: str = COUNTED,
    shown: bool = True,
    of: str = "",
    q: float | None = None,
) -> Row:
    """One row of the table: `at` is month, product and cause, `numbers` a value and its limits, to be rounded."""
    digits = DIGITS.get(figure, DEFAULT_DIGITS)
    value, low, high = (None if v is None or not np.isfinite(v) else round(float(v), digits) for v in numbers)
    # A value that was rounded so that the parts add up may have passed a limit by the last digit.
    low = low if low is None or value is None else min(low, value)
    high = high if high is None or value is None else max(high, value)
    return (*at, figure, of, value, low, high, n, audited, q, method, bool(shown))


def _month_rows(
    month: str, domains: Mapping[str, Domain], causes: Sequence[str], exposure: Exposure, min_cell: int
) -> list[Row]:
    products = [p for p in domains if p != ALL_PRODUCTS]
    parts = rounded_table(np.array([domains[p].share * domains[p].n for p in products]), DIGITS["primary"])
    counts = dict(zip(products, parts, strict=True))
    counts[ALL_PRODUCTS] = np.round(parts.sum(axis=0), DIGITS["primary"])
    # The sums over products stand last: they are hidden in part themselves.
    shown = shown_cells(np.array([counts[p] for p in (*products, ALL_PRODUCTS)]), min_cell, sums_last=True)
    visible = dict(zip((*products, ALL_PRODUCTS), shown, strict=True))
    rows: list[Row] = []
    for product, domain in domains.items():
        bought = exposure.purchases.get((month, product))
        rows += _total_rows((month, product, ""), domain, bought, min_cell)
        figures = _cause_figures(domain, counts[product], bought)
        # Mentions of a hidden cause would tell how many it is the primary cause of, at most.
        spoken = visible[product] & (figures["mentioned"][0] >= min_cell)
        for figure, values in figures.items():
            seen = spoken if figure.startswith("mentioned") else visible[product]
            for k, cause in enumerate(causes):
                numbers = [v[k] for v in values]
                at, of = (month, product, cause), BRIDGED if domain.bridged.any() and domain.bridged[k] else ""
                rows.append(_row(at, figure, numbers, domain.n, domain.audited, domain.method, seen[k], of))
    return rows


def _total_rows(at: tuple[str, str, str], domain: Domain, bought: int | None, min_cell: int) -> list[Row]:
    numbers = np.array([float(domain.n), *poisson_limits(np.array(float(domain.n)))])
    seen = domain.n >= min_cell
    rows = [_row(at, "cases", numbers, domain.n, domain.audited, shown=seen)]
    if bought:
        rows.append(_row(at, "rate_all", numbers * 1e6 / bought, domain.n, domain.audited, shown=seen))
        rows.append(_row(at, "purchases", (bought, None, None), domain.n))
    return rows


def _cause_figures(domain: Domain, counts: np.ndarray, bought: int | None) -> dict[str, tuple[np.ndarray, ...]]:
    """Value and limits of each figure of a product, arrays over causes."""
    low, high = _count_limits(domain)
    share = rounded_parts(domain.share, 1, DIGITS["share"])
    figures: dict[str, tuple[np.ndarray, ...]] = {"primary": (counts, low, high)}
    figures["share"] = (share, domain.low, domain.high)
    if bought:
        per = 1e6 / bought
        figures["rate"] = (rounded_parts(domain.share * domain.n * per, domain.n * per), low * per, high * per)
    # What a complaint's primary cause is, it mentions: rounding must not say otherwise.
    value, *ends = domain.mentioned
    figures["mentioned"] = (np.maximum(value * domain.n, counts), *(end * domain.n for end in ends))
    figures["mentioned_share"] = (np.maximum(value, share), *ends)
    return figures


def _count_limits(domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the expected count of each cause: Poisson, with what the estimate of the share adds."""
    total = max(domain.n, 1)
    pairs = [effective_count(float(s), float(w), total) for s, w in zip(domain.share, domain.worth, strict=True)]
    worth, factor = np.array(pairs).T
    low, high = poisson_limits(worth)
    # Of a cause that is nearly all there is, the share is the less certain part.
    return np.minimum(low / factor, domain.low * total), np.maximum(high / factor, domain.high * total)


def rounded_parts(parts: np.ndarray, whole: float, digits: int = DEFAULT_DIGITS) -> np.ndarray:
    """Parts rounded so that they add up to the rounded whole: the largest remainders are rounded up (Hamilton)."""
    units = np.asarray(parts, dtype=float) * 10**digits
    down = np.floor(units + 1e-6)
    missing = round(round(whole, digits) * 10**digits - down.sum())
    order = np.argsort(-(units - down), kind="stable")
    for k in range(abs(missing)):
        down[order[k % len(order)] if missing > 0 else order[-1 - k % len(order)]] += np.sign(missing)
    return np.asarray(np.round(down / 10**digits, digits))


def rounded_table(parts: np.ndarray, digits: int) -> np.ndarray:
    """A table whose rows add up to whole numbers, rounded up or down so that they still do, as do sums of columns.

    Each cell, and each sum of a column, is one of the two roundings of what it was (controlled rounding, Cox and Ernst
    1982): a transportation problem, whose cheapest solution is whole.
    """
    from scipy.optimize import linprog

    units = np.asarray(parts, dtype=float) * 10**digits
    down = np.floor(units + 1e-6)
    rest = np.clip(units - down, 0.0, 1.0)
    if rest.max(initial=0.0) < 1e-6:
        return np.asarray(down / 10**digits)
    n_rows, n_columns = units.shape
    rows = np.kron(np.eye(n_rows), np.ones(n_columns))
    columns = np.kron(np.ones(n_rows), np.eye(n_columns))
    over = rest.sum(axis=0)
    found = linprog(
        (1 - 2 * rest).ravel(),
        A_eq=rows,
        b_eq=np.round(rest.sum(axis=1)),
        A_ub=np.vstack([columns, -columns]),
        b_ub=np.concatenate([np.ceil(over - 1e-6), -np.floor(over + 1e-6)]),
        bounds=(0, 1),
    )
    return np.asarray(np.round((down + np.round(found.x).reshape(units.shape)) / 10**digits, digits))


def _formal_rows(month: str, domains: Domains, exposure: Exposure, definition: Definition, min_cell: int) -> list[Row]:
    """Complaints of the formal ledger, of all products: by source, and not of a general cause by the estimates.

    Not by product: with the sources and the causes beside them small numbers could be worked out.
    """
    cases = domains.by_month[month]
    by_source = cases["source"].isin(definition.formal_sources).to_numpy()
    own = np.array([cause not in definition.general_causes for cause in domains.causes])
    domain = domains.part(month, by_source)
    numbers = np.array(_together(domain, own))
    general = int(cases["primary"][by_source].isin(definition.general_causes).sum())
    table, shown = _kind_table(cases, "source", min_cell)
    outside = [kind not in definition.formal_sources for kind in table.columns]
    # What all complaints less these are: neither a small number nor a hidden one.
    seen = numbers[0] >= min_cell and (general == 0 or general >= min_cell) and bool(shown[-1, outside].all())
    at, rest = (month, ALL_PRODUCTS, ""), (len(cases), domain.audited, domain.method, seen)
    rows = [_row(at, "formal", numbers, *rest)]
    if bought := exposure.purchases.get((month, ALL_PRODUCTS)):
        rows.append(_row(at, "formal_rate", numbers * 1e6 / bought, *rest))
    return rows


def _together(domain: Domain, which: np.ndarray) -> tuple[float, float, float]:
    """The count of several causes together, with its limits; worth as much as the least known of the others."""
    share = min(float(domain.share[which].sum()), 1.0)
    if not share or not domain.n:
        return 0.0, 0.0, float(poisson_limits(np.array(0.0))[1])
    worth = float(domain.worth[~which].min()) if (~which).any() else float(domain.n)
    count, factor = effective_count(share, worth, domain.n)
    low, high = poisson_limits(np.array(count))
    return share * domain.n, float(low) / factor, float(high) / factor


def _kinds(cases: pd.DataFrame, column: str, min_cell: int) -> list[Row]:
    """Counts and shares by channel or source, of each product."""
    rows: list[Row] = []
    # A name that hardly stands anywhere may be a person's, and would tell by being there.
    often = cases.groupby(column)[column].transform("size") >= min_cell
    cases = cases.assign(**{column: cases[column].where(often, OTHER_KINDS)}) if column == "channel" else cases
    table, shown = _kind_table(cases, column, min_cell)
    month, kinds = str(cases["month"].iloc[0]), list(table.columns)
    for product, values, seen in zip(table.index, table.to_numpy(dtype=float), shown, strict=True):
        rows += _kind_rows((month, str(product), ""), column, kinds, values, seen)
    return rows


def _kind_table(cases: pd.DataFrame, column: str, min_cell: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Counts by product (rows, all of them last) and kind, and which of them may be shown."""
    counts = pd.crosstab(cases["product"], cases[column])
    table = pd.concat([counts, counts.sum().to_frame(ALL_PRODUCTS).T])
    return table, shown_cells(table.to_numpy(dtype=float), min_cell, sums_last=True)


def _kind_rows(
    at: tuple[str, str, str], column: str, kinds: Sequence[str], counts: np.ndarray, visible: np.ndarray
) -> list[Row]:
    n = int(counts.sum())
    share = counts / n
    shares = (rounded_parts(share, 1, 3), *wilson_limits(share, np.full(len(counts), float(n))))
    limits = (counts, *poisson_limits(counts))
    rows: list[Row] = []
    for k, kind in enumerate(kinds):
        rows.append(_row(at, column, [v[k] for v in limits], n, shown=visible[k], of=str(kind)))
        rows.append(_row(at, f"{column}_share", [v[k] for v in shares], n, shown=visible[k], of=str(kind)))
    return rows


# --- changes -----------------------------------------------------------------------------------------------------


def earlier_months(month: str) -> dict[str, str]:
    """The months that a month is held against: the one before, and the same of the year before."""
    if month == NO_MONTH:
        return {}
    period = pd.Period(month, freq="M")
    return {"ratio_month": str(period - 1), "ratio_year": str(period - 12)}


class _Cell(NamedTuple):
    """A change: of a product and cause (empty for all), with what must be shown for it to be shown."""

    product: str
    cause: str
    change: Change
    n: int
    method: str
    fewest: float
    needed: set[tuple[str, str, str]]


def _changes(
    domains: Domains, month: str, coding: Coding, exposure: Exposure, seen: set[tuple[str, str, str]], least: int
) -> list[Row]:
    """Ratios of rates (of counts where a purchase is unknown) of every cell, with q values over all cells.

    `seen` are the cells (month, product, cause) that are shown: of a hidden one the ratio would tell the size. Nor is
    one shown of counts below `least`, which may be plain ones beside a corrected month.
    """
    rows: list[Row] = []
    for figure, before in earlier_months(month).items():
        if before not in domains.products:
            continue
        cells: list[_Cell] = []
        for product in [p for p in domains.products[month] if p in domains.products[before] and p != FEW_PRODUCTS]:
            cells += _product_changes(domains, (month, before), product, coding, exposure)
        q = discovery_rates([(bool(cell.cause), cell.change.p) for cell in cells])
        for cell, rate in zip(cells, q, strict=True):
            numbers = (cell.change.ratio, cell.change.low, cell.change.high)
            at, shown = (month, cell.product, cell.cause), cell.needed <= seen and cell.fewest >= least
            rows.append(_row(at, figure, numbers, cell.n, 0, cell.method, shown, before, rate))
    return rows


def _product_changes(
    domains: Domains, months: tuple[str, str], product: str, coding: Coding, exposure: Exposure
) -> list[_Cell]:
    """The changes of a product: of all its complaints, of each cause that means the same in both months, and of what
    was split in between as a whole."""
    plain = not all(month in domains.audited for month in months)
    pair = now, then = domains.of(months[0], product, plain), domains.of(months[1], product, plain)
    bought = [exposure.purchases.get((month, product)) for month in months]
    per = (1.0, 1.0) if None in bought else (bought[0] / 1e6, bought[1] / 1e6)  # type: ignore[operator]
    n = now.n + then.n
    whole = rate_ratio(now.n, per[0], then.n, per[1])
    cells = [_Cell(product, "", whole, n, COUNTED, float(min(now.n, then.n)), set())]
    for cause in coding.causes:
        members = frozenset([cause]) if coding.comparable(cause, months, pair) else coding.family(cause, pair)
        if not members:
            continue
        which = np.isin(coding.causes, list(members))
        fewest = min(float(domain.share[which].sum()) * domain.n for domain in pair)
        change = cause_change(together(now, which), together(then, which), 0, per)
        needed = {(m, product, c) for m, d in zip(months, pair, strict=True) for c in _needed(coding, d, members)}
        cells.append(_Cell(product, cause, change, n, now.method, fewest, needed))
    return cells


def _needed(coding: Coding, domain: Domain, members: frozenset[str]) -> list[str]:
    """The cells that tell of a change: that of the one cause, or of the parts that there are."""
    return [
        c for c, share in zip(coding.causes, domain.share, strict=True) if c in members and (share or len(members) < 2)
    ]


def discovery_rates(cells: Sequence[tuple[bool, float]]) -> list[float | None]:
    """Benjamini and Hochberg's (1995) adjusted p-values of the cells that are tested, in order; None for the others."""
    from scipy.stats import false_discovery_control

    tested = [p for test, p in cells if test]
    adjusted = iter(false_discovery_control(tested).tolist() if tested else [])
    return [round(next(adjusted), 6) if test else None for test, _ in cells]
