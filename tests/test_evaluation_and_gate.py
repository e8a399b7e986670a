"""Scores, groups that stay together, and the gate."""

from __future__ import annotations

from dataclasses import replace

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
from nollclassify.gate import GateRule, HeldOut, gate

CAUSES = ("a", "b")


def predictions(n: int = 300, error: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = (generator.random((n, 2)) < 0.3).astype(int)
    wrong = generator.random((n, 2)) < error
    return truth, np.where(wrong, 1 - truth, truth)


def held_out(error: float, seed: int = 1, n: int = 400, causes: tuple[str, ...] = CAUSES) -> HeldOut:
    truth, _ = predictions(n, 0)
    wrong = np.random.default_rng(seed).random((n, 2)) < error
    decided = np.where(wrong, 1 - truth, truth)
    probabilities = np.where(decided == 1, 0.9, 0.1).astype(np.float32)
    return HeldOut(tuple(f"{i:032x}" for i in range(n)), truth, decided, probabilities, np.arange(n) % 20, causes)


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


# --- the gate ----------------------------------------------------------------------------------------------------


def test_a_model_must_reach_the_floor_whatever_the_champion() -> None:
    assert gate(held_out(0.05), None, GateRule()).passed
    for champion in (None, held_out(0.45)):
        refused = gate(held_out(0.4), champion, GateRule())
        assert not refused.passed
        assert refused.reason.endswith("0,500 krävs")


def test_an_equal_model_passes_and_a_clearly_worse_one_does_not() -> None:
    assert gate(held_out(0.1), held_out(0.1), GateRule()).passed
    refused = gate(held_out(0.25), held_out(0.05), GateRule())
    assert not refused.passed
    assert "sämre" in refused.reason


def test_a_model_that_is_worse_in_one_cause_does_not_pass() -> None:
    good, spoilt = held_out(0.02), held_out(0.02)
    spoilt.decided[:, 1] = np.where(
        np.random.default_rng(3).random(400) < 0.3, 1 - spoilt.truth[:, 1], spoilt.truth[:, 1]
    )
    decision = gate(spoilt, good, GateRule(margin=1))
    assert not decision.passed
    assert decision.reason.startswith("b kan vara")


def test_too_few_shared_texts_never_pass() -> None:
    few, many = held_out(0.0, n=30), held_out(0.0)
    assert gate(few, None, GateRule()).reason == "bara 30 provtexter, minst 200 behövs"
    assert gate(many, few, GateRule()).reason.startswith("bara 30 gemensamma provtexter")


def test_causes_that_only_the_challenger_knows_are_not_held_against_it() -> None:
    whole = held_out(0.05)
    first = {name: getattr(whole, name)[:, :1] for name in ("truth", "decided", "probabilities")}
    old = replace(whole, **first, cause_ids=("a",))
    decision = gate(whole, old, GateRule())
    assert decision.passed
    assert "a.f1_difference_low" in decision.figures
    assert "b.f1_difference_low" not in decision.figures


def test_a_challenger_that_lost_a_cause_does_not_pass() -> None:
    decision = gate(held_out(0.05), held_out(0.05, causes=("a", "c")), GateRule())
    assert not decision.passed
    assert decision.reason == "den nuvarande modellen känner c, den nya gör det inte"


def test_a_model_that_is_better_on_average_and_worse_in_a_behaviour_does_not_pass() -> None:
    good = {f"pair-{i:03d}": i % 2 == 0 for i in range(100)}
    worse = {group: ok and i % 4 == 0 for i, (group, ok) in enumerate(good.items())}
    champion = replace(held_out(error=0.2), behaviours=good)
    decision = gate(replace(held_out(error=0.1), behaviours=worse), champion, GateRule())
    assert not decision.passed
    assert decision.reason.startswith("minimala par, båda rätt kan vara 0,")
    assert decision.figures["behaviour.pair.difference_low"] < -0.2
    assert gate(replace(held_out(error=0.1), behaviours=good), champion, GateRule()).passed


def test_a_behaviour_with_few_groups_is_not_judged() -> None:
    champion = replace(held_out(error=0.2), behaviours={f"short-{i}": True for i in range(9)})
    challenger = replace(held_out(error=0.1), behaviours={f"short-{i}": False for i in range(9)})
    assert gate(challenger, champion, GateRule()).passed


def test_every_resample_draws_as_many_groups_as_there_are() -> None:
    weights = resampled_weights(7, 50, seed=1)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_the_percentile_interval_leaves_out_what_is_no_number() -> None:
    interval = percentile_interval(0.5, np.array([0.0, 1.0, np.nan]))
    assert (interval.low, interval.high) == pytest.approx((0.025, 0.975))
    assert np.isnan(percentile_interval(0.5, np.array([np.nan])).low)
