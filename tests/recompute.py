"""Every figure of a breakdown's CSV file worked out anew from the labelled files, by the textbook: who is right?

    python tests/recompute.py mars.labelled.xlsx februari.labelled.xlsx --csv rapport/klagomal-2020-03.csv \
        --purchases kop.csv --audit granskning-2020-03.xlsx --not-counted copies.csv

It shares no line with nollclassify, so that an error there is not made here as well. What it cannot know it is told:
the copies of complaints found by near-identical text (`--not-counted`: lines of `id` or `id;id that counts for it`).
It reads the Swedish CSV file. Each disagreement is printed, then how many there are; exit code 1 if there is any.

Three things are checked: each figure against its formula, to half a unit of the last digit shown (a whole one where
parts were rounded so that they add up); that the parts shown add up; and that what is hidden stays hidden, though all
totals, and figures of several tables, are put together (each hidden count must be able to be more than one number).
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from recompute_month import (
    ADDED_UP,
    CAUSES,
    COUNTED_SOURCES,
    DIGITS,
    FIGURES,
    FORMAL_SOURCES,
    KIND_NAMES,
    MIN_CELL,
    OPINIONS,
    Audit,
    Cell,
    Estimate,
    Month,
    benjamini_hochberg,
    clopper_pearson,
    garwood,
    read_audits,
    read_complaints,
    read_purchases,
    wilson,
)
from scipy import optimize, stats

ALL, FEW, MISSING, UNDATED = "Alla produkter", "Produkter med få klagomål", "Produkt saknas", "utan datum"


@dataclass
class Expected:
    """What a row of the CSV file should say; `shown` None where either is right."""

    value: float
    low: float
    high: float
    n: int
    audited: int
    shown: bool
    q: float | None = None


def expected_rows(
    complaints: pd.DataFrame, audits: Mapping[str, Audit], bought: Mapping[tuple[str, str], int], chosen: str
) -> Iterator[tuple[Cell, Expected]]:
    months = {str(m): Month(part, audits.get(str(m))) for m, part in complaints.groupby("month")}
    for name, month in months.items():
        for product in month.products:
            yield from _totals(name, month, product, bought.get((name, product)))
            if product == ALL:
                yield from _formal(name, month, product, bought.get((name, product)))
            yield from _causes(name, month, product, bought.get((name, product)))
    yield from _changes(months, bought, chosen)
    for product in months[chosen].products:
        part = months[chosen].part(product)
        for figure in ("channel", "source"):
            every = months[chosen].cases[figure].unique()
            yield from _kinds(chosen, product, figure, part[figure].value_counts().reindex(every, fill_value=0))


def _totals(name: str, month: Month, product: str, bought: int | None) -> Iterator[tuple[Cell, Expected]]:
    part = month.part(product)
    n, seen = len(part), len(part) >= MIN_CELL[0]
    audited = month.n_audited(part)
    limits = garwood(n)
    yield (name, product, "", "cases", ""), Expected(n, *limits, n, audited, seen)
    if bought:
        per = 1e6 / bought
        rate = (n * per, limits[0] * per, limits[1] * per)
        yield (name, product, "", "rate_all", ""), Expected(*rate, n, audited, seen)
        yield (name, product, "", "purchases", ""), Expected(bought, math.nan, math.nan, n, 0, True)


def _formal(name: str, month: Month, product: str, bought: int | None) -> Iterator[tuple[Cell, Expected]]:
    part = month.part(product)
    formal = part[part["source"].isin(FORMAL_SOURCES)]
    own = month.estimate(formal, set(CAUSES) - OPINIONS)
    # Its variance is that of what is left out.
    own.worth = month.estimate(formal, OPINIONS).worth if len(formal) else 1.0
    ends = own.count_limits if len(formal) and own.share else (0.0, garwood(0)[1])
    known = (len(part), month.n_audited(formal), own.count >= MIN_CELL[0])
    yield (name, product, "", "formal", ""), Expected(own.count, *ends, *known)
    if bought:
        per = 1e6 / bought
        rate = (own.count * per, ends[0] * per, ends[1] * per)
        yield (name, product, "", "formal_rate", ""), Expected(*rate, *known)


def _causes(name: str, month: Month, product: str, bought: int | None) -> Iterator[tuple[Cell, Expected]]:
    part = month.part(product)
    n, audited = len(part), month.n_audited(part)
    for cause in CAUSES:
        main, named = month.estimate(part, {cause}), month.estimate(part, {cause}, mentions=True)
        seen, spoken = main.count >= MIN_CELL[0], named.count >= MIN_CELL[0]
        rest = (n, audited)
        # Of a cause that is nearly all there is, the share's own limits reach further than the count's.
        low, high = (pick(a, n * b) for pick, a, b in zip((min, max), main.count_limits, main.limits, strict=True))
        yield (name, product, cause, "primary", ""), Expected(main.count, low, high, *rest, seen)
        yield (name, product, cause, "share", ""), Expected(main.share, *main.limits, *rest, seen)
        if bought:
            per = 1e6 / bought
            rate = [v * per for v in (main.count, low, high)]
            yield (name, product, cause, "rate", ""), Expected(*rate, *rest, seen)
        ends = [limit * n for limit in named.limits]
        yield (name, product, cause, "mentioned", ""), Expected(named.count, *ends, *rest, seen and spoken)
        spoken_share = Expected(named.share, *named.limits, *rest, seen and spoken)
        yield (name, product, cause, "mentioned_share", ""), spoken_share


def _changes(
    months: Mapping[str, Month], bought: Mapping[tuple[str, str], int], chosen: str
) -> Iterator[tuple[Cell, Expected]]:
    if chosen == UNDATED:
        return
    year, month = map(int, chosen.split("-"))
    month_before = f"{year - (month == 1)}-{(month - 2) % 12 + 1:02d}"
    for figure, before in (("ratio_month", month_before), ("ratio_year", f"{year - 1}-{month:02d}")):
        if before not in months:
            continue
        now, then = months[chosen], months[before]
        # An estimate is never held against a count: what the audit changed would look like a change.
        plain = not (now.audit and then.audit)
        rows: list[tuple[Cell, Expected]] = []
        chances: list[float] = []
        for product in [p for p in now.products if p in then.products and p != FEW]:
            parts = now.part(product), then.part(product)
            per = [bought.get((m, product)) for m in (chosen, before)]
            per = [1, 1] if None in per else per
            n = sum(map(len, parts))
            whole = [Estimate(1.0, float(len(part)), len(part)) for part in parts]
            rows.append(((chosen, product, "", figure, before), _change(whole, per, n)[0]))
            for cause in CAUSES:
                pair = [m.estimate(part, {cause}, plain=plain) for m, part in zip((now, then), parts, strict=True)]
                change, p = _change(pair, per, n)
                rows.append(((chosen, product, cause, figure, before), change))
                chances.append(p)
        levels = iter(benjamini_hochberg(chances))
        for cell, change in rows:
            change.q = next(levels) if cell[2] else None
            yield cell, change


def _change(pair: Sequence[Estimate], per: Sequence[float], n: int) -> tuple[Expected, float]:
    """Ratio of two rates with its exact conditional interval, and the chance of one as far off or farther."""
    (k, k_part), (m, m_part) = pair[0].equivalent(), pair[1].equivalent()
    a, b = per[0] * k_part, per[1] * m_part
    shown = min(pair[0].count, pair[1].count) >= MIN_CELL[0]
    if k + m == 0:
        return Expected(math.nan, 0.0, math.inf, n, 0, shown), 1.0
    low, high = clopper_pearson(k, m)
    odds = [p / (1 - p) * b / a if p < 1 else math.inf for p in (low, high)]
    expected = a / (a + b)
    tails = (
        stats.beta.cdf(expected, k, m + 1) if k else 1.0,  # as many or more, were the rates the same
        stats.beta.sf(expected, k + 1, m) if m else 1.0,  # as many or fewer
    )
    ratio = (k / a) / (m / b) if m else math.inf
    return Expected(ratio, *odds, n, 0, shown), min(1.0, 2 * min(tails))


def _kinds(name: str, product: str, figure: str, counts: pd.Series) -> Iterator[tuple[Cell, Expected]]:
    n = int(counts.sum())
    for written, count in counts.items():
        kind = KIND_NAMES[str(written)] if figure == "source" else written
        seen = count >= MIN_CELL[0]
        yield (name, product, "", figure, str(kind)), Expected(count, *garwood(count), n, 0, seen)
        share = count / n
        yield (name, product, "", f"{figure}_share", str(kind)), Expected(share, *wilson(share, n), n, 0, seen)


# --- comparing -----------------------------------------------------------------------------------------------------


@dataclass
class Said:
    """A row of the CSV file."""

    value: float
    low: float
    high: float
    n: int
    audited: int
    q: float
    shown: bool


def read_report(path: Path) -> dict[Cell, Said]:
    names = {name: figure for figure, name in FIGURES.items()}
    found: dict[Cell, Said] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file, delimiter=";"):
            cell = (row["månad"], row["produkt"], row["orsak_id"], names[row["mått"]], row["av_eller_mot"])
            if cell in found:
                raise SystemExit(f"{path}: {cell} stands there twice")
            numbers = [float(row[c]) if row[c] != "" else math.nan for c in ("värde", "låg", "hög", "q")]
            shown = row["metod"] != "för få för att säga något"
            n, audited = (int(row[c]) if row[c] != "" else -1 for c in ("n", "granskade"))
            found[cell] = Said(*numbers[:3], n, audited, numbers[3], shown)
    return found


def compare(said: Mapping[Cell, Said], wanted: Mapping[Cell, Expected]) -> Iterator[str]:
    for cell in sorted(wanted.keys() - said.keys()):
        yield f"{_where(cell)}: missing, should be {wanted[cell].value:.6g}"
    for cell in sorted(said.keys() - wanted.keys()):
        yield f"{_where(cell)}: should not be there"
    for cell in sorted(said.keys() & wanted.keys()):
        yield from (f"{_where(cell)}: {fault}" for fault in _faults(cell[3], said[cell], wanted[cell]))


def _where(cell: Cell) -> str:
    return " | ".join(part for part in cell if part)


def _faults(figure: str, row: Said, right: Expected) -> Iterator[str]:
    if not right.shown and row.shown:
        yield f"shown, though there are fewer than {MIN_CELL[0]}"
    if not row.shown:
        if not all(math.isnan(v) for v in (row.value, row.low, row.high, row.q)):
            yield "hidden, but has a number"
        return
    unit = 10.0 ** -DIGITS[figure]
    half = unit / 2 + 1e-9 * max(1.0, abs(right.value if math.isfinite(right.value) else 1.0))
    yield from _differs("value", row.value, right.value, unit + 1e-9 if figure in ADDED_UP else half)
    # Where the value was rounded past a limit, the limit went with it.
    yield from _differs("low", row.low, min(right.low, row.value) if row.value == row.value else right.low, half)
    yield from _differs("high", row.high, max(right.high, row.value) if row.value == row.value else right.high, half)
    if right.q is not None:
        yield from _differs("q", row.q, right.q, 5.1e-7)
    if row.n != right.n:
        yield f"n is {row.n}, should be {right.n}"
    if row.audited != right.audited:
        yield f"audited is {row.audited}, should be {right.audited}"


def _differs(what: str, said: float, right: float, within: float) -> Iterator[str]:
    if math.isfinite(right) != math.isfinite(said) or abs(said - right) > within:
        yield f"{what} is {said}, should be {right:.6g}"


def sums(said: Mapping[Cell, Said]) -> Iterator[str]:
    """Parts that are all shown, and do not add up to the total that is shown."""
    totals = {"primary": "cases", "rate": "rate_all"}
    for month, product in sorted({cell[:2] for cell in said}):
        for figure in ("primary", "rate", "share"):
            parts = [said.get((month, product, cause, figure, "")) for cause in CAUSES]
            total = said.get((month, product, "", totals.get(figure, ""), ""))
            whole = 1.0 if figure == "share" else total.value if total and total.shown else math.nan
            yield from _adds_up(f"{month} | {product} | {figure}", parts, whole, DIGITS[figure])
    for month in sorted({cell[0] for cell in said}):
        products = sorted({cell[1] for cell in said if cell[0] == month} - {ALL})
        for cause in ("", *CAUSES):
            figure = "primary" if cause else "cases"
            parts = [said.get((month, product, cause, figure, "")) for product in products]
            total = said.get((month, ALL, cause, figure, ""))
            yield from _adds_up(f"{month} | {cause or figure}", parts, total.value if total else math.nan, 1)


def _adds_up(where: str, parts: Sequence[Said | None], whole: float, digits: int) -> Iterator[str]:
    values = [part.value for part in parts if part and part.shown]
    if len(values) == len(parts) and whole == whole and abs(sum(values) - whole) > 10.0**-digits / 100:
        yield f"{where}: the parts are {sum(values):.{digits}f} together, the whole is {whole}"


# --- what is hidden ------------------------------------------------------------------------------------------------


def disclosed(said: Mapping[Cell, Said], wanted: Mapping[Cell, Expected]) -> Iterator[str]:
    """Hidden counts that follow from what is shown."""
    for month in sorted({cell[0] for cell in said}):
        for figure in ("primary", "channel", "source"):
            yield from _solved(said, wanted, month, figure)
        total = said[month, ALL, "", "cases", ""]
        hidden = [c for c, row in said.items() if c[0] == month and c[3] == "cases" and c[1] != ALL and not row.shown]
        if total.shown and len(hidden) == 1:
            yield f"{_where(hidden[0])}: {wanted[hidden[0]].n} follows from all products' cases and the others'"
        for product in (ALL,):
            # How many came from elsewhere than customer service and authorities, by two numbers that stand there.
            rest = said[month, product, "", "cases", ""].n - said[month, product, "", "formal", ""].n
            if 0 < rest < MIN_CELL[0] and said[month, product, "", "formal", ""].n >= 0:
                yield f"{month} | {product} | formal: its n tells that {rest} came through social media"
    for cell, row in said.items():
        month, product, cause, figure, before = cell
        if figure.startswith("ratio") and cause and row.shown:
            sides = [said.get((m, product, cause, "primary", "")) for m in (month, before)]
            if sum(bool(side and side.shown) for side in sides) == 1:
                yield f"{_where(cell)}: the ratio is shown, and a count of one month only, so the hidden one follows"
        elif not row.shown and 0 <= row.n < MIN_CELL[0] and figure == "cases":
            yield f"{_where(cell)}: hidden, but its n is {row.n}"


def _solved(said: Mapping[Cell, Said], wanted: Mapping[Cell, Expected], month: str, figure: str) -> Iterator[str]:
    """Hidden cells below the limit of the table of products by parts that can be one number only.

    Totals of products are known, those of parts where they are shown; all are at least 0 (linear programming).
    """
    at = 2 if figure == "primary" else 4
    cells = [c for c in wanted if c[0] == month and c[3] == figure and c in said]
    if all(said[c].shown for c in cells):
        return
    equal, right = [], []
    for product in sorted({c[1] for c in cells}):  # the parts of a product
        equal.append([float(c[1] == product) for c in cells])
        right.append(float(said[month, product, "", "cases", ""].n))
    for kind in sorted({c[at] for c in cells}):  # all products are the sum of the others
        equal.append([(-1.0 if c[1] == ALL else 1.0) * (c[at] == kind) for c in cells])
        right.append(0.0)
    bounds = [(said[c].value,) * 2 if said[c].shown else (0, None) for c in cells]
    for i, cell in enumerate(cells):
        if said[cell].shown or not 0 < wanted[cell].value < MIN_CELL[0]:
            continue
        ends = []
        for sign in (1, -1):
            goal = np.zeros(len(cells))
            goal[i] = sign
            found = optimize.linprog(goal, A_eq=np.array(equal), b_eq=right, bounds=bounds, method="highs")
            if not found.success:  # sums that do not add up are another fault, told elsewhere
                return
            ends.append(sign * found.fun)
        if ends[1] - ends[0] < 1:
            yield f"{_where(cell)}: hidden, but it can be {ends[0]:.1f} to {ends[1]:.1f} only"


# --- the whole -----------------------------------------------------------------------------------------------------


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("labelled", nargs="+", type=Path)
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--purchases", type=Path)
    parser.add_argument("--audit", type=Path, action="append", default=[])
    parser.add_argument("--not-counted", type=Path, help="lines of `id` or `id;id that counts for it`")
    parser.add_argument("--month", help="by default the latest")
    parser.add_argument("--min-cell", type=int, default=5)
    parser.add_argument("--definition", default="2", choices=sorted(COUNTED_SOURCES))
    return parser.parse_args(arguments)


def recount(options: argparse.Namespace) -> dict[Cell, Expected]:
    """Every figure that the CSV file should have."""
    MIN_CELL[0] = options.min_cell
    lines = options.not_counted.read_text(encoding="utf-8").split("\n") if options.not_counted else []
    copies = {case: counts for case, _, counts in (line.strip().partition(";") for line in lines) if case}
    complaints = read_complaints(options.labelled, copies, options.definition)
    dated = sorted(set(complaints["month"]) - {UNDATED})
    chosen = options.month or (dated[-1] if dated else UNDATED)
    return dict(expected_rows(complaints, read_audits(options.audit), read_purchases(options.purchases), chosen))


def disagreements(said: Mapping[Cell, Said], wanted: Mapping[Cell, Expected]) -> list[str]:
    return [*compare(said, wanted), *sums(said), *disclosed(said, wanted)]


def main(arguments: Sequence[str] | None = None) -> int:
    options = options_of(arguments)
    said = read_report(options.csv)
    found = disagreements(said, recount(options))
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{len(said)} rows of {options.csv}, {len(found)} disagreements")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
