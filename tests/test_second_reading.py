"""The second reading: classes of words, trees as arrays, and where it is used at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

from nollclassify.classifier import second_reading
from nollclassify.errors import SettingsError
from nollclassify.model import tokenise
from nollclassify.model_store import StoredModel
from nollclassify.trees import DEPTH, Trees, of_scikit_learn
from nollclassify.word_classes import WordClasses, load_word_classes


@pytest.mark.parametrize("max_depth", [1, 2, DEPTH])
def test_trees_as_arrays_give_what_scikit_learn_gives(max_depth: int) -> None:
    generator = np.random.default_rng(0)
    X = generator.normal(size=(3_000, 6)).round(1)
    y = ((X[:, 0] > 0) & (X[:, 3] + generator.normal(size=3_000) > 0.5)).astype(int)
    fitted = HistGradientBoostingClassifier(max_depth=max_depth, max_iter=40).fit(X, y)
    features, limits, leaves, base = of_scikit_learn(fitted)
    trees = Trees(features[None], limits[None], leaves[None], np.array([base]))
    new = np.vstack([generator.normal(size=(500, 6)), X[:500]])  # and values that lie on a limit
    assert np.allclose(trees.log_odds(new, 0), fitted.decision_function(new), atol=1e-12)
    assert leaves.shape == (40, 2**DEPTH)


def test_no_trees_say_nothing() -> None:
    assert Trees.none(2).log_odds(np.ones((3, 4)), 1).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("n", "expected"), [(2_000, True), (100, False)])
def test_a_cause_is_read_twice_where_that_was_better_on_unseen_texts(
    stored: StoredModel, n: int, expected: bool
) -> None:
    """It takes both a score and words of a class: what no sum can say. And enough texts for a leaf."""
    generator, k = np.random.default_rng(0), len(stored.model.cause_ids)
    model = replace(stored.model, calibration=np.tile([2.0, 0.0, -1.0], (k, 1)))
    scores = generator.normal(size=(n, model.n_scores))
    Y = np.tile(((scores[:, 0] > 0) & (scores[:, -2] > 0)).astype(int)[:, None], k)
    folds = np.arange(n) % 4
    twice, probabilities = second_reading(model, scores, Y, np.ones(n), folds)
    assert twice.read_twice[0] == expected
    if expected:
        assert ((probabilities[:, 0] > 0.5) == Y[:, 0]).mean() > 0.95
        assert ((twice.calibrated(scores)[:, 0] > 0.5) == Y[:, 0]).mean() > 0.95


def test_probabilities_of_causes_without_a_second_reading_are_those_of_the_first(stored: StoredModel) -> None:
    model = stored.model
    scores = model.scores(tokenise(["ingen svarar", "fakturan kom men inga skor"]))
    once = ~model.read_twice
    assert np.array_equal(model.calibrated(scores)[:, once], expit(model.first_reading(scores))[:, once])


@given(st.lists(st.text(alphabet="abcåäöfaktur0?", min_size=1, max_size=12), max_size=20))
def test_a_word_is_of_a_class_by_itself_or_by_its_beginning(words: list[str]) -> None:
    member = WordClasses(("a", "b"), (("få*", "kr"), ("fa", "000*", "?"))).membership(words)
    for word, (first, second) in zip(words, member.tolist(), strict=True):
        assert first == (word.startswith(("få", "fa")) or word == "kr")
        assert second == (word in ("fa", "?") or word.startswith("000"))


def test_the_classes_that_come_along_know_plain_words() -> None:
    classes = load_word_classes()
    words = ["fakturan", "paketet", "svarar", "inställd", "0000", "når", "när", "nar"]
    found = [{classes.names[j] for j in np.flatnonzero(row)} for row in classes.membership(words)]
    assert [{"betalning"}, {"vara"}, {"svar"}, {"inställt"}, {"tal"}, {"svar"}, set(), {"svar"}] == found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('betalning = "faktur*"', "ordklassen betalning ska vara en lista med ord"),
        ('betalning = ["Faktura"]', "'Faktura' i ordklassen betalning duger inte; skriv ett ord med små bokstäver"),
        ('betalning = ["*"]', "duger inte"),
        ('betalning = ["fak*tur"]', "stjärna bara sist"),
        ("betalning = [", "filen är inte giltig TOML"),
    ],
)
def test_a_file_of_word_classes_that_does_not_hold_is_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "ord.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"ord\.toml: .*") as caught:
        load_word_classes(path)
    assert message in str(caught.value)


def test_a_missing_or_foreign_file_of_word_classes_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ordklassfilen går inte att läsa; ange en fil som finns\."):
        load_word_classes(tmp_path / "saknas.toml")
    (tmp_path / "ord.toml").write_bytes('a = ["kö"]'.encode("cp1252"))
    with pytest.raises(SettingsError, match=r"ordklassfilen är inte UTF-8; spara den som UTF-8\."):
        load_word_classes(tmp_path / "ord.toml")
