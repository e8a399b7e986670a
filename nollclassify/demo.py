"""The whole main job on the texts that come with the package: train, promote, label, audit, break down."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from nollclassify.atomic import replacing
from nollclassify.auditing import audit
from nollclassify.labelling import Labelled, label
from nollclassify.reporting import Breakdown, report
from nollclassify.settings import Settings, load_settings
from nollclassify.training import Training, train

MONTHS = {
    "2019-03": "exempel-mars-2019.xlsx",
    "2019-04": "exempel-april-2019.xlsx",
    "2020-01": "exempel-januari-2020.xlsx",
    "2020-02": "exempel-februari-2020.xlsx",
    "2020-03": "exempel-mars-2020.xlsx",
}
PURCHASES, MEASURES, ANSWERS = "kop.csv", "atgarder.csv", "exempel-facit.csv"
EXAMPLES = (*MONTHS.values(), PURCHASES, MEASURES, ANSWERS)
AUDITED = 60


@dataclass(frozen=True)
class Demo:
    """What the demonstration gave: the training, the labelled months, and the breakdown of the last of them."""

    training: Training
    labelled: list[Labelled]
    breakdown: Breakdown


def demo(
    folder: str | Path = "demo",
    settings: Settings | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> Demo:
    """Train on the starter corpus, promote, label the example months, audit them and write the breakdown of the last.

    The answers to the audits are the authors' labels of the drawn complaints: they stand in for a person's.

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
    progress("märker exempelmånaderna")
    months = [place / name for name in MONTHS.values()]
    labelled = label(*months, output=place, model=settings.champion, force=True, settings=settings)
    progress("granskar och sammanställer")
    paths = [result.output for result in labelled]
    breakdown = report(
        *paths,
        output=place / "rapport",
        purchases=place / PURCHASES,
        measures=place / MEASURES,
        audits=fill_audits(paths, place, settings),
        settings=settings,
    )
    return Demo(training, labelled, breakdown)


def fill_audits(labelled: Sequence[Path], folder: Path, settings: Settings) -> list[Path]:
    """Draw an audit of 60 complaints of each example month, and fill it in with the authors' labels."""
    with (folder / ANSWERS).open(encoding="utf-8", newline="") as file:
        answers = {row["case_id"]: row["causes"].split(";") if row["causes"] else [] for row in csv.DictReader(file)}
    found = []
    for month, path in zip(MONTHS, labelled, strict=True):
        target = folder / f"granskning-{month}.xlsx"
        found.append(audit(path, n=AUDITED, output=target, force=True, answers=answers, settings=settings).output)
    return found


def copy_examples(folder: Path) -> None:
    """Copy the example months, purchases, measures and answers to a folder, to look at and to try things on."""
    for name in EXAMPLES:
        with as_file(files("nollclassify") / "data" / name) as source, replacing(folder / name) as target:
            shutil.copyfile(source, target)
