"""FLOW: labelled files -> the cases that deserve a person's eyes, and why -> a workbook to fill in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nollclassify.answer_sheets import new_book
from nollclassify.auditing import chosen_month, read_ledger
from nollclassify.errors import InputError
from nollclassify.model import prepare
from nollclassify.review_books import write_book
from nollclassify.sampling import AUDIT, USEFUL, sample
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import OTHER, OTHER_NAME_SV, Taxonomy, load_taxonomy

BY_CHANCE = "dragen på måfå, för att mäta hur ofta modellen har rätt"
_UNLIKE = "liknar inget som modellen har sett"
# What `label` writes as the reason for review of such a text, and as a word for all others that it does not trust.
_UNLIKE_REASONS = ("liknar inget", "många ord som", "har inga ord", "inte vara på svenska")
# A label is near the threshold where it is wrong with this probability; two causes are close where both are as
# likely as that and no further apart than `_CLOSE`.
_DOUBTFUL, _CLOSE = 0.25, 0.15
# A cause is rare where fewer than this share of the cases have it; whoever learns from them has few to learn from.
_RARE = 0.05
# What a case of each kind is worth beside the probability that its labels are wrong, 0 to 1.
_WORTH = {"close": 0.2, "near": 0.1, "unlike": 0.4, "rare": 0.2, "asked": 0.2}
# Causes that are less likely are not worth a word.
_MENTIONED = 0.1


@dataclass(frozen=True)
class Review:
    """What `review` chose: of how many cases, how many for what kind of reason, and the workbook to fill in.

    Attributes:
        n: cases in the book, `n_useful` of them for their worth, the others drawn by chance.
        n_cases: all cases that were chosen from.
        n_rejected: rows of the files that could not be read.
        output: the workbook.
    """

    n: int
    n_useful: int
    n_cases: int
    n_rejected: int
    output: Path


def review(
    *labelled: str | Path,
    n: int = 60,
    output: str | Path,
    month: str | None = None,
    seed: int = 0,
    force: bool = False,
    answers: Mapping[str, Sequence[str]] | None = None,
    settings: Settings | None = None,
) -> Review:
    """Choose the cases that deserve a person's eyes and write them, with the reasons, to a workbook to fill in.

    Two thirds are those from which most is to be learned: labels that may well be wrong, causes that are rare, texts
    unlike all others, no two of them alike. The rest are drawn by chance, so that it is known how often the model is
    right. Every case's probability of being drawn is stored in the book.

    Args:
        labelled: files that `label` wrote.
        n: how many cases; fewer where there are fewer.
        output: the workbook, .xlsx.
        month: YYYY-MM, by default all of the files.
        seed: of what is drawn by chance.
        force: replace a workbook that is already there.
        answers: case id -> causes that are known already, primary first (none for other); they are filled in.
        settings: by default those of the working directory.

    Raises:
        InputError: a file that cannot be used, a month without complaints, n below 1, or an output that exists.
    """
    settings = settings or load_settings()
    if n < 1:
        raise InputError(f"--n {n}: ange minst 1 klagomål att granska.")
    taxonomy = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    new_book(output, force)
    ledger, n_rejected = read_ledger(labelled, taxonomy, settings)
    cases = ledger.cases
    if month:
        cases = cases[cases["month"] == chosen_month(cases, month, labelled)].reset_index(drop=True)
    cases = explained(cases, taxonomy)
    frame = sample(cases, n, seed, cases["worth"])
    cases["reason"] = cases["reason"].where(frame["chosen"] == USEFUL, BY_CHANCE)
    target = write_book(output, cases, frame, taxonomy, force, answers)
    n_useful = int((frame["chosen"] == USEFUL).sum())
    return Review(n_useful + int((frame["chosen"] == AUDIT).sum()), n_useful, len(cases), n_rejected, target)


def explained(cases: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """Cases of a ledger with what a reviewer is shown of them.

    Returns:
        The cases with `proposed` (cause ids joined by `;`, empty for other), `shown` (the same with probabilities, and
        what else may be, Swedish), `evidence` (with Swedish names, masked), `worth` (0 and more: how much a person's
        answer is worth), `kind` and `reason` (why, Swedish; empty where it is worth nothing).
    """
    names = {cause.id: cause.name_sv for cause in taxonomy.causes}
    probabilities = np.column_stack([_numbers(cases[f"p_{cause}"]) for cause in taxonomy.cause_ids])
    decided = np.array([[c in set(ids.split(";")) for c in names] for ids in cases["causes"]], dtype=bool)
    decided = decided.reshape(probabilities.shape)
    rare = cases["primary"].map(cases["primary"].value_counts(normalize=True)) < _RARE
    why = [
        _Case(p, d, list(names.values())).why(is_rare and primary != OTHER, asked, said)
        for p, d, is_rare, primary, asked, said in zip(
            probabilities, decided, rare, cases["primary"], cases["needs_review"], cases["review_reason"], strict=True
        )
    ]
    shown = [_Case(p, d, list(names.values())).shown() for p, d in zip(probabilities, decided, strict=True)]
    return cases.assign(
        proposed=cases["causes"].where(cases["causes"] != OTHER, ""),
        shown=shown,
        evidence=[_with_names(prepare(text), names) for text in cases["evidence"]],
        worth=[worth for _, _, worth in why],
        kind=[kind for kind, _, _ in why],
        reason=[reason for _, reason, _ in why],
    )


def _numbers(written: pd.Series) -> np.ndarray:
    """Probabilities as a file has them, with a decimal comma too; not a number where they are missing."""
    return pd.to_numeric(written.str.replace(",", "."), errors="coerce").clip(0, 1).to_numpy(dtype=float)


def _with_names(evidence: str, names: Mapping[str, str]) -> str:
    """Evidence with the Swedish names of the causes: `wait_time: "kö"` -> `Väntetid: "kö"`."""
    return re.sub(r"(?:(?<=^)|(?<=; ))(\w+)(?=: \")", lambda found: names.get(found[1], found[1]), evidence)


@dataclass(frozen=True)
class _Case:
    """One case by its probabilities, shape (n_causes,) and perhaps not numbers, and which causes it was labelled."""

    probability: np.ndarray
    decided: np.ndarray
    names: Sequence[str]

    def why(self, rare: bool, asked: bool, said: str) -> tuple[str, str, float]:
        """Kind, reason and worth of a person's answer: the first reason counts, the others are added.

        Args:
            rare: whether the primary cause is rare.
            asked: whether `label` asked for review, and what it `said` was the reason.
        """
        wrong = np.nan_to_num(np.where(self.decided, 1 - self.probability, self.probability))
        reasons = {
            "close": self._close(wrong),
            "near": self._near(wrong),
            "unlike": _UNLIKE if any(part in said for part in _UNLIKE_REASONS) else "",
            "rare": "ovanlig orsak, som modellen har få exempel på" if rare else "",
        }
        reasons = {kind: reason for kind, reason in reasons.items() if reason}
        if "close" in reasons:
            reasons.pop("near", None)
        if asked and not reasons:
            reasons["asked"] = f"modellen är osäker: {said.removeprefix('osäker: ')}" if said else "modellen är osäker"
        worth = sum(_WORTH[kind] for kind in reasons) + 1 - float(np.prod(1 - wrong)) if reasons else 0.0
        return next(iter(reasons), ""), "; ".join(reasons.values()), worth

    def _close(self, wrong: np.ndarray) -> str:
        first, second = np.argsort(-np.nan_to_num(self.probability), kind="stable")[:2] if len(wrong) > 1 else (0, 0)
        near = self.probability[first] - self.probability[second] <= _CLOSE
        if first == second or not near or min(wrong[first], wrong[second]) < _DOUBTFUL:
            return ""
        return f"två orsaker nästan lika troliga: {self._named(first)} och {self._named(second)}"

    def _near(self, wrong: np.ndarray) -> str:
        worst = int(wrong.argmax())
        if wrong[worst] < _DOUBTFUL:
            return ""
        maybe = "kanske inte" if self.decided[worst] else "kanske också" if self.decided.any() else "kanske"
        return f"nära gränsen: {maybe} {self._named(worst)}"

    def shown(self) -> str:
        """What the model proposes, then what else it may be: `Väntetid 62 %; kanske Kampanjkritik 31 %`."""
        order = np.argsort(-np.nan_to_num(self.probability), kind="stable").tolist()
        proposed = [self._named(k) for k in order if self.decided[k]] or [OTHER_NAME_SV]
        others = [k for k in order if not self.decided[k] and self.probability[k] >= _MENTIONED]
        return "; ".join([*proposed, *(f"kanske {self._named(k)}" for k in others)])

    def _named(self, k: int) -> str:
        p = self.probability[k]
        return self.names[k] if np.isnan(p) else f"{self.names[k]} {100 * p:.0f} %"
