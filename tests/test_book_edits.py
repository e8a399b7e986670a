"""Whatever people do to review books: no answer is lost, none is on the wrong case, and what is unclear is told."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from nollclassify.auditing import audit
from nollclassify.errors import InputError
from nollclassify.learning import learn
from nollclassify.review_books import read_book
from nollclassify.reviewing import review
from nollclassify.settings import Settings
from nollclassify.taxonomy import Taxonomy
from tests.audits import labelled
from tests.book_chains import run
from tests.book_edits import Chain, fill_in, merged
from tests.books import IDS, Edit, edit, fill, needs_office, put, rearrange

N = 30
OFTEN = (("ods", "xlsx"),)  # each way of saving is a start of LibreOffice


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A book of thirty cases, some with difficult ids, no two of them with the same evidence."""
    place = tmp_path_factory.mktemp("bok")
    ids = [*IDS, *(f"K-2003{day:02d}-01" for day in range(1, N - len(IDS) + 1))]
    path = labelled(place / "mars.csv", ids, evidence=[f'wait_time: "ord{n}"' for n in range(N)])
    return review(path, n=N, output=place / "mars.xlsx", settings=Settings()).output


@pytest.fixture
def book(empty: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(empty, tmp_path / "mars.xlsx"))


@pytest.mark.parametrize(("n", "office"), [(18, 0.0), pytest.param(7, 1.0, marks=needs_office)])
def test_books_edited_by_chance_lose_no_answer_and_put_none_on_the_wrong_case(
    empty: Path, tmp_path: Path, taxonomy: Taxonomy, n: int, office: float
) -> None:
    n_answers = n_kept = n_told = 0
    for chain, verdict in run([empty], n, tmp_path, taxonomy, 1, office, OFTEN):
        assert (verdict.lost, verdict.wrong, verdict.again) == ([], [], 0), chain.kinds
        n_answers, n_kept, n_told = n_answers + verdict.answers, n_kept + verdict.kept, n_told + verdict.told
    assert n_answers == n_kept + n_told
    assert n_kept > n_told > 0


def problems(path: Path, taxonomy: Taxonomy) -> list[str]:
    return sorted(set(read_book(path, taxonomy).problems["reason"]))


def answered(path: Path, taxonomy: Taxonomy) -> dict[str, str]:
    rows = read_book(path, taxonomy).rows
    return dict(zip(rows["case_id"], rows["causes"], strict=True))


def away(head: bool) -> Edit:
    """The first ten rows cut out and pasted on another sheet, with the headings or without."""

    def change(opened: openpyxl.Workbook) -> None:
        rows = [list(row) for row in opened["granskning"].iter_rows(values_only=True)]
        sheet = opened.create_sheet("Klara")
        for row in [*rows[:head], *rows[1:11]]:
            sheet.append(row)
        for cell in (cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"):
            cell.data_type = "s"
        rearrange(lambda rest: rest[10:])(opened)

    return change


def test_rows_pasted_on_another_sheet_are_read_with_headings_and_told_without(book: Path, taxonomy: Taxonomy) -> None:
    whole = answered(edit(book, fill(lambda _: "Väntetid")), taxonomy)
    bare = shutil.copy(book, book.with_name("utan.xlsx"))
    assert answered(edit(book, away(head=True)), taxonomy) == whole
    assert len(answered(edit(Path(bare), away(head=False)), taxonomy)) == N - 10
    assert problems(Path(bare), taxonomy) == [
        "bladet Klara har svar men inga rubriker; kopiera dit rubrikraden från det första bladet."
    ]


def test_a_list_of_cases_on_a_sheet_of_ones_own_is_no_problem(book: Path, taxonomy: Taxonomy) -> None:
    def notes(opened: openpyxl.Workbook) -> None:
        sheet = opened.create_sheet("att ta upp")
        for row in (["Fråga Eva om"], ["K-1"], ["K-2", "kanske"], ["Väntetid är för bred"]):
            sheet.append(row)

    assert problems(edit(book, fill(lambda _: "Väntetid"), notes), taxonomy) == []


def test_a_book_pasted_below_another_one_with_its_headings_is_read_by_those(book: Path, taxonomy: Taxonomy) -> None:
    whole = answered(edit(book, fill(dict(zip(IDS, ["Väntetid", "Övrigt"] * 6, strict=True)))), taxonomy)
    headings = [cell.value for cell in openpyxl.load_workbook(book)["granskning"][1]]
    edit(book, rearrange(lambda rows: [*rows[:9], *(row[::-1] for row in [headings, *rows[9:]])]))
    assert problems(book, taxonomy) == []
    assert answered(book, taxonomy) == whole


def test_key_id_and_text_sorted_together_but_not_the_answers_are_told(book: Path, taxonomy: Taxonomy) -> None:
    def some(rows: list[list[Any]]) -> list[list[Any]]:
        blocks = sorted(([row[0], row[1], row[5]] for row in rows), key=lambda cells: cells[2], reverse=True)
        return [[*cells[:2], *row[2:5], cells[2], *row[6:]] for cells, row in zip(blocks, rows, strict=True)]

    edit(book, fill(lambda _: "Väntetid"), rearrange(some))
    answers = read_book(book, taxonomy)
    # The few that stand where they did are not to be trusted either: whose rows those are nobody knows.
    assert answers.rows.empty
    assert sorted(answers.problems["line"]) == list(range(2, N + 2))
    assert any(
        reason.endswith(
            "hör till ett annat klagomål än raden i övrigt; sortera om hela raderna, "
            "eller ta bort kolumnen om bara den har flyttats."
        )
        for reason in answers.problems["reason"]
    )


def test_evidence_pasted_over_another_rows_is_a_problem_of_that_row_alone(book: Path, taxonomy: Taxonomy) -> None:
    edit(book, fill(lambda _: "Väntetid"), put("K-1", "bevis", 'Väntetid: "ord5"'))
    assert len(problems(book, taxonomy)) == 1
    assert len(answered(book, taxonomy)) == N - 1
    # What a person writes there is nobody's evidence.
    assert problems(edit(book, put("K-1", "bevis", "står i brevet")), taxonomy) == []


def test_rows_of_two_sheets_are_told_with_the_sheet(book: Path, taxonomy: Taxonomy) -> None:
    def copied(opened: openpyxl.Workbook) -> None:
        copy = opened.copy_worksheet(opened["granskning"])
        copy.title = "Bos"
        copy.cell(2, 10).value = "Övrigt"
        copy.cell(3, 10).value = "Nyckfullhet"

    assert problems(edit(book, fill(lambda _: "Väntetid"), copied), taxonomy) == [
        "bladet Bos: okänd orsak; välj ur listan i cellen.",
        "raderna 2 (granskning) och 2 (Bos) har olika svar om samma klagomål av samma granskare; "
        "ta bort alla utom ett, eller skriv i granskat av vem som svarade vad.",
    ]


def test_a_book_without_answers_and_one_with_problems_alone_are_learned_from(
    book: Path, tmp_path: Path, taxonomy: Taxonomy
) -> None:
    settings = Settings(corrections=str(tmp_path / "c.sqlite"))
    other = Path(shutil.copy(book, tmp_path / "bo.xlsx"))
    edit(other, put("K-1", "huvudorsak", "Nyckfullhet"))
    result = learn(book, other, settings=settings)
    assert result.books[["new", "unanswered", "refused"]].to_numpy().tolist() == [[0, N, 0], [0, N - 1, 1]]


def test_two_peoples_rows_pasted_together_are_told_apart_by_their_names(
    book: Path, tmp_path: Path, taxonomy: Taxonomy
) -> None:
    chain = Chain(random.Random(5))
    other = Path(shutil.copy(book, tmp_path / "bo.xlsx"))
    both = merged(fill_in(book, chain, taxonomy), fill_in(other, chain, taxonomy, "b"))
    names = {"a": "Åsa", "b": "Bo"}
    edit(both, rearrange(lambda rows: [[*row[:13], names.get(str(row[-1])[-1]), *row[14:]] for row in rows]))
    answers = read_book(both, taxonomy)
    assert answers.problems.empty
    wanted = {(given.case_id, names[mark[-1]], given.causes) for mark, given in chain.given.items()}
    assert set(answers.rows[["case_id", "reviewer", "causes"]].itertuples(index=False, name=None)) == wanted


def test_the_book_of_an_audit_is_told_where_it_belongs(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = labelled(tmp_path / "mars.csv", [f"K-{n}" for n in range(25)])
    drawn = audit(path, n=20, output=tmp_path / "granskning.xlsx", settings=Settings()).output
    with pytest.raises(InputError) as caught:
        read_book(drawn, taxonomy)
    wanted = "boken är skriven av `nollclassify audit`; ge den till `nollclassify report --audit`."
    assert str(caught.value) == f"{drawn}: {wanted}"


def test_the_part_of_a_row_that_is_another_cases_is_named(book: Path, taxonomy: Taxonomy) -> None:
    edit(book, put("K-1", "huvudorsak", "Väntetid"), put("K-1", "ärende", "K-2"))
    assert problems(book, taxonomy) == [
        "ärende hör till ett annat klagomål än raden i övrigt; sortera om hela raderna, inte en kolumn."
    ]
