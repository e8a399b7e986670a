"""What the classifier is held to, measured: one table, and where more texts or corrections help.

    make benchmark                                        # this, then the peers
    python tests/benchmarks/targets.py targets corrections curve sentiment   # one or several parts

*targets*: unseen authors by cross-validation (thresholds, calibration and precision levels are set inside the training
part), the example month, real reviews and the behaviour suite, recorded in MLflow. *corrections*: labels of real
reviews added to the training texts, chosen by doubt or at random. *curve*: fewer texts, fewer authors. *sentiment*:
three classes of real reviews that nobody here labelled. Parts that need the real reviews are left out where those are
not at hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from functools import cache

import numpy as np
from joblib import Parallel, delayed
from peers import CAUSES, REVIEWS, console, example_month, real_reviews, record
from rich.table import Table

from nollclassify.behaviours import KINDS_SV, behave, by_kind
from nollclassify.classifier import ComplaintClassifier, split_folds
from nollclassify.estimation import percentile_interval, wilson
from nollclassify.evaluation import Scores, groups, indicator, score
from nollclassify.model import CauseModel
from nollclassify.settings import Settings
from nollclassify.taxonomy import load_taxonomy
from nollclassify.training import N_FOLDS
from nollclassify.training_data import read_starter

PRECISION, SEEDS, N_TEST = 0.95, 10, 100
Texts = Sequence[str]


@cache
def corpus() -> tuple[list[str], np.ndarray, np.ndarray]:
    fields = read_starter(load_taxonomy()).fields
    texts = fields["text"].tolist()
    return texts, indicator(fields["causes"].tolist(), CAUSES), groups(texts, fields["author"].tolist())


def fit(texts: Texts, Y: np.ndarray, group: np.ndarray, weight: np.ndarray | None = None) -> CauseModel:
    return ComplaintClassifier(CAUSES).fit(texts, Y, group, weight).model_


def real() -> tuple[list[str], np.ndarray, np.ndarray]:
    """The whole development set, and whether each review is of the random sample."""
    parts = [real_reviews(sample) for sample in ("random", "disagreement")]
    is_random = np.repeat([True, False], [len(texts) for texts, _ in parts])
    return [t for texts, _ in parts for t in texts], np.concatenate([Y for _, Y in parts]), is_random


# --- the table ---------------------------------------------------------------------------------------------------


def targets() -> None:
    texts, Y, group = corpus()
    title = f"Held to: {len(texts)} training texts, {len(np.unique(group))} groups"
    rows = Table(title=title, title_justify="left")
    for name in ("what", "n", "measured (95 %)", "to reach"):
        rows.add_column(name)

    values: dict[str, float] = {}

    def add(what: str, n: int, estimate: float, low: float, high: float, goal: str) -> None:
        values[re.sub(r"[^\w -]", "", what).strip()] = estimate
        rows.add_row(what, str(n), f"{estimate:.3f} ({low:.3f}-{high:.3f})", goal)

    unseen = cross_validated(texts, Y, group)
    scores = score(Y, unseen["probabilities"], unseen["decided"].astype(int), CAUSES, group)
    macro = scores.macro_f1
    add("macro-F1, authors not in training", scores.n, macro.estimate, macro.low, macro.high, "0.90")
    errors = scores.causes["calibration_error"]
    values["calibration error"] = errors.mean()
    rows.add_row(
        "calibration error, mean (worst) cause", str(scores.n), f"{errors.mean():.3f} ({errors.max():.3f})", "0.03"
    )
    short = np.array([len(text.split()) <= 6 for text in texts])
    decided = unseen["decided"].astype(int)
    part = score(Y[short], unseen["probabilities"][short], decided[short], CAUSES, group[short]).macro_f1
    add("macro-F1, at most 6 words, authors not in training", int(short.sum()), *vars(part).values(), "0.85")
    sure = unseen["sure"]
    share = wilson(int(sure.sum()), len(sure))
    right = (unseen["strict"][sure] == (Y[sure] == 1)).all(axis=1)
    add(f"share that is sure enough, --precision {PRECISION}", len(sure), *vars(share).values(), "0.75")
    add(
        "... whole label set right among them", len(right), *vars(wilson(int(right.sum()), len(right))).values(), "0.95"
    )

    model = fit(texts, Y, group)
    month = measure(model, *example_month()).macro_f1
    add("macro-F1, example month", len(example_month()[0]), *vars(month).values(), "0.90")
    four = example_month("mars-2019", "april-2019", "januari-2020", "februari-2020")
    add(
        "macro-F1, four more months, eight other authors",
        len(four[0]),
        *vars(measure(model, *four).macro_f1).values(),
        "0.90",
    )
    if REVIEWS.exists():
        reviews, truth, is_random = real()
        for name, at in (("all", is_random | True), ("random", is_random), ("where models disagreed", ~is_random)):
            micro = measure(model, [t for t, a in zip(reviews, at, strict=True) if a], truth[at]).micro_f1
            add(f"micro-F1, real reviews, {name}", int(at.sum()), *vars(micro).values(), "0.65")
        last = measure(model, *real_reviews("test")).micro_f1
        add("micro-F1, real reviews, random, chose nothing", len(real_reviews("test")[0]), *vars(last).values(), "0.65")
    for row in by_kind(behave(model)).to_dict("records"):
        goal = {"pair": "0.85", "denied": "0.90", "variants": "0.85", "short": "0.85"}[row["kind"]]
        add(KINDS_SV[row["kind"]], row["n"], row["share"], row["low"], row["high"], goal)
    console.print(rows)
    record("targets", {"texts": str(len(texts))}, values)


def measure(model: CauseModel, texts: Texts, Y: np.ndarray) -> Scores:
    probabilities = model.probabilities(texts)
    return score(Y, probabilities, model.decide(probabilities).astype(int), CAUSES)


def cross_validated(texts: Texts, Y: np.ndarray, group: np.ndarray) -> dict[str, np.ndarray]:
    folds = split_folds(Y, group, N_FOLDS, seed=0)
    parts = Parallel(n_jobs=-1)(delayed(_unseen)(texts, Y, group, folds, fold) for fold in range(N_FOLDS))
    order = np.argsort(np.concatenate([np.flatnonzero(folds == fold) for fold in range(N_FOLDS)]))
    return {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}


def _unseen(texts: Texts, Y: np.ndarray, group: np.ndarray, folds: np.ndarray, fold: int) -> dict[str, np.ndarray]:
    seen, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
    model = fit([texts[i] for i in seen], Y[seen], group[seen])
    probabilities = model.probabilities([texts[i] for i in test])
    strict, level = model.at_precision(PRECISION)
    sure = strict.confidence(probabilities) >= level
    decided = {"decided": model.decide(probabilities), "strict": strict.decide(probabilities)}
    return {"probabilities": probabilities, "sure": sure, **decided}


# --- corrections -------------------------------------------------------------------------------------------------


def corrections() -> None:
    """Corrections from the larger part of the development set, measured on the rest; new parts for every seed."""
    if not REVIEWS.exists():
        return
    texts, Y, group = corpus()
    reviews, truth, _ = real()
    base = fit(texts, Y, group)
    doubt = base.confidence(base.probabilities(reviews))
    weight = Settings().own_text_weight
    plans = [("doubt", 100), ("random", 100), ("random", 300)]
    jobs = [(seed, how, n) for seed in range(SEEDS) for how, n in plans]
    done = Parallel(n_jobs=-1)(
        delayed(_corrected)(texts, Y, group, reviews, truth, doubt, base, *job, weight) for job in jobs
    )
    rows = Table(title=f"Micro-F1 on {N_TEST} real reviews after corrections, {SEEDS} seeds", title_justify="left")
    for name in ("chosen by", "corrections", "micro-F1 (95 % of the mean over seeds)", "gain over none"):
        rows.add_column(name)
    for how, n in plans:
        before, after = np.array([d for job, d in zip(jobs, done, strict=True) if job[1:] == (how, n)]).T
        intervals = [percentile_interval(float(v.mean()), _means(v)) for v in (after, after - before)]
        rows.add_row(how, str(n), *(f"{i.estimate:.3f} ({i.low:.3f}-{i.high:.3f})" for i in intervals))
    console.print(rows)


def _means(values: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).choice(values, (1000, len(values))).mean(axis=1)


def _corrected(
    texts: Texts,
    Y: np.ndarray,
    group: np.ndarray,
    reviews: Texts,
    truth: np.ndarray,
    doubt: np.ndarray,
    base: CauseModel,
    seed: int,
    how: str,
    n: int,
    weight: float,
) -> tuple[float, float]:
    """Micro-F1 on the test part before and after learning from n corrections of the rest."""
    shuffled = np.random.default_rng(seed).permutation(len(reviews))
    test, pool = shuffled[:N_TEST], shuffled[N_TEST:]
    chosen = pool[:n] if how == "random" else pool[np.argsort(doubt[pool], kind="stable")][:n]
    more = [reviews[i] for i in chosen]
    weights = np.concatenate([np.ones(len(texts)), np.full(len(more), weight)])
    own_group = group.max() + 1 + np.arange(len(more))
    model = fit([*texts, *more], np.concatenate([Y, truth[chosen]]), np.concatenate([group, own_group]), weights)
    unseen = [reviews[i] for i in test]
    return tuple(measure(m, unseen, truth[test]).micro_f1.estimate for m in (base, model))  # type: ignore[return-value]


# --- learning curve ----------------------------------------------------------------------------------------------


def curve() -> None:
    """Half as many texts, by dropping texts or by dropping authors; measured on a fifth of the authors, held out."""
    texts, Y, group = corpus()
    test = split_folds(Y, group, N_FOLDS, seed=0) == 0
    rest = np.flatnonzero(~test)
    generator = np.random.default_rng(0)
    by_text, by_author = generator.permutation(rest), generator.permutation(np.unique(group[rest]))
    jobs = []
    for part in (1 / 8, 1 / 4, 1 / 2, 1):
        jobs.append(("fewer texts", by_text[: int(part * len(by_text))]))
        kept = by_author[: max(int(part * len(by_author)), 5)]
        jobs.append(("fewer authors", rest[np.isin(group[rest], kept)]))
    measured = Parallel(n_jobs=-1)(delayed(_learned)(texts, Y, group, seen, test) for _, seen in jobs)
    rows = Table(title=f"Learning curve, measured on {test.sum()} texts of held-out authors", title_justify="left")
    for name in ("", "texts", "groups", "macro-F1 (95 %)", "micro-F1, real reviews"):
        rows.add_column(name)
    for (how, seen), (scores, on_real) in zip(jobs, measured, strict=True):
        f1 = scores.macro_f1
        cell = f"{f1.estimate:.3f} ({f1.low:.3f}-{f1.high:.3f})"
        rows.add_row(how, str(len(seen)), str(len(np.unique(group[seen]))), cell, on_real)
    console.print(rows)


def _learned(texts: Texts, Y: np.ndarray, group: np.ndarray, seen: np.ndarray, test: np.ndarray) -> tuple[Scores, str]:
    model = fit([texts[i] for i in seen], Y[seen], group[seen])
    on_real = "-"
    if REVIEWS.exists():
        on_real = f"{measure(model, *real()[:2]).micro_f1.estimate:.3f}"
    return measure(model, [texts[i] for i in np.flatnonzero(test)], Y[test]), on_real


# --- sentiment ---------------------------------------------------------------------------------------------------


def sentiment() -> None:
    """Three classes of the real reviews, the given split; the same features, one model a class, the likeliest wins."""
    if not REVIEWS.exists():
        return
    with REVIEWS.open(encoding="utf-8") as lines:
        reviews = [review for review in map(json.loads, lines) if review["split"] in ("train", "test")]
    classes = ("positive", "neutral", "negative")
    train, test = ([r for r in reviews if r["split"] == split] for split in ("train", "test"))
    Y = np.array([[r["rating"] == c for c in classes] for r in train], dtype=int)
    model = ComplaintClassifier(classes).fit([r["text"] for r in train], Y).model_
    best = model.probabilities([r["text"] for r in test]).argmax(axis=1)
    right = wilson(sum(classes[b] == r["rating"] for b, r in zip(best, test, strict=True)), len(test))
    console.print(
        f"Sentiment of real reviews, {len(train)} for training: "
        f"accuracy {right.estimate:.3f} ({right.low:.3f}-{right.high:.3f}) on {len(test)}"
    )


PARTS = {"targets": targets, "corrections": corrections, "curve": curve, "sentiment": sentiment}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
