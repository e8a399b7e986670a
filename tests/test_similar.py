"""The search for similar texts: what is looked for first, copies once, nothing without a word in common."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nollclassify.evaluation import near_duplicates
from nollclassify.model_store import StoredModel
from nollclassify.similar import described, similar
from nollclassify.taxonomy import Taxonomy

QUEUE = ["Satt i telefonkö i två timmar och ingen svarade.", "Väntat på svar i tre veckor, ingen hör av sig."]
OTHERS = ["Skorna var trasiga när jag packade upp dem.", "Beloppet på fakturan är fel, jag köpte bara en jacka."]


def test_what_is_looked_for_comes_before_the_rest(stored: StoredModel) -> None:
    texts = [*OTHERS, *QUEUE]
    by_query = similar(texts, stored.model.vocabulary, query=["lång kö i telefon, ingen svarade"])
    by_example = similar(
        texts, stored.model.vocabulary, examples=["Har suttit i kö en timme och ingen svarade i telefon."]
    )
    assert by_query["position"][0] == by_example["position"][0] == 2
    assert by_query["similarity"].between(-1, 1).all()
    assert by_query["similarity"].is_monotonic_decreasing


def test_near_duplicates_come_once_and_examples_not_at_all(stored: StoredModel) -> None:
    copy = f"{QUEUE[0]} Tack."
    assert near_duplicates([QUEUE[0], copy])
    texts = [QUEUE[0], copy, QUEUE[1], QUEUE[1], *OTHERS]
    found = similar(texts, stored.model.vocabulary, query=["ingen hör av sig"], examples=[QUEUE[0]], n=6)
    assert not {0, 1} & set(found["position"])
    assert len({2, 3} & set(found["position"])) == 1


def test_counter_examples_push_their_like_down(stored: StoredModel) -> None:
    texts = ["kön till kassan i butiken var lång", "kön i telefon var lång", *OTHERS]
    before = similar(texts, stored.model.vocabulary, query=["lång kö i telefon eller kassan i butiken"])
    after = similar(
        texts, stored.model.vocabulary, query=["lång kö i telefon eller kassan i butiken"], unlike=["kassan i butiken"]
    )

    def likeness(found: pd.DataFrame) -> float:
        return float(found.set_index("position")["similarity"][0])

    assert likeness(after) < likeness(before)


def test_a_definition_finds_its_cause_in_the_starter_corpus(
    stored: StoredModel, taxonomy: Taxonomy, starter: pd.DataFrame
) -> None:
    texts = starter.iloc[::10].reset_index(drop=True)
    for cause in taxonomy.causes:
        meant, unlike = described(cause)
        found = similar(texts["text"].tolist(), stored.model.vocabulary, query=meant, unlike=unlike, n=30)
        has = texts["causes"].str.split(";").map(lambda causes, wanted=cause.id: wanted in causes)
        assert has[found["position"]].mean() > 3 * has.mean(), cause.id


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*QUEUE, *OTHERS, "", "!", "kö"]), max_size=12), st.integers(0, 12))
def test_any_texts_give_at_most_n_that_are_there(stored: StoredModel, texts: list[str], n: int) -> None:
    found = similar(texts, stored.model.vocabulary, query=["kö"], n=n)
    assert len(found) <= n
    assert found["position"].is_unique
    chosen = [texts[i] for i in found["position"]]
    assert "" not in chosen
    assert len(set(chosen)) == len(chosen)


def test_words_that_no_training_text_had_cannot_be_looked_for(stored: StoredModel) -> None:
    with pytest.raises(ValueError, match="neither a query nor an example has a word"):
        similar(QUEUE, stored.model.vocabulary, query=["♁♁"])
