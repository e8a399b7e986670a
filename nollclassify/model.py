"""A fitted model: arrays that turn raw texts into calibrated probabilities, causes and evidence.

This room needs numpy and scipy alone, so that labelling starts fast and imports no training code. Everything that
happens to a text between the file and a number happens here, in one order, for training and for use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.special import expit

from nollclassify import features, privacy, swedish
from nollclassify.features import Lexicon, Occurrences
from nollclassify.trees import Trees
from nollclassify.vocabulary import Vocabulary
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
class Describe:
    """What a lexicon keeps of each word beside its features: its m classes, and the four signs of its language."""

    word_classes: WordClasses

    def __call__(self, words: list[str]) -> np.ndarray:
        return np.hstack([self.word_classes.membership(words), swedish.signs(words)])


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
        """The number of columns of `Reading.scores`."""
        return 2 * len(self.cause_ids) + len(self.word_classes.names) + 1

    def read(self, words: Sequence[Sequence[str]]) -> Reading:
        """Read tokenised texts."""
        return Reading(self, self._lexicon.read(words))

    @cached_property
    def _lexicon(self) -> Lexicon:
        return Lexicon(self.vocabulary, Describe(self.word_classes))

    @cached_property
    def passage_weights(self) -> np.ndarray:
        """What each occurrence of a feature adds to a passage's scores, shape (n, k)."""
        return features.passage_weights(self.vocabulary, self.coefficients, self.passage_norms)

    def scores(self, words: Sequence[Sequence[str]]) -> np.ndarray:
        """What the second reading sees of tokenised texts, shape (n_texts, 2 k + m + 1); see `Reading.scores`."""
        return self.read(words).scores

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

    @property
    def baseline(self) -> np.ndarray:
        """The first reading's log-odds of each cause for a text that says nothing, shape (k,)."""
        baseline: np.ndarray = self.calibration[:, 0] * self.intercepts + self.calibration[:, 2]
        return baseline


@dataclass(frozen=True)
class Reading:
    """What a model finds in a batch of texts; each part is worked out once, and when it is asked for.

    A text has the same figures, to the last bit, alone and in any batch.
    """

    model: CauseModel
    words: Occurrences

    @cached_property
    def scores(self) -> np.ndarray:
        """What the second reading sees, shape (n_texts, 2 k + m + 1).

        The scores of the k causes over the whole text, those over their best passages, how many words of each of the
        m classes the text has, and ln(1 + its number of words).
        """
        lengths = np.log1p(np.diff(self.words.batch.first)).reshape(-1, 1)
        return np.hstack([self.whole, self._passages[0], self._sums[:, : len(self.model.word_classes.names)], lengths])

    @cached_property
    def whole(self) -> np.ndarray:
        """The scores of the causes over the whole text, shape (n_texts, k)."""
        scores: np.ndarray = np.asarray(self._weighted @ self.model.coefficients.T) + self.model.intercepts
        return scores

    @cached_property
    def signs(self) -> np.ndarray:
        """The `swedish.signs` of each text's words, added up, shape (n_texts, 4)."""
        return self._sums[:, len(self.model.word_classes.names) :]

    @cached_property
    def unlike(self) -> np.ndarray:
        """Whether each text is unlike anything in training, by its pairs of words; shape (n_texts,), bool."""
        enough = np.diff(self.words.batch.first) >= MIN_PAIRED
        unlike: np.ndarray = enough & (features.known_pair_share(self.words) < self.model.familiar)
        return unlike

    def unknown_share(self) -> np.ndarray:
        """The share of each text's words that training did not see in two texts, shape (n_texts,); 0 for no words."""
        return features.unknown_share(self.words)

    def contributions(self, texts: Sequence[int]) -> list[np.ndarray]:
        """What each word of these texts adds to the first reading's log-odds: for each an array (n_words, k).

        Exact, for that reading is linear: the column sums and `CauseModel.baseline` give its log-odds. A feature that
        occurs several times gives each occurrence an equal part; a pair gives half to each of its words; words of
        the best passage count in the passage as well. The second reading weighs the whole, and is not shared out.

        Args:
            texts: numbers of texts of the batch, ascending.
        """
        chosen, calibration = np.array(texts, dtype=int), self.model.calibration
        shared = features.shared_weights(self.words, self._counted, self._weighted, chosen)
        whole = np.asarray(shared @ self.model.coefficients.T) * calibration[:, 0]
        first, start, result = self.words.batch.first, self._passages[1], []
        ends = np.cumsum(np.diff(first)[chosen])
        for text, end in zip(chosen.tolist(), ends.tolist(), strict=True):
            at = np.arange(first[text + 1] - first[text])[:, None]
            parts = whole[end - len(at) : end]
            inside = (at >= start[text]) & (at < start[text] + PASSAGE)
            passage = self._by_occurrence[first[text] : first[text + 1]]
            result.append(parts + np.where(inside, passage, 0.0) * calibration[:, 1])
        return result

    @cached_property
    def _sums(self) -> np.ndarray:
        return self.words.sums()

    @cached_property
    def _counted(self) -> sp.csr_matrix:
        return features.counts(self.words)

    @cached_property
    def _weighted(self) -> sp.csr_matrix:
        return features.weigh(self._counted, self.model.vocabulary)

    @cached_property
    def _by_occurrence(self) -> np.ndarray:
        return features.occurrence_scores(self.words, self.model.passage_weights)

    @cached_property
    def _passages(self) -> tuple[np.ndarray, np.ndarray]:
        return features.best_passages(self._by_occurrence, self.words.batch, PASSAGE)
