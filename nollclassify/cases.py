"""Complaint cases: what the columns of a case file mean, and which rows are refused.

Training and labelling read by the same `read_cases`; a switch says whether labels are required. Every row of the
file is afterwards either among the cases or among the rejected rows, in the order of the file.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd

from nollclassify.case_files import ENDINGS, Table, read_blocks, read_table
from nollclassify.earlier import Earlier, NumberOf
from nollclassify.errors import InputError
from nollclassify.taxonomy import OTHER, Taxonomy

# What a column may be called, in any case. The first spelling is the one we write ourselves.
HEADINGS = {
    "case_id": ("case_id", "ärende", "ärendenummer", "ärende-id", "case id", "id"),
    "text": ("text", "klagomål", "klagomålstext", "fritext", "complaint"),
    "received": ("received", "datum", "inkommet", "inkom", "date"),
    "product": ("product", "produkt"),
    "channel": ("channel", "kanal"),
    "source": ("source", "källa"),
    "customer": ("customer", "kund", "kundnummer", "kund-id", "customer_id"),
    "causes": ("causes", "orsaker"),
    "primary_cause": ("primary_cause", "huvudorsak"),
    "author": ("author", "upphov"),
}
# An id is made of these where the file has none.
CONTENT = ("text", "received", "product", "channel", "source")
_MEANING = {spelling: field for field, spellings in HEADINGS.items() for spelling in spellings}
_MONTHS = (
    *("januari", "februari", "mars", "april", "maj", "juni"),
    *("juli", "augusti", "september", "oktober", "november", "december"),
)
_MONTH_NUMBER = {name[:3]: number for number, name in enumerate(_MONTHS, 1)}
_FIRST_YEAR = 1990
_EXACT_IN_EXCEL = 10**15
UNKNOWN_CAUSE = "okänd orsak"


@dataclass(frozen=True)
class Cases:
    """The rows of one case file.

    Attributes:
        path: the file.
        original: the accepted rows with every column that came in, values as they stood.
        fields: the same rows under our own names, all text: `row` (number as Excel shows it), `case_id`, `text`,
            `received` (ISO date or empty), `product`, `channel`, `source`, `customer`, `author`, `causes` (ids joined
            by `;`, primary first, empty for other) and `primary_cause`.
        rejected: the rows that were refused: `file`, `row`, `column`, `reason`, then the columns that came in.
        delimiter: that of a CSV file, else `;`.
        has_ids: whether the file has a column of case ids; a blank cell of it gets the id that was made.
    """

    path: Path
    original: pd.DataFrame
    fields: pd.DataFrame
    rejected: pd.DataFrame
    delimiter: str = ";"
    has_ids: bool = False

    @property
    def texts(self) -> list[str]:
        return list(self.fields["text"])


def known_headings(row: Sequence[str]) -> int:
    """How many cells are headings that are understood; 0 where none of them is the text's."""
    meanings = [_MEANING.get(_fold(cell)) for cell in row]
    return len({m for m in meanings if m}) if "text" in meanings else 0


def read_cases(path: Path, taxonomy: Taxonomy, labelled: bool = False, keep_split: bool = False) -> Cases:
    """Read and check one case file (CSV, Excel, JSON Lines or Parquet).

    Args:
        path: the file; its ending tells the format.
        taxonomy: the causes that labels may name.
        labelled: whether the column of causes is required and read; else it is passed through unread. Old codes and
            names are read as what they became.
        keep_split: whether a cause that was split since keeps its old id; else its rows are refused.

    Raises:
        InputError: the file cannot be read, has no column of texts, or lacks the labels that are required.
    """
    return check_table(path, read_table(path, known_headings), taxonomy, labelled, keep_split=keep_split)


def read_case_blocks(path: Path, taxonomy: Taxonomy, size: int = 20_000) -> Iterator[Cases]:
    """The cases of a file in blocks of at most `size` rows, at least one block; as `read_cases` would give them."""
    earlier = Earlier()
    for table in read_blocks(path, known_headings, size):
        yield check_table(path, table, taxonomy, earlier=earlier)


def check_table(
    path: Path,
    table: Table,
    taxonomy: Taxonomy,
    labelled: bool = False,
    earlier: Earlier | None = None,
    keep_split: bool = False,
) -> Cases:
    """The rows of a table, checked as `read_cases` does; `earlier` knows the tables before, and gets to know this one.

    Raises:
        InputError: no column of texts, two columns that mean the same, or no labels where they are required.
    """
    earlier = earlier or Earlier()
    columns = known_columns(path, table.columns, labelled)
    original = pd.DataFrame(table.rows, columns=table.columns, dtype=object)
    fields = _fields(original, columns, table.lines)
    fields["case_id"] = _case_ids(fields, earlier.contents)
    if "case_id" in columns:
        blank = [not str(value).strip() for value in original[columns["case_id"]]]
        original.loc[blank, columns["case_id"]] = fields.loc[blank, "case_id"]
    faults = _Faults(len(fields))
    _check_texts(fields, original, columns, faults)
    _check_ids(fields, columns, faults, earlier.ids)
    is_excel = ENDINGS.get(path.suffix.lower()) == "excel"
    if is_excel:
        _check_rounded_ids(original, columns, faults)
    _check_dates(fields, columns, faults, is_excel)
    if labelled:
        _check_causes(fields, columns, faults, taxonomy, keep_split)
    else:  # Perhaps somebody's own codes; the column goes out as it came in.
        fields[["causes", "primary_cause"]] = ""
    accepted = faults.none()
    return Cases(
        path,
        original.loc[accepted].reset_index(drop=True),
        fields.loc[accepted].reset_index(drop=True),
        _rejected(path, table, original, faults),
        table.delimiter,
        "case_id" in columns,
    )


def rejected_path(output: Path) -> Path:
    """Where rejected rows go: `july.labelled.xlsx` and `july.xlsx` -> `july.rejected.xlsx`."""
    ending = ".xlsx" if output.suffix.lower() in (".xls", ".xlsm") else output.suffix
    return output.with_name(f"{output.stem.removesuffix('.labelled')}.rejected{ending}")


def check_unique_ids(many: Sequence[Cases]) -> None:
    """Refuse case ids that stand in more than one of the files; InputError names both files."""
    first: dict[str, Path] = {}
    for cases in many:
        for row, case_id in zip(cases.fields["row"], cases.fields["case_id"], strict=True):
            if case_id in first:
                raise InputError(
                    f"{cases.path}: rad {row} har ett ärendenummer som också står i {first[case_id]}; "
                    "ta bort den ena raden."
                )
        first |= dict.fromkeys(cases.fields["case_id"], cases.path)


def _fold(cell: Any) -> str:
    """A heading without case, runs of spaces and byte order mark; composed, for a Mac writes å as a and a ring."""
    return " ".join(unicodedata.normalize("NFC", str(cell)).replace("\ufeff", "").casefold().split())


def known_columns(path: Path, headings: Sequence[str], labelled: bool = False) -> dict[str, str]:
    """Our name of each column that is understood -> the file's heading; InputError as from `check_table`."""
    found: dict[str, str] = {}
    for heading in headings:
        # The reader numbers a repeated heading: `text (2)` is a second column of texts.
        meaning = _MEANING.get(re.sub(r" \(\d+\)$", "", _fold(heading)))
        if meaning in found:
            raise InputError(f"{path}: kolumnerna {found[meaning]} och {heading} betyder samma sak; ta bort den ena.")
        if meaning:
            found[meaning] = heading
    if "text" not in found:
        raise InputError(f"{path}: ingen kolumn har klagomålets text; döp den kolumnen till text eller klagomål.")
    if labelled and "causes" not in found:
        raise InputError(
            f"{path}: ingen kolumn har orsaker; märk filen med `nollclassify label`, "
            "eller lägg till kolumnen orsaker (tom cell betyder Övrigt)."
        )
    return found


def _fields(original: pd.DataFrame, columns: Mapping[str, str], lines: list[int]) -> pd.DataFrame:
    fields = pd.DataFrame({"row": lines})
    for name in HEADINGS:
        values = [_as_text(v) for v in original[columns[name]].tolist()] if name in columns else [""] * len(lines)
        fields[name] = pd.Series(values if name == "text" else [v.strip() for v in values], dtype="str")
    return fields


def _as_text(value: Any) -> str:
    """A whole number without the `.0` that it gets in a column of numbers with gaps."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, date) else str(value)


def _case_ids(fields: pd.DataFrame, contents: NumberOf) -> list[str]:
    """The ids of the file; where one is missing, one made of the row's own content, the same at every reading."""
    ids: list[str] = []
    parts = fields[list(CONTENT)].itertuples(index=False, name=None)
    for case_id, content_parts in zip(fields["case_id"].tolist(), parts, strict=True):
        if case_id:
            ids.append(case_id)
            continue
        digest = _digest(content_parts)
        number = contents.get(digest) + 1
        contents.set(digest, number)
        ids.append(digest if number == 1 else f"{digest}-{number}")
    return ids


def _digest(content: Sequence[str]) -> str:
    whole = "\x1f".join(map(str, content))
    return "c-" + hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def row_keys(table: Table, columns: Mapping[str, str]) -> list[str]:
    """Of each row what its id must be told apart by: where `columns` has a `case_id` the id, else its content's digest.

    For tables that are checked in parts, side by side: `Earlier` needs to know the keys of the parts before.

    Args:
        table: the columns named in `columns`; of those of `CONTENT` all that the file has, where it has no ids.
        columns: our name of each column -> its heading.
    """
    fields = _fields(pd.DataFrame(table.rows, columns=table.columns, dtype=object), columns, table.lines)
    if "case_id" in columns:
        return list(fields["case_id"])
    return [_digest(content) for content in fields[list(CONTENT)].itertuples(index=False, name=None)]


class _Faults:
    """The faults found so far, by position of the row."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.by_row: dict[int, list[tuple[str, str]]] = {}

    def add(self, position: int, column: str, reason: str) -> None:
        self.by_row.setdefault(position, []).append((column, reason))

    def none(self) -> list[bool]:
        return [position not in self.by_row for position in range(self.count)]


def _check_texts(fields: pd.DataFrame, original: pd.DataFrame, columns: dict[str, str], faults: _Faults) -> None:
    heading = columns["text"]
    for position, (text, value) in enumerate(zip(fields["text"].tolist(), original[heading].tolist(), strict=True)):
        if not text.strip():
            faults.add(position, heading, "texten är tom; fyll i klagomålet eller ta bort raden")
        elif isinstance(value, bytes | list | dict):
            faults.add(position, heading, "värdet är inte text; skriv klagomålet som text")
        elif len(text) <= len(heading) + 2 and _repeats_headings(fields, position, columns):
            faults.add(position, heading, "rubrikraden står här en gång till; ta bort raden")


def _repeats_headings(fields: pd.DataFrame, position: int, columns: dict[str, str]) -> bool:
    """Whether a row says what its headings say, as where two exports were put together (one alone may be a text)."""
    cells = [(fields[name].iat[position], heading) for name, heading in columns.items()]
    return len(cells) > 1 and all(_fold(cell).strip('"') == _fold(heading) for cell, heading in cells)


def _check_ids(fields: pd.DataFrame, columns: dict[str, str], faults: _Faults, ids: NumberOf) -> None:
    for position, (row, case_id) in enumerate(zip(fields["row"].tolist(), fields["case_id"].tolist(), strict=True)):
        if first := ids.get(case_id):
            reason = f"ärendenumret står redan på rad {first}; ge raden ett eget nummer"
            faults.add(position, columns.get("case_id", "case_id"), reason)
        else:
            ids.set(case_id, row)


def _check_rounded_ids(original: pd.DataFrame, columns: dict[str, str], faults: _Faults) -> None:
    """Excel keeps fifteen digits of a number: of a longer one the last are lost, and two ids may have become one."""
    values = original[columns["case_id"]].tolist() if "case_id" in columns else []
    for position, value in enumerate(values):
        if isinstance(value, int | float) and abs(value) >= _EXACT_IN_EXCEL:
            reason = "ärendenumret har fler än 15 siffror, och Excel har avrundat det; hämta det på nytt som text"
            faults.add(position, columns["case_id"], reason)


def _check_dates(fields: pd.DataFrame, columns: dict[str, str], faults: _Faults, excel: bool) -> None:
    parsed = [parse_date(value, excel) if value else None for value in fields["received"].tolist()]
    latest = date.today() + timedelta(days=1)
    for position, (value, day) in enumerate(zip(fields["received"].tolist(), parsed, strict=True)):
        if not value:
            continue
        if day is None:
            reason = "datumet finns inte eller går inte att tyda; skriv det som 2020-03-14"
            faults.add(position, columns["received"], reason)
        elif not date(_FIRST_YEAR, 1, 1) <= day <= latest:
            faults.add(position, columns["received"], f"datumet ligger före {_FIRST_YEAR} eller i framtiden; rätta det")
    fields["received"] = [day.isoformat() if day else "" for day in parsed]


@lru_cache(maxsize=20_000)
def parse_date(value: str, excel: bool = False) -> date | None:
    """A date as Swedes write it (`2020-03-14`, `20200314`, `14/3 2020`, `14.3.2020`, `14 mars 2020`), else None.

    A time of day after the date is passed over. With `excel`, Excel's day number (43904 or 43904.5) counts as well.
    A date without a year is None: the month would be a guess.
    """
    value = value.strip().lower()
    if excel and re.fullmatch(r"[2-6]\d{4}([.]\d+)?", value):
        return date(1899, 12, 30) + timedelta(days=int(value[:5]))
    value = re.sub(r"(?:[t ]| kl\.?)+\d{1,2}[:.]\d{2}([:.]\d{2}([.,]\d+)?)?\s*(z|[+-]\d{2}:?\d{2})?$", "", value)
    if match := re.fullmatch(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{4})(\d\d)(\d\d)", value):
        return _date(match[1] or match[5], match[3] or match[6], match[4] or match[7])
    if match := re.fullmatch(r"(\d{1,2})\s*[/.-]\s*(\d{1,2})(?:\s*[/.-]\s*|\s+)(\d{4})", value):
        return _date(match[3], match[2], match[1])
    if match := re.fullmatch(r"(?:den )?(\d{1,2})(?::?[ae])?\.? ([a-zåäö]{3,9})\.?,? (\d{4})", value):
        month = _MONTH_NUMBER.get(match[2][:3], 0)
        return _date(match[3], str(month), match[1]) if _is_month(match[2]) else None
    return None


def _is_month(word: str) -> bool:
    return any(name.startswith(word) or word == "sept" for name in _MONTHS)


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return datetime(int(year), int(month), int(day)).date()
    except ValueError:
        return None


def _check_causes(
    fields: pd.DataFrame, columns: dict[str, str], faults: _Faults, taxonomy: Taxonomy, keep_split: bool
) -> None:
    if "causes" not in columns:
        return
    primary_heading = columns.get("primary_cause", "primary_cause")
    labels: list[list[str]] = []
    written = list(zip(fields["causes"].tolist(), fields["primary_cause"].tolist(), strict=True))
    named = {cell: named_causes(cell, taxonomy) for cell in set(chain.from_iterable(written))}
    for position, (causes, primary) in enumerate(written):
        (ids, unknown), (first, unknown_primary) = named[causes], named[primary]
        split = "" if keep_split else "; ".join(filter(None, map(taxonomy.told_split, ids)))
        if unknown:
            faults.add(position, columns["causes"], f"{UNKNOWN_CAUSE}; tillåtna är {', '.join(taxonomy.cause_ids)}")
        elif split:
            faults.add(position, columns["causes"], split)
        elif OTHER in ids and len(ids) > 1:
            faults.add(position, columns["causes"], "Övrigt kan inte stå bredvid en orsak; ta bort det ena")
        elif unknown_primary or len(first) > 1:
            faults.add(position, primary_heading, "huvudorsaken är ingen känd orsak, eller flera; rätta den")
        # Who corrects the causes by hand seldom corrects the primary one too: the list of causes decides.
        labels.append([i for i in dict.fromkeys([*(f for f in first if f in ids), *ids]) if i != OTHER])
    fields["causes"] = pd.Series([";".join(ids) for ids in labels], dtype="str")
    fields["primary_cause"] = pd.Series([ids[0] if ids else "" for ids in labels], dtype="str")


def named_causes(cell: str, taxonomy: Taxonomy) -> tuple[list[str], bool]:
    """The ids that a cell names, without repeats, those that were split too, and whether it names an unknown one."""
    parts = [part for part in re.split(r"[;,|\n]", cell) if part.strip()]
    kept = [part for part in parts if not taxonomy.is_retired(part)]
    found = [taxonomy.find_cause(part, keep_split=True) for part in kept or parts]
    return list(dict.fromkeys(cause for cause in found if cause)), None in found


def _rejected(path: Path, table: Table, original: pd.DataFrame, faults: _Faults) -> pd.DataFrame:
    records = []
    for position, found in faults.by_row.items():
        columns, reasons = zip(*found, strict=True)
        where = (path.name, table.lines[position], ", ".join(dict.fromkeys(columns)), "; ".join(reasons))
        records.append((*where, *original.iloc[position]))
    width = len(table.columns)
    for number, reason, raw in table.damaged:
        records.append((path.name, number, "(hela raden)", reason, *([raw] + [""] * (width - 1))[:width]))
    names = [f"rejected_{n}" for n in ("file", "row", "column", "reason")]
    frame = pd.DataFrame(records, columns=[*names, *table.columns], dtype=object)
    # Rejected rows that were mended and came in again bring our four columns along: the old ones give way.
    frame = frame.loc[:, ~frame.columns.duplicated()]
    return frame.sort_values("rejected_row", kind="stable", ignore_index=True)
