"""FLOW: case files -> model -> labelled file and rejected rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from nollclassify import swedish
from nollclassify.case_files import format_of
from nollclassify.case_writing import write_table
from nollclassify.cases import Cases, read_cases, rejected_path
from nollclassify.errors import InputError
from nollclassify.model import Reading, prepare
from nollclassify.model_store import StoredModel, load_model
from nollclassify.settings import Settings, load_settings

Progress = Callable[[int, int], None]
_CHUNK = 2_000
# Evidence: at most this many stretches a cause, each carrying at least this share of all that spoke for it.
_MAX_STRETCHES, _MIN_SHARE = 3, 0.08
# Above this share of words that training did not know, the model has too little to go by.
_TOO_UNKNOWN, _ENOUGH_WORDS = 0.6, 4
_WORDLESS, _FOREIGN = "texten har inga ord", "texten verkar inte vara på svenska"


@dataclass(frozen=True)
class Labelled:
    """What became of one case file.

    Attributes:
        output: the labelled file.
        rejected_output: the rejected rows' file, None where no row was rejected.
        rows: the labelled rows.
        rejected: the rejected rows.
    """

    output: Path
    rejected_output: Path | None
    rows: pd.DataFrame
    rejected: pd.DataFrame


def label(
    *files: str | Path,
    output: str | Path | None = None,
    model: str | Path | StoredModel | None = None,
    force: bool = False,
    precision: float | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> list[Labelled]:
    """Label case files and write, for each, a labelled file and a file of rejected rows.

    Args:
        files: one or more case files.
        output: the labelled file (or, for several files, a folder); by default beside the input, `NAME.labelled.END`.
        model: a model directory or a loaded model; by default the champion of the settings.
        force: replace an output that is already there.
        precision: 0.80 to 0.99: label a cause only with this precision, and leave to review whatever keeps the
            label sets of the rest from being wholly right in this share. By default thresholds are those of best F1.
        settings: by default those of the working directory.
        progress: called with the rows done and the rows in all.

    Returns:
        One `Labelled` a file, in order.

    Raises:
        InputError: a file that cannot be used, or an output that exists.
        ModelError: a model that cannot be used.
    """
    settings = settings or load_settings()
    stored = model if isinstance(model, StoredModel) else load_model(Path(model or settings.champion))
    stored, settings = _at_precision(stored, settings, precision)
    paths = [Path(file) for file in files]
    plan = list(zip(paths, _outputs(paths, output), strict=True))
    _check_outputs(plan, force)
    return [_label_file(path, target, stored, settings, progress) for path, target in plan]


def _at_precision(stored: StoredModel, settings: Settings, precision: float | None) -> tuple[StoredModel, Settings]:
    if precision is None:
        return stored, settings
    try:
        strict, level = stored.model.at_precision(precision)
    except ValueError:
        raise InputError(f"--precision {precision}: ange ett tal från 0.80 till 0.99.") from None
    return replace(stored, model=strict), replace(settings, review_below=level)


def _outputs(paths: Sequence[Path], output: str | Path | None) -> list[Path]:
    if output is None:
        return [path.with_name(f"{path.stem}.labelled{_ending(path)}") for path in paths]
    if len(paths) == 1 and not Path(output).is_dir():
        return [Path(output)]
    if Path(output).suffix and not Path(output).is_dir():
        raise InputError(f"{output}: flera filer kan inte bli en; ange en mapp med --output.")
    return [Path(output) / f"{path.stem}.labelled{_ending(path)}" for path in paths]


def _ending(path: Path) -> str:
    return ".xlsx" if format_of(path) == "excel" else path.suffix


def _check_outputs(plan: Sequence[tuple[Path, Path]], force: bool) -> None:
    """No file that will be written may be an input, be written twice, or be there already unless `force`."""
    inputs, seen = {path.resolve() for path, _ in plan}, set()
    for _, target in plan:
        format_of(target)
        for written in (target, rejected_path(target)):
            if written.resolve() in inputs:
                raise InputError(f"{written}: resultatet kan inte skrivas över indata; välj ett annat --output.")
            if written.resolve() in seen:
                raise InputError(f"{written}: två filer skulle få samma resultat; märk dem var för sig.")
            if written.exists() and not force:
                raise InputError(f"{written}: filen finns redan; ange --force för att ersätta den.")
            seen.add(written.resolve())


def _label_file(
    path: Path, target: Path, stored: StoredModel, settings: Settings, progress: Progress | None
) -> Labelled:
    cases = read_cases(path, stored.taxonomy)
    labels = label_texts(cases.texts, stored, settings, progress)
    rows = _joined(cases, labels)
    rejected = rejected_path(target)
    if len(cases.rejected):
        write_table(cases.rejected, rejected, cases.delimiter)
    else:
        rejected.unlink(missing_ok=True)  # of an earlier labelling that is being replaced
    write_table(rows, target, cases.delimiter)
    return Labelled(target, rejected if len(cases.rejected) else None, rows, cases.rejected)


def _joined(cases: Cases, labels: pd.DataFrame) -> pd.DataFrame:
    """The columns that came in, then ours. An incoming column with one of our names is kept as `NAME_in`."""
    names = list(cases.original.columns)
    for at in range(len(names)):
        while names[at] in labels.columns or names.count(names[at]) > 1:
            names[at] += "_in"
    original = cases.original.set_axis(names, axis=1)
    ids = pd.DataFrame({} if cases.has_ids else {"case_id": cases.fields["case_id"]})
    return pd.concat([original, ids, labels], axis=1)


def label_texts(
    texts: Sequence[str], stored: StoredModel, settings: Settings | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """Label raw texts: one row a text, in order, with the columns that `label` adds.

    Columns: `causes` (ids joined by `;`, primary first, empty for other), `primary_cause`, `p_<cause>` (0 to 1, four
    decimals), `evidence`, `needs_review` (bool), `review_reason`, `model_version`, `taxonomy_version`.
    A text without letters or in another language is never guessed at: other, with the reason.
    """
    settings = settings or Settings()
    parts = []
    for start in range(0, len(texts), _CHUNK):
        parts.append(_label_chunk(texts[start : start + _CHUNK], stored, settings))
        if progress:
            progress(min(start + _CHUNK, len(texts)), len(texts))
    return pd.concat(parts, ignore_index=True) if parts else _label_chunk([], stored, settings)


def _label_chunk(texts: Sequence[str], stored: StoredModel, settings: Settings) -> pd.DataFrame:
    model, n = stored.model, len(texts)
    prepared = [prepare(text) for text in texts]
    reading = model.read([swedish.words(text) for text in prepared])
    probabilities = np.round(model.calibrated(reading.scores), 4)
    wordless, foreign = reading.signs[:, 0] == 0, swedish.looks_foreign(reading.signs)
    decided = model.decide(probabilities) & ~(wordless | foreign)[:, None]
    order = np.argsort(-probabilities, axis=1, kind="stable").tolist()
    labelled = {i: [k for k in order[i] if decided[i, k]] for i in np.flatnonzero(decided.any(axis=1)).tolist()}
    names = {i: [model.cause_ids[k] for k in causes] for i, causes in labelled.items()}
    unreadable = np.select([wordless, foreign], [_WORDLESS, _FOREIGN], "")
    reasons = _reasons(reading, probabilities, decided, unreadable, stored, settings)
    return pd.DataFrame(
        {
            "causes": pd.Series([";".join(names.get(i, ())) for i in range(n)], dtype=object),
            "primary_cause": pd.Series([names[i][0] if i in names else "" for i in range(n)], dtype=object),
            **{f"p_{c}": probabilities[:, k] for k, c in enumerate(model.cause_ids)},
            "evidence": pd.Series(_evidence(prepared, reading, labelled), dtype=object),
            "needs_review": pd.Series([bool(r) for r in reasons], dtype=object),
            "review_reason": pd.Series(reasons, dtype=object),
            "model_version": pd.Series([stored.version] * n, dtype=object),
            "taxonomy_version": pd.Series([stored.taxonomy.version] * n, dtype=object),
        }
    )


def _reasons(
    reading: Reading,
    probabilities: np.ndarray,
    decided: np.ndarray,
    unreadable: np.ndarray,
    stored: StoredModel,
    settings: Settings,
) -> list[str]:
    """Why a person should look at each case; empty where the model is sure of the whole label set."""
    unsure = stored.model.confidence(probabilities) < settings.review_below
    lengths = np.diff(reading.words.batch.first)
    unknown = (lengths >= _ENOUGH_WORDS) & (reading.unknown_share() > _TOO_UNKNOWN)
    result: list[str] = unreadable.tolist()
    asked = unsure | unknown | reading.unlike | (decided.sum(axis=1) > 1)
    for i in np.flatnonzero(asked & (unreadable == "")).tolist():
        reasons = [_doubt(probabilities[i], decided[i], stored)] if unsure[i] else []
        reasons += _together(decided[i], stored)
        if unknown[i]:
            reasons.append("många ord som modellen inte har mött")
        elif reading.unlike[i]:
            reasons.append("liknar inget som modellen har tränats på")
        result[i] = "; ".join(reasons)
    return result


def _doubt(probabilities: np.ndarray, decided: np.ndarray, stored: StoredModel) -> str:
    least = int(np.where(decided, probabilities, 1 - probabilities).argmin())
    cause = stored.taxonomy.cause(stored.model.cause_ids[least])
    sign = "kanske inte" if decided[least] else "kanske också" if decided.any() else "kanske"
    return f"osäker: {sign} {cause.name_sv} ({_percent(probabilities[least])})"


def _together(decided: np.ndarray, stored: StoredModel) -> list[str]:
    """Labelled causes that hardly ever stand together."""
    rows, columns = np.nonzero(np.triu(stored.model.exclusive & np.outer(decided, decided), k=1))
    names = [stored.taxonomy.cause(cause).name_sv for cause in stored.model.cause_ids]
    return [f"{names[i]} och {names[j]} brukar utesluta varandra" for i, j in zip(rows, columns, strict=True)]


def _percent(probability: float) -> str:
    return f"{100 * probability:.0f} %"


def _evidence(prepared: Sequence[str], reading: Reading, labelled: Mapping[int, Sequence[int]]) -> list[str]:
    """What spoke for the causes (by number, the most probable first) of each labelled text; empty for the others."""
    result, cause_ids = [""] * len(prepared), reading.model.cause_ids
    for (i, causes), weight in zip(labelled.items(), reading.contributions(list(labelled)), strict=True):
        places = swedish.spans(prepared[i])
        found = [(cause_ids[k], stretches(places, weight[:, k])) for k in causes]
        result[i] = "; ".join(
            f"{cause}: " + ", ".join(f'"{prepared[i][a:b]}"' for a, b in spans)
            for cause, spans in found
            if spans  # none where the second reading alone spoke for the cause
        )
    return result


def stretches(words: Sequence[tuple[int, int]], weights: np.ndarray) -> list[tuple[int, int]]:
    """The offsets of the stretches of a text that spoke most for a cause, in reading order.

    Neighbouring words that speak for it form one stretch; a stretch counts by the sum of its words' weights.

    Args:
        words: where each word begins and ends.
        weights: shape (n_words,).
    """
    spans: list[tuple[int, int, float]] = []
    floor = 0.02 * weights[weights > 0].sum()
    previous = -2
    for i in np.flatnonzero(weights > floor).tolist():
        (start, end), weight = words[i], float(weights[i])
        if i == previous + 1:
            start, weight = spans[-1][0], spans.pop()[2] + weight
        spans.append((start, end, weight))
        previous = i
    total = sum(weight for *_, weight in spans)
    best = sorted(spans, key=lambda span: -span[2])[:_MAX_STRETCHES]
    kept = [span for n, span in enumerate(best) if n == 0 or span[2] >= _MIN_SHARE * total]
    return [(start, end) for start, end, _ in sorted(kept)]
