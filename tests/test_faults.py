"""Whatever write, flush or renaming the disk refuses: the old file is whole, nothing lies about, one clear sentence."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nollclassify import cli
from nollclassify.atomic import write_text
from nollclassify.auditing import Drawn, audit
from nollclassify.case_writing import write_table
from nollclassify.corrections import Corrections
from nollclassify.errors import InputError, ModelError, NollclassifyError
from nollclassify.model_store import StoredModel, load_model, save_model
from nollclassify.promotion import promote, settle_champion
from nollclassify.settings import Settings
from nollclassify.tracking import CHAMPION, Tracking
from tests.audits import labelled
from tests.conftest import SMALL, Workplace
from tests.decisions import decide, decision

resource = pytest.importorskip("resource", reason="sizes of files can be limited on POSIX only")


class Disk:
    """Refuses the k-th making, flushing or renaming of a file, as a full disk does."""

    def __init__(self, patch: pytest.MonkeyPatch, k: int) -> None:
        self.calls, self.k = 0, k
        for name in ("fsync", "replace", "rename", "open"):
            patch.setattr(os, name, self._counted(getattr(os, name), name))

    def _counted(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if name != "open" or arguments[1] & os.O_CREAT:
                self.calls += 1
                if self.calls == self.k:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*arguments, **options)

        return counted

    @property
    def refused(self) -> bool:
        return self.calls >= self.k


def each_fault(act: Callable[[], Any]) -> Iterator[NollclassifyError | None]:
    """Do something with the first call refused, then with the second, until none is; what each try raised."""
    for k in range(1, 200):
        with pytest.MonkeyPatch.context() as patch:
            disk, raised = Disk(patch, k), None
            try:
                act()
            except NollclassifyError as error:
                raised = error
        if not disk.refused:
            assert raised is None
            return
        yield raised


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The system itself refuses every write beyond so many bytes, those of libraries in C too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def is_one_sentence(error: object, place: Path) -> bool:
    text = str(error)
    return text.startswith(f"{place}: ") and text.endswith("; välj en annan mapp.") and "\n" not in text


OLD, NEW = pd.DataFrame({"text": ["gammal å"] * 9}), pd.DataFrame({"text": [f"ny ä {n} {n * n}" for n in range(500)]})
FILES = ["a.txt", "a.csv", "a.xlsx", "a.jsonl", "a.parquet"]


def write(path: Path, frame: pd.DataFrame) -> None:
    if path.suffix == ".txt":
        write_text(path, frame.to_string())
    else:
        write_table(frame, path)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_the_old_one_where_any_step_of_writing_it_fails(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write(path, OLD)
    old, failed = path.read_bytes(), 0
    for error in each_fault(lambda: write(path, NEW)):
        if error is not None:
            assert is_one_sentence(error, path)
            assert "(disken är full)" in str(error)
            assert path.read_bytes() == old
            failed += 1
        assert [p.name for p in tmp_path.iterdir()] == [name]
    assert failed >= 3  # making, flushing, renaming
    assert path.read_bytes() != old


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_the_old_one_wherever_the_disk_is_full(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write(path, OLD)
    write(tmp_path / f"new{path.suffix}", NEW)
    old, size = path.read_bytes(), (tmp_path / f"new{path.suffix}").stat().st_size
    for limit in {*range(0, size - 1, size // 12), size - 1}:
        with no_file_larger_than(limit), pytest.raises(InputError) as caught:
            write(path, NEW)
        assert is_one_sentence(caught.value, path)
        assert path.read_bytes() == old
        assert len(list(tmp_path.iterdir())) == 2


def test_a_model_is_the_old_one_where_any_step_of_saving_it_fails(
    stored: StoredModel, model_copy: Path, trained: Workplace
) -> None:
    def save(**details: Any) -> None:
        save_model(model_copy, stored.model, stored.taxonomy, stored.held_out, details)

    outcomes = []
    for error in each_fault(lambda: save(mark="new")):
        outcomes.append(error)
        mark = load_model(model_copy).manifest.get("mark")
        assert mark is None if error else mark == "new"
        assert error is None or is_one_sentence(error, model_copy)
        assert [p.name for p in model_copy.parent.iterdir()] == [model_copy.name]
        save()
    assert sum(isinstance(error, ModelError) for error in outcomes) >= 7
    save()
    sizes = sorted(p.stat().st_size for p in model_copy.iterdir())
    for limit in (0, *(size - 1 for size in sizes)):
        with no_file_larger_than(limit), pytest.raises(ModelError) as caught:
            save(mark="new")
        assert is_one_sentence(caught.value, model_copy)
        assert load_model(model_copy).manifest.get("mark") is None


def call(arguments: list[str], patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Run the command line in this process: exit code, and what it said on standard error but for its steps."""
    capsys.readouterr()
    patch.setattr(sys, "argv", ["nollclassify", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    lines = capsys.readouterr().err.splitlines()
    return int(ended.value.code or 0), [line for line in lines if not line.startswith("… ")]


def test_an_audit_is_the_old_one_wherever_the_disk_is_full(drawn: Drawn) -> None:
    old, path = drawn.output.read_bytes(), drawn.output
    for limit in range(0, len(old) - len(old) // 6, len(old) // 6):
        with no_file_larger_than(limit), pytest.raises(InputError) as caught:
            audit(path.with_name("mars.csv"), n=20, seed=1, output=path, force=True, settings=Settings())
        assert is_one_sentence(caught.value, path)
        assert path.read_bytes() == old
        assert sorted(p.name for p in path.parent.iterdir()) == sorted(["mars.csv", path.name])


def test_the_ledger_is_the_old_one_wherever_the_disk_is_full(tmp_path: Path) -> None:
    ledger = Corrections(tmp_path / "corrections.sqlite")
    decide(ledger, *(decision(str(n), text="gammal " * 200) for n in range(20)))
    old, size = ledger.history(), ledger.path.stat().st_size
    new = [decision(str(n), "wait_time", text="ny " * 20_000, file="ny.xlsx") for n in range(100)]
    for limit in (0, 600, size // 2, size, 3 * size, 60 * size):
        with no_file_larger_than(limit), pytest.raises(InputError) as caught:
            decide(ledger, *new)
        sentence = str(caught.value).removeprefix(f"{ledger.path}: ")
        assert re.fullmatch(r"filen går inte att [^\n]+full\)[^\n]*\.", sentence)
        pd.testing.assert_frame_equal(ledger.history(), old)
    decide(ledger, *new)
    assert len(ledger.history()) == len(old) + len(new)


@pytest.mark.parametrize("command", ["report", "audit"])
def test_the_commands_leave_every_file_old_or_new_and_say_one_sentence(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "ut"
    out.mkdir()
    target = str(out) if command == "report" else str(out / "granskning.xlsx")

    def arguments(path: Path) -> list[str]:
        return [command, str(path), "--output", target, *(["--force", "--n", "20"] if command == "audit" else [])]

    def content() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in out.iterdir()}

    before, after = (
        labelled(tmp_path / f"{n}.csv", [f"K-{i}" for i in range(n)], produkt=["Faktura"] * n) for n in (40, 44)
    )
    assert call(arguments(after), monkeypatch, capsys)[0] == 0
    new = content()
    assert call(arguments(before), monkeypatch, capsys)[0] == 0
    old, codes = content(), []
    for k in range(1, 200):
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, k)
            code, said = call(arguments(after), monkeypatch, capsys)
        if not disk.refused:
            break
        codes.append(code)
        assert (code, len(said)) in ((0, 0), (4, 1))
        assert not said or (
            said[0].startswith(f"Fel: {out}") and said[0].endswith("(disken är full); välj en annan mapp.")
        )
        assert set(content()) == set(old)
        if command == "report":
            assert all(found in (old[name], new[name]) for name, found in content().items())
        elif code:
            assert content() == old
        for name, whole in old.items():
            (out / name).write_bytes(whole)
    assert codes.count(4) >= 3 * len(old)


def test_a_failed_promotion_leaves_a_champion_that_disk_and_registry_agree_on(
    trained: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Path(shutil.copytree(trained.directory, tmp_path / "place"))
    monkeypatch.chdir(place)
    lines = [f"min_gate_texts = {SMALL.min_gate_texts}", 'experiment = "test"', 'registered_model = "small"']
    (place / "nollclassify.toml").write_text("\n".join(lines), encoding="utf-8")
    tracking = Tracking(SMALL)
    again = save_model(
        tmp_path / "again", trained.training.stored.model, trained.training.stored.taxonomy,
        trained.training.stored.held_out.select(range(150)), {},
    )  # fmt: skip
    assert tracking.record(again, {}, {}, {})[1] == "2"
    versions = {"1": trained.training.stored.version, "2": again.version}
    codes, force = [], ["--force", "--reason", "provad för hand"]
    for k in range(1, 200):
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, k)
            code, said = call(["promote", "2", *force], monkeypatch, capsys)
        if not disk.refused:
            break
        codes.append(code)
        assert (code in (5, 7) and len(said) == 1 and said[0].startswith("Fel: ")) or (code, said) == (0, [])
        assert load_model(Path("models/champion")).version in versions.values()
        assert not list(Path("models").glob(".*"))
        # The next start carries through what the registry says.
        settle_champion(tracking)
        assert load_model(Path("models/champion")).version == versions[str(tracking.version_of(CHAMPION))]
        promote(1, reason="tillbaka", force=True, settings=SMALL)
    assert sum(code != 0 for code in codes) >= 8
