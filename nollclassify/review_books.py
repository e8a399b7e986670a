"""The review's workbook: written for people to fill in, read back however they sorted, cut or saved it.

A row is tied to its case by all that is left of key, case id and text, and only where these agree with each other and
with the hidden sheet: an answer goes to the case that the person read, or to none.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
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
from nollclassify.case_files import Table, read_sheets
from nollclassify.case_writing import EXCEL_ROW_LIMIT, new_workbook, write_sheet
from nollclassify.errors import InputError
from nollclassify.model import prepare
from nollclassify.taxonomy import OTHER, Taxonomy

TAKE_BACK = "Ta tillbaka beslutet"
_KEY, _CASE = "nyckel", "ärende"
_IDENTITY = (_KEY, _CASE, TEXT)
_SHOWN = {  # heading -> column of the cases; the columns to fill in follow
    _KEY: "key",
    _CASE: "case_id",
    "datum": "received",
    "kanal": "channel",
    "produkt": "product",
    TEXT: "text",
    "varför": "reason",
    "förslag": "shown",
    "bevis": "evidence",
}
_WIDTHS = {
    **dict(zip(_SHOWN, (5, 11, 10, 9, 11, 64, 17, 17, 17), strict=True)),
    **dict(zip((*CAUSES, COMMENT, REVIEWER), (16, 11, 11, 14, 11), strict=True)),
}
# Not called as in case files: no reader shall take the hidden sheet for complaints.
_FRAME = {
    _KEY: "key",
    _CASE: "case_id",
    "månad": "month",
    "datum": "received",
    "kanal": "channel",
    "produkt": "product",
    "stratum": "stratum",
    "vald": "chosen",
    "sannolikhet": "probability",
    "modellversion": "model_version",
    "taxonomiversion": "taxonomy_version",
    "föreslagna orsaker": "proposed",
    "skäl": "reason",
    "maskerad text": "text",
}
_FRAME_MARKS = {_KEY, "stratum", "sannolikhet", "maskerad text"}
ANSWERS = (
    *("key", "case_id", "text", "received", "channel", "product", "proposed", "causes", "taken_back", "comment"),
    *("reviewer", "reason", "chosen", "probability", "model_version", "taxonomy_version", "line"),
)
# Letters alone, no vowels: a spreadsheet makes no number, date or truth value of it, and it spells no word.
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
# How workbooks write a character that XML has no room for; some programs show it so.
_ESCAPED = re.compile(r"_?x[0-9a-f]{4}_", re.IGNORECASE)
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


def case_key(case_id: str, masked_text: str) -> str:
    """A key of sixteen letters, made of a case's id and masked text, of which letters and digits count."""
    content = f"{case_id.strip()}\x1f{_bare(short(masked_text))}"
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16].translate(_LETTERS)


def _bare(text: str) -> str:
    """The letters and digits of a text alone: spaces, signs and quotation marks are what programs change."""
    return "".join(filter(str.isalnum, _ESCAPED.sub("", unicodedata.normalize("NFC", text))))


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
    asked = known[drawn].sort_values("rank", kind="stable")[list(_SHOWN.values())].set_axis(list(_SHOWN), axis=1)
    asked[list(CAUSES)] = filled_in(list(asked["ärende"]), taxonomy, answers or {}).to_numpy()
    asked[[COMMENT, REVIEWER]] = ""
    known[["text", "reason"]] = known[["text", "reason"]].where(drawn, "")
    with replacing(target) as temporary, new_workbook(temporary) as workbook:
        n_causes = len(taxonomy.causes)
        sheet = write_questions(workbook, asked, _WIDTHS, n_causes, n_causes + 2)
        # The key is for the computer: small and grey, and not on paper.
        key = workbook.add_format({"font_size": 6, "font_color": "#AAAAAA", "valign": "top"})
        for row, value in enumerate(asked[_KEY], 1):
            sheet.write_string(row, 0, value, key)
        sheet.print_area(0, 1, max(len(asked), 1), len(asked.columns) - 1)
        write_codebook(workbook, taxonomy, (TAKE_BACK, "Det som tidigare svarats om klagomålet ska inte gälla."))
        hidden = workbook.add_worksheet(FRAME)
        write_sheet(workbook, hidden, known[list(_FRAME.values())].set_axis(list(_FRAME), axis=1))
        hidden.hide()
    return target


# --- reading -----------------------------------------------------------------------------------------------------


def read_book(path: str | Path, taxonomy: Taxonomy) -> Answers:
    """Read a book that people filled in, wholly or partly.

    Rows and sheets may stand in any order, be hidden, filtered, deleted or doubled; columns may be moved, deleted or
    added. An answer that one reviewer gave twice counts once; two different ones are a problem.

    Raises:
        InputError: not such a book, or its hidden sheet is gone together with a column that would make up for it.
    """
    path = Path(path)
    tables = read_sheets(path, lambda row: _n_frame(row) or _n_questions(row))
    frames = [table for table in tables if _n_frame(table.columns)]
    sheets = [table for table in tables if not _n_frame(table.columns)]
    if not sheets:
        raise InputError(f"{path}: inget blad har kolumnen huvudorsak; ange boken som `nollclassify review` skrev.")
    frame = _Frame(frames) if frames else None
    if frame is None and not all(set(_IDENTITY) <= set(headings(sheet)) for sheet in sheets):
        raise InputError(
            f"{path}: det dolda bladet {FRAME} saknas, och utan det behövs kolumnerna {', '.join(_IDENTITY)}; "
            "ange boken som `nollclassify review` skrev, med alla dess blad."
        )
    found: list[dict[str, Any]] = []
    problems: list[tuple[int, str, str]] = []
    for sheet in sheets:
        for line, row in _rows(sheet):
            try:
                if answer := _answer(row, frame, taxonomy):
                    found.append(answer | {"line": line})
            except UnclearAnswerError as unclear:
                problems.append((line, unclear.column, unclear.reason))
    rows = _once_each(found, problems)
    return Answers(
        pd.DataFrame(rows, columns=list(ANSWERS)),
        pd.DataFrame(sorted(problems), columns=["line", "column", "reason"]),
        frame.n_asked if frame else sum(len(sheet.lines) for sheet in sheets),
    )


def _known(row: Sequence[Any], wanted: Iterable[str]) -> set[str]:
    return {folded(cell) for cell in row} & set(wanted)


def _n_frame(row: Sequence[Any]) -> int:
    there = _known(row, _FRAME)
    return len(there) if there >= _FRAME_MARKS else 0


def _n_questions(row: Sequence[Any]) -> int:
    there = _known(row, {*_SHOWN, *CAUSES, COMMENT, REVIEWER})
    return len(there) if CAUSES[0] in there and there & set(_IDENTITY) else 0


def _rows(sheet: Table) -> list[tuple[int, dict[str, Any]]]:
    names = [*_SHOWN, *CAUSES, COMMENT, REVIEWER]
    cells = zip(*(column(sheet, name) for name in names), strict=True)
    return [(line, dict(zip(names, row, strict=True))) for line, row in zip(sheet.lines, cells, strict=True)]


def _answer(row: Mapping[str, Any], frame: _Frame | None, taxonomy: Taxonomy) -> dict[str, Any] | None:
    """The answer of a row with all that is known of its case; None where nothing is answered."""
    taken_back = folded(row[CAUSES[0]]) == folded(TAKE_BACK)
    if taken_back and any(written(row[name]) for name in CAUSES[1:]):
        raise UnclearAnswerError(CAUSES[0], f"{TAKE_BACK} står bredvid en orsak; ta bort det ena.")
    causes = () if taken_back else given_causes([row[name] for name in CAUSES], taxonomy)
    if not causes and not taken_back:
        if written(row[COMMENT]):
            raise UnclearAnswerError(CAUSES[0], "kommentaren står utan huvudorsak; välj en, annars läses den inte.")
        return None
    return (frame.case_of(row) if frame else _case_alone(row)) | {
        "causes": ";".join(cause for cause in causes if cause != OTHER),
        "taken_back": taken_back,
        "comment": written(row[COMMENT]),
        "reviewer": " ".join(written(row[REVIEWER]).split()),
    }


class _Frame:
    """The cases of the hidden sheets, by what a row may have left of them."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._asked: dict[str, dict[str, Any]] = {}
        self._keys_of: dict[str, set[str]] = {}
        self._by_text: dict[str, set[str]] = {}
        for table in tables:
            for cells in zip(*(column(table, name) for name in _FRAME), strict=True):
                self._add(dict(zip(_FRAME.values(), cells, strict=True)))
        self._ids = CaseIds(self._keys_of)

    @property
    def n_asked(self) -> int:
        return len(self._asked)

    def _add(self, case: dict[str, Any]) -> None:
        key, text = folded(case["key"]), str(case["text"])
        # A case that was not asked about has no text; one that was, but fits its key no more, is not relied upon.
        case_id = _spelled(key, case["case_id"], text) if written(case["chosen"]) else None
        self._keys_of.setdefault(case_id or written(case["case_id"]), set()).add(key)
        if case_id is not None:
            known: dict[str, Any] = {name: written(value) for name, value in case.items()}
            known |= {"key": key, "case_id": case_id, "text": text, "probability": _number(case["probability"])}
            self._asked.setdefault(key, known)
            self._by_text.setdefault(_bare(text), set()).add(key)

    def case_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is known of the one case that a row's key, id and text mean, as far as they are left.

        Raises:
            UnclearAnswerError: nothing is left, or they mean no case, several, or different ones.
        """
        meant = self._meant(row)
        if not meant:
            raise UnclearAnswerError(_KEY, f"raden har varken {_KEY}, {_CASE} eller {TEXT}; kopiera tillbaka dem.")
        for name, keys in meant.items():
            if not keys & self._asked.keys():
                raise UnclearAnswerError(
                    name, f"inget klagomål i boken har detta i kolumnen {name}; kopiera tillbaka cellen."
                )
        common = set.intersection(*meant.values())
        if len(common) == 1:
            return self._asked[common.pop()]
        if common:
            raise UnclearAnswerError(next(iter(meant)), f"flera klagomål har detta; kopiera tillbaka {_KEY}.")
        raise UnclearAnswerError(
            next(iter(meant)),
            f"{' och '.join(meant)} hör till olika klagomål; sortera om hela raderna, inte en kolumn.",
        )

    def _meant(self, row: Mapping[str, Any]) -> dict[str, set[str]]:
        """Of key, id and text those that are left, with the keys of the cases that they may mean."""
        meant: dict[str, set[str]] = {}
        if key := folded(row[_KEY]):
            meant[_KEY] = {key}
        if written(row[_CASE]) and not self._ids.is_spoilt(row[_CASE]):
            # Cases that were not asked about, too: one of them makes an id that may mean both unclear.
            meant[_CASE] = set().union(*(self._keys_of[case_id] for case_id in self._ids.meant(row[_CASE])))
        if text := _bare(str(row[TEXT])):
            meant[TEXT] = self._by_text.get(text, set())
        return meant


def _case_alone(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row tells of its case where there is no frame: its key is a digest of its id and text."""
    key, text = folded(row[_KEY]), str(row[TEXT])
    if not (key and written(row[_CASE]) and text.strip()):
        wanted = ", ".join(_IDENTITY)
        raise UnclearAnswerError(_KEY, f"det dolda bladet {FRAME} saknas, och raden saknar någon av {wanted}.")
    case_id = _spelled(key, row[_CASE], text)
    if case_id is None:
        raise UnclearAnswerError(_KEY, f"{_KEY}, {_CASE} och {TEXT} hör inte ihop; kopiera tillbaka hela raden.")
    case: dict[str, Any] = dict.fromkeys(ANSWERS, "") | {name: written(row[h]) for h, name in _SHOWN.items()}
    return {**case, "key": key, "case_id": case_id, "text": text, "probability": float("nan")}


def _spelled(key: str, cell: Any, text: str) -> str | None:
    """The case id in a cell, with the zeros that a spreadsheet took, as the key vouches for it and the text."""
    case_id = written(cell)
    zeros = range(20 if case_id.isdecimal() else 1)
    return next((name for name in (n * "0" + case_id for n in zeros) if case_key(name, text) == key), None)


def _number(cell: Any) -> float:
    try:
        return float(str(cell).replace(",", "."))
    except ValueError:
        return float("nan")


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
        lines = " och ".join(str(answer["line"]) for answer in same)
        reason = f"raderna {lines} har olika svar om samma klagomål av samma granskare; ta bort alla utom ett."
        problems += [(answer["line"], CAUSES[0], reason) for answer in same]
    return rows
