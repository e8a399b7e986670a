"""Text to sparse features: words and pairs of words, and the characters inside words.

The same figures as scikit-learn's `TfidfVectorizer` (sublinear counts, smoothed idf, unit length per block), but the
characters of a word are cut up once a word instead of once an occurrence: word frequencies follow Zipf's law, and
n-grams inside a word depend on the word alone. So the counts are a product of two sparse matrices, texts x words and
words x features, of which the second is kept from batch to batch. All state is plain arrays and lists of strings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from threading import Lock

import numpy as np
import scipy.sparse as sp

from nollclassify.vocabulary import Batch, Numbers, Vocabulary, Words, batch, count, grams_of, pair_codes

# So many words a lexicon keeps, about 25 MB; then it begins anew. A million texts have ten times as many.
_MOST_WORDS = 60_000

Describe = Callable[[list[str]], np.ndarray]


class Lexicon:
    """What a vocabulary, and whoever else, has to say of each word; worked out when a word is first met.

    May be used by several threads at once; a copy in another process begins empty.
    """

    def __init__(self, vocabulary: Vocabulary, describe: Describe | None = None) -> None:
        """`describe` gives further figures of words, shape (n_words, t), that depend on each word alone."""
        self.vocabulary = vocabulary
        self._describe = describe or (lambda words: np.zeros((len(words), 0)))
        self._words = {w: i for i, w in enumerate(vocabulary.words)}
        first_gram = len(vocabulary.words) + len(vocabulary.pairs)
        self._grams = {g: i for i, g in enumerate(vocabulary.grams, first_gram)}
        self._lock = Lock()
        self._begin()

    def __reduce__(self) -> tuple[type[Lexicon], tuple[Vocabulary, Describe]]:
        return Lexicon, (self.vocabulary, self._describe)

    def _begin(self) -> None:
        n_pairs = len(self.vocabulary.pairs)
        self._numbers = Numbers()
        self._place = np.zeros(0, dtype=np.int64)
        pairs = np.arange(n_pairs)
        self._features = count(pairs, len(self.vocabulary.words) + pairs, n_pairs, self.vocabulary.n_features)
        self._described = self._describe([])

    def read(self, texts: Words) -> Occurrences:
        """The words of tokenised texts, with what is known of them."""
        with self._lock:
            if len(self._numbers) > _MOST_WORDS:
                self._begin()
            b = batch(texts, self._numbers)
            self._learn(list(islice(self._numbers, len(self._place), None)))
            return Occurrences(b, self.vocabulary, self._place, self._features, self._described)

    def _learn(self, words: list[str]) -> None:
        if not words:
            return
        place = np.array([self._words.get(w, -1) for w in words], dtype=np.int64)
        found = [[self._grams[g] for g in grams_of(w, self.vocabulary.gram_sizes) if g in self._grams] for w in words]
        rows = np.repeat(np.arange(len(words)), [len(f) for f in found])
        columns = np.fromiter((i for f in found for i in f), dtype=np.int64, count=len(rows))
        known = np.flatnonzero(place >= 0)
        rows, columns = np.concatenate([known, rows]), np.concatenate([place[known], columns])
        # New arrays, never the old ones changed: what was read before may still be in use.
        self._place = np.concatenate([self._place, place])
        new = count(rows, columns, len(words), self.vocabulary.n_features)
        self._features = sp.vstack([self._features, new], format="csr")
        self._described = np.concatenate([self._described, self._describe(words)])


@dataclass(frozen=True)
class Occurrences:
    """The words of a batch of texts, one after the other, and what is known of them.

    Attributes:
        batch: which word stands in which text.
        vocabulary: of n_features.
        place: shape (n_words,), where each word stands in the vocabulary, -1 for nowhere.
        features: shape (n_pairs + n_words, n_features), how often each feature is in each pair and each word.
        described: shape (n_words, t), further figures of each word.
    """

    batch: Batch
    vocabulary: Vocabulary
    place: np.ndarray
    features: sp.csr_matrix
    described: np.ndarray

    @cached_property
    def known(self) -> np.ndarray:
        """For each occurrence the place of its word in the vocabulary, or -1."""
        return np.asarray(self.place[self.batch.word])

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every occurrence of a pair of the vocabulary: position of its second word, and its place in `pairs`."""
        n_words, pairs = len(self.vocabulary.words), self.vocabulary.pairs
        if not len(pairs) or len(self.batch.word) < 2:
            return np.zeros((2, 0), dtype=np.int64)[0], np.zeros(0, dtype=np.int64)
        second, code = pair_codes(self.batch, self.known, n_words)
        codes = pairs[:, 0].astype(np.int64) * n_words + pairs[:, 1]
        place = np.minimum(np.searchsorted(codes, code), len(codes) - 1)
        hit = codes[place] == code
        return second[hit], place[hit]

    @property
    def rows(self) -> np.ndarray:
        """The row of `features` of each occurrence."""
        return self.batch.word + len(self.vocabulary.pairs)

    def sums(self) -> np.ndarray:
        """The sums of `described` over each text's occurrences, shape (n_texts, t)."""
        b = self.batch
        return np.asarray(count(b.text, b.word, b.n_texts, len(self.described)) @ self.described.astype(float))


def counts(o: Occurrences) -> sp.csr_matrix:
    """How often each feature occurs in each text, shape (n_texts, n_features)."""
    second, pair = o.pairs
    text, row = np.concatenate([o.batch.text, o.batch.text[second]]), np.concatenate([o.rows, pair])
    # Each text's words, then its pairs, in reading order: so the features too come in an order that depends on the
    # text alone, all is added up in that order, and a text has the same score to the last bit in any batch.
    order = np.argsort(text, kind="stable")
    ends = np.searchsorted(text[order], np.arange(o.batch.n_texts + 1))
    shape = (o.batch.n_texts, o.features.shape[0])
    counted: sp.csr_matrix = sp.csr_matrix((np.ones(len(row)), row[order], ends), shape=shape) @ o.features
    return counted


def known_pair_share(o: Occurrences) -> np.ndarray:
    """The share of each text's pairs of neighbouring words that the vocabulary holds, shape (n_texts,); 1 for none."""
    lengths = np.bincount(o.batch.text, minlength=o.batch.n_texts)
    known = np.bincount(o.batch.text[o.pairs[0]], minlength=o.batch.n_texts)
    share: np.ndarray = np.where(lengths > 1, known / np.maximum(lengths - 1, 1), 1.0)
    return share


def unknown_share(o: Occurrences) -> np.ndarray:
    """The share of each text's words that the vocabulary does not hold, shape (n_texts,); 0 for no words."""
    unknown = np.bincount(o.batch.text[o.known < 0], minlength=o.batch.n_texts)
    share: np.ndarray = unknown / np.maximum(np.bincount(o.batch.text, minlength=o.batch.n_texts), 1)
    return share


def weigh(counted: sp.csr_matrix, vocabulary: Vocabulary) -> sp.csr_matrix:
    """Counts to weights: 1 + ln(count), times idf, each block (words with pairs; n-grams) scaled to unit length."""
    weights = (1 + np.log(counted.data)) * vocabulary.idf[counted.indices]
    block = np.repeat(np.arange(0, 2 * counted.shape[0], 2, dtype=np.int32), np.diff(counted.indptr))
    block += counted.indices >= len(vocabulary.words) + len(vocabulary.pairs)
    # bincount adds up in the order of the entries: the same sum in any batch.
    squares = np.bincount(block, weights * weights, minlength=2 * counted.shape[0])
    weights /= np.sqrt(np.where(squares > 0, squares, 1))[block]
    return sp.csr_matrix((weights, counted.indices, counted.indptr), shape=counted.shape)


def features(texts: Words, lexicon: Lexicon) -> sp.csr_matrix:
    """The feature matrix of tokenised texts, shape (n_texts, n_features), float64."""
    matrix = weigh(counts(lexicon.read(texts)), lexicon.vocabulary)
    matrix.sort_indices()
    return matrix


# --- passages ----------------------------------------------------------------------------------------------------

_PASSAGES_MEASURED = 1_000


def passage_norms(texts: Words, lexicon: Lexicon, width: int) -> np.ndarray:
    """The mean length of the two blocks' weights in a passage of `width` words, shape (2,).

    Dividing by it puts a passage on the scale of a whole text, whose blocks have unit length. Passages have one
    length, so a constant does, and a passage's score is a plain sum over its words.
    """
    passages = [words[at : at + width] for words in texts for at in range(0, max(len(words) - width, 0) + 1, width)]
    passages = [p for p in passages if len(p) == width] or passages
    vocabulary = lexicon.vocabulary
    weighted = counts(lexicon.read(passages[:: max(len(passages) // _PASSAGES_MEASURED, 1)]))
    weighted = weighted @ sp.diags(vocabulary.idf.astype(float))
    split = len(vocabulary.words) + len(vocabulary.pairs)
    lengths = [
        np.sqrt(block.multiply(block).sum(axis=1)).mean() for block in (weighted[:, :split], weighted[:, split:])
    ]
    norms: np.ndarray = np.maximum(np.array(lengths, dtype=float), 1e-9)
    return norms


def passage_weights(vocabulary: Vocabulary, coefficients: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """What each occurrence of a feature adds to a passage's scores, shape (n_features, k)."""
    sizes = [len(vocabulary.words) + len(vocabulary.pairs), len(vocabulary.grams)]
    weights: np.ndarray = np.ascontiguousarray((coefficients * vocabulary.idf / np.repeat(norms, sizes)).T)
    return weights


def occurrence_scores(o: Occurrences, weights: np.ndarray) -> np.ndarray:
    """What each occurrence of a word adds to a passage's scores, shape (n_occurrences, k); pairs half to each word."""
    rows, place = np.unique(o.rows, return_inverse=True)
    scores: np.ndarray = np.asarray(o.features[rows] @ weights)[place]
    second, pair = o.pairs
    halves = weights[len(o.vocabulary.words) + pair] / 2
    scores[second] += halves  # a position is the second word of one pair at most, and the first of one
    scores[second - 1] += halves
    return scores


def best_passages(scores: np.ndarray, b: Batch, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Of every text and column the highest sum over `width` neighbouring words (all of a shorter text).

    Returns:
        The sums, shape (n_texts, k), 0 for a text without words, and the first word of each passage, same shape.
        Summed text by text, so that a text has the same score in any batch.
    """
    first = b.first.tolist()
    best, start = np.zeros((b.n_texts, scores.shape[1])), np.zeros((b.n_texts, scores.shape[1]), dtype=int)
    for text in np.flatnonzero(np.diff(first)).tolist():
        sums = scores[first[text] : first[text + 1]].cumsum(axis=0)
        if len(sums) <= width:
            best[text] = sums[-1]
            continue
        windows = sums[width - 1 :].copy()
        windows[1:] -= sums[:-width]
        start[text] = windows.argmax(axis=0)
        best[text] = windows.max(axis=0)
    return best, start


# --- shares of single words --------------------------------------------------------------------------------------


def shared_weights(o: Occurrences, counted: sp.csr_matrix, weighted: sp.csr_matrix, texts: np.ndarray) -> sp.csr_matrix:
    """Rows of the feature matrix shared out over the single occurrences of words, shape (n_occurrences, n_features).

    The rows of one text add up to its row of `weighted`: every occurrence of a feature has an equal part, and a pair
    gives half to each of its words.

    Args:
        o, counted, weighted: the words of a batch, its `counts` and what `weigh` made of them.
        texts: numbers of the texts wanted, ascending; the occurrences are theirs, one after the other.
    """
    first = o.batch.first
    lengths = first[texts + 1] - first[texts]
    ends = np.cumsum(lengths)
    # Where each occurrence of the batch stands among those wanted; a text more, for the last one's end.
    shift = np.full(o.batch.n_texts, -1)
    shift[texts] = ends - lengths - first[texts]
    wanted = shift[o.batch.text] + np.arange(len(o.batch.text))
    inside = np.isin(o.batch.text, texts)
    second, pair = o.pairs
    second, pair = second[inside[second]], pair[inside[second]]
    at = np.concatenate([wanted[inside], wanted[second] - 1, wanted[second]])
    row = np.concatenate([o.rows[inside], pair, pair])
    parts = np.repeat([1.0, 0.5], [int(ends[-1]) if len(ends) else 0, 2 * len(pair)])
    shape = (len(parts) - 2 * len(pair), o.features.shape[0])
    shared = sp.csr_matrix((parts, (at, row)), shape=shape) @ o.features
    each = weighted.data / counted.data
    factor = np.zeros(shared.shape[1])
    for text, start, end in zip(texts.tolist(), (ends - lengths).tolist(), ends.tolist(), strict=True):
        whole = slice(weighted.indptr[text], weighted.indptr[text + 1])
        part = slice(shared.indptr[start], shared.indptr[end])
        factor[weighted.indices[whole]] = each[whole]
        shared.data[part] *= factor[shared.indices[part]]
    return shared
