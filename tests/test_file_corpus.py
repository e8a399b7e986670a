"""What companies have is read whole: 2,000 and more files, every row once and in order, or a sentence that says why."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from nollclassify.cases import Cases, read_cases
from nollclassify.errors import InputError
from nollclassify.taxonomy import Taxonomy
from tests.file_corpus import COMPLAINTS, CaseFile, Row, csv_files

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


def test_every_row_of_a_csv_file_is_read_once_or_the_file_is_refused(tmp_path: Path, taxonomy: Taxonomy) -> None:
    assert faults(csv_files(), tmp_path, taxonomy) == []
