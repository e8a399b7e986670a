"""What MLflow's pages show of a training: names and tables that a person can read, and pictures."""

from __future__ import annotations

import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from nollclassify.evaluation import score
from nollclassify.gate import GateRule, HeldOut, gate
from nollclassify.run_record import gate_page, note, pictures, summary
from nollclassify.tracking import Tracking
from tests.conftest import SMALL, Workplace


def test_a_run_has_a_name_a_table_of_scores_and_pictures(workplace: Workplace) -> None:
    tracking, training = Tracking(SMALL), workplace.training
    run = tracking.client.get_run(str(training.run_id))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d 581 texts, quick", run.info.run_name)
    assert run.data.tags["mlflow.source.name"] == "nollclassify train"
    told = run.data.tags["mlflow.note.content"]
    assert told == note(training.stored, training.scores)
    for row in training.scores.causes.to_dict("records"):
        name = training.stored.taxonomy.cause(row["cause"]).name_en
        assert re.search(
            rf"\| {name}\W+{row['n']}\W+{row['f1']:.3f} \({row['f1_low']:.3f}–{row['f1_high']:.3f}\)", told
        )
    assert len(told) < 8_000
    folder = Path(tracking.client.download_artifacts(run.info.run_id, "pictures"))
    names = ["calibration.png", "confusion.png", "f1_by_cause.png"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in names)
    assert run.data.params["texts"] == "581"


def test_the_registered_model_its_version_and_the_experiment_say_what_they_are(workplace: Workplace) -> None:
    client = Tracking(SMALL).client
    assert "Reads Swedish customer complaints" in client.get_registered_model("small").description
    version = client.get_model_version("small", "1")
    assert version.description.startswith(summary(workplace.training.stored))
    assert f"macro-F1 {workplace.training.scores.macro_f1.estimate:.3f} " in version.description
    assert "Gate: passed. makro-F1 är minst 0," in version.description
    experiment = client.get_experiment_by_name("test")
    assert "no text of a complaint" in experiment.tags["mlflow.note.content"]


@pytest.mark.parametrize("k", [1, 20])
def test_one_cause_and_twenty_can_be_pictured_and_told(k: int, workplace: Workplace) -> None:
    taxonomy = workplace.training.stored.taxonomy
    causes = tuple(replace(taxonomy.causes[0], id=f"c_{i}", name_en=f"A rather long cause {i}") for i in range(k))
    many = replace(taxonomy, causes=causes)
    generator = np.random.default_rng(0)
    truth = (generator.random((400, k)) < 0.1).astype(int)
    truth[:, 0] = 0  # one that nobody has
    probabilities = generator.random((400, k)).astype(np.float32)
    decided = (probabilities > 0.9).astype(int)
    held = HeldOut(
        tuple(map("{:032x}".format, range(400))), truth, decided, probabilities, np.arange(400), many.cause_ids
    )
    scores = score(truth, probabilities, decided, many.cause_ids, held.group)
    drawn = pictures(held, many, scores)
    for figure in drawn.values():
        figure.savefig(BytesIO(), format="png")
        assert figure.get_size_inches().max() < 25
    stored = replace(workplace.training.stored, held_out=held, taxonomy=many)
    assert note(stored, scores).count("A rather long cause") == k
    assert len(note(stored, scores)) < 8_000


def test_the_gates_page_shows_every_judgement_and_nothing_that_a_browser_would_run(workplace: Workplace) -> None:
    held = workplace.training.stored.held_out
    decision = gate(held, held, GateRule())
    page = gate_page(decision, "forced", "<script>alert(1)</script>")
    assert "<script>" not in page
    assert page.count("<tr class=") == len(decision.judgements)
    assert "0.000 (0.000 to 0.000)" in page
