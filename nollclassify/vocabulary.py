"""What is learned of words: which words, pairs of words and n-grams make up a feature space, and how rare each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

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


class Numbers(dict[str, int]):
    """The number of each word, in the order in which they are asked for."""

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        return number


@dataclass(frozen=True)
class Batch:
    """Texts as numbers: for each occurrence of a word, in reading order, its text and its word."""

    text: np.ndarray
    word: np.ndarray
    n_texts: int

    @property
    def first(self) -> np.ndarray:
        """Where the words of each text begin, and where those of the last one end; shape (n_texts + 1,)."""
        return np.searchsorted(self.text, np.arange(self.n_texts + 1))


def batch(texts: Words, numbers: Numbers) -> Batch:
    """Number the words of tokenised texts; words that have no number yet get the next ones."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    words = map(numbers.__getitem__, chain.from_iterable(texts))
    word = np.fromiter(words, dtype=np.int64, count=int(lengths.sum()))
    return Batch(np.repeat(np.arange(len(texts)), lengths), word, len(texts))


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
    numbers = Numbers()
    b = batch(texts, numbers)
    n = max(b.n_texts, 1)
    word_df = np.asarray((count(b.text, b.word, b.n_texts, len(numbers)) > 0).sum(axis=0)).ravel()
    kept = sorted(w for w, df in zip(numbers, word_df, strict=True) if df >= min_texts)
    place = {w: i for i, w in enumerate(kept)}
    known = np.array([place.get(w, -1) for w in numbers], dtype=np.int64)[b.word]
    pairs, pair_df = _frequent_pairs(b, known, len(kept), min_texts)
    grams, gram_df = _frequent_grams(b, list(numbers), gram_sizes, min_texts)
    df = np.concatenate([[word_df[numbers[w]] for w in kept], pair_df, gram_df]).astype(float)
    idf = (np.log((1 + n) / (1 + df)) + 1).astype(np.float32)
    return Vocabulary(tuple(kept), pairs, tuple(grams), idf, gram_sizes)


def count(rows: np.ndarray, columns: np.ndarray, n_rows: int, n_columns: int) -> sp.csr_matrix:
    """How often each column stands by each row."""
    ones = np.ones(len(rows), dtype=np.float64)
    return sp.coo_matrix((ones, (rows, columns)), shape=(n_rows, n_columns)).tocsr()


def pair_codes(b: Batch, known: np.ndarray, n_words: int) -> tuple[np.ndarray, np.ndarray]:
    """Of every two neighbouring known words of one text: position of the second, first * n_words + second.

    Args:
        b: of n occurrences.
        known: shape (n,), the place of each occurrence's word in the vocabulary, -1 for none.
        n_words: of the vocabulary.
    """
    same = (b.text[1:] == b.text[:-1]) & (known[1:] >= 0) & (known[:-1] >= 0)
    return np.flatnonzero(same) + 1, (known[:-1] * n_words + known[1:])[same]


def _frequent_pairs(b: Batch, known: np.ndarray, n_words: int, min_texts: int) -> tuple[np.ndarray, np.ndarray]:
    if len(b.word) < 2 or not n_words:
        return np.zeros((0, 2), dtype=np.int32), np.zeros(0)
    second, code = pair_codes(b, known, n_words)
    # Once a text; one number for text and pair sorts ten times as fast as two.
    codes, df = np.unique(np.unique(b.text[second] * n_words**2 + code) % n_words**2, return_counts=True)
    codes, df = codes[df >= min_texts], df[df >= min_texts]
    return np.stack(np.divmod(codes, n_words), axis=1).astype(np.int32), df


def _frequent_grams(
    b: Batch, distinct: Sequence[str], sizes: tuple[int, int], min_texts: int
) -> tuple[list[str], np.ndarray]:
    in_words = [set(grams_of(w, sizes)) for w in distinct]
    index = {g: i for i, g in enumerate(sorted(set().union(*in_words)))}
    columns = np.fromiter((index[g] for grams in in_words for g in grams), dtype=np.int64)
    rows = np.repeat(np.arange(len(in_words)), [len(grams) for grams in in_words])
    by_word = count(rows, columns, len(in_words), len(index))
    by_text = count(b.text, b.word, b.n_texts, len(distinct)) @ by_word
    df = np.asarray((by_text > 0).sum(axis=0)).ravel()
    grams = [g for g, n in zip(index, df, strict=True) if n >= min_texts]
    return grams, df[df >= min_texts]
