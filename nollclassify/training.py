"""FLOW: labelled cases -> cross-validation -> final fit -> model directory, MLflow run, gate."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone

from nollclassify.behaviours import behave, by_kind
from nollclassify.classifier import CANDIDATES, Candidate, ComplaintClassifier, split_folds
from nollclassify.errors import InputError
from nollclassify.evaluation import Scores, score, text_digest
from nollclassify.gate import Decision, HeldOut
from nollclassify.model import tokenise
from nollclassify.model_store import StoredModel, check_place, save_model
from nollclassify.reference import N_LOOKS, looks, make_reference
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import Taxonomy, load_taxonomy
from nollclassify.training_data import Corrected, TrainingData, read_training_data
from nollclassify.word_classes import load_word_classes

Progress = Callable[[str], None]
N_FOLDS = 5
MIN_GROUPS = 3
_NONE = -1


@dataclass(frozen=True)
class Training:
    """What a training gave.

    Attributes:
        directory: the model directory.
        stored: the model.
        scores: of predictions on authors that were not in the training part (cross-validation).
        new_causes: the same of causes that the starter corpus was not labelled for, on the user's own texts alone; None
            where there is no such cause. In `scores` the starter corpus counts as if none of its texts had them.
        decision: the gate's, None where nothing was registered.
        run_id, number: MLflow's run and registered version, None where they were not made.
        rejected: rows of the training files that were refused; also written beside each file.
        corrected: what came from the ledger of corrections.
    """

    directory: Path
    stored: StoredModel
    scores: Scores
    decision: Decision | None
    run_id: str | None
    number: str | None
    rejected: pd.DataFrame
    corrected: Corrected
    new_causes: Scores | None = None


def train(
    *paths: str | Path,
    output: str | Path = "models/challenger",
    starter: bool = True,
    register: bool = True,
    seed: int = 0,
    settings: Settings | None = None,
    candidates: Sequence[Candidate] = CANDIDATES,
    progress: Progress = lambda message: None,
    corrections: bool = True,
) -> Training:
    """Train on the starter corpus, labelled case files and corrections, record the run, and let the gate judge it.

    Args:
        paths: labelled case files; may be none where `starter` is true.
        output: the model directory to write.
        starter: whether the starter corpus is part of the training texts.
        register: whether to record the run in MLflow, register a version and ask the gate.
        seed: of folds and resampling.
        settings: by default those of the working directory.
        candidates: the ways of fitting to choose from.
        progress: called with a sentence at each step.
        corrections: whether what people decided, the ledger of corrections, is part of the training texts.

    Raises:
        InputError: a file that cannot be used, or too few examples.
        TrackingError: an MLflow store that cannot be used.
    """
    settings = settings or load_settings()
    taxonomy = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    classes = load_word_classes(Path(settings.word_classes) if settings.word_classes else None)
    check_place(Path(output))
    data = read_training_data([Path(path) for path in paths], taxonomy, starter, settings, corrections)
    progress(f"{len(data.texts)} märkta klagomål från {data.n_authors} kända upphov")
    if data.left_out:
        progress(f"{data.left_out} texter ur startkorpusen lämnas ut, för de kan höra till en ny orsak")
    started = time.monotonic()
    classifier = ComplaintClassifier(
        taxonomy.cause_ids, candidates, seed=seed, word_classes=classes, taught=data.taught
    )
    classifier, held_out, probabilities, folds, seen = fit_and_cross_validate(
        data.texts, data.Y, data.group, data.weight, taxonomy, classifier, progress
    )
    scores = score(data.Y, probabilities, held_out.decided, taxonomy.cause_ids, data.group, data.primary, seed)
    of_new = _score_new_causes(data, held_out, probabilities, seed)
    held_out = replace(held_out, behaviours=behave(classifier.model_))
    details = _details(data, scores, classifier, seed) | {"reference": _reference(data, held_out, seen)}
    stored = save_model(Path(output), classifier.model_, taxonomy, held_out, details)
    seconds = time.monotonic() - started
    run_id = number = decision = None
    if register:
        progress("skriver körningen till MLflow")
        metrics = _metrics(scores, folds, data, held_out) | {"training_seconds": seconds}
        if of_new:
            metrics |= {f"{row['cause']}.own_texts_f1": row["f1"] for row in of_new.causes.to_dict("records")}
        run_id, number, decision = _register(stored, data, scores, metrics, settings)
    return Training(Path(output), stored, scores, decision, run_id, number, data.rejected, data.corrected, of_new)


# --- cross-validation --------------------------------------------------------------------------------------------


def fit_and_cross_validate(
    texts: Sequence[str],
    Y: np.ndarray,
    group: np.ndarray,
    weight: np.ndarray,
    taxonomy: Taxonomy,
    classifier: ComplaintClassifier,
    progress: Progress = lambda message: None,
) -> tuple[ComplaintClassifier, HeldOut, np.ndarray, np.ndarray, np.ndarray]:
    """Fit on all texts, and predict every text by a clone that saw nothing of its group, not even for thresholds.

    Returns:
        The fitted classifier, the held-out predictions, their probabilities (n, k), the fold of each text (n,), and
        what each text looks like to the model that predicted it (n, 4); see `reference.looks`.
    """
    folds = _checked_folds(Y, group, taxonomy, classifier)
    probabilities, decided, seen = np.zeros(Y.shape), np.zeros(Y.shape, dtype=int), np.zeros((len(Y), N_LOOKS))
    # The final fit, with no fold held out, runs beside the others; first, for it is the longest job.
    each = [_NONE, *np.unique(folds).tolist()]
    jobs = [delayed(_fit_fold)(texts, Y, group, weight, folds, fold, clone(classifier)) for fold in each]
    done = Parallel(n_jobs=-1, return_as="generator_unordered")(jobs)
    for number, (fitted, test, p, d, look) in enumerate(done, 1):
        if fitted is not None:
            classifier = fitted
        probabilities[test], decided[test], seen[test] = p, d, look
        progress(f"träning och korsvalidering, del {number} av {len(jobs)}")
    digests = tuple(text_digest(text) for text in texts)
    kept = probabilities.astype(np.float32)
    held_out = HeldOut(digests, Y, decided, kept, np.asarray(group), taxonomy.cause_ids)
    return classifier, held_out, probabilities, folds, seen


def _checked_folds(Y: np.ndarray, group: np.ndarray, taxonomy: Taxonomy, classifier: ComplaintClassifier) -> np.ndarray:
    if len(np.unique(group)) < MIN_GROUPS:
        raise InputError(
            f"texter av minst {MIN_GROUPS} upphov behövs; fyll i kolumnen upphov rätt eller lämna den tom."
        )
    folds = split_folds(Y, group, N_FOLDS, classifier.seed)
    taught = classifier.taught.Y.sum(axis=0) if classifier.taught else np.zeros(Y.shape[1], dtype=int)
    for fold in np.unique(folds):
        for cause, count, more in zip(taxonomy.causes, Y[folds != fold].sum(axis=0), taught, strict=True):
            if not count or count + more < 2:
                raise InputError(
                    f"{cause.name_sv} ({cause.id}): för få exempel, eller nästan alla av samma upphov, så att inget "
                    "kan mätas; lägg till exempel av andra, eller lämna kolumnen upphov tom."
                )
    return folds


def _fit_fold(
    texts: Sequence[str],
    Y: np.ndarray,
    group: np.ndarray,
    weight: np.ndarray,
    folds: np.ndarray,
    fold: int,
    classifier: ComplaintClassifier,
) -> tuple[ComplaintClassifier | None, list[int], np.ndarray, np.ndarray, np.ndarray]:
    """The classifier fitted where no fold is held out, else predictions of the fold that is, and its `looks`."""
    seen, unseen = np.flatnonzero(folds != fold).tolist(), np.flatnonzero(folds == fold).tolist()
    classifier.fit([texts[i] for i in seen], Y[seen], group[seen], weight[seen])
    if not unseen:
        nothing = np.zeros((0, Y.shape[1]))
        return classifier, [], nothing, nothing, np.zeros((0, N_LOOKS))
    reading = classifier.model_.read(tokenise([texts[i] for i in unseen]))
    probabilities = classifier.model_.calibrated(reading.scores)
    return None, unseen, probabilities, classifier.model_.decide(probabilities).astype(int), looks(reading)


def _reference(data: TrainingData, held_out: HeldOut, seen: np.ndarray) -> dict[str, Any]:
    """What the training texts looked like, figures only: what `drift` holds a month against."""
    numbers = {cause: k for k, cause in enumerate(held_out.cause_ids)}
    primary = np.array([numbers.get(cause, len(numbers)) for cause in data.primary])
    probabilities, decided = held_out.probabilities, held_out.decided
    return make_reference(seen, data.weight, probabilities, decided, primary, held_out.group).to_dict()


def _score_new_causes(data: TrainingData, held_out: HeldOut, probabilities: np.ndarray, seed: int) -> Scores | None:
    if data.taught is None:
        return None
    own, new = data.is_own, data.taught.columns
    Y, p, decided = (each[own][:, new] for each in (data.Y, probabilities, held_out.decided))
    return score(Y, p, decided, [held_out.cause_ids[k] for k in new], data.group[own], seed=seed)


# --- recording ---------------------------------------------------------------------------------------------------


def _details(data: TrainingData, scores: Scores, classifier: ComplaintClassifier, seed: int) -> dict[str, Any]:
    counts = dict(zip(classifier.cause_ids, data.Y.sum(axis=0).tolist(), strict=True))
    return {
        "training": {
            "texts": len(data.texts),
            "groups": len(np.unique(data.group)),
            "authors": data.n_authors,
            "examples": counts,
            "digests": data.digests,
            "corrections": vars(data.corrected),
            "seed": seed,
        },
        "candidate": classifier.candidate_.name,
        "candidate_scores": classifier.candidate_scores_,
        "scores": scores.to_dict(),
    }


def _metrics(scores: Scores, folds: np.ndarray, data: TrainingData, held_out: HeldOut) -> dict[str, float]:
    metrics = {name: getattr(scores, name).estimate for name in ("macro_f1", "micro_f1", "exact_match")}
    for row in scores.causes.to_dict("records"):
        for name in ("precision", "recall", "f1", "average_precision", "calibration_error"):
            metrics[f"{row['cause']}.{name}"] = float(row[name])
    for row in by_kind(held_out.behaviours).to_dict("records"):
        metrics[f"behaviour.{row['kind']}"] = float(row["share"])
    for fold in np.unique(folds):
        here = folds == fold
        part = score(data.Y[here], held_out.decided[here].astype(float), held_out.decided[here], held_out.cause_ids)
        metrics[f"fold_{fold}.macro_f1"] = part.macro_f1.estimate
        metrics |= {f"fold_{fold}.{r['cause']}.f1": float(r["f1"]) for r in part.causes.to_dict("records")}
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def _register(
    stored: StoredModel, data: TrainingData, scores: Scores, metrics: dict[str, float], settings: Settings
) -> tuple[str, str, Decision]:
    # MLflow takes seconds to import, and training without it needs none of this.
    from nollclassify.promotion import judge_training
    from nollclassify.run_record import page, params
    from nollclassify.tracking import Tracking

    tracking = Tracking(settings)
    classes = hashlib.sha256(repr(stored.model.word_classes).encode()).hexdigest()[:16]
    reports = {"evaluation.json": scores.to_dict(), "training.json": stored.manifest["training"]}
    made_with = params(stored, settings.own_text_weight, classes)
    made_with |= {"corrections": data.corrected.n, "data.corrections": data.corrected.digest[:16]}
    run_id, number = tracking.record(stored, made_with, metrics, reports, page(stored, scores, datetime.now()))
    return run_id, number, judge_training(tracking, number, stored, data.texts)
