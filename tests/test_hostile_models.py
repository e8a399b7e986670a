"""A model directory from a stranger: nothing in it is run, and what is wrong with it is told in one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nollclassify.model_store import load_model
from nollclassify.taxonomy import parse_taxonomy
from tests.conftest import Workplace
from tests.spoiling import HELD_OUT, MANIFEST, NAMES, NPZ, SENTINEL, TAXONOMY, Payload, manifest, seal

resource = pytest.importorskip("resource")

DAMAGED = "modellen är skadad eller ändrad; hämta en hel kopia eller träna om den."
SENTENCES = {
    DAMAGED,
    "här finns ingen modell; kör `nollclassify train` först eller ange en modell med --model.",
    "mappen är inte en modell från nollclassify; ange en annan med --model.",
    "modellen har ett nyare format än 4; uppdatera nollclassify.",
    "modellen är gjord av en äldre nollclassify; kör `nollclassify train` igen.",
}


@dataclass(frozen=True)
class Attempts:
    """What loading each spoilt directory gave, and the folder where it was done."""

    found: list[dict[str, object]]
    work: Path


@pytest.fixture(scope="module")
def attempts(trained: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Attempts:
    work = tmp_path_factory.mktemp("hostile")
    good = trained.directory / "models" / "champion"
    command = [sys.executable, "-m", "tests.hostile_models", str(good), str(work)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return Attempts([json.loads(line) for line in done.stdout.splitlines()], work)


def test_more_than_two_hundred_different_directories_are_tried(attempts: Attempts) -> None:
    tried = [(found["name"], found["sealed"]) for found in attempts.found]
    assert len(set(tried)) == len(tried)
    assert len({name for name, _ in tried}) >= 200
    assert sum(bool(sealed) for _, sealed in tried) >= 120


def test_each_is_refused_with_one_sentence_that_names_the_directory(attempts: Attempts) -> None:
    start = f"{attempts.work / 'model'}: "
    for found in attempts.found:
        message = str(found["message"])
        assert found["error"] in ("ModelError", "OlderModelError"), found
        assert message.startswith(start), found
        assert message.removeprefix(start) in ({DAMAGED} if found["sealed"] else SENTENCES), found


def test_none_is_run(attempts: Attempts) -> None:
    assert [found["name"] for found in attempts.found if found["executed"]] == []
    assert sorted(path.name for path in attempts.work.iterdir() if not path.name.startswith("outside-")) == ["model"]


def test_the_payload_would_run_if_it_were_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", a=np.array([Payload()], dtype=object))
    with np.load("a.npz", allow_pickle=True) as there:
        there["a"][0].close()
    assert Path(SENTINEL).exists()


def test_each_is_refused_in_less_than_two_seconds(attempts: Attempts) -> None:
    slow = [found for found in attempts.found if float(str(found["seconds"])) >= 2]
    assert slow == []


# --- what is merely different is loaded ---------------------------------------------------------------------------


def test_arrays_that_are_not_compressed_or_lie_in_another_order_are_loaded(model_copy: Path) -> None:
    before = load_model(model_copy)
    for name in (NPZ, HELD_OUT):
        with np.load(model_copy / name) as there:
            named = dict(there)
        np.savez(model_copy / name, **{key: named[key].copy(order="F") for key in sorted(named)})
    with zipfile.ZipFile(model_copy / NPZ) as archive:
        assert b"'fortran_order': True" in archive.read("coefficients.npy")
    seal(model_copy)
    after = load_model(model_copy)
    assert np.array_equal(before.model.coefficients, after.model.coefficients)
    assert before.held_out.digests == after.held_out.digests


def test_another_spelling_of_the_manifest_and_more_in_it_are_loaded(model_copy: Path) -> None:
    names = json.loads((model_copy / NAMES).read_text("utf-8"))
    (model_copy / NAMES).write_text(json.dumps(names, indent=1), encoding="utf-8")
    seal(model_copy)
    manifest(model_copy, note="prövad av oss", scores=None)
    assert load_model(model_copy).manifest["note"] == "prövad av oss"


def test_other_valid_numbers_and_names_are_loaded(model_copy: Path) -> None:
    source = (model_copy / TAXONOMY).read_text("utf-8")
    cause = parse_taxonomy(source).causes[0]
    (model_copy / TAXONOMY).write_text(source.replace(cause.name_sv, "Ett nytt namn"), encoding="utf-8")
    with np.load(model_copy / NPZ) as there:
        named = dict(there)
    named["thresholds"] = np.linspace(0, 1, len(named["thresholds"]))
    np.savez(model_copy / NPZ, **named)
    seal(model_copy)
    stored = load_model(model_copy)
    assert stored.taxonomy.causes[0].name_sv == "Ett nytt namn"
    assert stored.model.thresholds.tolist() == named["thresholds"].tolist()


def test_a_link_to_a_whole_model_directory_is_followed(model_copy: Path) -> None:
    link = model_copy.parent / "champion"
    link.symlink_to(model_copy)
    assert load_model(link).version == json.loads((model_copy / MANIFEST).read_text("utf-8"))["model_version"]
