"""Writing case files: CSV, Excel, JSON Lines and Parquet, whole or not at all.

Values go out as they stand: nothing becomes a formula, a link or a number that was not one.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from nollclassify.atomic import replacing
from nollclassify.case_files import format_of
from nollclassify.errors import InputError

EXCEL_CELL_LIMIT, EXCEL_ROW_LIMIT = 32_767, 1_048_576


Append = Callable[[pd.DataFrame], None]


def write_table(frame: pd.DataFrame, path: Path, delimiter: str = ";") -> None:
    """Write a frame in the format of `path`'s ending; see `writing`."""
    with writing(path, delimiter) as append:
        append(frame)


@contextmanager
def writing(path: Path, delimiter: str = ";") -> Iterator[Append]:
    """Give what appends frames of the same columns to a new file, which takes its place when the block ends well.

    CSV is UTF-8 with a BOM. Nothing becomes a formula, a link or a number in a workbook that was not one. CSV and JSON
    Lines go out as they come; what goes to a workbook or to Parquet is held until the end.

    Raises:
        InputError: unknown ending, a folder that cannot be written to, or more than a workbook can hold.
    """
    kind = format_of(path)
    if kind == "excel" and path.suffix.lower() != ".xlsx":
        raise InputError(f"{path}: Excel skrivs bara som .xlsx; byt filändelse.")
    with replacing(path) as temporary:
        if kind in ("csv", "jsonl"):
            with temporary.open("w", encoding="utf-8-sig" if kind == "csv" else "utf-8", newline="") as file:
                yield (
                    _to_csv(file, "\t" if path.suffix.lower() == ".tsv" else delimiter)
                    if kind == "csv"
                    else _to_jsonl(file)
                )
            return
        frames: list[pd.DataFrame] = []
        yield frames.append
        frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
        if kind == "excel" and len(frame) >= EXCEL_ROW_LIMIT:
            raise InputError(f"{path}: {len(frame)} rader ryms inte i ett Excelblad; välj --output med ändelsen .csv.")
        try:
            _write_excel(frame, temporary) if kind == "excel" else _write_parquet(frame, temporary)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def _to_csv(file: TextIO, delimiter: str) -> Append:
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")

    def append(frame: pd.DataFrame) -> None:
        if not file.tell():
            writer.writerow(frame.columns)
        columns = [[_plain(v) for v in frame.iloc[:, at].tolist()] for at in range(frame.shape[1])]
        writer.writerows(zip(*columns, strict=True))

    return append


def _plain(value: Any) -> Any:
    return ("false", "true")[value] if value is True or value is False else value


def _to_jsonl(file: TextIO) -> Append:
    def append(frame: pd.DataFrame) -> None:
        for row in frame.itertuples(index=False, name=None):
            record = dict(zip(frame.columns, row, strict=True))
            file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")

    return append


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = [_arrow(frame.iloc[:, at].tolist()) for at in range(frame.shape[1])]
    pq.write_table(pa.Table.from_arrays(arrays, names=[str(c) for c in frame.columns]), path)


def _arrow(values: list[Any]) -> Any:
    """One kind of values a column: where there are several, empty text gives way, else all become text."""
    import pyarrow as pa

    kinds = {type(v) for v in values if v is not None and v != ""}
    if kinds <= {str}:
        return pa.array(values, pa.string())
    try:
        if len(kinds) > 1:
            raise pa.ArrowTypeError(str(kinds))
        return pa.array([None if v == "" else v for v in values])
    except (pa.ArrowException, OverflowError):
        return pa.array([None if v is None else str(v) for v in values], pa.string())


def _write_excel(frame: pd.DataFrame, path: Path) -> None:
    with new_workbook(path) as workbook:
        write_sheet(workbook, workbook.add_worksheet("klagomål"), frame)


@contextmanager
def new_workbook(path: Path) -> Iterator[Any]:
    """Give an XlsxWriter workbook in which no text becomes a formula, a link or a number; then write it to `path`."""
    import xlsxwriter

    # In memory: else its parts, with what customers wrote, would lie in the system's folder for temporary files.
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    content = BytesIO()
    with xlsxwriter.Workbook(content, options) as workbook:
        yield workbook
    path.write_bytes(content.getvalue())


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
