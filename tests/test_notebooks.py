"""The notebooks run from top to bottom, in order, in one working directory, and carry no stored output."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from tests.conftest import working_in

FOLDER = Path(__file__).parents[1] / "notebooks"
OWN = 'FILES, STARTER = ["own.csv"], False'
# What is set for each, beside the values that it has: few texts, and what a person would choose.
SET = {
    "01-explore-a-month": 'FILE = "own.csv"',
    "02-train-and-compare": OWN,
    # Beside few authors, the texts by nobody in particular all come into one fold, and the new cause with them.
    "03-add-a-cause": 'FILES, STARTER = ["alone.csv"], False',
    "04-promote-a-model": f'{OWN}; FILE, FORCE, ROLL_BACK = "months/1.csv", True, True',
    "05-half-a-year": 'MONTHS, BASE, STARTER, N = ["months/1.csv", "months/2.csv"], ["own.csv"], False, 20',
}
Notebook = nbformat.NotebookNode


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, starter: pd.DataFrame) -> Path:
    """A working directory with labelled texts of four authors, and two months by others."""
    directory = tmp_path_factory.mktemp("notebooks-run")
    (directory / "nollclassify.toml").write_text("min_gate_texts = 100\n", encoding="utf-8")
    (directory / "months").mkdir()
    authors = sorted(starter["author"].unique())
    own = starter[starter["author"].isin(authors[:4])].groupby("author").head(100)
    columns = ["case_id", "text", "channel", "causes", "primary_cause"]
    own[[*columns, "author"]].to_csv(directory / "own.csv", index=False)
    own[columns].to_csv(directory / "alone.csv", index=False)
    for number, author in enumerate(authors[4:6], 1):
        month = starter[starter["author"] == author].assign(received=f"2020-0{number}-15")
        month[[*columns, "received"]].to_csv(directory / "months" / f"{number}.csv", index=False)
    return directory


@pytest.fixture(scope="module")
def executed(place: Path) -> dict[str, Notebook]:
    """All notebooks, run one after the other: the later ones use the models of the earlier ones."""
    done = {}
    with working_in(place) as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(FOLDER.parent), os.environ.get("PYTHONPATH")])))
        for name, values in SET.items():
            notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
            parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
            parameters.source += f"\n{values}"
            NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(place)}}).execute()
            done[name] = notebook
    return done


def outputs(notebook: Notebook) -> list[Notebook]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def printed(notebook: Notebook) -> str:
    return "".join(output.get("text", "") for output in outputs(notebook))


def test_all_notebooks_are_run() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(SET)


@pytest.mark.parametrize("name", SET)
def test_a_notebook_runs_with_files_of_ones_own_without_a_warning(name: str, executed: dict[str, Notebook]) -> None:
    assert not [o for o in outputs(executed[name]) if o.output_type == "error" or o.get("name") == "stderr"]


@pytest.mark.parametrize("name", SET)
def test_a_notebook_can_be_read_as_a_document(name: str, executed: dict[str, Notebook]) -> None:
    shown = [kind for output in outputs(executed[name]) for kind in output.get("data", {})]
    assert "image/png" in shown
    assert "text/html" in shown
    assert sum(cell.cell_type == "markdown" for cell in executed[name].cells) >= 4


def test_a_new_cause_is_found_learned_and_labelled(executed: dict[str, Notebook], place: Path) -> None:
    said = printed(executed["03-add-a-cause"])
    assert "30 of 30 answered" in said
    assert "app_trouble" in (place / "add-a-cause" / "model" / "taxonomy.toml").read_text(encoding="utf-8")
    # The examples' answers are no decisions of the team's.
    assert not (place / "corrections.sqlite").exists()


def test_a_model_is_promoted_and_taken_back(executed: dict[str, Notebook]) -> None:
    said = printed(executed["04-promote-a-model"])
    assert "Version 2: champion" in said or "Version 2 is champion already." in said
    assert "Version 1 is champion again, after version 2." in said


def test_half_a_year_tells_of_every_month(executed: dict[str, Notebook], place: Path) -> None:
    assert list(pd.read_csv(place / "rehearsal" / "rehearsal.csv", sep=";")["month"]) == ["2020-01", "2020-02"]
    assert "intervals hold the truth" in printed(executed["05-half-a-year"])


@pytest.mark.parametrize("name", SET)
def test_a_notebook_has_no_stored_output_and_defines_nothing(name: str) -> None:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not any(line.startswith(("def ", "class ")) for line in cell.source.splitlines())
