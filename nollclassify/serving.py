"""The registered model as MLflow serves it (models-from-code): a data frame with `text` in, the columns of `label` out.

Why code and not MLflow's scikit-learn flavour: a text pipeline logged that way and called with a one-column frame
classifies the column's name. Here the columns are explicit, and wrong ones are refused. The refusal is ours,
not that of MLflow's schema or an MlflowException, because those print the data: a complaint's text must not get into
an error or a log.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from nollclassify.errors import InputError
from nollclassify.model_store import load_model
from nollclassify.text_labels import label_texts


class LabelModel(PythonModel):
    """Labels texts with the model directory among its artefacts."""

    def load_context(self, context: PythonModelContext) -> None:
        self.stored = load_model(Path(context.artifacts["model"]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Label the column `text`; InputError where there is none, or where it holds anything but text."""
        labels = label_texts(_texts(model_input), self.stored)
        return labels.assign(needs_review=labels["needs_review"].astype(bool))


def _texts(frame: pd.DataFrame) -> list[str]:
    if "text" not in frame.columns:
        raise InputError("kolumnen text saknas; skicka en tabell med kolumnen text.")
    texts = frame["text"].tolist()
    wrong = [row for row, text in enumerate(texts, 1) if not isinstance(text, str)]
    if wrong:
        raise InputError(f"rad {wrong[0]}: kolumnen text är inte text; skicka alla klagomål som text.")
    return texts


mlflow.models.set_model(LabelModel())
