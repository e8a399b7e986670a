"""Labels of the blocks of a file that are done, kept beside the output: a killed batch goes on where it was."""

from __future__ import annotations

import json
import shutil
from glob import escape
from pathlib import Path

import pandas as pd

from nollclassify.atomic import write_text
from nollclassify.errors import NollclassifyError


class Parts:
    """The folder of the parts of one output, and of one input, model and settings.

    Parts of another input, model or settings for the same output are deleted.
    """

    def __init__(self, target: Path, identity: str, resume: bool) -> None:
        """`identity` is a digest of all that the labels depend on; without `resume` nothing is gone on with."""
        self.folder = target.with_name(f".{target.name}.parts-{identity[:16]}")
        for old in target.parent.glob(f".{escape(target.name)}.parts-*"):
            if old != self.folder or not resume:
                shutil.rmtree(old, ignore_errors=True)

    def path(self, number: int) -> Path:
        """Where the labels of a block lie, or will lie."""
        return self.folder / f"{number:06d}.json"

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Delete the parts where the output is whole or the input is at fault; keep them where somebody broke off."""
        if error is None or isinstance(error, NollclassifyError):
            shutil.rmtree(self.folder, ignore_errors=True)


def write_part(path: Path, labels: pd.DataFrame) -> None:
    """Keep the labels of a block; InputError where the disk does not let it."""
    write_text(path, json.dumps({column: labels[column].tolist() for column in labels.columns}))


def read_part(path: Path) -> pd.DataFrame | None:
    """The labels of a block, None where they are not there, or not to be used."""
    try:
        columns = json.loads(path.read_text(encoding="utf-8"))
        return pd.DataFrame({name: _column(values) for name, values in columns.items()})
    except (OSError, ValueError, AttributeError):
        return None


def _column(values: list[object]) -> pd.Series:
    """Numbers as numbers, all else as it is: as a block's labels were."""
    numbers = bool(values) and all(isinstance(value, float) for value in values)
    return pd.Series(values, dtype=float if numbers else object)
