"""FLOW: training texts with suspected label errors, or cases like a description -> a workbook to fill in."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd

from nollclassify.answer_sheets import new_book
from nollclassify.case_files import ENDINGS
from nollclassify.cases import check_unique_ids, read_cases
from nollclassify.corrections import Corrections
from nollclassify.errors import InputError
from nollclassify.evaluation import text_digest
from nollclassify.gate import HeldOut
from nollclassify.model_store import StoredModel
from nollclassify.review_books import write_book
from nollclassify.reviewing import explained
from nollclassify.sampling import USEFUL
from nollclassify.settings import Settings, load_settings
from nollclassify.similar import described, similar
from nollclassify.suspects import suspects_of, why
from nollclassify.taxonomy import OTHER, Taxonomy, load_taxonomy
from nollclassify.text_labels import label_texts
from nollclassify.training_data import read_starter

_FIELDS = ["case_id", "received", "channel", "product", "text", "causes"]
# Bytes of a file's name; and from which likeness on, 0 to 1, a name is taken for a cause's, misspelled.
_LONGEST_NAME, _NEAR = 255, 0.7


@dataclass(frozen=True)
class Queue:
    """What was written: how many cases, of how many that might have been, and the workbook to fill in.

    `notes` are Swedish sentences on how what was looked for was understood.
    """

    n: int
    n_cases: int
    output: Path
    notes: tuple[str, ...] = ()


def review_training(
    *paths: str | Path,
    model: StoredModel,
    output: str | Path,
    n: int = 60,
    force: bool = False,
    settings: Settings | None = None,
) -> Queue:
    """Write the training texts whose label is probably wrong, the surest first, to a workbook to fill in.

    A text is looked up by its digest in the starter corpus, in `paths` and in the ledger of corrections; one that
    stands in none of them, or whose label has been changed since the model was trained, is left out.

    Args:
        paths: labelled files that the model was trained on, beside the starter corpus.
        model: whose held-out predictions are asked.
        output: the workbook, .xlsx.
        n: at most so many cases.
        force: replace a workbook that is already there.
        settings: by default those of the working directory.

    Raises:
        InputError: a file that cannot be used, n below 1, an output that exists, or nothing to suspect.
    """
    settings, taxonomy = _begun(output, n, force, settings)
    known = _training_cases(paths, taxonomy, settings)
    found = suspects_of(model.held_out)
    here = found[found["digest"].isin(known.index)].reset_index(drop=True)
    cases = known.loc[here["digest"]].reset_index(drop=True)
    unchanged = cases["causes"].map(_as_set) == here["given"].map(_as_set)
    cases, here = (part[unchanged].head(n).reset_index(drop=True) for part in (cases, here))
    if cases.empty:
        raise InputError(
            "inga misstänkta etiketter bland träningstexterna; ange de märkta filer som modellen tränades på."
        )
    reasons = [why(row, taxonomy) for row in here.to_dict("records")]
    labels = _as_held_out(label_texts(cases["text"].tolist(), model, settings), here, model.held_out)
    target = _write(output, cases, labels, reasons, model, taxonomy, force)
    return Queue(len(cases), int(unchanged.sum()), target)


def review_similar(
    *paths: str | Path,
    like: Sequence[str],
    model: StoredModel,
    output: str | Path,
    n: int = 30,
    force: bool = False,
    answers: Mapping[str, Sequence[str]] | None = None,
    settings: Settings | None = None,
) -> Queue:
    """Write the n cases most like what is looked for, the most similar first, to a workbook to fill in.

    There are fewer where fewer are more like it than the average case.

    Args:
        paths: case files, labelled or not.
        like: what is looked for: the name of a cause (its definition and examples are), the path of a case file (each
            of its texts is an example), or any other text.
        model: whose words are compared, and whose labels are proposed.
        output, n, force, settings: as for `review_training`.
        answers: case id -> causes that are known already, primary first (none for other); they are filled in.

    Raises:
        InputError: a file that cannot be used, n below 1, an output that exists, nothing that can be looked for, or
            nothing found.
    """
    settings, taxonomy = _begun(output, n, force, settings)
    read = [read_cases(Path(path), taxonomy) for path in paths]
    if not read:
        raise InputError("ingen ärendefil är angiven; ange filer att söka i.")
    check_unique_ids(read)
    fields = pd.concat([cases.fields for cases in read], ignore_index=True)
    query, examples, unlike, notes = _looked_for(like, taxonomy)
    try:
        found = similar(fields["text"].tolist(), model.model.vocabulary, query, examples, unlike, n)
    except ValueError:
        raise InputError(
            "--like: modellen känner inget av orden; skriv fler ord eller ange en fil med exempel."
        ) from None
    found = found[found["similarity"] > 0]
    if found.empty:
        raise InputError(
            "--like: inget klagomål i filerna liknar det som söks; skriv andra ord eller ange en fil med exempel."
        )
    cases = fields.iloc[found["position"]].reset_index(drop=True)
    # How like it is stays out: beside the proposal's probability it would be read as one.
    reasons = ["liknar det som söks"] * len(cases)
    labels = label_texts(cases["text"].tolist(), model, settings)
    target = _write(output, cases, labels, reasons, model, taxonomy, force, answers)
    return Queue(len(cases), len(fields), target, notes)


def _begun(output: str | Path, n: int, force: bool, settings: Settings | None) -> tuple[Settings, Taxonomy]:
    settings = settings or load_settings()
    if n < 1:
        raise InputError(f"--n {n}: ange minst 1 klagomål att granska.")
    new_book(output, force)
    return settings, load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)


def _training_cases(paths: Sequence[str | Path], taxonomy: Taxonomy, settings: Settings) -> pd.DataFrame:
    """The cases of starter corpus, labelled files and corrections by the digests of their texts; the last of equals."""
    own = [read_cases(Path(path), taxonomy, labelled=True) for path in paths]
    starter = read_starter(taxonomy)
    every = [starter, *own]
    check_unique_ids(every)
    # Its codes for where a text would have come in are no words of the reader's.
    starter.fields["channel"] = ""
    decided = Corrections(settings.corrections).settled().sort_values("number")
    fields = pd.concat([cases.fields[_FIELDS] for cases in every] + [decided[_FIELDS]], ignore_index=True)
    fields.index = pd.Index([text_digest(text) for text in fields["text"]])
    fields = fields[~fields.index.duplicated(keep="last")]
    return fields[~fields["case_id"].duplicated(keep="last")]


def _as_set(causes: str) -> frozenset[str]:
    return frozenset(filter(None, causes.split(";")))


def _looked_for(like: Sequence[str], taxonomy: Taxonomy) -> tuple[list[str], list[str], list[str], tuple[str, ...]]:
    """Texts that describe what is looked for, examples of it, texts that only look like it, and what to tell of it."""
    query: list[str] = []
    examples: list[str] = []
    unlike: list[str] = []
    notes: list[str] = []
    for item in like:
        cause = taxonomy.find_cause(item)
        if cause and cause != OTHER:
            meant, not_meant = described(taxonomy.cause(cause))
            query += meant
            unlike += not_meant
        elif len(os.fsencode(item)) < _LONGEST_NAME and Path(item).is_file():
            examples += read_cases(Path(item), taxonomy).fields["text"].tolist()
        elif Path(item).suffix.lower() in (*ENDINGS, ".json"):
            raise InputError(f"--like {item}: filen finns inte; ange en fil som finns, en orsaks namn eller egna ord.")
        else:
            query.append(item)
            notes += [] if cause else [f"Ingen orsak heter så; söker på orden.{_meant(item, taxonomy)}"]
    return query, examples, unlike, tuple(dict.fromkeys(notes))


def _meant(item: str, taxonomy: Taxonomy) -> str:
    """A question with the name of the cause that is spelled almost like this; empty where none is."""
    names = {cause.name_sv.casefold(): cause.name_sv for cause in taxonomy.causes}
    near = get_close_matches(item.casefold(), names, n=1, cutoff=_NEAR)
    return f" Menade du {names[near[0]]}?" if near else ""


# --- writing -----------------------------------------------------------------------------------------------------


def _write(
    output: str | Path,
    cases: pd.DataFrame,
    labels: pd.DataFrame,
    reasons: Sequence[str],
    model: StoredModel,
    taxonomy: Taxonomy,
    force: bool,
    answers: Mapping[str, Sequence[str]] | None = None,
) -> Path:
    """A book of all these cases, in this order, with what `labels` (as from `label_texts`) proposes for them."""
    columns = [f"p_{cause}" for cause in model.model.cause_ids]
    written = {name: labels[name].map("{:.4f}".format) for name in columns}
    labels = labels.assign(**written, primary=labels["primary_cause"].where(labels["primary_cause"] != "", OTHER))
    fields = cases[["case_id", "received", "channel", "product", "text"]]
    # The model's causes, for the taxonomy may have one that the model has yet to learn.
    asked = explained(pd.concat([fields, labels], axis=1), model.taxonomy)
    asked = asked.assign(month=asked["received"].str.slice(0, 7), reason=reasons)
    frame = pd.DataFrame(
        {
            "stratum": asked["primary"],
            "drawn": True,
            "probability": 1.0,
            "chosen": USEFUL,
            "rank": np.arange(1, len(asked) + 1),
        }
    )
    return write_book(output, asked, frame, taxonomy, force, answers)


def _as_held_out(labels: pd.DataFrame, suspected: pd.DataFrame, held_out: HeldOut) -> pd.DataFrame:
    """The labels with what was said of the texts before they were learned, wrong label and all."""
    seen = held_out.probabilities[suspected["position"].to_numpy()]
    before = {f"p_{cause}": seen[:, k] for k, cause in enumerate(held_out.cause_ids)}
    suggested = suspected["suggested"]
    return labels.assign(**before, causes=suggested, primary_cause=suggested.str.split(";").str[0])
