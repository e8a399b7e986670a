"""Review books for tests: a small queue, written, and filled in, sorted, cut and saved as people do."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from nollclassify.review_books import write_book
from nollclassify.sampling import sample
from nollclassify.taxonomy import Taxonomy

Edit = Callable[[openpyxl.Workbook], None]
needs_office = pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
# Ids and texts that a spreadsheet likes to change, or that could be taken for one another.
IDS = ("0042", "42", "7", "K-1", "12345678901234567", "1e5", "TRUE", "=1+1", "3,5", "2020-03-14", "å 1", "K-2")
TEXTS = (
    *(
        "kön tog  två timmar\noch sen\r\nlades det på",
        "=1+1",
        "fick fakturan\tföre skorna",
        "smorgas \u00e5 \U0001f600",
    ),
    *("a\x01b", "'citat", "x0041_ är ingen bokstav", "samma text", "samma text", "12345", "true", "slut "),
)
# Semicolons, quotation marks where they are needed, UTF-8.
_AS_CSV = "59,34,76"
_HOW_TO_WRITE = {"csv": f"csv:Text - txt - csv (StarCalc):{_AS_CSV}"}
_HOW_TO_READ = {".csv": [f"--infilter=CSV:{_AS_CSV}"]}
CAUSES = ("wait_time", "", "campaign_backlash;wait_time")


def queue(n: int = 12) -> pd.DataFrame:
    """Cases as `write_book` wants them; the first ones have the difficult ids and texts."""
    ids = [*IDS, *(f"N-{at:03d}" for at in range(n))][:n]
    texts = [*TEXTS, *(f"sak{at} ord{at} rad{at}" for at in range(n))][:n]
    return pd.DataFrame(
        {
            "case_id": ids,
            "month": "2020-03",
            "received": [f"2020-03-{1 + at % 28:02d}" for at in range(n)],
            "channel": "telefon",
            "product": [("Faktura", "Kort")[at % 2] for at in range(n)],
            "text": texts,
            "proposed": [CAUSES[at % 3] for at in range(n)],
            "primary": [CAUSES[at % 3].split(";")[0] or "other" for at in range(n)],
            "shown": "Väntetid 62 %",
            "evidence": 'Väntetid: "kö"',
            "reason": [f"skäl {at}" for at in range(n)],
            "model_version": "20200101-abc",
            "taxonomy_version": "2020.1",
        },
        dtype=object,
    )


def written_book(path: Path, taxonomy: Taxonomy, n: int = 12, n_drawn: int | None = None) -> Path:
    cases = queue(n)
    return write_book(path, cases, sample(cases, n_drawn or n), taxonomy)


def edit(path: Path, *edits: Edit) -> Path:
    """Do to a book, with openpyxl, what people do; saved in its place."""
    book = openpyxl.load_workbook(path)
    for change in edits:
        change(book)
    book.save(path)
    return path


def by_office(path: Path, *formats: str) -> Path:
    """Save a book by LibreOffice, in one format after the other; returns the last file."""
    return all_by_office([path], *formats)[0]


def all_by_office(paths: Sequence[Path], *formats: str) -> list[Path]:
    """Save books of one folder by LibreOffice, in one format after the other; returns the last files, in order."""
    place = paths[0].parent
    profile = f"-env:UserInstallation={(place / 'profile').as_uri()}"
    for number, ending in enumerate(formats):
        folder = place / f"office-{'-'.join(formats[: number + 1])}"
        command = ["soffice", profile, "--headless", *_HOW_TO_READ.get(paths[0].suffix, [])]
        command += ["--convert-to", _HOW_TO_WRITE.get(ending, ending), "--outdir", str(folder), *map(str, paths)]
        subprocess.run(command, check=True, capture_output=True, timeout=120 + 10 * len(paths))
        paths = [folder / f"{path.stem}.{ending}" for path in paths]
    return list(paths)


def at(sheet: Worksheet, heading: str) -> int:
    """The number of the column with this heading, from 1."""
    return next(cell.column for cell in sheet[1] if str(cell.value).casefold() == heading)


def fill(answers: dict[str, Any] | Callable[[str], Any], column: str = "huvudorsak") -> Edit:
    """Write, by case id, into a column."""

    def change(book: openpyxl.Workbook) -> None:
        sheet = book["granskning"]
        for row in range(2, sheet.max_row + 1):
            case_id = str(sheet.cell(row, at(sheet, "ärende")).value)
            value = answers(case_id) if callable(answers) else answers.get(case_id)
            if value is not None:
                sheet.cell(row, at(sheet, column)).value = value

    return change


def put(case_id: str, column: str, value: Any) -> Edit:
    return fill({case_id: value}, column)


def cut(*columns: str) -> Edit:
    def change(book: openpyxl.Workbook) -> None:
        for column in columns:
            book["granskning"].delete_cols(at(book["granskning"], column))

    return change


def rearrange(rows: Callable[[list[list[Any]]], Iterable[list[Any]]], sheet: str = "granskning") -> Edit:
    """Write a sheet anew with other rows: what `rows` makes of the present ones, headings not among them."""

    def change(book: openpyxl.Workbook) -> None:
        old = [list(row) for row in book[sheet].iter_rows(values_only=True)]
        book[sheet].delete_rows(1, len(old))
        _append(book[sheet], [old[0], *rows(old[1:])])

    return change


def _append(sheet: Worksheet, rows: Iterable[list[Any]]) -> None:
    for row in rows:
        sheet.append(row)
    for cell in (cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"):
        cell.data_type = "s"  # openpyxl takes the text =1+1 for a formula, a spreadsheet that moves it does not


def reorder_columns(seed: int, spell: Callable[[str], str] = str.upper) -> Edit:
    """Move the columns about, spell their headings otherwise, and add a column of one's own."""

    def change(book: openpyxl.Workbook) -> None:
        sheet = book["granskning"]
        columns = [list(column) for column in sheet.iter_cols(values_only=True)]
        random.Random(seed).shuffle(columns)
        columns.insert(1, ["Egen anteckning", *["x"] * (len(columns[0]) - 1)])
        sheet.delete_rows(1, sheet.max_row)
        headings, *rows = map(list, zip(*columns, strict=True))
        _append(sheet, [[spell(str(heading)) for heading in headings], *rows])

    return change
