"""The audit: drawn by known chances, a workbook that can be filled in as people do, and clear words where it cannot."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from nollclassify.auditing import Drawn, audit, read_audit
from nollclassify.settings import Settings
from nollclassify.taxonomy import Taxonomy
from tests.audits import fill, labelled, refusal, rows_of, write_answers

PERSONAL = "850709-9805"
HOSTILE = [
    "=1+1",
    '=HYPERLINK("http://x.se")',
    "http://x.se",
    "@SUM(A1)",
    "+46",
    "007",
    "12345678901234567",
    "1e5",
    "2020-03-14",
    "ärende \U0001f600",
    "a\x01b",
    "TRUE",
    "' or 1",
]


# --- the workbook ------------------------------------------------------------------------------------------------


def test_the_sheets_stand_in_order_and_the_models_answers_are_out_of_sight(drawn: Drawn) -> None:
    workbook = openpyxl.load_workbook(drawn.output)
    assert workbook.sheetnames == ["granskning", "orsaker", "ram"]
    assert [sheet.sheet_state for sheet in workbook] == ["visible", "visible", "hidden"]
    assert workbook.active.title == "granskning"
    asked = rows_of(drawn.output)
    assert list(asked[0]) == [
        *("ärende", "datum", "kanal", "produkt", "klagomål"),
        *("huvudorsak", "orsak 2", "orsak 3", "kommentar"),
    ]
    assert {row[name] for row in asked for name in ("huvudorsak", "orsak 2", "orsak 3", "kommentar")} == {None}
    # Nor does the order tell: it is not sorted by what the model said.
    stratum = {row["ärende"]: row["stratum"] for row in rows_of(drawn.output, "ram")}
    order = [stratum[row["ärende"]] for row in asked]
    assert order != sorted(order)


def test_the_frame_has_every_case_with_its_chance(drawn: Drawn) -> None:
    frame = rows_of(drawn.output, "ram")
    assert len(frame) == 60
    assert [row["ärende"] for row in frame if row["dragen"] == "ja"] == sorted(
        row["ärende"] for row in rows_of(drawn.output)
    )
    assert sum(row["sannolikhet"] for row in frame) == pytest.approx(20)
    assert {(row["månad"], row["modellversion"]) for row in frame} == {("2020-03", "20200101-abc")}


def test_the_lists_offer_the_causes_of_the_codebook(drawn: Drawn, taxonomy: Taxonomy) -> None:
    workbook = openpyxl.load_workbook(drawn.output)
    names = [row["orsak"] for row in rows_of(drawn.output, "orsaker")]
    assert names == [*(cause.name_sv for cause in taxonomy.causes), "Övrigt"]
    lists = {str(rule.sqref): rule for rule in workbook["granskning"].data_validations.dataValidation}
    assert {cells: rule.formula1 for cells, rule in lists.items()} == {
        "F2:F21": f"'orsaker'!$A$2:$A${len(names) + 1}",
        "G2:H21": f"'orsaker'!$A$2:$A${len(names)}",
    }
    assert {rule.type for rule in lists.values()} == {"list"}
    assert {rule.showErrorMessage for rule in lists.values()} == {True}


def test_personal_data_are_nowhere_in_the_workbook(tmp_path: Path) -> None:
    texts = [
        f"Hej, {PERSONAL} heter jag, ring 070-174 06 05 eller skriv till eva.ek@example.se. Sak {n}" for n in range(30)
    ]
    path = labelled(tmp_path / "a.csv", range(30), klagomål=texts)
    result = audit(path, n=20, output=tmp_path / "g.xlsx", settings=Settings())
    with zipfile.ZipFile(result.output) as archive:
        inside = b"".join(archive.read(name) for name in archive.namelist()).decode("utf-8", "replace")
    assert "&lt;personnummer&gt;" in inside
    assert not [secret for secret in (PERSONAL, "850709", "174 06 05", "eva.ek") if secret in inside]


def test_hostile_ids_and_texts_stay_text_and_are_answered(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = tmp_path / "a.jsonl"
    texts = [f"{value} sak{n} ord{n}" for n, value in enumerate(HOSTILE)]
    labelled(path, HOSTILE, klagomål=texts, produkt=HOSTILE, kanal=HOSTILE)
    result = audit(path, n=20, output=tmp_path / "g.xlsx", settings=Settings())
    for sheet in openpyxl.load_workbook(result.output):
        cells = [cell for row in sheet.iter_rows() for cell in row]
        assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]
    fill(result.output, write_answers(*[["Övrigt"]] * len(HOSTILE)))
    assert set(read_audit(result.output, taxonomy).answers) == set(HOSTILE)


def test_a_text_that_fills_a_cell_is_cut_off_and_said_so(tmp_path: Path) -> None:
    long = "ord " * 9_000
    masked = f"{PERSONAL} " * 2_730  # 32,760 characters, and longer where the numbers are masked
    texts = [long, masked[:-1], "x" * 32_767, *(f"sak{n}" for n in range(20))]
    path = labelled(tmp_path / "a.csv", range(23), klagomål=texts)
    result = audit(path, n=23, output=tmp_path / "g.xlsx", settings=Settings())
    shown = {row["ärende"]: row["klagomål"] for row in rows_of(result.output)}
    assert [len(shown[n]) for n in "012"] == [32_767] * 3
    assert [shown[n].endswith("[texten är avkortad]") for n in "012"] == [True, True, False]


# --- reading what was filled in ----------------------------------------------------------------------------------


def test_partly_filled_in_answers_are_read_with_the_causes_that_were_predicted(
    drawn: Drawn, taxonomy: Taxonomy
) -> None:
    ids = [row["ärende"] for row in rows_of(drawn.output)]
    answers = [
        ["Väntetid"],
        ["övrigt"],
        ["Kampanjkritik", "Väntetid", "wait_time"],
        [],
        ["Wait time", None, "Namnförväxling"],
    ]
    result = read_audit(fill(drawn.output, write_answers(*answers)), taxonomy)
    assert result.answers == {
        ids[0]: ("wait_time",),
        ids[1]: ("other",),
        ids[2]: ("campaign_backlash", "wait_time"),
        ids[4]: ("wait_time", "naming_confusion"),
    }
    assert (result.month, result.n_drawn, len(result.stratum)) == ("2020-03", 20, 60)
    assert result.stratum["K-00"] == "wait_time"
    assert result.stratum["K-01"] == "other"


def test_rows_may_be_sorted_and_columns_moved_or_taken_out(drawn: Drawn, taxonomy: Taxonomy) -> None:
    def shuffle(sheet: Worksheet) -> None:
        write_answers(["Väntetid", "Kampanjkritik"], ["Övrigt"])(sheet)
        rows = list(sheet.iter_rows(min_row=2, values_only=True))
        order = [7, 5, 0, 4, 6]  # Without date, channel, third cause and comment.
        table = [["Min egen kolumn", *(sheet.cell(1, at + 1).value.upper() for at in order)]]
        table += [["x", *(row[at] for at in order)] for row in sorted(rows, reverse=True)]
        sheet.delete_rows(1, sheet.max_row)
        for row in [["Granskat av Eva"], [], *table]:
            sheet.append(row)

    ids = [row["ärende"] for row in rows_of(drawn.output)]
    result = read_audit(fill(drawn.output, shuffle), taxonomy)
    assert result.answers == {ids[0]: ("wait_time", "campaign_backlash"), ids[1]: ("other",)}


def test_an_id_that_a_spreadsheet_made_a_number_is_still_the_case(tmp_path: Path, taxonomy: Taxonomy) -> None:
    ids: list[Any] = [17, "0042", "3,5", *(f"K-{n}" for n in range(20))]
    result = audit(labelled(tmp_path / "a.xlsx", ids), n=23, output=tmp_path / "g.xlsx", settings=Settings())

    def mangle(sheet: Worksheet) -> None:
        for row in range(2, sheet.max_row + 1):
            cell = sheet.cell(row, 1)
            cell.value = {"17": 17.0, "0042": 42}.get(cell.value, cell.value)
            sheet.cell(row, 6).value = "Väntetid"

    assert set(read_audit(fill(result.output, mangle), taxonomy).answers) == {"17", "0042", "3,5", *ids[3:]}


def test_an_id_without_its_zeros_is_not_taken_for_one_of_two_cases(tmp_path: Path, taxonomy: Taxonomy) -> None:
    ids = ["0042", "042", *(f"K-{n}" for n in range(20))]
    result = audit(labelled(tmp_path / "a.csv", ids), n=23, output=tmp_path / "g.xlsx", settings=Settings())

    def mangle(sheet: Worksheet) -> None:
        sheet.cell(2, 1).value = 42
        sheet.cell(2, 6).value = "Väntetid"

    assert "inget sådant ärende drogs till granskning" in refusal(fill(result.output, mangle), taxonomy)


def answer_of_another_case(sheet: Worksheet) -> None:
    sheet.append(["K-99", None, None, None, "text", "Väntetid"])


def two_answers(sheet: Worksheet) -> None:
    write_answers(["Väntetid"], ["Övrigt"])(sheet)
    sheet.cell(3, 1).value = sheet.cell(2, 1).value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (write_answers(), "ingen huvudorsak är ifylld; fyll i kolumnen huvudorsak (Övrigt där ingen passar)."),
        (
            write_answers([], ["  "]),
            "ingen huvudorsak är ifylld; fyll i kolumnen huvudorsak (Övrigt där ingen passar).",
        ),
        (
            write_answers(["Väntetid"], ["Nyckfullhet"]),
            "rad 3, kolumn huvudorsak: okänd orsak; välj ur listan i cellen.",
        ),
        (write_answers(["Väntetid; Övrigt"]), "rad 2, kolumn huvudorsak: okänd orsak; välj ur listan i cellen."),
        (
            write_answers(["Övrigt", "Väntetid"]),
            "rad 2, kolumn huvudorsak: Övrigt står bredvid en orsak; ta bort det ena.",
        ),
        (write_answers([None, "Väntetid"]), "rad 2, kolumn huvudorsak: fyll i den viktigaste orsaken."),
        (
            answer_of_another_case,
            "rad 22, kolumn ärende: inget sådant ärende drogs till granskning; rätta numret eller ta bort raden.",
        ),
        (two_answers, "rad 3, kolumn ärende: ärendet har redan ett annat svar; ta bort ett."),
        (
            lambda sheet: sheet.delete_rows(1),
            "inget blad har kolumnerna ärende, huvudorsak; ange boken som `nollclassify audit` skrev.",
        ),
        (
            lambda sheet: sheet.delete_cols(6),
            "inget blad har kolumnerna ärende, huvudorsak; ange boken som `nollclassify audit` skrev.",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    drawn: Drawn, taxonomy: Taxonomy, change: Callable[[Worksheet], None], message: str
) -> None:
    assert refusal(fill(drawn.output, change), taxonomy) == message


def test_a_case_that_stands_twice_with_one_answer_is_read(drawn: Drawn, taxonomy: Taxonomy) -> None:
    def twice(sheet: Worksheet) -> None:
        write_answers(["Väntetid"], ["wait_time"], [])(sheet)
        sheet.cell(3, 1).value = sheet.cell(4, 1).value = sheet.cell(2, 1).value

    assert len(read_audit(fill(drawn.output, twice), taxonomy).answers) == 1


def test_another_file_is_refused(tmp_path: Path, drawn: Drawn, taxonomy: Taxonomy) -> None:
    wanted = "inget blad har kolumnerna ärende, månad, stratum, dragen; ange boken som `nollclassify audit` skrev."
    assert refusal(tmp_path / "mars.csv", taxonomy) == wanted
    assert refusal(labelled(tmp_path / "mars.xlsx", range(3)), taxonomy) == wanted
    workbook = openpyxl.load_workbook(drawn.output)
    del workbook["ram"]
    workbook.save(drawn.output)
    assert refusal(drawn.output, taxonomy) == wanted
    assert refusal(tmp_path / "nej.xlsx", taxonomy) == "filen finns inte; kontrollera namnet och mappen."
    (tmp_path / "trasig.xlsx").write_bytes(b"PK\x03\x04 trasig")
    assert "arbetsboken går inte att läsa" in refusal(tmp_path / "trasig.xlsx", taxonomy)


def test_answers_that_are_known_already_are_filled_in(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = labelled(tmp_path / "a.csv", [f"K-{n:02d}" for n in range(20)])
    known = {"K-00": ["campaign_backlash", "wait_time"], "K-01": [], "K-02": ["other"], "K-99": ["wait_time"]}
    result = audit(path, n=20, output=tmp_path / "g.xlsx", settings=Settings(), answers=known)
    assert read_audit(result.output, taxonomy).answers == {
        "K-00": ("campaign_backlash", "wait_time"),
        "K-01": ("other",),
        "K-02": ("other",),
    }
