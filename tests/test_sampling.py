"""Which cases a person sees: by known chances, spread over products; or by worth, and the rest by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nollclassify.sampling import sample


def month_of(*sizes: tuple[str, str, int]) -> pd.DataFrame:
    """Cases by predicted cause and product."""
    rows = [(primary, product) for primary, product, size in sizes for _ in range(size)]
    frame = pd.DataFrame(rows, columns=["primary", "product"])
    return frame.assign(case_id=[f"K-{n:03d}" for n in range(len(frame))])


def test_each_case_is_drawn_as_often_as_its_stored_probability_says() -> None:
    cases = month_of(
        ("wait_time", "Faktura", 11), ("wait_time", "Kort", 4), ("other", "Faktura", 30), ("other", "", 3), ("x", "", 1)
    )
    n_draws, times = 2_000, np.zeros(len(cases))
    for seed in range(n_draws):
        frame = sample(cases, 20, seed)
        assert frame["drawn"].sum() == 20
        times += frame["drawn"].to_numpy()
    p = frame["probability"].to_numpy()
    assert p.sum() == pytest.approx(20)
    assert set(p[cases["primary"] == "x"]) == {1.0}
    # 4.5 standard errors: 49 cases, one chance in 3,000 of a false alarm for other seeds.
    assert np.all(np.abs(times / n_draws - p) <= 4.5 * np.sqrt(p * (1 - p) / n_draws) + 1e-9)


CELLS = st.tuples(st.sampled_from(["wait_time", "other", "x"]), st.sampled_from("ABC"), st.integers(1, 15))


@settings(max_examples=60, deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=6), st.integers(1, 60), st.integers(0, 99))
def test_a_draw_spreads_over_products_and_does_not_depend_on_the_order_of_rows(
    cells: list[tuple[str, str, int]], n: int, seed: int
) -> None:
    cases = month_of(*cells)
    frame = sample(cases, n, seed)
    assert frame["drawn"].sum() == min(n, len(cases))
    assert frame.groupby("stratum")["probability"].nunique().eq(1).all()
    whole = frame.assign(product=cases["product"]).groupby(["stratum", "product"])
    expected, found = whole["probability"].sum(), whole["drawn"].sum()
    assert (found - expected).abs().max() < 1 + 1e-9
    shuffled = cases.sample(frac=1, random_state=seed)
    again = sample(shuffled, n, seed)
    assert list(again["case_id"]) == list(shuffled["case_id"])
    assert set(again.loc[again["drawn"], "case_id"]) == set(frame.loc[frame["drawn"], "case_id"])


def test_another_seed_draws_other_cases() -> None:
    cases = month_of(("wait_time", "Faktura", 50))
    assert not sample(cases, 20, 1)["drawn"].equals(sample(cases, 20, 2)["drawn"])


def test_a_seed_draws_the_cases_that_it_always_drew() -> None:
    """A month that was audited can be drawn again: these are the draws of the first version."""
    frame = sample(month_of(("other", "Faktura", 20), ("other", "Kort", 9), ("wait_time", "Kort", 11)), 8, 3)
    assert list(frame.loc[frame["drawn"], "case_id"]) == [
        "K-001",
        "K-006",
        "K-008",
        "K-021",
        "K-022",
        "K-032",
        "K-037",
        "K-039",
    ]


# --- by worth ----------------------------------------------------------------------------------------------------


def queue_of(n: int, seed: int = 0) -> tuple[pd.DataFrame, pd.Series]:
    """Cases of three causes, of which about half are worth something, for three reasons."""
    g = np.random.default_rng(seed)
    cases = pd.DataFrame(
        {
            "case_id": [f"K-{at:03d}" for at in g.permutation(n)],
            "primary": g.choice(["wait_time", "other", "x"], n, p=[0.3, 0.6, 0.1]),
            "product": g.choice(["Faktura", "Kort"], n),
            "text": [f"sak{at} ord{at} rad{at}" for at in range(n)],
            "kind": g.choice(["near", "close", "unlike"], n, p=[0.8, 0.1, 0.1]),
        }
    )
    return cases, pd.Series(np.maximum(g.uniform(-0.5, 0.5, n), 0))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 150), st.integers(1, 60), st.integers(0, 99))
def test_two_thirds_are_useful_the_rest_by_chance_and_every_case_has_its_probability(
    n_cases: int, n: int, seed: int
) -> None:
    cases, worth = queue_of(n_cases, seed)
    frame = sample(cases, n, seed, worth)
    useful = frame["chosen"] == "useful"
    assert useful.sum() == min(round(n * 2 / 3), (worth > 0).sum())
    assert frame["drawn"].sum() == min(n, n_cases)
    assert frame["probability"].sum() == pytest.approx(min(n, n_cases))
    assert set(frame.loc[useful, "probability"]) <= {1.0}
    assert frame[~useful].groupby("stratum")["probability"].nunique().eq(1).all()
    assert frame["drawn"].equals(frame["chosen"] != "")
    assert sorted(frame.loc[frame["drawn"], "rank"]) == list(range(1, frame["drawn"].sum() + 1))
    in_order = frame[frame["drawn"]].sort_values("rank")["chosen"].tolist()
    assert in_order == sorted(in_order, reverse=True)  # useful, then audit
    shuffled = cases.sample(frac=1, random_state=seed)
    again = sample(shuffled, n, seed, worth[shuffled.index])
    pd.testing.assert_frame_equal(again.sort_index(), frame)


def test_beside_the_useful_each_case_is_drawn_as_often_as_its_probability_says() -> None:
    cases, worth = queue_of(60)
    n_draws, times = 2_000, np.zeros(len(cases))
    for seed in range(n_draws):
        times += sample(cases, 15, seed, worth)["drawn"].to_numpy()
    p = sample(cases, 15, 0, worth)["probability"].to_numpy()
    assert 0 < p.min() < p.max() == 1
    assert np.all(np.abs(times / n_draws - p) <= 4.5 * np.sqrt(p * (1 - p) / n_draws) + 1e-9)


def test_the_case_worth_most_comes_first_and_nothing_worth_nothing_is_useful() -> None:
    cases, worth = queue_of(100)
    frame = sample(cases, 12, 0, worth)
    assert worth[frame["rank"].eq(1)].item() == worth.max()
    assert worth[frame["chosen"] == "useful"].min() > 0


def test_not_all_useful_cases_have_the_same_reason_or_cause() -> None:
    cases, worth = queue_of(400)
    # All of the commonest reason are worth a little more than any other.
    worth = worth.mask(cases["kind"] == "near", 0.5 + worth / 10)
    chosen = cases[sample(cases, 60, 0, worth)["chosen"] == "useful"]
    assert set(chosen["kind"]) == {"near", "close", "unlike"}
    assert set(chosen["primary"]) == {"wait_time", "other", "x"}


def test_of_nearly_the_same_text_one_is_useful() -> None:
    cases, worth = queue_of(60)
    worth[:] = 0.1
    worth[:20] = 0.9
    cases.loc[:19, "text"] = [
        f"jag väntade två timmar i telefonkön och blev sedan bortkopplad {at}" for at in range(20)
    ]
    frame = sample(cases, 30, 0, worth)
    assert (frame.loc[:19, "chosen"] == "useful").sum() == 1
    assert (frame["chosen"] == "useful").sum() == 20
