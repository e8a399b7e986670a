"""Real things, made once a run: a small model, an MLflow store that holds it, and the README's demonstration."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pandas as pd
import pytest

from nollclassify.auditing import Drawn, audit
from nollclassify.classifier import Candidate
from nollclassify.model_store import StoredModel, load_model
from nollclassify.settings import Settings
from nollclassify.taxonomy import Taxonomy, load_taxonomy
from nollclassify.training import Training, train
from nollclassify.training_data import read_starter
from tests.audits import labelled

# A busy machine is no fault of what is tested.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

BIN = Path(sys.executable).parent
QUICK = (Candidate("quick", 10.0, (3, 4)),)
ADDRESSES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
SMALL = Settings(min_gate_texts=100, experiment="test", registered_model="small")


@pytest.fixture(scope="session", autouse=True)
def nothing_reaches_outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Connections to other computers are refused, here and in processes started from here; a try fails the run."""
    log, offline = tmp_path_factory.mktemp("refused") / "log", str(Path(__file__).with_name("offline"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOLLCLASSIFY_REFUSED", str(log))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [offline, os.environ.get("PYTHONPATH")])))
        patch.syspath_prepend(offline)
        sys.modules.pop("sitecustomize", None)
        importlib.import_module("sitecustomize")
        yield log
    assert not log.exists(), log.read_text(encoding="utf-8")


def forget_stores() -> None:
    """MLflow writes the address of its store into the environment; one that stays is taken for the user's choice."""
    for name in ADDRESSES:
        os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def no_store_of_another_test() -> Iterator[None]:
    """Taken away, never put back: what stood there before a test may be the store of a test before it."""
    forget_stores()
    yield
    forget_stores()


@contextmanager
def working_in(directory: Path) -> Iterator[pytest.MonkeyPatch]:
    """For fixtures that many tests share: a working directory, and no store of another test before or after."""
    forget_stores()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        yield patch
    forget_stores()


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return load_taxonomy()


@pytest.fixture(scope="session")
def starter(taxonomy: Taxonomy) -> pd.DataFrame:
    """The starter corpus as it is read: our own field names."""
    return read_starter(taxonomy).fields


@dataclass(frozen=True)
class Workplace:
    """A working directory with a small trained, registered and promoted model, and the file it was trained on."""

    directory: Path
    cases: Path
    training: Training


@pytest.fixture(scope="session")
def trained(starter: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    directory = tmp_path_factory.mktemp("trained")
    authors = sorted(starter["author"].unique())[:4]
    cases = directory / "labelled.csv"
    columns = ["case_id", "text", "channel", "causes", "primary_cause", "author"]
    starter.loc[starter["author"].isin(authors), columns].to_csv(cases, index=False, sep=";")
    with working_in(directory):
        result = train(cases, starter=False, settings=SMALL, candidates=QUICK)
    return Workplace(directory, cases, result)


@pytest.fixture(scope="session")
def stored(trained: Workplace) -> StoredModel:
    return load_model(trained.directory / "models" / "champion")


@pytest.fixture
def workplace(trained: Workplace, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """The trained workplace as the working directory. Tests that change it copy what they change."""
    monkeypatch.chdir(trained.directory)
    return trained


@pytest.fixture
def model_copy(trained: Workplace, tmp_path: Path) -> Path:
    """A copy of the model directory, to be spoilt."""
    return Path(shutil.copytree(trained.directory / "models" / "champion", tmp_path / "model"))


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command as a user does, with the commands of this environment on the path."""
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    env = {k: v for k, v in os.environ.items() if k not in ADDRESSES} | {"PATH": path} | environment
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=900, check=False)


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which `nollclassify demo` has been run, with the whole starter corpus."""
    directory = tmp_path_factory.mktemp("demonstration")
    done = run("nollclassify", "demo", cwd=directory)
    assert done.returncode == 0, done.stderr
    (directory / "output.txt").write_text(done.stdout, encoding="utf-8")
    return directory


@pytest.fixture
def drawn(tmp_path: Path) -> Drawn:
    """Twenty cases of a month of sixty, drawn."""
    path = labelled(tmp_path / "mars.csv", [f"K-{n:02d}" for n in range(60)])
    return audit(path, n=20, output=tmp_path / "granskning.xlsx", settings=Settings())
