"""The workbook and the CSV file of a breakdown: the tidy table under headings of the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from nollclassify.answer_sheets import print_wide
from nollclassify.atomic import replacing
from nollclassify.case_writing import new_workbook, write_sheet
from nollclassify.reporting.figures import BRIDGED, COLUMNS, OTHER_KINDS
from nollclassify.reporting.language import Language

# Excel shows the separators of the reader's own language: a space and a comma in Swedish.
_FORMATS = {"count": "#,##0", "estimate": "#,##0.0", "share": "0.0%", "ratio": "0.00"}
_CREATED = datetime(2020, 1, 1)  # the same figures make the same file
_NUMBERS = ("value", "low", "high")
# Columns whose heading in the CSV file, which programs read, says little to a person: what the workbook calls them.
_SPELLED_OUT = ("cause", "of", "low", "high", "n", "q")
_WIDTHS = {"month": 10, "product": 24, "cause": 25, "cause_name": 30, "figure": 42, "of": 32, "method": 32}
_WIDTH = 12
_METHODS = {"plain": "m_plain", "corrected": "m_corrected", "corrected with all": "m_shared", "counted": "m_counted"}


def for_file(table: pd.DataFrame, names: Mapping[str, str], language: Language) -> pd.DataFrame:
    """The tidy table as it goes out: headings and words of the language, nothing in cells that are not shown."""
    out = table.astype(object).copy()
    out["cause_name"] = [names.get(cause, "") for cause in table["cause"]]
    out["product"] = [language.product(product) for product in table["product"]]
    out["figure"] = [language(f"f_{figure}") for figure in table["figure"]]
    kinds = ("own", "authority", "social", OTHER_KINDS, BRIDGED)
    out["of"] = [language(of) if of in kinds else of for of in table["of"]]
    out["method"] = [language(_METHODS[method]) for method in table["method"]]
    out["month"] = [month if month[:1].isdigit() else language.month(month) for month in table["month"]]
    out.loc[~table["shown"], ["value", "low", "high", "q"]] = None
    out.loc[~table["shown"], "method"] = language("hidden")
    columns = [c for c in (*COLUMNS[:3], "cause_name", *COLUMNS[3:]) if c != "shown"]
    out = out[columns].where(out[columns].notna(), "")
    return out.rename(columns={c: language(f"c_{c}") for c in columns})


def write_workbook(
    path: Path,
    table: pd.DataFrame,
    names: Mapping[str, str],
    definitions: Sequence[tuple[str, str]],
    month: str,
    products: Sequence[str],
    language: Language,
) -> None:
    """A sheet with the month's figures for each product, one with all figures, one with definitions, all to be printed.

    Args:
        table: the tidy table.
        names: cause id -> name.
        definitions: terms and what they mean.
        month: the month of the sheets of products.
        products: in the order of the sheets, `Alla produkter` first.
    """
    with replacing(path) as temporary, new_workbook(temporary) as workbook:
        workbook.set_properties({"created": _CREATED})
        formats = {k: workbook.add_format({"num_format": f}) for k, f in _FORMATS.items()}
        formats["heading"] = workbook.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        taken: set[str] = set()
        for product in products:
            part = table[(table["month"] == month) & (table["product"] == product)]
            _sheet(workbook, sheet_name(language.product(product), taken), part, names, language, formats)
        _sheet(workbook, sheet_name(language("sheet_all"), taken), table, names, language, formats)
        more = [(language(f"h_{column}"), language(f"h_{column}_text")) for column in _SPELLED_OUT]
        meanings = pd.DataFrame([*definitions, *more], columns=[language("h_word"), language("h_meaning")])
        last = workbook.add_worksheet(sheet_name(language("sheet_definitions"), taken))
        write_sheet(workbook, last, meanings)
        wrapped = workbook.add_format({"text_wrap": True, "valign": "top"})
        for row, (_, meaning) in enumerate([*definitions, *more], 1):
            # Not every program works out the height itself.
            last.set_row(row, 2 + 14 * (1 + len(meaning) // 100))
        last.set_column(0, 0, 42, wrapped)
        last.set_column(1, 1, 110, wrapped)
        print_wide(last)


def _sheet(
    workbook: Any,
    name: str,
    table: pd.DataFrame,
    names: Mapping[str, str],
    language: Language,
    formats: Mapping[str, Any],
) -> None:
    sheet = workbook.add_worksheet(name)
    out = for_file(table, names, language)
    columns = {language(f"c_{column}"): column for column in ("cause_name", *COLUMNS) if column != "shown"}
    shown = {c: language(f"h_{columns[c]}") if columns[c] in _SPELLED_OUT else c for c in out.columns}
    write_sheet(workbook, sheet, out.rename(columns=shown))
    for at, (column, heading) in enumerate(shown.items()):
        sheet.set_column(at, at, _WIDTHS.get(columns[column], _WIDTH))
        sheet.write_string(0, at, heading, formats["heading"])
    sheet.set_row(0, 45)
    print_wide(sheet)
    places = [list(out.columns).index(language(f"c_{column}")) for column in _NUMBERS]
    numbers = table[list(_NUMBERS)].to_numpy(dtype=float)
    for row, (figure, shown) in enumerate(zip(table["figure"], table["shown"], strict=True)):
        for place, value in zip(places, numbers[row].tolist(), strict=True):
            if shown and value == value:
                sheet.write_number(row + 1, place, value, formats[_kind(figure, value)])


def _kind(figure: str, value: float) -> str:
    if figure.endswith("share"):
        return "share"
    if figure.startswith(("ratio", "rate")) or figure.endswith("rate"):
        return "ratio"
    return "count" if float(value).is_integer() else "estimate"


def sheet_name(wanted: str, taken: set[str]) -> str:
    """A name that Excel allows (31 UTF-16 units, none of []:*?/\\, no apostrophe at an end) and no other sheet has."""
    plain = "".join(" " if c in "[]:*?/\\" or ord(c) < 32 else c for c in wanted).strip("' ")
    plain = plain if plain and plain.casefold() != "history" else f"{plain} blad".strip()
    name, number = _cut(plain, 31), 2
    while name.casefold() in taken:
        suffix = f" ({number})"
        name, number = _cut(plain, 31 - len(suffix)) + suffix, number + 1
    taken.add(name.casefold())
    return name


def _cut(name: str, units: int) -> str:
    """At most so many UTF-16 units, as Excel counts, no half of a pair and no apostrophe at the end."""
    return name.encode("utf-16-le", "replace")[: 2 * units].decode("utf-16-le", "ignore").strip("' ")
