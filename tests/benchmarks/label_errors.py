"""How many planted label errors are found among the training texts, and how many of the suspects are planted.

    python tests/benchmarks/label_errors.py                  # a third of the corpus's authors, five draws
    python tests/benchmarks/label_errors.py --whole          # once, the whole corpus
    python tests/benchmarks/label_errors.py --share 0.05

Errors are planted before training and cross-validation: a text's causes replaced by another, one dropped, one added,
and a cause given to a text of none, a quarter each. The corpus's own errors count as wrongly suspected. The operating
point is the score with the best F1 on the first two draws; it is reported on the others.
"""

from __future__ import annotations

import argparse

import numpy as np
from peers import CAUSES, console, record
from rich.table import Table
from targets import corpus

from nollclassify.classifier import ComplaintClassifier
from nollclassify.estimation import wilson
from nollclassify.evaluation import indicator
from nollclassify.suspects import LEAST_SCORE, suspects
from nollclassify.taxonomy import load_taxonomy
from nollclassify.training import fit_and_cross_validate

KINDS, TOP, WANTED = ("replaced", "dropped", "added", "other"), (50, 100, 200), 0.95
# Of each suspect the score, the kind of planted error and whether the suggestion is true; the kinds of all texts.
Draw = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def plant(Y: np.ndarray, share: float, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels with errors, and the kind of each text's error, empty for none."""
    wrong, kind = Y.copy(), np.full(len(Y), "", dtype=object)
    has = generator.permutation(np.flatnonzero(Y.any(axis=1)))
    none = generator.permutation(np.flatnonzero(~Y.any(axis=1)))
    n = round(share * len(Y) / len(KINDS))
    for name, rows in zip(KINDS, (has[:n], has[n : 2 * n], has[2 * n : 3 * n], none[:n]), strict=True):
        for i in rows:
            if name == "dropped":
                wrong[i, generator.choice(np.flatnonzero(Y[i]))] = 0
            else:
                wrong[i] = 0 if name == "replaced" else Y[i]
                wrong[i, generator.choice(np.flatnonzero(Y[i] == 0))] = 1
            kind[i] = name
    return wrong, kind


def draw(seed: int, share: float, whole: bool) -> Draw:
    """Of all suspects, the surest first, score, kind, and whether the suggestion is right; the kind of every text."""
    texts, Y, group = corpus()
    authors = np.random.default_rng(1000 + seed).permutation(np.unique(group))
    at = np.flatnonzero(np.isin(group, authors if whole else authors[: len(authors) // 3]))
    wrong, kind = plant(Y[at], share, np.random.default_rng(seed))
    probabilities = fit_and_cross_validate(
        [texts[i] for i in at],
        wrong,
        group[at],
        np.ones(len(at)),
        load_taxonomy(),
        ComplaintClassifier(CAUSES, seed=seed),
    )[2]
    found = suspects(probabilities, wrong, CAUSES, least=0.0)
    position = found["position"].to_numpy()
    right = (indicator(found["suggested"].tolist(), CAUSES) == Y[at][position]).all(axis=1)
    return found["score"].to_numpy(), kind[position], right, kind


def best_point(draws: list[Draw]) -> float:
    scores, planted = np.concatenate([d[0] for d in draws]), np.concatenate([d[1] for d in draws]) != ""
    order = np.argsort(-scores)
    hits = np.cumsum(planted[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + sum((d[3] != "").sum() for d in draws))
    return float(scores[order][f1.argmax()])


def report(draws: list[Draw], points: dict[str, float]) -> None:
    table = Table(title=f"Planted label errors, {len(draws)} draw(s)", title_justify="left")
    for name in ("suspects with a score of", "n", "precision (95 %)", "recall (95 %)", *KINDS):
        table.add_column(name)
    n_planted = sum(int((kind != "").sum()) for *_, kind in draws)
    values = {}
    for name, least in points.items():
        kinds = np.concatenate([kind[score >= least] for score, kind, _, _ in draws])
        hits = int((kinds != "").sum())
        precision, recall = wilson(hits, len(kinds)), wilson(hits, n_planted)
        each = [(kinds == k).sum() / sum((kind == k).sum() for *_, kind in draws) for k in KINDS]
        cells = [f"{i.estimate:.3f} ({i.low:.3f}-{i.high:.3f})" for i in (precision, recall)]
        table.add_row(f"{name} {least:.4f}", str(len(kinds)), *cells, *(f"{share:.2f}" for share in each))
        values |= {f"{name}.precision": precision.estimate, f"{name}.recall": recall.estimate}
    console.print(table)
    for top in TOP:
        values[f"top_{top}"] = float(np.mean([(kind[:top] != "").mean() for _, kind, _, _ in draws]))
        console.print(f"of the {top} surest of a draw planted: {values[f'top_{top}']:.3f}")
    right = np.concatenate([right[(kind != "") & (score >= LEAST_SCORE)] for score, kind, right, _ in draws])
    console.print(f"suggestion is the true label set, of {len(right)} planted ones found: {right.mean():.3f}")
    record("label errors", {"draws": str(len(draws)), "planted": str(n_planted)}, values)


def precise_point(draws: list[Draw]) -> float:
    """The lowest score from which on the wanted precision is reached."""
    scores, planted = np.concatenate([d[0] for d in draws]), np.concatenate([d[1] for d in draws]) != ""
    order = np.argsort(-scores)
    reached = np.flatnonzero(np.cumsum(planted[order]) / np.arange(1, len(order) + 1) >= WANTED)
    return float(scores[order][reached[-1]]) if len(reached) else 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=0.03, help="of the texts, planted")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--whole", action="store_true")
    given = parser.parse_args()
    if given.whole:
        report([draw(10, given.share, True)], {"default": LEAST_SCORE})
        return
    draws = [draw(seed, given.share, False) for seed in range(given.draws)]
    points = {"best F1": best_point(draws[:2]), "precise": precise_point(draws[:2]), "default": LEAST_SCORE}
    report(draws[2:], points)


if __name__ == "__main__":
    main()
