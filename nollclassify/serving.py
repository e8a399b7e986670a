"""The registered model as MLflow serves it (models-from-code): a data frame with `text` in, the columns of `label` out.

Why code and not MLflow's scikit-learn flavour: a text pipeline logged that way and called with a one-column frame
classifies the column's name. Here the signature is explicit, and wrong columns or types are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from nollclassify.labelling import label_texts
from nollclassify.model_store import load_model


class LabelModel(PythonModel):
    """Labels texts with the model directory among its artefacts."""

    def load_context(self, context: PythonModelContext) -> None:
        self.stored = load_model(Path(context.artifacts["model"]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        labels = label_texts([str(text) for text in model_input["text"]], self.stored)
        return labels.assign(needs_review=labels["needs_review"].astype(bool))


mlflow.models.set_model(LabelModel())
