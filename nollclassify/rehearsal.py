"""The loop rehearsed on months whose answers are known: label, review, learn, retrain, promote, month after month.

The known answers stand in for the reviewers'. So a team sees on its own labelled months what the loop would have given
it, before it spends the time of people on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nollclassify.auditing import audit, read_audit, read_ledger
from nollclassify.case_writing import write_table
from nollclassify.cases import read_cases
from nollclassify.classifier import CANDIDATES, Candidate
from nollclassify.errors import InputError
from nollclassify.estimation import wilson
from nollclassify.evaluation import indicator, score
from nollclassify.labelling import label
from nollclassify.learning import learn
from nollclassify.ledger import ALL_PRODUCTS, load_definition
from nollclassify.model_store import StoredModel
from nollclassify.reporting.exposure import Exposure
from nollclassify.reporting.figures import tidy_table
from nollclassify.review_books import read_book
from nollclassify.reviewing import review
from nollclassify.sampling import AUDIT, USEFUL
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import OTHER, load_taxonomy
from nollclassify.text_labels import label_texts
from nollclassify.training import train

Progress = Callable[[str], None]
RESULT = "rehearsal.csv"
_SHOWN = {"case_id": "ärende", "received": "datum", "channel": "kanal", "product": "produkt", "text": "klagomål"}


def rehearse(
    *months: str | Path,
    base: Sequence[str | Path] = (),
    starter: bool = True,
    n: int = 40,
    folder: str | Path = "rehearsal",
    seed: int = 0,
    settings: Settings | None = None,
    candidates: Sequence[Candidate] = CANDIDATES,
    progress: Progress = lambda message: None,
) -> pd.DataFrame:
    """Go through labelled months as if their labels were not known until somebody reviews a case.

    A first model is trained on `base` and the starter corpus. Each month is labelled by the champion and measured; n of
    its cases are reviewed (two thirds for their worth, the others by chance) and learned; n are audited for the
    month's figures; a challenger is trained with all corrections so far, and the gate decides. So no month is measured
    by a model that has seen a text of it.

    Args:
        months: labelled case files with dates, one a month, in order.
        base: further labelled case files, for the first model.
        starter: whether the starter corpus is trained on.
        n: how many cases are reviewed, and how many are audited, each month; at least 20.
        folder: where everything is written; an earlier rehearsal there is replaced.
        seed: of the training and of what is drawn.
        settings: by default those of the working directory; MLflow's experiment and model are called `rehearsal`.
        candidates: as for `train`.
        progress: called with a sentence at each step.

    Returns:
        One row a month, also written to `rehearsal.csv` in the folder: `month` and `n`; of the champion `macro_f1` with
        `macro_f1_low` and `macro_f1_high` (without causes that the month lacks) and `micro_f1`, of the first model
        `macro_f1_first` and `micro_f1_first`; `unreviewed` (share of cases that need no review) and
        `unreviewed_right` with its limits (share of those whose label set is right); `intervals` (how many shares of
        causes were told after the audit) and `covered` (how many of their intervals hold the true share);
        `corrections` (settled before the month); `by_worth` and `by_chance` (how many cases were reviewed for which
        reason) with `by_worth_wrong` and `by_chance_wrong` (in how many of them the proposed set of causes was wrong);
        and `promoted` (whether the month's training became champion).

    Raises:
        InputError: no months, n below 20, or a file that cannot be used.
    """
    if not months:
        raise InputError("inga månader angivna; ange en märkt fil för varje månad, i ordning.")
    place = Path(folder)
    if place.exists() and any(place.iterdir()) and not (place / RESULT).is_file():
        raise InputError(f"{place}: mappen har annat än en tidigare repetition; välj en ny mapp.")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (place / RESULT).touch()
    settings = replace(
        settings or load_settings(),
        champion=str(place / "models" / "champion"),
        corrections=str(place / "corrections.sqlite"),
        experiment="rehearsal",
        registered_model="rehearsal",
    )
    options: dict[str, Any] = {"starter": starter, "seed": seed, "candidates": candidates, "settings": settings}
    progress("tränar den första modellen")
    first = train(*base, output=place / "models" / "challenger", register=False, **options).stored
    shutil.copytree(place / "models" / "challenger", settings.champion)
    rows, settled = [], 0
    for number, path in enumerate(months, 1):
        progress(f"månad {number} av {len(months)}")
        month = _Month(Path(path), place / f"month-{number}", n, seed, settings)
        row = month.measured(first) | month.audited() | {"corrections": settled} | month.reviewed()
        settled = month.learned()
        training = train(*base, output=place / "models" / "challenger", **options)
        rows.append(row | {"promoted": training.decision is not None and training.decision.passed})
        write_table(pd.DataFrame(rows), place / RESULT)
    return pd.DataFrame(rows)


class _Month:
    """One month of a rehearsal: its cases in a file without their labels, labelled by the champion; and the answers."""

    def __init__(self, path: Path, place: Path, n: int, seed: int, settings: Settings) -> None:
        self.place, self.n, self.seed, self.settings = place, n, seed, settings
        self._book = place / "review.xlsx"
        self.taxonomy = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
        self.fields = read_cases(path, self.taxonomy, labelled=True).fields
        causes = [ids.split(";") if ids else [] for ids in self.fields["causes"]]
        self.answers = dict(zip(self.fields["case_id"], causes, strict=True))
        write_table(self.fields[list(_SHOWN)].rename(columns=_SHOWN), place / "cases.csv")
        (self.labelled,) = label(place / "cases.csv", model=settings.champion, settings=settings)

    def measured(self, first: StoredModel) -> dict[str, Any]:
        """How right the champion's labels are, and those of the first model."""
        rows = self.labelled.rows
        unreviewed = ~rows["needs_review"].to_numpy(dtype=bool)
        truth, decided, _ = self._compared(rows)
        right = (truth == decided).all(axis=1)[unreviewed]
        sure = wilson(int(right.sum()), len(right))
        before = self._scores(label_texts(list(self.fields["text"]), first, self.settings))
        return {
            "month": max(self.fields["received"].str[:7]),
            "n": len(rows),
            **self._scores(rows),
            **{f"{name}_first": before[name] for name in ("macro_f1", "micro_f1")},
            "unreviewed": float(unreviewed.mean()),
            "unreviewed_right": sure.estimate,
            "unreviewed_right_low": sure.low,
            "unreviewed_right_high": sure.high,
        }

    def _compared(self, labels: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """True labels, given labels and probabilities, each (n, k)."""
        ids = self.taxonomy.cause_ids
        truth, decided = (indicator([*causes], ids) for causes in (self.fields["causes"], labels["causes"]))
        return truth, decided, labels[[f"p_{cause}" for cause in ids]].to_numpy(dtype=float)

    def _scores(self, labels: pd.DataFrame) -> dict[str, float]:
        truth, decided, probabilities = self._compared(labels)
        there = np.flatnonzero(truth.any(axis=0))
        ids = [self.taxonomy.cause_ids[k] for k in there]
        scores = score(truth[:, there], probabilities[:, there], decided[:, there], ids, seed=self.seed)
        macro, micro = scores.macro_f1, scores.micro_f1
        found = {"macro_f1": macro.estimate, "macro_f1_low": macro.low, "macro_f1_high": macro.high}
        return found | {"micro_f1": micro.estimate}

    def audited(self) -> dict[str, int]:
        """How many shares of causes are told after an audit, and how many of their intervals hold the truth."""
        n, output = self.n, self.labelled.output
        book = audit(
            output, n=n, output=self.place / "audit.xlsx", seed=self.seed, answers=self.answers, settings=self.settings
        )
        cases = read_ledger([output], self.taxonomy, self.settings)[0].cases
        table = tidy_table(
            cases,
            (*self.taxonomy.cause_ids, OTHER),
            Exposure({}),
            {book.month: read_audit(book.output, self.taxonomy)},
            load_definition(self.settings.definition),
            self.settings.min_cell,
            book.month,
        )
        shares = table[(table["figure"] == "share") & (table["product"] == ALL_PRODUCTS)].set_index("cause")
        primary = pd.Series([(self.answers[case] or [OTHER])[0] for case in cases["case_id"]])
        true = primary.value_counts(normalize=True).reindex(shares.index, fill_value=0.0)
        covered = (shares["low"].astype(float) <= true) & (true <= shares["high"].astype(float))
        return {"intervals": len(shares), "covered": int(covered.sum())}

    def reviewed(self) -> dict[str, int]:
        """Review the month with the known answers: how many cases for which reason, how many of them labelled wrong."""
        output, answers = self.labelled.output, self.answers
        review(output, n=self.n, output=self._book, seed=self.seed, answers=answers, settings=self.settings)
        rows = read_book(self._book, self.taxonomy).rows
        proposed, given = (rows[name].str.split(";").map(frozenset) for name in ("proposed", "causes"))
        found: dict[str, int] = {}
        for name, chosen in (("by_worth", USEFUL), ("by_chance", AUDIT)):
            of_these = rows["chosen"] == chosen
            found |= {name: int(of_these.sum()), f"{name}_wrong": int((proposed != given)[of_these].sum())}
        return found

    def learned(self) -> int:
        """Learn what was reviewed; how many corrections there are now."""
        return learn(self._book, reviewer="facit", settings=self.settings).n_settled
