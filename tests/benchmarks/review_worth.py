"""What reviews chosen for their worth teach, and what as many reviews by chance teach.

    python tests/benchmarks/review_worth.py
    python tests/benchmarks/review_worth.py --draws 10

A small first model learns 600 texts of 12 authors. Six months of 300 texts, each by three further authors, are labelled
by it; of each 40 are reviewed, all as `review` chooses them (by worth), as it draws them (by chance), or two thirds and
one third (the queue as it is shipped), and learned with the weight of corrections before the next. Measured on 30
authors that nothing was learned of. The differences are paired: the same first model, the same months, the same test.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from peers import CAUSES, console, record
from rich.table import Table
from targets import corpus

from nollclassify.classifier import ComplaintClassifier
from nollclassify.estimation import Interval, percentile_interval
from nollclassify.evaluation import f1_of
from nollclassify.gate import HeldOut
from nollclassify.model_store import StoredModel
from nollclassify.reviewing import explained
from nollclassify.sampling import sample
from nollclassify.settings import Settings
from nollclassify.taxonomy import OTHER, load_taxonomy
from nollclassify.text_labels import label_texts

FIRST_AUTHORS, FIRST_TEXTS, MONTHS, MONTH_AUTHORS, MONTH_TEXTS, TEST_AUTHORS, N = 12, 600, 6, 3, 300, 30, 40
HOW = ("by worth", "as shipped", "by chance")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=6)
    draws = parser.parse_args().draws
    jobs = [(seed, how) for seed in range(draws) for how in HOW]
    done = Parallel(n_jobs=-1)(delayed(taught)(*job) for job in jobs)
    rows = pd.concat([part.assign(draw=seed, how=how) for (seed, how), part in zip(jobs, done, strict=True)])
    table = Table(title=f"{N} reviews a month, {draws} draws (95 % over draws)", title_justify="left")
    for name in ("how", "macro-F1 at first", "after six months", "more than by chance", "labels found wrong"):
        table.add_column(name)
    last = rows[rows["month"] == MONTHS].pivot(index="draw", columns="how", values="macro_f1")
    first = rows[rows["month"] == 0].pivot(index="draw", columns="how", values="macro_f1")
    wrong = rows[rows["month"] < MONTHS].groupby(["draw", "how"])["wrong"].mean().unstack()
    values = {}
    for how in HOW:
        more = mean_of(last[how] - last["by chance"])
        cells = (mean_of(first[how]), mean_of(last[how]), more, mean_of(wrong[how] / N))
        table.add_row(how, *(f"{c.estimate:.3f} ({c.low:.3f} to {c.high:.3f})" for c in cells))
        values[how] = more.estimate
    console.print(table)
    record("review by worth", {"draws": str(draws)}, values)


def mean_of(by_draw: pd.Series) -> Interval:
    values = by_draw.to_numpy(dtype=float)
    means = np.random.default_rng(0).choice(values, (2000, len(values))).mean(axis=1)
    return percentile_interval(float(values.mean()), means)


def taught(seed: int, how: str) -> pd.DataFrame:
    """Before each month's reviews and after the last: macro-F1 on the test authors, and wrong labels among the N."""
    texts, Y, group = corpus()
    generator = np.random.default_rng(seed)
    authors = generator.permutation(np.unique(group))
    learned = generator.choice(of(group, authors[:FIRST_AUTHORS]), FIRST_TEXTS, replace=False)
    test = of(group, authors[-TEST_AUTHORS:])
    weight = np.ones(len(learned))
    model = fitted(texts, Y, group, learned, weight)
    rows = []
    for month in range(MONTHS + 1):
        rows.append({"month": month, "macro_f1": macro_f1(model, [texts[i] for i in test], Y[test])})
        if month < MONTHS:
            at = FIRST_AUTHORS + month * MONTH_AUTHORS
            theirs = generator.permutation(of(group, authors[at : at + MONTH_AUTHORS]))[:MONTH_TEXTS]
            chosen, proposed = reviewed([texts[i] for i in theirs], model, how, seed)
            rows[-1]["wrong"] = int((Y[theirs[chosen]] != proposed).any(axis=1).sum())
            learned = np.concatenate([learned, theirs[chosen]])
            weight = np.concatenate([weight, np.full(len(chosen), Settings().own_text_weight)])
            model = fitted(texts, Y, group, learned, weight)
    return pd.DataFrame(rows)


def of(group: np.ndarray, authors: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.isin(group, authors))


def fitted(texts: list[str], Y: np.ndarray, group: np.ndarray, at: np.ndarray, weight: np.ndarray) -> StoredModel:
    classifier = ComplaintClassifier(CAUSES).fit([texts[i] for i in at], Y[at], group[at], weight)
    none = np.zeros((0, len(CAUSES)))
    nothing = HeldOut((), none, none, none, np.zeros(0), CAUSES)
    return StoredModel(classifier.model_, load_taxonomy(), nothing, {"model_version": "a-benchmark"})


def reviewed(texts: list[str], model: StoredModel, how: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Which N of the texts are reviewed, and the causes that the model proposed for them, (N, k)."""
    labels = label_texts(texts, model)
    written = {f"p_{cause}": labels[f"p_{cause}"].map("{:.4f}".format) for cause in CAUSES}
    cases = labels.assign(
        **written,
        case_id=[f"{n:04d}" for n in range(len(texts))],
        text=texts,
        product="",
        primary=labels["primary_cause"].where(labels["primary_cause"] != "", OTHER),
    )
    cases = explained(cases, model.taxonomy)
    # The sampler takes two thirds for their worth: of one and a half times N those are N.
    n = N * 3 // 2 if how == "by worth" else N
    frame = sample(cases, n, seed, None if how == "by chance" else cases["worth"])
    chosen = np.flatnonzero((frame["chosen"] == "useful") if how == "by worth" else frame["drawn"])
    proposed = [[cause in ids.split(";") for cause in CAUSES] for ids in cases["causes"].iloc[chosen]]
    return chosen, np.array(proposed, dtype=int)


def macro_f1(stored: StoredModel, texts: list[str], truth: np.ndarray) -> float:
    model = stored.model
    decided, right = model.decide(model.probabilities(texts)), truth == 1
    parts = np.stack([(right & decided).sum(0), (~right & decided).sum(0), (right & ~decided).sum(0)], axis=-1)
    return float(f1_of(parts).mean())


if __name__ == "__main__":
    main()
