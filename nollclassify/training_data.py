"""What a training learns from: the starter corpus, labelled case files and corrections, checked and weighted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import as_file, files
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from nollclassify.answer_sheets import short
from nollclassify.case_files import format_of
from nollclassify.case_writing import EXCEL_CELL_LIMIT, write_table
from nollclassify.cases import Cases, check_unique_ids, read_cases
from nollclassify.classifier import Taught
from nollclassify.cold_start import certain, new_causes, taught_by
from nollclassify.corrections import Corrections
from nollclassify.errors import InputError
from nollclassify.evaluation import groups, indicator, text_digest
from nollclassify.model import prepare
from nollclassify.settings import Settings
from nollclassify.taxonomy import Taxonomy

MIN_EXAMPLES = 5


@dataclass(frozen=True)
class Corrected:
    """What the ledger of corrections gave a training; all counts are of texts, each once however many cases have it.

    Attributes:
        n: how many corrections are trained on.
        replaced: how many of them stand in place of the label of a labelled file or of the starter corpus.
        disputed: cases that are left out because their reviewers disagree.
        overruled: decisions on a text that was decided otherwise, later, in another case.
        unknown: cause that the taxonomy does not know -> how many corrections are left out because they name it.
        digest: of the texts and their causes; empty where there are none.
    """

    n: int = 0
    replaced: int = 0
    disputed: int = 0
    overruled: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True)
class TrainingData:
    """Labelled texts, ready to fit on.

    Attributes:
        texts, Y, group, weight, primary: n texts, labels (n, k), groups (n,), weights (n,), n primary causes.
        is_own: which texts are the user's own, of files or corrections, not the starter corpus's; shape (n,), bool.
        n_authors: how many known authors.
        digests: of each file by its name, and of the corrections.
        rejected: rows that were refused.
        corrected: what came from the ledger of corrections.
        taught: what the taxonomy says of causes that the starter corpus was not labelled for; None for none.
        left_out: how many of its texts are left out because they may have such a cause.
    """

    texts: list[str]
    Y: np.ndarray
    group: np.ndarray
    weight: np.ndarray
    primary: list[str]
    is_own: np.ndarray
    n_authors: int
    digests: dict[str, str]
    rejected: pd.DataFrame
    corrected: Corrected = field(default_factory=Corrected)
    taught: Taught | None = None
    left_out: int = 0


def read_starter(taxonomy: Taxonomy) -> Cases:
    """The starter corpus that comes with the package, read like any case file."""
    with as_file(files("nollclassify") / "data" / "starter_corpus.jsonl") as path:
        return read_cases(path, taxonomy, labelled=True)


def read_training_data(
    paths: Sequence[Path], taxonomy: Taxonomy, starter: bool, settings: Settings, corrections: bool = True
) -> TrainingData:
    """The texts of labelled files, beside the starter corpus's where `starter` is true; errors as from `train`.

    With `corrections`, what the reviewers agree on is learned too: it replaces the label of the same text elsewhere.
    Rows that are refused are also written beside their file, as NAME.rejected-in-training.
    """
    own = [read_cases(path, taxonomy, labelled=True) for path in paths]
    every = [*([read_starter(taxonomy)] if starter else []), *own]
    learned, corrected = _read_corrections(taxonomy, settings) if corrections else (_NOTHING, Corrected())
    if not every and learned.empty:
        raise InputError("inga träningstexter; ange minst en märkt fil eller utelämna --no-starter.")
    check_unique_ids(every)
    for cases in own:
        if len(cases.rejected):
            write_table(cases.rejected, _rejected_in_training(cases.path), cases.delimiter)
    own_weight = settings.own_text_weight if starter else 1.0
    parts = [cases.fields.assign(weight=own_weight if cases in own else 1.0, own=cases in own) for cases in every]
    fields, replaced = _corrected(pd.concat([*parts, _NOTHING], ignore_index=True), learned, own_weight)
    corrected = replace(corrected, replaced=replaced)
    Y = indicator(fields["causes"].tolist(), taxonomy.cause_ids)
    _check_examples(Y, taxonomy)
    is_starter = ~fields["own"].to_numpy(dtype=bool)
    new = new_causes(Y, is_starter)
    kept = certain(fields["text"].tolist(), Y, is_starter, new, taxonomy)
    fields, Y = fields[kept], Y[kept]
    texts = fields["text"].tolist()
    return TrainingData(
        texts,
        Y,
        groups(texts, fields["author"].tolist()),
        fields["weight"].to_numpy(dtype=float),
        fields["primary_cause"].tolist(),
        fields["own"].to_numpy(dtype=bool),
        fields.loc[fields["author"] != "", "author"].nunique(),
        {cases.path.name: _data_digest(cases.fields) for cases in every},
        pd.concat([cases.rejected for cases in own], ignore_index=True) if own else pd.DataFrame(),
        corrected,
        taught_by(taxonomy, new, own_weight),
        int((~kept).sum()),
    )


def masked_texts(data: TrainingData) -> dict[str, str]:
    """Name of each text (`text_digest`) -> the text, masked: so that a person can read what was predicted wrongly."""
    return {text_digest(text): prepare(text) for text in data.texts}


# --- corrections -------------------------------------------------------------------------------------------------

_NOTHING = pd.DataFrame({name: pd.Series(dtype="str") for name in ("text", "causes", "primary_cause", "author")})


def _read_corrections(taxonomy: Taxonomy, settings: Settings) -> tuple[pd.DataFrame, Corrected]:
    """What reviewers agree on, one row a text: `text` (masked), `causes`, `primary_cause`, `author`, `digest`."""
    ledger = Corrections(settings.corrections)
    settled = ledger.settled().sort_values("number")
    foreign = [sorted(set(filter(None, cell.split(";"))) - set(taxonomy.cause_ids)) for cell in settled["causes"]]
    known = settled[np.array([not causes for causes in foreign], dtype=bool)]
    # One text may be several cases, decided differently: the latest decision is the one that holds.
    rows = known.assign(digest=[text_digest(text) for text in known["text"]])
    rows = rows.assign(primary_cause=rows["causes"].str.split(";").str[0].astype("str"), author="")
    kept = rows.drop_duplicates("digest", keep="last").reset_index(drop=True)
    agreed = rows.merge(kept[["digest", "causes"]], on="digest", suffixes=("", "_kept"))
    return kept[["text", "causes", "primary_cause", "author", "digest"]], Corrected(
        n=len(kept),
        disputed=ledger.conflicts()["key"].nunique(),
        overruled=int((agreed["causes"] != agreed["causes_kept"]).sum()),
        unknown=dict(Counter(chain.from_iterable(foreign))),
        digest=_data_digest(kept) if len(kept) else "",
    )


def _corrected(fields: pd.DataFrame, learned: pd.DataFrame, weight: float) -> tuple[pd.DataFrame, int]:
    """The training texts with corrected labels in place, and the other corrected texts after them; how many replaced.

    A text in place keeps what is known of it, its author above all, and weighs as one of the user's own.
    """
    if learned.empty:
        return fields, 0
    # Masking what is masked already changes nothing, so a text from the ledger has the digest that it had in its file.
    digests = pd.Series([text_digest(_as_reviewed(text)) for text in fields["text"]], dtype="str")
    here = digests.isin(learned["digest"])
    labels = learned.set_index("digest")[["causes", "primary_cause"]].loc[digests[here].tolist()]
    fields.loc[here, ["causes", "primary_cause"]] = labels.to_numpy()
    fields.loc[here, ["weight", "own"]] = weight, True
    rest = learned[~learned["digest"].isin(digests)].drop(columns="digest").assign(weight=weight, own=True)
    return pd.concat([fields, rest], ignore_index=True), len(learned) - len(rest)


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


def _as_reviewed(text: str) -> str:
    """The text as a reviewer saw it: one that fills a cell was cut off. Masks make no text four times as long."""
    return text if len(text) <= EXCEL_CELL_LIMIT // 4 else short(prepare(text))


def _data_digest(fields: pd.DataFrame) -> str:
    content = "\x1e".join(f"{t}\x1f{c}" for t, c in zip(fields["text"], fields["causes"], strict=True))
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()
