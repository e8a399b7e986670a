"""The sheets of a workbook as rows of cells: all of them, hidden ones too, and which row has the headings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from nollclassify.errors import InputError
from nollclassify.workbook_guard import check_workbook

# Titles and empty lines may stand above the headings of a workbook; further down nobody puts them.
HEADING_ROWS = 15

HeadingTest = Callable[[Sequence[str]], int]


def sheets_of(path: Path) -> dict[str, list[list[Any]]]:
    """The rows of each sheet by its name, to which is added if it is hidden: who looks for it sees no tab.

    Rows and columns that are hidden or filtered away are read as all others, so that no case is lost.
    """
    try:
        check_workbook(path)
        return _read(path)
    except (InputError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # A damaged archive makes zipfile and calamine raise errors of many kinds, panics too.
        raise InputError(f"{path}: arbetsboken går inte att läsa; öppna den i Excel och spara om den.") from None


def _read(path: Path) -> dict[str, list[list[Any]]]:
    # Calamine is three times as fast as openpyxl and runs no formula.
    from python_calamine import CalamineWorkbook

    workbook = CalamineWorkbook.from_path(str(path))
    tabs = [sheet for sheet in workbook.sheets_metadata if str(sheet.typ).endswith("WorkSheet")]
    names = {s.name: s.name if str(s.visible).endswith(".Visible") else f"{s.name} som är dolt" for s in tabs}
    return {told: workbook.get_sheet_by_name(name).to_python(skip_empty_area=False) for name, told in names.items()}


def heading_row(rows: list[list[Any]], known_headings: HeadingTest) -> int | None:
    """The row with the most known headings; of two that stand together, such as groups above columns, the lower one."""
    scores = [known_headings([str(cell) for cell in row]) for row in rows[:HEADING_ROWS]]
    best = max(scores, default=0)
    at = scores.index(best) if best else None
    # One heading alone in the row below may be a complaint that says no more than `text`.
    return at + 1 if at is not None and best > 1 and scores[at + 1 : at + 2] == [best] else at


def cell_value(cell: Any) -> Any:
    """Whole numbers without the `.0` that Excel stores; midnight as a date."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, datetime) and (cell.hour, cell.minute, cell.second) == (0, 0, 0):
        return cell.date()
    return cell
