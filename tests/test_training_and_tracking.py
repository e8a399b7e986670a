"""Training against a real MLflow store on SQLite: runs, versions, aliases, the gate, and nobody's words."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

import nollclassify
from nollclassify.cases import read_cases
from nollclassify.errors import InputError, TrackingError
from nollclassify.model_store import load_model
from nollclassify.promotion import promote
from nollclassify.taxonomy import Taxonomy, load_taxonomy
from nollclassify.text_labels import label_texts
from nollclassify.tracking import CHALLENGER, CHAMPION, Tracking
from nollclassify.training import train
from nollclassify.training_data import read_starter
from tests.conftest import QUICK, SMALL, Workplace


@pytest.fixture
def own_workplace(trained: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the trained workplace, to be changed. A copied store takes a second where a fresh one takes five."""
    place = tmp_path / "place"
    shutil.copytree(trained.directory, place)
    monkeypatch.chdir(place)
    return place


def test_a_first_model_that_passes_the_gate_becomes_champion(workplace: Workplace) -> None:
    tracking = Tracking(SMALL)
    assert workplace.training.decision is not None
    assert workplace.training.decision.passed
    assert tracking.version_of(CHAMPION) == tracking.version_of(CHALLENGER) == workplace.training.number == "1"
    assert load_model(Path("models/champion")).version == workplace.training.stored.version


def test_a_run_holds_parameters_metrics_reports_and_the_taxonomy(workplace: Workplace) -> None:
    run = Tracking(SMALL).client.get_run(str(workplace.training.run_id))
    assert run.info.status == "FINISHED"
    assert run.data.params["candidate"] == "quick"
    assert len(run.data.params["data.1"]) == 16
    wanted = {"macro_f1", "wait_time.f1", "wait_time.calibration_error", "fold_0.macro_f1", "fold_3.wait_time.f1"}
    wanted |= {f"behaviour.{kind}" for kind in ("pair", "denied", "variants", "short")}
    assert wanted <= set(run.data.metrics)
    artefacts = {a.path for a in Tracking(SMALL).client.list_artifacts(run.info.run_id)}
    assert {"taxonomy.toml", "evaluation.json", "training.json"} <= artefacts


def test_nobodys_words_are_in_the_store(workplace: Workplace) -> None:
    texts = read_cases(workplace.cases, load_taxonomy(), labelled=True).texts
    long = [text[:60].encode() for text in texts if len(text) > 60]
    for path in (p for p in workplace.directory.rglob("*") if p.is_file() and p != workplace.cases):
        content = path.read_bytes()
        assert not [text for text in long if text in content], path


def test_the_registered_model_gives_the_labels_of_label(workplace: Workplace, starter: pd.DataFrame) -> None:
    Tracking(SMALL)
    model = mlflow.pyfunc.load_model("models:/small@champion")
    texts = starter["text"].tolist()[:50]
    served = model.predict(pd.DataFrame({"text": texts}))
    ours = label_texts(texts, workplace.training.stored)
    assert list(served.columns) == list(ours.columns)
    assert served.astype(object).to_dict("records") == ours.to_dict("records")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"klagomål": ["hemligt"]}), "kolumnen text saknas; skicka en tabell med kolumnen text."),
        (pd.DataFrame({"text": ["a", 1.5]}), "rad 2: kolumnen text är inte text; skicka alla klagomål som text."),
    ],
)
def test_the_registered_model_refuses_wrong_columns_and_types(
    workplace: Workplace, frame: pd.DataFrame, message: str
) -> None:
    Tracking(SMALL)
    model = mlflow.pyfunc.load_model("models:/small@champion")
    with pytest.raises(InputError) as caught:
        model.predict(frame)
    assert str(caught.value) == message


def test_label_takes_a_model_of_the_registry(workplace: Workplace) -> None:
    directory = Tracking(SMALL).fetch("models:/small@champion")
    assert load_model(directory).version == workplace.training.stored.version
    with pytest.raises(TrackingError, match="modellen models:/small@nobody finns inte i registret"):
        Tracking(SMALL).fetch("models:/small@nobody")


def test_a_challenger_that_is_worse_does_not_become_champion(own_workplace: Path, starter: pd.DataFrame) -> None:
    some = starter[starter["author"].isin(sorted(starter["author"].unique())[:4])]
    worse = some[["case_id", "text", "author"]].copy()
    worse["causes"] = some["causes"].sample(frac=0.3, random_state=1).reindex(some.index, fill_value="")
    worse.to_csv("worse.csv", index=False)
    result = train("worse.csv", starter=False, output="models/worse", settings=SMALL, candidates=QUICK)
    assert result.decision is not None
    assert not result.decision.passed
    tracking = Tracking(SMALL)
    assert (tracking.version_of(CHAMPION), tracking.version_of(CHALLENGER)) == ("1", "2")
    tags = tracking.client.get_model_version("small", "2").tags
    assert tags["gate"] == "refused"
    assert tags["gate_reason"].endswith("0,500 krävs") or "sämre" in tags["gate_reason"]
    assert load_model(Path("models/champion")).version != result.stored.version


def test_the_gate_is_passed_by_only_with_a_reason(own_workplace: Path) -> None:
    with pytest.raises(InputError, match="--force kräver --reason"):
        promote(1, force=True, settings=SMALL)


def test_promoting_what_is_not_there_is_one_sentence(workplace: Workplace) -> None:
    with pytest.raises(TrackingError, match=r"version 99 av small finns inte i registret; [^\n]*$"):
        promote(99, settings=SMALL)


def test_a_store_without_a_champion_says_how_to_get_one(own_workplace: Path) -> None:
    tracking = Tracking(replace(SMALL, registered_model="another"))
    with pytest.raises(TrackingError, match=r"ingen version av another är champion; kör `nollclassify train`\.$"):
        tracking.registered(CHAMPION)


def test_the_tracking_address_of_the_environment_is_respected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: Workplace
) -> None:
    shutil.copy(trained.directory / "mlflow.db", tmp_path / "elsewhere.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert Tracking(SMALL).version_of(CHAMPION) == "1"
    assert not (tmp_path / "mlflow.db").exists()


def test_another_working_directory_of_the_same_process_has_its_own_store(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Tracking(SMALL).version_of(CHAMPION) == "1"
    monkeypatch.chdir(tmp_path)
    assert Tracking(SMALL).version_of(CHAMPION) is None
    assert (tmp_path / "mlflow.db").exists()
    monkeypatch.chdir(workplace.directory)
    assert Tracking(SMALL).version_of(CHAMPION) == "1"


def test_an_unreachable_store_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'a' / 'folder' / 'that' / 'is' / 'missing.db'}")
    (tmp_path / "a").write_text("")
    with pytest.raises(TrackingError, match=r"^sqlite:///[^\n]*; kontrollera MLFLOW_TRACKING_URI och namnet\.$"):
        Tracking(SMALL)


def test_training_without_registering_leaves_no_store(
    trained: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = train(trained.cases, starter=False, register=False, output="m", settings=SMALL, candidates=QUICK)
    assert (result.run_id, result.number, result.decision) == (None, None, None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]
    assert np.array_equal(result.stored.model.coefficients, trained.training.stored.model.coefficients)


def test_a_new_cause_is_learned_without_code(
    trained: Workplace, taxonomy: Taxonomy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = 'name_sv = "Otrevlig personal"\nname_en = "Rude staff"\ndefinition_sv = "Otrevlig."'
    new = f'\n[[causes]]\nid = "rude_staff"\n{names}\n'
    Path("egen.toml").write_text(taxonomy.source.replace('"2026.1"', '"2026.1-egen"') + new, encoding="utf-8")
    rude = ["otrevlig", "spydig", "nonchalant", "oförskämd", "otrevlig och spydig", "snäsig", "snäsig och otrevlig"]
    rows = [f"n{i};{word} personal i butiken, otrevlig ton {word};Otrevlig personal" for i, word in enumerate(rude * 2)]
    kept = pd.read_csv(trained.cases, sep=";", dtype=str, keep_default_na=False)[["case_id", "text", "causes"]]
    kept.to_csv("kept.csv", index=False)
    Path("rude.csv").write_text("ärende;klagomål;orsaker\n" + "\n".join(rows), encoding="utf-8")
    settings = replace(SMALL, taxonomy="egen.toml")
    result = train("kept.csv", "rude.csv", starter=False, register=False, settings=settings, candidates=QUICK)
    row = label_texts(["vilken otrevlig och spydig personal"], result.stored).iloc[0]
    assert row["primary_cause"] == "rude_staff"
    assert row["taxonomy_version"] == "2026.1-egen"


def test_a_cause_with_too_few_examples_says_how_many_it_needs(tmp_path: Path, starter: pd.DataFrame) -> None:
    path = tmp_path / "few.csv"
    starter[starter["causes"] != "wait_time"].head(40)[["case_id", "text", "causes"]].to_csv(path, index=False)
    with pytest.raises(InputError, match=r"\d märkta exempel, minst 5 behövs; märk fler klagomål"):
        train(path, starter=False, register=False, settings=SMALL, candidates=QUICK)


@pytest.mark.parametrize("authors", [["x"], ["x", *"abcdef"]])
def test_examples_by_one_author_alone_are_refused(tmp_path: Path, taxonomy: Taxonomy, authors: list[str]) -> None:
    rows = [f"{i};text nummer {i} om något;{authors[i % len(authors)]};" for i in range(80)]
    rows += [f"e{c}{i};exempel {i} på {c};x;{c}" for c in taxonomy.cause_ids for i in range(12)]
    path = tmp_path / "one.csv"
    path.write_text("id;text;upphov;orsaker\n" + "\n".join(rows), encoding="utf-8")
    with pytest.raises(InputError, match=r"lämna (kolumnen upphov|den) tom"):
        train(path, starter=False, register=False, output=tmp_path / "m", settings=SMALL, candidates=QUICK)


def test_no_texts_at_all_is_said() -> None:
    with pytest.raises(InputError, match="ange minst en märkt fil eller utelämna --no-starter"):
        train(starter=False)


def test_rejected_training_rows_are_written_beside_their_file(
    trained: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken = trained.cases.read_text(encoding="utf-8") + "x1;en text utan känd orsak;;okänt;;\n"
    Path("egen.csv").write_text(broken, encoding="utf-8")
    result = train("egen.csv", starter=False, register=False, settings=SMALL, candidates=QUICK)
    assert list(result.rejected["rejected_column"]) == ["causes"]
    assert "x1" in Path("egen.rejected-in-training.csv").read_text(encoding="utf-8-sig")


def test_the_starter_corpus_is_read_like_any_file(taxonomy: Taxonomy) -> None:
    assert len(read_starter(taxonomy).rejected) == 0


@pytest.mark.parametrize("verb", ["train", "label", "evaluate", "promote", "rollback", "differences", "report", "demo"])
def test_the_verbs_of_the_command_line_are_functions_of_the_package(verb: str) -> None:
    assert getattr(nollclassify, verb).__name__ == verb


def test_no_module_bears_the_name_of_a_verb_and_takes_its_place_once_it_is_imported() -> None:
    modules = {path.stem for path in Path(nollclassify.__file__).parent.iterdir() if path.stem != "__init__"}
    # Importing a package of that name sets it as an attribute, which hides the function.
    assert not modules & set(nollclassify.__all__)
