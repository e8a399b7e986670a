"""Do the intervals of bridged months hold? Simulated splits of a cause, double-coded and apportioned as `report` does.

    python tests/benchmarks/bridges.py

A cause of 10 or 40 % of the month's cases was split in two; 30 to 200 cases of it were coded in the old and in the new
way. The truth is the new cause's share, and its expected count, behind the month. The parts either stay as they are,
or move between the sample and the month by about so many points (of a half): 0, 5 or 10. *ours* is what is shipped,
*without drift* leaves out its allowance for that, *parts as known* takes the sample's shares for the truth.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
from peers import console, record
from rich.table import Table

from nollclassify.estimation import Audited, bridged_share, effective_count, poisson_limits, wilson_limits

MONTHS = 1000
SAMPLES, SIZES, PARTS, SHARES, DRIFTS = (
    (30, 60, 100, 200),
    (100, 600, 5000),
    (0.1, 0.3, 0.5, 0.9),
    (0.1, 0.4),
    (0, 5, 10),
)
OURS, STILL, KNOWN = "ours", "without drift", "parts as known"


def moved(part: float, points: float, generator: np.random.Generator) -> np.ndarray:
    """The part in each month: a beta variable with the mean `part`, its deviation so many points at a half."""
    if not points:
        return np.full(MONTHS, part)
    precision = 0.25 / (points / 100) ** 2 - 1
    return generator.beta(part * precision, (1 - part) * precision, MONTHS)


def one_cell(
    sample: int, size: int, part: float, share: float, points: float, generator: np.random.Generator
) -> Iterator[dict[str, object]]:
    """Codes: the new cause, the other new one, the old one, other."""
    then = moved(part, points, generator)
    counts = generator.poisson(size * np.array([share, 1 - share]), (MONTHS, 2))
    total = np.maximum(counts.sum(axis=1), 1)
    found = np.zeros((MONTHS, 4, 4))
    found[:, 2, 0] = generator.binomial(sample, part, MONTHS)
    found[:, 2, 1] = sample - found[:, 2, 0]
    before = np.zeros((MONTHS, 4))
    before[:, 2:] = counts / total[:, None]
    worth = np.repeat(total[:, None], 4, axis=1)
    methods = {OURS: bridged_share(before, worth, found), STILL: bridged_share(before, worth, found, drift=0.0)}
    guess = before[:, 2] * found[:, 2, 0] / sample
    methods[KNOWN] = Audited(*(a[:, None] for a in (guess, *wilson_limits(guess, total), total)))
    truth = share * then
    for method, told in methods.items():
        low, high = count_limits(told, total)
        inside = (told.low[:, 0] <= truth) & (truth <= told.high[:, 0])
        counted = (low <= size * truth) & (size * truth <= high)
        width = (told.high[:, 0] - told.low[:, 0]).mean()
        place = {"sample": sample, "size": size, "part": part, "share": share, "drift": points, "method": method}
        yield place | {"coverage": inside.mean(), "count": counted.mean(), "width": width}


def count_limits(told: Audited, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the expected count, as the report has them."""
    worth, factor = effective_count(told.share[:, 0], told.n[:, 0], total)  # type: ignore[arg-type]
    low, high = poisson_limits(np.asarray(worth))
    return low / factor, high / factor


def main() -> None:
    cells = list(product(SAMPLES, SIZES, PARTS, SHARES, DRIFTS))
    seeds = np.random.SeedSequence(1).spawn(len(cells))
    table = pd.DataFrame(
        row for cell, seed in zip(cells, seeds, strict=True) for row in one_cell(*cell, np.random.default_rng(seed))
    )
    shown = Table(title=f"Coverage of bridged months, {len(cells)} cells of {MONTHS:,}", title_justify="left")
    for name in ("drift, points", "method", "share: mean (least)", "cells <93 %", "count: mean (least)", "width"):
        shown.add_column(name)
    for (points, method), rows in table.groupby(["drift", "method"]):
        share, count = (f"{rows[c].mean():.3f} ({rows[c].min():.3f})" for c in ("coverage", "count"))
        below = f"{(rows['coverage'] < 0.93).sum()} of {len(rows)}"
        shown.add_row(str(points), str(method), share, below, count, f"{rows['width'].mean():.3f}")
        values = {"coverage": rows["coverage"].mean(), "least": rows["coverage"].min(), "width": rows["width"].mean()}
        record(f"bridge, {method}, drift {points}", {"cells": str(len(rows)), "months": str(MONTHS)}, values)
    console.print(shown)
    ours = table[table["method"] == OURS]
    for column in ("sample", "size", "part"):
        told = ours.groupby([column, "drift"])["coverage"].agg(["mean", "min"]).round(3).unstack().to_string()
        console.print(told)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    console.print(f"{time.monotonic() - started:.0f} s")
