"""Review books that were asked for: suspected label errors of training texts, and cases like a description."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from nollclassify.corrections import Corrections
from nollclassify.errors import InputError
from nollclassify.model_store import StoredModel
from nollclassify.queues import review_similar, review_training
from nollclassify.review_books import read_book
from nollclassify.settings import Settings
from nollclassify.taxonomy import Taxonomy
from tests.conftest import Workplace, run

PROBE = "Är inte nöjd alls med hur det här gick"


def rows_of(book: Path) -> list[dict[str, str]]:
    head, *rows = openpyxl.load_workbook(book)["granskning"].iter_rows(values_only=True)
    return [dict(zip(map(str, head), (str(cell or "") for cell in row), strict=True)) for row in rows]


def answered(book: Path) -> Path:
    """The book with Övrigt chosen in every row."""
    workbook = openpyxl.load_workbook(book)
    sheet = workbook["granskning"]
    at = [cell.value for cell in sheet[1]].index("huvudorsak") + 1
    for row in range(2, sheet.max_row + 1):
        sheet.cell(row, at, "Övrigt")
    workbook.save(book)
    return book


@pytest.fixture
def wrong(stored: StoredModel, workplace: Workplace, tmp_path: Path) -> tuple[StoredModel, Path, set[str]]:
    """A model as if it had been trained with three labels wrong, the file with them, and the ids of the wrong ones."""
    table = pd.read_csv(workplace.cases, sep=";", dtype=str, keep_default_na=False)
    held = stored.held_out
    sure = (held.truth[:, 4] == 1) & (held.truth.sum(axis=1) == 1)
    at = np.flatnonzero(sure)[np.argsort(-held.probabilities[sure, 4])][:3]
    truth = held.truth.copy()
    truth[at] = [0, 0, 1, 0, 0]
    table.loc[at, ["causes", "primary_cause"]] = "campaign_backlash"
    table["case_id"] = "own-" + table["case_id"]
    file = tmp_path / "own.csv"
    table.to_csv(file, sep=";", index=False)
    return replace(stored, held_out=replace(held, truth=truth)), file, set(table.loc[at, "case_id"])


def test_wrong_labels_come_first_with_what_stands_there_and_what_the_model_thinks(
    wrong: tuple[StoredModel, Path, set[str]], tmp_path: Path, taxonomy: Taxonomy
) -> None:
    model, file, ids = wrong
    queue = review_training(file, model=model, output=tmp_path / "q.xlsx", n=10)
    rows = rows_of(queue.output)
    assert ids <= {row["ärende"] for row in rows}
    for row in rows:
        if row["ärende"] in ids:
            assert row["varför"].startswith("misstänkt fel etikett: står som Kampanjkritik, modellen tror ")
            assert row["förslag"].startswith("Väntetid")
    answers = read_book(answered(queue.output), taxonomy)
    assert answers.problems.empty
    assert answers.rows["case_id"].tolist() == [row["ärende"] for row in rows]
    assert len(rows) == queue.n <= queue.n_cases


def test_texts_of_the_starter_corpus_show_no_codes_for_their_channel(
    wrong: tuple[StoredModel, Path, set[str]], tmp_path: Path
) -> None:
    model, file, ids = wrong
    rows = rows_of(review_training(model=model, output=tmp_path / "starter.xlsx", n=10).output)
    assert rows
    assert {row["kanal"] for row in rows} == {""}
    own = rows_of(review_training(file, model=model, output=tmp_path / "own.xlsx", n=10).output)
    assert all(row["kanal"] for row in own if row["ärende"] in ids)


def test_a_label_that_was_changed_since_the_training_is_not_asked_about(
    wrong: tuple[StoredModel, Path, set[str]], tmp_path: Path
) -> None:
    model, file, ids = wrong
    table = pd.read_csv(file, sep=";", dtype=str, keep_default_na=False)
    table.loc[table["case_id"].isin(ids), ["causes", "primary_cause"]] = "wait_time"
    table.to_csv(file, sep=";", index=False)
    queue = review_training(file, model=model, output=tmp_path / "q.xlsx")
    assert not ids & {row["ärende"] for row in rows_of(queue.output)}


def test_a_correction_is_suspected_like_any_other_label(
    wrong: tuple[StoredModel, Path, set[str]], tmp_path: Path, taxonomy: Taxonomy
) -> None:
    model, file, ids = wrong
    book = review_training(file, model=model, output=tmp_path / "q.xlsx", n=10).output
    decided = read_book(answered(book), taxonomy).rows.assign(causes="campaign_backlash", file="", line=0)
    settings = Settings(corrections=str(tmp_path / "corrections.sqlite"))
    Corrections(settings.corrections).append(decided[decided["case_id"].isin(ids)])
    # The file is not given: what stands in the ledger is enough.
    queue = review_training(model=model, output=tmp_path / "again.xlsx", n=10, settings=settings)
    assert ids <= {row["ärende"] for row in rows_of(queue.output)}


def test_like_takes_the_name_of_a_cause_a_file_of_examples_and_plain_words(
    stored: StoredModel, tmp_path: Path, taxonomy: Taxonomy
) -> None:
    cases = pd.DataFrame({"ärende": ["a", "b", "c"], "klagomål": [PROBE, "Skorna är blå", "Satt i telefonkö i timmar"]})
    cases.to_csv(tmp_path / "cases.csv", index=False)
    pd.DataFrame({"klagomål": ["Väntade i telefonkö i två timmar"]}).to_csv(tmp_path / "like.csv", index=False)
    for number, like in enumerate(("Väntetid", str(tmp_path / "like.csv"), "lång telefonkö")):
        queue = review_similar(
            tmp_path / "cases.csv", like=[like], model=stored, output=tmp_path / f"{number}.xlsx", n=2
        )
        rows = rows_of(queue.output)
        assert queue.n == len(rows) in (1, 2)
        assert queue.n_cases == 3
        assert rows[0]["ärende"] == "c", like
        assert rows[0]["varför"] == "liknar det som söks"
        assert read_book(answered(queue.output), taxonomy).rows["chosen"].tolist() == ["useful"] * queue.n


def test_answers_that_are_known_are_filled_in(stored: StoredModel, tmp_path: Path, taxonomy: Taxonomy) -> None:
    pd.DataFrame({"ärende": ["a", "b"], "klagomål": [PROBE, "Satt i telefonkö"]}).to_csv(
        tmp_path / "c.csv", index=False
    )
    known = {"a": [], "b": ["wait_time", "naming_confusion"]}
    book = review_similar(
        tmp_path / "c.csv", like=[PROBE, "kö"], model=stored, output=tmp_path / "q.xlsx", answers=known
    )
    rows = read_book(book.output, taxonomy).rows.set_index("case_id")["causes"]
    assert rows.to_dict() == {"a": "", "b": "wait_time;naming_confusion"}


def test_what_cannot_be_looked_for_is_told_without_the_text(stored: StoredModel, tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text(f"klagomål\n{PROBE}\n", encoding="utf-8")
    book = tmp_path / "q.xlsx"
    with pytest.raises(InputError, match="modellen känner inget av orden") as told:
        review_similar(tmp_path / "cases.csv", like=["♁♁"], model=stored, output=book)
    assert PROBE not in str(told.value)
    with pytest.raises(InputError, match="inget klagomål i filerna liknar det som söks; skriv andra ord eller"):
        review_similar(tmp_path / "cases.csv", like=["lufttryck"], model=stored, output=book)
    with pytest.raises(InputError, match="ingen ärendefil är angiven"):
        review_similar(like=["kö"], model=stored, output=book)
    with pytest.raises(InputError, match="--n 0"):
        review_training(model=stored, output=book, n=0)
    assert not book.exists()


def test_what_is_like_nothing_is_left_out_and_a_misspelled_cause_is_told(stored: StoredModel, tmp_path: Path) -> None:
    cases, book = tmp_path / "cases.csv", tmp_path / "q.xlsx"
    texts = ["Skorna är blå", "Väntat på svar i veckor", "Satt i telefonkö i timmar", PROBE]
    pd.DataFrame({"klagomål": texts}).to_csv(cases, index=False)
    found = review_similar(cases, like=["vantetidd", "telefonkö"], model=stored, output=book)
    assert rows_of(book)[0]["klagomål"] == texts[2]
    assert found.n == len(rows_of(book)) < found.n_cases == 4
    plain = "Ingen orsak heter så; söker på orden."
    assert found.notes == (f"{plain} Menade du Väntetid?", plain)
    assert review_similar(cases, like=["Väntetid"], model=stored, output=book, force=True).notes == ()
    long = "å" * 200 + " telefonkö"
    assert review_similar(cases, like=[long], model=stored, output=book, force=True).notes == (plain,)


@pytest.mark.parametrize("name", ["exempel.csv", "exempel.XLSX", "mapp/exempel.json"])
def test_a_file_of_examples_that_is_missing_is_refused(stored: StoredModel, tmp_path: Path, name: str) -> None:
    (tmp_path / "cases.csv").write_text(f"klagomål\n{PROBE}\n", encoding="utf-8")
    with pytest.raises(InputError) as told:
        review_similar(tmp_path / "cases.csv", like=[name], model=stored, output=tmp_path / "q.xlsx")
    assert str(told.value) == f"--like {name}: filen finns inte; ange en fil som finns, en orsaks namn eller egna ord."


def test_the_commands_write_the_books(workplace: Workplace, tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text(f"klagomål\n{PROBE}\nväntat på svar i veckor\n", encoding="utf-8")
    command = ("nollclassify", "review", str(tmp_path / "cases.csv"), "--model", "models/champion", "-o")
    done = run(*command, str(tmp_path / "like.xlsx"), "--like", "Väntetid", "--n", "1", cwd=workplace.directory)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 av 2 klagomål att granska, de mest lika först: ")
    assert rows_of(tmp_path / "like.xlsx")[0]["klagomål"] == "väntat på svar i veckor"
    both = run(*command, str(tmp_path / "x.xlsx"), "--like", "kö", "--training", cwd=workplace.directory)
    assert both.returncode == 2
    assert "välj en av dem" in both.stderr
