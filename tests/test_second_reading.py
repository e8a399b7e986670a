"""The second reading: classes of words, trees as arrays, and where it is used at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier

from nollclassify.classifier import second_reading
from nollclassify.errors import ModelError, SettingsError
from nollclassify.model import CauseModel, tokenise
from nollclassify.model_store import StoredModel, load_model, save_model
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


def test_the_scale_of_the_weights_means_nothing(stored: StoredModel) -> None:
    generator, k = np.random.default_rng(0), len(stored.model.cause_ids)
    scores = generator.normal(size=(1_000, stored.model.n_scores))
    Y = (scores[:, :k] + scores[:, k : 2 * k] > 0.5).astype(int)
    weight = generator.choice([1.0, 10.0], 1_000)
    both = [second_reading(stored.model, scores, Y, w, np.arange(1_000) % 3)[1] for w in (weight, 7 * weight)]
    assert np.allclose(*both, atol=1e-6)


@pytest.fixture(scope="module")
def twice(stored: StoredModel) -> StoredModel:
    """A model whose causes are all read twice, by trees that were fitted on scores of real texts."""
    generator, model = np.random.default_rng(0), stored.model
    scores = generator.normal(size=(1_000, model.n_scores))
    Y = (scores[:, : len(model.cause_ids)] > 0.5).astype(int)
    read, _ = second_reading(model, scores, Y, np.ones(1_000), np.arange(1_000) % 3)
    return replace(stored, model=replace(read, read_twice=np.ones(len(model.cause_ids), dtype=bool)))


def test_only_the_causes_that_are_read_twice_are_judged_by_trees(stored: StoredModel, twice: StoredModel) -> None:
    some = np.arange(len(twice.model.cause_ids)) % 2 == 0
    model = replace(twice.model, read_twice=some)
    scores = model.scores(tokenise(["ingen svarar", "fakturan kom men inga skor", ""]))
    probabilities = model.calibrated(scores)
    assert np.array_equal(probabilities[:, ~some], expit(model.first_reading(scores))[:, ~some])
    for k in np.flatnonzero(some):
        assert np.array_equal(probabilities[:, k], expit(model.trees.log_odds(scores, k)))


def test_a_model_that_reads_twice_is_the_same_to_the_last_bit_after_saving(twice: StoredModel, tmp_path: Path) -> None:
    save_model(tmp_path / "m", twice.model, twice.taxonomy, twice.held_out, {})
    loaded = load_model(tmp_path / "m").model
    texts = ["ingen svarar", "fakturan kom men inga skor!", "", "ab " * 300]
    assert np.array_equal(loaded.probabilities(texts), twice.model.probabilities(texts))
    assert loaded.word_classes == twice.model.word_classes
    assert loaded.read_twice.all()


def with_trees(model: CauseModel, **parts: np.ndarray) -> CauseModel:
    return replace(model, trees=replace(model.trees, **parts))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: with_trees(m, features=m.trees.features + np.int16(m.n_scores)),
        lambda m: with_trees(m, features=m.trees.features - np.int16(1)),
        lambda m: with_trees(m, features=m.trees.features.astype(str)),
        lambda m: with_trees(m, leaves=m.trees.leaves * np.nan),
        lambda m: with_trees(m, limits=m.trees.limits[:, :, 1:]),
        lambda m: with_trees(m, base=m.trees.base[1:]),
        lambda m: replace(m, read_twice=m.read_twice.astype(int)),
        lambda m: replace(m, passage_norms=np.zeros(2)),
        lambda m: replace(m, vocabulary=replace(m.vocabulary, pairs=m.vocabulary.pairs[::-1])),
        lambda m: replace(m, word_classes=WordClasses(("a",), (("Fel mönster",),))),
    ],
)
def test_a_stored_model_whose_arrays_do_not_hold_together_is_refused(
    twice: StoredModel, tmp_path: Path, spoil: Callable[[CauseModel], CauseModel]
) -> None:
    save_model(tmp_path / "m", spoil(twice.model), twice.taxonomy, twice.held_out, {})
    with pytest.raises(ModelError, match="modellen är skadad eller ändrad"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("classes", [[], None, "abc", {"a": "kö"}, {"a": [1]}, {"betalning": ["faktur*"]}])
def test_a_stored_model_with_other_classes_of_words_is_refused(
    twice: StoredModel, tmp_path: Path, classes: object
) -> None:
    save_model(tmp_path / "m", twice.model, twice.taxonomy, twice.held_out, {})
    names, manifest = tmp_path / "m" / "vocabulary.json", tmp_path / "m" / "manifest.json"
    names.write_text(json.dumps(json.loads(names.read_text("utf-8")) | {"word_classes": classes}), encoding="utf-8")
    told = json.loads(manifest.read_text("utf-8"))
    told["files"]["vocabulary.json"] = hashlib.sha256(names.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(ModelError, match="modellen är skadad eller ändrad"):
        load_model(tmp_path / "m")


@given(st.lists(st.text(alphabet="afåkur0?", min_size=1, max_size=12), max_size=20))
def test_a_word_is_of_a_class_by_itself_or_by_its_beginning(words: list[str]) -> None:
    member = WordClasses(("a", "b"), (("få*", "kr", "åka"), ("fåku*", "000*", "?"))).membership(words)
    for word, (first, second) in zip(words, member.tolist(), strict=True):
        assert first == (word.startswith("få") or word in ("kr", "åka", "aka"))
        assert second == (word.startswith(("fåku", "faku", "000")) or word == "?")


def test_the_classes_that_come_along_know_plain_words() -> None:
    classes = load_word_classes()
    words = ["fakturan", "paketet", "svarar", "inställd", "0000", "når", "när", "nar"]
    found = [{classes.names[j] for j in np.flatnonzero(row)} for row in classes.membership(words)]
    assert [{"betalning"}, {"vara"}, {"svar"}, {"inställt"}, {"tal"}, {"svar"}, set(), {"svar"}] == found


def test_the_classes_that_come_along_leave_common_words_of_other_meanings_alone() -> None:
    words = ["faktiskt", "min", "man", "kunden", "tydligen", "lager", "tag", "fattar", "marknad", "installation"]
    classes = load_word_classes()
    found = {
        w: {classes.names[j] for j in np.flatnonzero(r)} for w, r in zip(words, classes.membership(words), strict=True)
    }
    assert {w: f for w, f in found.items() if f} == {
        "lager": {"vara"},
        "tag": {"svar"},
        "installation": {"vara"},
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('betalning = "faktur*"', "ordklassen 'betalning' ska vara en lista med ord"),
        (
            'betalning = ["Faktura"]',
            "'Faktura' i ordklassen 'betalning' duger inte; skriv ett ord i taget med små bokstäver",
        ),
        ('betalning = ["*"]', "duger inte"),
        ('betalning = ["fak*tur"]', "stjärna bara sist"),
        ('betalning = ["inte betald"]', "skriv ett ord i taget"),
        ('betalning = ["48*"]', "varje siffra som 0"),
        ("betalning = []", "ska vara en lista med ord"),
        ("[betalning]\nord = 1", "ska vara en lista med ord"),
        ("", "här finns inga ordklasser"),
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
