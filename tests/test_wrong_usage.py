"""Wrong usage of the command line is one Swedish sentence; the help is Swedish too."""

from __future__ import annotations

import re
import sys

import pytest

from nollclassify import cli
from nollclassify.cli import app


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def run(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nollclassify", *line.split()])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("lern x", "kommandot lern finns inte; menade du learn? Alla kommandon visas av `nollclassify --help`."),
        ("xyzzy", "kommandot xyzzy finns inte; alla kommandon visas av `nollclassify --help`."),
        ("--foo label", "valet --foo finns inte; se `nollclassify --help`."),
        ("learn -x", "learn: valet -x finns inte; se `nollclassify learn --help`."),
        (
            "learn --revewer Bo",
            "learn: valet --revewer finns inte (menade du --reviewer?); se `nollclassify learn --help`.",
        ),
        (
            "report x",
            "report: --output (-o) saknas (Var sammanställningen läggs); se `nollclassify report --help`.",
        ),
        (
            "label",
            "label: FIL saknas (Ärendefiler: CSV, Excel, JSON Lines eller Parquet); se `nollclassify label --help`.",
        ),
        ("report x -o", "report: -o saknar sitt värde; se `nollclassify report --help`."),
        ("learn --take-back", "learn: --take-back saknar sitt värde; se `nollclassify learn --help`."),
        ("agreement --force=2", "agreement: --force ska stå utan värde; se `nollclassify agreement --help`."),
        ("rollback --to x", "rollback: --to ska vara ett heltal; se `nollclassify rollback --help`."),
        ("promote x", "promote: VERSION ska vara ett heltal; se `nollclassify promote --help`."),
        ("promote 3 4", "promote: mer är angivet än kommandot tar emot; se `nollclassify promote --help`."),
        ("relabel x --n 0", "relabel: --n ska vara ett heltal, minst 1; se `nollclassify relabel --help`."),
        (
            "label x --precision 0,9",
            "label: --precision ska vara ett tal, med punkt som i 0.95; se `nollclassify label --help`.",
        ),
        ("label x --engine dask", "label: --engine ska vara local eller spark; se `nollclassify label --help`."),
    ],
)
def test_wrong_usage_is_one_swedish_sentence(call, line: str, sentence: str) -> None:
    assert call(line) == (2, "", f"Fel: {sentence}\n")


@pytest.mark.parametrize("command", ["", *(str(c.callback.__name__) for c in app.registered_commands if c.callback)])
def test_the_help_is_swedish(call, command: str) -> None:
    code, out, _ = call(f"{command} --help")
    assert code == 0
    assert re.match(rf"Skriv: .*nollclassify {command}".rstrip() + r" \[VAL\]", out)
    assert "\nVal:\n" in out
    assert "  Visa den här hjälpen.\n" in out
    english = r"Usage|Options|Arguments|Commands|OPTIONS|ARGS|Show this|required|default|list\[|<int>|<str>|[{}]"
    assert not re.findall(english, out)


def test_without_a_command_the_help_is_shown(call) -> None:
    code, out, err = call("")
    assert (code, out) == (2, "")
    assert re.match(r"Skriv: .*nollclassify \[VAL\] KOMMANDO \.\.\.\n", err)
