"""Labelled months to audit, and workbooks filled in as people do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from nollclassify.auditing import read_audit
from nollclassify.case_writing import write_table
from nollclassify.errors import InputError
from nollclassify.taxonomy import Taxonomy

CAUSES = ["wait_time", "", "campaign_backlash;wait_time", "invoice_before_delivery"]


def labelled(path: Path, ids: Sequence[Any], month: str = "2020-03", **columns: Sequence[str]) -> Path:
    """A file as `label` writes it, with these cases."""
    n = len(ids)
    frame = pd.DataFrame(
        {
            "ärende": ids,
            "datum": [f"{month}-{1 + i % 28:02d}" for i in range(n)],
            "kanal": "telefon",
            "produkt": [("Faktura", "Kort", "Appen")[i % 3] for i in range(n)],
            "klagomål": [f"sak{i} ord{i} rad{i}" for i in range(n)],
            "causes": [CAUSES[i % 4] for i in range(n)],
            "primary_cause": [CAUSES[i % 4].split(";")[0] for i in range(n)],
            "model_version": "20200101-abc",
            **columns,
        },
        dtype=object,
    )
    write_table(frame, path)
    return path


def sheet_of(path: Path) -> Worksheet:
    return openpyxl.load_workbook(path)["granskning"]


def rows_of(path: Path, sheet: str = "granskning") -> list[dict[str, Any]]:
    """The rows of a sheet by heading; an empty cell is None."""
    values = list(openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True))
    return [dict(zip(values[0], row, strict=True)) for row in values[1:]]


def fill(path: Path, answer: Callable[[Worksheet], None]) -> Path:
    """Fill the workbook in as a person does, with openpyxl, and save it."""
    workbook = openpyxl.load_workbook(path)
    answer(workbook["granskning"])
    workbook.save(path)
    return path


def write_answers(*answers: Sequence[str | None]) -> Callable[[Worksheet], None]:
    """Answers from the first row on: primary cause, and others."""

    def write(sheet: Worksheet) -> None:
        for row, causes in enumerate(answers, 2):
            for column, cause in enumerate(causes, 6):
                sheet.cell(row, column).value = cause

    return write


def refusal(path: Path, taxonomy: Taxonomy) -> str:
    with pytest.raises(InputError) as caught:
        read_audit(path, taxonomy)
    return str(caught.value).removeprefix(f"{path}: ")
