"""The cases of a review book, as its hidden sheet has them, and which of them a row means.

A row is tied to its case by all that is left of key, case id and text, and only where these agree with each other and
with the hidden sheet: an answer goes to the case that the person read, or to none.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from nollclassify.answer_sheets import FRAME, TEXT, CaseIds, UnclearAnswerError, column, folded, short, written
from nollclassify.case_files import Table

KEY, CASE = "nyckel", "ärende"
IDENTITY = (KEY, CASE, TEXT)
SHOWN = {  # heading -> column of the cases; the columns to fill in follow
    KEY: "key",
    CASE: "case_id",
    "datum": "received",
    "kanal": "channel",
    "produkt": "product",
    TEXT: "text",
    "varför": "reason",
    "förslag": "shown",
    "bevis": "evidence",
}
# Not called as in case files: no reader shall take the hidden sheet for complaints.
FRAME_COLUMNS = {
    KEY: "key",
    CASE: "case_id",
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
    "visat förslag": "shown",
    "visat bevis": "evidence",
}
# What stands between the complaint and the answers, and nobody changes.
BETWEEN = {"varför": "reason", "förslag": "shown", "bevis": "evidence"}
FRAME_MARKS = {KEY, "stratum", "sannolikhet", "maskerad text"}
ANSWERS = (
    *("key", "case_id", "text", "received", "channel", "product", "proposed", "causes", "taken_back", "comment"),
    *("reviewer", "reason", "chosen", "probability", "model_version", "taxonomy_version", "line"),
)
# Letters alone, no vowels: a spreadsheet makes no number, date or truth value of it, and it spells no word.
_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjklmnpqrst")
IS_KEY = re.compile(r"[bcdfghjklmnpqrst]{16}")
# How workbooks write a character that XML has no room for; some programs show it so.
_ESCAPED = re.compile(r"_?x[0-9a-f]{4}_", re.IGNORECASE)


class ShiftedError(UnclearAnswerError):
    """What stands between the complaint and the answers is another case's: a few columns were sorted by themselves."""


def case_key(case_id: str, masked_text: str) -> str:
    """A key of sixteen letters, made of a case's id and masked text, of which letters and digits count."""
    content = f"{case_id.strip()}\x1f{_bare(short(masked_text))}"
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16].translate(_LETTERS)


def _bare(text: str) -> str:
    """The letters and digits of a text alone: spaces, signs and quotation marks are what programs change."""
    return "".join(filter(str.isalnum, _ESCAPED.sub("", unicodedata.normalize("NFC", text))))


class Frame:
    """The cases of the hidden sheets, by what a row may have left of them."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._asked: dict[str, dict[str, Any]] = {}
        self._keys_of: dict[str, set[str]] = {}
        self._by_text: dict[str, set[str]] = {}
        self._between: dict[str, set[str]] = {name: set() for name in BETWEEN}
        for table in tables:
            for cells in zip(*(column(table, name) for name in FRAME_COLUMNS), strict=True):
                self._add(dict(zip(FRAME_COLUMNS.values(), cells, strict=True)))
        self._ids = CaseIds(self._keys_of)

    @property
    def n_asked(self) -> int:
        return len(self._asked)

    def knows(self, cell: str) -> bool:
        """Whether a cell is the key, id or text of a case that was asked about."""
        keys = {folded(cell)} | self._keys_of.get(cell, set()) | self._by_text.get(_bare(cell), set())
        return bool(keys & self._asked.keys())

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
            for heading, name in BETWEEN.items():
                self._between[heading].add(_bare(known[name]))

    def case_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is known of the one case that a row's key, id and text mean, as far as they are left.

        Raises:
            UnclearAnswerError: nothing is left, or they mean no case, several, or different ones; or what stands
                between them and the answers is another case's, as when a few columns were sorted by themselves.
        """
        meant = self._meant(row)
        if not meant:
            raise UnclearAnswerError(KEY, f"raden har varken {KEY}, {CASE} eller {TEXT}; kopiera tillbaka dem.")
        for name, keys in meant.items():
            if not keys & self._asked.keys():
                raise UnclearAnswerError(
                    name, f"inget klagomål i boken har detta i kolumnen {name}; kopiera tillbaka cellen."
                )
        common = set.intersection(*meant.values())
        if len(common) == 1:
            return self._with_its_rest(row, self._asked[common.pop()])
        if common:
            raise UnclearAnswerError(next(iter(meant)), f"flera klagomål har detta; kopiera tillbaka {KEY}.")
        for odd in meant:
            if len(meant) > 2 and set.intersection(*(keys for name, keys in meant.items() if name != odd)):
                raise UnclearAnswerError(
                    odd,
                    f"{odd} hör till ett annat klagomål än raden i övrigt; sortera om hela raderna, inte en kolumn.",
                )
        raise UnclearAnswerError(
            next(iter(meant)),
            f"{' och '.join(meant)} hör till olika klagomål; sortera om hela raderna, inte en kolumn.",
        )

    def _with_its_rest(self, row: Mapping[str, Any], case: dict[str, Any]) -> dict[str, Any]:
        for heading, name in BETWEEN.items():
            cell = _bare(str(row[heading]))
            if cell and cell != _bare(case[name]) and cell in self._between[heading]:
                raise ShiftedError(
                    heading,
                    f"{heading} hör till ett annat klagomål än raden i övrigt; sortera om hela raderna, "
                    "eller ta bort kolumnen om bara den har flyttats.",
                )
        return case

    def _meant(self, row: Mapping[str, Any]) -> dict[str, set[str]]:
        """Of key, id and text those that are left, with the keys of the cases that they may mean."""
        meant: dict[str, set[str]] = {}
        if key := folded(row[KEY]):
            meant[KEY] = {key}
        if written(row[CASE]) and not self._ids.is_spoilt(row[CASE]):
            # Cases that were not asked about, too: one of them makes an id that may mean both unclear.
            meant[CASE] = set().union(*(self._keys_of[case_id] for case_id in self._ids.meant(row[CASE])))
        if text := _bare(str(row[TEXT])):
            meant[TEXT] = self._by_text.get(text, set())
        return meant


def case_alone(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row tells of its case where there is no frame: its key is a digest of its id and text."""
    key, text = folded(row[KEY]), str(row[TEXT])
    if not (key and written(row[CASE]) and text.strip()):
        wanted = ", ".join(IDENTITY)
        raise UnclearAnswerError(KEY, f"det dolda bladet {FRAME} saknas, och raden saknar någon av {wanted}.")
    case_id = _spelled(key, row[CASE], text)
    if case_id is None:
        raise UnclearAnswerError(KEY, f"{KEY}, {CASE} och {TEXT} hör inte ihop; kopiera tillbaka hela raden.")
    case: dict[str, Any] = dict.fromkeys(ANSWERS, "") | {name: written(row[h]) for h, name in SHOWN.items()}
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
