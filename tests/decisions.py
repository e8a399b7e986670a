"""Decisions of reviewers, as they are handed to the ledger."""

from __future__ import annotations

from typing import Any

import pandas as pd

from nollclassify.corrections import Corrections, Imported

SIMPLE = {
    **dict.fromkeys(("received", "channel", "product", "comment", "reason"), ""),
    "proposed": "wait_time",
    "causes": "",
    "taken_back": False,
    "reviewer": "Anna",
    "file": "bok.xlsx",
    "line": 2,
    "chosen": "useful",
    "probability": 0.5,
    "model_version": "20200101-abc",
    "taxonomy_version": "2020.1",
}


def decision(case: str, causes: str = "", reviewer: str = "Anna", **others: Any) -> dict[str, Any]:
    """One row of what `Corrections.append` takes."""
    made = {"key": f"key-{case}", "case_id": case, "text": f"klagomål {case}", "causes": causes, "reviewer": reviewer}
    return SIMPLE | made | others


def decide(ledger: Corrections, *rows: dict[str, Any]) -> Imported:
    return ledger.append(pd.DataFrame(rows, columns=list(decision(""))))
