"""What the columns of a case file mean, which rows are refused and why, and that no row is ever lost."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from nollclassify.case_writing import write_table
from nollclassify.cases import Cases, check_unique_ids, known_headings, parse_date, read_cases, rejected_path
from nollclassify.errors import InputError
from nollclassify.taxonomy import Taxonomy

SECRET = "Soffan från mormor brann"


def case_file(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def reasons(cases: Cases) -> list[tuple[int, str, str]]:
    """Row, column and reason of every rejected row."""
    rows = cases.rejected[["rejected_row", "rejected_column", "rejected_reason"]].itertuples(index=False, name=None)
    return list(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cases")


# --- no row is lost ----------------------------------------------------------------------------------------------

DAYS = st.sampled_from(["", "2020-03-14", "14/3 2020", "2020-02-30", "3020-01-01", "snart"])
CAUSES = st.sampled_from(["", "wait_time", "Väntetid; Kampanjkritik", "Övrigt", "Övrigt;wait_time", "nyckfullhet"])
ROWS = st.tuples(st.sampled_from(["", "1", "2", "3"]), st.sampled_from(["", " ", "hej; ni", 'a "b"\nc']), DAYS, CAUSES)


def test_rows_in_are_rows_out_and_rows_rejected_in_the_order_of_the_file(folder: Path, taxonomy: Taxonomy) -> None:
    path = folder / "in.csv"

    @settings(max_examples=80, deadline=None)
    @given(st.lists(ROWS, max_size=8))
    def check(rows: list[tuple[str, str, str, str]]) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=";").writerows([("id", "text", "datum", "orsaker", "rad"), *enumerated(rows)])
        cases = read_cases(path, taxonomy, labelled=True)
        accepted, rejected = list(cases.fields["row"]), list(cases.rejected["rejected_row"])
        assert len(cases.fields) + len(cases.rejected) == len(rows)
        assert accepted == sorted(accepted)
        assert rejected == sorted(rejected)
        assert sorted(accepted + rejected) == list(range(2, len(rows) + 2))
        assert list(cases.original["rad"]) == [f"rad {row}" for row in accepted]
        assert list(cases.rejected["rad"]) == [f"rad {row}" for row in rejected]
        assert cases.texts == [rows[row - 2][1] for row in accepted]

    check()


def enumerated(rows: list[tuple[str, str, str, str]]) -> list[tuple[str, ...]]:
    return [(*row, f"rad {number}") for number, row in enumerate(rows, 2)]


def test_every_column_that_came_in_goes_out_as_it_stood(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = case_file(tmp_path / "a.csv", "Ärende;KLAGOMÅL;Kundnöjdhet;Datum", " 0012 ; hej ;007;14/3 2020")
    cases = read_cases(path, taxonomy)
    assert cases.original.to_dict("records") == [
        {"Ärende": " 0012 ", "KLAGOMÅL": " hej ", "Kundnöjdhet": "007", "Datum": "14/3 2020"}
    ]
    row = cases.fields.iloc[0]
    assert (row["row"], row["case_id"], row["text"], row["received"]) == (2, "0012", " hej ", "2020-03-14")


def test_the_same_rows_mean_the_same_in_every_format(tmp_path: Path, taxonomy: Taxonomy) -> None:
    columns = ["ärende", "klagomål", "datum", "produkt"]
    rows = [("12345678901234567", "NA", "2020-03-14", "Appen"), ("007", "=null; None", "", ""), ("", "hej", "", "")]
    read = []
    for ending in (".csv", ".xlsx", ".jsonl", ".parquet"):
        write_table(pd.DataFrame(rows, columns=columns, dtype=object), tmp_path / f"a{ending}")
        fields = read_cases(tmp_path / f"a{ending}", taxonomy).fields
        read.append(fields.drop(columns="row").to_dict("records"))
    assert read[1:] == read[:1] * 3
    assert [row["text"] for row in read[0]] == ["NA", "=null; None", "hej"]


def test_a_file_with_headings_alone_has_no_cases(tmp_path: Path, taxonomy: Taxonomy) -> None:
    cases = read_cases(case_file(tmp_path / "a.csv", "id;text;datum;orsaker"), taxonomy, labelled=True)
    assert (cases.texts, reasons(cases)) == ([], [])


# --- ids ---------------------------------------------------------------------------------------------------------


def test_a_missing_case_id_is_made_of_the_row_and_is_the_same_at_every_reading(
    tmp_path: Path, taxonomy: Taxonomy
) -> None:
    path = case_file(tmp_path / "a.csv", "text;kanal", *[f"{SECRET};chatt"] * 2, f"{SECRET};mejl")
    first = list(read_cases(path, taxonomy).fields["case_id"])
    assert list(read_cases(path, taxonomy).fields["case_id"]) == first
    assert first[1] == f"{first[0]}-2"
    assert len(set(first)) == 3
    assert SECRET not in "".join(first)


def test_a_repeated_case_id_is_rejected_with_the_first_row_named(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = case_file(tmp_path / "a.csv", "ärende;text", "1;a", "2;b", "1;c")
    cases = read_cases(path, taxonomy)
    assert cases.texts == ["a", "b"]
    assert reasons(cases) == [(4, "ärende", "ärendenumret står redan på rad 2; ge raden ett eget nummer")]


def test_a_case_id_that_stands_in_two_files_is_refused_with_both_named(tmp_path: Path, taxonomy: Taxonomy) -> None:
    first, second = (case_file(tmp_path / name, "id;text", f"1;{SECRET}") for name in ("a.csv", "b.csv"))
    with pytest.raises(InputError) as caught:
        check_unique_ids([read_cases(first, taxonomy), read_cases(second, taxonomy)])
    assert str(caught.value) == (
        f"{second}: rad 2 har ett ärendenummer som också står i {first}; ta bort den ena raden."
    )


def test_an_id_that_excel_has_rounded_is_rejected_and_one_written_as_text_is_not(
    tmp_path: Path, taxonomy: Taxonomy
) -> None:
    ids: list[object] = [12345678901234567, 12345678901234568, 999_999_999_999_999, "12345678901234567"]
    with xlsxwriter.Workbook(str(tmp_path / "a.xlsx")) as book:
        sheet = book.add_worksheet()
        sheet.write_column(0, 0, ["id", *ids])
        sheet.write_column(0, 1, ["text", *"abcd"])
    cases = read_cases(tmp_path / "a.xlsx", taxonomy)
    assert list(cases.fields["case_id"]) == ["999999999999999", "12345678901234567"]
    rounded = "ärendenumret har fler än 15 siffror, och Excel har avrundat det; hämta det på nytt som text"
    assert [(row, column) for row, column, _ in reasons(cases)] == [(2, "id"), (3, "id")]
    assert all(rounded in reason for *_, reason in reasons(cases))


def test_an_id_among_numbers_with_gaps_is_the_same_id_as_elsewhere(tmp_path: Path, taxonomy: Taxonomy) -> None:
    pd.DataFrame({"id": [7, None, 10**15], "text": ["a", "b", "c"]}).to_parquet(tmp_path / "a.parquet")
    cases = read_cases(tmp_path / "a.parquet", taxonomy)
    assert list(cases.fields["case_id"])[::2] == ["7", "1000000000000000"]
    assert list(cases.original["id"])[::2] == [7.0, 1e15]


# --- columns -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headings", "fault"),
    [
        ("id;meddelande", "ingen kolumn har klagomålets text; döp den kolumnen till text eller klagomål."),
        ("text;Klagomål", "kolumnerna text och Klagomål betyder samma sak; ta bort den ena."),
        ("text;text", "kolumnerna text och text (2) betyder samma sak; ta bort den ena."),
        (
            "text;id",
            "ingen kolumn har orsaker; märk filen med `nollclassify label`, "
            "eller lägg till kolumnen orsaker (tom cell betyder Övrigt).",
        ),
    ],
)
def test_a_file_without_the_columns_it_needs_is_refused(
    headings: str, fault: str, tmp_path: Path, taxonomy: Taxonomy
) -> None:
    path = case_file(tmp_path / "a.csv", headings, f"{SECRET};{SECRET}")
    with pytest.raises(InputError) as caught:
        read_cases(path, taxonomy, labelled=True)
    assert str(caught.value) == f"{path}: {fault}"


@pytest.mark.parametrize(
    ("row", "count"),
    [
        (["Ärende", " KLAGOMÅL ", "Pris"], 2),
        (["id", "case_id", "text"], 2),
        (["id", "datum"], 0),
        (["hej text"], 0),
        (["a\u0308rende", "klagoma\u030al"], 2),
        (["\ufefftext"], 1),
    ],
)
def test_headings_are_known_in_any_case_where_one_is_the_texts(row: list[str], count: int) -> None:
    assert known_headings(row) == count


# --- rejected rows -----------------------------------------------------------------------------------------------

TOMORROW, LATER = (date.today() + timedelta(days=days) for days in (1, 3))
IMPOSSIBLE = "datumet finns inte eller går inte att tyda; skriv det som 2020-03-14"
UNLIKELY = "datumet ligger före 1990 eller i framtiden; rätta det"
ALLOWED = "invoice_before_delivery, cancelled_event_or_trip, campaign_backlash, naming_confusion, wait_time"
UNKNOWN, BESIDE = f"okänd orsak; tillåtna är {ALLOWED}", "Övrigt kan inte stå bredvid en orsak; ta bort det ena"
NOT_AMONG = "huvudorsaken är ingen känd orsak, eller flera; rätta den"


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (";;;", "text", "texten är tom; fyll i klagomålet eller ta bort raden"),
        (f"{SECRET};2020-02-30;;", "datum", IMPOSSIBLE),
        (f"{SECRET};14 mars;;", "datum", IMPOSSIBLE),
        (f"{SECRET};43904;;", "datum", IMPOSSIBLE),
        (f"{SECRET};1989-12-31;;", "datum", UNLIKELY),
        (f"{SECRET};{LATER};;", "datum", UNLIKELY),
        (f"{SECRET};;nyckfullhet;", "orsaker", UNKNOWN),
        (f"{SECRET};;Övrigt,wait_time;", "orsaker", BESIDE),
        (f"{SECRET};;wait_time;nyckfullhet", "huvudorsak", NOT_AMONG),
        (f"{SECRET};2020-02-30;nyckfullhet;", "datum, orsaker", f"{IMPOSSIBLE}; {UNKNOWN}"),
    ],
)
def test_a_faulty_row_is_rejected_with_its_column_and_what_to_do(
    row: str, column: str, reason: str, tmp_path: Path, taxonomy: Taxonomy
) -> None:
    path = case_file(tmp_path / "a.csv", "id;text;datum;orsaker;huvudorsak", f"1;{row}", f"2;hej;{TOMORROW};;")
    cases = read_cases(path, taxonomy, labelled=True)
    assert reasons(cases) == [(2, column, reason)]
    assert list(cases.rejected.iloc[0])[4:] == ["1", *row.split(";")]
    assert list(cases.fields["received"]) == [TOMORROW.isoformat()]
    assert SECRET not in reason


def test_a_damaged_row_stands_whole_among_the_rejected_in_the_order_of_the_file(
    tmp_path: Path, taxonomy: Taxonomy
) -> None:
    path = case_file(tmp_path / "a.csv", "id;text", "1;", f"2;{SECRET};x", "3;ok", "4;")
    cases = read_cases(path, taxonomy)
    assert [(row, column) for row, column, _ in reasons(cases)] == [(2, "text"), (3, "(hela raden)"), (5, "text")]
    assert list(cases.rejected["id"]) == ["1", f"2;{SECRET};x", "4"]
    assert set(cases.rejected["rejected_file"]) == {"a.csv"}
    assert not any(SECRET in reason for *_, reason in reasons(cases))


def test_headings_that_stand_once_more_among_the_rows_are_no_complaint(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = case_file(
        tmp_path / "a.csv", "id;Klagomål;datum", "1;Klagomål;", "\ufeffID;klagomål;Datum", "2;hej;", "text;text;"
    )
    cases = read_cases(path, taxonomy)
    assert cases.texts == ["Klagomål", "hej", "text"]
    number, column, reason = reasons(cases)[0]
    assert (number, column) == (3, "Klagomål, datum")
    assert reason.startswith("rubrikraden står här en gång till; ta bort raden; ")
    alone = read_cases(case_file(tmp_path / "b.csv", "text", "Text"), taxonomy)
    assert alone.texts == ["Text"]


def test_rejected_rows_that_were_mended_can_be_read_again(tmp_path: Path, taxonomy: Taxonomy) -> None:
    write_table(read_cases(case_file(tmp_path / "a.csv", "id;text", "1;", "2;"), taxonomy).rejected, tmp_path / "b.csv")
    mended = (tmp_path / "b.csv").read_text("utf-8-sig").splitlines()
    cases = read_cases(case_file(tmp_path / "b.csv", mended[0], mended[1] + "nu med text", mended[2]), taxonomy)
    assert cases.texts == ["nu med text"]
    assert list(cases.rejected.columns) == [
        *(f"rejected_{n}" for n in ("file", "row", "column", "reason")),
        "id",
        "text",
    ]
    assert list(cases.rejected.iloc[0, :3]) == ["b.csv", 3, "text"]


def test_a_text_that_is_no_text_is_rejected(tmp_path: Path, taxonomy: Taxonomy) -> None:
    cases = read_cases(case_file(tmp_path / "a.jsonl", '{"text": ["a"]}', '{"text": null}', '{"text": 5}'), taxonomy)
    assert cases.texts == ["5"]
    assert reasons(cases) == [
        (1, "text", "värdet är inte text; skriv klagomålet som text"),
        (2, "text", "texten är tom; fyll i klagomålet eller ta bort raden"),
    ]


@pytest.mark.parametrize(
    ("name", "rejected"),
    [("july.labelled.xlsx", "july.rejected.xlsx"), ("july.xls", "july.rejected.xlsx"), ("a.b.csv", "a.b.rejected.csv")],
)
def test_rejected_rows_go_beside_the_output(name: str, rejected: str) -> None:
    assert rejected_path(Path("folder") / name) == Path("folder") / rejected


# --- dates and causes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        *("2020-03-14", "20200314", "2020/3/14", "2020.03.14", "14/3 2020", "14/3/2020", "14.3.2020", "14-03-2020"),
        *("14 mars 2020", "14 Mar. 2020", "den 14 mars 2020", "14:e mars 2020", "14. mars, 2020", " 2020-03-14 "),
        *("2020-03-14 10:15", "2020-03-14T10:15:30Z", "2020-03-14T10:15:30.123+01:00", "2020-03-14 10.15"),
        *("14 mars 2020 kl. 10:15", "2020-03-14 kl 10.15"),
    ],
)
def test_a_date_is_read_as_swedes_write_it(written: str) -> None:
    assert parse_date(written) == date(2020, 3, 14)


def test_ordinals_of_both_kinds_and_excels_day_numbers_are_dates() -> None:
    assert parse_date("1:a maj 2020") == date(2020, 5, 1)
    assert parse_date("43904", excel=True) == date(2020, 3, 14)
    assert parse_date("43904.99", excel=True) == date(2020, 3, 14)


@pytest.mark.parametrize("written", ["14/3", "14 mars", "2020-13-01", "31/2 2020", "43904", "14 foo 2020", "03142020"])
def test_what_is_no_whole_date_is_none(written: str) -> None:
    assert parse_date(written) is None


@pytest.mark.parametrize(
    ("causes", "primary", "ids"),
    [
        ("", "", ""),
        ("Övrigt", "Övrigt", ""),
        ("väntetid", "", "wait_time"),
        ("Campaign backlash | WAIT_TIME", "", "campaign_backlash;wait_time"),
        ("Kampanjkritik, Väntetid;wait_time", "", "campaign_backlash;wait_time"),
        ("Kampanjkritik;Väntetid", "wait_time", "wait_time;campaign_backlash"),
    ],
)
def test_causes_are_read_by_id_or_name_with_the_primary_first(
    causes: str, primary: str, ids: str, tmp_path: Path, taxonomy: Taxonomy
) -> None:
    write_table(pd.DataFrame([("a", causes, primary)], columns=["text", "orsaker", "huvudorsak"]), tmp_path / "a.csv")
    fields = read_cases(tmp_path / "a.csv", taxonomy, labelled=True).fields
    assert fields[["causes", "primary_cause"]].to_numpy().tolist() == [[ids, ids.split(";")[0]]]


def test_where_the_primary_cause_is_not_among_the_causes_the_causes_decide(tmp_path: Path, taxonomy: Taxonomy) -> None:
    rows = ("1;hej;Kampanjkritik, Väntetid;wait_time", "2;hej på er;Kampanjkritik;wait_time", "3;hejsan;;wait_time")
    path = case_file(tmp_path / "a.csv", "id;text;orsaker;huvudorsak", *rows)
    assert list(read_cases(path, taxonomy, labelled=True).fields["causes"]) == [
        "wait_time;campaign_backlash",
        "campaign_backlash",
        "",
    ]


def test_a_column_of_ones_own_codes_is_no_fault_when_no_labels_are_wanted(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = case_file(tmp_path / "a.csv", "id;text;orsaker", "1;hej;B17", "2;hej på er;")
    cases = read_cases(path, taxonomy)
    assert list(cases.original["orsaker"]) == ["B17", ""]
    assert len(cases.rejected) == 0
