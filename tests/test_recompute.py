"""The independent recount agrees with the breakdown, to the last digit, and it finds errors that are put in."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import openpyxl
import pytest
import recompute

from nollclassify.reporting import report

FEBRUARY = {
    ("Faktura", "wait_time"): 9,
    ("Faktura", "wait_time;invoice_before_delivery"): 4,
    ("Faktura", "invoice_before_delivery"): 11,
    ("Faktura", "campaign_backlash"): 21,
    ("Faktura", ""): 26,
    ("Klarna konto", "naming_confusion"): 12,
    ("Klarna konto", ""): 9,
    ("Kort", ""): 6,
    ("Sparkonto", ""): 2,
    ("Månadsfaktura", "wait_time"): 4,
}
MARCH = {
    ("Faktura", "wait_time"): 25,
    ("Faktura", "wait_time;cancelled_event_or_trip"): 7,
    ("faktura", "invoice_before_delivery;wait_time"): 14,
    ("Faktura", "campaign_backlash"): 6,
    ("Faktura", ""): 31,
    ("Delbetalningskonto", "naming_confusion"): 8,
    ("Klarna konto", ""): 13,
    ("Kort", "wait_time"): 7,
    ("Kort", "naming_confusion"): 3,
    ("Kort", ""): 8,
    ("", "cancelled_event_or_trip"): 6,
    ("Månadsfaktura", "wait_time"): 3,
    ("Sparkonto", ""): 4,
}
HEADINGS = ["ärende", "datum", "produkt", "kanal", "källa", "text", "causes", "primary_cause"]
PLACES = (("Telefon", ""), ("E-post", "Kundtjänst"), ("", "Facebook"), ("Chatt", ""), ("Brev", "Konsumentverket"))
# What a person answers, in turn, where the model said this: it is mostly right.
ANSWERS = {
    "wait_time": ("Väntetid", "Väntetid", "Övrigt", "Väntetid"),
    "invoice_before_delivery": ("Faktura före leverans", "Väntetid"),
    "campaign_backlash": ("Kampanjkritik",),
    "naming_confusion": ("Namnförväxling", "Namnförväxling", "Övrigt"),
    "cancelled_event_or_trip": ("Inställt evenemang eller resa",),
    "other": ("Övrigt", "Övrigt", "Övrigt", "Faktura före leverans", "Övrigt", "Namnförväxling"),
}


def _rows(month: str, counts: dict[tuple[str, str], int]) -> Iterator[list[str]]:
    places, number = cycle(PLACES), 0
    for (product, causes), count in counts.items():
        for _ in range(count):
            number += 1
            channel, source = next(places)
            text = f"klagomål nummer {number} i {month}"  # too short for being anybody's copy
            first = causes.split(";")[-1]
            yield [f"{month}-{number}", f"{month}-{number % 28 + 1:02d}", product, channel, source, text, causes, first]


def _write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    return path


def _audit(path: Path, rows: list[list[str]]) -> Path:
    """The workbook of an audit: every third complaint drawn, all but the last answered, some with a second cause."""
    book = openpyxl.Workbook()
    asked, frame = book.active, book.create_sheet("ram")
    asked.title = "granskning"
    asked.append(["ärende", "datum", "kanal", "produkt", "klagomål", "huvudorsak", "orsak 2", "orsak 3", "kommentar"])
    frame.append(["ärende", "månad", "produkt", "stratum", "dragen", "sannolikhet", "modellversion"])
    turns = {cause: cycle(answers) for cause, answers in ANSWERS.items()}
    for n, (case, day, product, channel, _, text, _, primary) in enumerate(rows):
        drawn = n % 3 == 0
        frame.append([case, day[:7], product, primary or "other", "ja" if drawn else "nej", 1 / 3, "m"])
        if drawn:
            answer = next(turns[primary or "other"])
            second = "Väntetid" if n % 5 == 0 and answer not in ("Väntetid", "Övrigt") else ""
            asked.append([case, day, channel, product, text, answer if n < len(rows) - 3 else "", second, "", ""])
    book.save(path)
    return path


@pytest.fixture(scope="module")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command line of the recount of a report on two months, of which the latter is audited."""
    folder = tmp_path_factory.mktemp("recount")
    february, march = list(_rows("2020-02", FEBRUARY)), list(_rows("2020-03", MARCH))
    again = [february[0][0], "2020-03-02", *february[0][2:]]  # a complaint that both files have
    copy = [
        "K-1",
        "2020-03-30",
        "Faktura",
        "Telefon",
        "",
        "jag väntade i kön i två timmar och sedan lades luren på",
        "",
        "",
    ]
    copies = [copy, ["K-2", *copy[1:]]]
    files = [
        _write(folder / "februari.labelled.csv", [HEADINGS, *february]),
        _write(folder / "mars.labelled.csv", [HEADINGS, *march, again, *copies]),
    ]
    bought = [
        *(["2020-02", "Faktura", "4 051 400"], ["2020-02", "Klarna konto", "582 800"], ["2020-02", "Kort", "855 400"]),
        *(["2020-03", "Faktura", "4 396 200"], ["2020-03", "Delbetalningskonto", "632 400"]),
        *(["2020-03", "Kort", "928 200"], ["2020-03", "Sparkonto", "18 300"]),
    ]
    purchases = _write(folder / "köp.csv", [["månad", "produkt", "köp"], *bought])
    audit = _audit(folder / "granskning.xlsx", march)
    made = report(*files, output=folder / "ut", purchases=purchases, audits=[audit])
    not_counted = _write(folder / "kopior.csv", [["K-2", "K-1"]])
    not_counted.write_text(not_counted.read_text(encoding="utf-8-sig"), encoding="utf-8")
    options = ["--csv", made.csv, "--purchases", purchases, "--audit", audit, "--not-counted", not_counted]
    return [*map(str, files), *map(str, options)]


@pytest.fixture(scope="module")
def wanted(agreed: list[str]) -> dict[recompute.Cell, recompute.Expected]:
    return recompute.recount(recompute.options_of(agreed))


def test_every_figure_of_a_report_is_that_of_the_textbook(
    agreed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code = recompute.main(agreed)
    said = capsys.readouterr().out
    assert said.endswith(", 0 disagreements\n"), said
    assert code == 0
    assert int(said.split()[0]) > 400


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def _changed(column: str, by: float) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda row: {**row, column: str(round(float(row[column]) + by, 6))}


@pytest.mark.parametrize(
    ("cell", "change", "fault"),
    [
        (("Faktura", "wait_time", "klagomål med huvudorsaken"), _changed("värde", 1.2), "value is"),
        (("Faktura", "other", "andel av klagomålen"), _changed("hög", 0.002), "high is"),
        (("Alla produkter", "", "klagomål per miljon köp"), _changed("låg", -0.02), "low is"),
        (("Kort", "", "klagomål"), _changed("värde", 1), "value is"),
        (("Alla produkter", "wait_time", "gånger så många som månaden före"), _changed("q", 0.001), "q is"),
        (("Alla produkter", "", "formella klagomål"), _changed("värde", 0.2), "value is"),
        (("Delbetalningskonto", "", "klagomål per miljon köp"), lambda row: {}, "missing"),
        (("Kort", "", "klagomål"), lambda row: {**row, "n": "3"}, "n is 3, should be"),
    ],
)
def test_a_figure_that_was_changed_is_found(
    agreed: list[str],
    wanted: dict[recompute.Cell, recompute.Expected],
    tmp_path: Path,
    cell: tuple[str, str, str],
    change: Callable[[dict[str, str]], dict[str, str]],
    fault: str,
) -> None:
    rows = _table(Path(agreed[agreed.index("--csv") + 1]))
    wrong = [r for r in rows if (r["produkt"], r["orsak_id"], r["mått"]) == cell and r["månad"] == "2020-03"]
    assert len(wrong) == 1
    kept = [change(row) if row in wrong else row for row in rows]
    path = _write(tmp_path / "wrong.csv", [list(rows[0]), *(list(row.values()) for row in kept if row)])
    said = recompute.disagreements(recompute.read_report(path), wanted)
    assert any(all(part in line for part in (*cell[:2], fault)) for line in said), said


def test_a_small_figure_that_is_shown_is_found(
    agreed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = agreed.index("--csv") + 1
    rows = _table(Path(agreed[at]))
    hidden = [r for r in rows if r["orsak_id"] and r["metod"] == "för få för att säga något"]
    assert hidden
    for row in hidden:
        row["metod"] = "räknat"
    path = _write(tmp_path / "wrong.csv", [list(rows[0]), *(list(row.values()) for row in rows)])
    assert recompute.main([*agreed[:at], str(path), *agreed[at + 1 :]]) == 1
    assert "shown, though there are fewer than 5" in capsys.readouterr().out
