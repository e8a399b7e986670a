"""The review's workbook: written for people to fill in, read back however they sorted, cut or saved it.

Which case a row means is the business of `review_frames`: an answer goes to the case that the person read, or to none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nollclassify.answer_sheets import (
    CAUSES,
    COMMENT,
    FRAME,
    REVIEWER,
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
from nollclassify.case_files import Table, read_sheets
from nollclassify.case_writing import EXCEL_ROW_LIMIT, new_workbook, write_sheet
from nollclassify.errors import InputError
from nollclassify.model import prepare
from nollclassify.review_frames import (
    ANSWERS,
    BETWEEN,
    FRAME_COLUMNS,
    FRAME_MARKS,
    IDENTITY,
    IS_KEY,
    KEY,
    SHOWN,
    Frame,
    ShiftedError,
    case_alone,
    case_key,
)
from nollclassify.taxonomy import OTHER, Taxonomy

# Where so many rows stand beside the wrong cells a few columns were sorted: the other rows are not to be trusted.
_SHIFTED_ROWS = 3
# On the hidden sheet of the other book in which people answer.
_AUDIT_MARKS = {"ärende", "stratum", "dragen"}
TAKE_BACK = "Ta tillbaka beslutet"
_WIDTHS = {
    **dict(zip(SHOWN, (5, 11, 10, 9, 11, 64, 17, 17, 17), strict=True)),
    **dict(zip((*CAUSES, COMMENT, REVIEWER), (16, 11, 11, 14, 11), strict=True)),
}
# What not every program keeps: other line breaks than the common one, other spaces than the plain one, and characters
# that XML has no room for.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufffe\uffff]")
_LINE_BREAK, _SPACE = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]"), re.compile(r"[^\S\n]")


@dataclass(frozen=True)
class Answers:
    """What people answered in one book.

    Attributes:
        rows: one row a case and reviewer who answered, in the order of the sheet: `key`, `case_id`, `text` (masked),
            `received` (ISO date or empty), `channel`, `product`, `proposed` (ids joined by `;`), `causes` (ids joined
            by `;`, primary first, empty for other), `taken_back` (bool), `comment`, `reviewer` (empty where it was not
            filled in), `reason`, `chosen` (`useful`, `audit`, or empty where it is not known), `probability` (not a
            number where it is not known), `model_version`, `taxonomy_version`, `line` (row in the sheet).
        problems: answered rows that belong to no one case or are not clear: `line`, `column`, `reason` (Swedish).
        n_asked: how many cases the book asked about, also where their rows are gone.
    """

    rows: pd.DataFrame
    problems: pd.DataFrame
    n_asked: int


def _plain(text: str) -> str:
    return _SPACE.sub(" ", _LINE_BREAK.sub("\n", _CONTROL.sub("", text)))


# --- writing -----------------------------------------------------------------------------------------------------


def write_book(
    path: str | Path,
    cases: pd.DataFrame,
    frame: pd.DataFrame,
    taxonomy: Taxonomy,
    force: bool = False,
    answers: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """Write a book of questions, the most useful first, and the frame of all cases on a hidden sheet; returns its path.

    Any queue can be written: what is asked about is `frame`, and why stands in `reason`.

    Args:
        cases: `case_id` (each once), `month`, `received` (ISO date or empty), `channel`, `product`, `text` (as it came
            in; it is masked here), `proposed` (cause ids joined by `;`, empty for other), `shown` (the same as a
            person reads it), `evidence`, `reason` (why it is here, Swedish), `model_version` and `taxonomy_version`.
        frame: of the same cases in the same order `stratum`, `drawn`, `probability`, `chosen` and `rank`, as from
            `sampling.sample`.
        force: replace a book that is already there.
        answers: case id -> causes that are known already, primary first (none for other); they are filled in.

    Raises:
        InputError: an ending other than .xlsx, a book that exists, or more cases than a sheet holds.
    """
    target = new_book(path, force)
    if len(cases) >= EXCEL_ROW_LIMIT:
        raise InputError(f"{target}: {len(cases)} klagomål ryms inte i en Excelbok; välj en månad med --month.")
    masked = [short(_plain(prepare(text))) for text in cases["text"]]
    known = pd.concat([cases.drop(columns="text"), frame.drop(columns="case_id", errors="ignore")], axis=1)
    known = known.assign(text=masked, key=[case_key(*pair) for pair in zip(cases["case_id"], masked, strict=True)])
    drawn = known["drawn"].astype(bool)
    asked = known[drawn].sort_values("rank", kind="stable")[list(SHOWN.values())].set_axis(list(SHOWN), axis=1)
    asked[list(CAUSES)] = filled_in(list(asked["ärende"]), taxonomy, answers or {}).to_numpy()
    asked[[COMMENT, REVIEWER]] = ""
    for_drawn = ["text", *BETWEEN.values()]
    known[for_drawn] = known[for_drawn].where(drawn, "")
    with replacing(target) as temporary, new_workbook(temporary) as workbook:
        n_causes = len(taxonomy.causes)
        sheet = write_questions(workbook, asked, _WIDTHS, n_causes, n_causes + 2)
        # The key is for the computer: small and grey, and not on paper.
        key = workbook.add_format({"font_size": 6, "font_color": "#AAAAAA", "valign": "top"})
        for row, value in enumerate(asked[KEY], 1):
            sheet.write_string(row, 0, value, key)
        sheet.print_area(0, 1, max(len(asked), 1), len(asked.columns) - 1)
        write_codebook(workbook, taxonomy, (TAKE_BACK, "Det som tidigare svarats om klagomålet ska inte gälla."))
        hidden = workbook.add_worksheet(FRAME)
        write_sheet(workbook, hidden, known[list(FRAME_COLUMNS.values())].set_axis(list(FRAME_COLUMNS), axis=1))
        hidden.hide()
    return target


# --- reading -----------------------------------------------------------------------------------------------------


def read_book(path: str | Path, taxonomy: Taxonomy) -> Answers:
    """Read a book that people filled in, wholly or partly.

    Rows and sheets may stand in any order, be hidden, filtered, deleted or doubled; columns may be moved, deleted or
    added; headings may stand again further down. An answer that one reviewer gave twice counts once; two different
    ones are a problem.

    Raises:
        InputError: not such a book, or its hidden sheet is gone together with a column that would make up for it.
    """
    path = Path(path)
    # Of sheets without headings the first row with anything in it: what was pasted there is not passed over.
    tables = read_sheets(path, lambda row: _n_frame(row) or _n_questions(row) or int(any(map(written, row))))
    frames = [table for table in tables if _n_frame(table.columns)]
    sheets = [table for table in tables if not _n_frame(table.columns) and _n_questions(table.columns)]
    if not sheets and any(CAUSES[0] in headings(table) for table in tables):
        raise InputError(
            f"{path}: kolumnerna {', '.join(IDENTITY[:-1])} och {IDENTITY[-1]} saknas, så att svaren inte går att para "
            "ihop med klagomålen; låt minst en av dem stå kvar."
        )
    if not sheets:
        raise InputError(f"{path}: inget blad har kolumnen huvudorsak; ange boken som `nollclassify review` skrev.")
    if any(_known(table.columns, _AUDIT_MARKS) >= _AUDIT_MARKS for table in tables):
        raise InputError(
            f"{path}: boken är skriven av `nollclassify audit`; ge den till `nollclassify report --audit`."
        )
    parts = [part for sheet in sheets for part in _parts(sheet)]
    frame = Frame(frames) if frames else None
    if frame is None and not all(set(IDENTITY) <= set(headings(part)) for part in parts):
        raise InputError(
            f"{path}: det dolda bladet {FRAME} saknas, och utan det behövs kolumnerna {', '.join(IDENTITY)}; "
            "ange boken som `nollclassify review` skrev, med alla dess blad."
        )
    found: list[dict[str, Any]] = []
    others = [table for table in tables if not _n_frame(table.columns) and not _n_questions(table.columns)]
    problems = [(0, "", _bare_rows(table)) for table in others if _has_answers(table, frame, taxonomy)]
    for part in parts:
        sheet = part.sheet if len(sheets) > 1 else ""
        answers, unclear = _read_part(part, sheet, frame, taxonomy)
        found += answers
        problems += unclear
    rows = _once_each(found, problems)
    return Answers(
        pd.DataFrame(rows, columns=list(ANSWERS)),
        pd.DataFrame(sorted(problems), columns=["line", "column", "reason"]),
        frame.n_asked if frame else sum(len(part.lines) for part in parts),
    )


def _read_part(
    part: Table, sheet: str, frame: Frame | None, taxonomy: Taxonomy
) -> tuple[list[dict[str, Any]], list[tuple[int, str, str]]]:
    """The answers of a part with their lines, and the problems; of neither a sheet is named where it is empty."""
    found: list[dict[str, Any]] = []
    unclear: list[tuple[int, UnclearAnswerError]] = []
    for line, row in _rows(part):
        try:
            if answer := _answer(row, frame, taxonomy):
                found.append(answer | {"line": line, "where": f"{line} ({sheet})" if sheet else str(line)})
        except UnclearAnswerError as error:
            unclear.append((line, error))
    shifted = [error for _, error in unclear if isinstance(error, ShiftedError)]
    if len(shifted) >= _SHIFTED_ROWS:
        unclear += [(answer["line"], shifted[0]) for answer in found]
        found = []
    of = f"bladet {sheet}: " if sheet else ""
    return found, [(line, error.column, f"{of}{error.reason}") for line, error in unclear]


def _parts(sheet: Table) -> list[Table]:
    """A sheet cut up where its headings stand again: where a book was pasted below another one, columns may differ."""
    starts = [at for at, row in enumerate(sheet.rows) if _n_questions(row)]
    ends = [*starts, len(sheet.rows)]
    parts = [Table(sheet.columns, sheet.rows[: ends[0]], sheet.lines[: ends[0]], sheet=sheet.sheet)]
    for at, end in zip(starts, ends[1:], strict=True):
        columns, inside = [str(cell) for cell in sheet.rows[at]], slice(at + 1, end)
        parts.append(Table(columns, sheet.rows[inside], sheet.lines[inside], sheet=sheet.sheet))
    return parts


def _has_answers(table: Table, frame: Frame | None, taxonomy: Taxonomy) -> bool:
    """Whether a sheet without headings has a row of a case that was asked about, with an answer in it."""
    for row in (table.columns, *table.rows):
        cells = [cell for cell in map(written, row) if cell]
        answered = any(taxonomy.find_cause(cell) or folded(cell) == folded(TAKE_BACK) for cell in cells)
        if answered and any(frame.knows(cell) if frame else IS_KEY.fullmatch(folded(cell)) for cell in cells):
            return True
    return False


def _bare_rows(table: Table) -> str:
    return f"bladet {table.sheet} har svar men inga rubriker; kopiera dit rubrikraden från det första bladet."


def _known(row: Sequence[Any], wanted: Iterable[str]) -> set[str]:
    return {folded(cell) for cell in row} & set(wanted)


def _n_frame(row: Sequence[Any]) -> int:
    there = _known(row, FRAME_COLUMNS)
    return len(there) if there >= FRAME_MARKS else 0


def _n_questions(row: Sequence[Any]) -> int:
    there = _known(row, {*SHOWN, *CAUSES, COMMENT, REVIEWER})
    return len(there) if CAUSES[0] in there and there & set(IDENTITY) else 0


def _rows(sheet: Table) -> list[tuple[int, dict[str, Any]]]:
    names = [*SHOWN, *CAUSES, COMMENT, REVIEWER]
    cells = zip(*(column(sheet, name) for name in names), strict=True)
    return [(line, dict(zip(names, row, strict=True))) for line, row in zip(sheet.lines, cells, strict=True)]


def _answer(row: Mapping[str, Any], frame: Frame | None, taxonomy: Taxonomy) -> dict[str, Any] | None:
    """The answer of a row with all that is known of its case; None where nothing is answered."""
    taken_back = folded(row[CAUSES[0]]) == folded(TAKE_BACK)
    if taken_back and any(written(row[name]) for name in CAUSES[1:]):
        raise UnclearAnswerError(CAUSES[0], f"{TAKE_BACK} står bredvid en orsak; ta bort det ena.")
    causes = () if taken_back else given_causes([row[name] for name in CAUSES], taxonomy)
    if not causes and not taken_back:
        if written(row[COMMENT]):
            raise UnclearAnswerError(CAUSES[0], "kommentaren står utan huvudorsak; välj en, annars läses den inte.")
        return None
    return (frame.case_of(row) if frame else case_alone(row)) | {
        "causes": ";".join(cause for cause in causes if cause != OTHER),
        "taken_back": taken_back,
        "comment": written(row[COMMENT]),
        "reviewer": " ".join(written(row[REVIEWER]).split()),
    }


def _once_each(found: Sequence[dict[str, Any]], problems: list[tuple[int, str, str]]) -> list[dict[str, Any]]:
    """One answer of each reviewer to each case; where they differ all of them are added to the problems."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for answer in found:
        groups.setdefault((answer["key"], answer["reviewer"].casefold()), []).append(answer)
    rows = []
    for same in groups.values():
        if len({(answer["causes"], answer["taken_back"]) for answer in same}) == 1:
            comments = dict.fromkeys(answer["comment"] for answer in same if answer["comment"])
            rows.append(same[0] | {"comment": "; ".join(comments)})
            continue
        lines = " och ".join(dict.fromkeys(answer["where"] for answer in same))
        reason = (
            f"raderna {lines} har olika svar om samma klagomål av samma granskare; "
            "ta bort alla utom ett, eller skriv i granskat av vem som svarade vad."
        )
        problems += [(answer["line"], CAUSES[0], reason) for answer in same]
    return rows
