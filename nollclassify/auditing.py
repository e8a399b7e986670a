"""The audit: which cases a person checks, drawn by chance, and what the answers say about all the others.

Every case of the month has a known probability of being drawn, and it is stored for every case, drawn or not: that is
what makes the corrected figures honest. The person sees the complaint but not the model's answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nollclassify.answer_sheets import (
    CAUSES,
    COMMENT,
    FRAME,
    TEXT,
    CaseIds,
    UnclearAnswerError,
    column,
    filled_in,
    folded,
    given_causes,
    headings,
    new_book,
    short,
    write_codebook,
    write_questions,
    written,
)
from nollclassify.atomic import replacing
from nollclassify.case_files import Table, read_table
from nollclassify.case_writing import new_workbook, write_sheet
from nollclassify.cases import read_cases
from nollclassify.errors import InputError
from nollclassify.ledger import NO_MONTH, Ledger, load_definition, make_ledger
from nollclassify.model import prepare
from nollclassify.sampling import sample
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import Taxonomy, load_taxonomy

# A product with so many audited cases is corrected by its own; the others share theirs.
ENOUGH_AUDITED = 20
_ASKED = ("ärende", "datum", "kanal", "produkt", TEXT, *CAUSES, COMMENT)
_WIDTHS = {TEXT: 80, **dict.fromkeys(CAUSES, 26), COMMENT: 26}
_FRAME = ("ärende", "månad", "produkt", "stratum", "dragen", "sannolikhet", "modellversion", "definition")


@dataclass(frozen=True)
class Drawn:
    """What `audit` drew: the month, how many of how many cases, and the workbook to fill in."""

    month: str
    n: int
    n_cases: int
    output: Path


@dataclass(frozen=True)
class Audit:
    """The answers of one month's audit.

    Attributes:
        month: YYYY-MM.
        stratum: case id -> the cause that the model had predicted when the cases were drawn, for every case.
        answers: case id -> the causes that the person gave, primary first; `("other",)` for none.
        n_drawn: how many cases were drawn; those that are not among the answers were left blank.
        definition: version of what counted as a complaint when they were drawn; empty where it is not known.
    """

    month: str
    stratum: dict[str, str]
    answers: dict[str, tuple[str, ...]]
    n_drawn: int
    definition: str = ""


def audit(
    *labelled: str | Path,
    n: int = 40,
    month: str | None = None,
    output: str | Path | None = None,
    seed: int = 0,
    force: bool = False,
    answers: Mapping[str, Sequence[str]] | None = None,
    settings: Settings | None = None,
) -> Drawn:
    """Draw the cases that a person should check this month, as a workbook to fill in.

    The workbook has a sheet with the cases, one with what the causes mean, and a hidden one with the frame: every case
    of the month with its predicted cause, its probability and whether it was drawn.

    Args:
        labelled: files that `label` wrote.
        n: how many cases to draw; fewer where the month has fewer.
        month: YYYY-MM, by default the latest of the files.
        output: the workbook, by default `granskning-MONTH.xlsx`.
        seed: of the drawing; the same files and seed give the same cases.
        force: replace a workbook that is already there.
        answers: case id -> causes that are known already, primary first (none for other); they are filled in.
        settings: by default those of the working directory.

    Raises:
        InputError: a file that cannot be used, a month without complaints, n below 20, or an output that exists.
    """
    settings = settings or load_settings()
    if n < ENOUGH_AUDITED:
        raise InputError(f"--n {n}: granska minst {ENOUGH_AUDITED} klagomål, annars går inget att säga.")
    taxonomy = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    ledger = read_ledger(labelled, taxonomy, settings)[0]
    month = chosen_month(ledger.cases, month, labelled)
    cases = ledger.cases[ledger.cases["month"] == month].reset_index(drop=True)
    target = new_book(output or f"granskning-{month.replace(' ', '-')}.xlsx", force)
    frame = sample(cases, n, seed)
    _write(target, cases, frame, taxonomy, answers or {}, settings.definition)
    return Drawn(month, int(frame["drawn"].sum()), len(cases), target)


def read_ledger(labelled: Sequence[str | Path], taxonomy: Taxonomy, settings: Settings) -> tuple[Ledger, int]:
    """The counted complaints of labelled files, and how many of their rows were refused.

    Raises:
        InputError: a file that cannot be used, or no labelled complaint at all.
    """
    if not labelled:
        raise InputError("ingen märkt fil är angiven; ange en eller flera filer som `nollclassify label` skrev.")
    many = [read_cases(Path(path), taxonomy, labelled=True, keep_split=True) for path in labelled]
    ledger = make_ledger(many, taxonomy, load_definition(settings.definition, taxonomy))
    if ledger.cases.empty:
        raise InputError(f"{', '.join(map(str, labelled))}: inga märkta klagomål att räkna; ange en märkt fil.")
    return ledger, sum(len(cases.rejected) for cases in many)


def chosen_month(cases: pd.DataFrame, wanted: str | None, labelled: Sequence[str | Path]) -> str:
    """The wanted month, else the latest one; InputError where there is no complaint in it."""
    months = sorted(set(cases["month"]) - {NO_MONTH})
    if wanted and wanted not in months:
        there = f"månader som finns: {', '.join(months)}" if months else "inga klagomål har datum"
        raise InputError(f"{', '.join(map(str, labelled))}: inga klagomål i {wanted}; {there}.")
    return wanted or (months[-1] if months else NO_MONTH)


def _write(
    path: Path,
    cases: pd.DataFrame,
    frame: pd.DataFrame,
    taxonomy: Taxonomy,
    answers: Mapping[str, Sequence[str]],
    definition: str,
) -> None:
    # By chance of its own, so that the order does not give away what the model said.
    shown = cases[frame["drawn"]].sort_values("case_id")
    asked = _asked(shown, taxonomy, answers).sample(frac=1, random_state=0)
    full = frame.assign(month=cases["month"], product=cases["product"], model=cases["model_version"])
    full["drawn"] = full["drawn"].map({True: "ja", False: "nej"})
    full["definition"] = definition
    columns = ["case_id", "month", "product", "stratum", "drawn", "probability", "model", "definition"]
    n_causes = len(taxonomy.causes)
    with replacing(path) as temporary, new_workbook(temporary) as workbook:
        write_questions(workbook, asked, _WIDTHS, n_causes, n_causes + 1)
        write_codebook(workbook, taxonomy)
        hidden = workbook.add_worksheet(FRAME)
        write_sheet(workbook, hidden, full[columns].set_axis(list(_FRAME), axis=1))
        hidden.hide()


def _asked(cases: pd.DataFrame, taxonomy: Taxonomy, answers: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    shown = cases[["case_id", "received", "channel", "product"]].assign(text=[short(prepare(t)) for t in cases["text"]])
    given = filled_in(list(cases["case_id"]), taxonomy, answers).set_axis(cases.index)
    return pd.concat([shown.set_axis(list(_ASKED[:5]), axis=1), given.assign(**{COMMENT: ""})], axis=1)


# --- reading -----------------------------------------------------------------------------------------------------


def read_audit(path: Path, taxonomy: Taxonomy) -> Audit:
    """Read an audit's workbook, filled in wholly or partly, sorted or filtered.

    Raises:
        InputError: not an audit's workbook, nothing filled in, an unknown cause, a case that was not drawn, or one
            case with two answers.
    """
    frame = _sheet(path, _FRAME, ("ärende", "månad", "stratum", "dragen"))
    asked = _sheet(path, _ASKED, ("ärende", CAUSES[0]))
    months = set(_texts(frame, "månad"))
    if len(months) != 1:
        raise InputError(f"{path}: bladet {FRAME} har {len(months)} månader; dra granskningen på nytt.")
    ids = _texts(frame, "ärende")
    drawn = {case for case, was in zip(ids, _texts(frame, "dragen"), strict=True) if was == "ja"}
    answers = _answers(path, asked, taxonomy, CaseIds(ids), drawn)
    if not answers:
        raise InputError(f"{path}: ingen huvudorsak är ifylld; fyll i kolumnen huvudorsak (Övrigt där ingen passar).")
    stratum = dict(zip(ids, _texts(frame, "stratum"), strict=True))
    definition = _texts(frame, "definition")[0]
    return Audit(months.pop(), stratum, answers, len(drawn), definition)


def _sheet(path: Path, known: Sequence[str], needed: Sequence[str]) -> Table:
    """The one sheet of the workbook that has the needed headings."""

    def n_known(row: Sequence[str]) -> int:
        here = {folded(cell) for cell in row}
        return len(here & set(known)) if set(needed) <= here else 0

    table = read_table(path, n_known)
    if not set(needed) <= set(headings(table)):
        raise InputError(
            f"{path}: inget blad har kolumnerna {', '.join(needed)}; ange boken som `nollclassify audit` skrev."
        )
    return table


def _texts(table: Table, name: str) -> list[str]:
    return [written(cell) for cell in column(table, name)]


def _answers(path: Path, asked: Table, taxonomy: Taxonomy, ids: CaseIds, drawn: set[str]) -> dict[str, tuple[str, ...]]:
    columns = [column(asked, name) for name in CAUSES]
    answers: dict[str, tuple[str, ...]] = {}
    for line, cell, *cells in zip(asked.lines, column(asked, "ärende"), *columns, strict=True):
        try:
            given = given_causes(cells, taxonomy, keep_split=True)
        except UnclearAnswerError as unclear:
            raise InputError(f"{path}: rad {line}, {unclear}") from None
        if not given:
            continue
        meant = ids.meant(cell)
        if len(meant) != 1 or not meant <= drawn:
            raise InputError(
                f"{path}: rad {line}, kolumn ärende: inget sådant ärende drogs till granskning; "
                "rätta numret eller ta bort raden."
            )
        if answers.setdefault(meant.pop(), given) != given:
            raise InputError(f"{path}: rad {line}, kolumn ärende: ärendet har redan ett annat svar; ta bort ett.")
    return answers
