"""A fitted model: arrays that turn raw texts into calibrated probabilities, causes and evidence.

This room needs numpy and scipy alone, so that labelling starts fast and imports no training code. Everything that
happens to a text between the file and a number happens here, in one order, for training and for use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import expit

from nollclassify import features, privacy, swedish
from nollclassify.features import Vocabulary
from nollclassify.trees import Trees
from nollclassify.word_classes import WordClasses

# Words in a passage: about two clauses. 12 and 30 did no better on unseen authors and on real reviews.
PASSAGE = 20
# The precisions that can be asked for.
PRECISIONS = np.arange(80, 100) / 100
# A text with fewer words has too few pairs to be called unlike the rest.
MIN_PAIRED = 10


def prepare(text: str) -> str:
    """The text as everything after sees it: repaired, and with personal data masked."""
    return privacy.mask(swedish.repair(text))


def tokenise(texts: Sequence[str]) -> list[list[str]]:
    """Normalised words of raw texts, as features are made of them."""
    return [swedish.words(prepare(text)) for text in texts]


@dataclass(frozen=True)
class CauseModel:
    """Two readings: a linear model a cause over a common vocabulary, and small trees over what all of them found.

    The first reading is linear, and made twice: over the whole text, and over its best passage. A long complaint has
    one clause that matters, and the rest of it dilutes the whole text's score; so the same coefficients are also
    summed over every `PASSAGE` neighbouring words, and the best passage counts beside the whole.

    The second reading sees what a sum of words cannot say: that late goods are an invoice before delivery only where
    payment is spoken of as well, or that another cause explains the same words better. It is boosted trees over the
    scores of all causes, how many words of each class of words the text has, and its length (stacked generalization,
    Wolpert 1992). A cause has it only where it was better on unseen texts.

    Attributes:
        cause_ids: k ids, in the order of all arrays.
        vocabulary: of n features.
        coefficients: shape (k, n).
        intercepts: shape (k,), of the whole text's scores.
        passage_norms: shape (2,), the scale of a passage's two blocks of features.
        calibration: shape (k, 3): first reading's probability = 1 / (1 + exp(-(a * whole + b * passage + c))), after
            Platt (1999).
        word_classes: m classes of words.
        trees: of the second reading, for each cause.
        read_twice: shape (k,), bool: the causes that have a second reading.
        thresholds: shape (k,), 0 to 1: a cause is labelled when its probability reaches its threshold.
        strict_thresholds: shape (k, 20): thresholds with which each cause's precision reaches each of `PRECISIONS`
            on unseen authors; above 1 where it never does.
        certain: shape (20,): from this confidence on, with those thresholds, the whole label sets are right in the
            share that `PRECISIONS` states; above 1 where they never are.
        exclusive: shape (k, k), bool: causes that hardly ever stand together in the training labels.
        familiar: the share of known pairs of words that only one in a hundred unseen training texts falls below.
    """

    cause_ids: tuple[str, ...]
    vocabulary: Vocabulary
    coefficients: np.ndarray
    intercepts: np.ndarray
    passage_norms: np.ndarray
    calibration: np.ndarray
    word_classes: WordClasses
    trees: Trees
    read_twice: np.ndarray
    thresholds: np.ndarray
    strict_thresholds: np.ndarray
    certain: np.ndarray
    exclusive: np.ndarray
    familiar: float

    @property
    def n_scores(self) -> int:
        """The number of columns of `scores`."""
        return 2 * len(self.cause_ids) + len(self.word_classes.names) + 1

    def scores(self, words: Sequence[Sequence[str]]) -> np.ndarray:
        """What the second reading sees of tokenised texts, shape (n_texts, 2 k + m + 1).

        The scores of the k causes over the whole text, those over their best passages, how many words of each of the
        m classes the text has, and ln(1 + its number of words).
        """
        batch = features.batch(words)
        matrix = features.weigh(features.counts(batch, self.vocabulary), self.vocabulary)
        whole = np.asarray(matrix @ self.coefficients.T) + self.intercepts
        passage, _ = features.best_passages(self._by_occurrence(batch), batch, PASSAGE)
        classes = features.sums_by_text(self.word_classes.membership(batch.distinct), batch)
        lengths = np.log1p([[len(text)] for text in words]).reshape(-1, 1)
        return np.hstack([whole, passage, classes, lengths])

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Calibrated probabilities of raw texts, shape (n_texts, k), 0 to 1."""
        return self.calibrated(self.scores(tokenise(texts)))

    def calibrated(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n_texts, k), of scores as `scores` gives them."""
        log_odds = self.first_reading(scores)
        for k in np.flatnonzero(self.read_twice).tolist():
            log_odds[:, k] = self.trees.log_odds(scores, k)
        probabilities: np.ndarray = expit(log_odds)
        return probabilities

    def first_reading(self, scores: np.ndarray) -> np.ndarray:
        """The log-odds of the linear reading alone, shape (n_texts, k)."""
        k, a = len(self.cause_ids), self.calibration
        log_odds: np.ndarray = scores[:, :k] * a[:, 0] + scores[:, k : 2 * k] * a[:, 1] + a[:, 2]
        return log_odds

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether each probability reaches its cause's threshold, same shape, bool."""
        return probabilities >= self.thresholds

    def at_precision(self, precision: float) -> tuple[CauseModel, float]:
        """The model that labels a cause only with this precision, and the confidence below which a person must look.

        Raises:
            ValueError: a precision outside `PRECISIONS`.
        """
        if not PRECISIONS[0] - 1e-9 <= precision <= PRECISIONS[-1] + 1e-9:
            raise ValueError(f"precision {precision}, wanted {PRECISIONS[0]:.2f} to {PRECISIONS[-1]:.2f}")
        at = int(np.abs(PRECISIONS - precision).argmin())
        thresholds = np.maximum(self.thresholds, self.strict_thresholds[:, at])
        return replace(self, thresholds=thresholds), float(self.certain[at])

    def confidence(self, probabilities: np.ndarray) -> np.ndarray:
        """The probability that the whole label set is right, were the causes independent; shape (n_texts,)."""
        right = np.where(self.decide(probabilities), probabilities, 1 - probabilities)
        product: np.ndarray = right.prod(axis=1)
        return product

    def unlike(self, words: Sequence[Sequence[str]]) -> np.ndarray:
        """Whether each tokenised text is unlike anything in training, by its pairs of words; shape (n_texts,), bool."""
        enough = np.array([len(w) >= MIN_PAIRED for w in words], dtype=bool)
        unlike: np.ndarray = enough & (
            features.known_pair_share(features.batch(words), self.vocabulary) < self.familiar
        )
        return unlike

    def unknown_share(self, words: Sequence[str]) -> float:
        """The share of a text's words that training did not see in two texts, 0 to 1; 0 for no words."""
        return sum(w not in self._known_words for w in words) / len(words) if words else 0.0

    @cached_property
    def _known_words(self) -> frozenset[str]:
        return frozenset(self.vocabulary.words)

    @property
    def baseline(self) -> np.ndarray:
        """The first reading's log-odds of each cause for a text that says nothing, shape (k,)."""
        baseline: np.ndarray = self.calibration[:, 0] * self.intercepts + self.calibration[:, 2]
        return baseline

    def contributions(self, words: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """What each word adds to the first reading's log-odds: for each text an array of shape (n_words, k).

        Exact, for that reading is linear: the column sums and `baseline` give its log-odds. A feature that occurs
        several times gives each occurrence an equal part; a pair gives half to each of its words; words of the best
        passage count in the passage as well. The second reading weighs the whole, and is not shared out over words.
        """
        batch = features.batch(words)
        shared = features.shared_weights(batch, self.vocabulary)
        whole = np.asarray(shared @ self.coefficients.T) * self.calibration[:, 0]
        passage = self._by_occurrence(batch)
        _, start = features.best_passages(passage, batch, PASSAGE)
        lengths = np.array([len(w) for w in words], dtype=int)
        first = np.repeat(np.cumsum(lengths) - lengths, lengths)
        position = np.arange(len(batch.word)) - first
        inside = (position[:, None] >= start[batch.text]) & (position[:, None] < start[batch.text] + PASSAGE)
        parts = whole + np.where(inside, passage, 0.0) * self.calibration[:, 1]
        return np.split(parts, np.cumsum(lengths)[:-1])

    def _by_occurrence(self, batch: features.Batch) -> np.ndarray:
        return features.occurrence_scores(batch, self.vocabulary, self.coefficients, self.passage_norms)
