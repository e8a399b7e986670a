"""Agreement: what people answered of the same cases before they talked it over, and what they mix up."""

from __future__ import annotations

import sys
from pathlib import Path

import openpyxl
import pytest

from nollclassify import cli
from nollclassify.cli.shared import number, spanned
from nollclassify.corrections import Corrections
from nollclassify.double_coding import agreement
from nollclassify.errors import InputError
from tests.decisions import decide, decision

TWO = "invoice_before_delivery;wait_time"


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Corrections:
    monkeypatch.chdir(tmp_path)
    return Corrections("corrections.sqlite")


def both(ledger: Corrections, anna: list[str], bo: list[str], **others: str) -> None:
    """What two people answered of cases 0, 1, 2 ..."""
    for name, answers in (("Anna", anna), ("Bo", bo)):
        decide(ledger, *(decision(str(n), causes, name, **others) for n, causes in enumerate(answers)))


def test_figures_of_each_cause_and_of_all_together(ledger: Corrections) -> None:
    both(ledger, ["wait_time"] * 10 + [""] * 10, ["wait_time"] * 9 + [""] * 10 + ["wait_time"])
    decide(ledger, decision("99", "wait_time", "Cia"))  # Nobody else answered.
    found = agreement()
    assert (found.n, found.n_people) == (20, 2)
    figures = found.figures.set_index("what")
    assert figures.loc["Väntetid", ["n", "n_chosen", "agreement"]].tolist() == [20, 11, 0.9]
    # 40 labels, 20 of each kind, 2 cases of 20 apart: 1 - 0.1 / (2 x 20 x 20 / (40 x 39)).
    assert figures.loc["Väntetid", "alpha"] == pytest.approx(1 - 0.1 / (800 / 1560))
    assert (
        figures.loc["Väntetid", "alpha_low"] < figures.loc["Väntetid", "alpha"] < figures.loc["Väntetid", "alpha_high"]
    )
    for what in ("Övrigt", "huvudorsaken", "alla orsaker tillsammans"):
        assert figures.loc[what, "alpha"] == pytest.approx(figures.loc["Väntetid", "alpha"])
    assert figures.loc["Kampanjkritik", ["n_chosen", "agreement"]].tolist() == [0, 1]
    assert figures["alpha"].isna().sum() == 4


def test_sets_that_share_a_cause_are_nearer_than_sets_that_share_none(ledger: Corrections) -> None:
    both(ledger, ["wait_time", "", TWO] * 7, ["wait_time", "", "wait_time"] * 7)
    near = agreement().figures.set_index("what").loc["alla orsaker tillsammans"]
    ledger.path.unlink()
    both(ledger, ["wait_time", "", TWO] * 7, ["wait_time", "", "naming_confusion"] * 7)
    far = agreement().figures.set_index("what").loc["alla orsaker tillsammans"]
    assert near["alpha"] > far["alpha"] + 0.05
    assert near["agreement"] == far["agreement"] == pytest.approx(2 / 3)


def test_pairs_of_causes_that_are_mixed_up_are_counted_by_case(ledger: Corrections) -> None:
    anna = ["wait_time", "wait_time", "wait_time;campaign_backlash", TWO, "naming_confusion", ""]
    bo = ["", "", "campaign_backlash;wait_time", "wait_time", "naming_confusion", ""]
    both(ledger, anna, bo)
    decide(ledger, decision("0", "", "Cia"))
    found = agreement()
    assert found.pairs.to_numpy().tolist() == [
        ["Övrigt", "i stället för", "Väntetid", 2],
        ["Faktura före leverans", "utöver", "Väntetid", 1],
        ["Kampanjkritik", "framför", "Väntetid", 1],
    ]
    first = found.cases[found.cases["case_id"] == "0"].iloc[0]
    assert (first["text"], first["said"]) == ("klagomål 0", "Anna: Väntetid; Bo: Övrigt; Cia: Övrigt")


def test_what_people_answered_first_counts_not_what_they_agreed_on_afterwards(ledger: Corrections) -> None:
    both(ledger, ["wait_time"], [""])
    decide(ledger, decision("0", "wait_time", "Bo", file="efter.xlsx"))
    assert agreement().pairs["n"].tolist() == [1]
    # A slip that was taken back is none of it.
    decide(ledger, decision("0", taken_back=True, reviewer="Bo", file=""))
    assert agreement().n == 0
    decide(ledger, decision("0", "wait_time", "Bo", file="efter2.xlsx"))
    assert (agreement().n, len(agreement().pairs)) == (1, 0)


def test_the_workbook_has_the_cases_behind_each_pair(ledger: Corrections, tmp_path: Path) -> None:
    both(ledger, ["wait_time"] * 25, ["wait_time"] * 22 + ["", TWO, ""], text="=1+1 <namn>" + " kö" * 100)
    path = agreement("samsyn.xlsx").output
    assert path is not None
    workbook = openpyxl.load_workbook(path)
    assert workbook.sheetnames == ["förväxlingar", "ärenden", "överensstämmelse"]
    rows = list(workbook["ärenden"].iter_rows(values_only=True))
    assert rows[0] == ("en valde", "hur", "den andra", "ärende", "klagomål", "svar")
    assert [row[3] for row in rows[1:]] == ["22", "24", "23"]
    assert str(rows[1][4]).startswith("=1+1 <namn>")
    assert workbook["ärenden"]["E2"].data_type == "s"
    assert workbook["ärenden"].row_dimensions[2].height > 60
    figures = workbook["överensstämmelse"]
    assert [figures.cell(2, column).number_format for column in range(3, 10)] == ["General", *["0%"] * 3, *["0.00"] * 3]
    for sheet in workbook:
        assert (sheet.page_setup.orientation, sheet.page_setup.fitToHeight, sheet.freeze_panes) == (
            "landscape",
            0,
            "A2",
        )
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
    with pytest.raises(
        InputError,
        match=r"^samsyn\.xlsx: filen finns redan; välj ett annat namn, eller ange --force för att ersätta den\.$",
    ):
        agreement("samsyn.xlsx")
    assert agreement("samsyn.xlsx", force=True).output == path


def test_the_command_shows_figures_but_no_texts(
    ledger: Corrections, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["nollclassify", "agreement", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return capsys.readouterr().out

    assert call().startswith("0 ärenden har fått svar av minst två, av 0 granskare i allt.\nFör få för en siffra")
    both(ledger, ["wait_time"] * 19, ["wait_time"] * 18 + [""], text="hemligt")
    assert call().splitlines() == [
        "19 ärenden har fått svar av minst två, av 2 granskare i allt.",
        "För få för en siffra: minst 20 behövs. Låt två personer fylla i var sin kopia av samma bok.",
        "Det som förväxlas, antal ärenden:",
        "     1  Övrigt i stället för Väntetid",
        "Ärendena bakom varje par: kör igen med `-o samsyn.xlsx`.",
    ]
    decide(ledger, decision("19", "", "Anna"), decision("19", "", "Bo"))
    out = call("-o", "samsyn.xlsx")
    assert "│ Väntetid " in out
    assert "0,95 (0,76–0,99)" in out
    assert "│ Kampanjkritik " in out
    assert "–" in out
    assert out.endswith("Ärendena bakom varje par: samsyn.xlsx\n")
    assert "hemligt" not in out


def test_figures_on_the_screen_are_written_as_in_swedish() -> None:
    assert spanned(0.5, 0.4, 0.625) == "0,50 (0,40–0,62)"
    assert spanned(-0.001, -0.13, -0.01) == "0,00 (-0,13 till -0,01)"
    assert spanned(float("nan"), 0, 1) == number(float("nan")) == "–"
    assert number(0.0123, 3, "+") == "+0,012"
