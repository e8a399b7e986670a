"""How many of the texts that the search finds have the cause that is looked for, as if it were new.

    python tests/benchmarks/search.py

Each cause in turn is looked for by its definition in the taxonomy and by 0, 5 and 20 examples, in a third of the
starter corpus's authors; the words and n-grams are learned from the same texts. Near-duplicates count once.
"""

from __future__ import annotations

import numpy as np
from peers import console, record
from rich.table import Table
from targets import corpus

from nollclassify.model import tokenise
from nollclassify.similar import described, similar
from nollclassify.taxonomy import load_taxonomy
from nollclassify.vocabulary import Vocabulary, learn_vocabulary

DRAWS, EXAMPLES, TOP = 3, (0, 5, 20), (30, 100)


def main() -> None:
    texts, Y, group = corpus()
    authors = np.random.default_rng(0).permutation(np.unique(group))
    at = np.flatnonzero(np.isin(group, authors[: len(authors) // 3]))
    texts, Y = [texts[i] for i in at], Y[at]
    vocabulary = learn_vocabulary(tokenise(texts))
    table = Table(title=f"Share of those found that have the cause, {len(texts)} texts", title_justify="left")
    for name in ("cause", "at random", *(f"{e} examples, top {t}" for e in EXAMPLES for t in TOP)):
        table.add_column(name)
    values, rows = {}, []
    for k, cause in enumerate(load_taxonomy().causes):
        cells = [float(Y[:, k].mean())]
        for n_examples in EXAMPLES:
            draws = range(DRAWS if n_examples else 1)
            found = np.array([look(texts, Y[:, k], vocabulary, described(cause), n_examples, seed) for seed in draws])
            cells += found.mean(axis=0).tolist()
        rows.append(cells)
        table.add_row(cause.id, *(f"{cell:.2f}" for cell in cells))
        values |= {f"{cause.id}.{e}.{t}": c for (e, t), c in zip(pairs(), cells[1:], strict=True)}
    table.add_row("mean", *(f"{cell:.2f}" for cell in np.mean(rows, axis=0)))
    console.print(table)
    record("search", {"texts": str(len(texts))}, values)


def pairs() -> list[tuple[int, int]]:
    return [(e, t) for e in EXAMPLES for t in TOP]


def look(
    texts: list[str], y: np.ndarray, vocabulary: Vocabulary, cause: tuple[list[str], list[str]], n: int, seed: int
) -> list[float]:
    """The share that has the cause among the first of the rest, for each of `TOP`."""
    examples = np.random.default_rng(seed).choice(np.flatnonzero(y), n, replace=False)
    rest = np.setdiff1d(np.arange(len(y)), examples)
    meant, unlike = cause
    found = similar([texts[i] for i in rest], vocabulary, meant, [texts[i] for i in examples], unlike, max(TOP))
    return [float(y[rest[found["position"].to_numpy()[:top]]].mean()) for top in TOP]


if __name__ == "__main__":
    main()
