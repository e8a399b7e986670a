"""Nothing of ours, nor MLflow's telemetry, speaks to another computer; and a try would be seen."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from tests.conftest import Workplace, run

ROOT = Path(__file__).parents[1]
FAR = "192.0.2.1"  # of the addresses that are kept for examples


def test_connections_to_other_computers_are_refused_and_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("NOLLCLASSIFY_REFUSED", str(log))
    with socket.socket() as away, pytest.raises(ConnectionRefusedError, match=f"{FAR} is outside"):
        away.connect((FAR, 443))
    with pytest.raises(ConnectionRefusedError, match=r"nowhere\.example is outside"):
        socket.getaddrinfo("nowhere.example", 443)
    code = f"import socket; socket.create_connection(('{FAR}', 443), timeout=5)"
    done = run(sys.executable, "-c", code, cwd=tmp_path)
    assert f"{FAR} is outside" in done.stderr
    assert len(log.read_text(encoding="utf-8").splitlines()) == 3


def test_connections_within_this_computer_are_let_through() -> None:
    with socket.create_server(("127.0.0.1", 0)) as here:
        socket.create_connection(here.getsockname(), timeout=5).close()
        socket.create_connection(("localhost", here.getsockname()[1]), timeout=5).close()


RECORD = "from nollclassify.tracking import Tracking; from tests.conftest import SMALL; Tracking(SMALL)"
A_RUN = "import mlflow; run = mlflow.start_run(); mlflow.end_run()"
WAIT = "from mlflow.telemetry import get_telemetry_client as c; c() and c().flush()"


@pytest.mark.parametrize(("code", "reports"), [(f"{RECORD}; {A_RUN}", False), (A_RUN, True)])
def test_mlflow_reports_to_its_makers_unless_our_door_was_opened_first(
    code: str, reports: bool, trained: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(trained.directory / "mlflow.db", tmp_path / "mlflow.db")
    log = tmp_path / "log"
    # MLflow keeps quiet in tests, and on the servers that run them.
    for name in ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    monkeypatch.setenv("NOLLCLASSIFY_REFUSED", str(log))
    done = run(sys.executable, "-c", f"{code}; {WAIT}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert log.exists() == reports
