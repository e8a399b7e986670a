"""Reading the formats of case files: CSV, Excel, JSON Lines and Parquet.

This room knows bytes, delimiters and sheets; what the columns mean is the business of `cases.py`.
Values come in as they stand: no text is taken for a missing value, a number or a formula.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, TextIO

from nollclassify.errors import InputError
from nollclassify.sheets import HeadingTest, cell_value, heading_row, sheets_of

ENDINGS = {
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xls"), "excel"),
    **dict.fromkeys((".jsonl", ".ndjson"), "jsonl"),
    ".parquet": "parquet",
}
# How Excel is told of the delimiter; an old Mac ends the line with \r alone.
_NAMED_DELIMITER = re.compile(r'"?sep=([^"\r\n])"?(?:\r\n|\r|\n|$)', re.IGNORECASE)
_UNDECODED, _NOT_ASCII = re.compile("[\udc80-\udcff]"), re.compile(r"[^\x00-\x7f]")
# In other code pages ” is an ö, … an Ö and € an Ä: they are signs only where they cannot be letters of a word.
_SWEDISH = re.compile(r"[åäöÅÄÖéÉ–’]|(?<![a-zA-Z])[”…]|[”…€](?![a-zA-Z])")
_BETWEEN_ASCII = re.compile(rb"[\x00-\x7f]?[\x80-\xff]+(?=([\x00-\x7f]?))")
_ENOUGH_LETTERS = 100_000
_BAD_LETTERS = "har tecken i en annan teckenkodning än filen; rätta dem eller spara filen som UTF-8"
_SAMPLE_ROWS, _SAMPLE_CHARACTERS = 500, 1_000_000
_BYTES_AT_ONCE = 1 << 20


@dataclass
class Table:
    """A file, or a block of it: headings, a list of values a row, the row's number as Excel shows it, damaged rows."""

    columns: list[str]
    rows: list[list[Any]]
    lines: list[int]
    delimiter: str = ";"
    damaged: list[tuple[int, str, str]] = field(default_factory=list)
    """Row number, reason, and the row as it stood."""
    sheet: str = ""
    """Of a workbook, where it was asked for."""


def format_of(path: Path) -> str:
    """`csv`, `excel`, `jsonl` or `parquet`, by the file's ending; InputError for another one, or for a folder."""
    if os.path.isdir(path):  # noqa: PTH112 - `Path.is_dir` does not forgive a name that is too long
        raise InputError(f"{path}: det är en mapp; ange en fil i den, eller alla, som i {path / '*.xlsx'}.")
    try:
        return ENDINGS[path.suffix.lower()]
    except KeyError:
        wanted = ", ".join(ENDINGS)
        raise InputError(f"{path}: filändelsen känns inte igen; spara filen som något av {wanted}.") from None


def read_table(path: Path, known_headings: HeadingTest) -> Table:
    """Read a whole file of any format; see `read_blocks`."""
    blocks = list(read_blocks(path, known_headings))
    table = blocks[0]
    for block in blocks[1:]:
        table.rows += block.rows
        table.lines += block.lines
        table.damaged += block.damaged
    return table


def read_blocks(path: Path, known_headings: HeadingTest, size: int = 20_000) -> Iterator[Table]:
    """Read a file of any format in blocks of at most `size` rows with the same headings; at least one block.

    CSV, JSON Lines and Parquet are never in memory as a whole; a workbook is. `known_headings` tells how many of a
    row's cells are headings that are understood: with it the delimiter of a CSV file, and the sheet and first row of
    a workbook, are found.

    Raises:
        InputError: the file is missing, empty, damaged, too large or of an unknown format; perhaps after some blocks.
    """
    reader = {"csv": _read_csv, "excel": _read_excel, "jsonl": _read_jsonl, "parquet": _read_parquet}[format_of(path)]
    with _readable(path):
        for table in reader(path, known_headings, size):
            if any(_UNDECODED.search(str(column)) for column in table.columns):
                raise InputError(f"{path}: rubrikraden {_BAD_LETTERS}.")
            table.columns = _unique(table.columns)
            yield table


def read_sheets(path: Path, known_headings: HeadingTest) -> list[Table]:
    """Every sheet of a workbook that has known headings, hidden ones too; of another file its one table if it has them.

    Raises:
        InputError: as `read_blocks`.
    """
    if format_of(path) != "excel":
        table = read_table(path, known_headings)
        return [table] if known_headings(table.columns) else []
    with _readable(path):
        found = [(name, rows, heading_row(rows, known_headings)) for name, rows in sheets_of(path).items()]
    tables = [(name, _sheet_table(rows, at)) for name, rows, at in found if at is not None]
    return [Table(_unique(table.columns), table.rows, table.lines, sheet=name) for name, table in tables]


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Refuse a file that is missing or empty; what goes wrong inside is told as an InputError."""
    try:
        if not path.is_file():
            raise InputError(f"{path}: filen finns inte; kontrollera namnet och mappen.")
        if path.stat().st_size == 0:
            raise InputError(f"{path}: filen är tom; spara om den med en rubrikrad och minst en rad under.")
        yield
    except UnicodeDecodeError:
        raise InputError(f"{path}: filens teckenkodning är skadad; spara om den som UTF-8.") from None
    except OSError as error:
        raise InputError(f"{path}: filen går inte att läsa ({error.strerror}); kontrollera namnet.") from None


def _unique(columns: Iterable[Any]) -> list[str]:
    """Headings as text; an empty one gets its position, a repeated one a number, so that none is lost."""
    taken: dict[str, None] = {}
    for position, column in enumerate(columns, 1):
        name = str("" if column is None else column).strip() or f"kolumn {position}"
        numbered = chain([name], (f"{name} ({number})" for number in count(2)))
        taken[next(unique for unique in numbered if unique not in taken)] = None
    return list(taken)


def filled(value: Any) -> Any:
    """Empty text for a missing value (null or NaN), any other value as it stands."""
    return "" if value is None or value != value else value


# --- CSV ---------------------------------------------------------------------------------------------------------


def encoding_of(path: Path) -> str:
    """How a Swedish file is encoded: by its BOM, UTF-16's zero bytes, UTF-8, else the likeliest 8-bit code page.

    UTF-8 with bytes that are not (cut off, or lines of another encoding) is still UTF-8 where most of its letters
    are whole; taken for a code page, all its å ä ö would go out garbled. Bytes that mean nothing become half
    surrogates, which `_UNDECODED` finds.
    Among Windows-1252, DOS 850 and Mac Roman the one with the largest share of Swedish letters among all
    non-ASCII characters wins (99 % of 1,554 files; general detectors reach 86 to 98 %).
    """
    with path.open("rb") as file:
        head = file.read(4000)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if head.count(0) > len(head) // 4:
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    decoder = getincrementaldecoder("utf-8")(errors="surrogateescape")
    foreign, letters, spoilt = list[bytes](), 0, 0
    with path.open("rb") as file:
        for block in chain(iter(lambda: file.read(_BYTES_AT_ONCE), b""), [b""]):
            if len(foreign) < _ENOUGH_LETTERS:
                foreign += [match[0] + match[1] for match in _BETWEEN_ASCII.finditer(block)]
            text = decoder.decode(block, final=not block)
            if not text.isascii():
                letters += len(text) - len(text.encode("ascii", "ignore"))
                spoilt += len(_UNDECODED.findall(text))
    if not spoilt or 2 * spoilt < letters:
        return "utf-8-sig"
    sample, pages = b"\n".join(foreign), ("cp1252", "cp850", "mac_roman")
    return max(pages, key=lambda page: _swedish_share(sample.decode(page, errors="surrogateescape")))


def _swedish_share(text: str) -> float:
    return len(_SWEDISH.findall(text)) / (len(_NOT_ASCII.findall(text)) or 1)


def _open_text(path: Path, newline: str) -> TextIO:
    """A text file of any encoding; a byte that means nothing in it becomes half a surrogate."""
    encoding = encoding_of(path)
    errors = "strict" if encoding.startswith("utf-16") else "surrogateescape"
    return path.open(encoding=encoding, errors=errors, newline=newline)


def _read_csv(path: Path, known_headings: HeadingTest, size: int) -> Iterator[Table]:
    with _open_text(path, newline="") as file:
        first = file.readline(_SAMPLE_CHARACTERS)
        if named := _NAMED_DELIMITER.fullmatch(first):
            yield from _csv_blocks(path, file, named[1], size)
            return
        sample = first + file.read(_SAMPLE_CHARACTERS)
        delimiter = max((";", ",", "\t", "|"), key=lambda d: _fit(sample, d, known_headings))
        file.seek(0)
        yield from _csv_blocks(path, file, delimiter, size)


def _fit(text: str, delimiter: str, known_headings: HeadingTest) -> tuple[int, int]:
    """How many known headings the delimiter brings to light, and how many of the first rows are as wide as they."""
    rows = csv.reader(io.StringIO(text[:_SAMPLE_CHARACTERS], newline=""), delimiter=delimiter)
    sample: list[list[str]] = []
    with suppress(csv.Error):
        sample.extend(row for row in islice(rows, _SAMPLE_ROWS) if any(cell.strip() for cell in row))
    width = len(sample[0]) if sample else 0
    return known_headings(sample[0] if sample else []), sum(len(row) == width for row in sample)


class _Lines:
    """The lines of a file, and those that were taken since the last row began."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self.taken.append(line)
        return line


def _csv_blocks(path: Path, file: TextIO, delimiter: str, size: int) -> Iterator[Table]:
    csv.field_size_limit(10_000_000)
    lines = _Lines(file)
    # Strict: a quotation mark out of place must not move or swallow text in silence.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    table = Table([], [], [], delimiter)
    for number in count(1):
        lines.taken.clear()
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            _note_damage(path, table, number, str(error), _raw(lines.taken))
            continue
        _add_csv_row(table, number, row, lines.taken)
        if len(table.rows) + len(table.damaged) >= size:
            yield table
            table = Table(table.columns, [], [], delimiter)
    yield table


def _raw(lines: Sequence[str]) -> str:
    """A row as it stands in the file, which may be several lines."""
    return "".join(lines).rstrip("\r\n")


def _note_damage(path: Path, table: Table, number: int, error: str, raw: str) -> None:
    if not table.columns or "unexpected end" in error:
        fault = "har ett citattecken som aldrig avslutas, filen kan vara avhuggen"
        raise InputError(f"{path}: rad {number} {fault}; exportera den på nytt eller rätta raden.") from None
    reason = "citattecken på fel plats; dubbla citattecken som hör till texten"
    table.damaged.append((number, reason, _UNDECODED.sub("\ufffd", raw)))


def _add_csv_row(table: Table, number: int, row: list[str], lines: Sequence[str]) -> None:
    if not any(cell.strip() for cell in row):
        return  # Excel saves rows that were emptied as ;;;
    if not table.columns:
        table.columns = row
    elif _UNDECODED.search(raw := _raw(lines)):
        table.damaged.append((number, _BAD_LETTERS, _UNDECODED.sub("\ufffd", raw)))
    elif len(row) == len(table.columns):
        table.rows.append(row)
        table.lines.append(number)
    else:
        remedy = "raden är avhuggen eller bruten, exportera den på nytt"
        if len(row) > len(table.columns):
            remedy = f"sätt citattecken om text med {table.delimiter!r}"
        reason = f"{len(row)} fält, rubrikraden har {len(table.columns)}; {remedy}"
        table.damaged.append((number, reason, raw))


# --- Excel -------------------------------------------------------------------------------------------------------


def _read_excel(path: Path, known_headings: HeadingTest, size: int) -> Iterator[Table]:
    sheets = sheets_of(path)
    found = {name: at for name, rows in sheets.items() if (at := heading_row(rows, known_headings)) is not None}
    if len(found) > 1:
        names = ", ".join(found)
        raise InputError(f"{path}: {len(found)} blad har klagomål ({names}); lägg varje blad i en egen fil.")
    name, at = next(iter(found.items()), (next(iter(sheets), ""), 0))
    table = _sheet_table(sheets.get(name, []), at)
    for start in range(0, max(len(table.rows), 1), size):
        block = slice(start, start + size)
        yield Table(table.columns, table.rows[block], table.lines[block])


def _sheet_table(rows: list[list[Any]], at: int) -> Table:
    header = [str(cell_value(cell)) for cell in rows[at]] if rows else []
    body = [(n, [cell_value(c) for c in row]) for n, row in enumerate(rows[at + 1 :], at + 2)]
    body = [(n, row) for n, row in body if any(cell != "" for cell in row)]
    filled = (i for row in (header, *(row for _, row in body)) for i, cell in enumerate(row, 1) if cell != "")
    used = max(filled, default=0)
    return Table(header[:used], [row[:used] for _, row in body], [n for n, _ in body])


# --- JSON Lines and Parquet --------------------------------------------------------------------------------------


def _read_jsonl(path: Path, known_headings: HeadingTest, size: int) -> Iterator[Table]:
    # Twice: which columns there are is known only at the end.
    columns = list(
        dict.fromkeys(key for _, _, record in _json_lines(path) if isinstance(record, dict) for key in record)
    )
    table = Table(columns, [], [])
    for number, line, record in _json_lines(path):
        if isinstance(record, str):
            table.damaged.append((number, record, _UNDECODED.sub("\ufffd", line)))
        else:
            table.rows.append([filled(record.get(c)) for c in columns])
            table.lines.append(number)
        if len(table.rows) + len(table.damaged) >= size:
            yield table
            table = Table(columns, [], [])
    yield table


def _json_lines(path: Path) -> Iterator[tuple[int, str, dict[str, Any] | str]]:
    """Of each line that is not blank the number, the text, and the record or the reason why it is damaged."""
    with _open_text(path, newline="\n") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.rstrip("\r\n"), _json_object(line)


class _RepeatedKeyError(Exception):
    """Of two values under one name the first would be lost without a word."""


def _json_object(line: str) -> dict[str, Any] | str:
    """The record of a line, or the reason why the line is damaged."""
    if _UNDECODED.search(line):
        return _BAD_LETTERS
    record = None
    try:
        record = json.loads(line, object_pairs_hook=_distinct)
        json.dumps(record, ensure_ascii=False).encode()  # Half an emoji (\ud83d alone) could not be written again.
    except _RepeatedKeyError:
        return "raden har samma namn två gånger; ta bort det ena"
    except (ValueError, RecursionError):
        record = None
    return record if isinstance(record, dict) else "raden är inte ett JSON-objekt"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise _RepeatedKeyError
    return record


def _read_parquet(path: Path, known_headings: HeadingTest, size: int) -> Iterator[Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            columns, done = list(file.schema_arrow.names), 0
            for batch in chain(file.iter_batches(size), [None] if not file.metadata.num_rows else []):
                values = [[parquet_value(v) for v in c.to_pylist()] for c in batch.columns] if batch else []
                rows = [list(row) for row in zip(*values, strict=True)]
                yield Table(list(columns), rows, list(range(done + 1, done + len(rows) + 1)))
                done += len(rows)
    except (pa.ArrowException, OSError, ValueError):
        raise InputError(f"{path}: filen är inte en hel Parquet-fil; skriv den på nytt.") from None


def parquet_value(value: Any) -> Any:
    """Bytes as text, for some writers mark no column as text."""
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return value.decode()
    return filled(value)
