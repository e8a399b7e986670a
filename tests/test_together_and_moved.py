"""Several processes at one store, and a project's folder that is moved or copied: nothing fails and nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from nollclassify.errors import TrackingError
from nollclassify.model_store import copy_model, load_model, read_manifest, save_model
from nollclassify.processes import is_gone, mark
from nollclassify.promotion import promote, settle_champion
from nollclassify.tracking import CHAMPION, PROCESS, Tracking
from tests.conftest import ADDRESSES, SMALL, Workplace, run

ROOT = Path(__file__).parents[1]
RECORD = """
import sys
from pathlib import Path
from nollclassify.model_store import load_model
from nollclassify.tracking import Tracking
from tests.conftest import SMALL
stored = load_model(Path(sys.argv[1]))
print(Tracking(SMALL).record(stored, {"a": 1}, {"b": 2.0}, {})[1])
"""


def start(code: str, *arguments: object, cwd: Path) -> subprocess.Popen[str]:
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = {k: v for k, v in os.environ.items() if k not in ADDRESSES}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=cwd, env=env | {"PYTHONPATH": paths}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def place(trained: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained workplace, as the working directory."""
    copied = Path(shutil.copytree(trained.directory, tmp_path / "kopia å"))
    monkeypatch.chdir(copied)
    return copied


@pytest.mark.parametrize("store", ["cold", "warm"])
def test_trainings_that_record_at_once_lose_no_version(
    store: str, trained: Workplace, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if store == "cold":
        for name in ("mlflow.db", "mlartifacts"):
            (place / name).rename(place / f"{name}.away")
    runs = [start(RECORD, trained.directory / "models" / "champion", cwd=place) for _ in range(3)]
    ends = [run.communicate(timeout=300) for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], ends
    numbers = [int(number) for out, _ in ends for number in out.split()]
    assert sorted(numbers) == ([1, 2, 3] if store == "cold" else [2, 3, 4])
    tracking = Tracking(SMALL)
    for number in numbers:
        assert tracking.registered(str(number)).stored.version == trained.training.stored.version


def test_a_run_whose_process_was_killed_does_not_say_running_for_ever(place: Path) -> None:
    code = """
import time, mlflow
from nollclassify.processes import mark
from nollclassify.tracking import PROCESS, Tracking
from tests.conftest import SMALL
tracking = Tracking(SMALL)
print(tracking.client.create_run(tracking._experiment, tags={PROCESS: mark()}).info.run_id, flush=True)
time.sleep(600)
"""
    process = start(code, cwd=place)
    assert process.stdout
    run_id = process.stdout.readline().strip()
    try:
        assert Tracking(SMALL).client.get_run(run_id).info.status == "RUNNING"
    finally:
        process.kill()
        process.communicate()
    assert Tracking(SMALL).client.get_run(run_id).info.status == "KILLED"


def test_an_interrupted_recording_is_no_finished_run(
    place: Path, trained: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    monkeypatch.setattr(Tracking, "_log_model", interrupted)
    tracking = Tracking(SMALL)
    with pytest.raises(KeyboardInterrupt):
        tracking.record(trained.training.stored, {}, {}, {})
    statuses = [run.info.status for run in tracking.client.search_runs([tracking._experiment])]
    assert sorted(statuses) == ["FAILED", "FINISHED"]


def test_what_another_computer_or_a_later_process_made_is_told_from_what_a_dead_one_left() -> None:
    host, pid, began = mark().split("-")
    assert not is_gone(mark(), age=1e9)
    assert is_gone(f"{host}-{pid}-{int(began) + 1}", age=0) == Path("/proc").is_dir()
    other = "0" * 8 if host != "0" * 8 else "1" * 8
    assert not is_gone(f"{other}-{pid}-{began}", age=3_600)
    assert is_gone(f"{other}-{pid}-{began}", age=2 * 86_400)
    assert not is_gone("no mark", age=1e9)
    assert socket.gethostname() not in mark()


def test_a_folder_name_that_mlflow_would_misread_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "klagomål%20mars").mkdir()
    monkeypatch.chdir(tmp_path / "klagomål%20mars")
    with pytest.raises(TrackingError, match="mars: MLflow klarar inte %20 i en mapps namn; byt namn på den"):
        Tracking(SMALL)
    assert not any(Path().iterdir())


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_moved_or_copied_project_goes_on_in_its_own_folder(
    how: str, place: Path, trained: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tracking(SMALL)
    there = tmp_path / "ny plats" / "projekt"
    if how == "moved":
        there.parent.mkdir()
        place.rename(there)
    else:
        shutil.copytree(place, there)
    monkeypatch.chdir(there)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    tracking = Tracking(SMALL)
    assert tracking.fetch("models:/small@champion").is_relative_to(there)
    assert tracking.registered(CHAMPION).stored.version == trained.training.stored.version
    run_id, number = tracking.record(trained.training.stored, {}, {}, {"report.json": {"a": 1}})
    assert promote(number, reason="flyttad", force=True, settings=SMALL).promoted
    assert load_model(Path("models/champion")).version == trained.training.stored.version
    for made_by, name in ((run_id, "report.json"), (str(trained.training.run_id), "training.json")):
        assert Path(mlflow.artifacts.download_artifacts(run_id=made_by, artifact_path=name)).is_file()
        assert tracking.client.get_run(made_by).info.artifact_uri.startswith(there.as_uri())
    assert mlflow.pyfunc.load_model("models:/small@champion") is not None
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == before


def test_a_champion_on_disk_that_is_not_the_registrys_is_put_right_unless_it_was_put_there_by_hand(
    place: Path, trained: Workplace, tmp_path: Path
) -> None:
    stored, champion = trained.training.stored, Path("models/champion")
    other = save_model(tmp_path / "other", stored.model, stored.taxonomy, stored.held_out.select(range(150)), {})
    tracking = Tracking(SMALL)
    copy_model(tmp_path / "other", champion)
    settle_champion(tracking)
    assert read_manifest(champion)["model_version"] == other.version
    tracking.record(other, {}, {}, {})
    settle_champion(tracking)
    assert read_manifest(champion)["model_version"] == stored.version
    shutil.rmtree(champion)
    settle_champion(tracking)
    assert load_model(champion).version == stored.version
    assert tracking.client.get_run(str(trained.training.run_id)).data.tags.get(PROCESS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the benchmark forks")
def test_a_promotion_or_an_audit_that_is_killed_at_any_moment_leaves_everything_whole(
    trained: Workplace, tmp_path: Path
) -> None:
    """A few kills; `python tests/benchmarks/kills.py` does hundreds of them, of trainings and reports too."""
    times = os.environ.get("NOLLCLASSIFY_KILLS", "6")
    script = str(ROOT / "tests" / "benchmarks" / "kills.py")
    given = ["--times", times, "--place", str(trained.directory), "--only", "promote", "audit"]
    done = run(sys.executable, script, *given, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    table = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [row[0] for row in table] == ["promote", "audit"]
    assert all(row[4:] == ["0", "0"] and int(row[2]) > 0 for row in table)
