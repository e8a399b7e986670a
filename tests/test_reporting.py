"""The breakdown: sentences, pages, workbook and table that say the same, and small cells that stay hidden."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from nollclassify.auditing import audit
from nollclassify.case_writing import write_table
from nollclassify.errors import InputError
from nollclassify.reporting import Breakdown, report
from nollclassify.reporting.words import characteristic_words, new_words
from nollclassify.settings import Settings

HOSTILE = '<script>alert(1)</script>=cmd|"/c calc"!A1'
PURCHASES = (
    "månad;produkt;köp;mål\n2020-02;Faktura;4 000 000;\n2020-03;Faktura;4 000 000;2,5\n2020-02;Klarna konto;500 000;\n"
    "2020-03;Klarna konto;500 000;\n2020-03;Alla produkter;;28\n"
)
WAITING = (
    "jag har väntat i kön sedan klockan nio",
    "ingen svarar i telefonen hos er",
    "mejlade för fyra veckor sedan och väntar än",
    "utlovad uppringning kom aldrig",
    "chatten bröts efter en timme i kö",
    "ärendet har legat hos er sedan i somras",
)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    rows = []
    for n, (day, product, cause, count) in enumerate(
        [
            ("2020-02-10", "Faktura", "wait_time", 5),
            ("2020-02-11", "Faktura", "", 9),
            ("2020-03-02", "Faktura", "wait_time", 30),
            ("2020-03-03", "faktura", "invoice_before_delivery;wait_time", 7),
            ("2020-03-04", "Klarna konto", "naming_confusion", 6),
            ("2020-03-05", "Delbetalningskonto", "", 9),
            ("2020-03-06", HOSTILE, "", 5),
            ("2020-03-07", "Faktura", "campaign_backlash", 2),
        ]
    ):
        for i in range(count):
            text = f"{WAITING[i % len(WAITING)]}. Det är {i} {HOSTILE}"
            # A customer each: the same text of unknown customers would be one complaint sent several times.
            rows.append((f"{n}-{i}", f"kund {n}-{i}", day, product, "Telefon", text, cause, cause.split(";")[0]))
    headings = ["ärende", "kund", "datum", "produkt", "kanal", "text", "causes", "primary_cause"]
    frame = pd.DataFrame(rows, columns=headings)
    write_table(frame, tmp_path / "labelled.csv")
    return tmp_path / "labelled.csv"


@pytest.fixture
def purchases(tmp_path: Path) -> Path:
    path = tmp_path / "kop.csv"
    path.write_text(PURCHASES, encoding="cp1252")
    return path


@pytest.fixture
def breakdown(labelled: Path, purchases: Path) -> Breakdown:
    return report(labelled, output=labelled.parent / "ut", purchases=purchases)


def at(breakdown: Breakdown, product: str, figure: str, cause: str = "", month: str = "2020-03") -> pd.Series:
    t = breakdown.table
    found = t[(t["month"] == month) & (t["product"] == product) & (t["figure"] == figure) & (t["cause"] == cause)]
    assert len(found) == 1
    return found.iloc[0]


def test_the_latest_month_is_told_in_words(breakdown: Breakdown) -> None:
    assert breakdown.month == "2020-03"
    assert breakdown.summary == (
        "59 klagomål i mars 2020.",
        "Det är 13,1 klagomål per miljon köp (10,0–16,9).",
        "Målet, högst 28 per miljon köp, nåddes.",
        "Jämfört med februari 2020: 4,2 gånger så många per miljon köp (2,3–8,2).",
        "Ökade mest sedan februari 2020: Väntetid, 6,0 gånger så många (2,3–19,8).",
        "Ökade också: Faktura före leverans.",
        "Ingen orsak har säkert minskat sedan februari 2020.",
        "För osäkert för att säga om det har ökat eller minskat sedan februari 2020: Namnförväxling och Övrigt.",
        "Vanligast av orsakerna i listan är Väntetid: 30 klagomål, 50,8\xa0% av alla (38,4–63,2\xa0%).",
        "För få för att säga något: Inställt evenemang eller resa och Kampanjkritik.",
        "Siffrorna per orsak är inte rättade för modellens fel: de är dess egna etiketter, räknade. "
        "Intervallen visar bara slumpen.",
        f"Köp saknas i tabellen för {HOSTILE}; talet per miljon köp för alla produkter är för högt, eller visas inte.",
    )


def test_it_can_be_told_in_english(labelled: Path, purchases: Path) -> None:
    told = report(labelled, output=labelled.parent / "en", purchases=purchases, language="en")
    assert told.summary[1] == "That is 13.1 complaints per million purchases (10.0–16.9)."
    page = told.page.read_text(encoding="utf-8")
    assert '<html lang="en">' in page
    assert "Wait time" in page
    assert not re.search("klagomål per|Väntetid|Orsakerna", page)
    assert list(pd.read_csv(told.csv, sep=";", encoding="utf-8-sig").columns[:3]) == ["month", "product", "cause_id"]


def test_another_language_is_refused(labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--language fi: välj sv eller en"):
        report(labelled, output=tmp_path / "fi", language="fi")


def test_the_parts_add_up_to_the_last_digit_in_the_csv(breakdown: Breakdown) -> None:
    table = pd.read_csv(breakdown.csv, sep=";", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    shown = breakdown.table[breakdown.table["shown"]]
    assert [float(v) for v in table.loc[shown.index, "värde"]] == shown["value"].tolist()
    whole = breakdown.table.assign(value=[Decimal(str(v)) for v in breakdown.table["value"]])
    for (month, product), group in whole.groupby(["month", "product"]):
        by = group.groupby("figure")["value"].sum()
        assert by["primary"] == by["cases"], (month, product)
        assert by["share"] == 1
        assert by.get("rate", 0) == by.get("rate_all", 0)
    parts = whole[(whole["figure"] == "primary") & (whole["product"] != "Alla produkter")]
    all_of_them = whole[(whole["figure"] == "primary") & (whole["product"] == "Alla produkter")]
    assert (
        parts.groupby(["month", "cause"])["value"].sum().to_dict()
        == all_of_them.set_index(["month", "cause"])["value"].to_dict()
    )


def test_a_renamed_product_is_one_product(breakdown: Breakdown) -> None:
    assert at(breakdown, "Delbetalningskonto", "cases")["value"] == 15
    assert "Klarna konto" not in set(breakdown.table["product"])


def test_rates_are_per_million_purchases(breakdown: Breakdown) -> None:
    row = at(breakdown, "Faktura", "rate", "wait_time")
    assert (row["value"], row["low"], row["high"]) == (7.5, 5.06, 10.71)  # 30 in 4 million; Garwood 20.24 to 42.83
    assert "rate" not in set(breakdown.table[breakdown.table["product"] == "Produkter med få klagomål"]["figure"])


def test_page_workbook_and_csv_show_the_same(breakdown: Breakdown) -> None:
    page = breakdown.pages["Faktura"].read_text(encoding="utf-8")
    assert "<td>7,50<small>(5,06–10,71)</small></td>" in page
    sheet = openpyxl.load_workbook(breakdown.workbook)["Faktura"]
    rows = [dict(zip([c.value for c in sheet[1]], [c.value for c in row], strict=True)) for row in sheet.iter_rows()]
    rate = [r for r in rows if r["orsakens kod"] == "wait_time" and r["mått"] == "per miljon köp"]
    assert [(r["värde"], r["intervall från"], r["intervall till"]) for r in rate] == [(7.5, 5.06, 10.71)]
    table = pd.read_csv(breakdown.csv, sep=";", encoding="utf-8-sig", keep_default_na=False)
    same = table[(table["produkt"] == "Faktura") & (table["mått"] == "per miljon köp") & (table["månad"] == "2020-03")]
    assert float(same.set_index("orsak_id").loc["wait_time", "värde"]) == 7.5


def test_every_sheet_of_the_workbook_prints_on_wide_pages_under_headings_in_plain_words(breakdown: Breakdown) -> None:
    workbook = openpyxl.load_workbook(breakdown.workbook)
    for sheet in workbook.worksheets:
        assert (sheet.page_setup.orientation, sheet.page_setup.fitToWidth or 1) == ("landscape", 1)
        assert (sheet.page_setup.fitToHeight, sheet.print_title_rows) == (0, "$1:$1")
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
    headings = [cell.value for cell in workbook["Faktura"][1]]
    assert not {"orsak_id", "av_eller_mot", "låg", "hög", "n", "q"} & set(headings)
    explained = {row[0].value for row in workbook["Definitioner"].iter_rows(min_row=2)}
    assert {"risk för falskt larm", "klagomål bakom siffran", "kanal, källa eller månad att jämföra med"} <= explained
    assert explained >= set(headings) - {"månad", "produkt", "orsak", "mått", "värde", "granskade", "metod"}
    longest = max(len(str(row[4].value)) for row in workbook["Faktura"].iter_rows(min_row=2))
    assert workbook["Faktura"].column_dimensions["E"].width > longest


def test_small_cells_are_in_no_file(breakdown: Breakdown) -> None:
    table = pd.read_csv(breakdown.csv, sep=";", encoding="utf-8-sig", dtype=str, keep_default_na=False)
    small = table[(table["orsak_id"] == "campaign_backlash") & (table["månad"] == "2020-03")]
    assert set(small["värde"]) | set(small["låg"]) | set(small["hög"]) == {""}
    assert set(small["metod"]) == {"för få för att säga något"}
    counts = ("klagomål med huvudorsaken", "nämns i", "klagomål", "formella klagomål", "per kanal", "per källa")
    for sheet in openpyxl.load_workbook(breakdown.workbook).worksheets[:-1]:
        for row in sheet.iter_rows(min_row=2, values_only=True):
            value = row[6]
            assert not (row[4] in counts and isinstance(value, int | float) and value < 5), row
    assert "för få" in breakdown.page.read_text(encoding="utf-8")


def test_the_page_stands_alone_and_can_be_read_aloud(breakdown: Breakdown) -> None:
    page = breakdown.page.read_text(encoding="utf-8")
    assert '<html lang="sv">' in page
    assert 'role="img" aria-label="Staplar, en per månad, delade efter huvudorsak: klagomål per miljon köp.' in page
    assert "mar 2020 13,1" in page
    assert not [address for address in ("src=", "<link", "@import") if address in page]
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert re.findall("<h([1-6])", page)[:2] == ["1", "2"]


def test_every_product_has_a_page_that_the_others_lead_to(breakdown: Breakdown) -> None:
    assert list(breakdown.pages) == ["Alla produkter", "Faktura", "Delbetalningskonto", HOSTILE]
    leads = re.findall(r'<a href="([^"]+)"', breakdown.page.read_text(encoding="utf-8"))
    assert sorted(leads) == sorted(p.name for name, p in breakdown.pages.items() if name != "Alla produkter")
    assert all(path.is_file() for path in breakdown.pages.values())


def test_what_rose_is_named_with_its_interval(breakdown: Breakdown) -> None:
    page = breakdown.pages["Faktura"].read_text(encoding="utf-8")
    assert "Väntetid, Faktura: 6,0 gånger så många som i februari 2020 (2,3–19,8)." in page


def test_an_aim_of_the_product_is_held_against_its_rate(breakdown: Breakdown) -> None:
    assert "Målet, högst 2,5 per miljon köp, nåddes inte." in breakdown.pages["Faktura"].read_text(encoding="utf-8")


def test_another_month_can_be_asked_for(labelled: Path, tmp_path: Path) -> None:
    assert report(labelled, output=tmp_path / "f", month="2020-02").summary[0] == "14 klagomål i februari 2020."
    with pytest.raises(InputError, match="inga klagomål i 2019-12; månader som finns: 2020-02, 2020-03"):
        report(labelled, output=tmp_path / "dec", month="2019-12")


def test_without_purchases_counts_are_shown_and_it_is_said(labelled: Path, tmp_path: Path) -> None:
    told = report(labelled, output=tmp_path / "ut")
    assert "Köp saknas för månaden, så antal visas i stället för tal per miljon köp." in told.summary
    assert "klagomål per miljon köp" not in told.page.read_text(encoding="utf-8").split("<h2>Vad siffrorna betyder")[0]


def test_complaints_without_dates_are_counted_and_said(labelled: Path, tmp_path: Path) -> None:
    path = tmp_path / "undated.csv"
    path.write_text("ärende;text;causes\nu1;utan datum väntar jag på svar;wait_time\n", encoding="utf-8")
    assert (
        "1 klagomål i filerna saknar datum och är inte med i någon månad."
        in report(labelled, path, output=tmp_path / "ut").summary
    )
    alone = report(path, output=tmp_path / "alone")
    assert alone.summary == ("Färre än 5 klagomål utan datum: för få för att säga något.",)


def test_a_month_with_few_complaints_says_so_and_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("ärende;datum;text;causes\n1;2020-03-01;väntar än på svar;wait_time\n", encoding="utf-8")
    told = report(path, output=tmp_path / "ut")
    assert told.summary == ("Färre än 5 klagomål i mars 2020: för få för att säga något.",)
    assert "väntar" not in told.page.read_text(encoding="utf-8")


def test_the_same_file_twice_does_not_count_twice(labelled: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_bytes(labelled.read_bytes())
    told = report(labelled, copy, output=tmp_path / "ut")
    assert told.summary[0] == "59 klagomål i mars 2020."
    assert "59 klagomål var samma ärende som ett annat i filerna" in told.page.read_text(encoding="utf-8")


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("text\nhej", encoding="utf-8")
    with pytest.raises(InputError, match="ingen kolumn har orsaker"):
        report(path, output=tmp_path / "ut")


def test_an_output_that_is_a_file_is_one_sentence(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "ut").write_text("")
    with pytest.raises(InputError, match="filen går inte att skriva"):
        report(labelled, output=tmp_path / "ut")


def test_telling_words_stand_in_five_cases_and_name_nobody() -> None:
    waits = [f"kön var evig, jag väntade på svar, mvh Qvintus{i}" for i in range(8)]
    shoes = [f"skorna hade fel storlek och färg nummer {i}" for i in range(8)]
    cases = pd.DataFrame({"text": [*waits, *shoes, "unikum"], "primary": ["a"] * 8 + ["b"] * 9})
    words = characteristic_words(cases, min_cases=5)
    assert {"kön", "väntade"} <= set(words["a"])
    assert {"skorna", "storlek"} <= set(words["b"])
    assert not [w for found in words.values() for w in found if "qvintus" in w or w == "unikum"]


def test_new_words_are_those_that_were_not_there_before() -> None:
    before = pd.DataFrame({"text": [f"kön var lång i {n} minuter" for n in range(9)]})
    now = pd.DataFrame({"text": [f"kön var lång, hemarbete sägs det, {n} minuter" for n in range(9)]})
    assert new_words(now, before)[:1] == ["hemarbete"]
    assert "kön" not in new_words(now, before)


# --- what one month's page says, cell by cell ----------------------------------------------------------------------


@pytest.fixture
def two_products(tmp_path: Path) -> Path:
    """February and March: waiting falls from 60 to 20, a cause of three cases, a text of February alone."""
    rows = [(f"f{i}", "2020-02-10", "Faktura", "wait_time", f"jag väntar fortfarande {i} på svar") for i in range(60)]
    rows += [(f"k{i}", "2020-02-11", "Kort", "", f"fel färg på kortet {i}") for i in range(30)]
    rows += [
        (f"m{i}", "2020-03-10", "Faktura", "wait_time", f"ni svarar aldrig när jag ringer, dag {i}") for i in range(20)
    ]
    rows += [(f"n{i}", "2020-03-11", "Kort", "", f"fel bild på kortet {i}") for i in range(31)]
    rows += [(f"o{i}", "2020-03-12", "Kort", "campaign_backlash", f"sluta med reklamen {i}") for i in range(3)]
    frame = pd.DataFrame(rows, columns=["ärende", "datum", "produkt", "causes", "text"]).assign(
        kund=lambda f: f["ärende"], primary_cause=lambda f: f["causes"]
    )
    write_table(frame, tmp_path / "two.csv")
    return tmp_path / "two.csv"


def page_of(path: Path, product: str = "Alla produkter", **options: object) -> str:
    return report(path, output=path.parent / "ut", **options).pages[product].read_text("utf-8")  # type: ignore[arg-type]


def test_the_matrix_hides_small_numbers_and_what_would_tell_them(two_products: Path) -> None:
    page = page_of(two_products)
    matrix = page[page.index("Produkter och orsaker</h2>") :]
    row = re.search(r'<th scope="row">Kort</th>(.*?)</tr>', matrix, flags=re.S)
    assert row is not None
    assert "<td>3</td>" not in row[1]
    assert "<td>34</td>" in row[1]


def test_a_fall_is_told_and_raises_no_alarm(two_products: Path) -> None:
    page = page_of(two_products)
    assert "Minskade sedan februari 2020: Väntetid." in page
    assert "Ingen produkt och orsak har ökat mer än slumpen kan förklara." in page


def test_quotations_are_of_the_month_of_the_page(two_products: Path) -> None:
    page = page_of(two_products, "Faktura")
    assert "<blockquote>ni svarar aldrig när jag ringer, dag" in page
    assert "fortfarande" not in page


def test_an_aim_within_the_interval_is_left_open(two_products: Path, tmp_path: Path) -> None:
    bought = tmp_path / "k.csv"
    bought.write_text("månad;produkt;köp;mål\n2020-03;Faktura;1000000;19\n", encoding="utf-8")
    assert "är nått går inte att säga: det ligger inom intervallet" in page_of(
        two_products, "Faktura", purchases=bought
    )


def test_changes_are_corrected_only_where_both_months_are_audited(two_products: Path, tmp_path: Path) -> None:
    answers = {f"m{i}": ["wait_time"] for i in range(20)} | {f"n{i}": [] for i in range(31)}
    answers |= {f"o{i}": ["campaign_backlash"] for i in range(3)}
    drawn = audit(two_products, n=54, output=tmp_path / "g.xlsx", answers=answers, settings=Settings())
    told = report(two_products, output=tmp_path / "ut", audits=[drawn.output])
    table = told.table
    assert set(table.loc[(table["figure"] == "primary") & (table["month"] == "2020-03"), "method"]) == {"corrected"}
    assert set(table.loc[(table["figure"] == "ratio_month") & (table["cause"] != ""), "method"]) == {"plain"}
    assert "Ändringarna mot februari 2020 är inte rättade: februari 2020 är inte granskad." in told.summary
    assert "* inte rättad: månaden är inte granskad." in told.page.read_text("utf-8")


def test_a_count_of_which_everything_was_audited_has_the_exact_poisson_interval(
    two_products: Path, tmp_path: Path
) -> None:
    answers = {f"m{i}": ["wait_time"] for i in range(20)} | {f"n{i}": [] for i in range(31)}
    answers |= {f"o{i}": ["campaign_backlash"] for i in range(3)}
    drawn = audit(two_products, n=54, output=tmp_path / "g.xlsx", answers=answers, settings=Settings())
    told = report(two_products, output=tmp_path / "ut", audits=[drawn.output])
    row = at(told, "Alla produkter", "primary", "wait_time")
    assert (row["value"], row["low"], row["high"], row["audited"]) == (20, 12.2, 30.9, 54)


def test_an_audit_by_another_definition_or_of_too_few_is_refused(two_products: Path, tmp_path: Path) -> None:
    few = {f"m{i}": ["wait_time"] for i in range(20)}
    drawn = audit(two_products, n=30, output=tmp_path / "g.xlsx", answers=few, settings=Settings())
    with pytest.raises(InputError, match=r"lottades med definition 2 av klagomål, men 1 gäller; lotta en ny"):
        report(two_products, output=tmp_path / "u", audits=[drawn.output], settings=Settings(definition="1"))
    with pytest.raises(InputError, match="granskade klagomål är för få för att rätta något; fyll i minst 20"):
        report(two_products, output=tmp_path / "u", audits=[drawn.output], settings=Settings())


def test_many_complaints_read_beside_give_the_same_page(
    two_products: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = report(two_products, output=tmp_path / "a").page.read_text("utf-8")
    monkeypatch.setattr("nollclassify.reporting.breakdown._MANY", 1)
    assert report(two_products, output=tmp_path / "b").page.read_text("utf-8") == alone
