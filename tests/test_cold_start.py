"""A new cause: which it is, what is taught of it, what is left out, and that nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nollclassify.training_data as training_data
from nollclassify.cases import Cases
from nollclassify.classifier import ComplaintClassifier, Taught
from nollclassify.cli.models import print_training
from nollclassify.cold_start import LEFT_OUT, certain, new_causes, taught_by
from nollclassify.errors import InputError
from nollclassify.evaluation import indicator
from nollclassify.settings import Settings
from nollclassify.taxonomy import Taxonomy, parse_taxonomy
from nollclassify.training import train
from tests.conftest import QUICK

NEW = """
[[causes]]
id = "app_crash"
name_sv = "Appkrasch"
name_en = "App crash"
definition_sv = "Appen kraschar, hänger sig eller går inte att öppna."
belongs = ["appen startar inte efter uppdateringen"]
counter_examples = ["Appen är ful."]
"""
EXAMPLES = [
    "appen kraschar varje gång jag öppnar den",
    "appen hänger sig när jag ska betala",
    "efter uppdateringen startar inte appen alls",
    "er app kraschar, har installerat om tre gånger",
    "kan inte öppna appen, den hänger sig på vita skärmen",
]


@pytest.fixture(scope="module")
def sparse(starter: pd.DataFrame) -> pd.DataFrame:
    return starter.iloc[::25].reset_index(drop=True)


@pytest.fixture(scope="module")
def wider(taxonomy: Taxonomy) -> Taxonomy:
    return parse_taxonomy(taxonomy.source.replace("\n[[causes]]", f"{NEW}\n[[causes]]", 1))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, sparse: pd.DataFrame, starter_cases: Cases) -> None:
    """The starter corpus is a part of itself, for speed."""
    monkeypatch.setattr(training_data, "read_starter", lambda taxonomy: replace(starter_cases, fields=sparse))


@pytest.fixture(scope="module")
def starter_cases(taxonomy: Taxonomy) -> Cases:
    return training_data.read_starter(taxonomy)


def own(folder: Path, n: int) -> Path:
    path = folder / "egna.csv"
    rows = {"klagomål": [*EXAMPLES[:n], "Appen är ful."], "orsaker": [*["Appkrasch"] * n, ""]}
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_a_cause_is_new_where_the_starter_corpus_has_none_of_it() -> None:
    Y = np.array([[1, 0], [0, 0], [0, 1]])
    assert new_causes(Y, np.array([True, True, False])) == [1]
    assert new_causes(Y, np.array([True, True, True])) == []
    assert new_causes(Y, np.zeros(3, dtype=bool)) == []


def test_the_definition_of_a_new_cause_is_taught_and_no_other(wider: Taxonomy) -> None:
    taught = taught_by(wider, [0], 10.0)
    assert taught is not None
    assert taught.Y.sum(axis=0).tolist() == [2, 0, 0, 0, 0, 0]
    assert taught.texts[2] == "Appen är ful."
    assert set(taught.weight) == {10.0}
    assert taught_by(wider, [], 10.0) is None


def test_hidden_examples_of_the_new_cause_are_left_out_of_the_starter_corpus_alone(
    sparse: pd.DataFrame, taxonomy: Taxonomy
) -> None:
    texts, Y = sparse["text"].tolist(), indicator(sparse["causes"].tolist(), taxonomy.cause_ids)
    has = Y[:, 4] == 1
    is_starter = np.ones(len(texts), dtype=bool)
    is_starter[np.flatnonzero(has)[:20]] = False
    Y[is_starter, 4] = 0
    kept = certain(texts, Y, is_starter, [4], taxonomy)
    assert (~kept).sum() == round(LEFT_OUT * is_starter.sum())
    assert kept[~is_starter].all()
    assert has[~kept].mean() > 1.5 * has[is_starter].mean()


@pytest.mark.usefixtures("read")
def test_five_examples_of_a_new_cause_are_enough_to_read_and_four_are_not(tmp_path: Path, wider: Taxonomy) -> None:
    data = training_data.read_training_data([own(tmp_path, 5)], wider, True, Settings(), corrections=False)
    assert data.taught is not None
    assert data.left_out > 0
    assert set(EXAMPLES) <= set(data.texts)
    assert len(data.texts) == len(data.Y) == len(data.group) == len(data.weight) == len(data.primary)
    with pytest.raises(InputError, match=r"Appkrasch \(app_crash\): 4 märkta exempel, minst 5 behövs"):
        training_data.read_training_data([own(tmp_path, 4)], wider, True, Settings(), corrections=False)


@pytest.mark.usefixtures("read")
def test_a_training_tells_how_a_new_cause_is_read_among_the_users_own_texts(
    tmp_path: Path, wider: Taxonomy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The starter corpus is not labelled for it: what is found there is counted as wrong, rightly or not."""
    monkeypatch.chdir(tmp_path)
    Path("wider.toml").write_text(wider.source, encoding="utf-8")
    result = train(
        own(tmp_path, 5), register=False, settings=Settings(taxonomy="wider.toml"), candidates=QUICK, corrections=False
    )
    assert result.new_causes is not None
    (row,) = result.new_causes.causes.to_dict("records")
    assert (row["cause"], row["n"], result.new_causes.n) == ("app_crash", 5, 6)
    among_all = result.scores.causes.set_index("cause").loc["app_crash"]
    assert (among_all["n"], among_all["recall"]) == (5, row["recall"])
    assert among_all["precision"] <= row["precision"]
    print_training(result)
    assert "Appkrasch: startkorpusen är inte märkt för orsaken" in (said := capsys.readouterr().out)
    assert "På era egna 6 texter: precision " in said


@pytest.mark.usefixtures("read")
def test_nothing_is_taught_or_left_out_where_no_cause_is_new(taxonomy: Taxonomy, sparse: pd.DataFrame) -> None:
    data = training_data.read_training_data([], taxonomy, True, Settings(), corrections=False)
    assert (data.taught, data.left_out) == (None, 0)
    assert data.texts == sparse["text"].tolist()


def test_what_is_taught_is_learned_but_never_judged_by(sparse: pd.DataFrame) -> None:
    texts = [*sparse["text"].tolist()[:150], *EXAMPLES]
    Y = np.array([[0]] * 150 + [[1]] * 5)
    lines = ("Appen kraschar eller hänger sig", "kan inte öppna appen")
    taught = Taught(lines, np.ones((2, 1), dtype=int), np.full(2, 10.0))
    plain, helped = (ComplaintClassifier(("app_crash",), QUICK, taught=t).fit(texts, Y) for t in (None, taught))
    probe = ["appen kraschar hela tiden"]
    assert helped.predict_proba(probe)[0, 0] > helped.predict_proba(["skorna var för små"])[0, 0]
    assert not np.array_equal(plain.model_.coefficients.shape, helped.model_.coefficients.shape) or not np.array_equal(
        plain.model_.coefficients, helped.model_.coefficients
    )
    nothing = Taught((), np.zeros((0, 1), dtype=int), np.zeros(0))
    same = ComplaintClassifier(("app_crash",), QUICK, taught=nothing).fit(texts, Y)
    assert np.array_equal(same.model_.coefficients, plain.model_.coefficients)
    assert np.array_equal(same.model_.calibration, plain.model_.calibration)


def test_only_a_taught_cause_with_few_examples_is_labelled_from_a_low_probability(sparse: pd.DataFrame) -> None:
    """Two columns with the same labels; the first one's cause is taught."""
    taught = Taught(("Appen kraschar eller hänger sig",), np.array([[1, 0]]), np.full(1, 10.0))
    for n, low in ((1, True), (9, True), (10, False)):
        examples = [f"{text} ({i})" for i in range(n) for text in EXAMPLES]
        texts = [*sparse["text"].tolist()[:150], *examples]
        Y = np.repeat([[0, 0], [1, 1]], [150, len(examples)], axis=0)
        model = ComplaintClassifier(("app_crash", "untaught"), QUICK, taught=taught).fit(texts, Y).model_
        assert (model.thresholds[0] == 0.15) == low
        assert model.thresholds[1] > 0.15
