"""Do the intervals hold on the whole path? Simulated months with several products, from the drawing to the figures.

    make benchmark
    python tests/benchmarks/audited_months.py

The batches are those of `intervals.py`; the truth is the rate behind the month, not the month's own.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pandas as pd
from intervals import CLASSIFIERS, mix
from peers import CAUSES, console, record
from rich.table import Table

from nollclassify.auditing import Audit
from nollclassify.ledger import ALL_PRODUCTS, load_definition
from nollclassify.reporting.estimates import SHARED
from nollclassify.reporting.exposure import Exposure
from nollclassify.reporting.figures import tidy_table
from nollclassify.sampling import sample
from nollclassify.settings import Settings

PRODUCTS = {"Faktura": 0.5, "Delbetalning": 0.25, "Konto": 0.15, "Kort": 0.07, "Lån": 0.03}
MONTHS = ("2020-02", "2020-03")
IDS = (*CAUSES, "other")
PURCHASES = 1_000_000
# The first cause's rate in the second month against the first; and how often the second cause is mentioned beside.
RISE, BESIDE = 1.5, 0.15


def products() -> None:
    """Cases -> draw -> answers -> tidy_table, by the functions that the commands call; 200 pairs of months each."""
    shown = Table(title="The whole path: 200 pairs of months, 5 products, 6 causes", title_justify="left")
    for name in ("months of", "products' mixes", "figure", "all products", "own audit", "audit shared with all"):
        shown.add_column(name)
    for size, n, differ in ((300, 40, False), (1500, 100, False), (1500, 100, True)):
        generator = np.random.default_rng(size + differ)
        rates = true_rates(size, differ)
        found = pd.concat([one_table(rates, n, generator) for _ in range(200)])
        for figure in ("share", "mentioned_share", "rate", "ratio_month"):
            part = found[found["figure"] == figure]
            kinds = [part[part["product"] == ALL_PRODUCTS], *(own_audit(part, own) for own in (True, False))]
            mixes = "differ" if differ else "alike"
            shown.add_row(f"{size}, {n} audited", mixes, figure, *(product_cell(kind) for kind in kinds))
            record(f"coverage, path, {size}, {mixes}, {figure}", {}, {"coverage": kinds[0]["covered"].mean()})
    console.print(shown)


def own_audit(rows: pd.DataFrame, own: bool) -> pd.DataFrame:
    return rows[(rows["product"] != ALL_PRODUCTS) & ((rows["method"] != SHARED) == own)]


def product_cell(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "-"
    least = rows.groupby(["product", "cause"])["covered"].agg(["mean", "size"]).query("size >= 100")["mean"].min()
    return f"{rows['covered'].mean():.3f}" + (f" ({least:.3f})" if np.isfinite(least) else "")


def true_rates(size: int, differ: bool) -> dict[tuple[str, str], np.ndarray]:
    """Expected complaints by month and product: an array over causes."""
    rates = {}
    for month, (i, (name, part)) in product(MONTHS, enumerate(PRODUCTS.items())):
        causes = size * part * mix((0.3, 0.05, 0.15, 0.15, 0.15)[i] if differ else 0.15)
        causes[0] *= RISE if month == MONTHS[1] else 1
        rates[month, name] = causes
    return rates


def one_table(rates: dict[tuple[str, str], np.ndarray], n: int, generator: np.random.Generator) -> pd.DataFrame:
    """The figures that have a truth, each with whether its interval covers it."""
    cases = drawn_cases(rates, CLASSIFIERS["good, 92 % right"], generator)
    audits = {month: answered(cases[cases["month"] == month], n, generator) for month in MONTHS}
    exposure = Exposure(dict.fromkeys(product(MONTHS, (*PRODUCTS, ALL_PRODUCTS)), PURCHASES))
    shown = cases.drop(columns=["truth", "beside"])
    definition = load_definition(Settings().definition)
    table = tidy_table(shown, IDS, exposure, audits, definition, 5, MONTHS[1])
    check_sums(table)
    rows = table[table["cause"] != ""].copy()
    rows["truth"] = [truth_of(rates, *row) for row in rows[["month", "product", "cause", "figure"]].to_numpy()]
    rows = rows[rows["truth"].notna()]
    rows["covered"] = (rows["low"] <= rows["truth"] + 1e-6) & ~(rows["high"] < rows["truth"] - 1e-6)
    return rows


def drawn_cases(
    rates: dict[tuple[str, str], np.ndarray], table: np.ndarray, generator: np.random.Generator
) -> pd.DataFrame:
    parts = []
    for (month, name), causes in rates.items():
        counts = generator.poisson(causes[:, None] * table)
        truth, said = (np.repeat(axis, counts.ravel()) for axis in np.indices(counts.shape).reshape(2, -1))
        parts.append(pd.DataFrame({"month": month, "product": name, "truth": truth, "said": said}))
    cases = pd.concat(parts, ignore_index=True).sample(frac=1, random_state=generator, ignore_index=True)
    said = [IDS[k] for k in cases.pop("said")]
    beside = (generator.random(len(cases)) < BESIDE) & (cases["truth"] != 1)
    ids = [f"c{i}" for i in range(len(cases))]
    return cases.assign(case_id=ids, primary=said, causes=said, beside=beside, channel="e-post", source="own")


def answered(cases: pd.DataFrame, n: int, generator: np.random.Generator) -> Audit:
    """A person who is always right fills in what `draw` drew."""
    frame = sample(cases, n, seed=int(generator.integers(2**32)))
    asked = cases[frame["drawn"]]
    answers = {
        case: (IDS[truth], IDS[1]) if beside else (IDS[truth],)
        for case, truth, beside in zip(asked["case_id"], asked["truth"], asked["beside"], strict=True)
    }
    stratum = dict(zip(frame["case_id"], frame["stratum"], strict=True))
    return Audit(str(cases["month"].iloc[0]), stratum, answers, len(asked))


def truth_of(rates: dict[tuple[str, str], np.ndarray], month: str, name: str, cause: str, figure: str) -> float | None:
    """The value that a figure estimates; None where it has none here."""
    if name != ALL_PRODUCTS and name not in PRODUCTS:
        return None
    now, before = (sum(rates[m, p] for p in (PRODUCTS if name == ALL_PRODUCTS else [name])) for m in (month, MONTHS[0]))
    k, share = IDS.index(cause), now / now.sum()
    values: dict[str, Callable[[], float]] = {
        "share": lambda: share[k],
        "mentioned_share": lambda: share[k] + (BESIDE * (1 - share[k]) if k == 1 else 0),
        "rate": lambda: now[k] * 1e6 / PURCHASES,
        "ratio_month": lambda: now[k] / before[k],
    }
    return float(values[figure]()) if figure in values else None


def check_sums(table: pd.DataFrame) -> None:
    """Causes add up to the complaints of each product, and products to all."""
    counts = table[table["figure"] == "primary"].pivot_table(
        index=["month", "product"], columns="cause", values="value"
    )
    cases = table[table["figure"] == "cases"].set_index(["month", "product"])["value"].astype(float)
    np.testing.assert_allclose(counts.sum(axis=1), cases.reindex(counts.index), atol=1e-3)
    for _, rows in counts.groupby(level="month"):
        everything = rows.index.get_level_values("product") == ALL_PRODUCTS
        np.testing.assert_allclose(rows[~everything].sum(), rows[everything].iloc[0], atol=1e-3)


if __name__ == "__main__":
    products()
