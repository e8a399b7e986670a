"""Hidden cells stay hidden, though sums are shown and no count is negative: asked of linear programs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from nollclassify.reporting.suppression import shown_cells

MIN_CELL = 5


def width(table: np.ndarray, shown: np.ndarray, row: int, column: int) -> float:
    """How far apart the largest and the smallest value are that a hidden cell may have, by all that is shown."""
    at = [(r, c) for r, c in np.ndindex(*table.shape) if not shown[r, c]]
    known = np.where(shown, table, 0)
    rows = [[float(r == k) for r, _ in at] for k in range(len(table))]
    last = len(table) - 1
    columns = [[(c == k) * (-1.0 if r == last else 1.0) for r, c in at] for k in range(table.shape[1])]
    sums = [*(table.sum(axis=1) - known.sum(axis=1)), *(known[last] - known[:last].sum(axis=0))]
    asked = np.array([float(cell == (row, column)) for cell in at])
    least, most = (linprog(s * asked, A_eq=np.array(rows + columns, dtype=float), b_eq=sums).fun * s for s in (1, -1))
    return float(most - least)


@pytest.mark.parametrize("seed", range(12))
def test_no_small_number_follows_from_what_is_shown(seed: int) -> None:
    generator = np.random.default_rng(seed)
    products = generator.negative_binomial(0.5, 0.05, (generator.integers(1, 7), 6))
    products = products * (generator.random(products.shape) > 0.3)
    table = np.vstack([products, products.sum(axis=0)])
    shown = shown_cells(table, MIN_CELL, sums_last=True)
    assert not shown[table < MIN_CELL].any()
    for row, column in np.argwhere((table > 0) & (table < MIN_CELL)).tolist():
        assert width(table, shown, row, column) > 0.5


def test_no_more_is_hidden_than_is_needed() -> None:
    # The second product's hidden cells make 3 together, and nothing tells which of them has any.
    table = np.array([[0, 0, 20], [3, 0, 31], [3, 0, 51]])
    shown = shown_cells(table, MIN_CELL, sums_last=True)
    assert shown.tolist() == [[False, False, True], [False, False, True], [False, False, True]]
