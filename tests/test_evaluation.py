"""Scores, and groups that stay together."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from nollclassify.estimation import percentile_interval, resampled_weights
from nollclassify.evaluation import (
    calibration_error,
    groups,
    indicator,
    near_duplicates,
    primary_causes,
    score,
    text_digest,
)

CAUSES = ("a", "b")


def predictions(n: int = 300, error: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = (generator.random((n, 2)) < 0.3).astype(int)
    wrong = generator.random((n, 2)) < error
    return truth, np.where(wrong, 1 - truth, truth)


def test_scores_are_those_of_scikit_learn() -> None:
    truth, decided = predictions()
    result = score(truth, decided.astype(float), decided, CAUSES)
    table = result.causes.set_index("cause")
    for k, cause in enumerate(CAUSES):
        assert table.loc[cause, "precision"] == pytest.approx(precision_score(truth[:, k], decided[:, k]))
        assert table.loc[cause, "recall"] == pytest.approx(recall_score(truth[:, k], decided[:, k]))
    assert result.macro_f1.estimate == pytest.approx(f1_score(truth, decided, average="macro"))
    assert result.micro_f1.estimate == pytest.approx(f1_score(truth, decided, average="micro"))
    assert result.exact_match.estimate == pytest.approx((truth == decided).all(axis=1).mean())


def test_intervals_hold_the_estimate_and_shrink_with_n() -> None:
    widths = []
    for n in (100, 2000):
        truth, decided = predictions(n)
        macro = score(truth, decided.astype(float), decided, CAUSES).macro_f1
        assert macro.low < macro.estimate < macro.high
        widths.append(macro.high - macro.low)
    assert widths[1] < widths[0] / 3


def test_an_interval_over_authors_is_wider_where_authors_differ() -> None:
    truth, decided = predictions(400, 0)
    group = np.arange(400) // 40
    decided[group < 3] = 1 - truth[group < 3]
    by_text = score(truth, decided.astype(float), decided, CAUSES).exact_match
    by_author = score(truth, decided.astype(float), decided, CAUSES, group).exact_match
    assert by_author.high - by_author.low > 2 * (by_text.high - by_text.low)


def test_no_texts_cannot_be_scored() -> None:
    with pytest.raises(ValueError, match="no texts to score"):
        score(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2)), CAUSES)


def test_the_confusion_counts_every_text_once() -> None:
    truth, decided = predictions()
    confusion = score(truth, decided.astype(float), decided, CAUSES).confusion
    assert confusion.to_numpy().sum() == len(truth)
    assert list(confusion.columns) == ["a", "b", "other"]


def test_scores_as_json_hold_no_nan() -> None:
    truth = np.zeros((20, 2), dtype=int)
    content = score(truth, truth.astype(float), truth, CAUSES).to_dict()
    assert content["causes"][0]["average_precision"] is None


def test_probabilities_that_hold_have_no_calibration_error() -> None:
    probabilities = np.repeat([0.2, 0.8], 500)
    truth = np.concatenate([np.arange(500) % 5 == 0, np.arange(500) % 5 != 0]).astype(int)
    assert calibration_error(truth, probabilities, n_bins=2) == pytest.approx(0, abs=1e-9)
    assert calibration_error(1 - truth, probabilities, n_bins=2) == pytest.approx(0.6)


def test_texts_of_one_author_and_near_duplicates_are_one_group() -> None:
    first = "jag har väntat på svar om min återbetalning i fem veckor nu och ingen hör av sig"
    second = first.replace("fem", "sex")
    numbers = groups([first, "något helt annat om skor", second, "och en egen text"], ["x", "x", "", ""])
    assert numbers[0] == numbers[1] == numbers[2]
    assert numbers[3] != numbers[0]


def test_texts_without_author_are_alone() -> None:
    assert len(set(groups(["en text om skor", "en annan om resor", "tredje"], ["", "", ""]))) == 3


def test_near_duplicates_are_pairs_of_places() -> None:
    texts = [
        "paketet kom aldrig fram till mig",
        "annat",
        "paketet kom aldrig fram till oss",
        "paketet kom aldrig fram till mig",
    ]
    assert (0, 3) in near_duplicates(texts)


def test_a_digest_tells_nothing_of_numbers_and_survives_spacing() -> None:
    assert text_digest("Ring  070-174 06 05!") == text_digest("ring 070-174 06 06 !")
    assert text_digest("ring") != text_digest("mejla")


def test_labels_become_columns() -> None:
    assert indicator(["b;a", "", "b"], CAUSES).tolist() == [[1, 1], [0, 0], [0, 1]]


def test_the_primary_cause_is_the_most_probable_labelled_one() -> None:
    probabilities = np.array([[0.4, 0.9], [0.4, 0.9], [0.1, 0.1]])
    decided = np.array([[True, True], [True, False], [False, False]])
    assert primary_causes(probabilities, decided, CAUSES) == ["b", "a", ""]


def test_every_resample_draws_as_many_groups_as_there_are() -> None:
    weights = resampled_weights(7, 50, seed=1)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_the_percentile_interval_leaves_out_what_is_no_number() -> None:
    interval = percentile_interval(0.5, np.array([0.0, 1.0, np.nan]))
    assert (interval.low, interval.high) == pytest.approx((0.025, 0.975))
    assert np.isnan(percentile_interval(0.5, np.array([np.nan])).low)
