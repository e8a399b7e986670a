"""The formats of case files: CSV, Excel, JSON Lines and Parquet, in and out.

This room knows bytes, delimiters and sheets; what the columns mean is the business of `cases.py`.
Values come in as they stand: no text is taken for a missing value, a number or a formula.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import reduce
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import pandas as pd

from nollclassify.atomic import replacing
from nollclassify.errors import InputError

ENDINGS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xls"), "excel"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".parquet": "parquet",
}
EXCEL_CELL_LIMIT, EXCEL_ROW_LIMIT = 32_767, 1_048_576
# A workbook that unpacks to more than this is not a month's complaints (4 MB can hide 1 GB).
UNPACKED_LIMIT = 400_000_000
# Nor is a sheet with more cells than this; a single stray cell in the far corner makes 17 billion.
SHEET_CELL_LIMIT = 50_000_000
_DIMENSION = re.compile(rb'<dimension ref="(?:[A-Z]+\d+:)?([A-Z]+)(\d+)"')
# Titles and empty lines may stand above the headings of a workbook; further down nobody puts them.
HEADING_ROWS = 15
_SAMPLE_ROWS = 500

HeadingTest = Callable[[Sequence[str]], int]


@dataclass
class Table:
    """A file as read: headings, one list of values a row, the row's number as Excel shows it, and damaged rows."""

    columns: list[str]
    rows: list[list[Any]]
    lines: list[int]
    delimiter: str = ";"
    damaged: list[tuple[int, str, str]] = field(default_factory=list)
    """Row number, reason, and the row as it stood."""


def format_of(path: Path) -> str:
    """`csv`, `excel`, `jsonl` or `parquet`, by the file's ending; InputError for another one."""
    try:
        return ENDINGS[path.suffix.lower()]
    except KeyError:
        wanted = ", ".join(ENDINGS)
        raise InputError(f"{path}: filändelsen känns inte igen; spara filen som något av {wanted}.") from None


def read_table(path: Path, known_headings: HeadingTest) -> Table:
    """Read a file of any format.

    `known_headings` tells how many of a row's cells are headings that are understood: with it the delimiter of
    a CSV file, and the sheet and first row of a workbook, are found.

    Raises:
        InputError: the file is missing, empty, damaged, too large or of an unknown format.
    """
    reader = {"csv": _read_csv, "excel": _read_excel, "jsonl": _read_jsonl, "parquet": _read_parquet}[format_of(path)]
    try:
        if not path.is_file():
            raise InputError(f"{path}: filen finns inte; kontrollera namnet och mappen.")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: filen är tom; spara om den med en rubrikrad och minst en rad under.")
        table = reader(path, known_headings)
    except UnicodeDecodeError:
        raise InputError(f"{path}: filens teckenkodning är skadad; spara om den som UTF-8.") from None
    except OSError as error:
        raise InputError(f"{path}: filen går inte att läsa ({error.strerror}); kontrollera namnet.") from None
    table.columns = _unique(table.columns)
    return table


def _unique(columns: Iterable[Any]) -> list[str]:
    """Headings as text; an empty one gets its position, a repeated one a number, so that none is lost."""
    taken: dict[str, None] = {}
    for position, column in enumerate(columns, 1):
        name = str("" if column is None else column).strip() or f"kolumn {position}"
        numbered = chain([name], (f"{name} ({number})" for number in count(2)))
        taken[next(unique for unique in numbered if unique not in taken)] = None
    return list(taken)


def _filled(value: Any) -> Any:
    """Empty text for a missing value (null or NaN), any other value as it stands."""
    return "" if value is None or value != value else value


# --- CSV ---------------------------------------------------------------------------------------------------------


def decode(raw: bytes) -> str:
    """Text of a Swedish file: by its BOM, UTF-16's zero bytes, strict UTF-8, else the likeliest 8-bit code page.

    Among Windows-1252, DOS 850 and Mac Roman the one with the largest share of Swedish letters among all
    non-ASCII characters wins (99 % of 1,554 files; general detectors reach 86 to 98 %).
    """
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16")
    zeros = raw[:4000].count(0)
    if zeros > len(raw[:4000]) // 4:
        return raw.decode("utf-16-le" if raw[1:2] == b"\0" else "utf-16-be")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pages = ("cp1252", "cp850", "mac_roman")
        return max((raw.decode(page, errors="replace") for page in pages), key=_swedish_share)


def _swedish_share(text: str) -> float:
    foreign = [c for c in text if ord(c) > 127]
    return sum(c in "åäöÅÄÖéÉ–’”…" for c in foreign) / (len(foreign) or 1)


def _read_csv(path: Path, known_headings: HeadingTest) -> Table:
    text = decode(path.read_bytes())
    first, _, rest = text.partition("\n")
    named = first.strip("\r").strip('"').lower()
    if named.startswith("sep=") and len(named) == 5:
        text, candidates = rest, [named[4]]
    else:
        candidates = [";", ",", "\t"]
    delimiter = max(candidates, key=lambda d: _fit(text, d, known_headings))
    return _parse_csv(path, text, delimiter)


def _fit(text: str, delimiter: str, known_headings: HeadingTest) -> tuple[int, int]:
    """How many known headings the delimiter brings to light, and how many of the first rows are as wide as they."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    sample: list[list[str]] = []
    with suppress(csv.Error):
        sample.extend(row for row in islice(rows, _SAMPLE_ROWS) if row)
    width = len(sample[0]) if sample else 0
    return known_headings(sample[0] if sample else []), sum(len(row) == width for row in sample)


def _parse_csv(path: Path, text: str, delimiter: str) -> Table:
    csv.field_size_limit(10_000_000)
    lines = list(io.StringIO(text, newline=""))
    # Strict: a quotation mark out of place must not move or swallow text in silence.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    table = Table([], [], [], delimiter)
    number = 0
    while True:
        start = reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            return table
        except csv.Error as error:
            _note_damage(path, table, number + 1, str(error), "".join(lines[start : reader.line_num]).rstrip())
            row = None
        number += 1
        if row:
            _add_csv_row(table, number, row, delimiter)


def _note_damage(path: Path, table: Table, number: int, error: str, raw: str) -> None:
    if not table.columns or "unexpected end" in error:
        fault = "har ett citattecken som aldrig avslutas, filen kan vara avhuggen"
        raise InputError(f"{path}: rad {number} {fault}; exportera den på nytt eller rätta raden.") from None
    table.damaged.append((number, "citattecken på fel plats; dubbla citattecken som hör till texten", raw))


def _add_csv_row(table: Table, number: int, row: list[str], delimiter: str) -> None:
    if not any(cell.strip() for cell in row):
        return  # Excel saves rows that were emptied as ;;;
    if not table.columns:
        table.columns = row
    elif len(row) == len(table.columns):
        table.rows.append(row)
        table.lines.append(number)
    else:
        reason = f"{len(row)} fält, rubrikraden har {len(table.columns)}; sätt citattecken om text med {delimiter!r}"
        table.damaged.append((number, reason, delimiter.join(row)))


# --- Excel -------------------------------------------------------------------------------------------------------


def _read_excel(path: Path, known_headings: HeadingTest) -> Table:
    try:
        too_large = _is_too_large(path)
        sheets = {} if too_large else _sheets(path)
    except Exception:  # A damaged archive makes zipfile and calamine raise errors of many kinds.
        raise InputError(f"{path}: arbetsboken går inte att läsa; öppna den i Excel och spara om den.") from None
    if too_large:
        raise InputError(f"{path}: arbetsboken packas upp till för mycket data; dela den eller spara som CSV.")
    found = {name: at for name, rows in sheets.items() if (at := _heading_row(rows, known_headings)) is not None}
    if len(found) > 1:
        raise InputError(f"{path}: {len(found)} blad har klagomål; lägg varje blad i en egen fil.")
    name, at = next(iter(found.items()), (next(iter(sheets), ""), 0))
    return _sheet_table(sheets.get(name, []), at)


def _sheets(path: Path) -> dict[str, list[list[Any]]]:
    # Calamine is three times as fast as openpyxl and runs no formula.
    from python_calamine import CalamineWorkbook

    workbook = CalamineWorkbook.from_path(str(path))
    tabs = [sheet.name for sheet in workbook.sheets_metadata if str(sheet.typ).endswith("WorkSheet")]
    return {name: workbook.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in tabs}


def _is_too_large(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > UNPACKED_LIMIT:
            return True
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/") and name.endswith(".xml")]
        return any(_cell_count(archive, name) > SHEET_CELL_LIMIT for name in sheets)


def _cell_count(archive: zipfile.ZipFile, sheet: str) -> int:
    """The cells of a sheet's rectangle, as its head declares it; 0 where it declares none."""
    with archive.open(sheet) as file:
        declared = _DIMENSION.search(file.read(4_000))
    if not declared:
        return 0
    return reduce(lambda columns, letter: columns * 26 + letter - 64, declared[1], 0) * int(declared[2])


def _heading_row(rows: list[list[Any]], known_headings: HeadingTest) -> int | None:
    scores = [known_headings([str(cell) for cell in row]) for row in rows[:HEADING_ROWS]]
    best = max(scores, default=0)
    return scores.index(best) if best else None


def _sheet_table(rows: list[list[Any]], at: int) -> Table:
    header = [str(cell) for cell in rows[at]] if rows else []
    body = [(n, [_excel_value(c) for c in row]) for n, row in enumerate(rows[at + 1 :], at + 2)]
    body = [(n, row) for n, row in body if any(cell != "" for cell in row)]
    filled = (i for row in (header, *(row for _, row in body)) for i, cell in enumerate(row, 1) if cell != "")
    used = max(filled, default=0)
    return Table(header[:used], [row[:used] for _, row in body], [n for n, _ in body])


def _excel_value(cell: Any) -> Any:
    """Whole numbers without the `.0` that Excel stores; midnight as a date."""
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, datetime) and (cell.hour, cell.minute, cell.second) == (0, 0, 0):
        return cell.date()
    return cell


# --- JSON Lines and Parquet --------------------------------------------------------------------------------------


def _read_jsonl(path: Path, known_headings: HeadingTest) -> Table:
    table = Table([], [], [])
    records: list[dict[str, Any]] = []
    for number, line in enumerate(decode(path.read_bytes()).split("\n"), 1):
        if not line.strip():
            continue
        if (record := _json_object(line)) is not None:
            records.append(record)
            table.lines.append(number)
        else:
            table.damaged.append((number, "raden är inte ett JSON-objekt", line))
    table.columns = list(dict.fromkeys(key for record in records for key in record))
    table.rows = [[_filled(r.get(c)) for c in table.columns] for r in records]
    return table


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
        json.dumps(record, ensure_ascii=False).encode()  # Half an emoji (\ud83d alone) could not be written again.
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _read_parquet(path: Path, known_headings: HeadingTest) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        arrow = pq.read_table(path)
        columns = [[_filled(v) for v in column.to_pylist()] for column in arrow.columns]
    except (pa.ArrowException, OSError, ValueError):
        raise InputError(f"{path}: filen är inte en hel Parquet-fil; skriv den på nytt.") from None
    rows = [list(row) for row in zip(*columns, strict=True)]
    return Table(list(arrow.column_names), rows, list(range(1, len(rows) + 1)))


# --- Writing -----------------------------------------------------------------------------------------------------


def write_table(frame: pd.DataFrame, path: Path, delimiter: str = ";") -> None:
    """Write a frame in the format of `path`'s ending, under a temporary name that is then renamed.

    CSV is UTF-8 with a BOM. Nothing becomes a formula, a link or a number in a workbook that was not one.

    Raises:
        InputError: unknown ending, a folder that cannot be written to, or more than a workbook can hold.
    """
    writer = {"csv": _write_csv, "excel": _write_excel, "jsonl": _write_jsonl, "parquet": _write_parquet}
    if format_of(path) == "excel" and path.suffix.lower() != ".xlsx":
        raise InputError(f"{path}: Excel skrivs bara som .xlsx; byt filändelse.")
    if format_of(path) == "excel" and len(frame) >= EXCEL_ROW_LIMIT:
        raise InputError(f"{path}: {len(frame)} rader ryms inte i ett Excelblad; välj --output med ändelsen .csv.")
    try:
        with replacing(path) as temporary:
            writer[format_of(path)](frame, temporary, "\t" if path.suffix.lower() == ".tsv" else delimiter)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: filen går inte att skriva ({error.strerror}); välj en annan mapp.") from None


def _write_csv(frame: pd.DataFrame, path: Path, delimiter: str) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(frame.columns)
        rows = frame.itertuples(index=False, name=None)
        writer.writerows([str(v).lower() if isinstance(v, bool) else v for v in row] for row in rows)


def _write_jsonl(frame: pd.DataFrame, path: Path, delimiter: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in frame.itertuples(index=False, name=None):
            record = dict(zip(frame.columns, row, strict=True))
            file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")


def _write_parquet(frame: pd.DataFrame, path: Path, delimiter: str) -> None:
    # One kind of values a column: where there are several, empty text gives way, else all become text.
    whole = frame.apply(lambda c: c if c.map(type).nunique() <= 1 else c.map(lambda v: None if v == "" else v))
    mixed = [c for c in whole if not _is_one_kind(whole[c])]
    whole.astype(dict.fromkeys(mixed, str)).to_parquet(path, index=False)


def _is_one_kind(column: pd.Series[Any]) -> bool:
    import pyarrow as pa

    try:
        pa.array(column, from_pandas=True)
    except (pa.ArrowException, OverflowError):
        return False
    return True


def _write_excel(frame: pd.DataFrame, path: Path, delimiter: str) -> None:
    import xlsxwriter

    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), options) as workbook:
        sheet = workbook.add_worksheet("klagomål")
        write_sheet(workbook, sheet, frame)


def write_sheet(workbook: Any, sheet: Any, frame: pd.DataFrame) -> None:
    """Write a frame to an XlsxWriter sheet: bold frozen headings, a filter, dates as dates, texts as texts."""
    bold, day = workbook.add_format({"bold": True}), workbook.add_format({"num_format": "yyyy-mm-dd"})
    for column, name in enumerate(frame.columns):
        sheet.write_string(0, column, str(name), bold)
        sheet.set_column(column, column, 60 if str(name).lower() in ("text", "klagomål") else 16)
    for number, row in enumerate(frame.itertuples(index=False, name=None), 1):
        for column, value in enumerate(row):
            if value is not None:
                _write_cell(sheet, number, column, value, day)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(frame), 1), max(len(frame.columns) - 1, 0))


def _write_cell(sheet: Any, row: int, column: int, value: Any, day: Any) -> None:
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, int | float) and abs(value) < 1e15:
        sheet.write_number(row, column, value)
    elif isinstance(value, date) and value.year >= 1900 and getattr(value, "tzinfo", None) is None:
        sheet.write_datetime(row, column, value, day)
    elif len(text := str(value)) > EXCEL_CELL_LIMIT:
        limit = f"de {EXCEL_CELL_LIMIT} tecken som ryms i en Excelcell"
        raise InputError(f"rad {row + 1}: texten är längre än {limit}; välj --output med ändelsen .csv.")
    else:
        sheet.write_string(row, column, text)
