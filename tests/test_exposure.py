"""Purchases and aims: how they are written, which product and month they are of, and what is refused."""

from __future__ import annotations

import datetime
from pathlib import Path

import pandas as pd
import pytest

from nollclassify.case_writing import write_table
from nollclassify.errors import InputError
from nollclassify.reporting.exposure import Exposure, read_exposure
from nollclassify.taxonomy import Taxonomy

ALL = "Alla produkter"


def table(path: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


@pytest.fixture
def read(tmp_path: Path, taxonomy: Taxonomy):  # type: ignore[no-untyped-def]
    """What a table of purchases with these lines says."""

    def read_lines(*lines: str, heading: str = "månad;produkt;köp;mål") -> Exposure:
        return read_exposure(table(tmp_path / "kop.csv", heading, *lines), taxonomy)

    return read_lines


def test_purchases_of_all_products_are_the_sum_of_the_others(read) -> None:  # type: ignore[no-untyped-def]
    exposure = read("2020-03;Faktura;4 000 000;", "2020-03;Kort;500000;", "2020-04;Faktura;7;")
    assert exposure.purchases == {
        ("2020-03", "Faktura"): 4_000_000,
        ("2020-03", "Kort"): 500_000,
        ("2020-03", ALL): 4_500_000,
        ("2020-04", "Faktura"): 7,
        ("2020-04", ALL): 7,
    }
    assert exposure.aims == {}


@pytest.mark.parametrize("everything", [ALL, "alla PRODUKTER", "All products", ""])
def test_a_row_of_all_products_has_an_aim_alone(read, everything: str) -> None:  # type: ignore[no-untyped-def]
    exposure = read("2020-03;Faktura;4000000;28,5", f"2020-03;{everything};;31")
    assert exposure.aims == {("2020-03", "Faktura"): 28.5, ("2020-03", ALL): 31.0}
    with pytest.raises(InputError, match=r"rad 2, kolumn köp: lämna cellen tom för Alla produkter; köpen räknas sam"):
        read(f"2020-03;{everything};5;31")


def test_products_have_their_present_names_and_old_and_new_names_are_one(read) -> None:  # type: ignore[no-untyped-def]
    exposure = read("2019-04;Klarna konto;100;9", "2019-04;delbetalningskonto;20;", "2019-04;Raketkort;3;")
    assert exposure.purchases == {
        ("2019-04", "Delbetalningskonto"): 120,
        ("2019-04", "Raketkort"): 3,
        ("2019-04", ALL): 123,
    }
    assert exposure.aims == {("2019-04", "Delbetalningskonto"): 9.0}


@pytest.mark.parametrize(
    "written",
    ["1234567", "1 234 567", "1\u00a0234\u00a0567", "1\u202f234\u202f567", " 1234567 ", "1.234.567", "1,234,567"],
)
def test_thousands_may_be_set_apart(read, written: str) -> None:  # type: ignore[no-untyped-def]
    assert read(f"2020-03;Faktura;{written};").purchases["2020-03", ALL] == 1_234_567


@pytest.mark.parametrize(("written", "aim"), [("28", 28), ("28,5", 28.5), ("28.5", 28.5), ("1 028,25", 1028.25)])
def test_an_aim_may_have_decimals(read, written: str, aim: float) -> None:  # type: ignore[no-untyped-def]
    assert read(f"2020-03;Faktura;10;{written}").aims == {("2020-03", "Faktura"): aim}


@pytest.mark.parametrize("written", ["2020-03", "2020-03-01", "2020-03-31", " 2020-03 "])
def test_a_month_may_be_written_as_one_of_its_days(read, written: str) -> None:  # type: ignore[no-untyped-def]
    assert ("2020-03", "Faktura") in read(f"{written};Faktura;10;").purchases


def test_a_workbook_and_english_headings_say_the_same(tmp_path: Path, taxonomy: Taxonomy) -> None:
    rows = [[datetime.date(2020, 3, 1), "Invoice", 4_000_000, 28.5, "x"], ["2020-03", "Kort", "500 000", "", ""]]
    columns = ["Month", "PRODUCT", "purchases", "aim", "our own"]
    write_table(pd.DataFrame(rows, columns=columns, dtype=object), tmp_path / "kop.xlsx")
    exposure = read_exposure(tmp_path / "kop.xlsx", taxonomy)
    assert exposure.purchases["2020-03", ALL] == 4_500_000
    assert exposure.aims == {("2020-03", "Faktura"): 28.5}
    old = table(tmp_path / "kop.csv", "månad;produkt;köp", "2020-03;Faktura;4000000", encoding="cp1252")
    assert read_exposure(old, taxonomy).purchases["2020-03", "Faktura"] == 4_000_000


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mars 2020;Faktura;10;", "rad 2, kolumn månad: skriv månaden som 2020-03."),
        ("2020-13;Faktura;10;", "rad 2, kolumn månad: skriv månaden som 2020-03."),
        (";Faktura;10;", "rad 2, kolumn månad: skriv månaden som 2020-03."),
        ("2020-03;Faktura;;", "rad 2, kolumn köp: skriv ett helt antal köp större än 0."),
        ("2020-03;Faktura;0;", "rad 2, kolumn köp: skriv ett helt antal köp större än 0."),
        ("2020-03;Faktura;-5;", "rad 2, kolumn köp: skriv ett helt antal köp större än 0."),
        ("2020-03;Faktura;12,5;", "rad 2, kolumn köp: skriv ett helt antal köp större än 0."),
        ("2020-03;Faktura;1e6;", "rad 2, kolumn köp: skriv ett helt antal köp större än 0."),
        ("2020-03;Faktura;4.5;", "rad 2, kolumn köp: skriv ett helt antal köp större än 0."),
        ("2020-03;Faktura;10;1.028", "rad 2, kolumn mål: skriv ett tal större än 0, som 28."),
        ("2020-03;Faktura;många;", "rad 2, kolumn köp: skriv ett helt antal köp större än 0."),
        ("2020-03;Faktura;10;låg", "rad 2, kolumn mål: skriv ett tal större än 0, som 28."),
        ("2020-03;Faktura;10;0", "rad 2, kolumn mål: skriv ett tal större än 0, som 28."),
    ],
)
def test_a_value_that_cannot_be_used_is_one_sentence(read, tmp_path: Path, line: str, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError) as caught:
        read(line)
    assert str(caught.value) == f"{tmp_path / 'kop.csv'}: {message}"


@pytest.mark.parametrize("heading", ["månad;produkt;antal;mål", "datum;produkt;köp;mål", "a;b;c;d"])
def test_a_missing_column_is_one_sentence(read, heading: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="kolumnerna månad, produkt och köp behövs; lägg till dem i första raden"):
        read("2020-03;Faktura;10;1", heading=heading)


def test_a_table_without_rows_says_nothing(read) -> None:  # type: ignore[no-untyped-def]
    assert read() == Exposure()
