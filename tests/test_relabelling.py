"""Cases whose cause was split are drawn for coding anew, and the book that is filled in bridges the series."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from nollclassify import relabel, report
from nollclassify.errors import InputError
from nollclassify.settings import Settings
from tests.audits import labelled, rows_of
from tests.conftest import run
from tests.test_series_across_changes import SPLIT, figure, month, taxonomy_file


@pytest.fixture
def divided(tmp_path: Path) -> Settings:
    return taxonomy_file(tmp_path / "egen.toml", ["wait_time"], ["phone", "case"], SPLIT)


def test_the_drawn_book_filled_in_by_name_bridges_the_series(tmp_path: Path, divided: Settings) -> None:
    file = month(tmp_path, "2020-02", **{"wait_time": 40, "other": 20, "naming_confusion;wait_time": 8})
    done = relabel(file, n=50, output=tmp_path / "bro.xlsx", settings=divided)
    assert (done.n, done.n_cases) == (48, 48)
    rows = rows_of(done.output, "dubbelmärkning")
    assert {row["orsaker före"] for row in rows} == {"Väntetid", "Namnförväxling; Väntetid"}
    book = openpyxl.load_workbook(done.output)
    sheet = book["dubbelmärkning"]
    alone = [n for n, row in enumerate(rows, 2) if row["orsaker före"] == "Väntetid"]
    for place, n in enumerate(alone):
        sheet.cell(n, 5).value = "Namn phone" if place % 4 else "Namn case; Namnförväxling"
    book.save(done.output)
    told = report(file, output=tmp_path / "ut", bridge=done.output, settings=divided)
    assert figure(told, "2020-02", "primary", "phone")["value"] == 30
    # The mentions beside another cause are given out as those of the primary ones are, for no other was coded.
    assert figure(told, "2020-02", "mentioned", "phone")["value"] == 36
    assert not [sentence for sentence in told.summary if "bara nämnde" in sentence]


def test_filled_in_cases_that_only_mention_the_cause_count_as_mentions_and_it_is_told(
    tmp_path: Path, divided: Settings
) -> None:
    file = month(tmp_path, "2020-02", **{"wait_time": 40, "other": 20, "naming_confusion;wait_time": 8})
    done = relabel(file, output=tmp_path / "bro.xlsx", settings=divided)
    book = openpyxl.load_workbook(done.output)
    for n, row in enumerate(rows_of(done.output, "dubbelmärkning"), 2):
        alone = row["orsaker före"] == "Väntetid"
        book["dubbelmärkning"].cell(n, 5).value = "Namn phone" if alone else "Namnförväxling; Namn case"
    book.save(done.output)
    told = report(file, output=tmp_path / "ut", bridge=done.output, settings=divided)
    # Without the eight, which were the only ones of it, no mention would have become one of the other part.
    assert figure(told, "2020-02", "mentioned", "case")["value"] == 8
    assert any("40 klagomål som är märkta på båda sätten och hade den som huvudorsak;" in s for s in told.summary)
    assert (
        "De dubbelmärkta klagomål som bara nämnde Väntetid räknar om hur ofta orsakerna nämns, inte huvudorsakerna."
    ) in told.summary


def test_the_same_cases_are_drawn_from_sorted_rows_and_others_by_another_seed(
    tmp_path: Path, divided: Settings
) -> None:
    ids = [f"K-{n:02d}" for n in range(60)]
    drawn = []
    for name, order, seed in (("a", ids, 0), ("b", ids[::-1], 0), ("c", ids, 1)):
        waits = ["wait_time"] * 60
        texts = [f"sak{i} ord{i} rad{i}" for i in order]
        file = labelled(tmp_path / f"{name}.csv", order, causes=waits, primary_cause=waits, klagomål=texts)
        book = relabel(file, n=20, output=tmp_path / f"{name}.xlsx", seed=seed, settings=divided).output
        drawn.append([row["ärende"] for row in rows_of(book, "dubbelmärkning")])
    assert len(set(drawn[0])) == 20
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) != set(drawn[2])


def test_nothing_to_relabel_and_a_book_that_exists_are_told(tmp_path: Path, divided: Settings) -> None:
    file, target = month(tmp_path, "2020-03", phone=20), tmp_path / "bro.xlsx"
    with pytest.raises(InputError, match="inget klagomål har en orsak som har delats; det finns inget att märka om"):
        relabel(file, output=target, settings=divided)
    target.touch()
    with pytest.raises(InputError, match="filen finns redan och kan vara ifylld; ange --force för att ersätta den"):
        relabel(file, output=target, settings=divided)
    with pytest.raises(InputError, match=r"dubbelmärkningen är en Excelbok; välj en --output som slutar på \.xlsx"):
        relabel(file, output=tmp_path / "bro.csv", settings=divided)


def test_the_command_says_what_to_do_next(tmp_path: Path, divided: Settings) -> None:
    file = month(tmp_path, "2020-02", wait_time=40)
    done = run("nollclassify", "relabel", file.name, "-o", "bro.xlsx", "--taxonomy", divided.taxonomy, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("40 av 40 klagomål med en delad orsak att märka om: bro.xlsx")


def test_a_file_labelled_by_a_newer_taxonomy_is_not_counted_without_its_new_causes(tmp_path: Path) -> None:
    causes = ["phone", "wait_time"] * 10
    file = labelled(tmp_path / "m.csv", range(20), causes=causes, primary_cause=causes, taxonomy_version="2027.1")
    with pytest.raises(InputError) as caught:
        report(file, output=tmp_path / "ut", settings=Settings())
    assert str(caught.value) == (
        f"{file}: 10 rader har orsaker som taxonomin 2026.1 inte känner, för filen är märkt med '2027.1'; "
        "ange den taxonomin med --taxonomy."
    )


def test_the_book_shows_where_to_write_and_what_belongs_to_each_cause(tmp_path: Path, divided: Settings) -> None:
    file = month(tmp_path, "2020-02", wait_time=25)
    book = openpyxl.load_workbook(relabel(file, output=tmp_path / "bro.xlsx", settings=divided).output)
    sheet = book["dubbelmärkning"]
    assert {sheet.cell(n, 5).fill.fgColor.rgb for n in range(2, 27)} == {"FFFFF8DC"}
    assert sheet.cell(2, 4).fill.fill_type is None
    assert (sheet.page_setup.orientation, sheet.page_setup.fitToHeight, sheet.print_title_rows) == (
        "landscape",
        0,
        "$1:$1",
    )
    (rule,) = sheet.data_validations.dataValidation
    codebook = rows_of(tmp_path / "bro.xlsx", "orsaker")
    assert (str(rule.sqref), rule.formula1) == ("E2:E26", f"'orsaker'!$A$2:$A${len(codebook) + 1}")
    assert "inte hör till varje orsak står på bladet orsaker" in rule.prompt
    assert [row["orsak"] for row in codebook][-3:] == ["Namn phone", "Namn case", "Övrigt"]
    assert {"hit hör", "inte hit"} <= set(codebook[0])


def test_a_long_complaint_gets_a_row_as_high_as_it_needs_and_as_a_sheet_takes(
    tmp_path: Path, divided: Settings
) -> None:
    waits, texts = ["wait_time"] * 3, ["kort", "ord " * 100, "rad\n" * 300]
    file = labelled(tmp_path / "m.csv", ["a", "b", "c"], causes=waits, primary_cause=waits, klagomål=texts)
    book = openpyxl.load_workbook(relabel(file, output=tmp_path / "bro.xlsx", settings=divided).output)
    sheet = book["dubbelmärkning"]
    heights = {sheet.cell(n, 1).value: sheet.row_dimensions[n].height for n in (2, 3, 4)}
    assert heights["a"] < 20 < 80 < heights["b"] < 399 < heights["c"] <= 400
