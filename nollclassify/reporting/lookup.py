"""Finding figures in the tidy table, and saying them: value, interval, or that there are too few to say."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from nollclassify.reporting.language import Language


class Figure(NamedTuple):
    """One row of the tidy table."""

    month: str
    product: str
    cause: str
    figure: str
    of: str
    value: float
    low: float
    high: float
    n: int
    audited: int
    q: float
    method: str
    shown: bool


class Lookup:
    """The rows of a tidy table by month, product, figure and cause."""

    def __init__(self, table: pd.DataFrame) -> None:
        rows = [Figure(*row) for row in table.itertuples(index=False, name=None)]
        self.months = sorted({row.month for row in rows})
        self.products = {m: list(dict.fromkeys(r.product for r in rows if r.month == m)) for m in self.months}
        self._causes = list(dict.fromkeys(row.cause for row in rows if row.cause))
        self._rows: dict[tuple[str, str, str, str], list[Figure]] = {}
        for row in rows:
            self._rows.setdefault((row.month, row.product, row.figure, row.cause), []).append(row)

    def get(self, month: str, product: str, figure: str, cause: str = "") -> Figure | None:
        """The row, or None where there is none."""
        found = self._rows.get((month, product, figure, cause))
        return found[0] if found else None

    def causes(self, month: str, product: str) -> list[str]:
        """The causes that have a figure of their own, in order."""
        return [cause for cause in self._causes if (month, product, "primary", cause) in self._rows]

    def every(self, month: str, product: str, figure: str) -> list[Figure]:
        """The rows of a figure that has one for each channel or source."""
        return self._rows.get((month, product, figure, ""), [])


def say(row: Figure, language: Language) -> str:
    """The value as the page writes it."""
    return _written(row.value, row, language)


def interval(row: Figure, language: Language) -> str:
    """`12,4–17,9`, without the brackets; an end that is not bounded is ∞."""
    low, high = (_written(end, row, language) if pd.notna(end) else "∞" for end in (row.low, row.high))
    return language.between(low.removesuffix("\u00a0%").removesuffix("%"), high)


def _written(value: Any, row: Figure, language: Language) -> str:
    if row.figure.endswith("share"):
        return language.percent(value)
    if row.figure in ("primary", "mentioned", "formal", "cases", "channel", "source"):
        return language.count(value) if value == row.value else language.number(value)
    return language.number(value, 1 if row.figure.startswith("ratio") else 2)
