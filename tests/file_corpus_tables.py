"""Case files as companies export them: workbooks, JSON Lines and Parquet, beside the CSV files of `file_corpus.py`."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from itertools import product
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter
from openpyxl.worksheet.worksheet import Worksheet

from tests.file_corpus import BAD_LETTERS, COMPLAINTS, UNDECODABLE, CaseFile, Row, rows

HEADINGS = ["Ärende", "Klagomål", "Märke"]
EMPTY = "texten är tom; fyll i klagomålet eller ta bort raden"
NO_TEXT = "värdet är inte text; skriv klagomålet som text"
NO_OBJECT = "raden är inte ett JSON-objekt"
ROUNDED = "ärendenumret har fler än 15 siffror"

# --- workbooks ---------------------------------------------------------------------------------------------------


def numbered(some_rows: list[Row], first: int = 2) -> list[Row]:
    return [replace(row, number=number) for number, row in enumerate(some_rows, first)]


def fill(sheet: Worksheet, some_rows: list[Row], headings: list[str] = HEADINGS) -> list[Row]:
    """Write headings at row 1, unless rows stand there already, and each row at its number."""
    first = min((row.number for row in some_rows), default=2)
    for column, heading in enumerate(headings, 1):
        sheet.cell(first - 1, column, heading)
    for row in some_rows:
        for column, value in enumerate((row.case_id, row.text, row.mark), 1):
            cell = sheet.cell(row.number, column, value or None)
            if isinstance(value, str) and value:
                cell.data_type = "s"  # no formula, no error
    return some_rows


Change = Callable[[openpyxl.Workbook, Worksheet, list[Row]], tuple[list[Row], str]]


def is_plain(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    return fill(sheet, numbered(some)), ""


def has_other_sheets(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    book.create_sheet("Läs mig", 0).append(["Så här fyller du i", "Produkt", "Datum"])
    book.create_sheet("Tomt")
    book.create_chartsheet("Bild")
    return fill(sheet, numbered(some)), ""


def has_two_sheets_of_complaints(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    fill(sheet, numbered(some))
    fill(book.create_sheet("April"), numbered(some))
    return [], "2 blad har klagomål (Sheet, April); lägg varje blad i en egen fil"


def has_a_hidden_sheet_of_complaints(
    book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]
) -> tuple[list[Row], str]:
    fill(sheet, numbered(some))
    hidden = book.create_sheet("Rådata")
    fill(hidden, numbered(some))
    hidden.sheet_state = "hidden"
    return [], "2 blad har klagomål (Sheet, Rådata som är dolt); lägg varje blad i en egen fil"


def has_titles_above(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    sheet["A1"], sheet["B3"], sheet["A4"] = "Klagomål i mars", "Uttag ur systemet", date(2020, 4, 1)
    sheet.merge_cells("A1:C2")
    return fill(sheet, numbered(some, 7)), ""


def has_headings_of_two_rows(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    """As a system groups its columns: a merged cell over each group, with the same words as the columns below."""
    fill(sheet, numbered(some, 3))
    sheet["A1"], sheet["B1"] = "Ärende", "Klagomål"
    sheet.merge_cells("B1:C1")
    return numbered(some, 3), ""


def has_headings_merged_downwards(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    for column, heading in zip("ABC", HEADINGS, strict=True):
        sheet[f"{column}2"] = heading
        sheet.merge_cells(f"{column}2:{column}4")
    for row in numbered(some, 5):
        for column, value in enumerate((row.case_id, row.text, row.mark), 1):
            sheet.cell(row.number, column, value).data_type = "s"
    return numbered(some, 5), ""


def has_hidden_and_filtered_rows(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    fill(sheet, numbered(some))
    sheet.auto_filter.ref = f"A1:C{len(some) + 1}"
    sheet.auto_filter.add_filter_column(0, [some[0].case_id])
    for number in range(3, len(some) + 2):
        sheet.row_dimensions[number].hidden = True
    sheet.row_dimensions.group(3, 4, hidden=True)
    return numbered(some), ""


def has_hidden_columns(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    sheet.column_dimensions["A"].hidden = sheet.column_dimensions["C"].hidden = True
    return fill(sheet, numbered(some)), ""


def has_dates_of_all_kinds(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    fill(sheet, numbered(some))
    sheet["D1"] = "Inkommet"
    days = [date(2020, 3, 14), datetime(2020, 3, 14, 10, 15), 43904, 43904.4375, "14 mars 2020", "43904", None]
    for number, day in zip(range(2, len(some) + 2), days, strict=False):
        sheet.cell(number, 4, day)
    return numbered(some), ""


def has_ids_of_all_kinds(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    kinds: list[Any] = [7, 123456789012345, 1.5, True, date(2020, 3, 14), time(10, 15), 0]
    shown = ["7", "123456789012345", "1.5", "True", "2020-03-14", "10:15:00", "0"]
    fill(sheet, numbered(some))
    for number, value in enumerate(kinds[: len(some)], 2):
        sheet.cell(number, 1, value)
    return numbered([replace(row, case_id=case_id) for row, case_id in zip(some, shown, strict=False)]), ""


def has_ids_that_excel_rounded(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    fill(sheet, numbered(some))
    sheet["A2"], sheet["A3"] = 12345678901234567, 1234567890123456
    changed = [replace(some[0], case_id="12345678901234570", reason=ROUNDED), *some[1:]]
    changed[1] = replace(some[1], case_id="1234567890123456", reason=ROUNDED)
    return numbered(changed), ""


def has_formulas_and_errors(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    """Formulas that were never calculated have no value, nor have errors."""
    fill(sheet, numbered(some))
    sheet["B2"], sheet["B3"] = '="Klagomål " & A2', "#N/A"
    sheet["B3"].data_type = "e"
    changed = [replace(row, text="", reason=EMPTY) for row in some[:2]]
    return numbered([*changed, *some[2:]]), ""


def has_empty_rows(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    spread = [replace(row, number=2 + 3 * at) for at, row in enumerate(some)]
    sheet.cell(3, 2, "  ")
    sheet.row_dimensions[500].height = 30
    return fill(sheet, spread), ""


def is_very_wide(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    fill(sheet, numbered(some))
    for column in range(4, 300):
        sheet.cell(1, column, column % 7 or None)
        sheet.cell(2, column, "x")
    return numbered(some), ""


def has_odd_headings(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    return fill(sheet, numbered(some), [" CASE\nID ", "Klagoma\u030alstext", "märke "]), ""


def begins_in_the_middle(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    sheet.insert_cols(1, 2)
    fill(sheet, numbered(some, 5))
    sheet.move_range(f"A4:C{len(some) + 4}", cols=3)
    return numbered(some, 5), ""


def repeats_its_headings(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    again = Row("Ärende", "Klagomål", "Märke", reason="rubrikraden står här en gång till; ta bort raden")
    return fill(sheet, numbered([*some[:2], again, *some[2:]])), ""


def has_two_columns_of_text(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    fill(sheet, numbered(some), ["id", "text", "fritext"])
    return [], "kolumnerna text och fritext betyder samma sak; ta bort den ena"


def has_no_headings(book: openpyxl.Workbook, sheet: Worksheet, some: list[Row]) -> tuple[list[Row], str]:
    fill(sheet, numbered(some), [some[0].case_id, COMPLAINTS[0], "m"])
    return [], "ingen kolumn har klagomålets text; döp den kolumnen till text eller klagomål"


WORKBOOKS: list[Change] = [
    *(is_plain, has_other_sheets, has_two_sheets_of_complaints, has_a_hidden_sheet_of_complaints, has_titles_above),
    *(has_headings_of_two_rows, has_headings_merged_downwards, has_hidden_and_filtered_rows, has_hidden_columns),
    *(has_dates_of_all_kinds, has_ids_of_all_kinds, has_ids_that_excel_rounded, has_formulas_and_errors),
    *(has_empty_rows, is_very_wide, has_odd_headings, begins_in_the_middle, repeats_its_headings),
    *(has_two_columns_of_text, has_no_headings),
]


def fits_a_cell(text: str) -> bool:
    """Whether openpyxl writes it as it stands: it escapes no control characters, and XML knows one line break."""
    return not any(ord(c) < 32 and c not in "\n\t" for c in text) and "_x00" not in text


def excel_files(times: int = 8) -> Iterator[CaseFile]:
    for change, time_ in product(WORKBOOKS, range(times)):
        name = f"{change.__name__}-{time_}.xlsx"
        book = openpyxl.Workbook()
        assert book.active
        some, refusal = change(book, book.active, rows(random.Random(name), fits_a_cell))
        content = io.BytesIO()
        book.save(content)
        yield CaseFile(name, content.getvalue(), some, refusal)
        if change is is_plain:
            cut = content.getvalue()[: -100 * (time_ + 1)]
            yield CaseFile(f"is_cut_off-{name}", cut, [], "arbetsboken går inte att läsa; öppna den i Excel och spara")
    for time_ in range(5 * times):
        yield written_otherwise(f"written-by-another-library-{time_}.xlsx")


def written_otherwise(name: str) -> CaseFile:
    """By XlsxWriter: control characters escaped, texts in several fonts, formulas with their values."""
    some = numbered(rows(random.Random(name), extra=6))
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True, "constant_memory": False}) as book:
        sheet, bold = book.add_worksheet("klagomål"), book.add_format({"bold": True})
        sheet.write_row(0, 0, HEADINGS)
        for row in some:
            for column, value in enumerate((row.case_id, row.text, row.mark)):
                sheet.write_string(row.number - 1, column, value)
        sheet.write_rich_string(1, 1, "Usel ", bold, "kundtjänst", ", och ", bold, "dyrt ")
        sheet.write_formula(2, 1, '="Dyrt " & "porto"', value="Dyrt porto")
        sheet.autofilter(0, 0, len(some), 2)
    some[0], some[1] = replace(some[0], text="Usel kundtjänst, och dyrt "), replace(some[1], text="Dyrt porto")
    return CaseFile(name, content.getvalue(), some)


# --- JSON Lines --------------------------------------------------------------------------------------------------

BAD_LINES = {
    "not_json": ("Ingen JSON här, bara ett klagomål som någon klistrade in", NO_OBJECT),
    "list": ('["id", "text"]', NO_OBJECT),
    "cut_off_line": ('{"id": "9", "text": "Jag väntade och', NO_OBJECT),
    "half_emoji": ('{"id": "9", "text": "arg \\ud83d"}', NO_OBJECT),
    "same_key_twice": ('{"id": "9", "text": "ett", "text": "två"}', "raden har samma namn två gånger"),
    "same_key_twice_inside": ('{"id": "9", "text": "ett", "x": [{"a": 1, "a": 2}]}', "raden har samma namn två gånger"),
    "control_character": ('{"id": "9", "text": "a\0b"}', NO_OBJECT),
}
ODD_RECORDS: dict[str, tuple[dict[str, Any], Row]] = {
    "nested_text": ({"id": "9", "text": {"sv": "hej"}}, Row("9", "{'sv': 'hej'}", reason=NO_TEXT)),
    "null_text": ({"id": "9", "text": None}, Row("9", "", reason=EMPTY)),
    "no_text": ({"id": "9"}, Row("9", "", reason=EMPTY)),
    "no_id": ({"text": "Utan nummer"}, Row("", "Utan nummer")),
    "number_as_id": ({"id": 98765432109876543, "text": "Heltal"}, Row("98765432109876543", "Heltal")),
    "true_as_id": ({"id": True, "text": "Sant"}, Row("True", "Sant")),
    "number_as_text": ({"id": "9", "text": 5}, Row("9", "5")),
    "more_keys": ({"id": "9", "text": "Fler", "pris": 1e3, "taggar": ["a"], "": 1}, Row("9", "Fler")),
    "emoji_in_the_key": ({"id": "9", "text": "Fler", "😡": 1}, Row("9", "Fler")),
}


def jsonl_files() -> Iterator[CaseFile]:
    encodings = {"utf-8": b"", "utf-8-bom": b"\xef\xbb\xbf", "utf-16-le": b"\xff\xfe", "cp1252": b"", "ascii": b""}
    kinds = [*BAD_LINES, *ODD_RECORDS, "plain", "cut_off_file", "mixed_encodings"]
    for (encoding, bom), newline, kind in product(encodings.items(), ("\n", "\r\n", "\n\n"), kinds):
        name = f"{kind}-{encoding}-{len(newline)}-{ord(newline[0])}.jsonl"
        codec = "utf-8" if encoding in ("utf-8-bom", "ascii") else encoding
        chance = random.Random(name)
        some = rows(chance, lambda text, codec=codec: text.encode(codec, "ignore").decode(codec) == text)
        lines = [
            json.dumps({"id": r.case_id, "text": r.text, "märke": r.mark}, ensure_ascii=encoding == "ascii")
            for r in some
        ]
        raw: dict[int, bytes] = {}
        if kind in BAD_LINES:
            line, reason = BAD_LINES[kind]
            lines[1], some[1] = line, replace(some[1], reason=reason, raw=line)
        elif kind in ODD_RECORDS:
            record, some[1] = ODD_RECORDS[kind]
            lines[1] = json.dumps(record, ensure_ascii=encoding not in ("utf-8", "utf-16-le"))
        elif kind == "cut_off_file":
            lines[-1] = lines[-1][:-5]
            some[-1] = replace(some[-1], raw=lines[-1], reason=NO_OBJECT)
        elif kind == "mixed_encodings" and encoding.startswith("utf-8"):
            raw[1] = '{"id": "9", "text": "Får inget svar på måndag"}'.encode("cp1252")
            some[1] = replace(some[1], raw=raw[1].decode("utf-8", "replace"), reason=BAD_LETTERS)
        parts = [raw.get(at, line.encode(codec)) for at, line in enumerate(lines)]
        content = bom + newline.encode(codec).join(parts)
        some = [replace(row, number=1 + at * newline.count("\n")) for at, row in enumerate(some)]
        yield CaseFile(name, content, some)
        if kind == "plain" and codec == "utf-16-le":
            yield CaseFile(f"odd-{name}", content[:-1], [], UNDECODABLE)


# --- Parquet -----------------------------------------------------------------------------------------------------

TEXT_TYPES = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "binary": pa.binary(),
    "dictionary": pa.dictionary(pa.int16(), pa.string()),
}
ID_COLUMNS: dict[str, tuple[pa.DataType, list[Any], list[str]]] = {
    "int64": (pa.int64(), [12345678901234567, 7, 0, -1, 5, 6], ["12345678901234567", "7", "0", "-1", "5", "6"]),
    "uint64": (pa.uint64(), [2**64 - 1, 7, 0, 1, 5, 6], [str(2**64 - 1), "7", "0", "1", "5", "6"]),
    "decimal": (pa.decimal128(20), [Decimal(10**17 + n) for n in range(6)], [str(10**17 + n) for n in range(6)]),
    "nulls": (pa.string(), ["a", None, "c", None, "007", "NaN"], ["a", "", "c", "", "007", "NaN"]),
    "bytes": (pa.binary(), [b"a", b"\xc3\xa5", b"c", b"00", b"007", b"NaN"], ["a", "å", "c", "00", "007", "NaN"]),
    "date": (pa.date32(), [date(2020, 3, n) for n in range(1, 7)], [f"2020-03-0{n}" for n in range(1, 7)]),
    "float": (pa.float64(), [1.0, 2.0, 3.5, None, float("nan"), 6.0], ["1.0", "2.0", "3.5", "", "", "6.0"]),
}


def parquet_files() -> Iterator[CaseFile]:
    options = [("snappy", 1_000), ("gzip", 2), ("none", 1), ("zstd", 3)]
    for text_type, id_column, (compression, group) in product(TEXT_TYPES, ID_COLUMNS, options):
        name = f"{text_type}-{id_column}-{compression}.parquet"
        some, (id_type, values, shown) = rows(random.Random(name)), ID_COLUMNS[id_column]
        texts = [row.text.encode() if text_type == "binary" else row.text for row in some]
        table = pa.table(
            {
                "id": pa.array(values, id_type),
                "text": pa.array(texts, pa.string() if text_type == "dictionary" else TEXT_TYPES[text_type]),
                "märke": [row.mark for row in some],
                "inkommet": pa.array([datetime(2020, 3, 14, 10)] * 6, pa.timestamp("ms", "Europe/Stockholm")),
                "taggar": pa.array([["a", None], [], None, [], [], []]),
            }
        )
        if text_type == "dictionary":
            table = table.set_column(1, "text", table["text"].dictionary_encode())
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression=compression, row_group_size=group)
        content = sink.getvalue().to_pybytes()
        known = [
            replace(row, case_id=case_id, number=n) for n, (row, case_id) in enumerate(zip(some, shown, strict=True), 1)
        ]
        yield CaseFile(name, content, known)
        if id_column == "int64":
            yield CaseFile(
                f"is_cut_off-{name}", content[:-60], [], "filen är inte en hel Parquet-fil; skriv den på nytt"
            )
    yield from odd_parquet_files()


def odd_parquet_files() -> Iterator[CaseFile]:
    columns = {
        "list": (pa.array([["hej"], None]), [Row("1", "['hej']", reason=NO_TEXT), Row("2", "", reason=EMPTY)]),
        "number": (pa.array([5, None]), [Row("1", "5"), Row("2", "", reason=EMPTY)]),
        "bytes": (pa.array([b"\xe5\xff", b"hej"]), [Row("1", "b'\\xe5\\xff'", reason=NO_TEXT), Row("2", "hej")]),
        "struct": (pa.array([{"a": "b"}, None]), [Row("1", "{'a': 'b'}", reason=NO_TEXT), Row("2", "", reason=EMPTY)]),
    }
    for kind, (column, some) in columns.items():
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"id": ["1", "2"], "text": column, "märke": ["", ""]}), sink)
        yield CaseFile(f"{kind}_as_text.parquet", sink.getvalue().to_pybytes(), numbered(some, 1))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), sink)
    yield CaseFile(
        "same_name_twice.parquet", sink.getvalue().to_pybytes(), [], "kolumnerna text och text (2) betyder samma"
    )
