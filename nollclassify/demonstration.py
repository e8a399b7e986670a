"""The whole main job on the texts that come with the package: train, promote, label, audit, break down."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import pandas as pd

from nollclassify.atomic import replacing
from nollclassify.auditing import audit
from nollclassify.case_writing import write_table
from nollclassify.cases import read_cases
from nollclassify.labelling import Labelled, label
from nollclassify.reporting import Breakdown, report
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import load_taxonomy
from nollclassify.training import Training, train

MONTHS = {
    "2019-03": "exempel-mars-2019.xlsx",
    "2019-04": "exempel-april-2019.xlsx",
    "2020-01": "exempel-januari-2020.xlsx",
    "2020-02": "exempel-februari-2020.xlsx",
    "2020-03": "exempel-mars-2020.xlsx",
}
PURCHASES, MEASURES, ANSWERS = "kop.csv", "atgarder.csv", "exempel-facit.csv"
# The complaints of the example months that belong to a cause which is not in the taxonomy: the app does not work.
NEW_CAUSE = "exempel-ny-orsak.csv"
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
    labels = _answers(folder / ANSWERS)
    answers = {case: row["causes"].split(";") if row["causes"] else [] for case, row in labels.items()}
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


def labelled_examples(folder: str | Path) -> list[Path]:
    """Write the example months with their authors' labels, `causes`, `primary_cause` and `author`, to a folder.

    Returns:
        The five CSV files, in order of the months: what a team that has labelled its months by hand would have.
    """
    place, taxonomy = Path(folder), load_taxonomy()
    copy_examples(place)
    labels, paths = _answers(place / ANSWERS), []
    for name in MONTHS.values():
        fields = read_cases(place / name, taxonomy).fields.drop(columns="row")
        known = pd.DataFrame([labels[case] for case in fields["case_id"]])
        fields[["causes", "primary_cause", "author"]] = known[["causes", "primary_cause", "author"]]
        paths.append((place / name).with_suffix(".csv"))
        write_table(fields, paths[-1])
    return paths


def new_cause_answers() -> dict[str, list[str]]:
    """Case id of every example case -> its causes, primary first, among them one that is not in the taxonomy.

    The one is `app_trouble`: the app, or logging in, does not work. With it a notebook shows how a cause is added.
    """
    with as_file(files("nollclassify") / "data") as data:
        labels = _answers(data / ANSWERS) | _answers(data / NEW_CAUSE)
    return {case: row["causes"].split(";") if row["causes"] else [] for case, row in labels.items()}


def _answers(path: Path) -> dict[str, dict[str, str]]:
    """Case id -> its row of the file of answers."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}
