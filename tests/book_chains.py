"""Whether `learn` knows every answer of review books that were edited by chance: many books, edited and learned from.

What must be learned is told by the marks that are left when all is done: each answer once, on its own case, or its row
named as a problem.
"""

from __future__ import annotations

import csv
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
from python_calamine import CalamineWorkbook

from nollclassify.corrections import Corrections
from nollclassify.errors import InputError
from nollclassify.learning import learn
from nollclassify.settings import Settings
from nollclassify.taxonomy import Taxonomy
from tests.book_edits import HARMFUL, LAST, MARK, SHAPES, Chain, fill_in, merged
from tests.books import all_by_office, edit

# --- edits, one after the other ---------------------------------------------------------------------------------------


def first_edits(path: Path, chain: Chain) -> Path:
    """Some edits, one after the other: every third time with one or two that do harm."""
    names = chain.chance.sample(list(SHAPES), chain.chance.randrange(5))
    if chain.chance.random() < 1 / 3:
        chain.kinds.append("harm")
        harm = chain.chance.sample(list(HARMFUL), chain.chance.choice([1, 1, 2]))
        for name in harm:
            names.insert(chain.chance.randrange(len(names) + 1), name)
    return _edited(path, chain, names)


def last_edits(path: Path, chain: Chain) -> Path:
    names = chain.chance.sample(list(SHAPES), chain.chance.randrange(3))
    names += [name for name in LAST if chain.chance.random() < 0.15]
    return _edited(path, chain, names)


def _edited(path: Path, chain: Chain, names: Sequence[str]) -> Path:
    chain.kinds += names
    every = SHAPES | LAST | HARMFUL
    return edit(path, *(every[name](chain) for name in names)) if names else path


# --- what must be learned ----------------------------------------------------------------------------------------


def sheets_of(path: Path) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """The rows of each sheet, read by another library than the one that is tried out, as far as there is one."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            yield "", [tuple(row) for row in csv.reader(file, delimiter=";")]
    elif path.suffix == ".xls":
        book = CalamineWorkbook.from_path(path)
        for name in book.sheet_names:
            yield name, [tuple(row) for row in book.get_sheet_by_name(name).to_python(skip_empty_area=False)]
    else:
        for sheet in openpyxl.load_workbook(path).worksheets:
            yield sheet.title, list(sheet.iter_rows(values_only=True))


def left(path: Path) -> list[tuple[str, int, str, bool]]:
    """The marks that are left in a book: sheet, row, mark, and whether the sheet has a column for the reviewer."""
    found = []
    for name, rows in sheets_of(path):
        signed = any(str(cell).strip().casefold() == "granskat av" for row in rows for cell in row)
        for line, row in enumerate(rows, 1):
            found += [(name, line, cell, signed) for cell in row if isinstance(cell, str) and MARK.fullmatch(cell)]
    return found


@dataclass
class Verdict:
    """What became of the answers that are left in the books: how many, and the marks of those that went astray."""

    answers: int = 0
    kept: int = 0
    told: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    again: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def names(sheet: str, reason: str) -> bool:
    """Whether a problem that has no row is of the whole book, or of this sheet."""
    return not reason.startswith("bladet ") or reason.startswith(f"bladet {sheet} ")


def judged(paths: Sequence[Path], chain: Chain, ledger: Path) -> Verdict:
    """Learn from the books, twice, into a new ledger, and hold what it has against the marks."""
    settings, verdict = Settings(corrections=str(ledger)), Verdict()
    try:
        problems = learn(*paths, settings=settings).problems.to_dict("records")
    except InputError as error:
        problems = [{"book": str(path), "line": 0, "reason": str(error).split(": ", 1)[1]} for path in paths]
    else:
        n = len(Corrections(ledger).history())
        learn(*paths, settings=settings)
        verdict.again = len(Corrections(ledger).history()) - n
    verdict.reasons.update(str(row["reason"]) for row in problems)
    rows = Corrections(ledger).history()
    known = {(row["case_id"], row["reviewer"].casefold(), row["causes"]) for row in rows.to_dict("records")}
    meant, told = set(), set()
    for path in paths:
        for sheet, line, mark, signed in left(path):
            given = chain.given[mark]
            what = (given.case_id, ((signed and given.reviewer) or path.stem).casefold(), given.causes)
            verdict.answers += 1
            if given.clear and what in known:
                verdict.kept += 1
                meant.add(what)
            elif any(
                row["book"] == str(path) and (row["line"] == line or (not row["line"] and names(sheet, row["reason"])))
                for row in problems
            ):
                verdict.told += 1
                told.add(mark)
            else:
                verdict.lost.append(mark)
    # What cannot be taken in and stands there twice, alike, is told by one of its rows.
    again = [mark for mark in verdict.lost if mark in told and not chain.given[mark].clear]
    verdict.told += len(again)
    verdict.lost = [mark for mark in verdict.lost if mark not in again]
    verdict.wrong = sorted(map(str, known - meant))
    if len(known) < len(rows):
        verdict.wrong.append("twice in the ledger")
    return verdict


# --- many of them ------------------------------------------------------------------------------------------------

FORMATS: tuple[tuple[str, ...], ...] = (("xlsx",), ("ods", "xlsx"), ("xls", "xlsx"))
LAST_FORMATS = (*FORMATS, ("xls",), ("csv",), ("csv", "xlsx"))


def run(
    books: Sequence[Path],
    n: int,
    folder: Path,
    taxonomy: Taxonomy,
    seed: int = 0,
    office: float = 0.4,
    formats: Sequence[tuple[str, ...]] = LAST_FORMATS,
) -> Iterator[tuple[Chain, Verdict]]:
    """Fill in, edit, save and learn n times; the share `office` of the chains is saved by LibreOffice, some twice.

    Args:
        books: empty books that `review` wrote.
        folder: a new directory, where the edited books are left.
        formats: in which LibreOffice saves; those that do not end with a workbook that can be edited only at the end.
    """
    chains = [Chain(random.Random(f"{seed}-{number}")) for number in range(n)]
    paths = [_begun(books, folder / str(number), chain, taxonomy) for number, chain in enumerate(chains)]
    between = [way for way in formats if way in FORMATS]
    saved = [chain.chance.random() < office for chain in chains]
    ways = [chain.chance.choice(between) if by else () for chain, by in zip(chains, saved, strict=True)]
    paths = _saved(paths, chains, ways)
    paths = [[last_edits(path, chain) for path in mine] for chain, mine in zip(chains, paths, strict=True)]
    for at, (chain, by) in enumerate(zip(chains, saved, strict=True)):
        # CSV has no hidden sheet, without which nothing tells that some columns were sorted together.
        fit = between if "block sorted" in chain.kinds else formats
        ways[at] = chain.chance.choice(fit) if by and chain.chance.random() < 0.7 else ()
    paths = _saved(paths, chains, ways)
    for number, (chain, mine) in enumerate(zip(chains, paths, strict=True)):
        yield chain, judged(mine, chain, folder / f"{number}.sqlite")


def _begun(books: Sequence[Path], stem: Path, chain: Chain, taxonomy: Taxonomy) -> list[Path]:
    """A book filled in and edited by one person, or by two: each in a copy, or the one's rows pasted in the other's."""
    book = chain.chance.choice(books)
    ours = [
        fill_in(_copy(book, f"{stem}-{person}.xlsx"), chain, taxonomy, person)
        for person in chain.chance.choice(["a", "a", "a", "ab"])
    ]
    if len(ours) == 2:
        chain.kinds.append(chain.chance.choice(["two people, two books", "two people, pasted together"]))
        if "pasted together" in chain.kinds[-1]:
            ours = [merged(*ours)]
    return [first_edits(path, chain) for path in ours]


def _copy(book: Path, name: str) -> Path:
    return Path(shutil.copy(book, name))


def _saved(paths: list[list[Path]], chains: Sequence[Chain], formats: Sequence[tuple[str, ...]]) -> list[list[Path]]:
    """The books saved by LibreOffice, each in its formats; all that have the same at once."""
    new = dict[Path, Path]()
    for wanted in sorted({each for each in formats if each}):
        mine = [path for of, each in zip(paths, formats, strict=True) if each == wanted for path in of]
        for start in range(0, len(mine), 40):
            some = mine[start : start + 40]
            place = Path(tempfile.mkdtemp(dir=some[0].parent))
            some = [Path(shutil.move(path, place)) for path in some]
            new |= dict(zip(mine[start : start + 40], all_by_office(some, *wanted), strict=True))
    for chain, wanted in zip(chains, formats, strict=True):
        chain.kinds += [f"LibreOffice: {' → '.join(wanted)}"] * bool(wanted)
    return [[new.get(path, path) for path in mine] for mine in paths]
