"""Suspected label errors: the right texts, the right cause in doubt, and a reason in Swedish."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nollclassify.gate import HeldOut
from nollclassify.model_store import StoredModel
from nollclassify.suspects import suspects, suspects_of, why
from nollclassify.taxonomy import Taxonomy

CAUSES = ("wait_time", "campaign_backlash")


def sure_of(Y: np.ndarray) -> np.ndarray:
    """Probabilities of a model that is surely and rightly of these labels."""
    return np.where(Y == 1, 0.97, 0.01)


TRUTH = np.array([[1, 0]] * 20 + [[0, 1]] * 20 + [[0, 0]] * 40)


def test_every_kind_of_planted_error_is_found_and_nothing_else() -> None:
    Y = TRUTH.copy()
    Y[0], Y[1], Y[25], Y[50] = [0, 1], [0, 0], [1, 1], [1, 0]  # replaced, dropped, added, given to other
    found = suspects(sure_of(TRUTH), Y, CAUSES).set_index("position")
    assert sorted(found.index) == [0, 1, 25, 50]
    assert found["given"].to_dict() == {
        0: "campaign_backlash",
        1: "",
        25: "campaign_backlash;wait_time",
        50: "wait_time",
    }
    assert found["suggested"].to_dict() == {0: "wait_time", 1: "wait_time", 25: "campaign_backlash", 50: ""}
    assert found["cause"].drop(0).unique().tolist() == ["wait_time"]
    assert found.index[0] == 0  # both causes speak against it


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_suspects_go_with_their_texts_in_any_order(seed: int) -> None:
    generator = np.random.default_rng(seed)
    Y = generator.integers(0, 2, (30, 2))
    p = generator.random((30, 2))
    order = generator.permutation(30)
    here, there = suspects(p, Y, CAUSES, 0.5), suspects(p[order], Y[order], CAUSES, 0.5)
    assert here["score"].is_monotonic_decreasing
    assert sorted(here["position"]) == sorted(order[there["position"]])
    assert (here["given"] != here["suggested"]).all()


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_lower_limit_keeps_the_surer_suspects_first(one: float, other: float) -> None:
    Y = TRUTH.copy()
    Y[::7] = 1 - Y[::7]
    p = np.clip(sure_of(TRUTH) + np.linspace(-0.4, 0.4, len(Y))[:, None], 0, 1)
    few, many = (suspects(p, Y, CAUSES, least) for least in (max(one, other), min(one, other)))
    assert many["position"].tolist()[: len(few)] == few["position"].tolist()


def test_labels_that_the_model_shares_or_has_no_opinion_on_are_not_suspected() -> None:
    assert suspects(sure_of(TRUTH), TRUTH, CAUSES).empty
    assert suspects(np.full(TRUTH.shape, 0.5), TRUTH, CAUSES, 0).empty


def test_shapes_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shapes \(80, 2\) and \(80, 1\), wanted \(n, 2\)"):
        suspects(sure_of(TRUTH), TRUTH[:, :1], CAUSES)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ((0, [0, 0]), "misstänkt fel etikett: står som Övrigt, modellen tror Väntetid (97 %)"),
        (
            (25, [1, 1]),
            "misstänkt fel etikett: står som Kampanjkritik och Väntetid, modellen tror inte Väntetid (99 %)",
        ),
        ((50, [1, 0]), "misstänkt fel etikett: står som Väntetid, modellen tror Övrigt (99 %)"),
    ],
)
def test_the_reason_is_a_swedish_sentence(change: tuple[int, list[int]], sentence: str, taxonomy: Taxonomy) -> None:
    Y = TRUTH.copy()
    Y[change[0]] = change[1]
    (row,) = suspects(sure_of(TRUTH), Y, CAUSES).to_dict("records")
    assert why(row, taxonomy) == sentence


def test_nothing_is_said_to_be_wholly_sure(taxonomy: Taxonomy) -> None:
    row = {"cause": "wait_time", "given": "wait_time", "suggested": "", "wrong": 0.9999}
    assert why(row, taxonomy) == "misstänkt fel etikett: står som Väntetid, modellen tror Övrigt (99 %)"


def test_errors_planted_in_what_a_real_model_learned_are_named_by_digest(stored: StoredModel) -> None:
    held: HeldOut = stored.held_out
    sure = np.flatnonzero((held.truth[:, 4] == 1) & (held.truth.sum(axis=1) == 1) & (held.probabilities[:, 4] > 0.9))
    truth = held.truth.copy()
    truth[sure[:5]] = [0, 0, 1, 0, 0]
    found = suspects_of(replace(held, truth=truth))
    assert {held.digests[i] for i in sure[:5]} <= set(found["digest"][:15])
    assert found["digest"].is_unique
