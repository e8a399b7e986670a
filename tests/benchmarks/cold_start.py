"""How well a new cause is read after 5, 10, 20 and 50 examples.

    python tests/benchmarks/cold_start.py                # the curve, and what each part of the cold start adds
    python tests/benchmarks/cold_start.py --draws 5

Each cause in turn is taken out of the labels of 14 authors, who stand for the starter corpus: their texts that have it
stay there without it, as a new cause's do. A user's file has k examples by three or more other authors, and twice as
many texts without the cause. Measured on 14 further authors, with the threshold that the training set. *Plain* learns
from all that as it stands; *cold start* adds the definition and leaves out what may have the cause; *searched* has 30
more texts labelled, the first that the search finds by definition and examples among those other authors' texts.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from peers import CAUSES, console, record
from rich.table import Table
from targets import corpus

from nollclassify.classifier import ComplaintClassifier, Taught
from nollclassify.cold_start import certain, taught_by
from nollclassify.estimation import percentile_interval
from nollclassify.evaluation import average_precision, f1_of
from nollclassify.model import tokenise
from nollclassify.settings import Settings
from nollclassify.similar import described, similar
from nollclassify.taxonomy import load_taxonomy
from nollclassify.vocabulary import learn_vocabulary

SIZES, N_AUTHORS, N_SEARCHED, OWN_AUTHORS = (5, 10, 20, 50), 14, 30, 3
HOW = ("plain", "cold start", "searched", "all labelled")
FIRST = 2  # draws 0 and 1 were looked at when the threshold of a cause with few examples was chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=3)
    draws = range(FIRST, FIRST + parser.parse_args().draws)
    jobs = [(k, how, n, d) for k, how, n, d in product(range(len(CAUSES)), HOW[:3], SIZES, draws)]
    jobs += [(k, HOW[3], 0, d) for k, d in product(range(len(CAUSES)), draws)]
    done = Parallel(n_jobs=-1)(delayed(measured)(*job) for job in jobs)
    columns = ["cause", "how", "examples", "draw", "f1", "average_precision"]
    rows = pd.DataFrame([(*job, *result) for job, result in zip(jobs, done, strict=True)], columns=columns)
    table = Table(title="F1 (95 % of the mean over draws), average precision", title_justify="left")
    for name in ("cause", "how", *(f"{n} examples" for n in SIZES)):
        table.add_column(name)
    values = {}
    for k, how in product([*range(len(CAUSES)), -1], HOW):
        name, cells = CAUSES[k] if k >= 0 else "mean", []
        for n in SIZES if how != HOW[3] else (0,):
            part = rows[(rows["how"] == how) & (rows["examples"] == n) & ((rows["cause"] == k) | (k < 0))]
            by_draw = part.groupby("draw")["f1"].mean().to_numpy()
            means = np.random.default_rng(0).choice(by_draw, (1000, len(by_draw))).mean(axis=1)
            f1 = percentile_interval(float(by_draw.mean()), means)
            values[f"{name}.{how}.{n}"] = f1.estimate
            precision = part["average_precision"].mean()
            interval = f" ({f1.low:.2f}-{f1.high:.2f})" if len(by_draw) > 1 else ""
            cells.append(f"{f1.estimate:.2f}{interval}, {precision:.2f}")
        table.add_row(name, how, *cells)
    console.print(table)
    record("cold start", {"draws": str(len(draws))}, values)


def measured(k: int, how: str, n: int, seed: int) -> tuple[float, float]:
    """F1 and average precision of one cause on authors that nothing was learned of."""
    texts, Y, group = corpus()
    authors = np.random.default_rng(seed).permutation(np.unique(group))
    starter, pool, test = (
        np.flatnonzero(np.isin(group, authors[at : at + N_AUTHORS])) for at in range(0, 3 * N_AUTHORS, N_AUTHORS)
    )
    taught: Taught | None = None
    if how == HOW[3]:
        own, y = pool, Y[:, [k]]
    else:
        own = examples(Y[:, k], group, pool, n, np.random.default_rng(seed))
        y = np.where(np.isin(np.arange(len(Y)), starter)[:, None], 0, Y[:, [k]])
    if how == HOW[2]:
        own = np.concatenate([own, searched(texts, Y[:, k], own, pool, k)])
    at = np.concatenate([starter, own])
    weight = np.repeat([1.0, Settings().own_text_weight if how != HOW[3] else 1.0], [len(starter), len(own)])
    if how in HOW[1:3]:
        both = taught_by(load_taxonomy(), [k], Settings().own_text_weight)
        assert both is not None
        taught = Taught(both.texts, both.Y[:, [k]], both.weight)
        wide = np.zeros((len(at), len(CAUSES)), dtype=int)
        wide[:, k] = y[at, 0]
        kept = certain([texts[i] for i in at], wide, np.arange(len(at)) < len(starter), [k], load_taxonomy())
        at, weight = at[kept], weight[kept]
    classifier = ComplaintClassifier((CAUSES[k],), taught=taught)
    model = classifier.fit([texts[i] for i in at], y[at], group[at], weight).model_
    probabilities = model.probabilities([texts[i] for i in test])[:, 0]
    truth, decided = Y[test, k] == 1, probabilities >= model.thresholds[0]
    parts = np.array([(truth & decided).sum(), (~truth & decided).sum(), (truth & ~decided).sum()])
    return float(f1_of(parts)), average_precision(truth, probabilities)


def examples(y: np.ndarray, group: np.ndarray, pool: np.ndarray, n: int, generator: np.random.Generator) -> np.ndarray:
    """n texts with the cause, of as few authors as have them but at least three, and twice as many without it."""
    order = generator.permutation(np.unique(group[pool]))
    having = pool[y[pool] == 1]
    few = OWN_AUTHORS
    while np.isin(group[having], order[:few]).sum() < n:
        few += 1
    theirs = pool[np.isin(group[pool], order[:few])]
    chosen = [generator.choice(theirs[y[theirs] == value], m, replace=False) for value, m in ((1, n), (0, 2 * n))]
    return np.concatenate(chosen)


def searched(texts: list[str], y: np.ndarray, own: np.ndarray, pool: np.ndarray, k: int) -> np.ndarray:
    """The texts of the pool that the search finds first, by the words of the pool."""
    rest = np.setdiff1d(pool, own)
    vocabulary = learn_vocabulary(tokenise([texts[i] for i in pool]))
    meant, unlike = described(load_taxonomy().causes[k])
    wanted = [texts[i] for i in own if y[i]]
    return rest[similar([texts[i] for i in rest], vocabulary, meant, wanted, unlike, N_SEARCHED)["position"].to_numpy()]


if __name__ == "__main__":
    main()
