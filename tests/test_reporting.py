"""The breakdown: parts that add up, small cells that stay hidden, and nothing alive in page or workbook."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from nollclassify.case_writing import write_table
from nollclassify.errors import InputError
from nollclassify.reporting import Breakdown, report
from nollclassify.reporting.words import characteristic_words

HOSTILE = '<script>alert(1)</script>=cmd|"/c calc"!A1'


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rows = []
    for n, (day, product, cause, count) in enumerate(
        [
            ("2020-02-10", "Faktura", "wait_time", 4),
            ("2020-03-02", "Faktura", "wait_time", 12),
            ("2020-03-03", "faktura", "invoice_before_delivery;wait_time", 7),
            ("2020-03-04", "Klarna konto", "naming_confusion", 6),
            ("2020-03-05", "Delbetalningskonto", "", 9),
            ("2020-03-06", HOSTILE, "", 5),
            ("2020-03-07", "", "campaign_backlash", 2),
        ]
    ):
        text = f"väntan i kön var lång {HOSTILE}"
        rows += [(f"{n}-{i}", day, product, text, cause, cause.split(";")[0]) for i in range(count)]
    frame = pd.DataFrame(rows, columns=["ärende", "datum", "produkt", "text", "causes", "primary_cause"])
    write_table(frame, tmp_path / "labelled.csv")
    return tmp_path / "labelled.csv"


@pytest.fixture
def breakdown(labelled: Path) -> Breakdown:
    purchases = labelled.with_name("kop.csv")
    purchases.write_text(
        "månad;produkt;köp\n2020-03;Faktura;4 000 000\n2020-03;Klarna konto;500 000\n", encoding="cp1252"
    )
    return report(labelled, output=labelled.parent / "ut", purchases=purchases)


def test_the_latest_month_is_told_in_words(breakdown: Breakdown) -> None:
    assert breakdown.month == "2020-03"
    assert breakdown.summary == (
        "41 klagomål i 2020-03.",
        "Det är 9,1 (6,5–12,4) klagomål per miljon köp.",
        "Vanligaste orsaken är Väntetid: 12 klagomål, 29 % (18–44 %) av alla.",
        "14 klagomål (34 %) har ingen av orsakerna.",
        "För få för att säga något: Inställt evenemang eller resa, Kampanjkritik.",
    )


def test_the_parts_add_up_to_the_whole(breakdown: Breakdown) -> None:
    table = breakdown.table
    for _, group in table.groupby(["month", "product"]):
        assert group["primary"].sum() == group["cases"].iloc[0]
        assert group["share"].sum() == pytest.approx(1)
    products = table[table["product"] != "Alla produkter"].groupby(["month", "cause"])["primary"].sum()
    whole = table[table["product"] == "Alla produkter"].set_index(["month", "cause"])["primary"]
    assert products.sort_index().equals(whole.sort_index())


def test_a_renamed_product_is_one_product(breakdown: Breakdown) -> None:
    table = breakdown.table.set_index(["month", "product", "cause"])
    assert table.loc[("2020-03", "Delbetalningskonto", "naming_confusion"), "cases"] == 15
    assert "Klarna konto" not in set(breakdown.table["product"])


def test_rates_are_per_million_purchases(breakdown: Breakdown) -> None:
    row = breakdown.table.set_index(["month", "product", "cause"]).loc[("2020-03", "Faktura", "wait_time")]
    assert row["rate"] == pytest.approx(3.0)
    assert row["rate_low"] < 3 < row["rate_high"]
    assert pd.isna(
        breakdown.table.set_index(["month", "product", "cause"]).loc[("2020-02", "Alla produkter", "wait_time"), "rate"]
    )


def test_small_cells_are_in_neither_file(breakdown: Breakdown) -> None:
    table = pd.read_csv(breakdown.csv, sep=";", dtype=str, keep_default_na=False)
    small = table[(table["orsak_id"] == "campaign_backlash") & (table["månad"] == "2020-03")]
    assert set(small["huvudorsak"]) == {""}
    assert set(small["metod"]) == {"för få för att säga något"}
    sheet = openpyxl.load_workbook(breakdown.workbook)["Sammanställning"]
    heading = [cell.value for cell in sheet[1]]
    values = [row[heading.index("huvudorsak")].value for row in sheet.iter_rows(min_row=2)]
    assert not [v for v in values if isinstance(v, int) and v < 5]
    assert "för få för att säga något" in breakdown.page.read_text(encoding="utf-8")


def test_nothing_that_came_in_is_alive_in_page_or_workbook(breakdown: Breakdown) -> None:
    page = breakdown.page.read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    for sheet in openpyxl.load_workbook(breakdown.workbook):
        for row in sheet.iter_rows():
            assert not [cell for cell in row if cell.data_type == "f" or cell.hyperlink]


def test_the_page_stands_alone_and_can_be_read_aloud(breakdown: Breakdown) -> None:
    page = breakdown.page.read_text(encoding="utf-8")
    assert '<html lang="sv">' in page
    assert 'role="img" aria-label="Staplar: klagomål i 2020-03' in page
    assert not [address for address in ("src=", "<link", "@import") if address in page]


def test_another_month_can_be_asked_for(labelled: Path, tmp_path: Path) -> None:
    assert report(labelled, output=tmp_path / "feb", month="2020-02").summary[0] == "4 klagomål i 2020-02."
    with pytest.raises(InputError, match="inga klagomål i 2019-12; månader som finns: 2020-02, 2020-03"):
        report(labelled, output=tmp_path / "dec", month="2019-12")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("månad;köp\n2020-03;5", "kolumnerna månad, produkt och köp behövs"),
        ("månad;produkt;köp\n2020-13;Faktura;5", "rad 2, kolumn månad: skriv månaden som 2020-03"),
        ("månad;produkt;köp\n2020-03;Faktura;5\n2020-03;Kort;många", "rad 3, kolumn köp: skriv ett helt antal köp"),
    ],
)
def test_a_table_of_purchases_that_is_wrong_says_where(
    labelled: Path, tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "p.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        report(labelled, output=tmp_path / "ut", purchases=path)


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("text\nhej", encoding="utf-8")
    with pytest.raises(InputError, match="ingen kolumn har orsaker"):
        report(path, output=tmp_path / "ut")


def test_telling_words_stand_in_five_cases_and_name_nobody() -> None:
    waits = [f"kön var evig, jag väntade på svar, mvh Qvintus{i}" for i in range(8)]
    shoes = [f"skorna hade fel storlek och färg nummer {i}" for i in range(8)]
    cases = pd.DataFrame({"text": [*waits, *shoes, "unikum"], "primary": ["a"] * 8 + ["b"] * 9})
    words = characteristic_words(cases, min_cases=5)
    assert {"kön", "väntade"} <= set(words["a"])
    assert {"skorna", "storlek"} <= set(words["b"])
    assert not [w for found in words.values() for w in found if "qvintus" in w or w == "unikum"]


def test_a_product_with_few_complaints_is_not_shown_alone(breakdown: Breakdown) -> None:
    february = breakdown.table[breakdown.table["month"] == "2020-02"]
    assert set(february["product"]) == {"Alla produkter", "Produkter med få klagomål"}


def test_the_same_file_twice_does_not_count_twice(labelled: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_bytes(labelled.read_bytes())
    with pytest.raises(InputError, match="har ett ärendenummer som också står i"):
        report(labelled, copy, output=tmp_path / "ut")


def test_an_output_that_is_a_file_is_one_sentence(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "ut").write_text("")
    with pytest.raises(InputError, match="filen går inte att skriva"):
        report(labelled, output=tmp_path / "ut")
