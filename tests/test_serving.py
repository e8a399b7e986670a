"""`mlflow models serve` from the registry, for real: a process that listens and answers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest

from nollclassify import labelling
from nollclassify.text_labels import label_texts
from nollclassify.tracking import Tracking
from tests.conftest import BIN, SMALL, Workplace


@pytest.fixture(scope="module")
def address(trained: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [BIN / "mlflow", "models", "serve", "--env-manager", "local", "--model-uri", "models:/small@champion"]
    store = f"sqlite:///{trained.directory / 'mlflow.db'}"
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_REGISTRY_URI": store,  # MLflow may have set another one in this process
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    }
    log = (tmp_path_factory.mktemp("server") / "log").open("w")
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


ODD = (
    *("", "12345 678", "😡🤬", "I have been waiting for three weeks and nobody answers me"),
    *("väntat " * 4_600, "å\u0308\n\tdå", "\ufeff"),
)


def test_ten_thousand_texts_get_the_same_labels_through_every_door(
    address: str, trained: Workplace, starter: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [*ODD, *starter["text"].tolist()[: 10_000 - len(ODD)]]
    ours = label_texts(texts, trained.training.stored)
    status, body = ask(address, {"dataframe_split": {"columns": ["text"], "data": [[t] for t in texts]}})
    assert status == 200
    assert json.loads(body)["predictions"] == ours.to_dict("records")
    assert one_by_one(texts[:200], trained) == ours[:200].to_dict("records")
    # A file has no empty texts; these blocks go to several processes.
    monkeypatch.setattr(labelling, "_ROWS", 1_500)
    pd.DataFrame({"id": range(10_000), "text": texts}).to_csv(tmp_path / "a.csv", index=False)
    done = labelling.label(tmp_path / "a.csv", model=trained.training.stored)[0]
    filled = ours[[bool(text.strip()) for text in texts]]
    assert done.rows[list(ours.columns)].to_dict("records") == filled.to_dict("records")
    assert done.n_rejected == len(ours) - len(filled)


def one_by_one(texts: list[str], trained: Workplace) -> list[dict[Hashable, Any]]:
    """The registered model, asked for one text at a time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(trained.directory)
        loaded = mlflow.pyfunc.load_model(str(Tracking(SMALL).fetch("models:/small@champion").parents[1]))
    return [loaded.predict(pd.DataFrame({"text": [text]})).to_dict("records")[0] for text in texts]


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
