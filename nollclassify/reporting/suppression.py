"""Which cells of a table may be shown, so that no small one can be worked out from the others and the sums."""

from __future__ import annotations

import numpy as np


def shown_cells(counts: np.ndarray, min_cell: int, sums_last: bool = False) -> np.ndarray:
    """Which cells of a table may be shown, where the sums of rows and of columns are; boolean of its shape.

    Cells below `min_cell` are hidden, and others with them where they are needed (complementary suppression, Cox
    1980): a hidden cell can be worked out from sums just when it is a bridge of the graph in which each hidden cell
    joins its row with its column (Gusfield 1988). Each bridge is closed to a circle of four by the smallest cells.
    Hidden cells that can be nothing but 0, for the shown ones make up a sum, point at nobody and hide no other.

    Args:
        counts: not negative, shape (rows, columns).
        min_cell: the least count that is shown.
        sums_last: whether the last row holds the sums of the columns, which are hidden themselves where they are small.
    """
    values = np.asarray(counts, dtype=float)
    hidden = values < min_cell
    while min(hidden.shape) > 1 and not hidden.all():
        free = hidden & ~_known_zeros(values, hidden, sums_last)
        if (bridge := _bridge(free)) is None:
            break
        for cell in _circle(values, hidden, free, bridge):
            hidden[cell] = True
    if hidden.sum() == 1 < hidden.size and min(hidden.shape) == 1:
        hidden[np.unravel_index(np.where(hidden, np.inf, values).argmin(), hidden.shape)] = True
    return np.asarray(~hidden)


def _known_zeros(values: np.ndarray, hidden: np.ndarray, sums_last: bool) -> np.ndarray:
    """Hidden cells that can be nothing but 0, by the sums and as no count is negative.

    One linear program finds a table of the same sums with as many positive hidden cells as any has.
    """
    from scipy.optimize import linprog

    at = np.argwhere(hidden)
    n = len(at)
    sums, whole = _equations(values, hidden, at, sums_last)
    # The hidden cells x, min(x, 1) and a scale s of at least 1: sums of x are those of the table times s.
    found = linprog(
        np.concatenate([np.zeros(n), -np.ones(n), [0.0]]),
        A_ub=np.hstack([-np.eye(n), np.eye(n), np.zeros((n, 1))]),
        b_ub=np.zeros(n),
        A_eq=np.hstack([sums, np.zeros((len(sums), n)), -whole[:, None]]),
        b_eq=np.zeros(len(sums)),
        bounds=[(0, None)] * n + [(0, 1)] * n + [(1, None)],
    )
    known = np.zeros_like(hidden)
    known[tuple(at[found.x[n : 2 * n] < 1e-6].T)] = True
    return known


def _equations(
    values: np.ndarray, hidden: np.ndarray, at: np.ndarray, sums_last: bool
) -> tuple[np.ndarray, np.ndarray]:
    """What is known of the hidden cells: coefficients (sums, cells) and what they make up, rows then columns."""
    kept = np.where(hidden, values, 0.0)
    sign = np.where(at[:, 0] == len(hidden) - 1, -1.0, 1.0) if sums_last else np.ones(len(at))
    rows = at[:, 0] == np.arange(hidden.shape[0])[:, None]
    columns = (at[:, 1] == np.arange(hidden.shape[1])[:, None]) * sign
    below = kept[:-1].sum(axis=0) - kept[-1] if sums_last else kept.sum(axis=0)
    return np.vstack([rows, columns]).astype(float), np.concatenate([kept.sum(axis=1), below])


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


def _circle(counts: np.ndarray, hidden: np.ndarray, free: np.ndarray, bridge: tuple[int, int]) -> list[tuple[int, int]]:
    """The three cells that make a circle with the bridge and cost least; one of the graph already costs nothing."""
    row, column = bridge
    # A known zero hides nothing before something of its row and column is hidden too: the dearest of all.
    cost = np.where(free, 0.0, np.where(hidden, counts.sum() + 1.0, counts + 1.0))
    circles = cost + cost[[row]] + cost[:, [column]]
    circles[row], circles[:, column] = np.inf, np.inf
    other, beside = (int(at) for at in np.unravel_index(circles.argmin(), circles.shape))
    cells = [(other, beside), (row, beside), (other, column)]
    if all(hidden[cell] for cell in cells):  # known zeros alone: the smallest shown cell of all makes them unknown
        shown = np.where(hidden, np.inf, counts)
        least = (int(at) for at in np.unravel_index(shown.argmin(), shown.shape))
        cells = [(next(least), next(least))]
    return cells
