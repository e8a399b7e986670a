"""A fitted model: arrays that turn raw texts into calibrated probabilities, causes and evidence.

This room needs numpy and scipy alone, so that labelling starts fast and imports no training code. Everything that
happens to a text between the file and a number happens here, in one order, for training and for use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit

from nollclassify import features, privacy, swedish
from nollclassify.features import Vocabulary


def prepare(text: str) -> str:
    """The text as everything after sees it: repaired, and with personal data masked."""
    return privacy.mask(swedish.repair(text))


def tokenise(texts: Sequence[str]) -> list[list[str]]:
    """Normalised words of raw texts, as features are made of them."""
    return [swedish.words(prepare(text)) for text in texts]


@dataclass(frozen=True)
class CauseModel:
    """One linear model a cause over a common vocabulary, each with its calibration and threshold.

    Attributes:
        cause_ids: k ids, in the order of all arrays.
        vocabulary: of n features.
        coefficients: shape (k, n).
        intercepts: shape (k,).
        calibration: shape (k, 2): probability = 1 / (1 + exp(-(a * score + b))) after Platt.
        thresholds: shape (k,), 0 to 1: a cause is labelled when its probability reaches its threshold.
    """

    cause_ids: tuple[str, ...]
    vocabulary: Vocabulary
    coefficients: np.ndarray
    intercepts: np.ndarray
    calibration: np.ndarray
    thresholds: np.ndarray

    def scores(self, words: Sequence[Sequence[str]]) -> np.ndarray:
        """Decision scores of tokenised texts before calibration, shape (n_texts, k)."""
        matrix = features.features(words, self.vocabulary)
        scores: np.ndarray = np.asarray(matrix @ self.coefficients.T) + self.intercepts
        return scores

    def probabilities(self, texts: Sequence[str]) -> np.ndarray:
        """Calibrated probabilities of raw texts, shape (n_texts, k), 0 to 1."""
        return self.calibrated(self.scores(tokenise(texts)))

    def calibrated(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of decision scores, same shape."""
        probabilities: np.ndarray = expit(scores * self.calibration[:, 0] + self.calibration[:, 1])
        return probabilities

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """Whether each probability reaches its cause's threshold, same shape, bool."""
        return probabilities >= self.thresholds

    def unknown_share(self, words: Sequence[str]) -> float:
        """The share of a text's words that training did not see in two texts, 0 to 1; 0 for no words."""
        return sum(w not in self._known_words for w in words) / len(words) if words else 0.0

    @cached_property
    def _known_words(self) -> frozenset[str]:
        return frozenset(self.vocabulary.words)

    def contributions(self, words: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """What each word adds to each cause's score: for each text an array of shape (n_words, k).

        Exact, for the model is linear: the column sums are `scores` minus the intercepts. A feature that occurs
        several times gives each occurrence an equal part; a pair gives half to each of its words.
        """
        shared = features.shared_weights(features.batch(words), self.vocabulary)
        by_occurrence = np.asarray(shared @ self.coefficients.T)
        ends = np.cumsum([len(w) for w in words])[:-1]
        return np.split(by_occurrence, ends)
