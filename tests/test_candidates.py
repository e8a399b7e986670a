"""Candidates for a new cause: what grows among other is found, named by its own words, and the same every time."""

from __future__ import annotations

from itertools import product

import pandas as pd
import pytest

from nollclassify.reporting.candidates import Candidate, candidates

# A new theme, by twelve voices.
LOGGED_OUT = [
    "efter senaste uppdateringen loggas jag ut ur appen varje gång jag öppnar den",
    "Appen uppdaterades igår och nu blir jag utloggad hela tiden. Orkar inte logga in tio gånger om dan.",
    "uppdaterade appen, blir utkastad direkt, måste logga in på nytt. iphone 11",
    "Kd utloggad ur app efter uppdat. Provat avinst. Loggas ut igen efter 1 min. Android.",
    "Hej! Sedan ni släppte den nya versionen loggar appen ut mig så fort jag byter fönster. /Marie",
    "Snälla ta bort den nya uppdateringen!!! utloggad 5 ggr idag",
    "Jag är 74 år och hade precis lärt mig appen. Efter uppdateringen åker jag ut och får börja om med inloggningen.",
    "ny version = utloggning var tredje minut. testade ni ens appen?",
    "Det går inte att vara inloggad längre. Uppdateringen i torsdags förstörde allt, appen glömmer vem jag är.",
    "app uppdat. 4/2, kd loggas ut vid varje vy, kan ej se sina köp. felanm.",
    "Varför loggar appen ut mig? Har bara låtit telefonen uppdatera av sig själv.",
    "Efter er uppdatering hinner jag inte läsa avin innan appen loggat ut mig igen.",
]
# What there always is: 96 texts a month, of four things that do not grow.
OPENINGS = ["Hej, det gäller att", "Kunden ringer om att", "jag är trött på att", "God dag. Saken är att"]
USUAL = [
    "räntan på sparkontot sänktes utan besked",
    "räntan är hög på avbetalningen",
    "sparkontot gav sämre ränta än utlovat",
    "kortet nekades vid bensinmacken",
    "kortet fastnade i bankomaten",
    "bankomaten svalde mitt kort på semestern",
    "soffan hade en reva i tyget",
    "soffan luktade mögel och tyget var fläckigt",
    "tyget på fåtöljen var fläckigt",
    "avin gick till en gammal adress",
    "brevlådan är tom för adressen är fel",
    "adressen stavades fel på brevet",
]
ENDINGS = ["och det är inte bra.", "tycker jag."]


def usual(month: str) -> list[tuple[str, str]]:
    return [(month, " ".join(parts)) for parts in product(OPENINGS, USUAL, ENDINGS)]


def table(rows: list[tuple[str, str]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["month", "text"])
    ids = [f"k{i}" for i in range(len(frame))]
    return frame.assign(primary="other", needs_review=False, case_id=ids)


@pytest.fixture
def grown() -> pd.DataFrame:
    planted = [("2020-03", text) for text in LOGGED_OUT]
    return table([*usual("2020-01"), *usual("2020-02"), *planted, *usual("2020-03")])


def texts_of(candidate: Candidate, cases: pd.DataFrame) -> list[str]:
    return [str(cases["text"].iloc[position]) for position in candidate.members]


def test_a_theme_that_grew_comes_first_and_is_named_by_its_own_words(grown: pd.DataFrame) -> None:
    first = candidates(grown, "2020-03")[0]
    assert set(texts_of(first, grown)) <= set(LOGGED_OUT)
    assert len(first.members) == first.cases >= 8
    assert {"appen", "uppdateringen"} <= set(first.words)
    assert first.before == 0
    assert first.growth is not None
    assert first.growth.low > 1


def test_what_was_there_before_as_much_is_no_candidate(grown: pd.DataFrame) -> None:
    assert len(candidates(grown, "2020-03")) == 1
    assert candidates(grown, "2020-02") == []


def test_the_order_of_the_rows_does_not_matter(grown: pd.DataFrame) -> None:
    shuffled = grown.sample(frac=1, random_state=1)
    here, there = candidates(grown, "2020-03"), candidates(shuffled, "2020-03")
    assert [(c.words, c.cases, c.before, c.growth) for c in here] == [
        (c.words, c.cases, c.before, c.growth) for c in there
    ]
    assert [texts_of(c, grown) for c in here] == [texts_of(c, shuffled) for c in there]
    assert candidates(grown, "2020-03") == here


def test_a_theme_of_too_few_is_not_given(grown: pd.DataFrame) -> None:
    assert candidates(grown, "2020-03", min_cases=13) == []


def test_what_has_a_cause_and_is_sure_of_it_is_not_grouped(grown: pd.DataFrame) -> None:
    planted = grown["text"].isin(LOGGED_OUT)
    grown.loc[planted, "primary"] = "wait_time"
    assert candidates(grown, "2020-03") == []
    grown.loc[planted, "needs_review"] = True
    assert len(candidates(grown, "2020-03")) == 1


def test_without_an_earlier_month_the_largest_groups_are_given(grown: pd.DataFrame) -> None:
    alone = grown[grown["month"] == "2020-03"]
    found = candidates(alone, "2020-03", at_most=3)
    assert len(found) == 3
    assert [c.cases for c in found] == sorted((c.cases for c in found), reverse=True)
    assert all(c.before is None and c.growth is None and 3 <= len(c.words) <= 6 for c in found)
    undated = candidates(alone.assign(month="utan datum"), "utan datum", at_most=3)
    assert [c.words for c in undated] == [c.words for c in found]


def test_groups_do_not_share_cases(grown: pd.DataFrame) -> None:
    found = candidates(grown[grown["month"] == "2020-03"], "2020-03", at_most=20)
    members = [position for candidate in found for position in candidate.members]
    assert len(members) == len(set(members))


def test_no_words_point_at_a_person(grown: pd.DataFrame) -> None:
    signed = [f"{text} Mvh Gunvor Ståhlbrand, gunvor@example.se, 070-174 06 12" for text in LOGGED_OUT]
    grown.loc[grown["text"].isin(LOGGED_OUT), "text"] = signed
    grown.loc[grown["text"] == signed[0], "text"] += " Så säger även grannen Torgny."
    words = {word for candidate in candidates(grown, "2020-03") for word in candidate.words}
    assert words
    assert not words & {"gunvor", "ståhlbrand", "example", "torgny", "namn", "telefon", "post", "mvh"}


def test_a_text_sent_many_times_by_one_person_names_no_group() -> None:
    same = [("2020-03", "Torgny Ståhlbrands kajak sjönk vid bryggan i Vaxholm")] * 20
    found = candidates(table([*usual("2020-02"), *usual("2020-03"), *same]), "2020-03")
    assert not any("kajak" in candidate.words for candidate in found)


def test_inflections_are_one_word_and_payment_as_such_is_none(grown: pd.DataFrame) -> None:
    for candidate in candidates(grown[grown["month"] == "2020-03"], "2020-03", at_most=20):
        assert not {"app", "appen"} <= set(candidate.words)
        assert not {"uppdatering", "uppdateringen"} <= set(candidate.words)
        assert not {"faktura", "betala", "kunden", "hej", "ni"} & set(candidate.words)


def test_more_texts_than_are_drawn_give_the_growth_of_those_drawn(
    grown: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nollclassify.reporting.candidates.SAMPLE", 80)
    found = candidates(grown, "2020-03")
    assert all(candidate.cases == len(candidate.members) <= 80 for candidate in found)
    assert found == candidates(grown, "2020-03")


@pytest.mark.parametrize("texts", [[], ["hej"], ["", "!!!", "12"], ["samma ord här igen"] * 9])
def test_a_table_with_nothing_to_group_gives_none(texts: list[str]) -> None:
    assert candidates(table([("2020-03", text) for text in texts]), "2020-03") == []
