"""The table of measures: what was done about complaints, when, for which product and cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from nollclassify.case_files import format_of, read_table
from nollclassify.cases import parse_date
from nollclassify.errors import InputError
from nollclassify.ledger import ALL_PRODUCTS, product_names
from nollclassify.reporting.figures import cause_names
from nollclassify.taxonomy import Taxonomy

_HEADINGS = {
    **dict.fromkeys(("date", "datum"), "date"),
    **dict.fromkeys(("product", "produkt"), "product"),
    **dict.fromkeys(("cause", "orsak"), "cause"),
    **dict.fromkeys(("measure", "åtgärd"), "measure"),
    **dict.fromkeys(("owner", "ansvarig"), "owner"),
}
_NEEDED = {"date", "product", "cause", "measure"}
_ALL = {"product": {"", ALL_PRODUCTS.casefold(), "all products"}, "cause": {"", "alla orsaker", "all causes"}}


@dataclass(frozen=True)
class Measure:
    """What was done about complaints.

    Attributes:
        day: when.
        product: its present Swedish name, as written where the taxonomy does not know it; empty for all.
        cause: id, `other` for none; empty for all.
        text: what was done, as written.
        owner: as written, may be empty.
    """

    day: date
    product: str
    cause: str
    text: str
    owner: str = ""

    def touches(self, product: str, cause: str) -> bool:
        """Whether it touches complaints of this product and primary cause; empty ones mean any."""
        pairs = ((self.product, product), (self.cause, cause))
        return all(one == two or "" in (one, two) for one, two in pairs)


def read_measures(path: Path, taxonomy: Taxonomy) -> tuple[Measure, ...]:
    """Read a table with the columns datum, produkt, orsak, åtgärd and, where there is one, ansvarig; in its order.

    Raises:
        InputError: a column or a value that is not as wanted, with its row.
    """

    def known(row: Sequence[str]) -> int:
        meanings = {_HEADINGS.get(str(cell).strip().casefold()) for cell in row} - {None}
        return len(meanings) if meanings >= _NEEDED else 0

    table = read_table(path, known)
    names = [_HEADINGS.get(str(column).strip().casefold(), "") for column in table.columns]
    if not set(names) >= _NEEDED:
        raise InputError(f"{path}: kolumnerna datum, produkt, orsak och åtgärd behövs; lägg till dem i första raden.")
    for line, reason, _ in table.damaged:
        raise InputError(f"{path}: rad {line}: {reason}.")
    at = {name: names.index(name) for name in set(names) - {""}}
    rows = [{name: str(row[column]).strip() for name, column in at.items()} for row in table.rows]
    return tuple(_measure(path, line, row, taxonomy) for line, row in zip(table.lines, rows, strict=True))


def _measure(path: Path, line: int, row: Mapping[str, str], taxonomy: Taxonomy) -> Measure:
    day = parse_date(row["date"], format_of(path) == "excel")
    if day is None:
        raise InputError(f"{path}: rad {line}, kolumn datum: skriv åtgärdens dag som 2020-03-14.")
    cause = "" if row["cause"].casefold() in _ALL["cause"] else taxonomy.find_cause(row["cause"])
    if cause is None:
        wanted = ", ".join(cause_names(taxonomy).values())
        raise InputError(
            f"{path}: rad {line}, kolumn orsak: okänd orsak; välj en av {wanted}, eller lämna cellen tom för alla."
        )
    if not row["measure"]:
        raise InputError(f"{path}: rad {line}, kolumn åtgärd: cellen är tom; skriv vad som gjordes.")
    named = product_names([row["product"]], [day.isoformat()], taxonomy)[0]
    return Measure(
        day, "" if row["product"].casefold() in _ALL["product"] else named, cause, row["measure"], row.get("owner", "")
    )
