"""Do the intervals hold? Simulated batches whose truth is known, drawn and estimated by the functions that are shipped.

    make benchmark
    python tests/benchmarks/intervals.py shares changes power     # one or several parts

*shares*: 128 cells of batch size, audit, true share and classifier, 2,000 batches each. Side by side, on the same
batches: ours, on a stratified audit; the audit alone (Wilson) and `ppi-python` (Angelopoulos et al. 2023), both on a
plain random audit of as many cases; and predictions counted as if they were right (Wilson). *changes*: ratios of two
rates, counted and audited. *power*: the chance to see a fall, told and simulated.

Totals are Poisson; the truth is the share (rate, ratio) behind the batch, not the batch's own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
from peers import CAUSES, console, record
from rich.table import Table
from scipy.special import ndtri

from nollclassify.estimation import (
    Audited,
    Change,
    allocate,
    audited_share,
    difference_in_changes,
    effective_count,
    poisson_limits,
    poisson_rate,
    power_to_see,
    rate_ratio,
    wilson_limits,
)

try:
    from ppi_py import ppi_mean_ci
except ImportError:
    ppi_mean_ci = None

BATCHES, K = 2000, len(CAUSES) + 1
AUDITS = ((40, 20), (150, 20), (150, 40), (600, 40), (5000, 60), (2000, 100), (600, 150), (5000, 300))
SHARES = (0.01, 0.05, 0.15, 0.4)
OURS, ALONE, PPI, PLAIN = "nollclassify", "audit alone", "ppi-python", "counted predictions"
Limits = tuple[np.ndarray, np.ndarray]


# --- batches -----------------------------------------------------------------------------------------------------


def confusion(right: float, to_other: float = 0.6) -> np.ndarray:
    """The chance of each prediction (columns) by cause (rows, other last): errors mostly say other, else any cause."""
    table = np.full((K, K), (1 - right) * (1 - to_other) / (K - 2))
    table[:, -1] = (1 - right) * to_other
    table[-1] = (1 - right) / (K - 1)
    np.fill_diagonal(table, right)
    return table


def shifted_wording() -> np.ndarray:
    """Good on all but the first cause, whose new words it does not know: seven of ten are missed."""
    table = confusion(0.92)
    table[0] = confusion(0.3)[0]
    return table


def shifted_mix() -> np.ndarray:
    """Trained where the first cause was common: half of all errors on others say that cause, however rare it is now."""
    table = confusion(0.8)
    errors = 1 - table[1:].diagonal(1)
    table[1:, 1:] *= np.where(np.eye(K - 1, dtype=bool), 1, 0.5)
    table[1:, 0] = 0
    table[1:, 0] = 1 - table[1:].sum(axis=1)
    assert (table[1:, 0] >= errors / 2 - 1e-9).all()
    return table


CLASSIFIERS = {
    "good, 92 % right": confusion(0.92),
    "bad, 65 % right": confusion(0.65),
    "shifted wording": shifted_wording(),
    "shifted mix": shifted_mix(),
}


def mix(share: float) -> np.ndarray:
    """Shares of the causes: the first as told, the rest of them as 1 to 5."""
    rest = np.array([0.1, 0.15, 0.05, 0.2, 0.5])
    return np.concatenate([[share], rest * (1 - share)])


def batches(expected: np.ndarray, n_batches: int, generator: np.random.Generator) -> np.ndarray:
    """Counts by batch, cause and prediction, Poisson with the expected counts."""
    return generator.poisson(expected, (n_batches, K, K))


def audited(counts: np.ndarray, n: int, generator: np.random.Generator) -> Audited:
    """The first cause's share by our audit of n in each batch; where none was drawn the prediction is believed."""
    sizes = counts.sum(axis=1)
    drawn = np.array([allocate(row, n) for row in sizes])
    found = generator.hypergeometric(counts[:, 0], sizes - counts[:, 0], drawn)
    return audited_share(sizes, drawn, found, np.broadcast_to(np.arange(K) == 0, sizes.shape))


def plain_audit(counts: np.ndarray, n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cases of each batch and of a plain random sample of n, (..., 4): has the cause or not by predicted or not."""
    yes, said = counts[:, 0].sum(axis=1), counts[:, :, 0].sum(axis=1)
    both, total = counts[:, 0, 0], counts.sum(axis=(1, 2))
    cases = np.stack([both, yes - both, said - both, total - yes - said + both], axis=1)
    left, sample = np.minimum(n, total), np.empty_like(cases)
    for kind in range(4):
        sample[:, kind] = generator.hypergeometric(cases[:, kind], cases[:, kind + 1 :].sum(axis=1), left)
        left = left - sample[:, kind]
    return cases, sample


def prediction_powered(cases: np.ndarray, sample: np.ndarray) -> Limits:
    truth, said = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0])
    limits = np.empty((len(cases), 2))
    for i, (all_of, drawn) in enumerate(zip(cases, sample, strict=True)):
        rest = np.repeat(said, all_of - drawn)
        # Where every case was audited there is nothing to predict; lam=0 is the package's plain interval.
        known = {} if len(rest) else {"lam": 0}
        rest = rest if len(rest) else np.zeros(1)
        low, high = ppi_mean_ci(np.repeat(truth, drawn), np.repeat(said, drawn), rest, alpha=0.05, **known)
        limits[i] = low[0], high[0]
    return limits[:, 0], limits[:, 1]


# --- shares ------------------------------------------------------------------------------------------------------


def shares() -> None:
    rows = [row for cell in cells() for row in one_cell(*cell)]
    table = pd.DataFrame(rows)
    show_by_audit(table)
    show_summary(table)
    show_conclusion(table[table["method"] == OURS], table[table["method"] == ALONE])


def cells() -> Iterator[tuple[str, int, int, float, np.random.Generator]]:
    every = list(product(CLASSIFIERS, AUDITS, SHARES))
    seeds = np.random.SeedSequence(1).spawn(len(every))
    for (classifier, (size, n), share), seed in zip(every, seeds, strict=True):
        yield classifier, size, n, share, np.random.default_rng(seed)


def one_cell(
    classifier: str, size: int, n: int, share: float, generator: np.random.Generator
) -> Iterator[dict[str, object]]:
    expected = size * mix(share)[:, None] * CLASSIFIERS[classifier]
    counts = batches(expected, BATCHES, generator)
    total = counts.sum(axis=(1, 2))
    ours = audited(counts, n, generator)
    cases, sample = plain_audit(counts, n, generator)
    drawn = sample.sum(axis=1)
    methods: dict[str, Limits] = {
        OURS: (ours.low, ours.high),
        ALONE: wilson_limits(sample[:, :2].sum(axis=1) / drawn, drawn),
        PLAIN: wilson_limits(cases[:, [0, 2]].sum(axis=1) / total, total),
    }
    if ppi_mean_ci:
        methods[PPI] = prediction_powered(cases, sample)
    own = counts[:, 0].sum(axis=1) / total
    low, high = rate_limits(ours, total)
    rate = {"rate": covers((low, high), np.array(size * share)).mean(), "rate_width": (high - low).mean() / size}
    for method, limits in methods.items():
        place = {"classifier": classifier, "size": size, "n": n, "share": share, "method": method}
        yield place | measured(limits, np.array(share), own) | (rate if method == OURS else {})


def covers(limits: Limits, truth: np.ndarray) -> np.ndarray:
    return (limits[0] <= truth + 1e-12) & (truth <= limits[1] + 1e-12)


def measured(limits: Limits, truth: np.ndarray, own: np.ndarray) -> dict[str, float]:
    return {
        "coverage": covers(limits, truth).mean(),
        "own": covers(limits, own).mean(),
        "width": (limits[1] - limits[0]).mean(),
        "below": (limits[0] < 0).mean(),
        "above": (limits[1] > 1).mean(),
    }


def rate_limits(ours: Audited, total: np.ndarray) -> Limits:
    """Limits of the expected count of the cause, as the report has them; one batch also by `poisson_rate`."""
    worth, part = effective_count(ours.share, ours.n, total)
    low, high = poisson_limits(worth)
    one = poisson_rate(float(worth[0]), float(part[0]))
    np.testing.assert_allclose((low[0] / part[0], high[0] / part[0]), (one.low, one.high), rtol=1e-6)
    return low / part, high / part


def show_by_audit(table: pd.DataFrame) -> None:
    methods = [m for m in (OURS, ALONE, PPI, PLAIN) if (table["method"] == m).any()]
    title = (
        f"Coverage: mean (least) over {len(SHARES)} shares and the batch sizes, mean width; {BATCHES:,} batches a cell"
    )
    shown = Table(title=title, title_justify="left")
    for name in ("classifier", "audit", *methods, "ends of ppi <0, >1"):
        shown.add_column(name)
    for (classifier, n), part in table.groupby(["classifier", "n"], sort=False):
        by_method = dict(list(part.groupby("method")))
        values = [coverage_cell(by_method[m]["coverage"], by_method[m]["width"]) for m in methods]
        outside = (
            "-" if PPI not in by_method else "{below:.1%}, {above:.1%}".format(**by_method[PPI].mean(numeric_only=True))
        )
        shown.add_row(str(classifier), str(n), *values, outside)
    console.print(shown)


def coverage_cell(coverage: pd.Series, width: pd.Series) -> str:
    return f"{coverage.mean():.3f} ({coverage.min():.3f}) {width.mean():.3f}"


def show_summary(table: pd.DataFrame) -> None:
    shown = Table(title=f"All {len(table[table['method'] == OURS])} cells", title_justify="left")
    names = ("coverage", "least", "cells <93 %", "of the batch's own", "least", "width", "ends below 0", "above 1")
    for name in ("method", *names):
        shown.add_column(name)
    for method, rows in table.groupby("method"):
        below = (rows["coverage"] < 0.93).sum()
        m = rows.mean(numeric_only=True)
        covered = (f"{m['coverage']:.4f}", f"{rows['coverage'].min():.3f}", str(below))
        own = (f"{m['own']:.4f}", f"{rows['own'].min():.3f}")
        shown.add_row(str(method), *covered, *own, f"{m['width']:.4f}", f"{m['below']:.2%}", f"{m['above']:.2%}")
        values = {"coverage": m["coverage"], "least coverage": rows["coverage"].min(), "width": m["width"]}
        record(f"coverage, {method}", {"cells": str(len(rows)), "batches": str(BATCHES)}, values)
    ours = table[table["method"] == OURS]
    own = (f"{ours['rate'].mean():.4f}", f"{ours['rate'].min():.3f}", str((ours["rate"] < 0.93).sum()))
    shown.add_row("nollclassify, rate (Poisson total)", *own, "", "", f"{ours['rate_width'].mean():.4f}", "", "")
    record("coverage, rate", {}, {"coverage": ours["rate"].mean(), "least coverage": ours["rate"].min()})
    console.print(shown)


def show_conclusion(ours: pd.DataFrame, alone: pd.DataFrame) -> None:
    least, mean = ours.loc[ours["coverage"].idxmin()], ours["coverage"].mean()
    where = f"{least['classifier']}, {least['n']} of {least['size']}, share {least['share']:.0%}"
    narrower = ours["width"].mean() / alone["width"].mean()
    by = (
        ours.groupby("classifier", sort=False)["width"].mean() / alone.groupby("classifier", sort=False)["width"].mean()
    )
    outside = ours["below"].max() + ours["above"].max()
    short = f"{(ours['coverage'] < 0.93).sum()} of {len(ours)} cells do not"
    figure = f"least {least['coverage']:.4f} ({where}); {short}"
    conclude("covers in at least 93 % in every cell", least["coverage"] >= 0.93, figure)
    conclude("covers in 94 to 97.5 % on average", 0.94 <= mean <= 0.975, f"{mean:.4f}")
    conclude("never leaves 0 to 1", outside == 0, f"{outside:.4f}")
    told = ", ".join(f"{name} {ratio:.2f}" for name, ratio in by.items())
    conclude("is narrower than the audit alone", narrower < 1, f"{narrower:.3f} times as wide ({told})")


def conclude(what: str, holds: bool, figure: str) -> None:
    console.print(f"{'pass' if holds else 'FAIL'}: the interval {what}: {figure}")


# --- changes -----------------------------------------------------------------------------------------------------


def changes() -> None:
    generator = np.random.default_rng(2)
    shown = Table(title="Ratio of two rates: coverage mean (least cell)", title_justify="left")
    for name in ("counts", "true ratio", "cells", "coverage", "p below 0.05"):
        shown.add_column(name)
    kinds = {"plain": counted_pairs, "audited": audited_pairs, "plain, against others": counted_differences}
    for what, cells_of in kinds.items():
        for true in (1.0, 1.5):
            found = np.array([ratio_coverage(cell, true) for cell in cells_of(true, generator)])
            covered, seen = found.T
            cell = f"{covered.mean():.3f} ({covered.min():.3f})"
            shown.add_row(what, f"{true:g}", str(len(found)), cell, f"{seen.mean():.3f} (most {seen.max():.3f})")
            record(f"coverage, ratio, {what}, {true:g}", {}, {"coverage": covered.mean(), "least": covered.min()})
    console.print(shown)


def counted_pairs(true: float, generator: np.random.Generator) -> Iterator[list[Change]]:
    for level, exposure in product((3, 10, 30, 100, 1000), (0.5, 1.0, 2.0)):
        before, after = generator.poisson(level, BATCHES), generator.poisson(level * true * exposure, BATCHES)
        one = np.ones(BATCHES)
        yield ratios(after, one * exposure, before, one)


def audited_pairs(true: float, generator: np.random.Generator) -> Iterator[list[Change]]:
    for (size, n), share, table in product(((300, 40), (1500, 100)), (0.05, 0.2), CLASSIFIERS.values()):
        expected = size * mix(share)[:, None] * table
        before = audited_count(expected, n, generator)
        expected[0] *= true
        yield ratios(*audited_count(expected, n, generator), *before)


def counted_differences(true: float, generator: np.random.Generator) -> Iterator[list[Change]]:
    """The rate that was touched against others, which all fell by a fifth."""
    for level, others in product((10, 30, 100), (30, 300)):
        means = (0.8 * true * level, level, 0.8 * others, others)
        after, before, after_others, before_others = (generator.poisson(mean, BATCHES) for mean in means)
        one = np.ones(BATCHES)
        pairs = zip(ratios(after, one, before, one), ratios(after_others, one, before_others, one), strict=True)
        yield [difference_in_changes(*pair) for pair in pairs]


def audited_count(expected: np.ndarray, n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    counts = batches(expected, BATCHES // 2, generator)
    ours = audited(counts, n, generator)
    return effective_count(ours.share, ours.n, counts.sum(axis=(1, 2)))  # type: ignore[arg-type, return-value]


def ratios(count: np.ndarray, part: np.ndarray, before: np.ndarray, part_before: np.ndarray) -> list[Change]:
    """Counts with their parts of the exposure, after and before, one a batch."""
    return [rate_ratio(*map(float, row)) for row in zip(count, part, before, part_before, strict=True)]


def ratio_coverage(found: list[Change], true: float) -> tuple[float, float]:
    """How often the interval covers the true ratio, and how often p is below 0.05."""
    return float(np.mean([c.low <= true <= c.high for c in found])), float(np.mean([c.p < 0.05 for c in found]))


# --- power -------------------------------------------------------------------------------------------------------


def power() -> None:
    generator = np.random.default_rng(3)
    shown = Table(title="The chance to see a fall of 30 %, three months a side", title_justify="left")
    for name in (
        "cases a month",
        "told (power_to_see)",
        "simulated, log of the ratio",
        "simulated, exact (rate_ratio)",
    ):
        shown.add_column(name)
    values = {}
    for monthly in (5, 10, 25, 60, 150):
        told = power_to_see(0.3, 3 * monthly, 1.0)
        before, after = generator.poisson(3 * monthly, 20_000), generator.poisson(2.1 * monthly, 20_000)
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(before / after) / np.sqrt(1 / before + 1 / after) > ndtri(0.975)
        exact = [rate_ratio(a, 1, b, 1).high < 1 for a, b in zip(after[:5000], before[:5000], strict=True)]
        shown.add_row(str(monthly), f"{told:.3f}", f"{np.mean(log):.3f}", f"{np.mean(exact):.3f}")
        values |= {f"told {monthly}": told, f"exact {monthly}": float(np.mean(exact))}
    console.print(shown)
    record("power", {"fall": "0.3"}, values)


PARTS = {"shares": shares, "changes": changes, "power": power}

if __name__ == "__main__":
    started = time.monotonic()
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
    if not ppi_mean_ci:
        console.print("ppi-python is not installed: left out.")
    console.print(f"{time.monotonic() - started:.0f} s")
