"""The behaviour suite: it is well-formed, apart from the training texts, and judges whole groups."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from nollclassify.behaviours import KINDS_SV, behave, by_kind, kind_of, load_suite
from nollclassify.evaluation import near_duplicates
from nollclassify.model_store import StoredModel


@pytest.fixture(scope="module")
def suite() -> pd.DataFrame:
    return load_suite()


def test_every_kind_has_enough_groups_to_be_judged(suite: pd.DataFrame) -> None:
    groups = suite.drop_duplicates("group")["kind"].value_counts()
    assert set(groups.index) == set(KINDS_SV)
    assert groups.min() >= 30
    assert groups.sum() >= 300


def test_groups_are_what_their_kind_says(suite: pd.DataFrame) -> None:
    for (kind, name), group in suite.groupby(["kind", "group"]):
        assert kind_of(str(name)) == kind
        if kind == "pair":
            assert len(group) == group["causes"].nunique() == 2
        if kind == "variants":
            assert len(group) == 5
            assert group["causes"].nunique() == 1
        if kind == "short":
            assert group["text"].str.split().str.len().max() <= 6


def test_no_text_of_the_suite_is_nearly_a_training_text(suite: pd.DataFrame, starter: pd.DataFrame) -> None:
    texts = [*starter["text"], *suite["text"]]
    assert not [(i, j) for i, j in near_duplicates(texts) if i < len(starter) <= j]


def test_a_group_passes_only_when_all_its_texts_are_right(stored: StoredModel, suite: pd.DataFrame) -> None:
    nothing = replace(stored.model, thresholds=stored.model.thresholds * 0 + 1.1)
    passed = behave(nothing)
    silent = suite.groupby("group")["causes"].agg(lambda causes: (causes == "").all())
    assert passed == silent.to_dict()
    assert not any(ok for group, ok in passed.items() if kind_of(group) == "pair")


def test_groups_with_a_cause_that_the_model_does_not_know_are_left_out(
    stored: StoredModel, suite: pd.DataFrame
) -> None:
    renamed = replace(stored.model, cause_ids=("something_else", *stored.model.cause_ids[1:]))
    lacking = set(suite.loc[suite["causes"].str.contains(stored.model.cause_ids[0]), "group"])
    assert set(behave(renamed)) == set(suite["group"]) - lacking


def test_shares_come_with_their_n_and_an_interval() -> None:
    table = by_kind({"pair-1": True, "pair-2": False, "short-1": True}).set_index("kind")
    assert table.loc["pair", ["n", "share"]].tolist() == [2, 0.5]
    assert table.loc["pair", "low"] < 0.5 < table.loc["pair", "high"]
    assert list(table.index) == ["pair", "short"]
