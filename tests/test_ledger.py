"""What counts as a complaint: by which definition, once each, in which month, and which complaint it goes on with."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nollclassify.cases import read_cases
from nollclassify.errors import SettingsError
from nollclassify.ledger import Ledger, load_definition, make_ledger
from nollclassify.taxonomy import Taxonomy

COLUMNS = ("ärende", "datum", "kanal", "källa", "produkt", "kund", "klagomål", "causes")
SOFA = "Jag beställde en soffa i januari och har fortfarande inte fått den, men fakturan kom direkt och nu vill ni ha en påminnelseavgift på sextio kronor för en vara som står kvar på ert lager."  # noqa: E501
TICKETS = "Konserten i Malmö ställdes in i förra veckan och arrangören svarar inte, så jag undrar vem av er som ska betala tillbaka mina fyra biljetter och när pengarna egentligen kommer in på kontot."  # noqa: E501
QUEUE = "Sitter i er telefonkö för tredje dagen i rad, nummer femtiosju, och när det äntligen blir min tur kopplas samtalet bort utan att någon ens har sagt hej till mig."  # noqa: E501
EDITED = f"Hej! {SOFA.replace('januari', 'jauari')} Hälsningar Eva"


def case(case_id: str, **values: str) -> dict[str, str]:
    """A row: given columns, and for the others a plain complaint to customer service in March 2020."""
    plain = {
        "datum": "2020-03-02",
        "kanal": "Telefon",
        "produkt": "Faktura",
        "klagomål": f"sak{case_id} i{case_id} rad{case_id}",
    }
    return {"ärende": case_id, **plain, **values}


def case_file(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=";", restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def ledger_of(taxonomy: Taxonomy, paths: Sequence[Path], version: str = "2") -> Ledger:
    cases = [read_cases(path, taxonomy, labelled=True) for path in paths]
    assert not sum(len(one.rejected) for one in cases)
    return make_ledger(cases, taxonomy, load_definition(version))


@pytest.fixture
def count(tmp_path: Path, taxonomy: Taxonomy):  # type: ignore[no-untyped-def]
    """The ledger of rows, in one file."""

    def counted(*rows: dict[str, str], version: str = "2") -> Ledger:
        return ledger_of(taxonomy, [case_file(tmp_path / "a.csv", rows)], version)

    return counted


def ids(ledger: Ledger) -> list[str]:
    return list(ledger.cases["case_id"])


def pairs(ledger: Ledger) -> list[tuple[str, ...]]:
    """Each copy with the complaint that counts for it."""
    return sorted(ledger.duplicates[["case_id", "same_as"]].itertuples(index=False, name=None))


def links(ledger: Ledger) -> dict[str, str]:
    """Each repeated complaint with the first one of its chain."""
    linked = ledger.cases[ledger.cases["first_case"] != ""]
    return dict(zip(linked["case_id"], linked["first_case"], strict=True))


# --- definitions and sources -------------------------------------------------------------------------------------


def test_a_source_is_one_of_three_kinds_and_an_unknown_one_is_the_companys_own_and_is_told(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count(
        case("1", kanal="Telefon"),
        case("2", kanal="Telefon", källa="Konsumentverket"),
        case("3", kanal="", källa=" SOCIALA   medier "),
        case("4", kanal="Facebook", källa=""),
        case("5", kanal="Röksignal", källa=""),
        case("6", kanal="Facebook", källa="Gammalt system"),
        case("7", kanal="", källa=""),
    )
    assert list(ledger.cases["source"]) == ["own", "authority", "social", "social", "own", "own", "own"]
    assert ledger.unknown_sources == 3


def test_the_first_definition_leaves_out_social_media_and_the_second_does_not(count) -> None:  # type: ignore[no-untyped-def]
    rows = [case("1"), case("2", källa="ARN"), case("3", källa="Trustpilot"), case("4", källa="appbutik")]
    narrow, wide = count(*rows, version="1"), count(*rows)
    assert (ids(narrow), narrow.outside) == (["1", "2"], 2)
    assert (ids(wide), wide.outside) == (["1", "2", "3", "4"], 0)


def test_an_unknown_definition_is_one_sentence() -> None:
    with pytest.raises(SettingsError) as caught:
        load_definition("3")
    assert str(caught.value) == "definition: version '3' finns inte; välj en av 1, 2 i nollclassify.toml."


def test_a_definition_says_itself_in_both_languages() -> None:
    for version in ("1", "2"):
        definition = load_definition(version)
        assert definition.version == version
        assert all([definition.text_sv, definition.text_en, definition.formal_sv, definition.formal_en])


def test_the_formal_ledger_leaves_out_criticism_of_campaigns_and_social_media(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count(
        case("1", causes="wait_time"),
        case("2", causes="Kampanjkritik"),
        case("3", causes="wait_time;campaign_backlash"),
        case("4", källa="Instagram", causes="wait_time"),
        case("5", källa="Finansinspektionen"),
    )
    assert dict(zip(ids(ledger), ledger.cases["formal"], strict=True)) == {
        "1": True,
        "2": False,
        "3": True,
        "4": False,
        "5": True,
    }


def test_a_complaint_that_was_posted_first_and_sent_in_later_is_counted_and_is_formal(count) -> None:  # type: ignore[no-untyped-def]
    rows = [
        case("post", källa="Facebook", klagomål=SOFA, datum="2020-03-01", kund="77"),
        case("mejl", källa="Kundtjänst", klagomål=SOFA, datum="2020-03-05", kund="77"),
        case("arn", källa="ARN", klagomål=SOFA, datum="2020-03-09", kund="77"),
    ]
    wide = count(*rows)
    row = wide.cases.iloc[0]
    assert (row["case_id"], row["received"], row["source"], row["formal"]) == ("post", "2020-03-01", "own", True)
    narrow = count(*rows, version="1")
    assert (ids(narrow), narrow.outside) == (["mejl"], 0)
    assert pairs(narrow) == [("arn", "mejl"), ("post", "mejl")]


# --- one complaint sent twice ------------------------------------------------------------------------------------


def test_one_complaint_through_three_channels_is_counted_once_by_its_id(tmp_path: Path, taxonomy: Taxonomy) -> None:
    files = [
        case_file(tmp_path / "telefon.csv", [case("K-1", datum="2020-03-05"), case("K-2")]),
        case_file(tmp_path / "mejl.csv", [case("K-1", datum="2020-03-03", klagomål=SOFA)]),
        case_file(tmp_path / "arn.csv", [case("K-1", datum="2020-05-01", klagomål=TICKETS, källa="ARN")]),
    ]
    for order in permutations(files):
        ledger = ledger_of(taxonomy, order)
        assert sorted(zip(ids(ledger), ledger.cases["received"], strict=True)) == [
            ("K-1", "2020-03-03"),
            ("K-2", "2020-03-02"),
        ]
        assert pairs(ledger) == [("K-1", "K-1")] * 2


def test_the_same_customer_with_an_edited_text_is_one_complaint(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count(case("a", klagomål=SOFA, kund="77"), case("b", klagomål=EDITED, kund="77", datum="2020-03-20"))
    assert (ids(ledger), pairs(ledger)) == (["a"], [("b", "a")])


def test_short_identical_texts_of_one_customer_are_one_complaint_whatever_stands_around_them(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count(
        case("a", klagomål="Undvik.", kund="77"), case("b", klagomål=TICKETS), case("c", klagomål="undvik", kund="77")
    )
    assert pairs(ledger) == [("c", "a")]


def test_one_text_by_two_customers_is_two_complaints(count) -> None:  # type: ignore[no-untyped-def]
    assert len(ids(count(case("a", klagomål=SOFA, kund="77"), case("b", klagomål=SOFA, kund="78")))) == 2


def test_two_matters_of_one_customer_are_two_complaints(count) -> None:  # type: ignore[no-untyped-def]
    assert len(ids(count(case("a", klagomål=SOFA, kund="77"), case("b", klagomål=TICKETS, kund="77")))) == 2


@pytest.mark.parametrize(("day", "counted"), [("2020-03-02", 1), ("2020-04-02", 1), ("2020-04-03", 2), ("", 1)])
def test_one_text_of_nobody_known_is_one_complaint_within_31_days(count, day: str, counted: int) -> None:  # type: ignore[no-untyped-def]
    again = SOFA.upper().replace(",", " –")
    assert len(ids(count(case("a", klagomål=SOFA), case("b", klagomål=again, datum=day)))) == counted


def test_accents_written_in_two_ways_are_the_same_letters(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count(case("a", klagomål=SOFA), case("b", klagomål=SOFA.replace("å", "a\u030a").replace("ö", "o\u0308")))
    assert pairs(ledger) == [("b", "a")]


def test_short_identical_texts_of_nobody_known_are_different_complaints(count) -> None:  # type: ignore[no-untyped-def]
    short = "Undvik det här företaget, kan jag säga"
    assert len(ids(count(*(case(str(n), klagomål=short) for n in range(5))))) == 5
    assert len(ids(count(*(case(str(n), klagomål=f"{short} er") for n in range(5))))) == 1


@pytest.mark.parametrize("nobody", ["okänd", "-", "Anonym", "0"])
def test_a_word_for_no_customer_is_no_customer(count, nobody: str) -> None:  # type: ignore[no-untyped-def]
    rows = [case(f"K-{n}", klagomål="Ring mig", kund=nobody, causes="wait_time") for n in range(3)]
    assert (len(ids(count(*rows))), links(count(*rows))) == (3, {})


def test_a_number_beside_more_complaints_than_one_customer_makes_is_no_customer(count) -> None:  # type: ignore[no-untyped-def]
    rows = [case(f"K-{n}", klagomål="Ring mig", kund="1000", causes="wait_time") for n in range(51)]
    assert len(ids(count(*rows[:50]))) == 1
    assert (len(ids(count(*rows))), links(count(*rows))) == (51, {})


def test_a_text_that_comes_every_third_week_is_a_new_complaint_after_a_month(count) -> None:  # type: ignore[no-untyped-def]
    days = ["2020-01-01", "2020-01-22", "2020-02-12", "2020-03-04", "2020-03-25"]
    rows = [case(f"K-{day}", klagomål=SOFA, datum=day) for day in days]
    ledger = count(*rows)
    assert ids(ledger) == ["K-2020-01-01", "K-2020-02-12", "K-2020-03-25"]


def test_a_copy_without_a_date_does_not_make_one_of_two_complaints(count) -> None:  # type: ignore[no-untyped-def]
    for customer in ("", "77"):
        rows = [case(k, klagomål=SOFA, datum=d, kund=customer) for k, d in (("u", ""), ("a", "2020-01-02"))]
        ledger = count(*rows, case("b", klagomål=SOFA, datum="2020-06-02", kund=customer))
        assert ids(ledger) == ["a", "b"]
        assert ledger.duplicates["case_id"].tolist() == ["u"]


def test_the_first_by_date_counts_whatever_the_order_of_the_rows(count) -> None:  # type: ignore[no-untyped-def]
    rows = [
        case("c", klagomål=SOFA, datum="2020-03-09"),
        case("b", klagomål=SOFA, datum="2020-03-01"),
        case("a", klagomål=SOFA, datum="2020-03-01"),
        case("d", klagomål=SOFA, datum="2020-08-01"),
        case("e", klagomål=SOFA, datum=""),
    ]
    for order in list(permutations(rows))[::9]:
        ledger = count(*order)
        assert sorted(ids(ledger)) == ["a", "d"]
        assert [pair[0] for pair in pairs(ledger)] == ["b", "c", "e"]


def test_deliberate_pairs_and_edited_copies_in_the_starter_corpus(starter: pd.DataFrame, taxonomy: Taxonomy) -> None:
    """Of 18,673 texts only minimal pairs, which differ in the word that matters, are taken for the same."""
    frame = starter.assign(customer="", received="2020-03-02").reset_index(drop=True)
    cases = read_starter_like(frame)
    ledger = make_ledger([cases], taxonomy, load_definition("2"))
    author = frame.set_index("case_id")["author"]
    same = pairs(ledger)
    assert len(same) == 5
    assert all(author[a] == author[b] and int(a[-3:]) - int(b[-3:]) == 1 for a, b in same)


def read_starter_like(frame: pd.DataFrame):  # type: ignore[no-untyped-def]
    from nollclassify.cases import Cases

    return Cases(Path("starter.jsonl"), frame[["case_id"]].copy(), frame, frame[:0])


# --- every row is somewhere --------------------------------------------------------------------------------------

ROWS = st.fixed_dictionaries(
    {
        "datum": st.sampled_from(["", "2020-01-30", "2020-02-02", "2020-03-14", "2020-07-01"]),
        "källa": st.sampled_from(["", "Kundtjänst", "ARN", "Facebook", "Röksignal"]),
        "kund": st.sampled_from(["", "77", "78"]),
        "klagomål": st.sampled_from([SOFA, EDITED, TICKETS, QUEUE, "Undvik.", "!!!", f"{QUEUE} Se ärende K-0001."]),
        "causes": st.sampled_from(["", "wait_time", "campaign_backlash", "Övrigt"]),
    }
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(ROWS, max_size=7), min_size=1, max_size=3), st.sampled_from("12"), st.randoms())
def test_every_row_is_counted_or_a_copy_or_outside(folder: Path, taxonomy: Taxonomy, files, version, chance) -> None:  # type: ignore[no-untyped-def]
    numbered = [[case(f"K-{chance.randrange(9):04d}", **row) for row in rows] for rows in files]
    unique = [list({row["ärende"]: row for row in rows}.values()) for rows in numbered]
    paths = [case_file(folder / f"{n}.csv", rows) for n, rows in enumerate(unique)]
    ledger = ledger_of(taxonomy, paths, version)
    assert len(ledger.cases) + len(ledger.duplicates) + ledger.outside == sum(map(len, unique))
    counted = set(ids(ledger))
    assert len(counted) == len(ledger.cases)
    assert set(ledger.cases["first_case"]) <= {"", *counted}
    assert not [case_id for case_id, first in links(ledger).items() if case_id == first]
    if version == "2":
        assert ledger.outside == 0
        assert {pair[1] for pair in pairs(ledger)} <= counted
        assert counted | {pair[0] for pair in pairs(ledger)} == {row["ärende"] for rows in unique for row in rows}
    # The same rows in another order, file by file: the same complaints count.
    for rows, path in zip(unique, paths, strict=True):
        case_file(path, chance.sample(rows, len(rows)))
    again = ledger_of(taxonomy, paths, version)
    assert sorted(ids(again)) == sorted(counted)
    assert (again.outside, links(again)) == (ledger.outside, links(ledger))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledger")


def test_files_with_headings_alone_make_an_empty_ledger(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count()
    assert (ids(ledger), pairs(ledger), ledger.outside, ledger.unknown_sources) == ([], [], 0, 0)


# --- one matter that drags on ------------------------------------------------------------------------------------


def test_a_repeated_complaint_about_waiting_is_linked_to_the_customers_first(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count(
        case("3", kund="77", datum="2020-05-01", causes="wait_time"),
        case("1", kund="77", datum="2020-03-01", klagomål=SOFA),
        case("2", kund="77", datum="2020-04-01", causes="cancelled_event_or_trip;wait_time"),
        case("4", kund="77", datum="2020-05-02", causes="campaign_backlash"),
        case("5", kund="78", datum="2020-05-03", causes="wait_time"),
        case("6", kund="", datum="2020-05-04", causes="wait_time"),
    )
    assert links(ledger) == {"2": "1", "3": "1"}


def test_a_repeated_complaint_is_linked_by_the_case_that_its_text_names(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count(
        case("K-200301-01", datum="2020-03-01"),
        case("K-200401-01", datum="2020-04-01", causes="wait_time", klagomål="Om (k-200301-01): hallå?"),
        case("K-200501-01", datum="2020-05-01", klagomål="Om K-200401-01, den hörde ni aldrig av er om"),
        case("K-200601-01", datum="2020-06-01", causes="wait_time", klagomål="K-200501-01."),
        case("K-200601-02", datum="2020-06-01", causes="wait_time", klagomål="K-200301-012 K-200601-02 K-999999-01"),
    )
    assert links(ledger) == {"K-200401-01": "K-200301-01", "K-200601-01": "K-200301-01"}


def test_a_text_may_name_the_copy_of_a_complaint(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count(
        case("K-0001", klagomål=SOFA),
        case("K-0002", klagomål=SOFA, datum="2020-03-09"),
        case("K-0003", datum="2020-04-01", causes="wait_time", klagomål="Vad händer med K-0002?"),
    )
    assert links(ledger) == {"K-0003": "K-0001"}


@pytest.mark.parametrize(("day", "linked"), [("2020-06-29", {"2": "1"}), ("2020-06-30", {})])
def test_a_customer_who_comes_back_after_120_days_begins_anew(count, day: str, linked: dict[str, str]) -> None:  # type: ignore[no-untyped-def]
    rows = [case("1", kund="77", datum="2020-03-01"), case("2", kund="77", datum=day, causes="wait_time")]
    assert links(count(*rows)) == linked
    later = case("3", kund="77", datum="2020-07-20", causes="wait_time")
    assert links(count(*rows, later))["3"] == linked.get("2", "2")


def test_a_complaint_that_is_not_counted_is_nobodys_first(count) -> None:  # type: ignore[no-untyped-def]
    rows = [
        case("post", kund="77", källa="Facebook", datum="2020-03-01"),
        case("samtal", kund="77", datum="2020-03-20", causes="wait_time"),
    ]
    assert links(count(*rows, version="1")) == {}
    assert links(count(*rows, version="2")) == {"samtal": "post"}


def test_complaints_without_a_date_are_linked_to_no_customer(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count(case("1", kund="77", datum=""), case("2", kund="77", causes="wait_time"))
    assert links(ledger) == {}


# --- months, products and what is passed on ----------------------------------------------------------------------


def test_a_complaint_stands_in_its_month_or_in_none(count) -> None:  # type: ignore[no-untyped-def]
    ledger = count(case("1", datum="31/1 2020"), case("2", datum="20200201"), case("3", datum=""))
    assert list(ledger.cases["month"]) == ["2020-01", "2020-02", "utan datum"]


def test_a_product_has_its_present_name(count) -> None:  # type: ignore[no-untyped-def]
    written = ["Klarna konto", "klarnakonto", "Delbetalningskonto", "Raketkort", "", "Alla produkter", "ALLA produkter"]
    ledger = count(*(case(str(n), produkt=name, datum="2019-03-02") for n, name in enumerate(written)))
    assert list(ledger.cases["product"]) == [
        *["Delbetalningskonto"] * 3,
        "Raketkort",
        "Produkt saknas",
        "Alla produkter (i filen)",
        "ALLA produkter (i filen)",
    ]


def test_what_label_wrote_is_passed_on(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "text;causes;primary_cause;evidence;needs_review;model_version\n"
        f"{SOFA};invoice_before_delivery;invoice_before_delivery;fakturan;True;20200101-ab\n{TICKETS};;;;False;\n",
        encoding="utf-8",
    )
    frame = ledger_of(taxonomy, [path]).cases
    columns = ["primary", "causes", "evidence", "needs_review", "model_version"]
    assert frame[columns].to_numpy().tolist() == [
        ["invoice_before_delivery", "invoice_before_delivery", "fakturan", True, "20200101-ab"],
        ["other", "other", "", False, ""],
    ]
