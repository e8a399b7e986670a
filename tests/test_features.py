"""The feature matrix is scikit-learn's, and is shared out over words without a remainder."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from nollclassify.features import Lexicon, counts, features, shared_weights, weigh
from nollclassify.vocabulary import grams_of, learn_vocabulary

words = st.lists(st.sampled_from(["faktura", "före", "kö", "å", "<namn>", "!", "pengarna", "000", "kön"]), max_size=12)
texts = st.lists(words, min_size=2, max_size=8)


def oracle(learn: list[list[str]], use: list[list[str]]) -> np.ndarray:
    """The same two blocks by scikit-learn's own vectorizer."""

    def word_and_pairs(text: list[str]) -> list[str]:
        return [*text, *(f"{a} {b}" for a, b in pairwise(text))]

    def grams(text: list[str]) -> list[str]:
        return [g for word in text for g in grams_of(word, (2, 4))]

    blocks = []
    for analyzer in (word_and_pairs, grams):
        vectorizer = TfidfVectorizer(analyzer=analyzer, sublinear_tf=True, min_df=1).fit(learn)
        columns = vectorizer.get_feature_names_out()
        singles_first = sorted(range(len(columns)), key=lambda i, c=columns: (" " in c[i].strip(), i))
        order = singles_first if analyzer is word_and_pairs else range(len(columns))
        blocks.append(vectorizer.transform(use).toarray()[:, list(order)])
    return np.hstack(blocks)


def test_the_matrix_equals_that_of_scikit_learn() -> None:
    learn = [["kön", "är", "lång"], ["fakturan", "före", "varan"], ["kön", "är", "slut", "kön"]]
    use = [["kön", "är", "lång", "kön", "är"], ["okänt"], ["fakturan", "är", "lång"]]
    vocabulary = learn_vocabulary(learn, min_texts=1, gram_sizes=(2, 4))
    assert np.allclose(features(use, Lexicon(vocabulary)).toarray(), oracle(learn, use), atol=1e-6)


@given(texts)
@settings(max_examples=60, deadline=None)
def test_the_parts_of_single_words_add_up_to_the_text(sample: list[list[str]]) -> None:
    vocabulary = learn_vocabulary([*sample, ["kön", "är"]], min_texts=1)
    whole = features(sample, Lexicon(vocabulary)).toarray()
    read = Lexicon(vocabulary).read(sample)
    counted = counts(read)
    some = np.flatnonzero(np.arange(len(sample)) % 3 != 1)
    parts = shared_weights(read, counted, weigh(counted, vocabulary), some).toarray()
    ends = np.cumsum([0, *(len(sample[i]) for i in some)])
    added = np.array([parts[a:b].sum(axis=0) for a, b in pairwise(ends)])
    assert np.allclose(added, whole[some], atol=1e-9)


@given(texts, texts)
@settings(max_examples=60, deadline=None)
def test_a_lexicon_gives_the_same_whatever_it_has_read_before(
    earlier: list[list[str]], sample: list[list[str]]
) -> None:
    vocabulary = learn_vocabulary([*sample, ["kön", "är"]], min_texts=1)
    lexicon = Lexicon(vocabulary)
    lexicon.read(earlier)
    again = weigh(counts(lexicon.read(sample)), vocabulary)
    assert (again != features(sample, Lexicon(vocabulary))).nnz == 0


def test_a_full_lexicon_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nollclassify.features._MOST_WORDS", 2)
    vocabulary = learn_vocabulary([["kön", "är"], ["kön", "är"]], min_texts=1)
    lexicon = Lexicon(vocabulary)
    first, second, third = (lexicon.read([text]) for text in (["kön", "okänd", "annan"], ["är"], ["är", "kön"]))
    assert len(first.place) == 3
    assert len(second.place) == 1
    assert (counts(third) != counts(Lexicon(vocabulary).read([["är", "kön"]]))).nnz == 0


def test_what_stands_in_a_single_text_is_not_learned() -> None:
    vocabulary = learn_vocabulary([["kö", "Qvintus"], ["kö", "lång"], ["lång"]], min_texts=2)
    assert vocabulary.words == ("kö", "lång")
    assert not [gram for gram in vocabulary.grams if "q" in gram.lower()]


def test_missing_diacritics_make_the_same_ngrams() -> None:
    assert grams_of("före", (2, 3)) == grams_of("fore", (2, 3))


def test_ngrams_are_those_of_char_wb() -> None:
    analyse = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)).build_analyzer()
    for word in ("k", "ko", "kolonn", "fakturaavgift"):
        assert sorted(grams_of(word, (2, 5))) == sorted(analyse(word))


def test_a_mask_is_one_feature() -> None:
    assert grams_of("<namn>", (2, 5)) == ["<namn>"]


def test_no_texts_give_no_rows() -> None:
    vocabulary = learn_vocabulary([["a", "b"], ["a"]], min_texts=1)
    assert features([], Lexicon(vocabulary)).shape == (0, vocabulary.n_features)
    assert features([[]], Lexicon(vocabulary)).nnz == 0
