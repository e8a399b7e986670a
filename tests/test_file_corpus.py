"""What companies have is read whole: 2,000 and more files, every row once and in order, or a sentence that says why."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime, time
from itertools import cycle
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest

from nollclassify.case_writing import write_table
from nollclassify.cases import Cases, read_cases
from nollclassify.errors import InputError
from nollclassify.labelling import label, label_texts
from nollclassify.model_store import StoredModel
from nollclassify.swedish import repair
from nollclassify.taxonomy import Taxonomy
from tests.file_corpus import COMPLAINTS, HARD, CaseFile, Row, csv_files
from tests.file_corpus_tables import excel_files, jsonl_files, parquet_files

SENTENCE = re.compile(r"[^\n]+; [^\n]+\.")


def faults(files: Iterable[CaseFile], folder: Path, taxonomy: Taxonomy) -> list[str]:
    """The files that are not read as they should be, each with what came of it."""
    found = []
    for file in files:
        path = folder / file.name
        path.write_bytes(file.content)
        wanted, got = expected(file), outcome(path, taxonomy, file)
        path.unlink()
        if wanted != got:
            found.append(f"{file.name}: " + difference(wanted, got))
    return found


def difference(wanted: list[object], got: list[object]) -> str:
    pairs = [(w, g) for w, g in zip(wanted, got, strict=False) if w != g]
    return f"{len(wanted)} rows wanted, {len(got)} read; the first that differs: {str(pairs[:1])[:600]}"


def expected(file: CaseFile) -> list[object]:
    if file.refusal:
        return [file.refusal]
    return [
        (row.number, "damaged", row.reason, plain(row.raw))
        if row.raw
        else (row.number, row.reason, row.case_id, row.text, row.mark)
        for row in file.rows
    ]


def outcome(path: Path, taxonomy: Taxonomy, file: CaseFile) -> list[object]:
    """What came of each row, in the order of the row numbers."""
    try:
        cases = read_cases(path, taxonomy)
    except InputError as error:
        file_name, message = str(error).split(": ", 1)
        assert file_name == str(path)
        return [file.refusal if file.refusal and file.refusal in message and is_fit_to_show(message) else message]
    return [found for _, found in sorted([*accepted(cases), *rejected(cases, file)], key=lambda pair: pair[0])]


def is_fit_to_show(message: str) -> bool:
    return bool(SENTENCE.fullmatch(message)) and not any(quotes(message, text) for text in COMPLAINTS)


def quotes(message: str, text: str) -> bool:
    """Whether four words in a row of the text stand in the message."""
    words = text.split()
    return any(" ".join(words[at : at + 4]) in message for at in range(len(words) - 3))


def accepted(cases: Cases) -> list[tuple[int, object]]:
    columns = {name(c): c for c in cases.original.columns}
    ids, text = cases.original[columns["id"]].tolist() if "id" in columns else [], columns["text"]
    marks = cases.original[columns["märke"]].tolist() if "märke" in columns else [None] * len(cases.texts)
    found = []
    for at, (number, case_id) in enumerate(zip(cases.fields["row"], cases.fields["case_id"], strict=True)):
        assert cases.fields["text"][at] == str(cases.original[text][at])
        case_id = ids[at] if ids and not case_id.startswith("c-") else ""
        found.append((number, (number, "", str(case_id), cases.texts[at], marks[at])))
    return found


def rejected(cases: Cases, file: CaseFile) -> list[tuple[int, object]]:
    wanted = {row.number: row for row in file.rows}
    found: list[tuple[int, object]] = []
    for record in cases.rejected.itertuples(index=False, name=None):
        _, number, column, reason, *cells = record
        row = wanted.get(number, Row("", ""))
        reason = row.reason if row.reason and row.reason in reason else reason
        if column == "(hela raden)":
            found.append((number, (number, "damaged", reason, plain(cells[0]))))
        else:
            names = [name(c) for c in cases.rejected.columns[4:]]
            values = dict(zip(names, map(str, cells), strict=True))
            found.append((number, (number, reason, values.get("id", ""), values["text"], values.get("märke"))))
    return found


def name(heading: object) -> str:
    """A heading as it was meant, whatever it looks like: `id`, `text`, `märke` or another one."""
    folded = " ".join(unicodedata.normalize("NFC", str(heading)).casefold().split())
    return {"ärende": "id", "case id": "id", "klagomål": "text", "klagomålstext": "text"}.get(folded, folded)


def plain(raw: str) -> str:
    """A run of replacement characters as one: how many bytes of a spoilt letter there were is of no interest."""
    return re.sub("\ufffd+", "\ufffd", raw)


FILES: dict[str, Callable[[], Iterator[CaseFile]]] = {
    "csv": csv_files,
    "excel": excel_files,
    "jsonl": jsonl_files,
    "parquet": parquet_files,
}


def test_there_are_two_thousand_files_and_each_is_another() -> None:
    files = [file for kind in FILES.values() for file in kind()]
    assert len(files) > 2_000
    assert len({file.name for file in files}) == len({file.content for file in files}) == len(files)
    again = [file.content for file in csv_files()]
    assert again == [file.content for file in files[: len(again)]]


@pytest.mark.parametrize("kind", FILES)
def test_every_row_of_every_file_is_read_once_or_the_file_is_refused(
    kind: str, tmp_path: Path, taxonomy: Taxonomy
) -> None:
    assert faults(FILES[kind](), tmp_path, taxonomy) == []


@pytest.mark.parametrize("kind", FILES)
def test_a_file_cut_off_anywhere_gives_its_first_rows_untouched_and_rejects_the_last_or_is_refused(
    kind: str, tmp_path: Path, taxonomy: Taxonomy
) -> None:
    chance, silent = random.Random(kind), []
    whole = [f for f in FILES[kind]() if not f.refusal and f.name.startswith(("plain", "is_plain", "string", "binary"))]
    for file in chance.sample(whole, min(len(whole), 100)):
        path = tmp_path / file.name
        path.write_bytes(file.content[: chance.randrange(1, len(file.content))])
        with suppress(InputError):
            cases = read_cases(path, taxonomy)
            texts = cases.texts
            # The last cell of the last row, here no text, is all that can be cut off without a sign.
            if texts != [row.text for row in file.rows[: len(texts)]] or len(cases.rejected) > 1:
                silent.append(f"{file.name}: {len(texts)} read, {len(cases.rejected)} rejected")
        path.unlink()
    assert whole
    assert silent == []


# --- the whole way -----------------------------------------------------------------------------------------------


def some_of_each() -> list[CaseFile]:
    """One CSV file of each layout and damage in each of two dialects, and two of each other kind."""
    chosen: dict[str, list[CaseFile]] = {}
    for kind in FILES.values():
        for file in kind():
            chosen.setdefault(file.name.split("-")[0] + Path(file.name).suffix, []).append(file)
    return [file for files in chosen.values() for file in files[:: max(len(files) // 2, 1)]]


def test_every_row_stands_once_in_the_labelled_or_the_rejected_file(tmp_path: Path, stored: StoredModel) -> None:
    endings, files = cycle((".csv", ".xlsx", ".jsonl", ".parquet")), some_of_each()
    assert len(files) >= 60
    for file, ending in zip(files, endings, strict=False):
        path = tmp_path / file.name
        path.write_bytes(file.content)
        output = tmp_path / f"ut{ending}"
        if file.refusal:
            with pytest.raises(InputError, match=re.escape(file.refusal)):
                label(path, output=output, model=stored)
            assert sorted(tmp_path.iterdir()) == [path]
        else:
            result = label(path, output=output, model=stored)[0]
            labelled = written(output)
            refused = written(result.rejected_output) if result.rejected_output else []
            check_written(file, labelled, refused)
            assert all(row["needs_review"] in ("true", "True", "false", "False") for row in labelled)
        for left in tmp_path.iterdir():
            left.unlink()


def check_written(file: CaseFile, labelled: list[dict[str, str]], refused: list[dict[str, str]]) -> None:
    sound, unsound = [row for row in file.rows if not row.reason], [row for row in file.rows if row.reason]
    assert [(row["text"], row.get("märke", "")) for row in labelled] == [(shown(r.text), r.mark) for r in sound], (
        file.name
    )
    ids = [row.get("id", row.get("case_id", "")) for row in labelled]
    assert len(set(ids)) == len(ids)
    # What Excel holds for true, not for text, is written as each format writes it.
    came = ["" if case_id.startswith("c-") else case_id.replace("true", "True") for case_id in ids]
    assert came == [shown(row.case_id) for row in sound], file.name
    assert [int(row["rejected_row"]) for row in refused] == [row.number for row in unsound], file.name
    for row, wanted in zip(refused, unsound, strict=True):
        assert wanted.reason in row["rejected_reason"]
        cells = list(row.values())[4:]
        assert plain(shown(wanted.raw)) in map(plain, cells) if wanted.raw else shown(wanted.text) in cells, file.name


def written(path: Path) -> list[dict[str, str]]:
    """The rows of a file that was written, by headings as they were meant, read without the package."""
    if path.suffix == ".csv":
        lines = path.read_bytes().decode("utf-8-sig")
        delimiter = max(";,\t|", key=lines.split("\r\n", 1)[0].count)
        headings, *records = csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter)
    elif path.suffix == ".xlsx":
        headings, *records = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    elif path.suffix == ".jsonl":
        objects = [json.loads(line) for line in path.read_bytes().decode().split("\n") if line]
        headings, records = list(objects[0]) if objects else [], [list(o.values()) for o in objects]
    else:
        table = pq.read_table(path)
        headings, records = table.column_names, list(zip(*(c.to_pylist() for c in table.columns), strict=True))
    return [dict(zip(map(name, headings), map(shown, record), strict=True)) for record in records]


def shown(value: object) -> str:
    """A value as text; what openpyxl leaves escaped is made plain, and Excel knows no date without a time."""
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    text = value.isoformat() if isinstance(value, date) else "" if value is None else str(value)
    return re.sub(r"_x00([01][0-9A-F]|41)_", lambda match: chr(int(match[1], 16)), text)


# --- garbled letters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["cp1252", "latin-1", "mac_roman"])
def test_garbled_letters_are_mended_for_the_model_and_go_out_as_they_came_in(
    page: str, tmp_path: Path, stored: StoredModel
) -> None:
    garbled = [text.encode().decode(page) for text in COMPLAINTS]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in garbled), encoding="utf-8")
    rows = label(path, model=stored)[0].rows
    assert [row["text"] for row in written(tmp_path / "a.labelled.jsonl")] == garbled
    ours = list(rows.columns[2:])
    assert rows[ours].to_dict("records") == label_texts(COMPLAINTS, stored)[ours].to_dict("records")


def test_clean_texts_are_not_touched_by_the_repair() -> None:
    """But for composing letters and leaving out what cannot be seen."""
    invisible = dict.fromkeys(map(ord, "\u00ad\u200b\u200d\ufeff"))
    for text in COMPLAINTS + HARD:
        assert repair(text) == unicodedata.normalize("NFC", text).translate(invisible)


@pytest.mark.parametrize("text", ["12345", "😡", "...", "where is my parcel and why have you not sent it to me"])
@pytest.mark.parametrize("ending", [".csv", ".xlsx", ".jsonl", ".parquet"])
def test_no_cause_is_guessed_of_what_cannot_be_read(
    text: str, ending: str, tmp_path: Path, stored: StoredModel
) -> None:
    write_table(pd.DataFrame({"id": ["1"], "text": [text]}), tmp_path / f"a{ending}")
    row = label(tmp_path / f"a{ending}", model=stored)[0].rows.iloc[0]
    assert (row["causes"], row["primary_cause"], row["needs_review"]) == ("", "", True)
    assert row["review_reason"] in ("texten har inga ord", "texten verkar inte vara på svenska")
