"""Purchases by month and product: what the rates are per, and the aim that they are held against."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pandas as pd

from nollclassify.case_files import read_table
from nollclassify.errors import InputError
from nollclassify.ledger import ALL_PRODUCTS, NO_PRODUCT, product_names
from nollclassify.taxonomy import Taxonomy

_HEADINGS = {
    **dict.fromkeys(("month", "månad"), "month"),
    **dict.fromkeys(("product", "produkt"), "product"),
    **dict.fromkeys(("purchases", "köp"), "purchases"),
    **dict.fromkeys(("aim", "mål"), "aim"),
}


@dataclass(frozen=True)
class Exposure:
    """Purchases and aims.

    Attributes:
        purchases: (YYYY-MM, product) -> purchases, a whole number above 0; the sum under `Alla produkter`.
        aims: (YYYY-MM, product) -> complaints per million purchases that are aimed at, at most.
    """

    purchases: dict[tuple[str, str], int] = field(default_factory=dict)
    aims: dict[tuple[str, str], float] = field(default_factory=dict)


def read_exposure(path: Path, taxonomy: Taxonomy) -> Exposure:
    """Read a table with the columns månad, produkt, köp and, where there is one, mål.

    A row of `Alla produkter` has an aim only: its purchases are the sum of the others'.

    Raises:
        InputError: a column or a value that is not as wanted, with its row.
    """

    def known(row: Sequence[str]) -> int:
        meanings = {_HEADINGS.get(str(cell).strip().casefold()) for cell in row} - {None}
        return len(meanings) if {"month", "product", "purchases"} <= meanings else 0

    table = read_table(path, known)
    names = [_HEADINGS.get(str(column).casefold(), "") for column in table.columns]
    if not {"month", "product", "purchases"} <= set(names):
        raise InputError(f"{path}: kolumnerna månad, produkt och köp behövs; lägg till dem i första raden.")
    for line, reason, _ in table.damaged:
        raise InputError(f"{path}: rad {line}: {reason}.")
    at = {name: names.index(name) for name in set(names) - {""}}
    exposure = Exposure()
    for line, row in zip(table.lines, table.rows, strict=True):
        _add(exposure, path, line, {name: str(row[column]).strip() for name, column in at.items()}, taxonomy)
    return exposure


def complete(exposure: Exposure, cases: pd.DataFrame) -> tuple[Exposure, dict[str, list[str]]]:
    """The exposure without the sums that lack a product with complaints, and by month the products that lack purchases.

    Complaints of all products over the purchases of some would be too high a rate. Where those products have less
    than a tenth of the complaints the sum stays, and the page names them.
    """
    purchases, lacking = dict(exposure.purchases), {}
    months = {month for month, _ in purchases}
    for month, products in cases[cases["month"].isin(months)].groupby("month")["product"]:
        sizes = products[products != NO_PRODUCT].value_counts().sort_index()
        without = [str(product) for product in sizes.index if (month, product) not in purchases]
        if without:
            lacking[str(month)] = without
        if sizes[without].sum() >= 0.1 * len(products):
            purchases.pop((str(month), ALL_PRODUCTS), None)
    return Exposure(purchases, exposure.aims), lacking


def _add(exposure: Exposure, path: Path, line: int, row: dict[str, str], taxonomy: Taxonomy) -> None:
    month = _month(path, line, row["month"])
    everything = row["product"].casefold() in ("", ALL_PRODUCTS.casefold(), "all products")
    product = ALL_PRODUCTS if everything else product_names([row["product"]], [f"{month}-15"], taxonomy)[0]
    if aim := row.get("aim"):
        exposure.aims[month, product] = _positive(path, line, "mål", aim)
    if everything and not row["purchases"]:
        return
    if everything:
        raise InputError(f"{path}: rad {line}, kolumn köp: lämna cellen tom för {ALL_PRODUCTS}; köpen räknas samman.")
    bought = _positive(path, line, "köp", row["purchases"])
    if bought != int(bought):
        raise InputError(f"{path}: rad {line}, kolumn köp: skriv ett helt antal köp större än 0.")
    for key in ((month, product), (month, ALL_PRODUCTS)):
        exposure.purchases[key] = exposure.purchases.get(key, 0) + int(bought)


def _month(path: Path, line: int, written: str) -> str:
    try:
        date.fromisoformat(f"{written[:7]}-01")
    except ValueError:
        raise InputError(f"{path}: rad {line}, kolumn månad: skriv månaden som 2020-03.") from None
    return written[:7]


def _positive(path: Path, line: int, column: str, written: str) -> float:
    digits = "".join(written.split()).replace("\xa0", "")
    if re.fullmatch(r"\d{1,3}([.,]\d{3})+", digits):  # 4.000.000: thousands, for purchases are whole
        digits = re.sub(r"[.,]", "", digits) if column == "köp" else ""
    digits = digits.replace(",", ".")
    number = float(digits) if re.fullmatch(r"\d+(\.\d+)?", digits) else 0.0
    if not number:
        wanted = "ett helt antal köp större än 0" if column == "köp" else "ett tal större än 0, som 28"
        raise InputError(f"{path}: rad {line}, kolumn {column}: skriv {wanted}.")
    return number
