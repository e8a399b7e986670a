"""Formats of case files: what comes in as it stood, what is refused in one sentence, and what is written."""

from __future__ import annotations

import json
import tempfile
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from nollclassify.case_files import ENDINGS, Table, encoding_of, read_table
from nollclassify.case_writing import EXCEL_ROW_LIMIT, write_table
from nollclassify.cases import known_headings
from nollclassify.errors import InputError

FORMATS = (".csv", ".xlsx", ".jsonl", ".parquet")
SECRET = "Soffan från mormor brann"


def read(path: Path) -> Table:
    return read_table(path, known_headings)


def refusal(path: Path) -> str:
    """The one sentence with which a file is refused, without the file's name."""
    with pytest.raises(InputError) as caught:
        read(path)
    file, message = str(caught.value).split(": ", 1)
    assert (file, message[-1], SECRET in message) == (str(path), ".", False)
    return message


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def workbook(path: Path, **sheets: list[list[object]]) -> Path:
    with xlsxwriter.Workbook(str(path), {"strings_to_numbers": False}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
    return path


def frame(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("formats")


# --- what goes out comes back ------------------------------------------------------------------------------------

SIGNS = st.characters(exclude_categories=["Cs", "Cc", "Cn"]) | st.sampled_from("åäöÅÄÖ;,\t\r\n\"'=+-@_")
TEXTS = st.text(SIGNS, min_size=1, max_size=40)
IDS = st.from_regex(r"[0-9]{1,17}|K-[0-9]{4}", fullmatch=True)


@pytest.mark.parametrize("ending", FORMATS)
def test_ids_and_texts_come_back_unchanged_from_every_format(ending: str, folder: Path) -> None:
    path = folder / f"back{ending}"

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(IDS, TEXTS), min_size=1, max_size=5))
    def check(rows: list[tuple[str, str]]) -> None:
        write_table(pd.DataFrame(rows, columns=["ärende", "klagomål"], dtype=object), path)
        table = read(path)
        assert table.columns == ["ärende", "klagomål"]
        assert table.rows == [list(row) for row in rows]

    check()


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("text", ["NA", "null", "None", "nan", "#N/A", "0012", "12345678901234567", "1e5", "TRUE"])
def test_a_text_is_never_taken_for_a_missing_value_or_a_number(text: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    write_table(frame(id=[text], text=[text]), path)
    assert read(path).rows == [[text, text]]


@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".parquet"])
def test_a_table_without_rows_keeps_its_headings(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    write_table(frame(id=[], text=[]), path)
    assert (read(path).columns, read(path).rows) == (["id", "text"], [])


def test_columns_of_mixed_values_can_be_written_as_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(frame(text=["a", "b"], mixed=[1, "x"], huge=[10**20, 1], gaps=[3, ""], lists=[[1, "x"], ""]), path)
    assert read(path).rows == [["a", "1", str(10**20), 3, "[1, 'x']"], ["b", "x", "1", "", ""]]


# --- CSV ---------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.text("abcdefghijklmnopqrstuvwxyzåäöÅÄÖ 0123456789;,.\n", max_size=200),
    st.sampled_from("åä"),
    st.sampled_from(["cp1252", "cp850", "mac_roman", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
)
def test_swedish_text_is_decoded_from_each_encoding(text: str, letter: str, encoding: str) -> None:
    text = f"text\n{text}{letter}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(text.encode(encoding))
        assert path.read_bytes().decode(encoding_of(path)) == text


ODD_LETTERS = "har tecken i en annan teckenkodning än filen; rätta dem eller spara filen som UTF-8"


@pytest.mark.parametrize(("ending", "row"), [(".csv", "{};{}"), (".jsonl", '{{"id": "{}", "text": "{}"}}')])
@pytest.mark.parametrize("spoilt", ["för".encode("cp1252"), "å".encode()[:1], b"\xf0\x9f\x98"])
def test_letters_of_another_encoding_damage_their_own_rows_alone(
    ending: str, row: str, spoilt: bytes, tmp_path: Path
) -> None:
    lines = [row.format(n, text).encode() for n, text in enumerate(["text", "på väg", "SPOILT", "Ät 😡 gröt"])]
    lines[0] = b"id;text" if ending == ".csv" else b""
    lines[2] = lines[2].replace(b"SPOILT", spoilt)
    table = read(written(tmp_path / f"a{ending}", b"\n".join(lines)))
    assert [list(map(str, cells)) for cells in table.rows] == [["1", "på väg"], ["3", "Ät 😡 gröt"]]
    [(number, reason, raw)] = table.damaged
    assert (number, reason) == (3, ODD_LETTERS)
    assert raw.replace("\ufffd", "") == row.format(2, spoilt.decode(errors="ignore"))


def test_a_byte_that_no_letter_has_damages_its_row_instead_of_being_replaced(tmp_path: Path) -> None:
    table = read(written(tmp_path / "a.csv", "id;text\n1;på väg\n2;här ".encode("cp1252") + b"\x81\n"))
    assert (table.rows, table.damaged) == ([["1", "på väg"]], [(3, ODD_LETTERS, "2;här \ufffd")])


def test_headings_in_another_encoding_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "id;text;nöjdhet\n".encode("cp1252") + "1;Får vänta på svar;på gång\n".encode())
    assert refusal(path) == f"rubrikraden {ODD_LETTERS}."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *(("inte för priset", "cp850"), ("knappen den KÖPTE", "mac_roman")),
        *(("dyrt: 199 € …", "cp1252"), ("”Hej” sade ni…", "cp1252"), ("Är arg", "mac_roman")),
    ],
)
def test_a_single_letter_tells_the_code_page_by_where_it_stands(text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    assert text.encode(encoding).decode(encoding_of(tmp_path / "a.csv")) == text


def test_csv_is_written_as_utf8_with_a_bom_and_the_delimiter_of_the_input(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_table(frame(text=["hej, då", "å;ä"], amount=[1249.123456, 1e-4], known=[True, False]), path, ",")
    expected = 'text,amount,known\r\n"hej, då",1249.123456,true\r\nå;ä,0.0001,false\r\n'
    assert path.read_bytes() == b"\xef\xbb\xbf" + expected.encode()
    write_table(frame(id=["1"], text=["a"]), tmp_path / "a.tsv", ";")
    assert (tmp_path / "a.tsv").read_bytes().decode("utf-8-sig") == "id\ttext\r\n1\ta\r\n"


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_the_delimiter_is_found_though_the_texts_are_full_of_others(delimiter: str, tmp_path: Path) -> None:
    lines = [["id", "text", "datum"], ["1", '"hej; ni, där\toch ""ni"""', "2020-03-14"]]
    table = read(written(tmp_path / "a.csv", "\n".join(map(delimiter.join, lines))))
    assert table.delimiter == delimiter
    assert table.rows == [["1", 'hej; ni, där\toch "ni"', "2020-03-14"]]


@pytest.mark.parametrize(("first", "delimiter"), [("sep=;", ";"), ('"sep=,"', ","), ("sep=\t", "\t"), ("SEP=|", "|")])
@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r"])
def test_the_first_line_of_excel_names_the_delimiter(first: str, delimiter: str, newline: str, tmp_path: Path) -> None:
    content = "\ufeff" + "".join(line + newline for line in (first, f"id{delimiter}text", f"1{delimiter}hej"))
    table = read(written(tmp_path / "a.csv", content))
    assert (table.columns, table.rows, table.lines) == (["id", "text"], [["1", "hej"]], [2])


def test_rows_that_excel_emptied_are_no_rows_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    table = read(written(tmp_path / "a.csv", "\nid,text\n,\n1,hej\n\n,,\n2,då\n"))
    assert (table.rows, table.lines, table.damaged) == ([["1", "hej"], ["2", "då"]], [4, 7], [])


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_an_emptied_row_above_the_headings_does_not_hide_the_delimiter(delimiter: str, tmp_path: Path) -> None:
    table = read(written(tmp_path / "a.csv", f"{delimiter}\nid{delimiter}text\n1{delimiter}hej\n"))
    assert (table.columns, table.rows, table.lines) == (["id", "text"], [["1", "hej"]], [3])


def test_a_row_with_an_unquoted_delimiter_is_damaged_and_shifts_no_column(tmp_path: Path) -> None:
    row = f'1;"{SECRET}"; "" igen;2020-03-14  '
    table = read(written(tmp_path / "a.csv", f"id;text;datum\n{row}\n2;ok;2020-03-14\n"))
    assert table.rows == [["2", "ok", "2020-03-14"]]
    reason = "4 fält, rubrikraden har 3; sätt citattecken om text med ';'"
    assert table.damaged == [(2, reason, row)]


def test_a_row_that_was_cut_off_is_told_from_one_that_has_too_much(tmp_path: Path) -> None:
    table = read(written(tmp_path / "a.csv", f'id;text;datum\n1;ok;2020-03-14\n2;"{SECRET}"'))
    assert [row[0] for row in table.rows] == ["1"]
    reason = "2 fält, rubrikraden har 3; raden är avhuggen eller bruten, exportera den på nytt"
    assert table.damaged == [(3, reason, f'2;"{SECRET}"')]


def test_a_misplaced_quotation_mark_damages_its_own_row_alone(tmp_path: Path) -> None:
    table = read(written(tmp_path / "a.csv", 'id;text\n1;sid\u2028brytning\x0b\n2;"Hej "kära" ni"  \n3;ok\n'))
    assert table.rows == [["1", "sid\u2028brytning\x0b"], ["3", "ok"]]
    reason = "citattecken på fel plats; dubbla citattecken som hör till texten"
    assert table.damaged == [(3, reason, '2;"Hej "kära" ni"  ')]


def test_an_unclosed_quotation_mark_is_taken_for_a_file_cut_off(tmp_path: Path) -> None:
    message = refusal(written(tmp_path / "a.csv", f'id;text\n1;hej\n2;"{SECRET}'))
    fault, remedy = "rad 3 har ett citattecken som aldrig avslutas", "exportera den på nytt eller rätta raden."
    assert message == f"{fault}, filen kan vara avhuggen; {remedy}"


def test_repeated_and_empty_headings_are_told_apart(tmp_path: Path) -> None:
    table = read(written(tmp_path / "a.csv", "text;;a;a;a (2)\n1;2;3;4;5\n"))
    assert table.columns == ["text", "kolumn 2", "a", "a (2)", "a (2) (2)"]


# --- workbooks ---------------------------------------------------------------------------------------------------


def test_a_cell_that_begins_with_an_equals_sign_or_looks_like_a_link_is_written_as_text(tmp_path: Path) -> None:
    texts: list[object] = ["=1+1", "=HYPERLINK(1)", "+46", "-1", "@x", "https://example.com", "007", "1" * 17]
    write_table(frame(text=texts, n=[1, 2.5, True, date(2020, 3, 14), "", None, 10**16, 0]), tmp_path / "a.xlsx")
    rows = list(openpyxl.load_workbook(tmp_path / "a.xlsx").active.iter_rows(min_row=2))
    assert [(row[0].value, row[0].data_type, row[0].hyperlink) for row in rows] == [(t, "s", None) for t in texts]
    assert [row[1].data_type for row in rows] == ["n", "n", "b", "d", "s", "n", "s", "n"]
    assert rows[5][1].value is None


def test_dates_that_excel_does_not_know_are_written_as_text(tmp_path: Path) -> None:
    days: list[object] = [date(1899, 12, 31), pd.Timestamp("2020-03-14T10:00Z")]
    write_table(frame(text=["a", "b"], day=days), tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx").rows == [["a", "1899-12-31"], ["b", "2020-03-14 10:00:00+00:00"]]


def test_titles_above_the_headings_and_other_sheets_are_passed_over(tmp_path: Path) -> None:
    headings: list[object] = ["Ärende", "Klagomål", "Belopp"]
    rows: list[list[object]] = [["Klagomål mars"], [], headings, ["0012", "hej", 1249], [], ["2", "då", 1.5]]
    table = read(workbook(tmp_path / "a.xlsx", Info=[["Läs mig"]], Mars=rows))
    assert table.columns == headings
    assert (table.rows, table.lines) == ([["0012", "hej", 1249], ["2", "då", 1.5]], [4, 6])


def test_of_two_rows_of_headings_the_lower_one_names_the_columns(tmp_path: Path) -> None:
    rows: list[list[object]] = [["Ärende", "Klagomål", "", ""], ["Id", "Text", "Betyg", 2020], ["1", "hej", "5", 3]]
    table = read(workbook(tmp_path / "a.xlsx", A=rows))
    assert (table.columns, table.rows) == (["Id", "Text", "Betyg", "2020"], [["1", "hej", "5", 3]])


def test_a_complaint_that_says_no_more_than_its_heading_is_no_second_heading(tmp_path: Path) -> None:
    table = read(workbook(tmp_path / "a.xlsx", A=[["Text"], ["text"], ["hej"]]))
    assert table.rows == [["text"], ["hej"]]


def test_midnight_is_read_as_a_date_and_a_time_of_day_is_kept(tmp_path: Path) -> None:
    later = datetime(2020, 3, 14, 10, 15)
    write_table(frame(text=["a", "b"], datum=[datetime(2020, 3, 14), later]), tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx").rows == [["a", date(2020, 3, 14)], ["b", later]]


def test_a_workbook_with_two_sheets_of_complaints_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", A=[["text"], [SECRET]], B=[["text"], [SECRET]])
    assert refusal(path) == "2 blad har klagomål (A, B); lägg varje blad i en egen fil."
    book = openpyxl.load_workbook(path)
    book["B"].sheet_state = "veryHidden"
    book.save(path)
    assert refusal(path) == "2 blad har klagomål (A, B som är dolt); lägg varje blad i en egen fil."


def test_hidden_and_filtered_rows_and_columns_are_read_as_all_others(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", A=[["id", "text"], ["1", "a"], ["2", "b"], ["3", "c"]])
    book = openpyxl.load_workbook(path)
    book["A"].auto_filter.ref = "A1:B4"
    book["A"].row_dimensions[3].hidden = book["A"].column_dimensions["A"].hidden = True
    book.save(path)
    assert read(path).rows == [["1", "a"], ["2", "b"], ["3", "c"]]


def test_a_workbook_that_is_none_is_refused(tmp_path: Path) -> None:
    good = workbook(tmp_path / "good.xlsx", A=[["text"], [SECRET]]).read_bytes()
    at = good.rindex(b"PK\x01\x02")
    half, spoilt, newer = good[: len(good) // 2], good.replace(b"PK\x01\x02", b"XXXX"), bytearray(good)
    newer[at + 6 : at + 8] = b"\xff\xff"
    for bad in (f"id;text\n1;{SECRET}".encode(), b"<html><table><tr><td>text", half, spoilt, bytes(newer)):
        message = refusal(written(tmp_path / "bad.xlsx", bad))
        assert message == "arbetsboken går inte att läsa; öppna den i Excel och spara om den."


TOO_LARGE = "arbetsboken packas upp till för mycket data; dela den eller spara som CSV."


def test_a_workbook_that_unpacks_to_hundreds_of_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = workbook(tmp_path / "a.xlsx", A=[["text"], ["hej"]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(41):
            archive.writestr(f"xl/media/{number}.bin", bytes(10_000_000))
    assert path.stat().st_size < 4_000_000
    assert refusal(path) == TOO_LARGE


def test_a_stray_cell_in_the_far_corner_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        book.add_worksheet().write_string(EXCEL_ROW_LIMIT - 1, 16_383, "x")
    assert refusal(path) == (
        "ett blad har en ifylld cell långt utanför tabellen, rad 1048576 eller kolumn 16384 är den yttersta; "
        "ta bort den eller spara som CSV."
    )


def test_a_text_too_long_for_a_cell_leaves_the_old_file_and_no_stray_one(tmp_path: Path) -> None:
    path = written(tmp_path / "a.xlsx", b"old")
    with pytest.raises(InputError) as caught:
        write_table(frame(text=["kort", SECRET * 2_000]), path)
    reason = "rad 3: texten är längre än de 32767 tecken som ryms i en Excelcell; välj --output med ändelsen .csv."
    assert str(caught.value) == f"{path}: {reason}"
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.xlsx", b"old")]


def test_more_rows_than_a_sheet_holds_are_refused_instead_of_dropped(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"1048576 rader ryms inte i ett Excelblad; välj .+ \.csv\.$"):
        write_table(pd.DataFrame({"text": ["a"] * EXCEL_ROW_LIMIT}), tmp_path / "a.xlsx")


# --- JSON Lines and Parquet --------------------------------------------------------------------------------------


def test_a_line_that_is_no_json_object_is_damaged_and_the_others_are_read(tmp_path: Path) -> None:
    good = json.dumps({"text": "hej", "id": 12345678901234567, "n": None, "x": float("nan")})
    bad = [f'["{SECRET}"]', '{"text": ', "[" * 100_000, '{"text": "\\ud83d"}', '{"n": ' + "1" * 5_000 + "}"]
    table = read(written(tmp_path / "a.jsonl", "\n".join([good, "", *bad])))
    assert (table.rows, table.lines) == ([["hej", 12345678901234567, "", ""]], [1])
    reason = "raden är inte ett JSON-objekt"
    assert table.damaged == [(number, reason, line) for number, line in enumerate(bad, 3)]


def test_a_line_that_says_two_things_under_one_name_is_damaged(tmp_path: Path) -> None:
    bad = ['{"text": "ett", "text": "två"}', '{"text": "a", "x": [{"y": 1, "y": 1}]}']
    table = read(written(tmp_path / "a.jsonl", "\r\n".join(['{"text": "hej"}', *bad, ""])))
    assert table.rows == [["hej"]]
    reason = "raden har samma namn två gånger; ta bort det ena"
    assert table.damaged == [(number, reason, line) for number, line in enumerate(bad, 2)]


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_utf16_cut_in_the_middle_of_a_character_is_refused(ending: str, tmp_path: Path) -> None:
    path = written(tmp_path / f"a{ending}", "text\nhej".encode("utf-16") + b"\0")
    assert refusal(path) == "filens teckenkodning är skadad; spara om den som UTF-8."


def test_a_truncated_or_wrongly_encoded_parquet_file_is_refused(tmp_path: Path) -> None:
    write_table(frame(text=[SECRET]), tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    foreign = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xe5\xe4"))
    pq.write_table(pa.table({"text": foreign}), tmp_path / "b.parquet")
    for path in (written(tmp_path / "a.parquet", whole[: len(whole) // 2]), tmp_path / "b.parquet"):
        assert refusal(path) == "filen är inte en hel Parquet-fil; skriv den på nytt."


def test_parquet_of_writers_that_mark_no_text_or_repeat_a_name_is_read(tmp_path: Path) -> None:
    columns = [pa.array(["på väg".encode(), b"\xe5"]), pa.array([7.5, None]), pa.array([0.5, 2.0])]
    pq.write_table(pa.table(columns, names=["text", "id", "id"]), tmp_path / "a.parquet")
    table = read(tmp_path / "a.parquet")
    assert (table.columns, table.rows) == (["text", "id", "id (2)"], [["på väg", 7.5, 0.5], [b"\xe5", "", 2.0]])


# --- files -------------------------------------------------------------------------------------------------------


def test_a_missing_an_empty_an_unknown_and_an_unreadable_file_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a.csv") == "filen finns inte; kontrollera namnet och mappen."
    empty = refusal(written(tmp_path / "b.csv", ""))
    assert empty == "filen är tom; spara om den med en rubrikrad och minst en rad under."
    unknown = refusal(tmp_path / "a.pdf")
    assert unknown == f"filändelsen känns inte igen; spara filen som något av {', '.join(ENDINGS)}."
    assert refusal(tmp_path / ("x" * 300 + ".csv")).startswith("filen går inte att läsa (")


def test_an_ending_or_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Excel skrivs bara som \.xlsx; byt filändelse\.$"):
        write_table(frame(text=["a"]), tmp_path / "a.xls")
    written(tmp_path / "file", "x")
    with pytest.raises(InputError, match=r"filen går inte att skriva \(.+\); välj en annan mapp\.$"):
        write_table(frame(text=["a"]), tmp_path / "file" / "a.csv")
