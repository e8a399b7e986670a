"""What the blocks before a block have: as a dictionary would say, however often the recent ones are put away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nollclassify.earlier import NumberOf


@given(st.lists(st.tuples(st.integers(0, 30).map(str), st.integers(1, 10**12)), max_size=200))
def test_a_number_is_the_last_one_that_was_set(pairs: list[tuple[str, int]]) -> None:
    numbers, truth = NumberOf(), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NumberOf, "_RECENT", 7)
        for text, number in pairs:
            assert numbers.get(text) == truth.get(text, 0)
            numbers.set(text, number)
            truth[text] = number
        assert [numbers.get(str(n)) for n in range(31)] == [truth.get(str(n), 0) for n in range(31)]
