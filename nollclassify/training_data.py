"""What a training learns from: the starter corpus and labelled case files, checked and weighted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd

from nollclassify.case_files import format_of
from nollclassify.case_writing import write_table
from nollclassify.cases import Cases, check_unique_ids, read_cases
from nollclassify.errors import InputError
from nollclassify.evaluation import groups, indicator
from nollclassify.settings import Settings
from nollclassify.taxonomy import Taxonomy

MIN_EXAMPLES = 10


@dataclass(frozen=True)
class TrainingData:
    """Labelled texts, ready to fit on: texts, labels (n, k), groups (n,), weights (n,), primary causes, digests."""

    texts: list[str]
    Y: np.ndarray
    group: np.ndarray
    weight: np.ndarray
    primary: list[str]
    n_authors: int
    digests: dict[str, str]
    rejected: pd.DataFrame


def read_starter(taxonomy: Taxonomy) -> Cases:
    """The starter corpus that comes with the package, read like any case file."""
    with as_file(files("nollclassify") / "data" / "starter_corpus.jsonl") as path:
        return read_cases(path, taxonomy, labelled=True)


def read_training_data(paths: Sequence[Path], taxonomy: Taxonomy, starter: bool, settings: Settings) -> TrainingData:
    """The texts of labelled files, beside the starter corpus's where `starter` is true; errors as from `train`.

    Rows that are refused are also written beside their file, as NAME.rejected-in-training.
    """
    own = [read_cases(path, taxonomy, labelled=True) for path in paths]
    every = [*([read_starter(taxonomy)] if starter else []), *own]
    if not every:
        raise InputError("inga träningstexter; ange minst en märkt fil eller utelämna --no-starter.")
    check_unique_ids(every)
    for cases in own:
        if len(cases.rejected):
            write_table(cases.rejected, _rejected_in_training(cases.path), cases.delimiter)
    fields = pd.concat([cases.fields for cases in every], ignore_index=True)
    weight = np.concatenate(
        [np.full(len(c.fields), settings.own_text_weight if starter and c in own else 1.0) for c in every]
    )
    Y = indicator(fields["causes"].tolist(), taxonomy.cause_ids)
    _check_examples(Y, taxonomy)
    texts = fields["text"].tolist()
    return TrainingData(
        texts,
        Y,
        groups(texts, fields["author"].tolist()),
        weight,
        fields["primary_cause"].tolist(),
        fields.loc[fields["author"] != "", "author"].nunique(),
        {cases.path.name: _data_digest(cases) for cases in every},
        pd.concat([cases.rejected for cases in own], ignore_index=True) if own else pd.DataFrame(),
    )


def _rejected_in_training(path: Path) -> Path:
    """Another name than that of the rows which labelling rejected: those are other rows."""
    return path.with_name(f"{path.stem}.rejected-in-training{'.xlsx' if format_of(path) == 'excel' else path.suffix}")


def _check_examples(Y: np.ndarray, taxonomy: Taxonomy) -> None:
    for cause, count in zip(taxonomy.causes, Y.sum(axis=0), strict=True):
        if count < MIN_EXAMPLES:
            raise InputError(
                f"{cause.name_sv} ({cause.id}): {count} märkta exempel, minst {MIN_EXAMPLES} behövs; "
                "märk fler klagomål eller ta bort orsaken ur taxonomin."
            )
        if len(Y) - count < MIN_EXAMPLES:
            raise InputError(
                f"{cause.name_sv} ({cause.id}): nästan alla texter har orsaken; lägg till klagomål utan den."
            )


def _data_digest(cases: Cases) -> str:
    content = "\x1e".join(f"{t}\x1f{c}" for t, c in zip(cases.fields["text"], cases.fields["causes"], strict=True))
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
