"""What training takes from the ledger of corrections: what reviewers agree on, in place of other labels of a text."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nollclassify.answer_sheets import short
from nollclassify.cli.models import print_training
from nollclassify.corrections import Corrections
from nollclassify.evaluation import text_digest
from nollclassify.model import prepare
from nollclassify.taxonomy import Taxonomy
from nollclassify.tracking import Tracking
from nollclassify.training import train
from nollclassify.training_data import TrainingData, read_training_data
from tests.conftest import QUICK, SMALL, Workplace
from tests.decisions import decide, decision

PERSONAL = "Hej, 850709-9805 heter jag, ring 070-174 06 05 eller eva.ek@example.se. Varan kom inte. Mvh Eva Ek"


@pytest.fixture
def place(trained: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return trained.cases


def read(path: Path, taxonomy: Taxonomy, starter: bool = False, **options: Any) -> TrainingData:
    return read_training_data([path], taxonomy, starter, SMALL, **options)


def as_dict(data: TrainingData) -> dict[str, tuple[list[int], str]]:
    return {t: (y, p) for t, y, p in zip(data.texts, data.Y.tolist(), data.primary, strict=True)}


def row_of(causes: str, taxonomy: Taxonomy) -> list[int]:
    return [int(cause in causes.split(";")) for cause in taxonomy.cause_ids]


def with_texts(path: Path, texts: Sequence[str]) -> Path:
    """The labelled file with some more complaints, all of them labelled as waiting."""
    more = pd.DataFrame({"case_id": [f"ny-{n}" for n in range(len(texts))], "text": texts, "causes": "wait_time"})
    table = pd.concat([pd.read_csv(path, sep=";", dtype=str, keep_default_na=False), more]).fillna("")
    table.to_csv("mer.csv", sep=";", index=False)
    return Path("mer.csv")


def test_a_correction_stands_in_place_of_the_label_of_the_same_text(place: Path, taxonomy: Taxonomy) -> None:
    path = with_texts(place, [PERSONAL])
    before = read(path, taxonomy)
    decide(Corrections(SMALL.corrections), decision("17", "invoice_before_delivery", text=prepare(PERSONAL)))
    after = read(path, taxonomy)
    assert after.texts == before.texts
    assert as_dict(before)[PERSONAL] == (row_of("wait_time", taxonomy), "wait_time")
    assert as_dict(after)[PERSONAL] == (row_of("invoice_before_delivery", taxonomy), "invoice_before_delivery")
    assert (after.Y != before.Y).any(axis=1).sum() == 1
    assert (after.corrected.n, after.corrected.replaced) == (1, 1)
    assert as_dict(read(path, taxonomy, corrections=False)) == as_dict(before)


def test_a_text_that_filled_a_cell_and_was_cut_off_is_the_same_text(place: Path, taxonomy: Taxonomy) -> None:
    long = "satt i kö igen " * 3_000
    path = with_texts(place, [long])
    decide(Corrections(SMALL.corrections), decision("17", "", text=short(prepare(long))))
    data = read(path, taxonomy)
    assert as_dict(data)[long] == (row_of("", taxonomy), "")
    assert (data.corrected.n, data.corrected.replaced) == (1, 1)


def test_other_corrections_are_texts_of_the_users_own(place: Path, taxonomy: Taxonomy, starter: pd.DataFrame) -> None:
    of_starter = starter.iloc[0]
    other = next(cause for cause in taxonomy.cause_ids if cause not in of_starter["causes"])
    decide(
        Corrections(SMALL.corrections),
        decision("1", "naming_confusion;wait_time", text="<namn> trodde att kontot var mitt"),
        decision("2", other, text=prepare(of_starter["text"])),
    )
    data = read_training_data([], taxonomy, True, SMALL)
    assert len(data.texts) == len(starter) + 1
    assert data.texts[-1] == "<namn> trodde att kontot var mitt"
    assert (data.Y[-1].tolist(), data.primary[-1]) == (
        row_of("naming_confusion;wait_time", taxonomy),
        "naming_confusion",
    )
    at = data.texts.index(of_starter["text"])
    assert (data.Y[at].tolist(), data.primary[at]) == (row_of(other, taxonomy), other)
    # Both weigh as the user's own, and the one of the starter corpus stays with the others of its author.
    heavy = np.flatnonzero(data.weight == SMALL.own_text_weight)
    assert {at, len(data.texts) - 1} <= set(heavy)
    assert {text_digest(data.texts[i]) for i in heavy} == {text_digest(data.texts[at]), text_digest(data.texts[-1])}
    assert len(set(data.group[:-1][starter["author"] == of_starter["author"]])) == 1


def test_what_reviewers_disagree_on_or_took_back_is_not_trained_on(place: Path, taxonomy: Taxonomy) -> None:
    decide(
        Corrections(SMALL.corrections),
        decision("1", "wait_time", "Anna", text="oense text"),
        decision("1", "", "Bo", text="oense text"),
        decision("2", "wait_time", text="ångrad text"),
        decision("3", "wait_time", text="enig text"),
        decision("3", "wait_time", "Bo", text="enig text"),
    )
    decide(Corrections(SMALL.corrections), decision("2", taken_back=True, text="ångrad text"))
    data = read(place, taxonomy)
    assert [text for text in data.texts if text.endswith(" text")] == ["enig text"]
    assert (data.corrected.n, data.corrected.disputed) == (1, 1)


def test_of_two_answers_to_one_text_the_latest_holds_and_the_other_is_counted(place: Path, taxonomy: Taxonomy) -> None:
    ledger = Corrections(SMALL.corrections)
    decide(ledger, decision("1", "wait_time", text="samma ord"), decision("2", "", text="Samma  ord"))
    decide(ledger, decision("3", "", text="samma ord"))
    data = read(place, taxonomy)
    assert as_dict(data)["samma ord"] == (row_of("", taxonomy), "")
    assert (data.corrected.n, data.corrected.overruled) == (1, 1)


def test_causes_that_the_taxonomy_does_not_know_are_told(place: Path, taxonomy: Taxonomy) -> None:
    rows = [decision(str(n), "ny_orsak;wait_time", text=f"okänd {n}") for n in range(2)]
    decide(Corrections(SMALL.corrections), *rows, decision("9", "wait_time", text="känd"))
    data = read(place, taxonomy)
    assert "känd" in data.texts
    assert not [text for text in data.texts if text.startswith("okänd")]
    assert (data.corrected.n, data.corrected.unknown) == (1, {"ny_orsak": 2})


@given(st.lists(st.sampled_from([*PERSONAL.split(), "Mvh", "\n", "<namn>", "0701740605", "fÃ¶re", "åäö", "😀"])))
def test_a_masked_text_has_the_digest_of_the_raw_one(words: list[str]) -> None:
    text = " ".join(words)
    assert text_digest(prepare(text)) == text_digest(text)


def test_a_run_tells_what_was_corrected_and_quotes_nothing(
    trained: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained.directory, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    (first, *_) = pd.read_csv("labelled.csv", sep=";", keep_default_na=False)["text"]
    settings = replace(SMALL, corrections="rättelser.sqlite")
    decide(
        Corrections(settings.corrections),
        decision("1", "", text=prepare(first)),
        decision("2", "wait_time", text="hemlig rättad text"),
        decision("3", "ny_orsak"),
    )
    result = train("labelled.csv", starter=False, settings=settings, candidates=QUICK)
    run = Tracking(SMALL).client.get_run(str(result.run_id))
    told = result.stored.manifest["training"]["corrections"]
    assert {name: told[name] for name in ("n", "replaced", "unknown")} == {
        "n": 2, "replaced": 1, "unknown": {"ny_orsak": 1},
    }  # fmt: skip
    assert run.data.params["corrections"] == "2"
    assert run.data.params["data.corrections"] == told["digest"][:16]
    assert len(told["digest"]) == 64
    print_training(result)
    out = capsys.readouterr().out
    assert "2 rättade texter är med; 1 av dem ersätter en tidigare märkning." in out
    assert "1 rättelser är inte med, för taxonomin har inte orsaken ny_orsak." in out
    assert "hemlig" not in out + str(result.stored.manifest) + str(run.data)
