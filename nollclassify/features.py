"""Text to sparse features: words and pairs of words, and the characters inside words.

The same figures as scikit-learn's `TfidfVectorizer` (sublinear counts, smoothed idf, unit length per block), but the
characters of a word are cut up once a batch instead of once an occurrence: word frequencies follow Zipf's law, and
n-grams inside a word depend on the word alone. So the counts of n-grams are a product of two sparse matrices,
texts x words and words x n-grams. All state is plain arrays and lists of strings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

Words = Sequence[Sequence[str]]
_FOLD = str.maketrans("åäöéèüáà", "aaoeeuaa")


@dataclass(frozen=True)
class Vocabulary:
    """What a feature space is made of, in column order: words, pairs (indices into `words`), n-grams."""

    words: tuple[str, ...]
    pairs: np.ndarray
    """Shape (n_pairs, 2), int32, sorted."""
    grams: tuple[str, ...]
    idf: np.ndarray
    """Shape (n_features,), float32."""
    gram_sizes: tuple[int, int]

    @property
    def n_features(self) -> int:
        return len(self.words) + len(self.pairs) + len(self.grams)


@dataclass(frozen=True)
class Batch:
    """Texts as numbers: the distinct words, and for each occurrence its text and its word, in reading order."""

    distinct: list[str]
    text: np.ndarray
    word: np.ndarray
    n_texts: int


def batch(texts: Words) -> Batch:
    """Number the words of tokenised texts."""
    index: dict[str, int] = {}
    word = np.fromiter((index.setdefault(w, len(index)) for words in texts for w in words), dtype=np.int64)
    lengths = np.fromiter((len(words) for words in texts), dtype=np.int64, count=len(texts))
    return Batch(list(index), np.repeat(np.arange(len(texts)), lengths), word, len(texts))


def grams_of(word: str, sizes: tuple[int, int]) -> list[str]:
    """The character n-grams of a word between spaces, diacritics folded, as `char_wb` cuts them.

    å, ä and ö are folded because they go missing in real texts; the word features keep them apart.
    """
    if word[0] == "<":
        return [word]
    padded = f" {word.translate(_FOLD)} "
    low, high = sizes
    grams = []
    for size in range(low, high + 1):
        grams += [padded[i : i + size] for i in range(len(padded) - size + 1)] if size < len(padded) else [padded]
        if size >= len(padded):
            break
    return grams


def learn_vocabulary(texts: Words, min_texts: int = 2, gram_sizes: tuple[int, int] = (2, 5)) -> Vocabulary:
    """Choose the words, pairs and n-grams that occur in at least `min_texts` texts, and weigh them by rarity.

    `min_texts` of 2 or more keeps what stands in a single complaint (a name, say) out of the model.
    """
    b = batch(texts)
    n = max(b.n_texts, 1)
    word_df = np.asarray((_count(b.text, b.word, b.n_texts, len(b.distinct)) > 0).sum(axis=0)).ravel()
    kept = sorted((w for w, df in zip(b.distinct, word_df, strict=True) if df >= min_texts))
    pairs, pair_df = _frequent_pairs(b, kept, min_texts)
    grams, gram_df = _frequent_grams(b, gram_sizes, min_texts)
    index = {w: i for i, w in enumerate(b.distinct)}
    df = np.concatenate([[word_df[index[w]] for w in kept], pair_df, gram_df]).astype(float)
    idf = (np.log((1 + n) / (1 + df)) + 1).astype(np.float32)
    return Vocabulary(tuple(kept), pairs, tuple(grams), idf, gram_sizes)


def _count(rows: np.ndarray, columns: np.ndarray, n_rows: int, n_columns: int) -> sp.csr_matrix:
    ones = np.ones(len(rows), dtype=np.float64)
    return sp.coo_matrix((ones, (rows, columns)), shape=(n_rows, n_columns)).tocsr()


def _known(b: Batch, words: Sequence[str]) -> np.ndarray:
    """For every occurrence the index of its word among `words`, or -1."""
    index = {w: i for i, w in enumerate(words)}
    place = np.array([index.get(w, -1) for w in b.distinct], dtype=np.int64)
    return np.asarray(place[b.word])


def _pair_codes(b: Batch, words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Of every two neighbouring known words of one text: position of the second, first * n_words + second."""
    known = _known(b, words)
    same = (b.text[1:] == b.text[:-1]) & (known[1:] >= 0) & (known[:-1] >= 0)
    return np.flatnonzero(same) + 1, (known[:-1] * len(words) + known[1:])[same]


def _frequent_pairs(b: Batch, words: Sequence[str], min_texts: int) -> tuple[np.ndarray, np.ndarray]:
    if len(b.word) < 2 or not words:
        return np.zeros((0, 2), dtype=np.int32), np.zeros(0)
    second, code = _pair_codes(b, words)
    _, code = np.unique(np.stack([b.text[second], code]), axis=1)
    codes, df = np.unique(code, return_counts=True)
    codes, df = codes[df >= min_texts], df[df >= min_texts]
    return np.stack(np.divmod(codes, len(words)), axis=1).astype(np.int32), df


def _frequent_grams(b: Batch, sizes: tuple[int, int], min_texts: int) -> tuple[list[str], np.ndarray]:
    in_words = [set(grams_of(w, sizes)) for w in b.distinct]
    index = {g: i for i, g in enumerate(sorted(Counter(g for grams in in_words for g in grams)))}
    columns = np.fromiter((index[g] for grams in in_words for g in grams), dtype=np.int64)
    rows = np.repeat(np.arange(len(in_words)), [len(grams) for grams in in_words])
    by_word = _count(rows, columns, len(in_words), len(index))
    by_text = _count(b.text, b.word, b.n_texts, len(b.distinct)) @ by_word
    df = np.asarray((by_text > 0).sum(axis=0)).ravel()
    grams = [g for g, n in zip(index, df, strict=True) if n >= min_texts]
    return grams, df[df >= min_texts]


def counts(b: Batch, vocabulary: Vocabulary) -> sp.csr_matrix:
    """How often each feature occurs in each text, shape (n_texts, n_features)."""
    n_words = len(vocabulary.words)
    known = _known(b, vocabulary.words) if len(b.word) else b.word
    words = _count(b.text[known >= 0], known[known >= 0], b.n_texts, n_words)
    counted = sp.hstack([words, _pair_counts(b, vocabulary), gram_counts(b, vocabulary)], format="csr")
    counted.sort_indices()  # one order of adding up, so that a text has the same score to the last bit in any batch
    return counted


def _pair_counts(b: Batch, vocabulary: Vocabulary) -> sp.csr_matrix:
    if not len(vocabulary.pairs) or len(b.word) < 2:
        return sp.csr_matrix((b.n_texts, len(vocabulary.pairs)))
    second, place = _pair_places(b, vocabulary)
    return _count(b.text[second], place, b.n_texts, len(vocabulary.pairs))


def _pair_places(b: Batch, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Of every occurrence of a pair of the vocabulary: position of its second word, and its place in `pairs`."""
    second, code = _pair_codes(b, vocabulary.words)
    codes = vocabulary.pairs[:, 0].astype(np.int64) * len(vocabulary.words) + vocabulary.pairs[:, 1]
    place = np.minimum(np.searchsorted(codes, code), len(codes) - 1)
    hit = codes[place] == code
    return second[hit], place[hit]


def known_pair_share(b: Batch, vocabulary: Vocabulary) -> np.ndarray:
    """The share of each text's pairs of neighbouring words that the vocabulary holds, shape (n_texts,); 1 for none."""
    lengths = np.bincount(b.text, minlength=b.n_texts)
    if not len(vocabulary.pairs) or len(b.word) < 2:
        return np.where(lengths > 1, 0.0, 1.0)
    second, _ = _pair_places(b, vocabulary)
    known = np.bincount(b.text[second], minlength=b.n_texts)
    share: np.ndarray = np.where(lengths > 1, known / np.maximum(lengths - 1, 1), 1.0)
    return share


def sums_by_text(by_word: np.ndarray, b: Batch) -> np.ndarray:
    """The sums over each text's occurrences of what is known of each distinct word: (n_distinct, m) to (n_texts, m)."""
    return np.asarray(_count(b.text, b.word, b.n_texts, len(b.distinct)) @ by_word.astype(float))


def gram_counts(b: Batch, vocabulary: Vocabulary) -> sp.csr_matrix:
    """The n-gram block of `counts`."""
    by_word = grams_by_word(b.distinct, vocabulary)
    return (_count(b.text, b.word, b.n_texts, len(b.distinct)) @ by_word).tocsr()


def grams_by_word(distinct: Sequence[str], vocabulary: Vocabulary) -> sp.csr_matrix:
    """How often each n-gram of the vocabulary occurs in each word, shape (n_words, n_grams)."""
    index = {g: i for i, g in enumerate(vocabulary.grams)}
    found = [[index[g] for g in grams_of(w, vocabulary.gram_sizes) if g in index] for w in distinct]
    rows = np.repeat(np.arange(len(found)), [len(f) for f in found])
    columns = np.fromiter((i for f in found for i in f), dtype=np.int64)
    return _count(rows, columns, len(found), len(vocabulary.grams))


def weigh(counted: sp.csr_matrix, vocabulary: Vocabulary) -> sp.csr_matrix:
    """Counts to weights: 1 + ln(count), times idf, each block (words with pairs; n-grams) scaled to unit length."""
    weighted = counted.copy()
    weighted.data = (1 + np.log(weighted.data)) * vocabulary.idf[weighted.indices]
    split = len(vocabulary.words) + len(vocabulary.pairs)
    blocks = [_unit_rows(weighted[:, :split]), _unit_rows(weighted[:, split:])]
    return sp.hstack(blocks, format="csr")


def _unit_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    norms = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return sp.diags(1 / np.where(norms > 0, norms, 1)) @ matrix


def features(texts: Words, vocabulary: Vocabulary) -> sp.csr_matrix:
    """The feature matrix of tokenised texts, shape (n_texts, n_features), float64."""
    return weigh(counts(batch(texts), vocabulary), vocabulary)


# --- passages ----------------------------------------------------------------------------------------------------

_PASSAGES_MEASURED = 1_000


def passage_norms(texts: Words, vocabulary: Vocabulary, width: int) -> np.ndarray:
    """The mean length of the two blocks' weights in a passage of `width` words, shape (2,).

    Dividing by it puts a passage on the scale of a whole text, whose blocks have unit length. Passages have one
    length, so a constant does, and a passage's score is a plain sum over its words.
    """
    passages = [words[at : at + width] for words in texts for at in range(0, max(len(words) - width, 0) + 1, width)]
    passages = [p for p in passages if len(p) == width] or passages
    weighted = counts(batch(passages[:: max(len(passages) // _PASSAGES_MEASURED, 1)]), vocabulary)
    weighted = weighted @ sp.diags(vocabulary.idf.astype(float))
    split = len(vocabulary.words) + len(vocabulary.pairs)
    lengths = [
        np.sqrt(block.multiply(block).sum(axis=1)).mean() for block in (weighted[:, :split], weighted[:, split:])
    ]
    norms: np.ndarray = np.maximum(np.array(lengths, dtype=float), 1e-9)
    return norms


def occurrence_scores(b: Batch, vocabulary: Vocabulary, coefficients: np.ndarray, norms: np.ndarray) -> np.ndarray:
    """What each occurrence of a word adds to a passage's scores, shape (n_occurrences, k); pairs half to each word."""
    n_words, n_pairs = len(vocabulary.words), len(vocabulary.pairs)
    weights = (coefficients * vocabulary.idf / np.repeat(norms, [n_words + n_pairs, len(vocabulary.grams)])).T
    if not len(b.word):
        return np.zeros((0, weights.shape[1]))
    index = {w: i for i, w in enumerate(vocabulary.words)}
    place = np.array([index.get(w, -1) for w in b.distinct])
    by_word = np.where((place >= 0)[:, None], weights[place], 0.0)
    by_word += grams_by_word(b.distinct, vocabulary) @ weights[n_words + n_pairs :]
    scores: np.ndarray = by_word[b.word]
    if n_pairs and len(b.word) > 1:
        second, pair = _pair_places(b, vocabulary)
        halves = weights[n_words : n_words + n_pairs][pair] / 2
        scores[second] += halves  # a position is the second word of one pair at most, and the first of one
        scores[second - 1] += halves
    return scores


def best_passages(scores: np.ndarray, b: Batch, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Of every text and column the highest sum over `width` neighbouring words (all of a shorter text).

    Returns:
        The sums, shape (n_texts, k), 0 for a text without words, and the first word of each passage, same shape.
        Summed text by text, so that a text has the same score in any batch.
    """
    first = np.searchsorted(b.text, np.arange(b.n_texts + 1))
    best, start = np.zeros((b.n_texts, scores.shape[1])), np.zeros((b.n_texts, scores.shape[1]), dtype=int)
    for text in np.flatnonzero(np.diff(first)).tolist():
        sums = np.cumsum(scores[first[text] : first[text + 1]], axis=0)
        if len(sums) <= width:
            best[text] = sums[-1]
            continue
        windows = sums[width - 1 :].copy()
        windows[1:] -= sums[:-width]
        start[text] = windows.argmax(axis=0)
        best[text] = windows.max(axis=0)
    return best, start


def shared_weights(b: Batch, vocabulary: Vocabulary) -> sp.csr_matrix:
    """The feature matrix shared out over the single occurrences of words, shape (n_occurrences, n_features).

    The rows of one text add up to its row of `weigh(counts(...))`.
    """
    occurring = _occurrences(b, vocabulary)
    counted = counts(b, vocabulary)
    weighted = weigh(counted, vocabulary)
    weighted.sort_indices()
    weighted.data /= counted.data
    first = np.searchsorted(b.text, np.arange(b.n_texts + 1))
    each = np.zeros(vocabulary.n_features)
    for text in range(b.n_texts):
        row = slice(weighted.indptr[text], weighted.indptr[text + 1])
        part = slice(occurring.indptr[first[text]], occurring.indptr[first[text + 1]])
        each[weighted.indices[row]] = weighted.data[row]
        occurring.data[part] *= each[occurring.indices[part]]
    return occurring


def _occurrences(b: Batch, vocabulary: Vocabulary) -> sp.csr_matrix:
    """How much of each feature belongs to each occurrence: words 1, pairs a half to each, n-grams their count."""
    n, position = len(b.word), np.arange(len(b.word))
    known = _known(b, vocabulary.words) if n else b.word
    words = _count(position[known >= 0], known[known >= 0], n, len(vocabulary.words))
    grams = grams_by_word(b.distinct, vocabulary)[b.word] if n else sp.csr_matrix((0, len(vocabulary.grams)))
    if not len(vocabulary.pairs) or n < 2:
        return sp.hstack([words, sp.csr_matrix((n, len(vocabulary.pairs))), grams], format="csr")
    second, place = _pair_places(b, vocabulary)
    pairs = _count(np.concatenate([second - 1, second]), np.tile(place, 2), n, len(vocabulary.pairs)) / 2
    return sp.hstack([words, pairs, grams], format="csr")
