"""Files of many blocks: the same result as in one piece, and a killed labelling goes on where it was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from nollclassify import labelling
from nollclassify.errors import InputError
from nollclassify.labelling import label
from nollclassify.model_store import StoredModel, save_model

TEXTS = (
    *(
        "Jag har väntat i telefon i två timmar och ingen svarar",
        "skorna har fel färg",
        "12345",
        "I want my money back now",
    ),
    *("fakturan kom före varan; jag betalar inte", "appen hänger sig hela tiden", 'han sa "återkom" och la på'),
)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """1,200 rows; some without an id, some with one that was there before, some without a text."""
    rows = [
        (
            str(i - 700 if i % 97 == 90 else i) if i % 5 else "",
            "" if i % 113 == 7 and i % 5 else f"{TEXTS[i % 7]} {'mer ' * (i % 4)}",
        )
        for i in range(1_200)
    ]
    path = tmp_path / "många.csv"
    pd.DataFrame(rows, columns=["id", "text"]).to_csv(path, index=False, sep=";")
    return path


@pytest.fixture
def whole(many: Path, stored: StoredModel, tmp_path: Path) -> tuple[bytes, bytes]:
    """The labelled and the rejected file, made in one block."""
    result = label(many, output=tmp_path / "hel" / "ut.csv", model=stored)[0]
    assert result.rejected_output
    assert (result.n + result.n_rejected, len(result.rows), len(result.rejected)) == (1200, result.n, result.n_rejected)
    return result.output.read_bytes(), result.rejected_output.read_bytes()


def outputs(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "ut.csv").read_bytes(), (folder / "ut.rejected.csv").read_bytes()


@pytest.mark.parametrize("rows", [1_000, 100])  # two blocks here, and twelve in other processes
def test_blocks_make_the_same_files_as_one_piece(
    many: Path,
    whole: tuple[bytes, bytes],
    stored: StoredModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
) -> None:
    monkeypatch.setattr(labelling, "_ROWS", rows)
    done: list[int] = []
    label(many, output=tmp_path / "ut.csv", model=stored, progress=lambda now, of: done.append(now))
    assert outputs(tmp_path) == whole
    assert done == sorted(done)
    assert done[-1] == whole[0].count(b"\n") - 1
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("ending", [".xlsx", ".jsonl", ".parquet"])
def test_blocks_make_the_same_file_of_every_format(
    many: Path, stored: StoredModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    one = label(many, output=tmp_path / f"en{ending}", model=stored)[0].rows
    monkeypatch.setattr(labelling, "_ROWS", 300)
    again = label(tmp_path / f"en{ending}", output=tmp_path / f"igen{ending}", model=stored)[0]
    assert again.rows["causes"].tolist() == one["causes"].tolist()
    assert again.rows["causes_in"].tolist() == one["causes"].tolist()


def test_a_killed_labelling_goes_on_where_it_was(
    many: Path, whole: tuple[bytes, bytes], stored: StoredModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tmp_path / "modell", stored.model, stored.taxonomy, stored.held_out, {})
    monkeypatch.setattr(labelling, "_ROWS", 100)
    for _ in range(2):
        kill_after_a_part(many, tmp_path)
        assert not (tmp_path / "ut.csv").exists()
    (first, *_) = parts = sorted(tmp_path.glob(".ut.csv.parts-*/*.json"))
    kept = {part: part.stat().st_mtime_ns for part in parts}
    label_in_blocks(many, tmp_path, kill=False)
    assert outputs(tmp_path) == whole
    assert len(kept) >= 2
    assert not first.parent.exists()


def kill_after_a_part(many: Path, folder: Path) -> None:
    """Kill a labelling, and the processes that it started, when one more block than before is done."""
    before = len(list(folder.glob(".ut.csv.parts-*/*.json")))
    label_in_blocks(many, folder, kill=True, at=before + 1)


def label_in_blocks(many: Path, folder: Path, kill: bool, at: int = 0) -> None:
    code = (
        "from nollclassify import labelling\nlabelling._ROWS = 100\n"
        f"labelling.label({str(many)!r}, output={str(folder / 'ut.csv')!r}, model={str(folder / 'modell')!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while process.poll() is None and not (kill and len(list(folder.glob(".ut.csv.parts-*/*.json"))) >= at):
        time.sleep(0.002)
    if kill:
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == (-signal.SIGKILL if kill else 0)


@pytest.fixture
def broken_off(many: Path, stored: StoredModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first part of a labelling that was broken off, with a reason of review that no model gives."""
    monkeypatch.setattr(labelling, "_ROWS", 100)
    with pytest.raises(KeyboardInterrupt):
        label(many, output=tmp_path / "ut.csv", model=stored, progress=_break_off)
    assert not (tmp_path / "ut.csv").exists()
    part = min(tmp_path.glob(".ut.csv.parts-*/*.json"))
    columns = json.loads(part.read_text(encoding="utf-8"))
    columns["review_reason"][0] = "från förra gången"
    part.write_text(json.dumps(columns), encoding="utf-8")
    return part


def _break_off(done: int, of: int) -> None:
    raise KeyboardInterrupt


def test_what_was_done_before_is_not_done_again(
    broken_off: Path, many: Path, stored: StoredModel, tmp_path: Path
) -> None:
    rows = label(many, output=tmp_path / "ut.csv", model=stored)[0].rows
    assert rows["review_reason"][0] == "från förra gången"
    assert not broken_off.exists()


@pytest.mark.parametrize("other", [{"resume": False}, {"precision": 0.9}])
def test_what_was_done_otherwise_is_done_again(
    broken_off: Path, many: Path, stored: StoredModel, tmp_path: Path, other: dict[str, float]
) -> None:
    rows = label(many, output=tmp_path / "ut.csv", model=stored, **other)[0].rows  # type: ignore[arg-type]
    assert rows["review_reason"][0] != "från förra gången"
    assert not broken_off.parent.exists()


def test_a_part_that_is_damaged_is_made_anew(
    broken_off: Path, many: Path, whole: tuple[bytes, bytes], stored: StoredModel, tmp_path: Path
) -> None:
    broken_off.write_text('{"causes": [', encoding="utf-8")
    label(many, output=tmp_path / "ut.csv", model=stored)
    assert outputs(tmp_path) == whole


def test_a_fault_in_a_later_block_leaves_nothing(
    many: Path, stored: StoredModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "_ROWS", 100)
    (tmp_path / "ut.csv").write_text("gammal", encoding="utf-8")
    with many.open("a", encoding="utf-8") as file:
        file.write('9999;"fakturan kom aldr')
    with pytest.raises(InputError, match=r"många\.csv: rad 1202 har ett citattecken som aldrig avslutas"):
        label(many, output=tmp_path / "ut.csv", model=stored, force=True)
    assert (tmp_path / "ut.csv").read_text(encoding="utf-8") == "gammal"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["många.csv", "ut.csv"]
