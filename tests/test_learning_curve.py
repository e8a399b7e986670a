"""What more training texts give, measured; and the example months as labelled files, which notebooks work on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nollclassify.cases import read_cases
from nollclassify.demonstration import labelled_examples, new_cause_answers
from nollclassify.errors import InputError
from nollclassify.evaluation import text_digest
from nollclassify.learning_curve import learning_curve
from nollclassify.settings import Settings
from nollclassify.taxonomy import OTHER, Taxonomy
from nollclassify.training_data import masked_texts, read_training_data
from tests.conftest import QUICK, SMALL, Workplace


def test_more_texts_are_measured_on_the_same_authors_and_help(workplace: Workplace) -> None:
    options = {"starter": False, "settings": SMALL, "candidates": QUICK}
    curve = learning_curve(workplace.cases, shares=(1, 1 / 4), **options)  # type: ignore[arg-type]
    assert curve["texts"][1] == pytest.approx(4 * curve["texts"][0], abs=2)
    # A whole author is held out, of four.
    n = len(pd.read_csv(workplace.cases, sep=";"))
    assert 0.6 * n < curve["texts"][1] < 0.85 * n
    assert curve["macro_f1"][1] > curve["macro_f1"][0] + 0.1
    assert ((curve["macro_f1_low"] <= curve["macro_f1"]) & (curve["macro_f1"] <= curve["macro_f1_high"])).all()
    causes = curve.drop(columns=["texts", "macro_f1", "macro_f1_low", "macro_f1_high"])
    assert causes.mean(axis=1).tolist() == pytest.approx(curve["macro_f1"].tolist())


def test_a_part_with_hardly_an_example_of_a_cause_is_left_out(workplace: Workplace) -> None:
    curve = learning_curve(workplace.cases, shares=(1 / 50, 1 / 4), starter=False, settings=SMALL, candidates=QUICK)
    assert len(curve) == 1
    with pytest.raises(InputError, match=r"för få exempel för en inlärningskurva; märk fler klagomål med orsaken"):
        learning_curve(workplace.cases, shares=(1 / 50,), starter=False, settings=SMALL, candidates=QUICK)


def test_texts_that_were_held_out_can_be_looked_up_and_are_masked(tmp_path: Path, taxonomy: Taxonomy) -> None:
    files = [tmp_path / "own.csv"]
    causes = ";".join(taxonomy.cause_ids)
    lines = [f'"jag {"väntar " * n} här, ring 070-174 06 71";"{causes}"' for n in range(10)]
    others = [f"skorna är {'mycket ' * n} fula;" for n in range(10)]
    files[0].write_text("\n".join(["text;causes", *lines, *others]), encoding="utf-8")
    settings = Settings(corrections=str(tmp_path / "none.sqlite"))
    data = read_training_data(files, taxonomy, starter=False, settings=settings)
    texts = masked_texts(data)
    assert set(texts) == {text_digest(text) for text in data.texts}
    assert texts[text_digest(data.texts[1])].startswith("jag väntar  här, ring <")
    assert not any("070" in text for text in texts.values())


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return labelled_examples(tmp_path_factory.mktemp("examples"))


def test_the_example_months_come_as_labelled_files_in_order(months: list[Path], taxonomy: Taxonomy) -> None:
    read = [read_cases(path, taxonomy, labelled=True) for path in months]
    assert not any(len(cases.rejected) for cases in read)
    first = [min(cases.fields["received"]) for cases in read]
    assert first == sorted(first)
    assert all(cases.fields["author"].nunique() == 2 for cases in read)
    given = pd.concat([cases.fields for cases in read]).set_index("case_id")["causes"]
    answers = new_cause_answers()
    old = {case: [c for c in answers[case] if c != "app_trouble"] for case in given.index}
    assert given.map(lambda causes: causes.split(";") if causes else []).to_dict() == old


def test_the_example_of_a_new_cause_is_mostly_other_and_not_in_the_taxonomy(taxonomy: Taxonomy) -> None:
    answers = [causes for causes in new_cause_answers().values() if "app_trouble" in causes]
    assert len(answers) >= 50
    assert sum(causes == ["app_trouble"] for causes in answers) > 0.9 * len(answers)
    assert taxonomy.find_cause("app_trouble") is None
    assert taxonomy.find_cause(OTHER) == OTHER
