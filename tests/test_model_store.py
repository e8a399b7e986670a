"""A model directory gives back what was saved to the last bit; what is wrong with it is refused in a sentence."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nollclassify.errors import ModelError
from nollclassify.model_store import MANIFEST, StoredModel, copy_model, load_model, save_model

DAMAGED = "modellen är skadad eller ändrad; hämta en hel kopia eller träna om den."


def test_probabilities_are_the_same_to_the_last_bit_after_saving(
    stored: StoredModel, starter: pd.DataFrame, tmp_path: Path
) -> None:
    save_model(tmp_path / "again", stored.model, stored.taxonomy, stored.held_out, {})
    texts = starter["text"].tolist()[:200]
    again = load_model(tmp_path / "again")
    assert np.array_equal(again.model.probabilities(texts), stored.model.probabilities(texts))
    assert again.held_out.digests == stored.held_out.digests
    assert np.array_equal(again.held_out.truth, stored.held_out.truth)
    assert np.array_equal(again.held_out.probabilities, stored.held_out.probabilities)


def test_saving_twice_gives_the_same_bytes(stored: StoredModel, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_model(tmp_path / name, stored.model, stored.taxonomy, stored.held_out, {})
    for file in (tmp_path / "one").iterdir():
        if file.name != MANIFEST:
            assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_the_manifest_tells_what_the_model_is(stored: StoredModel) -> None:
    manifest = stored.manifest
    assert manifest["taxonomy_version"] == stored.taxonomy.version
    assert set(manifest["thresholds"]) == set(stored.model.cause_ids)
    assert manifest["training"]["texts"] == len(stored.held_out.digests)
    assert {"scikit-learn", "numpy", "nollclassify"} <= set(manifest["libraries"])
    assert 0 < manifest["scores"]["macro_f1"]["estimate"] < 1


def test_an_older_model_in_the_place_is_replaced_whole(stored: StoredModel, model_copy: Path) -> None:
    copy_model(model_copy, model_copy.parent / "target")
    copy_model(model_copy, model_copy.parent / "target")
    assert load_model(model_copy.parent / "target").version == stored.version
    assert sorted(p.name for p in model_copy.parent.iterdir()) == ["model", "target"]


def test_a_folder_with_something_else_in_it_is_not_replaced(stored: StoredModel, tmp_path: Path) -> None:
    (tmp_path / "brev.txt").write_text("viktigt")
    with pytest.raises(ModelError, match="finns redan och är ingen modell; välj en tom eller ny mapp"):
        save_model(tmp_path, stored.model, stored.taxonomy, stored.held_out, {})
    assert (tmp_path / "brev.txt").read_text() == "viktigt"


def refused(directory: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(directory)
    message = str(caught.value)
    assert message.startswith(f"{directory}: ")
    assert "\n" not in message
    return message


def edit(directory: Path, **changes: object) -> None:
    path = directory / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_no_model_says_how_to_get_one(tmp_path: Path) -> None:
    assert "kör `nollclassify train` först" in refused(tmp_path / "nowhere")


def test_a_foreign_directory_is_refused(model_copy: Path) -> None:
    edit(model_copy, kind="mlflow")
    assert refused(model_copy).endswith("är inte en modell från nollclassify; ange en annan med --model.")
    (model_copy / MANIFEST).write_text("[1, 2")
    assert "är inte en modell från nollclassify" in refused(model_copy)


def test_a_newer_format_is_refused(model_copy: Path) -> None:
    edit(model_copy, format=999)
    assert refused(model_copy).endswith("modellen har ett nyare format än 4; uppdatera nollclassify.")


def test_an_older_format_is_refused(model_copy: Path) -> None:
    edit(model_copy, format=1)
    assert refused(model_copy).endswith("modellen är gjord av en äldre nollclassify; kör `nollclassify train` igen.")


@pytest.mark.parametrize("name", ["arrays.npz", "held_out.npz", "taxonomy.toml", "vocabulary.json"])
def test_a_changed_cut_off_or_missing_part_is_refused(model_copy: Path, name: str) -> None:
    whole = (model_copy / name).read_bytes()
    for spoilt in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b""):
        (model_copy / name).write_bytes(spoilt)
        assert refused(model_copy).endswith(DAMAGED)
    (model_copy / name).unlink()
    assert refused(model_copy).endswith(DAMAGED)


class Bomb:
    """What a pickle would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("executed"),))  # type: ignore[return-value]


def test_a_pickle_among_the_arrays_is_refused_and_not_run(model_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    monkeypatch.chdir(model_copy.parent)
    for payload in ("npz", "pickle"):
        if payload == "npz":
            np.savez(model_copy / "arrays.npz", coefficients=np.array([Bomb()], dtype=object))
        else:
            (model_copy / "arrays.npz").write_bytes(pickle.dumps(Bomb()))
        digest = hashlib.sha256((model_copy / "arrays.npz").read_bytes()).hexdigest()
        edit(model_copy, files=json.loads((model_copy / MANIFEST).read_text())["files"] | {"arrays.npz": digest})
        assert refused(model_copy).endswith(DAMAGED)
    assert not Path("executed").exists()


def test_arrays_that_do_not_fit_together_are_refused(model_copy: Path) -> None:
    ids = json.loads((model_copy / MANIFEST).read_text())["cause_ids"]
    for other in (["wait_time"], ids[::-1]):
        edit(model_copy, cause_ids=other)
        assert refused(model_copy).endswith(DAMAGED)


def test_a_failing_replacement_leaves_the_old_model(
    stored: StoredModel, model_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, calls = Path.rename, []

    def failing(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(ModelError, match="modellen kan inte sparas"):
        save_model(model_copy, stored.model, stored.taxonomy, stored.held_out, {})
    assert load_model(model_copy).version == stored.version


def test_a_link_out_of_the_directory_is_refused(model_copy: Path) -> None:
    outside = model_copy.parent / "outside.toml"
    (model_copy / "taxonomy.toml").rename(outside)
    (model_copy / "taxonomy.toml").symlink_to(outside)
    assert refused(model_copy).endswith(DAMAGED)
