"""The figures of a breakdown: one tidy table, from labelled cases. Page and workbook only show what stands here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pandas as pd

from nollclassify.case_files import read_table
from nollclassify.cases import Cases
from nollclassify.errors import InputError
from nollclassify.estimation import poisson_rate, wilson
from nollclassify.taxonomy import OTHER, OTHER_NAME_SV, Taxonomy

NO_MONTH, NO_PRODUCT, ALL_PRODUCTS = "utan datum", "Produkt saknas", "Alla produkter"
FEW_PRODUCTS = "Produkter med få klagomål"
METHOD = "antal enligt klassificeraren, inte korrigerat"
_PURCHASE_HEADINGS = {
    "month": "month",
    "månad": "month",
    "product": "product",
    "produkt": "product",
    "purchases": "purchases",
    "köp": "purchases",
}


def case_table(many: Sequence[Cases], taxonomy: Taxonomy) -> pd.DataFrame:
    """One row a case: `month` (YYYY-MM), `product` (Swedish name), `channel`, `text`, `primary`, `causes` (tuple)."""
    fields = pd.concat([cases.fields for cases in many], ignore_index=True)
    products = [_product(p, r, taxonomy) for p, r in zip(fields["product"], fields["received"], strict=True)]
    return pd.DataFrame(
        {
            "month": [received[:7] or NO_MONTH for received in fields["received"]],
            "product": products,
            "channel": fields["channel"],
            "text": fields["text"],
            "primary": [cause or OTHER for cause in fields["primary_cause"]],
            "causes": [tuple(c.split(";")) if c else (OTHER,) for c in fields["causes"]],
        }
    )


def _product(written: str, received: str, taxonomy: Taxonomy) -> str:
    """The present name of the product that bore the written name on the day; as written where it is not known."""
    if not written:
        return NO_PRODUCT
    found = taxonomy.find_product(written, date.fromisoformat(received) if received else None)
    reserved = written in (ALL_PRODUCTS, FEW_PRODUCTS)
    return taxonomy.product_name(found) if found else f"{written} (i filen)" if reserved else written


def cause_names(taxonomy: Taxonomy) -> dict[str, str]:
    """Swedish names by id, in the order of the taxonomy, other last."""
    return {cause.id: cause.name_sv for cause in taxonomy.causes} | {OTHER: OTHER_NAME_SV}


def tidy_table(cases: pd.DataFrame, taxonomy: Taxonomy, purchases: pd.DataFrame | None, min_cell: int) -> pd.DataFrame:
    """Every figure of the breakdown, one a row.

    Products with fewer than `min_cell` cases in a month are put together.

    Columns: `month`, `product` (`Alla produkter` for the sum), `cause`, `cause_name`, `cases` (all of the month and
    product), `primary` (cases with this primary cause: they add up to `cases`), `mentioned` (cases that carry the
    cause at all), `share`, `share_low`, `share_high` (of `primary` in `cases`, 0 to 1, Wilson 95 %), `purchases`,
    `rate`, `rate_low`, `rate_high` (primary cases per million purchases, exact Poisson 95 %), `shown` (whether
    `primary` reaches `min_cell`, below which nothing is said), `method`.
    """
    sizes = cases.groupby(["month", "product"])["product"].transform("size")
    pooled = cases.assign(product=cases["product"].where(sizes >= min_cell, FEW_PRODUCTS))
    both = pd.concat([pooled, cases.assign(product=ALL_PRODUCTS)], ignore_index=True)
    exposure = _exposure(purchases)
    rows = []
    for (month, product), group in both.groupby(["month", "product"], sort=True):
        bought = exposure.get((str(month), str(product)))
        for cause, name in cause_names(taxonomy).items():
            primary = int((group["primary"] == cause).sum())
            mentioned = int(group["causes"].map(lambda causes, c=cause: c in causes).sum())
            rows.append(_row(str(month), str(product), cause, name, len(group), primary, mentioned, bought, min_cell))
    return pd.DataFrame(rows)


def _row(
    month: str,
    product: str,
    cause: str,
    name: str,
    n: int,
    primary: int,
    mentioned: int,
    bought: int | None,
    least: int,
) -> dict[str, object]:
    share = wilson(primary, n)
    rate = poisson_rate(primary, bought / 1e6) if bought else None
    return {
        "month": month,
        "product": product,
        "cause": cause,
        "cause_name": name,
        "cases": n,
        "primary": primary,
        "mentioned": mentioned,
        "share": share.estimate,
        "share_low": share.low,
        "share_high": share.high,
        "purchases": bought if bought else None,
        "rate": rate.estimate if rate else None,
        "rate_low": rate.low if rate else None,
        "rate_high": rate.high if rate else None,
        "shown": primary >= least,
        "method": METHOD,
    }


def _exposure(purchases: pd.DataFrame | None) -> dict[tuple[str, str], int]:
    if purchases is None:
        return {}
    exposure: dict[tuple[str, str], int] = {}
    for month, product, bought in purchases[["month", "product", "purchases"]].itertuples(index=False, name=None):
        for key in ((month, product), (month, ALL_PRODUCTS)):
            exposure[key] = exposure.get(key, 0) + int(bought)
    return exposure


def read_purchases(path: Path, taxonomy: Taxonomy) -> pd.DataFrame:
    """A table of purchases: `month` (YYYY-MM), `product` (Swedish name), `purchases` (a whole number above 0).

    Raises:
        InputError: a column or a value that is not as wanted, with its row.
    """

    def known(row: Sequence[str]) -> int:
        meanings = {_PURCHASE_HEADINGS.get(cell.strip().casefold()) for cell in row} - {None}
        return len(meanings) if len(meanings) == 3 else 0

    table = read_table(path, known)
    names = [_PURCHASE_HEADINGS.get(column.casefold(), column) for column in table.columns]
    if not {"month", "product", "purchases"} <= set(names):
        raise InputError(f"{path}: kolumnerna månad, produkt och köp behövs; lägg till dem i första raden.")
    frame = pd.DataFrame(table.rows, columns=names, dtype=object)
    for line, month, count in zip(table.lines, frame["month"], frame["purchases"], strict=True):
        _check_purchase(path, line, str(month), str(count))
    return pd.DataFrame(
        {
            "month": [str(month)[:7] for month in frame["month"]],
            "product": [
                _product(str(p).strip(), f"{str(m)[:7]}-15", taxonomy)
                for p, m in zip(frame["product"], frame["month"], strict=True)
            ],
            "purchases": [_whole(str(count)) for count in frame["purchases"]],
        }
    )


def _whole(written: str) -> int:
    digits = "".join(written.split()).replace("\xa0", "")
    return int(digits) if digits.isdecimal() else 0


def _check_purchase(path: Path, line: int, month: str, count: str) -> None:
    try:
        date.fromisoformat(f"{month[:7]}-01")
    except ValueError:
        raise InputError(f"{path}: rad {line}, kolumn månad: skriv månaden som 2020-03.") from None
    if not _whole(count):
        raise InputError(f"{path}: rad {line}, kolumn köp: skriv ett helt antal köp större än 0.")
