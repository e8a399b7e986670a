"""Before and after a measure: the windows, what it is held against, what is hidden, and when words are in question."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import xlsxwriter

from nollclassify.auditing import Audit
from nollclassify.errors import InputError
from nollclassify.estimation import Change, difference_in_changes, rate_ratio
from nollclassify.ledger import ALL_PRODUCTS
from nollclassify.reporting.effects import Effect, effects
from nollclassify.reporting.exposure import Exposure
from nollclassify.reporting.measures import Measure, read_measures
from nollclassify.taxonomy import Taxonomy

EXAMPLE = Path(__file__).parents[1] / "nollclassify" / "data" / "atgarder.csv"
QUEUE = Measure(date(2020, 3, 15), "Faktura", "wait_time", "Fler svarar i telefon")
Counts = list[tuple[str, str, str, int]]
NOTHING: Counts = [
    (f"2020-0{m}", product, cause, 30)
    for m in range(1, 7)
    for product in ("Faktura", "Kort")
    for cause in ("wait_time", "other", "campaign_backlash")
]


def ledger(counts: Counts, evidence: str = "", text: str = "hej på er") -> pd.DataFrame:
    rows = [(month, product, cause) for month, product, cause, n in counts for _ in range(n)]
    frame = pd.DataFrame(rows, columns=["month", "product", "primary"])
    frame["case_id"] = [f"a-{n}" for n in range(len(frame))]
    return frame.assign(causes=frame["primary"], evidence=evidence, text=text)


def fallen(n: int, months: tuple[str, ...] = ("2020-04", "2020-05", "2020-06")) -> Counts:
    """Nothing changed, but for n cases a month of the touched cell after the measure."""
    touched = ("Faktura", "wait_time")
    return [(m, p, c, n if m in months and (p, c) == touched else k) for m, p, c, k in NOTHING]


def bought(**per_product: int) -> Exposure:
    months = [f"2020-0{m}" for m in range(1, 7)]
    purchases = {(m, p): n for m in months for p, n in per_product.items()}
    return Exposure(purchases | {(m, ALL_PRODUCTS): sum(per_product.values()) for m in months})


def one(
    taxonomy: Taxonomy,
    cases: pd.DataFrame,
    *measures: Measure,
    exposure: Exposure | None = None,
    month: str = "2020-06",
    audits: dict[str, Audit] | None = None,
    min_cell: int = 5,
) -> Effect:
    """The effect of the first of the measures."""
    exposure = exposure or bought(Faktura=1_000_000, Kort=1_000_000)
    return effects(measures or (QUEUE,), cases, taxonomy, audits or {}, exposure, month, min_cell)[0]


# --- reading -----------------------------------------------------------------------------------------------------


def written(path: Path, *rows: str, heading: str = "datum;produkt;orsak;åtgärd;ansvarig") -> Path:
    path.write_text("\n".join([heading, *rows]), encoding="utf-8")
    return path


def test_the_example_is_read_with_present_names_and_ids(taxonomy: Taxonomy) -> None:
    measures = read_measures(EXAMPLE, taxonomy)
    assert measures[0] == Measure(
        date(2019, 4, 30),
        "Delbetalningskonto",
        "naming_confusion",
        "Klarna konto byter namn till Delbetalningskonto",
        "produktgruppen för delbetalning",
    )
    assert [(m.product, m.cause) for m in measures[1:]] == [
        ("Automatisk betalning", ""),
        ("Appen", "invoice_before_delivery"),
        ("", "wait_time"),
    ]


def test_english_headings_old_names_ids_and_products_of_their_own_are_understood(
    taxonomy: Taxonomy, tmp_path: Path
) -> None:
    rows = ("Klarna konto;wait_time;x;14 mars 2019", "Nyheten;;y;2019-03-15", "Alla produkter;Övrigt;z;2019-03-16")
    path = written(tmp_path / "m.csv", *rows, heading="Product;Cause;Measure;Date")
    assert [(m.day.day, m.product, m.cause, m.owner) for m in read_measures(path, taxonomy)] == [
        (14, "Delbetalningskonto", "wait_time", ""),
        (15, "Nyheten", "", ""),
        (16, "", "other", ""),
    ]


def test_the_dates_of_a_workbook_are_read(taxonomy: Taxonomy, tmp_path: Path) -> None:
    with xlsxwriter.Workbook(str(tmp_path / "m.xlsx")) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, ["datum", "produkt", "orsak", "åtgärd"])
        sheet.write_datetime(1, 0, date(2020, 3, 14), workbook.add_format({"num_format": "yyyy-mm-dd"}))
        sheet.write_row(1, 1, ["Kort", "Väntetid", "Fler svarar"])
    assert read_measures(tmp_path / "m.xlsx", taxonomy) == (
        Measure(date(2020, 3, 14), "Kort", "wait_time", "Fler svarar"),
    )


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("14 mars;;;x;", "rad 3, kolumn datum: skriv åtgärdens dag som 2020-03-14."),
        ("2020-03-14;;Fel;x;", "rad 3, kolumn orsak: okänd orsak; välj en av Faktura före leverans, "),
        ("2020-03-14;;;;", "rad 3, kolumn åtgärd: cellen är tom; skriv vad som gjordes."),
        ("2020-03-14;;;x;y;z", "rad 3: 6 fält, rubrikraden har 5; sätt citattecken om text med ';'."),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_what_is_wanted(
    taxonomy: Taxonomy, tmp_path: Path, row: str, error: str
) -> None:
    path = written(tmp_path / "m.csv", "2020-03-01;Kort;;bra;", row)
    with pytest.raises(InputError) as raised:
        read_measures(path, taxonomy)
    assert str(raised.value).startswith(f"{path}: {error}")


def test_a_missing_column_is_named(taxonomy: Taxonomy, tmp_path: Path) -> None:
    path = written(tmp_path / "m.csv", "2020-03-01;Kort;x", heading="datum;produkt;åtgärd")
    with pytest.raises(InputError, match="kolumnerna datum, produkt, orsak och åtgärd behövs; lägg till dem"):
        read_measures(path, taxonomy)


# --- months ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "before", "after"),
    [
        (date(2020, 3, 15), ["2020-01", "2020-02"], ["2020-04", "2020-05", "2020-06"]),
        (date(2020, 3, 1), ["2020-01", "2020-02"], ["2020-03", "2020-04", "2020-05"]),
        (date(2020, 3, 31), ["2020-01", "2020-02", "2020-03"], ["2020-04", "2020-05", "2020-06"]),
        (date(2020, 5, 2), ["2020-02", "2020-03", "2020-04"], ["2020-06"]),
    ],
)
def test_the_month_of_a_measure_counts_only_from_its_first_or_to_its_last_day(
    taxonomy: Taxonomy, day: date, before: list[str], after: list[str]
) -> None:
    effect = one(taxonomy, ledger(NOTHING), dataclasses.replace(QUEUE, day=day))
    assert effect.months == (tuple(before), tuple(after))


@pytest.mark.parametrize("day", [date(2020, 1, 20), date(2020, 6, 30), date(2020, 9, 1), date(2017, 1, 1)])
def test_a_measure_without_months_on_both_sides_has_no_effect_yet(taxonomy: Taxonomy, day: date) -> None:
    measure = dataclasses.replace(QUEUE, day=day)
    assert effects([measure], ledger(NOTHING), taxonomy, {}, Exposure(), "2020-06", 5) == ()


def test_months_after_the_reported_one_or_without_a_date_are_not_looked_at(taxonomy: Taxonomy) -> None:
    undated: Counts = [("utan datum", "Faktura", "wait_time", 99)]
    assert one(taxonomy, ledger(NOTHING + undated), month="2020-04").months[1] == ("2020-04",)
    assert effects([QUEUE], ledger(NOTHING), taxonomy, {}, Exposure(), "2020-03", 5) == ()
    assert effects([QUEUE], ledger(NOTHING), taxonomy, {}, Exposure(), "utan datum", 5) == ()


def test_months_before_the_product_was_there_are_left_out(taxonomy: Taxonomy) -> None:
    exposure = bought(Faktura=1_000_000, Kort=1_000_000)
    del exposure.purchases["2020-01", "Faktura"]
    cases = ledger([row for row in NOTHING if row[:2] != ("2020-01", "Faktura")])
    assert one(taxonomy, cases, exposure=exposure).months[0] == ("2020-02",)


# --- the change --------------------------------------------------------------------------------------------------


def test_where_nothing_changed_no_difference_is_shown(taxonomy: Taxonomy) -> None:
    effect = one(taxonomy, ledger(NOTHING))
    assert (effect.cases, effect.per, effect.exposure) == ((60, 90), "purchases", (2.0, 3.0))
    assert effect.difference is not None
    assert effect.difference.low < 1 < effect.difference.high
    assert (effect.verdict, effect.method, effect.placebos[1]) == ("no difference shown", "plain", 3)


def test_the_touched_cell_is_held_against_all_that_no_measure_touched(taxonomy: Taxonomy) -> None:
    effect = one(taxonomy, ledger(fallen(10)))
    assert effect.touched == rate_ratio(30, 3, 60, 2)
    # Two products by three causes, less the touched cell: five of 30 a month; per purchase of both products.
    assert effect.others == rate_ratio(450, 6, 300, 4)
    assert effect.touched is not None
    assert effect.others is not None
    assert effect.difference == difference_in_changes(effect.touched, effect.others)
    assert (effect.verdict, effect.placebos) == ("fell", (0, 3))


def test_a_fall_of_everything_is_no_merit_of_the_measure(taxonomy: Taxonomy) -> None:
    halved = [(m, p, c, 15 if m > "2020-03" else n) for m, p, c, n in NOTHING]
    effect = one(taxonomy, ledger(halved))
    assert effect.touched is not None
    assert effect.touched.high < 1
    assert effect.verdict == "no difference shown"


def test_a_rise_is_told(taxonomy: Taxonomy) -> None:
    assert one(taxonomy, ledger(fallen(60))).verdict == "rose"


def test_more_purchases_explain_more_complaints(taxonomy: Taxonomy) -> None:
    exposure = bought(Faktura=1_000_000, Kort=1_000_000)
    for m in (4, 5, 6):
        exposure.purchases[f"2020-0{m}", "Faktura"] = 2_000_000
    effect = one(taxonomy, ledger(fallen(60)), exposure=exposure)
    assert effect.exposure == (2.0, 6.0)
    assert effect.touched is not None
    assert effect.touched.ratio == pytest.approx(1)


def test_without_purchases_counts_a_month_are_compared(taxonomy: Taxonomy) -> None:
    effect = one(taxonomy, ledger(fallen(10)), exposure=bought(Kort=5))
    assert (effect.per, effect.exposure) == ("months", (2.0, 3.0))
    assert effect.touched == rate_ratio(30, 3, 60, 2)
    assert effect.others == rate_ratio(450, 3, 300, 2)


def test_what_other_measures_touched_and_cases_without_a_product_are_not_compared_with(taxonomy: Taxonomy) -> None:
    unknown: Counts = [(f"2020-0{m}", "Produkt saknas", "wait_time", 50) for m in (1, 6)]
    card = Measure(date(2020, 4, 2), "Kort", "", "Nytt kort")
    late = Measure(date(2020, 7, 2), "", "other", "Senare")
    effect = one(taxonomy, ledger(NOTHING + unknown), QUEUE, card, late)
    wanted = rate_ratio(180, 3, 120, 2)
    assert effect.others is not None
    assert dataclasses.astuple(effect.others) == pytest.approx(dataclasses.astuple(wanted))
    assert effect.overlapping == ()


def test_another_measure_on_the_same_cell_is_told(taxonomy: Taxonomy) -> None:
    rival = Measure(date(2020, 4, 2), "", "wait_time", "Nya öppettider")
    assert one(taxonomy, ledger(NOTHING), QUEUE, rival).overlapping == (rival,)


def test_a_measure_on_everything_has_nothing_to_be_held_against(taxonomy: Taxonomy) -> None:
    effect = one(taxonomy, ledger(NOTHING), dataclasses.replace(QUEUE, product="", cause=""))
    assert (effect.cases, effect.others, effect.difference, effect.placebos) == ((360, 540), None, None, (0, 0))


# --- few cases ---------------------------------------------------------------------------------------------------


def test_few_cases_are_hidden_with_all_that_they_could_be_worked_out_from(taxonomy: Taxonomy) -> None:
    few = [(m, p, c, 1 if (p, c) == ("Faktura", "wait_time") else n) for m, p, c, n in NOTHING]
    effect = one(taxonomy, ledger(few))
    assert (effect.cases, effect.touched, effect.difference) == ((None, None), None, None)
    assert (effect.power, effect.smallest_fall, effect.verdict) == (None, None, "too few to say")


@pytest.mark.parametrize("left", [0, 1])
def test_that_hardly_anybody_complains_any_more_is_told_without_the_number(taxonomy: Taxonomy, left: int) -> None:
    effect = one(taxonomy, ledger(fallen(left)))
    assert (effect.cases, effect.touched, effect.verdict) == ((60, None), None, "fell")


def test_the_power_is_that_of_the_number_before(taxonomy: Taxonomy) -> None:
    many, few = one(taxonomy, ledger(NOTHING)), one(taxonomy, ledger([(m, p, c, n // 6) for m, p, c, n in NOTHING]))
    # By hand: log 0.7 over the root of 1/60 + 1/63 + 1/300 + 1/450, less 1.96, is -0.13; the others' share is exact.
    assert many.power == pytest.approx(0.447, abs=0.005)
    assert many.smallest_fall == 0.44
    assert few.power == pytest.approx(0.112, abs=0.005)
    assert few.smallest_fall is None
    assert few.verdict == "no difference shown"


# --- words and audits --------------------------------------------------------------------------------------------

RENAME = Measure(date(2020, 3, 15), "Faktura", "wait_time", "Telefonkön får ett nytt namn")
EVIDENCE = 'wait_time: "i telefonkön", "två timmar"; campaign_backlash: "nytt'


@pytest.mark.parametrize(
    ("evidence", "words"),
    [(EVIDENCE, ("telefonkön",)), ('wait_time: "två timmar"', ()), ('wait_time: "namnet på"', ("namn",))],
)
def test_words_of_the_measure_in_the_evidence_of_the_cause_are_a_warning(
    taxonomy: Taxonomy, evidence: str, words: tuple[str, ...]
) -> None:
    effect = one(taxonomy, ledger(NOTHING, evidence=evidence), RENAME)
    assert (effect.words, effect.warning) == (words, bool(words))


def test_a_word_of_less_than_a_tenth_of_the_cases_is_no_warning(taxonomy: Taxonomy) -> None:
    cases = ledger(NOTHING, evidence='wait_time: "två timmar"')
    waits = cases.index[cases["primary"] == "wait_time"]
    cases.loc[waits[::11], "evidence"] = EVIDENCE
    assert one(taxonomy, cases, RENAME).words == ()
    cases.loc[waits[::9], "evidence"] = EVIDENCE
    assert one(taxonomy, cases, RENAME).words == ("telefonkön",)


def test_without_evidence_the_words_of_the_texts_are_looked_at(taxonomy: Taxonomy) -> None:
    cases = ledger(NOTHING, text="ett nytt namn står på brevet")
    assert one(taxonomy, cases, RENAME).words == ()
    cases.loc[cases["primary"] == "wait_time", "text"] = "jag satt i telefonkön"
    assert one(taxonomy, cases, RENAME).words == ("telefonkön",)


def test_a_product_that_changes_its_name_within_the_windows_is_a_warning(taxonomy: Taxonomy) -> None:
    months = ("2019-03", "2019-04", "2019-06")
    cases = ledger([(m, p, "wait_time", 9) for m in months for p in ("Delbetalningskonto", "Kort")])
    measure = Measure(date(2019, 5, 2), "Delbetalningskonto", "wait_time", "Fler svarar")
    effect = one(taxonomy, cases, measure, exposure=Exposure(), month="2019-06")
    assert (effect.words, effect.warning) == (("Klarna konto", "Delbetalningskonto"), True)


def audits_of(cases: pd.DataFrame, months: set[str], every: int) -> dict[str, Audit]:
    """One case in so many was audited; a person finds that a third of the waits are none."""
    found = {}
    for month in sorted(months):
        part = cases[cases["month"] == month]
        drawn = part[::every]
        answers = {
            case: ("other",) if cause == "wait_time" and n % 3 == 0 else (cause,)
            for n, (case, cause) in enumerate(zip(drawn["case_id"], drawn["primary"], strict=True))
        }
        found[month] = Audit(month, dict(zip(part["case_id"], part["primary"], strict=True)), answers, len(drawn))
    return found


ALL_SIX = {f"2020-0{m}" for m in range(1, 7)}


def test_with_audits_on_both_sides_the_counts_are_corrected_and_the_warning_is_gone(taxonomy: Taxonomy) -> None:
    cases = ledger(fallen(9), evidence=EVIDENCE)
    effect = one(taxonomy, cases, RENAME, audits=audits_of(cases, ALL_SIX, 1))
    assert effect.cases == pytest.approx((40, 18))
    assert (effect.method, effect.audited, effect.verdict) == ("corrected", (180, 207), "fell")
    assert (effect.words, effect.warning) == (("telefonkön",), False)


def test_an_audit_of_few_makes_the_interval_wider(taxonomy: Taxonomy) -> None:
    cases = ledger(NOTHING)
    all_of_them, few = (one(taxonomy, cases, audits=audits_of(cases, ALL_SIX, k)) for k in (1, 8))
    assert isinstance(all_of_them.touched, Change)
    assert isinstance(few.touched, Change)
    assert few.touched.high / few.touched.low > 1.2 * all_of_them.touched.high / all_of_them.touched.low
    assert few.method == "corrected with all"


def test_an_audit_of_one_side_only_corrects_nothing(taxonomy: Taxonomy) -> None:
    cases = ledger(NOTHING, evidence=EVIDENCE)
    effect = one(taxonomy, cases, RENAME, audits=audits_of(cases, {"2020-01", "2020-02"}, 1))
    assert (effect.cases, effect.method, effect.warning) == ((60, 90), "plain", True)
