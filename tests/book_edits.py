"""People fill in review books and do to them, by chance, what people do.

Every answer has a mark beside it, in a column of the person's own, which goes wherever its row goes. No two answers of
a person in a book are alike, so that one on the wrong case is seen.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import openpyxl

from nollclassify.taxonomy import Taxonomy
from tests.books import Edit, at, cut, edit, rearrange, reorder_columns

MARK = re.compile(r"t\d+[ab]")
IDENTITY = ("nyckel", "ärende", "klagomål")
OTHERS = ("datum", "kanal", "produkt", "varför", "förslag", "bevis", "kommentar", "granskat av")
Rows = list[list[Any]]


@dataclass(frozen=True)
class Given:
    """What a person answered, by whom and of which case; not `clear` where it cannot be taken in."""

    case_id: str
    causes: str
    reviewer: str
    clear: bool = True


@dataclass
class Chain:
    """One book, or two people's copies of it, and all that is done to it; `given` by mark."""

    chance: random.Random
    given: dict[str, Given] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)

    def marked(self, **change: Any) -> str:
        """A new mark for an answer."""
        mark = f"t{len(self.given)}{change.pop('person', 'a')}"
        self.given[mark] = Given(**change)
        return mark


# --- filling in --------------------------------------------------------------------------------------------------


def fill_in(path: Path, chain: Chain, taxonomy: Taxonomy, person: str = "a") -> Path:
    """Answer four rows of five, each otherwise; some with a comment, all, some or none with a name."""
    chance = chain.chance
    names = {cause.id: cause.name_sv for cause in taxonomy.causes}
    answers = [(), *(ids for n in (1, 2, 3) for ids in permutations(names, n))]
    chance.shuffle(answers)
    named = chance.choice([0.0, 0.5, 1.0])
    signature = {"a": "Åsa Ek", "b": "Bo"}[person]

    def change(book: openpyxl.Workbook) -> None:
        sheet = book["granskning"]
        own = sheet.max_column + 1
        sheet.cell(1, own, "min märkning")
        for row in range(2, sheet.max_row + 1):
            if chance.random() < 0.2 or not answers:
                continue
            causes, case_id = answers.pop(), str(sheet.cell(row, 2).value)
            spelled = [chance.choice([names[c], names[c].lower(), f"{names[c]} ", c]) for c in causes] or ["Övrigt"]
            for heading, name in zip(("huvudorsak", "orsak 2", "orsak 3"), spelled, strict=False):
                sheet.cell(row, at(sheet, heading)).value = name
            reviewer = signature if chance.random() < named else ""
            sheet.cell(row, at(sheet, "granskat av")).value = chance.choice([reviewer, reviewer.upper()]) or None
            if chance.random() < 0.3:
                sheet.cell(row, at(sheet, "kommentar")).value = f"notering {row}"
            mark = chain.marked(case_id=case_id, causes=";".join(causes), reviewer=reviewer, person=person)
            sheet.cell(row, own).value = mark

    return edit(path, change)


def merged(one: Path, two: Path) -> Path:
    """The answered rows of the second book pasted below those of the first."""
    rows = list(openpyxl.load_workbook(two)["granskning"].iter_rows(min_row=2, values_only=True))
    return edit(one, rearrange(lambda ours: [*ours, *(list(row) for row in rows if row[-1])]))


# --- edits that must change nothing ------------------------------------------------------------------------------


def _columns(book: openpyxl.Workbook) -> dict[str, int]:
    """Where the columns are, from 0, by heading in small letters."""
    return {str(cell.value).casefold(): cell.column - 1 for cell in book["granskning"][1]}


def _by_rows(change: Callable[[Chain, Rows, dict[str, int]], Rows]) -> Callable[[Chain], Edit]:
    """An edit of all rows, told where the columns are."""

    def of(chain: Chain) -> Edit:
        def edited(book: openpyxl.Workbook) -> None:
            columns = _columns(book)  # before `rearrange` empties the sheet
            rearrange(lambda rows: change(chain, rows, columns))(book)

        return edited

    return of


def _sorted(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    by = chain.chance.choice(list(columns.values()))
    return sorted(rows, key=lambda row: str(row[by] or "\uffff"), reverse=chain.chance.random() < 0.5)


def _filtered(chain: Chain) -> Edit:
    def change(book: openpyxl.Workbook) -> None:
        sheet = book["granskning"]
        sheet.auto_filter.ref = sheet.dimensions
        sheet.auto_filter.add_filter_column(chain.chance.randrange(sheet.max_column), ["Övrigt"])
        for row in range(2, sheet.max_row + 1):
            sheet.row_dimensions[row].hidden = chain.chance.random() < 0.5

    return change


def _columns_cut(chain: Chain) -> Edit:
    """Columns that nobody needs, and now and then one or two of key, id and text."""

    def change(book: openpyxl.Workbook) -> None:
        needed = ("varför", "förslag", "bevis") if "block sorted" in chain.kinds else ()
        if "answers that are not clear" in chain.kinds:
            needed += ("kommentar",)  # a comment without an answer is all that some rows have
        there = [name for name in OTHERS if name in _columns(book) and name not in needed]
        gone = chain.chance.sample(there, min(len(there), chain.chance.randrange(1, 4)))
        if "harm" not in chain.kinds and "frame gone" not in chain.kinds and chain.chance.random() < 0.4:
            kept = chain.chance.choice(IDENTITY[:2])
            gone += [name for name in IDENTITY if name in _columns(book) and name != kept][
                : chain.chance.choice([1, 2])
            ]
            chain.kinds.append("identity cut")
        cut(*gone)(book)

    return change


def _respelled(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    """Texts as other programs show them: other spaces, quotation marks, letters in two parts."""
    spoil = {" ": "\u00a0", '"': "”", "...": "…", "\n": "\r\n"}
    for row in rows:
        if "klagomål" in columns and (text := row[columns["klagomål"]]):
            old, new = chain.chance.choice(list(spoil.items()))
            row[columns["klagomål"]] = unicodedata.normalize("NFD", f" {text} ".replace(old, new))
    return rows


def _numbers(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    """Ids of digits made numbers, as by a double click."""
    for row in rows:
        case_id = str(row[columns["ärende"]]) if "ärende" in columns else ""
        if case_id.isdecimal():
            row[columns["ärende"]] = chain.chance.choice([int, float])(case_id)
    return rows


def _moved_away(chain: Chain) -> Edit:
    """Some rows cut out and pasted on a sheet of their own, with the headings or without."""

    def change(book: openpyxl.Workbook) -> None:
        sheet, rest = book["granskning"], book.create_sheet(f"Klara {len(book.sheetnames)}")
        head, *rows = [list(row) for row in sheet.iter_rows(values_only=True)]
        taken = set(chain.chance.sample(range(len(rows)), len(rows) // 3))
        bare = chain.chance.random() < 0.5
        chain.kinds += ["moved without headings"] * bare
        for row in [*([] if bare else [head]), *(rows[n] for n in sorted(taken))]:
            rest.append(row)
        for cell in (cell for row in rest.iter_rows() for cell in row if cell.data_type == "f"):
            cell.data_type = "s"
        rearrange(lambda _: [row for n, row in enumerate(rows) if n not in taken])(book)

    return change


def _below(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    """The last rows once more with the headings above them, in another order: two books in one."""
    order = list(range(max(map(len, rows), default=0)))  # two columns may have one heading
    chain.chance.shuffle(order)
    headings = {at_column: heading for heading, at_column in columns.items()}
    some = len(rows) // 2
    below = [[headings.get(n, "") for n in range(len(order))], *rows[some:]]
    return [*rows[:some], *([row[n] for n in order] for row in below)]


def _own_column(chain: Chain) -> Edit:
    def change(book: openpyxl.Workbook) -> None:
        sheet = book["granskning"]
        place = chain.chance.randrange(1, sheet.max_column + 1)
        sheet.insert_cols(place)
        for row in range(1, sheet.max_row + 1):
            sheet.cell(row, place).value = chain.chance.choice(["kolla", "", 7, None]) if row > 1 else "Att göra"

    return change


def _frame_gone(chain: Chain) -> Edit:
    def change(book: openpyxl.Workbook) -> None:
        whole = set(IDENTITY) <= _columns(book).keys() and "block sorted" not in chain.kinds
        if whole and "ram" in book.sheetnames:
            book.remove(book["ram"])
            chain.kinds.append("frame gone")

    return change


def _sheets_moved(chain: Chain) -> Edit:
    def change(book: openpyxl.Workbook) -> None:
        for sheet in chain.chance.sample(book.worksheets, 2):
            book.move_sheet(sheet, chain.chance.choice([-1, 1, 2]))
        for sheet in book.worksheets:
            if sheet.title in ("ram", "orsaker"):
                sheet.sheet_state = chain.chance.choice(["visible", "hidden"])

    return change


def _frame_sorted(chain: Chain) -> Edit:
    def change(book: openpyxl.Workbook) -> None:
        if "ram" in book.sheetnames:
            rearrange(lambda rows: chain.chance.sample(rows, len(rows)), "ram")(book)

    return change


def _sheet_copied(_: Chain) -> Edit:
    def change(book: openpyxl.Workbook) -> None:
        book.copy_worksheet(book["granskning"])

    return change


def _titles_above(_: Chain) -> Edit:
    def change(book: openpyxl.Workbook) -> None:
        book["granskning"].insert_rows(1, 2)
        book["granskning"].cell(1, 1, "Granskat i mars")

    return change


def _sheets_renamed(_: Chain) -> Edit:
    def change(book: openpyxl.Workbook) -> None:
        for number, sheet in enumerate(book.worksheets):
            sheet.title = f"Blad{number}"

    return change


SHAPES: dict[str, Callable[[Chain], Edit]] = {
    "rows sorted": _by_rows(_sorted),
    "rows filtered": _filtered,
    "rows deleted": _by_rows(lambda chain, rows, _: [row for row in rows if chain.chance.random() < 0.8]),
    "rows doubled": _by_rows(lambda chain, rows, _: [*rows, *map(list, chain.chance.sample(rows, len(rows) // 4))]),
    "blank rows": _by_rows(lambda _, rows, __: [row for pair in rows for row in (pair, [None] * len(pair))]),
    "columns moved": lambda chain: reorder_columns(
        chain.chance.randrange(1000),
        chain.chance.choice([str.upper, str.title, str.lower]),
    ),
    "columns deleted": _columns_cut,
    "own column": _own_column,
    "texts respelled": _by_rows(_respelled),
    "ids made numbers": _by_rows(_numbers),
    "rows moved to another sheet": _moved_away,
    "hidden sheet sorted": _frame_sorted,
    "hidden sheet deleted": _frame_gone,
    "sheets moved and shown": _sheets_moved,
    "sheet copied": _sheet_copied,
}
# After these no edit finds its way about in a book.
LAST: dict[str, Callable[[Chain], Edit]] = {
    "two books in one sheet": _by_rows(_below),
    "titles above": _titles_above,
    "sheets renamed": _sheets_renamed,
}


# --- edits that must be told -------------------------------------------------------------------------------------


def _one_sorted(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    column = columns[chain.chance.choice(IDENTITY)]
    cells = sorted((row[column] for row in rows), key=str, reverse=chain.chance.random() < 0.5)
    return [[*row[:column], cell, *row[column + 1 :]] for row, cell in zip(rows, cells, strict=True)]


def _some_sorted(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    """Key, id and text sorted together, but not what stands beside them; where that is gone nobody could tell."""
    if "frame gone" in chain.kinds or not {"förslag", "bevis"} <= columns.keys():
        return rows
    chain.kinds.append("block sorted")
    block = [columns[name] for name in IDENTITY]
    blocks = sorted(([row[at] for at in block] for row in rows), key=lambda cells: str(cells[-1]))
    for row, cells in zip(rows, blocks, strict=True):
        for at_column, cell in zip(block, cells, strict=True):
            row[at_column] = cell
    return rows


def _pasted_over(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    """One cell of key, id or text filled down over the next rows."""
    column, first = columns[chain.chance.choice(IDENTITY)], chain.chance.randrange(max(len(rows) - 4, 1))
    for row in rows[first + 1 : first + 5]:
        row[column] = rows[first][column]
    return rows


def _ids_overwritten(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    """Ids as a series, other cases' ids, or nonsense."""
    ids = [row[columns["ärende"]] for row in rows]
    for n, row in enumerate(chain.chance.sample(rows, len(rows) // 4)):
        row[columns["ärende"]] = chain.chance.choice([chain.chance.choice(ids), n, "?", "K-200301-99"])
    return rows


def _texts_edited(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    for row in chain.chance.sample(rows, len(rows) // 4):
        text = str(row[columns["klagomål"]])
        other = str(chain.chance.choice(rows)[columns["klagomål"]])
        row[columns["klagomål"]] = chain.chance.choice([f"{text} och mer", text[: len(text) // 2], other])
    return rows


def _replaced_everywhere(_: Chain, rows: Rows, __: dict[str, int]) -> Rows:
    """Find and replace in the whole sheet, but for the person's marks."""
    return [
        [cell.replace("s", "z") if isinstance(cell, str) and len(cell) > 40 else cell for cell in row] for row in rows
    ]


def _identity_wiped(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    for row in chain.chance.sample(rows, len(rows) // 4):
        for name in IDENTITY:
            row[columns[name]] = None
    return rows


def _unclear(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    """Answers that say nothing, or two things at once."""
    own = columns["min märkning"]
    for row in chain.chance.sample([row for row in rows if row[own]], 3):
        kind = chain.chance.choice(["unknown", "other beside", "no primary", "comment alone", "taken back"])
        cells = {
            "unknown": {"huvudorsak": "Nyckfullhet"},
            "other beside": {"huvudorsak": "Övrigt", "orsak 2": "Väntetid"},
            "no primary": {"huvudorsak": None, "orsak 2": "Väntetid"},
            "comment alone": {"huvudorsak": None, "orsak 2": None, "orsak 3": None, "kommentar": "vet ej"},
            "taken back": {"huvudorsak": "Ta tillbaka beslutet", "orsak 2": None, "orsak 3": None},
        }[kind]
        if cells.keys() <= columns.keys():
            for name, value in cells.items():
                row[columns[name]] = value
            row[own] = chain.marked(case_id="", causes="", reviewer="", clear=False)
    return rows


def _answered_twice(chain: Chain, rows: Rows, columns: dict[str, int]) -> Rows:
    """A row doubled, and the copy answered otherwise by the same person."""
    own, taken = columns["min märkning"], []
    for row in chain.chance.sample([row for row in rows if row[own]], 2):
        old = chain.given[row[own]]
        if old.clear:
            changed = list(row)
            changed[columns["huvudorsak"]] = "Övrigt" if old.causes else "Väntetid"
            changed[columns["orsak 2"]] = changed[columns["orsak 3"]] = None
            causes = "" if old.causes else "wait_time"
            changed[own] = chain.marked(case_id=old.case_id, causes=causes, reviewer=old.reviewer)
            taken.append(changed)
    return [*rows, *taken]


HARM = {
    "one column sorted alone": _one_sorted,
    "a few columns sorted alone": _some_sorted,
    "cells pasted over other rows": _pasted_over,
    "ids overwritten": _ids_overwritten,
    "texts edited": _texts_edited,
    "found and replaced everywhere": _replaced_everywhere,
    "key, id and text wiped": _identity_wiped,
    "answers that are not clear": _unclear,
    "answered twice": _answered_twice,
}
HARMFUL = {name: _by_rows(change) for name, change in HARM.items()}
