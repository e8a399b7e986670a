"""Krippendorff's alpha: his own worked examples, its definition by brute force, and intervals that hold."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nollclassify.reliability import masi, nominal, reliability


def by_unit(*coders: str) -> list[list[str]]:
    """What each coder wrote, a sign a unit, a point where nothing, as units."""
    return [[value for value in unit if value != "."] for unit in zip(*coders, strict=True)]


@pytest.mark.parametrize(
    ("coders", "alpha"),
    [
        # Krippendorff (2011), sections A, B and C.
        (("0100000010", "1110010000"), 0.095),
        (("aabbdcccedda", "babbbccceddd"), 0.692),
        (("123321412...", "1233224125.3", ".3332342251.", "12332441251."), 0.743),
    ],
)
def test_the_worked_examples_of_krippendorff(coders: tuple[str, ...], alpha: float) -> None:
    assert reliability(by_unit(*coders)).alpha.estimate == pytest.approx(alpha, abs=0.0005)


def test_a_label_that_stands_alone_is_no_part_of_it() -> None:
    assert reliability([["a", "a"], ["a", "b"], ["b"], []]) == reliability([["a", "a"], ["a", "b"]])


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("ab", "ab", 0), ("ab", "cd", 1), ("ab", "abcd", 1 - 0.5 * 2 / 3), ("ab", "bc", 1 - 1 / 3 / 3)],
)
def test_masi_of_sets(one: str, other: str, distance: float) -> None:
    assert masi(frozenset(one), frozenset(other)) == masi(frozenset(other), frozenset(one)) == pytest.approx(distance)


def brute_force(units: list[list[Any]], distance: Any) -> float:
    """Alpha by its definition: every pair of labels within units against every pair of all labels."""
    units = [unit for unit in units if len(unit) > 1]
    every = [value for unit in units for value in unit]
    within = sum(distance(a, b) / (len(unit) - 1) for unit in units for a, b in permutations(unit, 2)) / len(every)
    across = sum(distance(a, b) for a, b in permutations(every, 2)) / (len(every) * (len(every) - 1))
    return 1 - within / across if across else float("nan")


SETS = st.frozensets(st.sampled_from("abc"), min_size=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(SETS, min_size=1, max_size=4), min_size=2, max_size=8).filter(lambda u: max(map(len, u)) > 1))
def test_alpha_is_what_its_definition_says(units: list[list[Any]]) -> None:
    for distance in (nominal, masi):
        found = reliability(units, distance)
        assert found.alpha.estimate == pytest.approx(brute_force(units, distance), abs=1e-12, nan_ok=True)
        assert found.agreement.low <= found.agreement.estimate <= found.agreement.high
        backwards = [unit[::-1] for unit in units]
        assert reliability(backwards, distance).alpha.estimate == pytest.approx(found.alpha.estimate, nan_ok=True)


def test_where_all_labels_are_the_same_there_is_no_alpha() -> None:
    found = reliability([["a", "a"]] * 30)
    assert np.isnan(found.alpha.estimate)
    assert found.agreement.estimate == 1


def test_without_any_disagreement_the_interval_is_not_empty() -> None:
    found = reliability([["a", "a"], ["b", "b"]] * 10)
    assert found.alpha.estimate == found.alpha.high == 1
    # Wilson: up to 16 % of 20 cases may be disagreed on, where 51 % would be by chance.
    assert found.alpha.low == pytest.approx(1 - 0.1611 / (20 / 39), abs=0.001)


def test_intervals_of_alpha_cover_it() -> None:
    """Two people who each err on one case in ten, by chance: in 95 of 100 samples the true alpha is inside."""
    generator = np.random.default_rng(0)

    def sample(n: int) -> list[list[bool]]:
        truth = generator.random((n, 1)) < 0.3
        found: list[list[bool]] = (truth ^ (generator.random((n, 2)) < 0.1)).tolist()
        return found

    share = 0.3 * 0.9 + 0.7 * 0.1
    true = 1 - 2 * 0.1 * 0.9 / (2 * share * (1 - share))
    found = [reliability(sample(80), seed=seed).alpha for seed in range(150)]
    covered = np.mean([interval.low <= true <= interval.high for interval in found])
    assert 0.9 <= covered <= 1
