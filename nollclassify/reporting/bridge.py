"""The double-coded sample: complaints that a person coded both as before a split and as after it.

A table of three columns, as it is made in Excel: `ärende`, `orsaker före` and `orsaker efter`; several causes are
parted by `;`, the primary one first. A row whose second cell is empty is not coded yet and is passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nollclassify.case_files import Table, read_table
from nollclassify.cases import named_causes
from nollclassify.errors import InputError
from nollclassify.taxonomy import OTHER, Taxonomy

# Fewer double-coded cases of a cause say too little of its parts.
LEAST_CODED = 20
_BEFORE, _AFTER, _CASE = "orsaker före", "orsaker efter", ("ärende", "ärendenummer", "case_id")


@dataclass(frozen=True)
class Coded:
    """The double-coded cases of one cause that was split.

    Attributes:
        primary: cases by their primary cause after, where the split one was the primary one before.
        mentioned: cases by each cause after, where the split one was among those before; `n_mentioned` in all.
    """

    primary: Counter[str] = field(default_factory=Counter)
    mentioned: Counter[str] = field(default_factory=Counter)
    n_mentioned: int = 0

    @property
    def n(self) -> int:
        return self.primary.total()


def read_bridge(path: Path, taxonomy: Taxonomy) -> dict[str, Coded]:
    """The double-coded cases by the old id of the split cause.

    Raises:
        InputError: a missing column, an unknown cause, a case twice, nothing filled in, no case of a split cause or too
            few of one.
    """
    table = read_table(path, _known)
    there = [_fold(column) for column in table.columns]
    if not {_BEFORE, _AFTER} <= set(there):
        raise InputError(
            f"{path}: kolumnerna {_BEFORE} och {_AFTER} behövs; lägg till dem i första raden, gärna med ärende."
        )
    for line, reason, _ in table.damaged:
        raise InputError(f"{path}: rad {line}: {reason}.")
    _check_once(path, table, there)
    found: dict[str, Coded] = {}
    at = there.index(_BEFORE), there.index(_AFTER)
    if not any(str(row[at[1]]).strip() for row in table.rows):
        raise InputError(f"{path}: kolumnen {_AFTER} är tom; fyll i den, och spara filen.")
    for line, row in zip(table.lines, table.rows, strict=True):
        before, after = (str(row[column]).strip() for column in at)
        if after:
            first = _causes(path, line, _BEFORE, before, taxonomy)
            _add(found, first, _causes(path, line, _AFTER, after, taxonomy), taxonomy)
    if not found:
        raise InputError(
            f"{path}: ingen rad har en delad orsak i {_BEFORE} och något i {_AFTER}; märk klagomål på båda sätten."
        )
    for code, coded in found.items():
        if coded.n < LEAST_CODED:
            what = f"{coded.n} klagomål med huvudorsaken {taxonomy.cause(code).name_sv}"
            raise InputError(f"{path}: {what} är märkta på båda sätten; minst {LEAST_CODED} behövs.")
    return found


def _known(row: Sequence[str]) -> int:
    here = {_fold(cell) for cell in row}
    return len(here & {_BEFORE, _AFTER, *_CASE}) if {_BEFORE, _AFTER} <= here else 0


def _fold(cell: object) -> str:
    return " ".join(str(cell).casefold().split())


def _check_once(path: Path, table: Table, there: Sequence[str]) -> None:
    column = next((there.index(name) for name in _CASE if name in there), None)
    seen: set[str] = set()
    for line, row in zip(table.lines, table.rows, strict=True):
        case_id = str(row[column]).strip() if column is not None else ""
        if case_id and case_id in seen:
            raise InputError(
                f"{path}: rad {line}, kolumn ärende: ärendet står redan i tabellen; ta bort den ena raden."
            )
        seen.add(case_id)


def _causes(path: Path, line: int, column: str, cell: str, taxonomy: Taxonomy) -> list[str]:
    """The causes of a cell, primary first; `other` alone where there is none."""
    ids, unknown = named_causes(cell, taxonomy)
    where = f"{path}: rad {line}, kolumn {column}:"
    if unknown:
        raise InputError(f"{where} okänd orsak; skriv namnen ur taxonomin, med semikolon mellan.")
    if OTHER in ids and len(ids) > 1:
        raise InputError(f"{where} Övrigt kan inte stå bredvid en orsak; ta bort det ena.")
    if column == _AFTER and (told := next(filter(None, map(taxonomy.told_split, ids)), "")):
        raise InputError(f"{where} {told.partition(';')[0]}; skriv en av dem.")
    return ids or [OTHER]


def _add(found: dict[str, Coded], before: Sequence[str], after: Sequence[str], taxonomy: Taxonomy) -> None:
    for place, code in enumerate(before):
        if not taxonomy.told_split(code):
            continue
        coded = found.get(code, Coded())
        found[code] = Coded(
            coded.primary + Counter(after[:1]) if place == 0 else coded.primary,
            coded.mentioned + Counter(after),
            coded.n_mentioned + 1,
        )
