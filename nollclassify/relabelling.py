"""Cases whose cause was split since: drawn by chance into a workbook, to be coded in the new causes.

The filled-in workbook is what `report --bridge` reads, so that a person codes once for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nollclassify.answer_sheets import CODEBOOK, print_wide, row_height, short, write_codebook
from nollclassify.atomic import replacing
from nollclassify.auditing import read_ledger
from nollclassify.case_writing import new_workbook, write_sheet
from nollclassify.errors import InputError
from nollclassify.model import prepare
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import OTHER, OTHER_NAME_SV, Taxonomy, load_taxonomy

_COLUMNS = ("ärende", "datum", "klagomål", "orsaker före", "orsaker efter")
_WIDTHS = (12, 11, 70, 22, 30)
_SHEET = "dubbelmärkning"
# A spreadsheet shows at most 255 characters of it.
_HINT = (
    "Välj orsak ur listan, Övrigt där ingen passar. Flera skrivs med semikolon mellan, den viktigaste först. "
    f"Vad som hör och inte hör till varje orsak står på bladet {CODEBOOK}."
)


@dataclass(frozen=True)
class Relabelling:
    """What `relabel` wrote: so many of so many cases whose cause was split, and the workbook to fill in."""

    n: int
    n_cases: int
    output: Path


def relabel(
    *labelled: str | Path,
    n: int = 100,
    output: str | Path = "dubbelmarkning.xlsx",
    seed: int = 0,
    force: bool = False,
    settings: Settings | None = None,
) -> Relabelling:
    """Draw cases whose cause was split after they were labelled, as a workbook to code them anew.

    Args:
        labelled: labelled files; those of about the time of the split say most of it.
        n: how many cases to draw, by chance, each with the same probability; all where there are no more.
        output: the workbook (.xlsx).
        seed: of the drawing; the same files and seed give the same cases.
        force: replace a workbook that is already there.
        settings: by default those of the working directory.

    Raises:
        InputError: a file that cannot be used, no such case, or an output that exists.
    """
    settings, target = settings or load_settings(), Path(output)
    if target.suffix.lower() != ".xlsx":
        raise InputError(f"{target}: dubbelmärkningen är en Excelbok; välj en --output som slutar på .xlsx.")
    if target.exists() and not force:
        raise InputError(f"{target}: filen finns redan och kan vara ifylld; ange --force för att ersätta den.")
    taxonomy = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    cases = read_ledger(labelled, taxonomy, settings)[0].cases
    split = cases[[any(map(taxonomy.told_split, causes.split(";"))) for causes in cases["causes"]]]
    if split.empty:
        files = ", ".join(map(str, labelled))
        raise InputError(f"{files}: inget klagomål har en orsak som har delats; det finns inget att märka om.")
    drawn = _draw(split, n, seed)
    _write(target, drawn, taxonomy)
    return Relabelling(len(drawn), len(split), target)


def _draw(cases: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    """By case id, so that the same cases are drawn however the rows are sorted; in the order of the drawing."""
    cases = cases.sort_values("case_id", kind="stable")
    return cases.iloc[np.random.default_rng(seed).permutation(len(cases))[: max(n, 0)]]


def _write(path: Path, cases: pd.DataFrame, taxonomy: Taxonomy) -> None:
    before = ["; ".join(_names(causes.split(";"), taxonomy)) for causes in cases["causes"]]
    texts = [short(prepare(text)) for text in cases["text"]]
    columns = (cases["case_id"].tolist(), cases["received"].tolist(), texts, before, [""] * len(cases))
    asked = pd.DataFrame(dict(zip(_COLUMNS, columns, strict=True)), dtype=object)
    with replacing(path) as temporary, new_workbook(temporary) as workbook:
        sheet = workbook.add_worksheet(_SHEET)
        write_sheet(workbook, sheet, asked)
        wrapped = {"text_wrap": True, "valign": "top", "border": 1, "border_color": "#CCCCCC"}
        plain, answer = workbook.add_format(wrapped), workbook.add_format(wrapped | {"bg_color": "#FFF8DC"})
        for at, (column, width) in enumerate(zip(columns, _WIDTHS, strict=True)):
            sheet.set_column(at, at, width)
            for row, text in enumerate(column, 1):
                sheet.write_string(row, at, text, answer if at == len(_COLUMNS) - 1 else plain)
        for row, cells in enumerate(zip(*columns, strict=True), 1):
            sheet.set_row(row, row_height(cells, _WIDTHS))
        source = f"='{CODEBOOK}'!$A$2:$A${len(taxonomy.causes) + 2}"
        # Not enforced: a second cause is written after a semicolon.
        rule = {"validate": "list", "source": source, "show_error": False, "input_message": _HINT}
        sheet.data_validation(1, 4, len(asked), 4, rule)
        print_wide(sheet)
        write_codebook(workbook, taxonomy)


def _names(causes: Sequence[str], taxonomy: Taxonomy) -> list[str]:
    return [OTHER_NAME_SV if cause == OTHER else taxonomy.cause(cause).name_sv for cause in causes]
