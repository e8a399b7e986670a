"""The review's workbook: what people do to it loses no answer and puts none on the wrong case."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nollclassify.errors import InputError
from nollclassify.review_books import Answers, read_book, write_book
from nollclassify.review_frames import ANSWERS, case_key
from nollclassify.sampling import sample
from nollclassify.taxonomy import Taxonomy
from tests.books import (
    IDS,
    by_office,
    cut,
    edit,
    fill,
    needs_office,
    put,
    queue,
    rearrange,
    reorder_columns,
    written_book,
)

NAMES = {
    "Väntetid": "wait_time",
    "Kampanjkritik": "campaign_backlash",
    "Övrigt": "",
    "Namnförväxling": "naming_confusion",
}
ANSWERED = {case_id: list(NAMES)[number % 4] for number, case_id in enumerate(IDS)}
IDENTITY = ("nyckel", "ärende", "klagomål")


@pytest.fixture
def book(tmp_path: Path, taxonomy: Taxonomy) -> Path:
    """Twelve difficult cases, all answered."""
    return edit(written_book(tmp_path / "ko.xlsx", taxonomy), fill(ANSWERED))


def causes_of(answers: Answers) -> dict[str, str]:
    return dict(zip(answers.rows["case_id"], answers.rows["causes"], strict=True))


WANTED = {case_id: NAMES[name] for case_id, name in ANSWERED.items()}


# --- written -----------------------------------------------------------------------------------------------------


def test_it_can_be_filled_in_and_printed(tmp_path: Path, taxonomy: Taxonomy) -> None:
    workbook = openpyxl.load_workbook(written_book(tmp_path / "ko.xlsx", taxonomy))
    assert workbook.sheetnames == ["granskning", "orsaker", "ram"]
    assert [sheet.sheet_state for sheet in workbook] == ["visible", "visible", "hidden"]
    sheet = workbook["granskning"]
    assert [cell.value for cell in sheet[1]] == [
        *("nyckel", "ärende", "datum", "kanal", "produkt", "klagomål", "varför", "förslag", "bevis"),
        *("huvudorsak", "orsak 2", "orsak 3", "kommentar", "granskat av"),
    ]
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", "A1:N13")
    text = sheet["F2"]
    assert text.alignment.wrap_text
    assert sheet.column_dimensions["F"].width > 60
    assert (sheet.page_setup.orientation, sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight) == (
        "landscape",
        1,
        0,
    )
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert (sheet.print_title_rows, sheet.print_area) == ("$1:$1", "'granskning'!$B$1:$N$13")
    offered = {str(r.sqref): r.formula1 for r in sheet.data_validations.dataValidation if r.type == "list"}
    n = len(taxonomy.causes)
    assert offered == {"J2:J13": f"'orsaker'!$A$2:$A${n + 3}", "K2:L13": f"'orsaker'!$A$2:$A${n + 1}"}
    names = [cell.value for cell in workbook["orsaker"]["A"]][1:]
    assert names == [*(cause.name_sv for cause in taxonomy.causes), "Övrigt", "Ta tillbaka beslutet"]


def test_a_long_text_has_a_high_row_and_one_that_would_be_too_high_is_small(tmp_path: Path, taxonomy: Taxonomy) -> None:
    cases = queue(3)
    cases["text"] = ["kort", "ord " * 100, "ord " * 900]
    sheet = openpyxl.load_workbook(write_book(tmp_path / "k.xlsx", cases, sample(cases, 3), taxonomy))["granskning"]
    rows = {len(str(sheet.cell(row, 6).value)): row for row in (2, 3, 4)}
    low, middle, high = (sheet.row_dimensions[rows[length]].height for length in sorted(rows))
    assert low < middle < high <= 409
    assert sheet.cell(rows[max(rows)], 6).font.size < sheet.cell(rows[min(rows)], 6).font.size


def test_the_hidden_sheet_has_every_case_with_its_chance_and_texts_of_those_drawn(
    tmp_path: Path, taxonomy: Taxonomy
) -> None:
    path = written_book(tmp_path / "ko.xlsx", taxonomy, n=40, n_drawn=10)
    rows = list(openpyxl.load_workbook(path)["ram"].iter_rows(values_only=True))
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    assert len(frame) == 40
    assert frame["sannolikhet"].sum() == pytest.approx(10)
    assert (frame["vald"] == "audit").sum() == frame["maskerad text"].fillna("").ne("").sum() == 10
    assert frame["nyckel"].nunique() == 40


def test_the_most_useful_stands_first(tmp_path: Path, taxonomy: Taxonomy) -> None:
    cases = queue(30).assign(kind="near")
    worth = pd.Series(range(30), dtype=float)
    path = write_book(tmp_path / "ko.xlsx", cases, sample(cases, 9, 0, worth), taxonomy)
    shown = [row[1] for row in openpyxl.load_workbook(path)["granskning"].iter_rows(min_row=2, values_only=True)]
    assert shown[0] == cases["case_id"][29]
    answers = read_book(edit(path, fill(lambda _: "Övrigt")), taxonomy)
    assert list(answers.rows["chosen"]) == ["useful"] * 6 + ["audit"] * 3


def test_no_cell_is_a_formula_and_personal_data_are_masked(tmp_path: Path, taxonomy: Taxonomy) -> None:
    cases = queue(12)
    cases.loc[3, "text"] = "ring 070-174 06 05, mitt nummer är 850709-9805"
    path = write_book(tmp_path / "ko.xlsx", cases, sample(cases, 12), taxonomy)
    cells = [cell for sheet in openpyxl.load_workbook(path) for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]
    said = " ".join(str(cell.value) for cell in cells)
    assert "<personnummer>" in said
    assert not [secret for secret in ("850709", "174 06 05") if secret in said]


def test_a_book_that_may_be_filled_in_is_not_replaced(book: Path, taxonomy: Taxonomy) -> None:
    before = book.read_bytes()
    with pytest.raises(InputError, match="filen finns redan och kan vara ifylld; ange --force för att ersätta den"):
        written_book(book, taxonomy)
    assert book.read_bytes() == before


@given(st.text(max_size=20), st.text(max_size=60))
def test_a_key_is_letters_that_no_spreadsheet_takes_for_anything_else(case_id: str, text: str) -> None:
    key = case_key(case_id, text)
    assert re.fullmatch(r"[bcdfghjklmnpqrst]{16}", key)
    assert key == case_key(f" {case_id} ", text.replace("\n", "\r\n").replace(" ", "\u00a0"))
    assert key != case_key(f"{case_id}1", text)
    assert key != case_key(case_id, text + "å")


# --- read back ---------------------------------------------------------------------------------------------------


def test_what_was_filled_in_is_read_with_all_that_is_known(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = written_book(tmp_path / "ko.xlsx", taxonomy)
    marks = [put("K-1", "huvudorsak", " väntetid "), put("K-1", "orsak 3", "campaign_backlash")]
    marks += [
        put("K-1", "kommentar", "två saker"),
        put("K-1", "granskat av", "Eva  Ek"),
        put("7", "huvudorsak", "Övrigt"),
    ]
    marks += [put("K-2", "huvudorsak", "TA TILLBAKA beslutet"), put("42", "granskat av", "Eva Ek")]
    answers = read_book(edit(path, *marks), taxonomy)
    assert answers.problems.empty
    assert tuple(answers.rows.columns) == ANSWERS
    rows = answers.rows.set_index("case_id")
    assert set(rows.index) == {"K-1", "7", "K-2"}
    one = rows.loc["K-1"]
    assert one["key"] == case_key("K-1", one["text"])
    assert (one["causes"], one["comment"], one["reviewer"]) == ("wait_time;campaign_backlash", "två saker", "Eva Ek")
    assert (one["received"], one["channel"], one["product"]) == ("2020-03-04", "telefon", "Kort")
    assert (one["proposed"], one["reason"], one["chosen"], one["probability"]) == ("wait_time", "skäl 3", "audit", 1.0)
    assert (one["model_version"], one["taxonomy_version"]) == ("20200101-abc", "2020.1")
    assert (rows.loc["7", "causes"], rows.loc["7", "reviewer"], rows.loc["K-2", "causes"]) == ("", "", "")
    assert rows["taken_back"].to_dict() == {"K-1": False, "7": False, "K-2": True}
    sheet = openpyxl.load_workbook(path)["granskning"]
    assert {case: str(sheet.cell(line, 2).value) for case, line in rows["line"].items()} == {c: c for c in rows.index}


EDITS: dict[str, Any] = {
    "nothing": [],
    "sorted": [rearrange(lambda rows: sorted(rows, key=lambda row: str(row[5])))],
    "doubled": [rearrange(lambda rows: [*rows, *rows[:5]])],
    "blank rows": [rearrange(lambda rows: [row for pair in rows for row in (pair, [None] * len(pair))])],
    "columns moved": [reorder_columns(3)],
    "all but the answers and the key": [cut("ärende", "klagomål", "datum", "varför", "förslag", "bevis", "kommentar")],
    "no key": [cut("nyckel")],
    "no id": [cut("ärende", "granskat av")],
    "no key and no text": [cut("nyckel", "klagomål")],
    "the frame sorted": [rearrange(lambda rows: rows[::-1], "ram")],
    "sheets moved and shown": [
        lambda book: book.move_sheet("ram", -2),
        lambda book: setattr(book["ram"], "sheet_state", "visible"),
    ],
    "more sheets": [lambda book: book.copy_worksheet(book["granskning"]), lambda book: book.create_sheet("Blad1", 0)],
    "no codebook": [lambda book: book.remove(book["orsaker"])],
    "renamed sheets": [
        lambda book: setattr(book["granskning"], "title", "Evas"),
        lambda book: setattr(book["ram"], "title", "x"),
    ],
    "filtered": [lambda book: setattr(book["granskning"].row_dimensions[4], "hidden", True)],
    "titles above": [
        lambda book: book["granskning"].insert_rows(1, 2),
        lambda book: book["granskning"].cell(1, 1, "Granskat"),
    ],
    "no frame": [lambda book: book.remove(book["ram"])],
    "no frame, sorted and cut": [
        *(cut("varför", "förslag", "bevis", "datum"), lambda book: book.remove(book["ram"])),
        *(rearrange(lambda rows: rows[::-1]), reorder_columns(5, str.title)),
    ],
    "ids made numbers": [
        fill(
            {"0042": 42, "42": 42, "7": 7.0, "12345678901234567": 12345678901234500, "1e5": 100000.0, "3,5": 3.5},
            "ärende",
        )
    ],
}


@pytest.mark.parametrize("name", EDITS)
def test_what_people_do_to_a_book_loses_and_moves_nothing(book: Path, taxonomy: Taxonomy, name: str) -> None:
    answers = read_book(edit(book, *EDITS[name]), taxonomy)
    assert answers.problems.to_dict("records") == []
    assert causes_of(answers) == WANTED


def test_deleted_rows_are_not_missed(book: Path, taxonomy: Taxonomy) -> None:
    left = causes_of(read_book(edit(book, rearrange(lambda rows: rows[3:7])), taxonomy))
    assert len(left) == 4
    assert left.items() <= WANTED.items()


@pytest.mark.parametrize("column", IDENTITY)
@pytest.mark.parametrize("framed", [True, False])
def test_a_column_that_was_sorted_alone_puts_no_answer_on_another_case(
    book: Path, taxonomy: Taxonomy, column: str, framed: bool
) -> None:
    heading = [cell.value for cell in openpyxl.load_workbook(book)["granskning"][1]].index(column)

    def alone(rows: list[list[Any]]) -> list[list[Any]]:
        cells = sorted((row[heading] for row in rows), key=str, reverse=True)
        return [[*row[:heading], cell, *row[heading + 1 :]] for row, cell in zip(rows, cells, strict=True)]

    edit(book, rearrange(alone))
    if not framed:
        edit(book, lambda opened: opened.remove(opened["ram"]))
    answers = read_book(book, taxonomy)
    assert causes_of(answers).items() <= WANTED.items()
    assert len(answers.problems) + len(answers.rows) == len(WANTED)
    assert len(answers.problems) >= 10
    wanted = (
        "raden i övrigt; sortera om hela raderna, inte en kolumn"
        if framed
        else "hör inte ihop; kopiera tillbaka hela raden"
    )
    assert answers.problems["reason"].str.contains(wanted).all()


@pytest.mark.parametrize("seed", range(8))
def test_a_random_chain_of_edits_loses_and_moves_nothing(book: Path, taxonomy: Taxonomy, seed: int) -> None:
    chance = random.Random(seed)
    n_cut = chance.randrange(5)
    kept = chance.choice(IDENTITY[:2])
    edits = [
        rearrange(lambda rows: chance.sample(rows, len(rows))),
        cut(
            *chance.sample(
                [c for c in ("nyckel", "ärende", "klagomål", "datum", "varför", "förslag", "kanal") if c != kept], n_cut
            )
        ),
        rearrange(lambda rows: [*rows, *chance.sample(rows, 3)]),
        reorder_columns(seed, chance.choice([str.upper, str.title, str.lower])),
    ]
    answers = read_book(edit(book, *edits), taxonomy)
    assert answers.problems.empty
    assert causes_of(answers) == WANTED


@needs_office
@pytest.mark.parametrize("formats", [("xlsx",), ("ods", "xlsx")])
def test_a_book_saved_by_libreoffice_reads_the_same(book: Path, taxonomy: Taxonomy, formats: Sequence[str]) -> None:
    before, after = read_book(book, taxonomy), read_book(by_office(book, *formats), taxonomy)
    assert causes_of(after) == WANTED
    pd.testing.assert_frame_equal(after.rows, before.rows)


@needs_office
def test_a_book_saved_as_csv_reads_by_its_keys(book: Path, taxonomy: Taxonomy) -> None:
    answers = read_book(by_office(book, "csv"), taxonomy)
    assert answers.problems.empty
    assert causes_of(answers) == WANTED
    assert set(answers.rows["chosen"]) == {""}
    assert answers.rows["probability"].isna().all()


# --- what is not clear -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marks", "column", "reason"),
    [
        ([put("K-1", "huvudorsak", "Nyckfullhet")], "huvudorsak", "okänd orsak; välj ur listan i cellen."),
        ([put("K-1", "huvudorsak", "")], "huvudorsak", "fyll i den viktigaste orsaken."),
        ([put("K-1", "huvudorsak", "Övrigt")], "huvudorsak", "Övrigt står bredvid en orsak; ta bort det ena."),
        (
            [put("K-1", "huvudorsak", "Ta tillbaka beslutet")],
            "huvudorsak",
            "Ta tillbaka beslutet står bredvid en orsak; ta bort det ena.",
        ),
        (
            [put("K-1", "nyckel", "bcd")],
            "nyckel",
            "inget klagomål i boken har detta i kolumnen nyckel; kopiera tillbaka cellen.",
        ),
        (
            [put("K-1", "klagomål", "en annan text")],
            "klagomål",
            "inget klagomål i boken har detta i kolumnen klagomål; kopiera tillbaka cellen.",
        ),
        (
            [put("K-1", "klagomål", "samma text")],
            "klagomål",
            "klagomål hör till ett annat klagomål än raden i övrigt; sortera om hela raderna, inte en kolumn.",
        ),
        (
            [put("K-1", "klagomål", "samma text"), put("K-1", "nyckel", ""), put("K-1", "ärende", "")],
            "klagomål",
            "flera klagomål har detta; kopiera tillbaka nyckel.",
        ),
        (
            [*(put("K-1", name, "") for name in ("nyckel", "klagomål")), put("K-1", "ärende", " ")],
            "nyckel",
            "raden har varken nyckel, ärende eller klagomål; kopiera tillbaka dem.",
        ),
    ],
)
def test_a_row_that_is_not_clear_is_a_problem_and_no_answer(
    book: Path, taxonomy: Taxonomy, marks: list[Any], column: str, reason: str
) -> None:
    answers = read_book(edit(book, put("K-1", "orsak 2", "Väntetid"), *marks), taxonomy)
    assert causes_of(answers) == {case_id: causes for case_id, causes in WANTED.items() if case_id != "K-1"}
    assert answers.problems[["column", "reason"]].to_numpy().tolist() == [[column, reason]]
    assert answers.problems["line"].item() not in set(answers.rows["line"])


def test_a_comment_alone_is_not_passed_over_in_silence(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = edit(written_book(tmp_path / "ko.xlsx", taxonomy), put("K-1", "kommentar", "oklart"))
    answers = read_book(path, taxonomy)
    assert answers.rows.empty
    assert answers.problems["reason"].item() == "kommentaren står utan huvudorsak; välj en, annars läses den inte."


def test_one_reviewer_with_two_answers_is_a_problem_and_two_reviewers_are_two_answers(
    book: Path, taxonomy: Taxonomy
) -> None:
    def twice(reviewer: str) -> Any:
        def change(rows: list[list[Any]]) -> list[list[Any]]:
            first = next(row for row in rows if row[1] == "K-1")
            return [*rows, [*first[:9], "Väntetid", None, None, "igen", reviewer]]

        return rearrange(change)

    assert ANSWERED["K-1"] != "Väntetid"
    by_two = read_book(edit(book, put("K-1", "granskat av", "Eva"), twice("Åke")), taxonomy).rows
    assert set(by_two.loc[by_two["case_id"] == "K-1", "reviewer"]) == {"Eva", "Åke"}
    answers = read_book(edit(book, twice(" eva")), taxonomy)
    assert len(answers.problems) == 2
    assert set(answers.problems["reason"].str.contains("har olika svar om samma klagomål av samma granskare")) == {True}
    assert list(answers.rows.loc[answers.rows["case_id"] == "K-1", "reviewer"]) == ["Åke"]


def test_an_id_without_its_zeros_that_may_be_of_a_case_not_asked_about_is_a_problem(
    tmp_path: Path, taxonomy: Taxonomy
) -> None:
    cases = queue(12)
    frame = sample(cases, 12)
    frame.loc[1, ["drawn", "chosen", "rank"]] = [False, "", 0]  # 42, beside 0042
    path = write_book(tmp_path / "ko.xlsx", cases, frame, taxonomy)
    marks = [put("0042", "huvudorsak", "Väntetid"), put("0042", "ärende", 42)]
    assert causes_of(read_book(edit(path, *marks), taxonomy)) == {"0042": "wait_time"}
    answers = read_book(edit(path, cut("nyckel", "klagomål")), taxonomy)
    assert answers.rows.empty
    assert answers.problems["reason"].item() == "flera klagomål har detta; kopiera tillbaka nyckel."


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ([cut("huvudorsak")], "inget blad har kolumnen huvudorsak; ange boken som `nollclassify review` skrev."),
        (
            [cut("klagomål"), lambda book: book.remove(book["ram"])],
            "det dolda bladet ram saknas, och utan det behövs kolumnerna nyckel, ärende, klagomål; "
            "ange boken som `nollclassify review` skrev, med alla dess blad.",
        ),
    ],
)
def test_what_is_no_review_book_is_one_sentence(book: Path, taxonomy: Taxonomy, marks: list[Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_book(edit(book, *marks), taxonomy)
    assert str(caught.value) == f"{book}: {message}"
