"""What the model says of raw texts: causes, probabilities, evidence, and why a person should look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from nollclassify import swedish
from nollclassify.model import Reading, prepare
from nollclassify.model_store import StoredModel
from nollclassify.settings import Settings

_CHUNK = 2_500
# Evidence: at most this many stretches a cause, each carrying at least this share of all that spoke for it.
_MAX_STRETCHES, _MIN_SHARE = 3, 0.08
# Above this share of words that training did not know, the model has too little to go by.
_TOO_UNKNOWN, _ENOUGH_WORDS = 0.6, 4
_WORDLESS, _FOREIGN = "texten har inga ord", "texten verkar inte vara på svenska"


def label_texts(texts: Sequence[str], stored: StoredModel, settings: Settings | None = None) -> pd.DataFrame:
    """Label raw texts: one row a text, in order, with the columns that `label` adds.

    Columns: `causes` (ids joined by `;`, primary first, empty for other), `primary_cause`, `p_<cause>` (0 to 1, four
    decimals), `evidence`, `needs_review` (bool), `review_reason`, `model_version`, `taxonomy_version`.
    A text without letters or in another language is never guessed at: other, with the reason.
    """
    settings = settings or Settings()
    starts = range(0, max(len(texts), 1), _CHUNK)
    return pd.concat([_label_chunk(texts[at : at + _CHUNK], stored, settings) for at in starts], ignore_index=True)


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


def many_unknown(reading: Reading) -> np.ndarray:
    """Whether most of each text's words were not known in training, shape (n_texts,), bool."""
    lengths = np.diff(reading.words.batch.first)
    unknown: np.ndarray = (lengths >= _ENOUGH_WORDS) & (reading.unknown_share() > _TOO_UNKNOWN)
    return unknown


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
    unknown = many_unknown(reading)
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
            # On one line, for it becomes a cell: neighbouring words may stand in two paragraphs.
            f"{cause}: " + ", ".join(f'"{" ".join(prepared[i][a:b].split())}"' for a, b in spans)
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
