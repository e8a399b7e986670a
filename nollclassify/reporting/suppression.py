"""Which cells of a table may be shown, so that no small one can be worked out from the others and the sums."""

from __future__ import annotations

import numpy as np


def shown_cells(counts: np.ndarray, min_cell: int) -> np.ndarray:
    """Which cells of a table may be shown, where the sums of rows and of columns are; boolean of its shape.

    Cells below `min_cell` are hidden, and others with them where they are needed (complementary suppression, Cox
    1980): a hidden cell can be worked out from sums just when it is a bridge of the graph in which each hidden cell
    joins its row with its column (Gusfield 1988). Each bridge is closed to a circle of four by the smallest cells.
    Where the sums of columns are in part hidden themselves, they are to be the last row.
    """
    hidden = np.asarray(counts) < min_cell
    values = np.asarray(counts, dtype=float)
    while (bridge := _bridge(hidden)) is not None and min(hidden.shape) > 1:
        for cell in _circle(values, hidden, bridge):
            hidden[cell] = True
    if hidden.sum() == 1 < hidden.size and min(hidden.shape) == 1:
        hidden[np.unravel_index(np.where(hidden, np.inf, values).argmin(), hidden.shape)] = True
    return np.asarray(~hidden)


def _neighbours(hidden: np.ndarray) -> dict[int, list[int]]:
    """Rows 0, 1 ..., then columns, each with the columns or rows that a hidden cell joins it to."""
    n_rows = len(hidden)
    joined: dict[int, list[int]] = {node: [] for node in range(sum(hidden.shape))}
    for row, column in np.argwhere(hidden).tolist():
        joined[row].append(n_rows + column)
        joined[n_rows + column].append(row)
    return joined


def _bridge(hidden: np.ndarray) -> tuple[int, int] | None:
    """Row and column of a hidden cell that can be worked out, or None: depth-first search (Tarjan 1974)."""
    joined, n_rows = _neighbours(hidden), len(hidden)
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    for start in joined:
        if start in order:
            continue
        order[start] = lowest[start] = len(order)
        path = [(start, -1, iter(joined[start]))]
        while path:
            node, parent, rest = path[-1]
            following = next(rest, None)
            if following is None:
                path.pop()
                if parent >= 0:
                    lowest[parent] = min(lowest[parent], lowest[node])
                    if lowest[node] > order[parent]:
                        return min(node, parent), max(node, parent) - n_rows
            elif following not in order:
                order[following] = lowest[following] = len(order)
                path.append((following, node, iter(joined[following])))
            elif following != parent:
                lowest[node] = min(lowest[node], order[following])
    return None


def _circle(counts: np.ndarray, hidden: np.ndarray, bridge: tuple[int, int]) -> list[tuple[int, int]]:
    """The three cells that make a circle with the bridge and cost least; what is hidden already costs nothing."""
    row, column = bridge
    cost = np.where(hidden, 0.0, counts + 1.0)
    circles = cost + cost[[row]] + cost[:, [column]]
    circles[row], circles[:, column] = np.inf, np.inf
    other, beside = np.unravel_index(circles.argmin(), circles.shape)
    return [(int(other), int(beside)), (row, int(beside)), (int(other), column)]
