"""FLOW: more and more of the training texts -> a model each -> what it reads right of authors that none of them saw."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nollclassify.classifier import CANDIDATES, Candidate, ComplaintClassifier, split_folds
from nollclassify.errors import InputError
from nollclassify.evaluation import score
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import load_taxonomy
from nollclassify.training_data import read_training_data
from nollclassify.word_classes import load_word_classes

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
# One part of so many is held out.
_PARTS = 5
# The folds inside a fit need examples of every cause in each.
_FEWEST = 10


def learning_curve(
    *paths: str | Path,
    starter: bool = True,
    shares: Sequence[float] = SHARES,
    seed: int = 0,
    settings: Settings | None = None,
    candidates: Sequence[Candidate] = CANDIDATES,
) -> pd.DataFrame:
    """Fit on growing parts of the training texts, and score each model on the same fifth of the authors, held out.

    Where the curve still rises at its end, more texts of the same kind would help; where it is flat, other texts would.

    Args:
        paths, starter, settings, candidates: as for `train`.
        shares: how much of the other four fifths is learned, 0 to 1; a smaller part lies within a larger one.
        seed: of the fold and of which texts are learned first.

    Returns:
        One row a share, but for those with fewer than ten examples of a cause: `texts` that were learned, `macro_f1`
        with `macro_f1_low` and `macro_f1_high` (95 %), and the F1 of each cause by its id.

    Raises:
        InputError: a file that cannot be used, or too few examples of a cause.
    """
    settings = settings or load_settings()
    taxonomy = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    classes = load_word_classes(Path(settings.word_classes) if settings.word_classes else None)
    data = read_training_data([Path(path) for path in paths], taxonomy, starter, settings)
    held_out = split_folds(data.Y, data.group, _PARTS, seed) == 0
    order = np.random.default_rng(seed).permutation(np.flatnonzero(~held_out))
    rows = []
    for share in sorted(shares):
        part = np.sort(order[: round(share * len(order))])
        few = data.Y[part].sum(axis=0) < _FEWEST
        if not few.any():
            classifier = ComplaintClassifier(
                taxonomy.cause_ids, candidates, seed=seed, word_classes=classes, taught=data.taught
            )
            classifier.fit([data.texts[i] for i in part], data.Y[part], data.group[part], data.weight[part])
            rows.append({"texts": len(part)} | _scores(classifier, data.texts, data.Y, data.group, held_out))
        elif share == max(shares):
            cause = taxonomy.causes[int(few.argmax())]
            raise InputError(
                f"{cause.name_sv} ({cause.id}): för få exempel för en inlärningskurva; märk fler klagomål med orsaken."
            )
    return pd.DataFrame(rows)


def _scores(
    classifier: ComplaintClassifier, texts: Sequence[str], Y: np.ndarray, group: np.ndarray, held_out: np.ndarray
) -> dict[str, float]:
    model = classifier.model_
    probabilities = model.probabilities([text for text, out in zip(texts, held_out, strict=True) if out])
    decided, truth = model.decide(probabilities), Y[held_out]
    scores = score(truth, probabilities, decided, model.cause_ids, group[held_out], seed=classifier.seed)
    macro = scores.macro_f1
    found = {"macro_f1": macro.estimate, "macro_f1_low": macro.low, "macro_f1_high": macro.high}
    return found | dict(zip(scores.causes["cause"], scores.causes["f1"], strict=True))
