"""Intervals against published figures, against scipy's, by simulation, and the rules that any interval keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest, poisson, poisson_means_test

from nollclassify.estimation import (
    Audited,
    Change,
    allocate,
    audited_share,
    difference_in_changes,
    effective_count,
    poisson_rate,
    power_to_see,
    rate_ratio,
    wilson,
    wilson_limits,
)

counts = st.integers(0, 2000)
exposures = st.floats(0.01, 1000)
ALMOST = 1e-9


def test_the_rate_of_120_complaints_in_8_million_purchases() -> None:
    rate = poisson_rate(120, 8)
    assert (round(rate.estimate, 1), round(rate.low, 1), round(rate.high, 1)) == (15.0, 12.4, 17.9)


def test_the_rate_of_a_cause_of_five_per_cent_of_them() -> None:
    rate = poisson_rate(0.05 * 120, 8)
    assert (round(rate.estimate, 2), round(rate.low, 2), round(rate.high, 2)) == (0.75, 0.28, 1.63)


# Newcombe (1998), table I, method 3.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_as_published_by_newcombe_1998(successes: int, n: int, low: float, high: float) -> None:
    share = wilson(successes, n)
    assert (round(share.low, 4), round(share.high, 4)) == (low, high)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_is_scipys(case: tuple[int, int], confidence: float) -> None:
    theirs = binomtest(*case).proportion_ci(confidence, method="wilson")
    ours = wilson(*case, confidence)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_nothing_counted_still_has_an_upper_end() -> None:
    assert poisson_rate(0, 1).low == 0
    assert round(poisson_rate(0, 1).high, 2) == 3.69
    assert wilson(0, 0).low == 0
    assert wilson(0, 0).high == 1
    assert np.isnan(wilson(0, 0).estimate)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_lies_within_its_interval_and_the_interval_within_0_and_1(case: tuple[int, int]) -> None:
    share = wilson(*case)
    assert 0 <= share.low <= share.estimate <= share.high <= 1


@given(counts, exposures)
def test_the_tails_outside_the_interval_of_a_rate_hold_a_fortieth_each(count: int, exposure: float) -> None:
    rate = poisson_rate(count, exposure)
    assert poisson.cdf(count, rate.high * exposure) == pytest.approx(0.025)
    if count:
        assert poisson.sf(count - 1, rate.low * exposure) == pytest.approx(0.025)


@pytest.mark.parametrize(("count", "exposure"), [(-1, 1), (1, 0), (1, -2)])
def test_impossible_counts_and_exposures_are_refused(count: int, exposure: float) -> None:
    with pytest.raises(
        ValueError, match=f"^count {count} and exposure {exposure}, wanted count >= 0 and exposure > 0$"
    ):
        poisson_rate(count, exposure)


@pytest.mark.parametrize(("successes", "n"), [(3, 2), (-1, 2)])
def test_more_successes_than_trials_or_fewer_than_none_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match=f"^{successes} successes in 2, wanted 0 to 2$"):
        wilson(successes, n)


# --- audits ------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=8), st.integers(0, 300))
def test_as_many_are_drawn_as_wanted_and_no_more_than_there_are(sizes: list[int], n: int) -> None:
    drawn = allocate(np.array(sizes), n)
    assert drawn.sum() == min(n, sum(sizes))
    assert (drawn >= 0).all()
    assert (drawn <= sizes).all()
    if n >= 2 * len(sizes):
        assert (drawn >= np.minimum(sizes, 2)).all()


@given(st.lists(st.integers(0, 300), min_size=2, max_size=6), st.integers(1, 200))
def test_a_larger_stratum_gets_no_less(sizes: list[int], n: int) -> None:
    drawn = allocate(np.sort(sizes), n)
    assert (np.diff(drawn) >= -1).all()


def test_small_strata_get_more_than_their_part_and_large_ones_more_than_small() -> None:
    drawn = allocate(np.array([1000, 100, 10, 0]), 60)
    assert drawn[0] > drawn[1] > drawn[2] >= 2
    assert drawn[2] > 60 * 10 / 1110
    assert drawn[3] == 0


@st.composite
def audits(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, drawn, found by cause, and what to take where none was drawn, of 1 to 6 strata and 2 to 4 causes."""
    n_causes = draw(st.integers(2, 4))
    strata = draw(st.lists(st.lists(st.integers(0, 60), min_size=n_causes, max_size=n_causes), min_size=1, max_size=6))
    found = np.array(strata).T
    drawn = found.sum(axis=0)
    more = draw(st.lists(st.integers(0, 900), min_size=len(strata), max_size=len(strata)))
    sizes = drawn + np.array(more)
    assume(sizes.sum() > 0)
    guess = np.eye(n_causes)[draw(st.lists(st.integers(0, n_causes - 1), min_size=len(strata), max_size=len(strata)))]
    return sizes, drawn, found, guess.T


def by_cause(sizes: np.ndarray, drawn: np.ndarray, found: np.ndarray, guess: np.ndarray) -> Audited:
    return audited_share(np.broadcast_to(sizes, found.shape), np.broadcast_to(drawn, found.shape), found, guess)


@given(audits())
def test_an_audited_share_and_its_interval_stay_within_0_and_1(audit: tuple[np.ndarray, ...]) -> None:
    a = by_cause(*audit)
    assert ((a.low >= 0) & (a.high <= 1)).all()
    assert ((a.low <= a.share + ALMOST) & (a.share <= a.high + ALMOST)).all()
    assert (a.low < a.high).all()
    assert ((a.n > 0) & (a.n <= audit[0].sum())).all()


@given(audits())
def test_the_causes_of_any_audit_add_up_to_the_whole(audit: tuple[np.ndarray, ...]) -> None:
    assert by_cause(*audit).share.sum() == pytest.approx(1)


@given(audits())
def test_with_every_case_audited_it_is_plain_wilson_and_garwood(audit: tuple[np.ndarray, ...]) -> None:
    _, drawn, found, guess = audit
    total = int(drawn.sum())
    assume(total > 0)
    a = by_cause(drawn, drawn, found, guess)
    for k, count in enumerate(found.sum(axis=1)):
        plain, exact = wilson(int(count), total), poisson_rate(int(count), 3)
        assert (a.share[k], a.low[k], a.high[k]) == pytest.approx((plain.estimate, plain.low, plain.high), abs=1e-9)
        worth, part = effective_count(float(a.share[k]), float(a.n[k]), total)
        assert vars(poisson_rate(worth, part * 3)) == pytest.approx(vars(exact), rel=1e-6, abs=1e-9)


@given(audits())
def test_where_nobody_audited_the_guess_is_taken_and_worth_little(audit: tuple[np.ndarray, ...]) -> None:
    sizes, drawn, found, guess = audit
    a = by_cause(sizes, drawn * 0, found * 0, guess)
    assert a.share == pytest.approx(np.clip((guess * sizes).sum(axis=1) / sizes.sum(), 0, 1))
    assert (a.n <= len(sizes) + ALMOST).all()


@given(audits())
def test_empty_strata_and_the_order_of_strata_change_nothing(audit: tuple[np.ndarray, ...]) -> None:
    changed = [np.concatenate([np.zeros((*part.shape[:-1], 1)), part[..., ::-1]], axis=-1) for part in audit]
    one, other = by_cause(*audit), by_cause(*changed)
    assert other.low == pytest.approx(one.low)
    assert other.high == pytest.approx(one.high)


def test_an_audit_worked_out_by_hand() -> None:
    # Two strata, 100 and 300 cases: 8 of 10 and 3 of 30 have it, so the share is 0.25 * 0.8 + 0.75 * 0.1.
    a = audited_share(np.array([100, 300]), np.array([10, 30]), np.array([8, 3]), np.array([1.0, 0.0]))
    p, q = 8.5 / 11, 3.5 / 31
    smooth = (p + 3 * q) / 4
    within = p * (1 - p) / 10 / 16 + 9 * q * (1 - q) / 30 / 16
    between = ((p**2 + 3 * q**2) / 4 - smooth**2) / 400
    assert a.share == pytest.approx(0.275)
    assert a.n == pytest.approx(smooth * (1 - smooth) / (within + between))
    low, high = wilson_limits(np.array(0.275), a.n)
    jeffreys = beta.ppf(0.025, 0.275 * a.n + 0.5, 0.725 * a.n + 0.5)
    assert a.high == pytest.approx(high)
    assert a.low == pytest.approx(low - (1 - a.n / 400) * (low - jeffreys))
    assert a.low < low
    assert a.n > 40


def test_strata_without_cases_of_the_part_say_nothing_of_it() -> None:
    alone = audited_share(np.array([50]), np.array([10]), np.array([2]), np.array([0.0]))
    beside = audited_share(np.array([50, 0]), np.array([10, 100]), np.array([2, 0]), np.array([0.0, 0.0]))
    assert (beside.share, beside.low, beside.high, beside.n) == pytest.approx(
        (alone.share, alone.low, alone.high, alone.n)
    )


@given(st.floats(0.001, 1), st.floats(1, 500), st.floats(1, 5000))
def test_an_effective_count_keeps_the_rate_and_its_relative_variance(share: float, n: float, more: float) -> None:
    total = n + more
    count, part = effective_count(share, n, total)
    assert count / part == pytest.approx(share * total)
    assert 1 / count == pytest.approx(1 / total + (1 - share) / (share * n))
    assert part <= 1 + ALMOST


# --- does it hold? ---------------------------------------------------------------------------------------------------

N_BATCHES, N_KINDS = 400, 4
Cell = tuple[int, int, float, str]


def _said(classifier: str) -> np.ndarray:
    """The chance of each prediction (columns) by cause (rows)."""
    right = 0.65 if classifier == "bad" else 0.92
    said = np.full((N_KINDS, N_KINDS), (1 - right) / (N_KINDS - 1))
    np.fill_diagonal(said, right)
    if classifier == "shifted wording":
        said[0] = [0.3, 0.0, 0.0, 0.7]
    if classifier == "shifted mix":
        # Trained where the first cause was common, it says so too often.
        said[1:] = 0.7 * said[1:] + 0.3 * (np.arange(N_KINDS) == 0)
    return said


@pytest.fixture(scope="module")
def simulated() -> dict[Cell, np.ndarray]:
    """By batch size, audit, share and classifier: low, high, and the same of predictions counted, of each batch."""
    generator = np.random.default_rng(20_200_331)
    batches = ((60, 20, 0.3), (400, 40, 0.05), (3000, 60, 0.15))
    cells = [(*batch, name) for batch in batches for name in ("good", "bad", "shifted wording", "shifted mix")]
    return {cell: _limits(*cell, generator) for cell in cells}


def _limits(size: int, n: int, share: float, classifier: str, generator: np.random.Generator) -> np.ndarray:
    mix = np.array([share, *(1 - share) * np.array([0.2, 0.3, 0.5])])
    joint = (mix[:, None] * _said(classifier)).ravel()
    batch = generator.multinomial(size, joint, N_BATCHES).reshape(-1, N_KINDS, N_KINDS)
    sizes = batch.sum(axis=1)
    drawn = np.array([allocate(row, n) for row in sizes])
    found = generator.hypergeometric(batch[:, 0], sizes - batch[:, 0], drawn)
    a = audited_share(sizes, drawn, found, np.broadcast_to(np.arange(N_KINDS) == 0, sizes.shape))
    return np.array([a.low, a.high, *wilson_limits(sizes[:, 0] / size, np.full(N_BATCHES, float(size)))])


def test_the_interval_covers_the_share_behind_the_batch(simulated: dict[Cell, np.ndarray]) -> None:
    covered = {cell: ((v[0] <= cell[2]) & (cell[2] <= v[1])).mean() for cell, v in simulated.items()}
    assert min(covered.values()) >= 0.91, covered
    assert 0.94 <= np.mean(list(covered.values())) <= 0.98


def test_the_interval_is_narrower_than_that_of_the_audit_alone(simulated: dict[Cell, np.ndarray]) -> None:
    ours = {cell: (v[1] - v[0]).mean() for cell, v in simulated.items()}
    # Wilson at the true share: what a plain random sample of as many cases gives on average, nearly.
    alone = {cell: np.diff(wilson_limits(np.array(cell[2]), np.array(float(cell[1])))).item() for cell in simulated}
    assert np.mean(list(ours.values())) < 0.9 * np.mean(list(alone.values()))


def test_the_simulation_finds_out_who_counts_predictions(simulated: dict[Cell, np.ndarray]) -> None:
    covered = [((v[2] <= cell[2]) & (cell[2] <= v[3])).mean() for cell, v in simulated.items()]
    assert min(covered) < 0.1
    assert np.mean(covered) < 0.6


# --- changes -----------------------------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(0, 300), exposures, exposures)
def test_a_ratio_of_rates_is_the_exact_binomial_of_scipy(a: int, b: int, now: float, before: float) -> None:
    assume(a + b > 0)
    change, theirs = rate_ratio(a, now, b, before), binomtest(a, a + b).proportion_ci(method="exact")
    assert change.low == pytest.approx(theirs.low / (1 - theirs.low) * before / now, rel=1e-6)
    if b:
        assert change.high == pytest.approx(theirs.high / (1 - theirs.high) * before / now, rel=1e-6)
    else:
        assert change.high == float("inf")


@given(st.integers(0, 300), st.integers(0, 300))
def test_the_p_value_at_equal_exposures_is_the_exact_binomial_of_scipy(a: int, b: int) -> None:
    assume(a + b > 0)
    assert rate_ratio(a, 2, b, 2).p == pytest.approx(binomtest(a, a + b, 0.5).pvalue)


@pytest.mark.parametrize("counted", [(30, 50), (12, 40), (90, 60), (200, 205)])
def test_the_p_value_is_near_that_of_the_test_of_krishnamoorthy_and_thomson(counted: tuple[int, int]) -> None:
    ours, theirs = rate_ratio(counted[0], 1, counted[1], 1).p, poisson_means_test(counted[0], 1, counted[1], 1).pvalue
    # The exact test is the more careful one.
    assert theirs < ours < theirs + 0.06


@given(st.floats(1, 300), st.floats(1, 300), exposures, exposures)
def test_the_other_way_round_a_change_is_the_inverse(a: float, b: float, now: float, before: float) -> None:
    one, other = rate_ratio(a, now, b, before), rate_ratio(b, before, a, now)
    assert (one.ratio, one.p) == pytest.approx((1 / other.ratio, other.p), rel=1e-6)
    assert (one.low * other.high, one.high * other.low) == pytest.approx((1, 1), rel=1e-6)


@given(st.floats(0, 300), st.floats(0, 300), exposures, exposures)
def test_p_is_below_a_twentieth_where_the_interval_leaves_1_out(a: float, b: float, now: float, before: float) -> None:
    assume(a == 0 or a > 1e-3)
    assume(b == 0 or b > 1e-3)
    change = rate_ratio(a, now, b, before)
    assert 0 <= change.p <= 1
    assume(abs(change.p - 0.05) > 1e-6)
    assert (change.p < 0.05) == (not change.low <= 1 <= change.high)
    if a + b:
        assert change.low <= change.ratio <= change.high


def test_of_nothing_before_and_after_nothing_is_known() -> None:
    nothing = rate_ratio(0, 1, 0, 2)
    assert np.isnan(nothing.ratio)
    assert (nothing.low, nothing.high, nothing.p) == (0, float("inf"), 1)
    assert rate_ratio(0, 1, 9, 1).low == 0
    assert rate_ratio(9, 1, 0, 1).ratio == float("inf")


@pytest.mark.parametrize("given_values", [(-1, 1, 1, 1), (1, 1, -1, 1), (1, 0, 1, 1), (1, 1, 1, -2)])
def test_a_ratio_of_impossible_counts_is_refused(given_values: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"^wanted counts >= 0 and exposures > 0$"):
        rate_ratio(*given_values)


def test_a_difference_in_changes_worked_out_by_hand() -> None:
    # Bland and Altman (2003): the standard errors are those of the two intervals, here 0.2 and 0.1 on the logarithm.
    touched, others = (Change(r, r * np.exp(-1.96 * e), r * np.exp(1.96 * e), 0) for r, e in ((0.5, 0.2), (0.8, 0.1)))
    change = difference_in_changes(touched, others)
    error = np.hypot(0.2, 0.1)
    assert change.ratio == pytest.approx(0.625)
    assert np.log([change.low, change.high]) == pytest.approx(np.log(0.625) + np.array([-1.96, 1.96]) * error, abs=1e-4)
    assert change.p == pytest.approx(0.0356, abs=1e-4)


@given(*[st.integers(1, 300)] * 4)
def test_against_others_that_changed_as_much_nothing_changed(a: int, b: int, c: int, d: int) -> None:
    one, other = rate_ratio(a, 1, b, 1), rate_ratio(c, 1, d, 1)
    there, back = difference_in_changes(one, other), difference_in_changes(other, one)
    assert (there.ratio, there.p) == pytest.approx((1 / back.ratio, back.p))
    assert (there.p < 0.05) == (not there.low <= 1 <= there.high)
    assert difference_in_changes(one, one).ratio == pytest.approx(1)
    assert difference_in_changes(one, one).p == pytest.approx(1)


@pytest.mark.parametrize("counted", [(0, 5), (5, 0), (0, 0)])
def test_against_others_nothing_is_known_of_a_change_without_cases(counted: tuple[int, int]) -> None:
    one, other = rate_ratio(counted[0], 1, counted[1], 1), rate_ratio(50, 1, 40, 1)
    for change in (difference_in_changes(one, other), difference_in_changes(other, one)):
        assert np.isnan(change.ratio)
        assert (change.low, change.high, change.p) == (0, float("inf"), 1)


# --- power -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("monthly", "exact"), [(10, 0.203), (25, 0.480), (60, 0.865)])
def test_the_chance_to_see_a_fall_of_30_per_cent_is_the_simulated_one(monthly: int, exact: float) -> None:
    generator = np.random.default_rng(7)
    pairs = generator.poisson([3 * monthly, 2.1 * monthly], (4000, 2))
    seen = np.mean([rate_ratio(after, 1, before, 1).high < 1 for before, after in pairs])
    assert seen == pytest.approx(exact, abs=0.03)
    told = power_to_see(0.3, 3 * monthly, 1.0)
    assert exact - 0.01 <= told <= exact + 0.04


@given(st.floats(0.01, 0.9), st.floats(1, 500), st.floats(0.1, 10), st.floats(0, 1))
def test_more_cases_and_larger_falls_are_seen_more_often(fall: float, cases: float, ratio: float, extra: float) -> None:
    power = power_to_see(fall, cases, ratio, extra)
    assert 0.025 <= power <= 1
    assert power_to_see(fall, cases * 2, ratio, extra) >= power
    assert power_to_see(fall, cases, ratio, extra + 0.1) <= power


def test_comparing_with_others_costs_power() -> None:
    # 100 cases and 70: the variance is 1/100 + 1/70, and 0.05 from the others; 0.357 / 0.273 - 1.960 = -0.651.
    assert power_to_see(0.3, 100, 1.0, 0.05) == pytest.approx(0.2574, abs=1e-4)


def test_without_a_fall_it_shows_once_in_forty_and_without_cases_never() -> None:
    assert power_to_see(0.0, 100, 1.0) == pytest.approx(0.025)
    assert power_to_see(0.3, 0, 1.0) == 0
