"""Learning from filled-in books: everything clear is taken in once, the rest is told, and nobody's words are shown."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from nollclassify import cli
from nollclassify.corrections import Corrections
from nollclassify.errors import InputError
from nollclassify.learning import Learned, learn
from nollclassify.reviewing import review
from nollclassify.settings import Settings
from tests.audits import labelled
from tests.books import cut, edit

N = 8
TAKE_BACK = "Ta tillbaka beslutet"
Answer = Sequence[str | None]  # primary cause, then reviewer and comment


@pytest.fixture(scope="module")
def empty_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bok")
    path = labelled(place / "mars.csv", [f"K-{n}" for n in range(N)])
    return review(path, n=N, output=place / "mars.xlsx", settings=Settings()).output


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fill(empty_book: Path, here: Path):
    """A book, filled in: case id -> primary cause, reviewer and comment."""

    def filled(name: str, answers: dict[str, Answer]) -> Path:
        path = here / name
        path.parent.mkdir(exist_ok=True)
        shutil.copy(empty_book, path)
        workbook = openpyxl.load_workbook(path)
        sheet = workbook["granskning"]
        at = {cell.value: cell.column for cell in sheet[1]}
        for row in range(2, sheet.max_row + 1):
            given = [*answers.get(sheet.cell(row, at["ärende"]).value, ()), None, None, None]
            for heading, value in zip(("huvudorsak", "granskat av", "kommentar"), given[:3], strict=True):
                sheet.cell(row, at[heading]).value = value
        workbook.save(path)
        return path

    return filled


def counts(result: Learned) -> list[dict[str, int]]:
    """What became of each book, without what is 0 and how many answers have no name."""
    rows = result.books.drop(columns=["book", "nameless"]).to_dict("records")
    return [{name: n for name, n in row.items() if n} for row in rows]


def line_of(book: Path, case_id: str) -> int:
    rows = openpyxl.load_workbook(book)["granskning"].iter_rows(values_only=True)
    return next(number for number, row in enumerate(rows, 1) if case_id in row)


def current() -> set[tuple[str, str, str]]:
    rows = Corrections("corrections.sqlite").current()
    return set(rows[["case_id", "reviewer", "causes"]].itertuples(index=False, name=None))


# --- what is taken in --------------------------------------------------------------------------------------------


def test_answers_are_taken_in_once_with_all_that_the_book_knows(fill, here: Path) -> None:
    book = fill("mars.xlsx", {"K-0": ["Väntetid", "Åsa"], "K-1": ["Övrigt"], "K-2": ["Kampanjkritik", "Åsa"]})
    first = learn(book)
    assert counts(first) == [{"new": 3, "unanswered": N - 3}]
    assert first.n_settled == 3
    assert current() == {("K-0", "Åsa", "wait_time"), ("K-1", "mars", ""), ("K-2", "Åsa", "campaign_backlash")}
    history = Corrections("corrections.sqlite").history()
    row = history[history["case_id"] == "K-2"].iloc[0]
    assert (row["old_causes"], row["file"]) == ("campaign_backlash;wait_time", "mars.xlsx")
    assert (row["text"], row["received"], row["product"], row["model_version"]) == (
        "sak2 ord2 rad2", "2020-03-03", "Appen", "20200101-abc",
    )  # fmt: skip
    assert 0 < row["probability"] <= 1
    assert counts(learn(book)) == [{"unchanged": 3, "unanswered": N - 3}]
    pd.testing.assert_frame_equal(Corrections("corrections.sqlite").history(), history)


def test_a_changed_answer_and_one_taken_back_are_told_apart(fill) -> None:
    learn(fill("mars.xlsx", {"K-0": ["Väntetid"], "K-1": ["Övrigt"], "K-2": ["Övrigt"]}))
    book = fill("mars.xlsx", {"K-0": ["Övrigt"], "K-1": [TAKE_BACK], "K-2": ["Övrigt"]})
    assert counts(learn(book)) == [{"changed": 1, "unchanged": 1, "taken_back": 1, "unanswered": N - 3, "unnamed": 1}]
    assert current() == {("K-0", "mars", ""), ("K-2", "mars", "")}


def test_a_reviewer_is_the_cell_else_the_option_else_the_books_name(fill) -> None:
    answers = {"K-0": ["Väntetid", "Åsa"], "K-1": ["Väntetid"]}
    learn(fill("a.xlsx", answers), reviewer=" Bo  Ek ")
    learn(fill("b.xlsx", answers))
    assert {(case, who) for case, who, _ in current()} == {("K-0", "Åsa"), ("K-1", "Bo Ek"), ("K-1", "b")}


def test_a_name_that_is_filled_in_later_replaces_the_nameless_answer_of_the_same_book(fill) -> None:
    learn(fill("mars.xlsx", {"K-0": ["Väntetid"], "K-1": ["Övrigt"], "K-2": ["Övrigt"]}))
    book = fill("mars.xlsx", {"K-0": ["Övrigt", "Anna"], "K-1": ["Övrigt", "Anna"], "K-2": ["Övrigt"]})
    result = learn(book)
    assert counts(result) == [{"new": 2, "unchanged": 1, "unanswered": N - 3, "replaced": 2}]
    assert result.books["nameless"].tolist() == [1]
    assert result.conflicts.empty
    assert current() == {("K-0", "Anna", ""), ("K-1", "Anna", ""), ("K-2", "mars", "")}
    history = Corrections("corrections.sqlite").history()
    assert history[history["taken_back"]][["case_id", "reviewer", "file"]].to_numpy().tolist() == [
        ["K-0", "mars", "mars.xlsx"],
        ["K-1", "mars", "mars.xlsx"],
    ]
    assert counts(learn(book)) == [{"unchanged": 3, "unanswered": N - 3}]
    pd.testing.assert_frame_equal(Corrections("corrections.sqlite").history(), history)


def test_a_name_given_on_the_command_line_replaces_only_the_same_answer(fill) -> None:
    learn(fill("mars.xlsx", {"K-0": ["Väntetid"], "K-1": ["Övrigt"]}))
    # The other answer may be that of a second person, who filled in a book of the same name.
    result = learn(fill("mars.xlsx", {"K-0": ["Övrigt"], "K-1": ["Övrigt"]}), reviewer="Anna")
    assert counts(result) == [{"new": 2, "unanswered": N - 2, "replaced": 1}]
    assert current() == {("K-0", "mars", "wait_time"), ("K-0", "Anna", ""), ("K-1", "Anna", "")}


def test_a_nameless_answer_stays_where_it_still_stands_or_came_from_another_book(fill) -> None:
    def second_row(named: str) -> Path:
        """The book with a second, named row of the same case, as when two people share it."""
        path = fill("mars.xlsx", {"K-0": ["Väntetid"]})
        workbook = openpyxl.load_workbook(path)
        sheet = workbook["granskning"]
        headings = [cell.value for cell in sheet[1]]
        row = next(list(r) for r in sheet.iter_rows(2, values_only=True) if r[headings.index("ärende")] == "K-0")
        row[headings.index("granskat av")] = named
        sheet.append(row)
        workbook.save(path)
        return path

    learn(fill("mars.xlsx", {"K-0": ["Väntetid"]}))
    assert counts(learn(second_row("Anna")))[0] == {"new": 1, "unchanged": 1, "unanswered": N - 1}
    learn(fill("april.xlsx", {"K-0": ["Väntetid", "Bo"]}))
    assert {who for _, who, _ in current()} == {"mars", "Anna", "Bo"}


def test_two_peoples_copies_are_told_apart_and_where_they_disagree_nothing_is_settled(fill) -> None:
    result = learn(
        fill("mars-anna.xlsx", {"K-0": ["Väntetid"], "K-1": ["Väntetid"]}),
        fill("mars-bo.xlsx", {"K-0": ["Övrigt"], "K-1": ["Väntetid"]}),
    )
    assert counts(result) == [{"new": 2, "unanswered": N - 2}] * 2
    assert result.conflicts[["case_id", "reviewer", "file"]].to_numpy().tolist() == [
        ["K-0", "mars-anna", "mars-anna.xlsx"],
        ["K-0", "mars-bo", "mars-bo.xlsx"],
    ]
    assert Corrections("corrections.sqlite").settled()["case_id"].tolist() == ["K-1"]


def test_all_books_of_the_year_can_be_read_every_month(fill) -> None:
    fill("januari.xlsx", {"K-0": ["Väntetid", "Åsa"]})
    learn("januari.xlsx")
    fill("mars.xlsx", {"K-0": ["Övrigt", "Åsa"]})
    for changed in (1, 0):
        result = learn("januari.xlsx", "mars.xlsx")
        assert result.books["changed"].sum() == changed
        assert result.problems.empty
        assert current() == {("K-0", "Åsa", "")}


def test_personal_data_in_a_comment_are_masked(fill, here: Path) -> None:
    learn(fill("mars.xlsx", {"K-0": ["Väntetid", None, "ring 070-174 06 05, 850709-9805"]}))
    assert Corrections("corrections.sqlite").history()["comment"].tolist() == ["ring <telefon>, <personnummer>"]
    content = (here / "corrections.sqlite").read_bytes()
    assert not [secret for secret in (b"174 06 05", b"850709") if secret in content]


# --- what is not taken in ----------------------------------------------------------------------------------------


def test_problems_of_all_books_are_told_at_once_and_the_rest_is_taken_in(fill, here: Path) -> None:
    one = fill("a.xlsx", {"K-0": ["Nyckfullhet"], "K-1": ["Övrigt"]})
    two = fill("b.xlsx", {"K-0": [TAKE_BACK], "K-1": ["Övrigt", "a"], "K-2": ["Väntetid"]})
    result = learn(one, two, "borta.xlsx")
    assert result.problems[["book", "column", "reason"]].to_numpy().tolist() == [
        ["borta.xlsx", "", "filen finns inte; kontrollera namnet och mappen."],
        [str(one), "huvudorsak", "okänd orsak; välj ur listan i cellen."],
        [str(two), "huvudorsak", "b har inget beslut om klagomålet att ta tillbaka; "
         "skriv i granskat av vem som fattade det."],
    ]  # fmt: skip
    assert counts(result)[0] == {"new": 1, "refused": 1, "unanswered": N - 2}
    assert current() == {("K-1", "a", ""), ("K-2", "b", "wait_time")}
    assert result.problem_files == (here / "a.problem.csv", here / "b.problem.csv")
    written = (here / "a.problem.csv").read_text(encoding="utf-8-sig").splitlines()
    assert written[0] == "rad;kolumn;att rätta"
    assert written[1].split(";")[0] == str(result.problems["line"].iloc[1])
    # Mended and read again, the list goes away.
    assert learn(fill("a.xlsx", {"K-0": ["Väntetid"], "K-1": ["Övrigt"]})).problem_files == ()
    assert not (here / "a.problem.csv").exists()


def test_two_books_that_answer_differently_under_one_name_are_shown_and_neither_is_taken_in(fill) -> None:
    one = fill("anna/mars.xlsx", {"K-0": ["Väntetid"], "K-1": ["Väntetid"]})
    two = fill("bo/mars.xlsx", {"K-0": ["Övrigt"], "K-1": ["Väntetid"]})
    for new in (1, 0):
        result = learn(one, two)
        assert result.books["new"].sum() == new
        assert result.problems["book"].tolist() == [str(one), str(two)]
        assert set(result.problems["reason"]) == {
            "mars har olika svar om samma klagomål i det som läses in; rätta så att ett svar är kvar, "
            "eller skriv i granskat av vem som svarade vad."
        }
    assert current() == {("K-1", "mars", "wait_time")}


def test_without_any_book_that_can_be_read_it_is_an_error(here: Path) -> None:
    with pytest.raises(InputError, match=r"^ingen bok är angiven"):
        learn()
    with pytest.raises(InputError, match=r"^borta\.xlsx: filen finns inte"):
        learn("borta.xlsx")
    assert not (here / "corrections.sqlite").exists()


# --- taking back without a book ----------------------------------------------------------------------------------


def test_a_decision_is_taken_back_without_a_book_and_stays_so(fill) -> None:
    book = fill("mars.xlsx", {"K-0": ["Väntetid"], "K-1": ["Väntetid"]})
    learn(book)
    assert learn(take_back=["K-0"]).by_hand == 1
    assert counts(learn(book)) == [{"unchanged": 2, "unanswered": N - 2, "overtaken": (line_of(book, "K-0"),)}]
    assert current() == {("K-1", "mars", "wait_time")}
    with pytest.raises(InputError, match=r"^ärende K-0: inget beslut gäller; kontrollera numret och namnet\.$"):
        learn(take_back=["K-1", "K-0"])
    assert len(current()) == 1


def test_of_two_reviewers_the_one_whose_decision_is_taken_back_is_named(fill) -> None:
    learn(fill("anna.xlsx", {"K-0": ["Väntetid"]}), fill("bo.xlsx", {"K-0": ["Övrigt"]}))
    with pytest.raises(InputError, match=r"^ärende K-0: beslut av anna, bo gäller; välj ett med --reviewer\.$"):
        learn(take_back=["K-0"])
    with pytest.raises(InputError, match=r"^ärende K-0: inget beslut av Cia gäller"):
        learn(take_back=["K-0"], reviewer="Cia")
    learn(take_back=["K-0"], reviewer="ANNA")
    assert current() == {("K-0", "bo", "")}


# --- the command -------------------------------------------------------------------------------------------------


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nollclassify", "learn", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def test_the_command_says_in_swedish_what_it_did_and_shows_no_text(fill, call) -> None:
    one = fill("anna.xlsx", {"K-0": ["Väntetid"], "K-1": ["Övrigt"], "K-2": ["Väntetid"]})
    code, out, _ = call(one)
    assert code == 0
    assert out.splitlines() == [
        f"{one}: 3 nya beslut, 0 ändrade, 0 oförändrade, 0 tillbakatagna, {N - 3} klagomål utan svar",
        "  3 svar saknar namn i granskat av och räknas som anna.",
        "3 avgjorda klagomål finns nu att träna på; kör `nollclassify train`.",
    ]
    two = fill("bo.xlsx", {"K-0": ["Kampanjkritik"], "K-3": ["Nyckfullhet"]})
    code, out, err = call(two, "--reviewer", "Bo")
    assert code == 3
    assert "Att rätta (1); allt annat är inläst. Rätta i boken och läs in den igen:" in out
    assert f"  {two}, rad " in out
    assert "Granskarna är oense, och tills de är överens tränas inget av detta in (antal ärenden: 1):" in out
    assert re.search(
        r"  ärende K-0 – Bo: Kampanjkritik \(bo\.xlsx, rad \d\); anna: Väntetid \(anna\.xlsx, rad \d\)\n"
        r"  Kom överens, ändra svaret i den ena boken och läs in den igen\.\n",
        out,
    )
    assert "sak0" not in out + err
    code, out, _ = call("--take-back", "K-0", "--reviewer", "bo")
    assert (code, out.splitlines()[0]) == (0, "1 beslut är tillbakatagna.")


def test_the_command_tells_a_fault_of_many_rows_once_and_what_comes_next(fill, call) -> None:
    book = fill("anna.xlsx", {"K-0": ["Nyckfullhet"], "K-1": ["Nyckfullhet"]})
    _, out, _ = call(book)
    assert "Att rätta (2); " in out
    assert re.search(r"  .*anna\.xlsx, rad \d, \d, kolumn huvudorsak: okänd orsak; välj ur listan i cellen\.\n", out)
    assert out.splitlines()[-1] == (
        "Inget är avgjort än, så det finns inget att träna på: välj huvudorsak i boken och läs in den igen."
    )


def test_an_answer_that_does_not_hold_any_more_is_told_and_holds_again_with_a_comment(fill, call) -> None:
    answers = {"K-0": ["Väntetid", "Åsa"], "K-1": ["Väntetid", "Åsa"], "K-2": ["Övrigt", "Åsa"]}
    book = fill("mars.xlsx", answers)
    learn(book)
    learn(fill("april.xlsx", {"K-0": ["Övrigt", "Åsa"]}))
    learn(take_back=["K-1"])
    _, out, _ = call(book)
    rows = ", ".join(map(str, sorted(line_of(book, case) for case in ("K-0", "K-1"))))
    assert (
        "  2 svar i boken gäller inte längre: de togs tillbaka eller ändrades efter att boken lästes in "
        f"(rad {rows}).\n"
        "  Ska svaret gälla: skriv något nytt i kommentar på raden, spara boken och läs in den igen.\n"
    ) in out
    # What the sentence advises is true.
    book = fill("mars.xlsx", answers | {case: ["Väntetid", "Åsa", "gäller"] for case in ("K-0", "K-1")})
    assert "gäller inte längre" not in call(book)[1]
    assert current() == {("K-0", "Åsa", "wait_time"), ("K-1", "Åsa", "wait_time"), ("K-2", "Åsa", "")}


def test_a_folder_is_told_as_such(fill, call, here: Path) -> None:
    fill("bocker/anna.xlsx", {})
    code, out, err = call("bocker")
    assert (code, out) == (4, "")
    assert err.splitlines()[-1] == "Fel: bocker: det är en mapp; ange en fil i den, eller alla, som i bocker/*.xlsx."


def test_a_book_whose_answers_cannot_be_brought_to_their_cases_is_told_what_is_missing(fill, call) -> None:
    book = edit(fill("mars.xlsx", {"K-0": ["Väntetid"]}), cut("nyckel", "ärende", "klagomål"))
    code, _, err = call(book)
    assert code == 4
    assert err.splitlines()[-1] == (
        f"Fel: {book}: kolumnerna nyckel, ärende och klagomål saknas, så att svaren inte går att para ihop med "
        "klagomålen; låt minst en av dem stå kvar."
    )


def test_a_damaged_ledger_is_one_sentence(fill, call, here: Path) -> None:
    (here / "corrections.sqlite").write_text("hemligt " * 1000, encoding="utf-8")
    code, out, err = call(fill("mars.xlsx", {"K-0": ["Väntetid"]}))
    assert (code, out) == (4, "")
    assert err.splitlines()[-1] == (
        "Fel: corrections.sqlite: filen är ingen liggare med rättelser; "
        "ange en annan fil som corrections i nollclassify.toml."
    )
