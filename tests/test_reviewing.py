"""The review: which cases are asked about, and in words why."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

import nollclassify
from nollclassify import cli
from nollclassify.auditing import read_ledger
from nollclassify.case_writing import write_table
from nollclassify.errors import InputError
from nollclassify.labelling import label
from nollclassify.model_store import StoredModel
from nollclassify.review_books import read_book
from nollclassify.reviewing import BY_CHANCE, Review, explained, review
from nollclassify.settings import Settings
from nollclassify.taxonomy import Taxonomy
from tests.books import edit, fill
from tests.conftest import Workplace

SURE = {"causes": "wait_time", "p_wait_time": 0.98}


def file_of(path: Path, *rows: dict[str, Any], **columns: Any) -> Path:
    """A labelled file with these rows, one cause each as `SURE` where nothing else is said."""
    causes = (
        "invoice_before_delivery",
        "cancelled_event_or_trip",
        "campaign_backlash",
        "naming_confusion",
        "wait_time",
    )
    common = {f"p_{cause}": 0.01 for cause in causes} | {"datum": "2020-03-02", "produkt": "Faktura", "kanal": "chatt"}
    common |= {
        "needs_review": False,
        "review_reason": "",
        "evidence": "",
        "model_version": "v1",
        "taxonomy_version": "t1",
    }
    frame = pd.DataFrame([{**common, **SURE, **columns, **row} for row in rows], dtype=object)
    frame.insert(0, "ärende", [f"K-{at:03d}" for at in range(len(frame))])
    frame.insert(1, "klagomål", [f"sak{at} ord{at} rad{at} hos dem" for at in range(len(frame))])
    frame["primary_cause"] = [str(causes).split(";")[0] for causes in frame["causes"]]
    write_table(frame, path)
    return path


def why(tmp_path: Path, taxonomy: Taxonomy, row: dict[str, Any], n_sure: int = 0) -> pd.Series:
    path = file_of(tmp_path / "a.csv", row, *[{}] * n_sure)
    return explained(read_ledger([path], taxonomy, Settings())[0].cases, taxonomy).iloc[0]


NONE = {"causes": "", "p_wait_time": 0.02}
UNSURE = {"needs_review": True, "review_reason": "osäker: kanske Kampanjkritik (22 %)"}
BOTH = {"causes": "wait_time;campaign_backlash", "p_wait_time": 0.9, "p_campaign_backlash": 0.7}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, ""),
        ({"causes": "wait_time", "p_wait_time": 0.62}, "nära gränsen: kanske inte Väntetid 62 %"),
        ({"p_campaign_backlash": 0.4}, "nära gränsen: kanske också Kampanjkritik 40 %"),
        ({**NONE, "p_naming_confusion": 0.45}, "nära gränsen: kanske Namnförväxling 45 %"),
        (
            {"p_wait_time": 0.52, "p_campaign_backlash": 0.45},
            "två orsaker nästan lika troliga: Väntetid 52 % och Kampanjkritik 45 %",
        ),
        (BOTH, "nära gränsen: kanske inte Kampanjkritik 70 %"),
        ({"review_reason": "liknar inget som modellen har tränats på"}, "liknar inget som modellen har sett"),
        (
            {"p_wait_time": "0,62", "review_reason": "osäker: x; många ord som modellen inte har mött"},
            "nära gränsen: kanske inte Väntetid 62 %; liknar inget som modellen har sett",
        ),
        ({**NONE, **UNSURE}, "modellen är osäker: kanske Kampanjkritik (22 %)"),
        ({"needs_review": True}, "modellen är osäker"),
    ],
)
def test_the_reason_is_told_in_words(tmp_path: Path, taxonomy: Taxonomy, row: dict[str, Any], reason: str) -> None:
    case = why(tmp_path, taxonomy, row)
    assert case["reason"] == reason
    assert (case["worth"] > 0) == bool(reason)


def test_a_rare_cause_is_worth_a_look_and_rare_other_is_not(tmp_path: Path, taxonomy: Taxonomy) -> None:
    rare = {"causes": "naming_confusion", "p_naming_confusion": 0.95, "p_wait_time": 0.01}
    assert why(tmp_path, taxonomy, rare, n_sure=30)["reason"] == "ovanlig orsak, som modellen har få exempel på"
    assert why(tmp_path, taxonomy, rare, n_sure=3)["reason"] == ""
    assert why(tmp_path, taxonomy, NONE, n_sure=30)["reason"] == ""


def test_the_more_doubtful_of_two_is_worth_more(tmp_path: Path, taxonomy: Taxonomy) -> None:
    worth = [why(tmp_path, taxonomy, {"p_wait_time": p})["worth"] for p in (0.74, 0.6, 0.5)]
    assert worth == sorted(worth)
    assert worth[0] < worth[-1]


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (BOTH, "Väntetid 90 %; Kampanjkritik 70 %"),
        ({"p_wait_time": 0.62, "p_campaign_backlash": 0.31}, "Väntetid 62 %; kanske Kampanjkritik 31 %"),
        ({**NONE, "p_naming_confusion": 0.45}, "Övrigt; kanske Namnförväxling 45 %"),
        (NONE, "Övrigt"),
        ({"p_wait_time": ""}, "Väntetid"),
    ],
)
def test_what_is_proposed_is_shown_with_probabilities(
    tmp_path: Path, taxonomy: Taxonomy, row: dict[str, Any], shown: str
) -> None:
    assert why(tmp_path, taxonomy, row)["shown"] == shown


def test_evidence_has_swedish_names_and_no_personal_data(tmp_path: Path, taxonomy: Taxonomy) -> None:
    said = 'wait_time: "i kö", "ring 070-174 06 05"; campaign_backlash: "reklam"'
    wanted = 'Väntetid: "i kö", "ring <telefon>"; Kampanjkritik: "reklam"'
    assert why(tmp_path, taxonomy, {"evidence": said})["evidence"] == wanted


def test_a_file_that_only_has_causes_can_be_reviewed(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = tmp_path / "a.csv"
    path.write_text("klagomål;orsaker\nsatt i kö;Väntetid\nfel färg på skorna;\n", encoding="utf-8")
    result = review(path, output=tmp_path / "ko.xlsx", settings=Settings())
    assert (result.n, result.n_useful, result.n_cases) == (2, 0, 2)


# --- the whole way -----------------------------------------------------------------------------------------------


@pytest.fixture
def month(tmp_path: Path) -> Path:
    doubtful = [{"p_wait_time": 0.5 + at / 200} for at in range(30)]
    unlike = [{**NONE, "review_reason": "liknar inget som modellen har tränats på"}] * 5
    other = [{**NONE, "datum": "2020-02-02"}] * 100
    return file_of(tmp_path / "mars.labelled.csv", *doubtful, *unlike, *other, *[{}] * 60)


def test_two_thirds_are_there_for_a_reason_and_the_rest_by_chance(
    month: Path, tmp_path: Path, taxonomy: Taxonomy
) -> None:
    result = review(month, n=30, output=tmp_path / "ko.xlsx", settings=Settings())
    assert result == Review(30, 20, 195, 0, tmp_path / "ko.xlsx")
    rows = read_book(edit(result.output, fill(lambda _: "Övrigt")), taxonomy).rows
    useful = rows["chosen"] == "useful"
    assert list(useful) == [True] * 20 + [False] * 10
    assert set(rows.loc[~useful, "reason"]) == {BY_CHANCE}
    assert BY_CHANCE not in set(rows.loc[useful, "reason"])
    assert rows.loc[useful, "reason"].str.startswith("liknar inget").sum() == 5
    assert set(rows.loc[useful, "probability"]) == {1.0}
    assert rows.loc[~useful, "probability"].between(0, 0.5, inclusive="neither").all()
    assert set(rows["proposed"]) == {"", "wait_time"}
    assert (set(rows["model_version"]), set(rows["taxonomy_version"])) == ({"v1"}, {"t1"})
    frame = openpyxl.load_workbook(result.output)["ram"]
    chances = [row[8] for row in frame.iter_rows(min_row=2, values_only=True)]
    assert len(chances) == 195
    assert sum(chances) == pytest.approx(30)


def test_the_same_files_and_seed_give_the_same_book_and_a_month_can_be_chosen(month: Path, tmp_path: Path) -> None:
    def keys(name: str, **options: Any) -> list[Any]:
        output = review(month, n=15, output=tmp_path / name, settings=Settings(), **options).output
        return [row[0] for row in openpyxl.load_workbook(output)["granskning"].iter_rows(min_row=2, values_only=True)]

    assert keys("a.xlsx") == keys("b.xlsx")
    assert keys("c.xlsx", seed=1) != keys("a.xlsx", force=True)
    assert review(month, output=tmp_path / "d.xlsx", month="2020-02", settings=Settings()).n_cases == 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "--n 0: ange minst 1 klagomål att granska."),
        ({"month": "2019-12"}, "inga klagomål i 2019-12; månader som finns: 2020-02, 2020-03."),
        ({"output": "g.csv"}, "g.csv: granskningen är en Excelbok; välj en --output som slutar på .xlsx."),
    ],
)
def test_what_cannot_be_reviewed_is_one_sentence(
    month: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        review(month, **{"output": tmp_path / "ko.xlsx", "settings": Settings(), **options})
    assert str(caught.value).endswith(message)
    assert not list(tmp_path.glob("*.xlsx"))


def test_what_label_wrote_is_reviewed(stored: StoredModel, tmp_path: Path, taxonomy: Taxonomy) -> None:
    texts = ["satt i kö i två timmar", "fakturan kom före skorna och nu vill de ha avgift", "fel storlek på skorna"]
    (tmp_path / "a.csv").write_text(
        "ärende;klagomål\n" + "".join(f"{n};{t}\n" for n, t in enumerate(texts)), encoding="utf-8"
    )
    (done,) = label(tmp_path / "a.csv", model=stored, settings=Settings())
    result = nollclassify.review(done.output, output=tmp_path / "ko.xlsx", settings=Settings())
    rows = read_book(edit(result.output, fill(lambda _: "Väntetid")), taxonomy).rows
    assert set(rows["case_id"]) == {"0", "1", "2"}
    assert set(rows["causes"]) == {"wait_time"}
    assert set(rows["model_version"]) == {stored.version}


def test_the_command_says_how_many_for_what_and_what_to_do_next(
    month: Path,
    tmp_path: Path,
    workplace: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "ko.xlsx"
    monkeypatch.setattr(sys, "argv", ["nollclassify", "review", str(month), "-o", str(output), "--n", "30"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    said = capsys.readouterr().out
    assert said.startswith(f"30 av 195 klagomål att granska: {output}\n20 av dem lär modellen mest")
    assert f"`nollclassify learn {output}`" in said
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 4
    assert "filen finns redan och kan vara ifylld; ange --force" in capsys.readouterr().err
