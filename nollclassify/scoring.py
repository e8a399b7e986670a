"""FLOW: labelled case files -> model -> scores, for people as tables and for programs as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nollclassify.atomic import write_text
from nollclassify.behaviours import behave, by_kind
from nollclassify.cases import check_unique_ids, read_cases
from nollclassify.errors import InputError
from nollclassify.evaluation import Scores, groups, indicator, score
from nollclassify.model_store import StoredModel, load_model
from nollclassify.settings import Settings, load_settings

# Below this many texts a channel's or product's figures say nothing.
MIN_TEXTS = 30


@dataclass(frozen=True)
class Evaluation:
    """Scores of a model on labelled files.

    Attributes:
        scores: over all texts.
        by_channel, by_product: value of the column -> scores, where there are at least 30 texts.
        too_few: `channel: n` or `product: n` of those with fewer.
        model_version: of the model.
        n_rejected: rows of the files that were refused.
        n_seen: texts that the model was trained on; their scores are too good.
        behaviours: the behaviour suite, one row a kind: `kind`, `n`, `share` that pass, `low`, `high`.
    """

    scores: Scores
    by_channel: dict[str, Scores]
    by_product: dict[str, Scores]
    too_few: tuple[str, ...]
    model_version: str
    n_rejected: int
    n_seen: int
    behaviours: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "model_version": self.model_version,
            "n_rejected": self.n_rejected,
            "n_seen_in_training": self.n_seen,
            **self.scores.to_dict(),
            "by_channel": {name: part.to_dict() for name, part in self.by_channel.items()},
            "by_product": {name: part.to_dict() for name, part in self.by_product.items()},
            "too_few": list(self.too_few),
            "behaviours": self.behaviours.to_dict("records"),
        }


def evaluate(
    *files: str | Path,
    model: str | Path | StoredModel | None = None,
    json_path: str | Path | None = None,
    settings: Settings | None = None,
) -> Evaluation:
    """Score a model on labelled case files.

    Args:
        files: labelled case files.
        model: a model directory or a loaded model; by default the champion of the settings.
        json_path: where to write the scores as JSON as well.
        settings: by default those of the working directory.

    Raises:
        InputError: a file that cannot be used, or no labelled row at all.
        ModelError: a model that cannot be used.
    """
    settings = settings or load_settings()
    stored = model if isinstance(model, StoredModel) else load_model(Path(model or settings.champion))
    every = [read_cases(Path(file), stored.taxonomy, labelled=True) for file in files]
    check_unique_ids(every)
    fields = pd.concat([cases.fields for cases in every], ignore_index=True) if every else pd.DataFrame()
    if fields.empty:
        raise InputError(f"{', '.join(map(str, files))}: inga märkta klagomål att mäta på; ange en märkt fil.")
    result = _evaluation(fields, stored, sum(len(cases.rejected) for cases in every))
    if json_path:
        write_text(Path(json_path), json.dumps(result.to_dict(), ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    return result


def _evaluation(fields: pd.DataFrame, stored: StoredModel, n_rejected: int) -> Evaluation:
    from nollclassify.evaluation import text_digest

    texts = fields["text"].tolist()
    truth = indicator(fields["causes"].tolist(), stored.model.cause_ids)
    probabilities = stored.model.probabilities(texts)
    decided = stored.model.decide(probabilities).astype(int)
    group = groups(texts, fields["author"].tolist())

    def part(at: Sequence[int] | np.ndarray) -> Scores:
        primary = fields["primary_cause"].to_numpy()[at].tolist()
        return score(truth[at], probabilities[at], decided[at], stored.model.cause_ids, group[at], primary)

    by_channel, few_channels = _by(fields["channel"], part)
    by_product, few_products = _by(fields["product"], part)
    seen = set(stored.held_out.digests)
    return Evaluation(
        scores=part(np.arange(len(texts))),
        by_channel=by_channel,
        by_product=by_product,
        too_few=(*few_channels, *few_products),
        model_version=stored.version,
        n_rejected=n_rejected,
        n_seen=sum(text_digest(text) in seen for text in texts),
        behaviours=by_kind(behave(stored.model)),
    )


def _by(column: pd.Series, part: Any) -> tuple[dict[str, Scores], list[str]]:
    at = {str(name): np.flatnonzero(column == name) for name in sorted(column.unique()) if name}
    enough = {name: part(rows) for name, rows in at.items() if len(rows) >= MIN_TEXTS}
    return enough, [f"{name}: {len(rows)}" for name, rows in at.items() if len(rows) < MIN_TEXTS]
