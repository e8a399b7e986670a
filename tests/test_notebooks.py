"""The notebooks run from top to bottom, in order, in one working directory, and carry no stored output."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import Workplace

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = ("01-explore-complaints", "02-train-and-compare", "03-promote-a-model")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, trained: Workplace) -> Path:
    directory = tmp_path_factory.mktemp("notebooks-run")
    (directory / "own.csv").write_bytes(trained.cases.read_bytes())
    (directory / "nollclassify.toml").write_text("min_gate_texts = 100\n", encoding="utf-8")
    return directory


def test_all_notebooks_are_run() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_with_a_file_of_ones_own(name: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    parameters.source += '\nFILE, FILES, STARTER = "own.csv", ["own.csv"], False'
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(place)}}).execute()
    assert not [o for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "error"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_no_stored_output_and_defines_nothing(name: str) -> None:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        assert not any(line.startswith(("def ", "class ")) for line in cell.source.splitlines())
