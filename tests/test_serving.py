"""`mlflow models serve` from the registry, for real: a process that listens and answers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from nollclassify.text_labels import label_texts
from tests.conftest import BIN, Workplace


@pytest.fixture
def address(trained: Workplace, tmp_path: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [BIN / "mlflow", "models", "serve", "--env-manager", "local", "--model-uri", "models:/small@champion"]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{trained.directory / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen(
        [*map(str, command), "--host", "127.0.0.1", "--port", str(port)],
        env=environment, cwd=trained.directory, stdout=log, stderr=log, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/ping", server)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        os.killpg(server.pid, 15)
        server.wait(timeout=30)
        log.close()


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        assert server.poll() is None, "the server died"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not get ready")


def ask(url: str, content: dict[str, object]) -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_served_model_labels_texts_and_refuses_wrong_columns(address: str, trained: Workplace) -> None:
    texts = ["satt i telefonkö i två timmar", "skorna var för små", ""]
    status, body = ask(address, {"dataframe_split": {"columns": ["text"], "data": [[t] for t in texts]}})
    assert status == 200
    rows = json.loads(body)["predictions"]
    ours = label_texts(texts, trained.training.stored).to_dict("records")
    assert rows == ours
    status, body = ask(address, {"dataframe_split": {"columns": ["klagomål"], "data": [["hemligt"]]}})
    assert status == 400
    assert "hemligt" not in body
