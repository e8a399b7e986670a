"""The command line: one clear sentence for what is wrong, exit codes, and no traceback."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from nollclassify import cli
from tests.conftest import Workplace


@pytest.fixture
def call(workplace: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run the command line in this process, in the trained workplace: exit code, output, errors."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nollclassify", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture
def month(tmp_path: Path) -> Path:
    path = tmp_path / "mars.csv"
    path.write_text("ärende;text\n1;satt i kö i två timmar\n2;fel storlek på skorna\n", encoding="utf-8")
    return path


def test_label_says_how_many_and_where(call, month: Path) -> None:
    code, out, _ = call("label", month)
    assert code == 0
    assert out.startswith("2 klagomål märkta, varav ")
    assert out.strip().endswith(str(month.with_name("mars.labelled.csv")))


def test_label_ends_with_3_when_rows_were_rejected(call, month: Path) -> None:
    month.write_text(month.read_text(encoding="utf-8") + "3;\n", encoding="utf-8")
    code, out, _ = call("label", month)
    assert code == 3
    assert f"1 rader avvisade, med skäl: {month.with_name('mars.rejected.csv')}" in out


@pytest.mark.parametrize(
    ("content", "name", "arguments", "code", "sentence"),
    [
        (None, "ingen.csv", [], 4, "filen finns inte; kontrollera namnet och mappen."),
        (b"", "tom.csv", [], 4, "filen är tom; spara om den med en rubrikrad och minst en rad under."),
        (b"text\nhej", "fil.docx", [], 4, "filändelsen känns inte igen; spara filen som något av"),
        (
            b"namn\nhemlig text",
            "fil.csv",
            [],
            4,
            "ingen kolumn har klagomålets text; döp den kolumnen till text eller klagomål.",
        ),
        (b'text\n"hemlig', "fil.csv", [], 4, "har ett citattecken som aldrig avslutas, filen kan vara avhuggen"),
        (b"inte zip", "bok.xlsx", [], 4, "arbetsboken går inte att läsa; öppna den i Excel och spara om den."),
        (b"PAR1 avhuggen", "fil.parquet", [], 4, "filen är inte en hel Parquet-fil; skriv den på nytt."),
        (
            b"text\nhemlig",
            "fil.csv",
            ["--model", "saknas"],
            5,
            "här finns ingen modell; kör `nollclassify train` först",
        ),
        (b"text\nhemlig", "fil.csv", ["--output", "ut.pdf"], 4, "filändelsen känns inte igen"),
        (b"text\nhemlig", "fil.csv", ["--model", "models:/small/99"], 7, "finns inte i registret"),
    ],
)
def test_broken_input_is_one_sentence_and_an_exit_code(
    call, tmp_path: Path, content: bytes | None, name: str, arguments: list[str], code: int, sentence: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    got, out, err = call("label", path, *arguments)
    assert (got, out) == (code, "")
    assert err.startswith("Fel: ")
    assert err.count("\n") == 1
    assert sentence in err
    assert "hemlig" not in err
    assert "Traceback" not in err


def test_a_stated_precision_reaches_the_labelling(call, month: Path, workplace: Workplace, tmp_path: Path) -> None:
    assert call("label", month, "--output", tmp_path / "sure.csv", "--precision", "0.95")[0] == 0
    code, _, err = call("label", month, "--output", tmp_path / "surer.csv", "--precision", "1.5")
    assert code == 4
    assert "--precision 1.5: ange ett tal från 0.80 till 0.99." in err


def test_wrong_settings_are_told(call, month: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nollclassify.toml").write_text("min_celler = 5\n", encoding="utf-8")
    code, _, err = call("label", month)
    assert code == 6
    assert "okänd inställning min_celler; tillåtna är taxonomy, word_classes, champion" in err


def test_a_wrong_command_ends_with_2(call) -> None:
    assert call("lable", "x.csv")[0] == 2
    assert call("label")[0] == 2


def test_evaluate_prints_a_table_and_writes_json(call, workplace: Workplace, tmp_path: Path) -> None:
    code, out, _ = call("evaluate", workplace.cases, "--json", tmp_path / "scores.json")
    assert code == 0
    assert "Väntetid" in out
    assert "Makro-F1" in out
    assert "fanns i modellens träning; för dem är måtten för bra" in out
    assert "minimala par, båda rätt: 0," in out
    assert re.search(r"\n1 Faktura före leverans +\d", out)
    assert not re.search(r"\d\.\d|wait_time", out)
    content = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert {"precision_low", "f1", "average_precision", "calibration_error", "n"} <= set(content["causes"][0])
    assert content["by_channel"]
    assert {row["kind"] for row in content["behaviours"]} == {"pair", "denied", "variants", "short"}
    assert content["n_seen_in_training"] == content["n"]


def test_evaluate_prints_json_to_the_screen(call, workplace: Workplace) -> None:
    _, out, _ = call("evaluate", workplace.cases, "--json", "-")
    assert json.loads(out)["n"] > 0


def test_causes_prints_every_cause_with_its_definition(call) -> None:
    code, out, _ = call("causes")
    assert code == 0
    for text in (
        "Faktura före leverans (invoice_before_delivery",
        "Väntetid",
        "Inte hit: enbart öppettiderna",
        "Övrigt (other)",
    ):
        assert text in out


def test_report_writes_and_says_where(call, month: Path, tmp_path: Path) -> None:
    call("label", month)
    code, out, _ = call("report", tmp_path / "mars.labelled.csv", "--output", tmp_path / "rapport")
    assert code == 0
    assert "Färre än 5 klagomål utan datum: för få för att säga något." in out
    assert len(list((tmp_path / "rapport").iterdir())) == 3


def test_promote_tells_why_not(call, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.models, "settings_for", lambda taxonomy="": __import__("tests.conftest").conftest.SMALL)
    code, _, err = call("promote", "77")
    assert code == 7
    assert "version 77 av small finns inte i registret" in err


def test_train_says_what_became_of_the_model(call, workplace: Workplace, tmp_path: Path) -> None:
    frame = pd.read_csv(workplace.cases, sep=";", dtype=str, keep_default_na=False).iloc[::4]
    frame.to_csv(tmp_path / "few.csv", index=False)
    code, out, err = call("train", tmp_path / "few.csv", "--no-starter", "--no-register", "--output", tmp_path / "m")
    assert code == 0
    assert out.rstrip().endswith("Modellen är inte registrerad.")
    assert "träning och korsvalidering, del 5 av 5" in err


def test_train_refuses_a_file_of_word_classes_that_does_not_hold(
    call, workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nollclassify.toml").write_text('word_classes = "ord.toml"\n', encoding="utf-8")
    Path("ord.toml").write_text('betalning = ["Faktura"]\n', encoding="utf-8")
    code, _, err = call("train", workplace.cases, "--no-starter", "--no-register", "--output", tmp_path / "m")
    assert code == 6
    assert "ord.toml: 'Faktura' i ordklassen 'betalning' duger inte" in err
    assert not (tmp_path / "m").exists()


def test_breaking_off_is_told_in_swedish(call, month: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nollclassify.labelling.label", broken_off)
    code, _, err = call("label", month)
    assert code == 130
    assert err == "Fel: avbrutet; ingen fil är halvskriven, kör samma kommando igen.\n"


def test_a_process_that_died_for_want_of_memory_is_told_in_a_sentence(
    call, month: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(*_: object, **__: object) -> None:
        raise TerminatedWorkerError("what joblib raises")

    monkeypatch.setattr("nollclassify.labelling.label", died)
    code, _, err = call("label", month)
    assert code == 1
    assert err.startswith("Fel: en av processerna dog, troligen för att minnet tog slut; ")
