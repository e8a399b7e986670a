"""Does `drift` say the right thing? Its intervals, its false alarms and its hits, on texts of authors not in training.

    python tests/benchmarks/drift.py                        # all of it, about twenty minutes on two cores
    python tests/benchmarks/drift.py months                 # one part
    python tests/benchmarks/drift.py new_cause

*months*: five models, each trained on every third text of four fifths of the authors; months are cut from the texts of
the other authors, mixed or by a few hands, and the example months and the real reviews (where they are at hand) are
months too. *new_cause*: models that never saw a text with one of the causes; the months hold more and more of it.
Coverage is of the month's own share of wholly right label sets, and of its own F1 of each cause.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
from peers import CAUSES, REVIEWS, console, example_month, real_reviews, record
from rich.table import Table

from nollclassify.classifier import ComplaintClassifier, split_folds
from nollclassify.drifting import _f1, _right, _texts
from nollclassify.evaluation import groups, indicator
from nollclassify.gate import HeldOut
from nollclassify.model import CauseModel
from nollclassify.reference import Reference, looks_of, make_reference
from nollclassify.taxonomy import Taxonomy, load_taxonomy
from nollclassify.training import N_FOLDS, fit_and_cross_validate
from nollclassify.training_data import read_starter

EVERY, TIMES = 3, 60
FIELDS = read_starter(load_taxonomy()).fields
TEXTS = np.array(FIELDS["text"].tolist(), dtype=object)
TRUTH = indicator(FIELDS["causes"].tolist(), CAUSES)
AUTHOR, CHANNEL, PRIMARY = (FIELDS[name].to_numpy(dtype=object) for name in ("author", "channel", "primary_cause"))
GROUP = groups(TEXTS.tolist(), AUTHOR.tolist())
FOLDS = split_folds(TRUTH, GROUP, N_FOLDS, seed=0)
EXAMPLES = ("mars-2019", "april-2019", "januari-2020", "februari-2020", "mars-2020")


@dataclass(frozen=True)
class Read:
    """Texts as a model reads them: probabilities, decided and true labels (n, k), `looks` (n, 4)."""

    p: np.ndarray
    decided: np.ndarray
    truth: np.ndarray
    seen: np.ndarray

    def at(self, rows: np.ndarray) -> Read:
        return Read(self.p[rows], self.decided[rows], self.truth[rows], self.seen[rows])


@dataclass(frozen=True)
class Trained:
    """A model, what it keeps of its training texts, and those."""

    model: CauseModel
    held_out: HeldOut
    reference: Reference

    def read(self, texts: Sequence[str], truth: np.ndarray) -> Read:
        p = self.model.probabilities(list(texts))
        return Read(p, self.model.decide(p).astype(int), truth, looks_of(self.model, list(texts)))

    def figures(self, month: Read) -> dict[str, bool]:
        """Which figures are over their limit."""
        stored = SimpleNamespace(held_out=self.held_out)
        found = [*_texts(month.seen, self.reference), _right(month.p, month.decided, stored)]
        return {figure.name: figure.over for figure in found}

    def coverage(self, month: Read) -> list[list[float]]:
        """Covered (0 or 1), width, and truth less estimate; of the right label sets, then of each cause's F1."""
        stored = SimpleNamespace(held_out=self.held_out)
        values = [(_right(month.p, month.decided, stored).value, (month.decided == month.truth).all(axis=1).mean())]
        for k in range(month.p.shape[1]):
            said, true = month.decided[:, k], month.truth[:, k]
            f1 = 2 * (said * true).sum() / max(said.sum() + true.sum(), 1)
            values.append((_f1(k, month.p[:, k], said, self.held_out), f1 if said.any() or true.any() else None))
        return [
            [float(i.low - 1e-9 <= v <= i.high + 1e-9), i.high - i.low, v - i.estimate]
            if i is not None and v is not None
            else [np.nan] * 3
            for i, v in values
        ]


def trained(rows: np.ndarray, taxonomy: Taxonomy) -> Trained:
    causes = [CAUSES.index(cause) for cause in taxonomy.cause_ids]
    texts, truth, group = TEXTS[rows].tolist(), TRUTH[rows][:, causes], GROUP[rows]
    weight = np.ones(len(rows))
    classifier, held_out, *_, seen = fit_and_cross_validate(
        texts, truth, group, weight, taxonomy, ComplaintClassifier(taxonomy.cause_ids)
    )
    numbers = {cause: k for k, cause in enumerate(taxonomy.cause_ids)}
    primary = np.array([numbers.get(cause, len(numbers)) for cause in PRIMARY[rows]])
    reference = make_reference(seen, weight, held_out.probabilities, held_out.decided, primary, group)
    return Trained(classifier.model_, held_out, reference)


# --- months ------------------------------------------------------------------------------------------------------


def cuts(rows: np.ndarray, generator: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Months cut from the texts of authors not in training: their kind, and the places of their texts in `rows`."""
    author, channel = AUTHOR[rows], CHANNEL[rows]
    for n in (30, 100, 300, 1000):
        yield from ((f"mixed, {n}", generator.choice(len(rows), n, replace=False)) for _ in range(TIMES))
    for hands in (4, 2):
        for _ in range(TIMES):
            chosen = generator.choice(np.unique(author), hands, replace=False)
            yield f"{hands} authors", np.flatnonzero(np.isin(author, chosen))
    for name, values in (("1 author", author), ("1 channel", channel)):
        yield from ((name, np.flatnonzero(values == value)) for value in np.unique(values))
    yield "chats alone", np.flatnonzero(channel == "chat")


def months() -> None:
    flags: dict[str, list[dict[str, bool]]] = {}
    covered: dict[str, list[list[list[float]]]] = {}
    generator = np.random.default_rng(1)

    def add(kind: str, model: Trained, month: Read) -> None:
        flags.setdefault(kind, []).append(model.figures(month))
        covered.setdefault(kind, []).append(model.coverage(month))

    for fold in range(N_FOLDS):
        model = trained(np.flatnonzero(fold != FOLDS)[::EVERY], load_taxonomy())
        rows = np.flatnonzero(fold == FOLDS)
        read = model.read(TEXTS[rows], TRUTH[rows])
        for kind, at in cuts(rows, generator):
            add(kind, model, read.at(at))
        for name in EXAMPLES:
            add("example month", model, model.read(*example_month(name)))
        for sample in ("random", "test", "disagreement") if REVIEWS.exists() else ():
            add(f"real reviews, {sample}", model, model.read(*real_reviews(sample)))
    show("Months: coverage of the intervals, and how often the flag is raised", flags, covered)


def show(title: str, flags: dict[str, list[dict[str, bool]]], covered: dict[str, list[list[list[float]]]]) -> None:
    rows = Table(title=title, title_justify="left")
    for name in ("months", "n", "right: covered", "width", "bias", "F1: covered", "width", "bias", "flag", "by figure"):
        rows.add_column(name)
    for kind, raised in flags.items():
        share = [
            f"{name} {np.mean([r[name] for r in raised]):.2f}" for name in raised[0] if any(r[name] for r in raised)
        ]
        flag = float(np.mean([any(r.values()) for r in raised]))
        cells = ["-"] * 6
        if kind in covered:
            parts = np.array(covered[kind])
            means = [*parts[:, 0].mean(axis=0), *np.nanmean(parts[:, 1:].reshape(-1, 3), axis=0)]
            cells = [f"{value:.3f}" for value in means]
            record(f"drift, {kind}", {}, {"covered": means[0], "f1_covered": means[3], "flag": flag})
        rows.add_row(kind, str(len(raised)), *cells, f"{flag:.2f}", ", ".join(share))
    console.print(rows)


# --- a cause that training never saw -----------------------------------------------------------------------------


def new_cause() -> None:
    generator, flags = np.random.default_rng(3), {}
    full, rows = load_taxonomy(), np.flatnonzero(FOLDS == 0)
    for k, cause in enumerate(CAUSES):
        without = replace(full, causes=tuple(c for c in full.causes if c.id != cause))
        seen = np.flatnonzero(FOLDS != 0)[::EVERY]
        model = trained(seen[TRUTH[seen, k] == 0], without)
        kept = [i for i in range(len(CAUSES)) if i != k]
        read, is_new = model.read(TEXTS[rows], TRUTH[rows][:, kept]), TRUTH[rows, k] == 1
        for share in (0.0, 0.1, 0.2, 0.5, 1.0):
            n = 300 if share < 1 else min(300, int(is_new.sum()))
            for _ in range(TIMES // 2):
                parts = [
                    generator.choice(np.flatnonzero(which), count, replace=False)
                    for which, count in ((is_new, int(share * n)), (~is_new, n - int(share * n)))
                ]
                month = read.at(np.concatenate(parts))
                flags.setdefault(f"{cause}, {share:.0%} of {n}", []).append(model.figures(month))
    show("A cause that training never saw: how often the flag is raised", flags, {})


PARTS: dict[str, Callable[[], None]] = {"months": months, "new_cause": new_cause}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
