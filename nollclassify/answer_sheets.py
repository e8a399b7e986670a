"""Workbooks in which people answer: what the books of audit and review have in common, written and read.

Questions stand on one sheet, with drop-down lists of causes; what the causes mean on the second; the frame of all
cases on a hidden one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from nollclassify.case_files import Table
from nollclassify.case_writing import EXCEL_CELL_LIMIT, write_sheet
from nollclassify.errors import InputError
from nollclassify.taxonomy import OTHER, OTHER_NAME_SV, Taxonomy

QUESTIONS, FRAME, CODEBOOK = "granskning", "ram", "orsaker"
TEXT, CAUSES, COMMENT, REVIEWER = "klagomål", ("huvudorsak", "orsak 2", "orsak 3"), "kommentar", "granskat av"
_FILLED_IN = (*CAUSES, COMMENT, REVIEWER)
# Points; more than 409 no spreadsheet takes.
_FONT, _SMALL, _HIGHEST = 10, 8, 400.0
# Excel keeps fifteen digits of a number.
_EXACT_IN_EXCEL = 10**15
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?(?:e\+?\d{1,2})?", re.IGNORECASE)


class UnclearAnswerError(ValueError):
    """A row whose answer is not clear: the `column` at fault, and the `reason` with what to do, in Swedish."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"kolumn {column}: {reason}")
        self.column, self.reason = column, reason


# --- writing -----------------------------------------------------------------------------------------------------


def new_book(output: str | Path, force: bool) -> Path:
    """Where a book may be written; InputError for another ending, or a book that is there and may be filled in."""
    target = Path(output)
    if target.suffix.lower() != ".xlsx":
        raise InputError(f"{target}: granskningen är en Excelbok; välj en --output som slutar på .xlsx.")
    if target.exists() and not force:
        raise InputError(f"{target}: filen finns redan och kan vara ifylld; ange --force för att ersätta den.")
    return target


def short(text: str) -> str:
    """The text, cut off where it does not fit in an Excel cell."""
    over = " [texten är avkortad]"
    return text if len(text) <= EXCEL_CELL_LIMIT else text[: EXCEL_CELL_LIMIT - len(over)] + over


def write_codebook(workbook: Any, taxonomy: Taxonomy, *more: tuple[str, str]) -> None:
    """The sheet with what the causes mean, then Övrigt and `more` that can be answered (name, meaning)."""
    rows = [
        (c.name_sv, c.definition_sv, "; ".join(c.belongs), "; ".join(c.excludes), "; ".join(c.examples))
        for c in taxonomy.causes
    ]
    rows += [(*pair, "", "", "") for pair in ((OTHER_NAME_SV, "Ingen av orsakerna passar."), *more)]
    sheet = workbook.add_worksheet(CODEBOOK)
    book = pd.DataFrame(rows, columns=["orsak", "betydelse", "hit hör", "inte hit", "exempel"])
    write_sheet(workbook, sheet, book)
    _write_wrapped(workbook, sheet, book, {"orsak": 20} | dict.fromkeys(book.columns[1:], 40.0))
    print_wide(sheet)


def write_questions(
    workbook: Any, asked: pd.DataFrame, widths: Mapping[str, float], n_causes: int, n_answers: int
) -> Any:
    """The sheet of questions; returns it.

    Args:
        asked: one row a case, all text; columns named as in `CAUSES`, `COMMENT` and `REVIEWER` are to be filled in.
        widths: of columns, in characters; others are 16 wide.
        n_causes: so many of the first rows of the codebook may be a further cause.
        n_answers: so many may be the primary one.
    """
    sheet = workbook.add_worksheet(QUESTIONS)
    write_sheet(workbook, sheet, asked)
    _write_wrapped(workbook, sheet, asked, widths)
    first, last = list(asked.columns).index(CAUSES[0]), max(len(asked), 1)
    _offer(sheet, (1, first, last, first), n_answers, "Välj den viktigaste orsaken, eller Övrigt.")
    _offer(sheet, (1, first + 1, last, first + 2), n_causes, "Välj en orsak till, om klagomålet har flera.")
    print_wide(sheet)
    return sheet


def _write_wrapped(workbook: Any, sheet: Any, rows: pd.DataFrame, widths: Mapping[str, float]) -> None:
    """Write texts over several lines, in rows as high as they need; columns to fill in are coloured and framed.

    Not every program works out the height itself. No row can be higher than `_HIGHEST`: a text that would be is small.
    """
    top = {"text_wrap": True, "valign": "top", "bottom": 1, "bottom_color": "#CCCCCC"}
    plain, small = (workbook.add_format(top | {"font_size": size}) for size in (_FONT, _SMALL))
    answer = workbook.add_format(
        top | {"font_size": _FONT, "bg_color": "#FFF8DC", "border": 1, "border_color": "#CCCCCC"}
    )
    wide = [widths.get(name, 16) for name in rows.columns]
    for at, width in enumerate(wide):
        sheet.set_column(at, at, width)
    for number, row in enumerate(rows.itertuples(index=False, name=None), 1):
        heights = [_height(text, width) for text, width in zip(row, wide, strict=True)]
        sheet.set_row(number, min(max(heights), _HIGHEST))
        for at, (name, text) in enumerate(zip(rows.columns, row, strict=True)):
            form = answer if name in _FILLED_IN else small if heights[at] > _HIGHEST else plain
            sheet.write_string(number, at, text, form) if text else sheet.write_blank(number, at, None, form)


def _height(text: str, width: float) -> float:
    """The points that a text needs in a column of so many characters (of 11 points); a word may go over the edge."""
    lines = sum(-(-len(line) // int(width)) for line in (f"{line} " for line in text.split("\n")))
    return lines * 1.3 * _FONT + 4


def row_height(row: Sequence[Any], widths: Sequence[float]) -> float:
    """The points that a row of cells needs, as far as a row can be that high."""
    return min(_HIGHEST, max(_height(str(cell), width) for cell, width in zip(row, widths, strict=True)))


def _offer(sheet: Any, cells: tuple[int, int, int, int], choices: int, message: str) -> None:
    """A drop-down list, in a rectangle of cells, of so many of the first rows of the codebook."""
    source = f"='{CODEBOOK}'!$A$2:$A${choices + 1}"
    rule = {"validate": "list", "source": source, "input_message": message, "error_message": message}
    sheet.data_validation(*cells, rule)


def print_wide(sheet: Any) -> None:
    """On A4 lying down, all columns on one page, headings on each."""
    sheet.set_paper(9)
    sheet.set_landscape()
    sheet.set_margins(left=0.3, right=0.3, top=0.4, bottom=0.5)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_footer("&C&A, &P/&N")


def filled_in(case_ids: Sequence[str], taxonomy: Taxonomy, answers: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The columns of `CAUSES`, blank but for cases whose causes (ids, primary first, none for other) are known."""
    rows = []
    for case_id in case_ids:
        names = [taxonomy.cause(cause).name_sv for cause in answers.get(case_id, ()) if cause != OTHER]
        known = names or [OTHER_NAME_SV] * (case_id in answers)
        rows.append([*known, "", "", ""][: len(CAUSES)])
    return pd.DataFrame(rows, columns=list(CAUSES))


# --- reading -----------------------------------------------------------------------------------------------------


def headings(table: Table) -> list[str]:
    """The headings of a table without case and runs of spaces."""
    return [folded(name) for name in table.columns]


def folded(heading: object) -> str:
    return " ".join(unicodedata.normalize("NFC", str(heading)).casefold().split())


def column(table: Table, name: str) -> list[Any]:
    """The cells of a column as they stand; blank ones where there is no such column."""
    there = headings(table)
    return [row[there.index(name)] for row in table.rows] if name in there else [""] * len(table.rows)


def written(cell: Any) -> str:
    """What a cell says, as text."""
    return str(cell).strip()


def given_causes(cells: Sequence[Any], taxonomy: Taxonomy, keep_split: bool = False) -> tuple[str, ...]:
    """The causes that a row's cells, in the order of `CAUSES`, name; `("other",)` for Övrigt, none where all are blank.

    A cause that was split since keeps its old id with `keep_split`.

    Raises:
        UnclearAnswerError: a cause that is unknown or was split, none that is primary, or Övrigt beside a cause.
    """
    names = {heading: written(cell) for heading, cell in zip(CAUSES, cells, strict=True)}
    found = {heading: taxonomy.find_cause(name, keep_split=True) for heading, name in names.items() if name}
    for heading, cause in found.items():
        if cause is None:
            raise UnclearAnswerError(heading, "okänd orsak; välj ur listan i cellen.")
        if not keep_split and (split := taxonomy.told_split(cause)):
            raise UnclearAnswerError(heading, f"{split}.")
    causes = tuple(dict.fromkeys(cause for cause in found.values() if cause))
    if causes and CAUSES[0] not in found:
        raise UnclearAnswerError(CAUSES[0], "fyll i den viktigaste orsaken.")
    if OTHER in causes and len(causes) > 1:
        raise UnclearAnswerError(CAUSES[0], "Övrigt står bredvid en orsak; ta bort det ena.")
    return causes


class CaseIds:
    """Case ids as they come back from a spreadsheet, which may have made numbers of them.

    Args:
        ids: of all cases of the frame, so that no id is taken for another one's.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = set(ids)
        self._plain: dict[str, set[str]] = {}
        for case_id in self._ids:
            self._plain.setdefault(_plain(case_id), set()).add(case_id)

    def meant(self, cell: Any) -> set[str]:
        """The ids that a cell may mean: as it is written, else those that are the same number (`0042` and 42)."""
        if isinstance(cell, str) and written(cell) in self._ids:
            return {written(cell)}
        return self._plain.get(_plain(written(cell)), set())

    def is_spoilt(self, cell: Any) -> bool:
        """Whether a spreadsheet made something of the id that does not tell what it was: a date, a rounded number."""
        rounded = isinstance(cell, int | float) and abs(cell) >= _EXACT_IN_EXCEL
        return rounded or (isinstance(cell, date) and not self.meant(cell))


def _plain(case_id: str) -> str:
    """An id that reads as a number as that number, any other as it stands."""
    if not _NUMBER.fullmatch(case_id):
        return case_id
    number = float(case_id.replace(",", "."))
    return str(number) if number < _EXACT_IN_EXCEL else case_id.lstrip("0")
