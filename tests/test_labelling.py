"""Labelling keeps to its contract: every row out, in order, with causes, evidence and reasons."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nollclassify.case_files import read_table
from nollclassify.cases import known_headings
from nollclassify.errors import InputError
from nollclassify.labelling import label
from nollclassify.model import prepare
from nollclassify.model_store import StoredModel
from nollclassify.swedish import spans
from nollclassify.text_labels import label_texts, stretches

QUEUE = "har suttit i telefonkö i två timmar och ingen svarar på mina mejl"


@pytest.fixture
def month(tmp_path: Path) -> Path:
    path = tmp_path / "mars.csv"
    rows = ["ärende;klagomål;kund", f"007;{QUEUE};A", "12345678901234567;;B", '8;"fel färg; på skorna";C']
    path.write_bytes("\r\n".join(rows).encode("cp1252"))
    return path


def test_the_labelled_file_has_what_came_in_and_our_columns(month: Path, stored: StoredModel) -> None:
    result = label(month, model=stored)[0]
    table = read_table(result.output, known_headings)
    ours = [f"p_{c}" for c in stored.model.cause_ids]
    assert table.columns == [
        *("ärende", "klagomål", "kund", "causes", "primary_cause"), *ours,
        *("evidence", "needs_review", "review_reason", "model_version", "taxonomy_version"),
    ]  # fmt: skip
    assert [row[:3] for row in table.rows] == [["007", QUEUE, "A"], ["8", "fel färg; på skorna", "C"]]
    first = dict(zip(table.columns, table.rows[0], strict=True))
    assert first["primary_cause"] == first["causes"].split(";")[0] == "wait_time"
    assert first["evidence"].startswith('wait_time: "')
    assert first["needs_review"] in ("true", "false")
    assert first["model_version"] == stored.version


def test_csv_goes_out_with_a_bom_and_the_delimiter_it_came_with(month: Path, stored: StoredModel) -> None:
    raw = label(month, model=stored)[0].output.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.decode("utf-8-sig").splitlines()[0].startswith("ärende;klagomål;kund;")


def test_rows_in_are_rows_labelled_plus_rows_rejected(month: Path, stored: StoredModel) -> None:
    result = label(month, model=stored)[0]
    assert result.rejected_output == month.with_name("mars.rejected.csv")
    rejected = read_table(result.rejected_output, lambda row: 1)
    assert rejected.rows == [
        [
            "mars.csv",
            "3",
            "klagomål",
            "texten är tom; fyll i klagomålet eller ta bort raden",
            "12345678901234567",
            "",
            "B",
        ]
    ]


def test_the_format_follows_the_ending(month: Path, stored: StoredModel) -> None:
    for ending in (".xlsx", ".jsonl", ".parquet", ".tsv"):
        result = label(month, output=month.with_name(f"ut{ending}"), model=stored)[0]
        table = read_table(result.output, known_headings)
        assert [row[0] for row in table.rows] == ["007", "8"]
        assert table.rows[0][table.columns.index("primary_cause")] == "wait_time"


def test_an_output_that_exists_is_kept_unless_forced(month: Path, stored: StoredModel) -> None:
    first = label(month, model=stored)[0].output.read_bytes()
    with pytest.raises(InputError, match=r"filen finns redan; ange --force för att ersätta den\.$"):
        label(month, model=stored)
    assert label(month, model=stored, force=True)[0].output.read_bytes() == first


def test_the_input_is_never_written_over(month: Path, stored: StoredModel) -> None:
    with pytest.raises(InputError, match="kan inte skrivas över indata"):
        label(month, output=month, model=stored, force=True)


def test_several_files_go_to_a_folder(month: Path, stored: StoredModel, tmp_path: Path) -> None:
    other = tmp_path / "april.csv"
    other.write_text("text\nhej på er", encoding="utf-8")
    results = label(month, other, output=tmp_path / "ut", model=stored)
    assert [r.output for r in results] == [
        tmp_path / "ut" / "mars.labelled.csv",
        tmp_path / "ut" / "april.labelled.csv",
    ]
    with pytest.raises(InputError, match="flera filer kan inte bli en; ange en mapp med --output"):
        label(month, other, output=tmp_path / "en.csv", model=stored)


def test_an_incoming_column_with_our_name_is_kept_beside_ours(stored: StoredModel, tmp_path: Path) -> None:
    path = tmp_path / "omigen.csv"
    path.write_text(f"case_id,text,causes\n1,{QUEUE},other\n", encoding="utf-8")
    rows = label(path, model=stored)[0].rows
    assert list(rows["causes_in"]) == ["other"]
    assert list(rows["causes"]) == ["wait_time"]


@pytest.mark.parametrize(("heading", "blank", "column"), [("", "", "case_id"), ("Ärendenummer;", ";", "Ärendenummer")])
def test_a_case_without_an_id_gets_one_that_stays_the_same(
    stored: StoredModel, tmp_path: Path, heading: str, blank: str, column: str
) -> None:
    path = tmp_path / "utan.csv"
    path.write_text(f"{heading}text\n{blank}en text\n{blank}en annan\n", encoding="utf-8")
    ids = [list(label(path, model=stored, force=True)[0].rows[column]) for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "texten har inga ord"),
        ("12345 678", "texten har inga ord"),
        ("🤬🤬!!", "texten har inga ord"),
        (
            "I have been waiting for your answer for three weeks and this is not ok",
            "texten verkar inte vara på svenska",
        ),
        ("Олена чекає на відповідь", "texten verkar inte vara på svenska"),
    ],
)
def test_what_cannot_be_read_is_never_guessed_at(stored: StoredModel, text: str, reason: str) -> None:
    row = label_texts([text], stored).iloc[0]
    assert (row["causes"], row["primary_cause"], row["needs_review"], row["review_reason"]) == ("", "", True, reason)


def test_a_doubtful_case_says_which_cause_is_doubted(stored: StoredModel, starter: pd.DataFrame) -> None:
    rows = label_texts(starter["text"].tolist()[-200:], stored)
    doubtful = rows[rows["needs_review"]]
    assert 0 < len(doubtful) < len(rows)
    assert doubtful["review_reason"].str.len().min() > 0
    assert (rows.loc[~rows["needs_review"].astype(bool), "review_reason"] == "").all()
    names = "|".join(cause.name_sv for cause in stored.taxonomy.causes)
    assert doubtful["review_reason"].str.contains(rf"osäker: kanske (?:inte |också )?(?:{names}) \(\d+ %\)").any()


@given(st.lists(st.text(max_size=200), max_size=8))
@settings(max_examples=40, deadline=None)
def test_any_texts_give_a_row_each_in_order(stored: StoredModel, texts: list[str]) -> None:
    rows = label_texts(texts, stored)
    assert len(rows) == len(texts)
    for cause in stored.model.cause_ids:
        assert rows[f"p_{cause}"].between(0, 1).all()
    alone = [label_texts([text], stored).iloc[0].to_dict() for text in texts]
    assert rows.to_dict("records") == alone


def test_evidence_stands_in_the_masked_text(stored: StoredModel) -> None:
    text = QUEUE + ", ring 070-174 06 05. Mvh Anna Svensson"
    evidence = label_texts([text], stored)["evidence"][0]
    assert "070" not in evidence
    assert "Svensson" not in evidence
    quoted = evidence.removeprefix("wait_time: ").strip('"').split('", "')
    assert all(part in prepare(text) for part in quoted)


def test_evidence_is_one_line_where_its_words_stand_in_two_paragraphs(stored: StoredModel) -> None:
    one, two = (label_texts([text], stored)["evidence"][0] for text in (QUEUE, QUEUE.replace(" ", "\n\n")))
    assert two == one
    assert " " in one.removeprefix("wait_time: ")


def test_neighbouring_words_form_one_stretch() -> None:
    import numpy as np

    text = "jag satt i kö i timmar men skorna var fina"
    found = stretches(spans(text), np.array([0, 0.1, 0.2, 0.9, 0, 0.5, -1, 0, 0, 0]))
    assert [text[a:b] for a, b in found] == ["satt i kö", "timmar"]


def test_labelling_loads_neither_mlflow_nor_training_code(month: Path, stored: StoredModel, tmp_path: Path) -> None:
    from nollclassify.model_store import save_model

    save_model(tmp_path / "m", stored.model, stored.taxonomy, stored.held_out, {})
    code = (
        "import sys, nollclassify\n"
        f"nollclassify.label({str(month)!r}, model={str(tmp_path / 'm')!r})\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('mlflow', 'sklearn', 'spacy', 'matplotlib')"
        " or m in ('nollclassify.training', 'nollclassify.tracking')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_labelled_three_times_keeps_every_earlier_label(stored: StoredModel, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "satt i kö i timmar", "causes": "min egen"}\n', encoding="utf-8")
    for name in ("b.jsonl", "c.jsonl", "d.jsonl"):
        path = label(path, output=tmp_path / name, model=stored)[0].output
    columns = read_table(path, known_headings).columns
    assert [c for c in columns if c.startswith("causes")] == ["causes_in", "causes_in_in", "causes_in_in_in", "causes"]


def test_no_file_of_the_user_is_deleted_or_written_over(stored: StoredModel, month: Path, tmp_path: Path) -> None:
    mended = tmp_path / "mars.rejected.csv"
    mended.write_text("text\nrättad\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"mars\.rejected\.csv: filen finns redan; ange --force"):
        label(month, model=stored)
    with pytest.raises(InputError, match=r"mars\.rejected\.csv: resultatet kan inte skrivas över indata"):
        label(month, mended, model=stored, force=True)
    assert mended.read_text(encoding="utf-8") == "text\nrättad\n"


def test_two_files_of_one_name_do_not_become_one(stored: StoredModel, month: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    twin = tmp_path / "b" / month.name
    twin.write_bytes(month.read_bytes())
    with pytest.raises(InputError, match="två filer skulle få samma resultat; märk dem var för sig"):
        label(month, twin, output=tmp_path / "ut", model=stored)


def test_with_a_stated_precision_fewer_causes_are_labelled_and_more_is_reviewed(
    stored: StoredModel, starter: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "mars.csv"
    starter[["case_id", "text"]].iloc[1::40].to_csv(path, index=False)
    usual, strict = (label(path, model=stored, output=tmp_path / f"{p}.csv", precision=p)[0].rows for p in (None, 0.9))
    assert (strict["causes"] != "").sum() < (usual["causes"] != "").sum()
    assert strict["needs_review"].sum() > usual["needs_review"].sum()
    for before, after in zip(usual["causes"], strict["causes"], strict=True):
        assert set(after.split(";")) <= {*before.split(";"), ""}


@pytest.mark.parametrize("precision", [0.5, 1.0, -1, float("nan")])
def test_a_precision_that_was_not_measured_is_refused(month: Path, stored: StoredModel, precision: float) -> None:
    with pytest.raises(InputError, match=r"--precision .*: ange ett tal från 0.80 till 0.99."):
        label(month, model=stored, precision=precision)


def test_causes_that_exclude_each_other_go_to_review(stored: StoredModel) -> None:
    k = len(stored.model.cause_ids)
    everything = replace(stored.model, thresholds=np.zeros(k), exclusive=~np.eye(k, dtype=bool))
    row = label_texts([QUEUE], replace(stored, model=everything)).iloc[0]
    assert row["needs_review"]
    assert "Faktura före leverans och Väntetid brukar utesluta varandra" in row["review_reason"]


def test_a_text_unlike_all_training_goes_to_review(stored: StoredModel) -> None:
    known = "jag har väntat på svar i tre veckor och ingen svarar när jag ringer till er kundtjänst"
    strange = "svar jag veckor på i ringer ingen er tre har och kundtjänst väntat när till jag svarar"
    picky = replace(stored, model=replace(stored.model, familiar=0.3))
    reasons = label_texts([known, strange], picky)["review_reason"]
    assert "liknar inget som modellen har tränats på" not in reasons[0]
    assert "liknar inget som modellen har tränats på" in reasons[1]
