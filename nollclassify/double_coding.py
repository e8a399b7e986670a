"""FLOW: the ledger of corrections -> how well people agree who labelled the same cases, and what they mix up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pandas as pd

from nollclassify.answer_sheets import new_book, print_wide, row_height
from nollclassify.atomic import replacing
from nollclassify.case_writing import new_workbook, write_sheet
from nollclassify.corrections import Corrections
from nollclassify.errors import InputError
from nollclassify.reliability import Reliability, masi, reliability
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import OTHER, Taxonomy, load_taxonomy

# With fewer cases every figure would be as good as a guess.
ENOUGH = 20
PRIMARY, WHOLE = "huvudorsaken", "alla orsaker tillsammans"
# How one pair of causes came to be: one instead of the other, one more, both but the other one first.
INSTEAD, MORE, FIRST = "i stället för", "utöver", "framför"
_FIGURES = ("agreement", "low", "high", "alpha", "alpha_low", "alpha_high")
_FIGURE_NAMES = (
    *("vad", "ärenden", "valda", "lika", "lika, från", "lika, till"),
    *("alfa", "alfa, från", "alfa, till"),
)
_PAIR_NAMES = ("en valde", "hur", "den andra", "ärenden")
_CASE_NAMES = ("en valde", "hur", "den andra", "ärende", "klagomål", "svar")


@dataclass(frozen=True)
class Agreement:
    """How well people agree who labelled the same cases.

    Attributes:
        n: cases that two people or more labelled.
        n_people: how many people they are.
        figures: one row a cause, one for the primary cause and one for all causes together: `what` (Swedish), `n`,
            `n_chosen` (cases in which anybody chose it), `agreement`, `low`, `high`, `alpha`, `alpha_low`,
            `alpha_high`. Empty where there are fewer than `ENOUGH` cases.
        pairs: which causes are mixed up, most often first: `one`, `how`, `other` (Swedish names), `n` (cases).
        cases: the cases behind each pair: `one`, `how`, `other`, `case_id`, `text` (masked), `said` (who chose what).
        output: the workbook, or None.
    """

    n: int
    n_people: int
    figures: pd.DataFrame
    pairs: pd.DataFrame
    cases: pd.DataFrame
    output: Path | None


def agreement(
    output: str | Path | None = None, force: bool = False, seed: int = 0, settings: Settings | None = None
) -> Agreement:
    """How well people agree, by what each of them answered first about a case (since a decision was taken back).

    First, because who has talked a case over agrees about it, and that says nothing about the codebook. They answered
    with the model's proposal before their eyes, and probably agree more than they would without.

    The whole label sets are compared by MASI: two people who share the primary cause and differ in a second one are
    nearer than two who share nothing, which a nominal comparison would not see.

    Args:
        output: an .xlsx workbook with the same tables and, with their masked texts, the cases behind each pair.
        force: replace a workbook that is already there.
        seed: of the resampling.
        settings: by default those of the working directory.

    Raises:
        InputError: a ledger that cannot be used, or an output that exists or cannot be written.
    """
    settings = settings or load_settings()
    taxonomy = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    target = _new_book(output, force) if output else None
    answers = _first_answers(Corrections(settings.corrections).history())
    answers = answers[answers.groupby("key")["reviewer"].transform("nunique") > 1]
    n = answers["key"].nunique()
    cases = _mixed_up(answers, taxonomy)
    by = ["one", "how", "other"]
    pairs = cases.groupby(by, sort=True).size().reset_index(name="n")
    pairs = pairs.sort_values("n", ascending=False, kind="stable", ignore_index=True)
    figures = _figures(answers, taxonomy, seed) if n >= ENOUGH else _NO_FIGURES
    if target:
        _write(target, figures, pairs, cases)
    return Agreement(n, answers["reviewer"].nunique(), figures, pairs, cases, target)


def _first_answers(history: pd.DataFrame) -> pd.DataFrame:
    """Of each case and reviewer the first answer since the last taking back; none where that was the last word."""
    undone = history["number"].where(history["taken_back"])
    undone = undone.groupby([history["key"], history["reviewer"]]).transform("max")
    standing = history[~history["taken_back"] & ~(history["number"] < undone)]
    return standing[~standing.duplicated(["key", "reviewer"])]


# --- figures -----------------------------------------------------------------------------------------------------

_NO_FIGURES = pd.DataFrame(columns=["what", "n", "n_chosen", *_FIGURES])


def _figures(answers: pd.DataFrame, taxonomy: Taxonomy, seed: int) -> pd.DataFrame:
    units = answers.groupby("key")["causes"].agg(list).tolist()
    sets = [[_set(causes) for causes in unit] for unit in units]
    rows = []
    for cause in (*taxonomy.cause_ids, OTHER):
        chosen = [[cause in causes for causes in unit] for unit in sets]
        rows.append(_row(taxonomy.names_sv(cause), sum(map(any, chosen)), reliability(chosen, seed=seed)))
    primary = [[causes.split(";")[0] for causes in unit] for unit in units]
    rows.append(_row(PRIMARY, len(units), reliability(primary, seed=seed)))
    rows.append(_row(WHOLE, len(units), reliability(sets, masi, seed)))
    return pd.DataFrame(rows, columns=list(_NO_FIGURES.columns))


def _row(what: str, n_chosen: int, found: Reliability) -> tuple[object, ...]:
    spans = [(i.estimate, i.low, i.high) for i in (found.agreement, found.alpha)]
    return (what, found.n, n_chosen, *spans[0], *spans[1])


def _set(causes: str) -> frozenset[str]:
    return frozenset((causes or OTHER).split(";"))


# --- what is mixed up --------------------------------------------------------------------------------------------


def _mixed_up(answers: pd.DataFrame, taxonomy: Taxonomy) -> pd.DataFrame:
    """One row a case and pair of causes that two of its people mixed up."""
    rows = []
    for _, unit in answers.groupby("key", sort=False):
        said = "; ".join(f"{r}: {taxonomy.names_sv(c)}" for r, c in zip(unit["reviewer"], unit["causes"], strict=True))
        found = {pair for two in combinations(unit["causes"], 2) for pair in _pairs(*two)}
        for one, how, other in sorted(found):
            names = (taxonomy.names_sv(one), how, taxonomy.names_sv(other))
            rows.append((*names, unit["case_id"].iat[0], unit["text"].iat[0], said))
    return pd.DataFrame(rows, columns=["one", "how", "other", "case_id", "text", "said"], dtype="str")


def _pairs(one: str, other: str) -> Iterator[tuple[str, str, str]]:
    """What two label sets, as ids joined by `;`, do not have in common, as pairs of causes."""
    ours, theirs = _set(one), _set(other)
    if ours == theirs:
        first, second = sorted((one.split(";")[0], other.split(";")[0]))
        if first != second:
            yield first, FIRST, second
    elif ours < theirs or theirs < ours:
        for more in ours ^ theirs:
            yield more, MORE, ";".join(sorted(ours & theirs))
    else:
        for pair in product(ours - theirs, theirs - ours):
            first, second = sorted(pair)
            yield first, INSTEAD, second


# --- the workbook ------------------------------------------------------------------------------------------------


def _new_book(output: str | Path, force: bool) -> Path:
    """Where the workbook may be written; nobody fills it in, so one that is there is just in the way."""
    if Path(output).suffix.lower() == ".xlsx" and Path(output).exists() and not force:
        raise InputError(f"{output}: filen finns redan; välj ett annat namn, eller ange --force för att ersätta den.")
    return new_book(output, force)


def _write(target: Path, figures: pd.DataFrame, pairs: pd.DataFrame, cases: pd.DataFrame) -> None:
    order = pairs.reset_index(names="place").drop(columns="n")
    cases = cases.merge(order, on=["one", "how", "other"]).sort_values("place", kind="stable").drop(columns="place")
    # What is not known is an empty cell.
    known = figures.astype(object).where(figures.notna(), None)
    with replacing(target) as temporary, new_workbook(temporary) as workbook:
        for name, frame, names, widths in (
            ("förväxlingar", pairs, _PAIR_NAMES, (30, 13, 30, 10)),
            ("ärenden", cases, _CASE_NAMES, (24, 13, 24, 14, 64, 40)),
            ("överensstämmelse", known, _FIGURE_NAMES, (30, 10, 10, *[12] * 6)),
        ):
            sheet = workbook.add_worksheet(name)
            write_sheet(workbook, sheet, frame.set_axis(list(names), axis=1))
            _fit(workbook, sheet, frame, widths)
            print_wide(sheet)


def _fit(workbook: Any, sheet: Any, frame: pd.DataFrame, widths: Sequence[float]) -> None:
    """Columns as wide as needed, long texts over several lines, shares in per cent, alpha with two decimals."""
    top = {"valign": "top", "text_wrap": True}
    forms = {what: workbook.add_format(top | {"num_format": what}) for what in ("General", "0%", "0.00")}
    for at, (name, width) in enumerate(zip(frame.columns, widths, strict=True)):
        what = "0%" if name in _FIGURES[:3] else "0.00" if name in _FIGURES else "General"
        sheet.set_column(at, at, width, forms[what])
    # Not every program works out the height itself.
    for number, row in enumerate(frame.itertuples(index=False, name=None), 1):
        texts = [cell if isinstance(cell, str) else "" for cell in row]
        sheet.set_row(number, row_height(texts, widths))
