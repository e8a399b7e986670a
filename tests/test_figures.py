"""The tidy table of figures: parts that add up to the last digit, cells that stay hidden, numbers worked by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from nollclassify.auditing import Audit
from nollclassify.estimation import rate_ratio
from nollclassify.ledger import load_definition
from nollclassify.reporting.exposure import Exposure
from nollclassify.reporting.figures import COLUMNS, cause_names, discovery_rates, tidy_table
from nollclassify.reporting.suppression import shown_cells
from nollclassify.taxonomy import Taxonomy, load_taxonomy

ALL, FEW = "Alla produkter", "Produkter med få klagomål"
CAUSES = list(cause_names(load_taxonomy()))
WAIT, CAMPAIGN, OTHER = "wait_time", "campaign_backlash", "other"
MIN_CELL = 5


def cases_of(*cells: tuple[str, str, str, int], start: int = 0) -> pd.DataFrame:
    """Cases by month, product and primary cause, so many of each."""
    rows = [(month, product, primary) for month, product, primary, size in cells for _ in range(size)]
    frame = pd.DataFrame(rows, columns=["month", "product", "primary"], dtype=str)
    numbers = range(start, start + len(frame))
    return frame.assign(
        case_id=[f"K-{n}" for n in numbers],
        causes=frame["primary"],
        channel=["telefon" if n % 3 else "mejl" for n in numbers],
        source=["own" if n % 4 else "social" for n in numbers],
    )


def table_of(
    cases: pd.DataFrame,
    purchases: Mapping[tuple[str, str], int] | None = None,
    audits: Sequence[Audit] = (),
    month: str = "2020-03",
) -> pd.DataFrame:
    exposure = Exposure(dict(purchases or {}), {})
    by_month = {audit.month: audit for audit in audits}
    return tidy_table(cases, CAUSES, exposure, by_month, load_definition("2"), MIN_CELL, month)


def pick(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def one(table: pd.DataFrame, figure: str, product: str = ALL, cause: str = "", month: str = "2020-03") -> pd.Series:
    found = pick(table, figure=figure, product=product, cause=cause, month=month)
    assert len(found) == 1
    return found.iloc[0]


def exact(values: pd.Series) -> Decimal:
    """The sum of the values as they are written."""
    return sum((Decimal(str(value)) for value in values), Decimal(0))


# --- parts add up ------------------------------------------------------------------------------------------------

SIZES = st.tuples(
    st.sampled_from(["2020-03", "2019-03"]), st.sampled_from("ABC"), st.sampled_from(CAUSES), st.integers(1, 13)
)


@settings(max_examples=15, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=12), st.integers(1, 4_000_000), st.integers(0, 40), st.randoms())
def test_the_parts_add_up_to_the_last_digit(
    cells: list[tuple[str, str, str, int]], bought: int, n: int, chance
) -> None:  # type: ignore[no-untyped-def]
    cases = cases_of(*cells)
    audits = []
    for month, part in cases.groupby("month"):
        ids = part["case_id"].tolist()
        asked = chance.sample(ids, min(n, len(ids)))
        answers = {case_id: (chance.choice(CAUSES),) for case_id in asked}
        stratum = {case_id: chance.choice(CAUSES) for case_id in ids}
        audits += [Audit(str(month), stratum, answers, len(asked))] * (n > 0)
    products = [*cases["product"].unique(), ALL]
    purchases = {(month, p): bought + k for month in cases["month"].unique() for k, p in enumerate(products)}
    table = table_of(cases, purchases, audits, month=cases["month"].max())
    for (month, product), group in table.groupby(["month", "product"]):
        total = one(table, "cases", str(product), month=str(month))["value"]
        assert exact(pick(group, figure="primary")["value"]) == Decimal(str(total))
        assert exact(pick(group, figure="share")["value"]) == 1
        if len(rates := pick(group, figure="rate")):
            assert exact(rates["value"]) == Decimal(
                str(one(group, "rate_all", str(product), month=str(month))["value"])
            )
        for figure in ("channel_share", "source_share"):
            assert exact(pick(group, figure=figure)["value"]) in (0, 1)
    for _, group in table[table["figure"].isin(["primary", "cases"])].groupby(["month", "cause", "figure"]):
        of_all = group["product"] == ALL
        assert exact(group.loc[~of_all, "value"]) == exact(group.loc[of_all, "value"])
    numbers = table.dropna(subset=["value", "low", "high"])
    assert ((numbers["low"] <= numbers["value"]) & (numbers["value"] <= numbers["high"])).all()
    assert (numbers["low"] >= 0).all()
    assert exact(pick(table, product=ALL, figure="cases")["value"]) == len(cases)


def test_the_table_has_its_columns_and_every_cause_of_every_product() -> None:
    table = table_of(cases_of(("2020-03", "A", WAIT, 9), ("2020-03", "B", OTHER, 9)))
    assert list(table.columns) == COLUMNS
    assert list(pick(table, figure="primary", product="A")["cause"]) == CAUSES
    assert list(dict.fromkeys(pick(table, figure="primary")["product"])) == [ALL, "A", "B"]


# --- what is hidden ----------------------------------------------------------------------------------------------

COUNTS = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 30), min_size=width, max_size=width), min_size=1, max_size=5)
)


@settings(max_examples=200, deadline=None)
@given(COUNTS)
def test_no_row_or_column_has_a_single_hidden_cell_but_a_zero_or_all_there_is(counts: list[list[int]]) -> None:
    table = np.array(counts)
    shown = shown_cells(table, MIN_CELL)
    assert shown.shape == table.shape
    assert not shown[table < MIN_CELL].any()
    for view, values in ((shown, table), (shown.T, table.T)):
        for row, numbers in zip(view, values, strict=True):
            assert (~row).sum() != 1 or len(row) == 1 or numbers[~row].sum() == 0


def test_nothing_is_hidden_that_need_not_be() -> None:
    assert shown_cells(np.array([[5, 9], [7, 5]]), MIN_CELL).all()
    shown = shown_cells(np.array([[3, 9, 20], [8, 7, 6], [30, 40, 50]]), MIN_CELL)
    # 3 is hidden; 9 too, for the row; 8 and 7 for the columns of both, and with them their row.
    assert shown.tolist() == [[False, False, True], [False, False, True], [True, True, True]]


def worked_out(hidden: np.ndarray) -> np.ndarray:
    """Which hidden cells of a table can be worked out from the shown ones and the sums of rows and columns."""
    at = np.argwhere(hidden)
    if not len(at):
        return np.zeros(0, dtype=bool)
    sums = [*(at[:, 0] == row for row in range(hidden.shape[0])), *(at[:, 1] == col for col in range(hidden.shape[1]))]
    equations = np.array(sums, dtype=float).reshape(-1, len(at))
    rank = np.linalg.matrix_rank(equations)
    return np.array([np.linalg.matrix_rank(np.vstack([equations, unit])) == rank for unit in np.eye(len(at))], bool)


def told_small(table: pd.DataFrame) -> bool:
    """Whether a hidden cell of 1 to 4 can be worked out; a 0 points at nobody."""
    hidden = hidden_with_all(table)
    values = pick(table, figure="primary").pivot(index="product", columns="cause", values="value")
    order = [*(product for product in values.index if product != ALL), ALL]
    small = values.loc[order].to_numpy()[hidden]
    return bool((worked_out(hidden) & (small > 0) & (small < MIN_CELL)).any())


def hidden_with_all(table: pd.DataFrame) -> np.ndarray:
    """The hidden cells, products and last the sum of all, by cause."""
    cells = pick(table, figure="primary").pivot(index="product", columns="cause", values="shown")
    order = [*(product for product in cells.index if product != ALL), ALL]
    return ~cells.loc[order].to_numpy(dtype=bool)


def test_a_hidden_cell_of_one_product_cannot_be_worked_out() -> None:
    cells = [("2020-03", "A", WAIT, 3), ("2020-03", "A", OTHER, 30), ("2020-03", "A", CAMPAIGN, 12)]
    cells += [("2020-03", "B", WAIT, 20), ("2020-03", "B", OTHER, 15), ("2020-03", "B", CAMPAIGN, 11)]
    assert not told_small(table_of(cases_of(*cells)))


def test_no_hidden_cell_can_be_worked_out_by_several_sums() -> None:
    counts = [[20, 0, 12, 2, 30, 13], [30, 20, 6, 8, 6, 13], [30, 20, 0, 3, 6, 25], [12, 6, 12, 3, 8, 11]]
    cells = [("2020-03", f"P{p}", CAUSES[k], size) for p, row in enumerate(counts) for k, size in enumerate(row)]
    assert not told_small(table_of(cases_of(*cells)))


def test_no_hidden_cell_of_all_products_can_be_worked_out_from_the_products() -> None:
    counts = [[6, 20, 7, 30, 3, 30], [40, 10, 11, 30, 0, 30]]
    cells = [("2020-03", f"P{p}", CAUSES[k], size) for p, row in enumerate(counts) for k, size in enumerate(row)]
    assert not told_small(table_of(cases_of(*cells)))


def test_a_hidden_channel_cannot_be_worked_out_from_the_other_products() -> None:
    cases = cases_of(("2020-03", "A", WAIT, 27), ("2020-03", "B", WAIT, 42))
    cases["channel"] = (
        ["telefon"] * 20 + ["mejl"] * 3 + ["chatt"] * 4 + ["telefon"] * 20 + ["mejl"] * 10 + ["chatt"] * 12
    )
    table = pick(table_of(cases), figure="channel")
    hidden = ~table.pivot(index="product", columns="of", values="shown").loc[["A", "B", ALL]].to_numpy(dtype=bool)
    assert hidden.any()
    assert not worked_out(hidden).any()


def test_a_change_is_shown_only_of_cells_that_are_shown() -> None:
    now = [("2020-03", "A", cause, 3 if cause == WAIT else 12) for cause in CAUSES]
    table = table_of(cases_of(*now, *[("2020-02", "A", cause, 12) for cause in CAUSES]))
    changes = pick(table, figure="ratio_month", product="A")
    seen = changes.loc[changes["shown"] & (changes["cause"] != ""), "cause"]
    cells = pick(table, figure="primary", product="A", month="2020-03")
    assert set(seen) <= set(cells.loc[cells["shown"], "cause"])


def test_products_with_few_complaints_are_put_together() -> None:
    cells = [
        ("2020-03", "A", WAIT, 20),
        ("2020-03", "B", WAIT, 4),
        ("2020-03", "C", OTHER, 3),
        ("2020-03", "D", WAIT, 5),
    ]
    table = table_of(cases_of(*cells))
    totals = pick(table, figure="cases").set_index("product")["value"].to_dict()
    assert totals == {ALL: 32, "A": 20, "D": 5, FEW: 7}


# --- an audited month, worked by hand ----------------------------------------------------------------------------


def answered(cases: pd.DataFrame, *cells: tuple[str, str, str, int]) -> dict[str, tuple[str, ...]]:
    """Answers: of a product and predicted cause, so many have this cause."""
    answers: dict[str, tuple[str, ...]] = {}
    for product, predicted, cause, size in cells:
        there = pick(cases, product=product, primary=predicted)["case_id"]
        for case_id in [c for c in there if c not in answers][:size]:
            answers[case_id] = (cause,)
    return answers


@pytest.fixture(scope="module")
def audited() -> pd.DataFrame:
    """A has 20 audited cases of its own; B has 4 and C none, so the two share B's."""
    cases = cases_of(
        ("2020-03", "A", WAIT, 30),
        ("2020-03", "A", OTHER, 10),
        ("2020-03", "B", WAIT, 10),
        ("2020-03", "B", OTHER, 10),
        ("2020-03", "C", WAIT, 10),
        ("2020-03", "C", CAMPAIGN, 6),
    )
    answers = answered(
        cases,
        ("A", WAIT, WAIT, 9),
        ("A", WAIT, OTHER, 3),
        ("A", OTHER, OTHER, 6),
        ("A", OTHER, WAIT, 2),
        ("B", WAIT, WAIT, 1),
        ("B", WAIT, OTHER, 1),
        ("B", OTHER, OTHER, 2),
    )
    stratum = dict(zip(cases["case_id"], cases["primary"], strict=True))
    return table_of(cases, audits=[Audit("2020-03", stratum, answers, 24)])


def test_an_audited_month_is_as_worked_by_hand(audited: pd.DataFrame) -> None:
    worked = {
        # A: of 30 predicted waits 9 of 12 audited are, of 10 others 2 of 8: 30 * 9/12 + 10 * 2/8 = 22.5 + 2.5 = 25.
        ("A", WAIT): 25.0,
        ("A", OTHER): 15.0,
        # B: of 10 predicted waits 1 of 2, of 10 others 0 of 2: 10 * 1/2 + 10 * 0 = 5.
        ("B", WAIT): 5.0,
        ("B", OTHER): 15.0,
        # C borrows from B: 10 * 1/2 = 5 waits. Nobody looked at criticism of campaigns: 6 as predicted.
        ("C", WAIT): 5.0,
        ("C", OTHER): 5.0,
        ("C", CAMPAIGN): 6.0,
        # All: 25 + 5 + 5 = 35 waits, 15 + 15 + 5 = 35 others, 6 of campaigns; together 76.
        (ALL, WAIT): 35.0,
        (ALL, OTHER): 35.0,
        (ALL, CAMPAIGN): 6.0,
    }
    assert {key: one(audited, "primary", *key)["value"] for key in worked} == worked
    assert one(audited, "share", "A", WAIT)["value"] == 0.625  # 25 of 40
    assert one(audited, "share", ALL, WAIT)["value"] == round(35 / 76, 3)


def test_a_product_says_whose_audit_it_is_corrected_by(audited: pd.DataFrame) -> None:
    methods = pick(audited, figure="share", cause=WAIT).set_index("product")[["method", "audited"]]
    assert methods["method"].to_dict() == {
        ALL: "corrected",
        "A": "corrected",
        "B": "corrected with all",
        "C": "corrected with all",
    }
    assert methods["audited"].to_dict() == {ALL: 24, "A": 20, "B": 4, "C": 0}


def test_with_every_case_audited_the_counts_are_the_answers() -> None:
    cases = cases_of(("2020-03", "A", WAIT, 15), ("2020-03", "A", OTHER, 15))
    answers = answered(cases, ("A", WAIT, CAMPAIGN, 7), ("A", WAIT, WAIT, 8), ("A", OTHER, OTHER, 15))
    table = table_of(cases, audits=[Audit("2020-03", {}, answers, 30)])
    counts = pick(table, figure="primary", product="A").set_index("cause")["value"]
    assert counts[[WAIT, CAMPAIGN, OTHER]].to_list() == [8, 7, 15]


def test_a_month_without_an_audit_is_as_the_model_has_it() -> None:
    table = table_of(cases_of(("2020-03", "A", WAIT, 15), ("2020-03", "A", OTHER, 15)))
    row = one(table, "primary", "A", WAIT)
    assert (row["value"], row["method"], row["audited"]) == (15, "plain", 0)


# --- changes -----------------------------------------------------------------------------------------------------


def two_months() -> pd.DataFrame:
    now = [("2020-03", product, cause, 40) for product in "AB" for cause in CAUSES]
    then = [("2020-02", "A", cause, 10 * k) for k, cause in enumerate(CAUSES, 1)]
    return cases_of(*now, *then, *[("2020-02", "B", cause, 40) for cause in CAUSES])


def test_without_purchases_a_change_is_of_counts_and_with_them_of_rates() -> None:
    cases = two_months()
    plain = one(table_of(cases), "ratio_month", "A", CAUSES[0])
    assert (plain["value"], plain["of"]) == (4.0, "2020-02")  # 40 against 10
    bought = {("2020-03", "A"): 2_000_000, ("2020-02", "A"): 1_000_000}
    rate = one(table_of(cases, bought), "ratio_month", "A", CAUSES[0])
    assert rate["value"] == 2.0  # 40 in 2 million against 10 in 1 million
    assert rate["low"] < 2 < rate["high"]
    # Purchases of one of the two months are no help: counts again.
    half = {("2020-03", "A"): 2_000_000}
    assert one(table_of(cases, half), "ratio_month", "A", CAUSES[0])["value"] == 4.0


def test_q_values_are_scipys_over_products_and_causes() -> None:
    table = table_of(two_months())
    rows = pick(table, figure="ratio_month")
    by_cause = rows[rows["cause"] != ""]
    assert by_cause["shown"].all()
    assert rows.loc[rows["cause"] == "", "q"].isna().all()
    counts = pick(table, figure="primary").set_index(["month", "product", "cause"])["value"]
    p = [
        rate_ratio(counts["2020-03", product, cause], 1, counts["2020-02", product, cause], 1).p
        for product, cause in by_cause[["product", "cause"]].itertuples(index=False, name=None)
    ]
    assert by_cause["q"].to_numpy() == pytest.approx(false_discovery_control(p), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=20))
def test_discovery_rates_are_of_the_tested_cells_alone(cells: list[tuple[bool, float]]) -> None:
    rates = discovery_rates(cells)
    assert [rate is None for rate in rates] == [not tested for tested, _ in cells]
    tested = [p for test, p in cells if test]
    expected = false_discovery_control(tested) if tested else []
    assert [rate for rate in rates if rate is not None] == pytest.approx(list(expected), abs=1e-6)


def test_a_month_is_held_against_the_one_before_and_the_year_before() -> None:
    cases = cases_of(*[(month, "A", WAIT, 20) for month in ("2020-01", "2019-12", "2019-01", "2019-11")])
    table = table_of(cases, month="2020-01")
    of = {figure: set(pick(table, figure=figure)["of"]) for figure in ("ratio_month", "ratio_year")}
    assert of == {"ratio_month": {"2019-12"}, "ratio_year": {"2019-01"}}


def test_a_cell_that_is_hidden_in_either_month_has_no_change_shown() -> None:
    now = [("2020-03", "A", WAIT, 3), ("2020-03", "A", OTHER, 30), ("2020-03", "A", CAMPAIGN, 12)]
    then = [("2020-02", "A", WAIT, 20), ("2020-02", "A", OTHER, 30), ("2020-02", "A", CAMPAIGN, 12)]
    table = table_of(cases_of(*now, *then))
    assert not one(table, "ratio_month", "A", WAIT)["shown"]


def test_complaints_without_a_date_have_figures_and_no_changes() -> None:
    cases = cases_of(("utan datum", "A", WAIT, 20), ("2020-02", "A", WAIT, 10))
    table = table_of(cases, month="utan datum")
    assert one(table, "cases", "A", month="utan datum")["value"] == 20
    assert not set(table["figure"]) & {"ratio_month", "ratio_year"}
    assert set(pick(table, figure="channel")["month"]) == {"utan datum"}


def test_the_formal_ledger_is_counted_by_source_and_cause(taxonomy: Taxonomy) -> None:
    cases = cases_of(("2020-03", "A", WAIT, 20), ("2020-03", "A", CAMPAIGN, 20))
    # Every fourth case is from social media; of the others those about waiting are formal.
    formal = ((cases["source"] == "own") & (cases["primary"] == WAIT)).sum()
    table = table_of(cases, {("2020-03", "A"): 1_000_000, ("2020-03", ALL): 2_000_000})
    assert one(table, "formal", ALL)["value"] == formal == 15
    assert set(table.loc[table["figure"] == "formal", "product"]) == {ALL}
    assert one(table, "formal_rate", ALL)["value"] == 7.5  # 15 in 2 million
