"""The estimator: it learns, keeps groups whole, calibrates, and explains itself exactly."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from nollclassify.classifier import ComplaintClassifier, split_folds
from nollclassify.evaluation import calibration_error, indicator
from nollclassify.model import PRECISIONS, tokenise
from nollclassify.model_store import StoredModel
from nollclassify.thresholds import best_threshold, strict_thresholds
from tests.conftest import QUICK


def test_it_learns_what_sets_causes_apart(starter: pd.DataFrame, taxonomy) -> None:
    some = starter[starter["author"].isin(sorted(starter["author"].unique())[:4])]
    new = starter[starter["author"] == sorted(starter["author"].unique())[5]]
    Y = indicator(some["causes"].tolist(), taxonomy.cause_ids)
    classifier = ComplaintClassifier(taxonomy.cause_ids, QUICK, n_folds=4)
    classifier.fit(some["text"].tolist(), Y, some["author"].tolist())
    truth = indicator(new["causes"].tolist(), taxonomy.cause_ids)
    predicted = classifier.predict(new["text"].tolist())
    right, wrong, missed = (truth & predicted).sum(), (~truth & 1 & predicted).sum(), (truth & (1 - predicted)).sum()
    assert 2 * right / (2 * right + wrong + missed) > 0.6
    assert calibration_error(truth.ravel(), classifier.predict_proba(new["text"].tolist()).ravel()) < 0.1


def test_it_is_cloned_and_configured_as_scikit_learn_wants(taxonomy) -> None:
    classifier = ComplaintClassifier(taxonomy.cause_ids, QUICK, n_folds=3, seed=7)
    assert clone(classifier).get_params()["seed"] == 7


def test_the_same_seed_gives_the_same_model(starter: pd.DataFrame, taxonomy) -> None:
    some = starter.iloc[::9]
    Y = indicator(some["causes"].tolist(), taxonomy.cause_ids)
    models = [
        ComplaintClassifier(taxonomy.cause_ids, QUICK, n_folds=2).fit(some["text"].tolist(), Y).model_ for _ in range(2)
    ]
    assert np.array_equal(models[0].coefficients, models[1].coefficients)
    assert np.array_equal(models[0].thresholds, models[1].thresholds)


def test_a_heavier_text_counts_more() -> None:
    texts = ["kön var lång", "kön var lång", "skorna gick sönder", "skorna gick sönder", "kön skorna", "kön skorna"]
    Y = np.array([[1], [1], [0], [0], [1], [0]])
    light, heavy = (
        ComplaintClassifier(("a",), QUICK, n_folds=2, min_texts=1)
        .fit(texts, Y, sample_weight=np.array([1, 1, 1, 1, w, 1]))
        .model_.scores(tokenise(["kön skorna"]))[0, 0]
        for w in (1, 50)
    )
    assert heavy > light


def test_no_group_is_on_both_sides_of_a_fold() -> None:
    Y = (np.random.default_rng(0).random((200, 3)) < 0.2).astype(int)
    groups = np.arange(200) // 9
    folds = split_folds(Y, groups, 5, seed=1)
    assert len(np.unique(folds)) == 5
    assert all(len(np.unique(folds[groups == g])) == 1 for g in np.unique(groups))


@pytest.mark.parametrize("n", [5, 20, 100])
def test_the_few_texts_of_a_new_cause_by_nobody_in_particular_do_not_come_into_one_fold(n: int) -> None:
    """Beside a corpus of authors with many texts each, whose folds are never quite equally large."""
    generator = np.random.default_rng(n)
    sizes = generator.integers(50, 350, 40)
    old = (generator.random((sizes.sum(), 1)) < 0.3).astype(int)
    Y = np.zeros((len(old) + 2 * n, 2), dtype=int)
    Y[: len(old), :1], Y[-n:, 1] = old, 1
    groups = np.concatenate([np.repeat(np.arange(40), sizes), 40 + np.arange(2 * n)])
    per_fold = np.bincount(split_folds(Y, groups, 5, seed=0)[-n:], minlength=5)
    assert per_fold.max() - per_fold.min() <= 1


@pytest.mark.parametrize(
    ("Y", "message"),
    [
        (np.zeros((3, 2), dtype=int), r"Y has shape \(3, 2\), wanted \(4, 1\)"),
        (np.array([[1], [0], [0], [0]]), "a has 1 examples among 4 texts, wanted 2 of either kind"),
        (np.ones((4, 1), dtype=int), "a has 4 examples among 4 texts"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(Y: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ComplaintClassifier(("a",)).fit(["en", "två", "tre", "fyra"], Y)


def test_the_threshold_lies_where_f1_is_best() -> None:
    probabilities = np.linspace(0, 1, 1000)
    assert best_threshold(probabilities, (probabilities > 0.7).astype(int)) == pytest.approx(0.7, abs=0.03)


def test_of_equally_good_thresholds_the_highest_is_taken() -> None:
    """No text lies between 0.3 and 0.6, so that all thresholds there are one."""
    probabilities = np.concatenate([np.linspace(0, 0.3, 500), np.linspace(0.6, 1, 500)])
    assert best_threshold(probabilities, (probabilities > 0.5).astype(int)) == pytest.approx(0.6, abs=0.04)


def test_a_strict_threshold_reaches_its_precision_with_as_many_texts_as_it_can() -> None:
    probabilities = np.linspace(0, 1, 1000)
    y = (np.random.default_rng(0).random(1000) < probabilities).astype(int)
    for precision, threshold in zip(PRECISIONS, strict_thresholds(probabilities, y), strict=True):
        if threshold <= 1:
            assert y[probabilities >= threshold].mean() >= precision
            assert y[probabilities >= threshold - 0.01].mean() < precision + 0.01


def test_a_precision_that_is_never_reached_labels_nothing() -> None:
    assert (strict_thresholds(np.linspace(0, 1, 100), np.zeros(100, dtype=int)) > 1).all()


def test_causes_that_never_meet_are_found_to_exclude_each_other(stored: StoredModel, starter: pd.DataFrame) -> None:
    Y = indicator(starter["causes"].tolist(), stored.model.cause_ids)
    classifier = ComplaintClassifier(stored.model.cause_ids, QUICK, n_folds=2)
    exclusive = classifier.fit(starter["text"].tolist()[::4], Y[::4]).model_.exclusive
    assert (exclusive == exclusive.T).all()
    assert not exclusive.diagonal().any()
    assert exclusive[0, 1]  # an event is not a delivery


def test_the_words_of_a_text_explain_the_whole_of_its_first_reading(stored: StoredModel, starter: pd.DataFrame) -> None:
    words = tokenise(starter["text"].tolist()[:60])
    log_odds = stored.model.first_reading(stored.model.scores(words))
    for row, parts in zip(log_odds, stored.model.read(words).contributions(range(len(words))), strict=True):
        assert np.allclose(parts.sum(axis=0) + stored.model.baseline, row, atol=1e-6)


def test_one_clause_is_heard_in_a_long_text(stored: StoredModel) -> None:
    clause = "har mejlat kundtjänst tre gånger men ingen svarar"
    around = "soffan är grön och står i vardagsrummet bredvid lampan som vi fick av min moster förra sommaren " * 3
    scores, k = stored.model.scores(tokenise([clause, around + clause + " " + around])), len(stored.model.cause_ids)
    whole, passage = scores[:, k - 1], scores[:, 2 * k - 1]
    assert whole[1] < whole[0] - 1
    assert passage[1] > passage[0] - 0.5


def test_a_text_has_the_same_probabilities_alone_and_in_any_batch(stored: StoredModel, starter: pd.DataFrame) -> None:
    texts = starter["text"].tolist()[:40]
    together = stored.model.probabilities([*texts, *reversed(texts)])
    assert np.array_equal(together[:40], np.concatenate([stored.model.probabilities([text]) for text in texts]))
    assert np.array_equal(together[:40], together[40:][::-1])


def test_a_model_holds_no_number_and_no_planted_person(starter: pd.DataFrame, taxonomy) -> None:
    some = starter.iloc[::9]
    planted = " Mvh Xerxes Qvarnlund, 900101-2393, 070-174 06 05, xerxes@example.com, OCR 77777712345"
    texts = [text + planted for text in some["text"]]
    Y = indicator(some["causes"].tolist(), taxonomy.cause_ids)
    vocabulary = ComplaintClassifier(taxonomy.cause_ids, QUICK, n_folds=2).fit(texts, Y).model_.vocabulary
    assert not [w for w in (*vocabulary.words, *vocabulary.grams) if set(w) & set("123456789")]
    assert not [w for w in vocabulary.words if "xerxes" in w or "qvarnlund" in w]
