"""The whole main job on the texts that come with the package: train, promote, label a month, break it down."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from nollclassify.atomic import replacing
from nollclassify.labelling import Labelled, label
from nollclassify.reporting import Breakdown, report
from nollclassify.settings import Settings, load_settings
from nollclassify.training import Training, train

EXAMPLES = ("exempel-mars-2020.xlsx", "kop.csv", "atgarder.csv")


@dataclass(frozen=True)
class Demo:
    """What the demonstration gave: the training, the labelled month and its breakdown."""

    training: Training
    labelled: Labelled
    breakdown: Breakdown


def demo(
    folder: str | Path = "demo",
    settings: Settings | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Demo:
    """Train on the starter corpus, promote, label the example month and write its breakdown.

    Args:
        folder: where copies of the example files and all results go; results there are replaced.
        settings: by default those of the working directory.
        progress: called with a sentence at each step.

    Raises:
        NollclassifyError: as `train`, `label` and `report`.
    """
    settings, place = settings or load_settings(), Path(folder)
    copy_examples(place)
    training = train(settings=settings, progress=progress)
    progress("märker exempelmånaden")
    labelled = label(place / EXAMPLES[0], model=settings.champion, force=True, settings=settings)[0]
    progress("sammanställer")
    breakdown = report(labelled.output, output=place / "rapport", purchases=place / EXAMPLES[1], settings=settings)
    return Demo(training, labelled, breakdown)


def copy_examples(folder: Path) -> None:
    """Copy the example month, its purchases and its measures to a folder, to look at and to try things on."""
    for name in EXAMPLES:
        with as_file(files("nollclassify") / "data" / name) as source, replacing(folder / name) as target:
            shutil.copyfile(source, target)
