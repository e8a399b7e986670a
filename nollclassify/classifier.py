"""The classifier as scikit-learn knows estimators: it fits a `CauseModel` and touches no file.

Fitting chooses between candidates, calibrates and sets thresholds on out-of-fold scores, with the texts of one
group (an author, or near-duplicates) always in one fold. So a cross-validation around the estimator is honest: the
part that is reported on has no say in anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from nollclassify.features import Lexicon, features, known_pair_share, passage_norms
from nollclassify.model import MIN_PAIRED, PASSAGE, PRECISIONS, CauseModel, Describe, Reading, tokenise
from nollclassify.thresholds import MIN_ABOVE, NEVER, best_thresholds, certainties, strict_thresholds
from nollclassify.trees import DEPTH, Trees, of_scikit_learn
from nollclassify.vocabulary import Vocabulary, learn_vocabulary
from nollclassify.word_classes import WordClasses, load_word_classes

# Added to both counts of a log-count ratio.
_SMOOTHING = 0.5
# Fewer texts than this are no leaf of a tree.
_MIN_LEAF = 60
# A cause that a smaller share of the texts has is spread over the folds for itself.
_RARE = 0.05


@dataclass(frozen=True)
class Candidate:
    """One way of fitting: inverse regularisation strength, and the lengths of n-grams inside words."""

    name: str
    C: float
    gram_sizes: tuple[int, int]


@dataclass(frozen=True)
class Taught:
    """Texts that every fit learns from and that nothing is judged by: n texts, labels (n, k), weights (n,)."""

    texts: tuple[str, ...]
    Y: np.ndarray
    weight: np.ndarray

    @property
    def columns(self) -> list[int]:
        """The columns of `Y` of which something is taught."""
        return np.flatnonzero(self.Y.any(axis=0)).tolist()


# One, for each further one is a third of the training time; n-grams of 3 to 6 and weaker regularisation gained nothing.
CANDIDATES = (Candidate("grams-2-5", 10.0, (2, 5)),)


class ComplaintClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Several causes at once: logistic regression a cause on words, pairs and character n-grams, and trees over those.

    Every feature is scaled by how unevenly it is spread over the cause and the rest (the log-count ratio of Wang
    and Manning, Baselines and Bigrams, 2012), so that the words that tell are shrunk less than those that do not.

    Args:
        cause_ids: k ids, the columns of `Y`.
        candidates: the ways of fitting to choose from, by mean average precision of the whole text's scores, out of
            fold.
        n_folds: number of inner folds, at least 2.
        min_texts: a word or n-gram is a feature when it stands in at least this many texts.
        seed: of the folds.
        word_classes: what the second reading counts; None: those that come with the package.
        taught: what is learned from beside the texts of `fit`: what a definition says of a cause with few examples.
            Its causes with fewer than 50 examples are labelled from a probability of 0.15 at the latest.

    Attributes:
        model_: the fitted `CauseModel`.
        candidate_: the candidate that was chosen.
        candidate_scores_: name of each candidate -> that mean average precision, 0 to 1.

    >>> classifier = ComplaintClassifier(("wait_time",), n_folds=2, min_texts=1)
    >>> texts = ["satt i kö en timme", "ingen svarar i kön", "skorna gick sönder", "fel färg på skorna"] * 2
    >>> classifier.fit(texts, np.array([[1], [1], [0], [0]] * 2)).predict(["lång kö"]).tolist()
    [[1]]
    """

    def __init__(
        self,
        cause_ids: Sequence[str],
        candidates: Sequence[Candidate] = CANDIDATES,
        n_folds: int = 4,
        min_texts: int = 2,
        seed: int = 0,
        word_classes: WordClasses | None = None,
        taught: Taught | None = None,
    ) -> None:
        self.cause_ids = cause_ids
        self.candidates = candidates
        self.n_folds = n_folds
        self.min_texts = min_texts
        self.seed = seed
        self.word_classes = word_classes
        self.taught = taught

    def fit(
        self,
        X: Sequence[str],
        Y: np.ndarray,
        groups: Sequence[Any] | np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
    ) -> ComplaintClassifier:
        """Fit on raw texts.

        Args:
            X: n texts.
            Y: shape (n, k), 0 or 1.
            groups: n group keys; texts of one group are never on both sides of a fold. None: each text its own.
            sample_weight: shape (n,), positive. None: all 1.

        Raises:
            ValueError: shapes that do not agree, or a cause with fewer than two examples or counter-examples.
        """
        words, Y = tokenise(X), np.asarray(Y, dtype=int)
        self._word_classes = self.word_classes or load_word_classes()
        weight = np.ones(len(words)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        learned = self._with_taught(words, Y, weight)
        _check(len(learned[0]), learned[1], tuple(self.cause_ids))
        keys = np.arange(len(words)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
        folds = split_folds(Y, keys, self.n_folds, self.seed)
        n_words = np.array([len(w) for w in words])
        scores, known = self._out_of_fold(*learned, folds)
        self.candidate_scores_ = {name: _mean_precision(Y, s) for name, s in scores.items()}
        self.candidate_ = max(self.candidates, key=lambda c: self.candidate_scores_[c.name])
        long = n_words >= MIN_PAIRED
        familiar = float(np.quantile(known[long], 0.01)) if long.any() else 0.0
        self.model_ = self._final(*learned, folds, scores[self.candidate_.name], familiar)
        self.classes_ = np.arange(2)
        return self

    def predict_proba(self, X: Sequence[str]) -> np.ndarray:
        """Calibrated probabilities of raw texts, shape (n, k), 0 to 1."""
        check_is_fitted(self)
        return self.model_.probabilities(X)

    def predict(self, X: Sequence[str]) -> np.ndarray:
        """Causes of raw texts, shape (n, k), 0 or 1; a row of zeros is other."""
        return self.model_.decide(self.predict_proba(X)).astype(int)

    def _with_taught(
        self, words: list[list[str]], Y: np.ndarray, weight: np.ndarray
    ) -> tuple[list[list[str]], np.ndarray, np.ndarray]:
        """Words, labels and weights of the texts, and after them of what is taught."""
        if self.taught is None:
            return words, Y, weight
        more = self.taught
        return [*words, *tokenise(more.texts)], np.concatenate([Y, more.Y]), np.concatenate([weight, more.weight])

    def _out_of_fold(
        self, words: Sequence[list[str]], Y: np.ndarray, weight: np.ndarray, folds: np.ndarray
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Of texts of folds not fitted on: each candidate's scores (n, d) by its name; share of known pairs (n,).

        What comes after the n texts that have a fold is always fitted on.
        """
        known, always = np.zeros(len(folds)), list(range(len(folds), len(words)))
        n_scores = 2 * Y.shape[1] + len(self._word_classes.names) + 1
        scores = {candidate.name: np.zeros((len(folds), n_scores)) for candidate in self.candidates}
        for fold in range(folds.max() + 1):
            train, test = [*np.flatnonzero(folds != fold).tolist(), *always], np.flatnonzero(folds == fold).tolist()
            for sizes in dict.fromkeys(candidate.gram_sizes for candidate in self.candidates):
                seen = [words[i] for i in train]
                vocabulary = learn_vocabulary(seen, self.min_texts, sizes)
                lexicon = Lexicon(vocabulary, Describe(self._word_classes))
                fitted, norms = features(seen, lexicon), passage_norms(seen, lexicon, PASSAGE)
                held_out = lexicon.read([words[i] for i in test])
                known[test] = known_pair_share(held_out)
                for candidate in (c for c in self.candidates if c.gram_sizes == sizes):
                    linear = _fit_linear(fitted, Y[train], weight[train], candidate.C)
                    model = self._uncalibrated(vocabulary, *linear, norms)
                    scores[candidate.name][test] = Reading(model, held_out).scores
        return scores, known

    def _final(
        self,
        words: Sequence[list[str]],
        Y: np.ndarray,
        weight: np.ndarray,
        folds: np.ndarray,
        scores: np.ndarray,
        familiar: float,
    ) -> CauseModel:
        vocabulary = learn_vocabulary(words, self.min_texts, self.candidate_.gram_sizes)
        lexicon = Lexicon(vocabulary)
        linear = _fit_linear(features(words, lexicon), Y, weight, self.candidate_.C)
        model = self._uncalibrated(vocabulary, *linear, passage_norms(words, lexicon, PASSAGE))
        causes = range(Y.shape[1])
        Y, weight = Y[: len(folds)], weight[: len(folds)]
        # Weighted, so that a user's own mix of causes moves probabilities and thresholds as well.
        two = [scores[:, [k, Y.shape[1] + k]] for k in causes]
        model = replace(model, calibration=np.array([_platt(two[k], Y[:, k], weight) for k in causes]))
        model, probabilities = second_reading(model, scores, Y, weight, folds)
        thresholds = best_thresholds(probabilities, Y, weight, self.taught.columns if self.taught else ())
        strict = np.array([strict_thresholds(probabilities[:, k], Y[:, k]) for k in causes])
        model = replace(model, thresholds=thresholds, strict_thresholds=strict, exclusive=_exclusive(Y))
        return replace(model, certain=certainties(model, probabilities, Y), familiar=familiar)

    def _uncalibrated(
        self, vocabulary: Vocabulary, coefficients: np.ndarray, intercepts: np.ndarray, norms: np.ndarray
    ) -> CauseModel:
        k = len(intercepts)
        return CauseModel(
            cause_ids=tuple(self.cause_ids),
            vocabulary=vocabulary,
            coefficients=coefficients,
            intercepts=intercepts,
            passage_norms=norms,
            calibration=np.tile([1.0, 0.0, 0.0], (k, 1)),
            word_classes=self._word_classes,
            trees=Trees.none(k),
            read_twice=np.zeros(k, dtype=bool),
            thresholds=np.full(k, 0.5),
            strict_thresholds=np.full((k, len(PRECISIONS)), NEVER),
            certain=np.full(len(PRECISIONS), NEVER),
            exclusive=np.zeros((k, k), dtype=bool),
            familiar=0.0,
        )


def _check(n_texts: int, Y: np.ndarray, cause_ids: tuple[str, ...]) -> None:
    if Y.shape != (n_texts, len(cause_ids)):
        raise ValueError(f"Y has shape {Y.shape}, wanted {(n_texts, len(cause_ids))}")
    for cause_id, positive in zip(cause_ids, Y.sum(axis=0), strict=True):
        if min(positive, n_texts - positive) < 2:
            raise ValueError(f"{cause_id} has {positive} examples among {n_texts} texts, wanted 2 of either kind")


def split_folds(Y: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """The fold of each text: groups whole, texts with a cause spread evenly, and those of each rare cause too.

    Rare is what less than a twentieth of the texts have: a new cause, beside a corpus that it is lost in. Its few texts
    would go where a fold lacks texts, all into one.
    """
    n = min(n_folds, len(np.unique(groups)))
    strata = Y.any(axis=1).astype(int)
    counts = Y.sum(axis=0)
    for k in np.flatnonzero((counts >= n) & (counts < _RARE * len(Y))):
        strata[Y[:, k] == 1] = 2 + k
    fold = np.zeros(len(Y), dtype=int)
    splitter = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    for number, (_, test) in enumerate(splitter.split(np.zeros(len(Y)), strata, groups)):
        fold[test] = number
    return fold


def _fit_linear(matrix: sp.csr_matrix, Y: np.ndarray, weight: np.ndarray, C: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (k, n_features) and intercepts (k,)."""
    coefficients, intercepts = [], []
    for k, spread in enumerate(_spreads(matrix, Y, weight)):
        if len(np.unique(Y[:, k])) < 2:
            coefficients.append(np.zeros(matrix.shape[1]))
            intercepts.append(-5.0 if Y[0, k] == 0 else 5.0)
            continue
        # The dual, for there are far more features than texts: the same scores as the primal in half the time.
        fitted = LogisticRegression(
            C=C, class_weight="balanced", solver="liblinear", dual=True, tol=1e-3, max_iter=1000, random_state=0
        )
        fitted.fit(matrix @ sp.diags(spread), Y[:, k], sample_weight=weight)
        coefficients.append(fitted.coef_[0] * spread)
        intercepts.append(float(fitted.intercept_[0]))
    return np.array(coefficients), np.array(intercepts)


def _spreads(matrix: sp.csr_matrix, Y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The scale of each feature for each cause, shape (k, n_features).

    Half of it is 1, half the size of the feature's log-count ratio over the mean size. Half and half held better on
    unseen authors and on real reviews than the ratio alone or none of it.
    """
    present = matrix.copy()
    present.data = np.ones_like(present.data)
    inside = _SMOOTHING + present.T @ (Y * weight[:, None])
    outside = _SMOOTHING + present.T @ ((1 - Y) * weight[:, None])
    ratio = np.abs(np.log((inside / inside.sum(axis=0)) / (outside / outside.sum(axis=0)))).T
    size = np.sqrt((ratio**2).mean(axis=1, keepdims=True))
    spreads: np.ndarray = 0.5 + 0.5 * np.divide(ratio, size, out=np.ones_like(ratio), where=size > 0)
    return spreads


# --- second reading ----------------------------------------------------------------------------------------------


def second_reading(
    model: CauseModel, scores: np.ndarray, Y: np.ndarray, weight: np.ndarray, folds: np.ndarray
) -> tuple[CauseModel, np.ndarray]:
    """The model with trees for the causes that gain by them out of fold, and out-of-fold probabilities (n, k).

    Out of fold in the way of stacking: the trees did not see a text that they judge, but the linear scores that they
    were fitted on came from models of other folds, some of which did.
    """
    probabilities = model.calibrated(scores)
    read_twice, fitted = model.read_twice.copy(), []
    for k in range(Y.shape[1]):
        held_out = _trees_out_of_fold(scores, Y[:, k], weight, folds)
        losses = [log_loss(Y[:, k], p, sample_weight=weight, labels=[0, 1]) for p in (held_out, probabilities[:, k])]
        read_twice[k] = losses[0] < losses[1]
        if read_twice[k]:
            probabilities[:, k] = held_out
        fitted.append(of_scikit_learn(_boost(scores, Y[:, k], weight)))
    parts = [np.array(part) for part in zip(*fitted, strict=True)]
    return replace(model, trees=Trees(*parts), read_twice=read_twice), probabilities


def _trees_out_of_fold(scores: np.ndarray, y: np.ndarray, weight: np.ndarray, folds: np.ndarray) -> np.ndarray:
    probabilities = np.zeros(len(y))
    for fold in range(folds.max() + 1):
        seen, unseen = folds != fold, folds == fold
        if len(np.unique(y[seen])) < 2:
            probabilities[unseen] = y[seen].mean()
            continue
        probabilities[unseen] = _boost(scores[seen], y[seen], weight[seen]).predict_proba(scores[unseen])[:, 1]
    return probabilities


def _boost(scores: np.ndarray, y: np.ndarray, weight: np.ndarray) -> HistGradientBoostingClassifier:
    """Trees that are small and many; deeper or longer ones did no better on unseen authors and on real reviews."""
    boosted = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=100,
        max_depth=DEPTH,
        max_bins=63,  # 255 gain nothing, and take four times as long to lay out
        min_samples_leaf=_MIN_LEAF,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=0,
    )
    # Their scale means nothing; and they make scikit-learn lay out its bins slowly, so equal ones are left out.
    weights = None if (weight == weight[0]).all() else weight / weight.mean()
    with threadpool_limits(1):  # sums of several threads differ in the last bit from run to run
        return boosted.fit(scores, y, sample_weight=weights)


# --- first reading's probabilities, causes that exclude each other -----------------------------------------------


def _platt(scores: np.ndarray, y: np.ndarray, weight: np.ndarray) -> tuple[float, float, float]:
    """Slopes and shift that make a text's two scores a probability, fitted on out-of-fold scores (Platt 1999)."""
    fitted = LogisticRegression(C=1e3).fit(scores, y, sample_weight=weight)
    return float(fitted.coef_[0, 0]), float(fitted.coef_[0, 1]), float(fitted.intercept_[0])


def _exclusive(Y: np.ndarray) -> np.ndarray:
    """Pairs of causes that stand together in less than a quarter of the texts that chance would give, shape (k, k)."""
    together = Y.T @ Y
    expected = np.outer(Y.sum(axis=0), Y.sum(axis=0)) / len(Y)
    exclusive: np.ndarray = (expected >= MIN_ABOVE) & (together < 0.25 * expected)
    return exclusive


def _mean_precision(Y: np.ndarray, scores: np.ndarray) -> float:
    return float(np.mean([average_precision_score(Y[:, k], scores[:, k]) for k in range(Y.shape[1])]))
