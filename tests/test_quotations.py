"""Quotations are short, telling and different, and name nobody."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nollclassify.privacy import MASKS
from nollclassify.reporting.quotations import Quotation, excerpt, quotations

WAITING = [
    "Jag har väntat på svar i fyra veckor. Hälsningar Lisa",
    "Ingen svarar i telefon och chatten bryts efter en timme.",
    "Satt i telefonkö i två timmar och blev sedan bortkopplad.",
    "Jag har skickat tre mejl om återbetalningen men aldrig fått svar.",
    "Ni lovade att ringa tillbaka i måndags men ingen har ringt.",
    "Fem veckor har gått och ärendet är fortfarande under utredning.",
    "Jag väntar fortfarande på svar om min återbetalning efter sju veckor.",
    "Telefonkön är en och en halv timme varje gång jag ringer.",
]


def cases(texts: list[str], **columns: list[object]) -> pd.DataFrame:
    n = len(texts)
    fixed = {"customer": [""] * n, "evidence": [""] * n, "needs_review": [False] * n, "primary": ["wait_time"] * n}
    return pd.DataFrame({"case_id": [f"c{i}" for i in range(n)], "text": texts, **(fixed | columns)})


# --- what is quoted of a complaint -------------------------------------------------------------------------------


def test_the_sentence_that_holds_the_evidence_is_quoted() -> None:
    text = "Jag handlade en soffa i butiken i våras. Nu har jag väntat på svar i fyra veckor. Soffan är grå och fin."
    assert excerpt(text, ["väntat på svar", "fyra veckor"]) == "Nu har jag väntat på svar i fyra veckor."


def test_short_sentences_are_quoted_together_and_a_slash_stands_for_a_line_break() -> None:
    assert excerpt("Ringde i går. Ingen svarar här!", ["Ringde", "Ingen svarar"]) == "Ringde i går. Ingen svarar här!"
    assert excerpt("väntat en timme nu\ningen svarar", ["väntat", "svarar"]) == "väntat en timme nu / ingen svarar"


@pytest.mark.parametrize(
    "text",
    [
        "Jag betalade t.ex. 1.249 kr bl.a. för en lampa som aldrig kom.",
        "Fakturan på 1 249 kr kom den 3. mars men varan kom aldrig.",
        "Enl. kd kl. 10.30 har ingen ringt tillbaka om pengarna.",
    ],
)
def test_abbreviations_ordinals_and_amounts_do_not_end_a_sentence(text: str) -> None:
    assert excerpt(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Jag pratade med Lisa i kundtjänst och hon lovade att ringa.",
        "jag pratade med lisa i kundtjänst och hon lovade att ringa",
        "Lisa i kundtjänst lovade att ringa tillbaka men gjorde det aldrig.",
        "Per lovade att ringa tillbaka men gjorde det aldrig.",
        "JAG PRATADE MED LISA I KUNDTJÄNST OCH HON LOVADE ATT RINGA",
        "Pratade med handläggare K. om pengarna men ingen ringer.",
        "Det var fru Bergström som lovade att ringa tillbaka.",
        "Min granne ann-kristin fick samma svar av er.",
        "Jag har väntat i fyra veckor på svar mvh kim",
        "jag har väntat i fyra veckor på svar /hans",
    ],
)
def test_a_sentence_that_might_name_a_person_is_not_quoted(text: str) -> None:
    assert excerpt(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Paketet skulle till Storgatan 12 men kom aldrig fram.",
        "paketet skulle till gatan 12 men kom aldrig fram",
        "Paketet skulle till 123 45 men kom aldrig fram.",
        "Jag fick ordernummer 4812 men paketet kom aldrig fram.",
        "Jag fick koden 48121 men paketet kom aldrig fram.",
        "Ring mig på 070-174 06 12 så fort ni kan.",
        "Ring mig på 0 7 0 1 7 4 så fort ni kan.",
        "Ring mig på 070\u2066174\u206906 så fort ni kan.",
        "Ring mig på ①②③④⑤⑥ så fort ni kan.",
        "Svara mig på fornamn snabela mejl punkt se i dag.",
        "Jag är född 1948 och kan inte vänta hur länge som helst.",
        "Jag är sjukskriven och kan inte vänta hur länge som helst.",
    ],
)
def test_numbers_addresses_and_health_are_not_quoted(text: str) -> None:
    assert excerpt(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Jag valde Få först i kassan men Klarna skickade fakturan direkt.",
        "Konsumentverket och ARN borde titta på era avgifter.",
        "Paketet har legat hos PostNord sedan 12 december.",
        "INGEN har ringt och jag har INTE fått pengarna.",
    ],
)
def test_companies_authorities_months_and_loud_words_may_be_quoted(text: str) -> None:
    assert excerpt(text) == text


def test_a_fit_sentence_beside_a_name_is_quoted_alone() -> None:
    assert excerpt("Jag heter Lisa Lind. Ingen har svarat på fyra veckor. Fråga Kim!") == (
        "Ingen har svarat på fyra veckor."
    )


def test_what_is_too_long_is_cut_between_words_and_what_is_too_short_or_another_s_is_left() -> None:
    shown = excerpt("Jag har väntat på svar i fyra veckor nu.", at_most=30)
    assert shown == "Jag har väntat på svar i …"
    for text in ("", "   \n", "Dåligt!", "12 34 !!", '"Få först. Betala sen."', "väntat " * 36):
        assert excerpt(text) is None


def test_hostile_text_comes_out_plain_or_not_at_all() -> None:
    assert excerpt("<script>alert(1)</script> ingen svarar på mina mejl") is None
    assert excerpt("=1+1+ingen svarar på mina mejl") is None
    assert excerpt("ingen\x00 svarar på mina mejl") is None
    assert excerpt("- ingen\u202e svarar\tpå mina mejl") == "ingen svarar på mina mejl"
    assert excerpt("Ã¤n har ingen svarat pÃ¥ mina mejl") == "än har ingen svarat på mina mejl"


PIECES = [
    "Lisa",
    "lisa",
    "070-174 06 12",
    "811218-2380",
    "5000",
    "\u2066",
    ".",
    "\n",
    "kr",
    "ingen svarar på",
    "/",
    "mvh",
]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join)))
def test_no_mask_no_name_no_long_number_and_no_control_character_ever_comes_out(text: str) -> None:
    shown = excerpt(text) or ""
    assert not any(mask in shown for mask in MASKS)
    assert "lisa" not in shown.lower()
    assert not re.search(r"\d{5}|\d(\W?\d){5}", shown)
    assert shown.isprintable()
    assert len(shown) <= 180


def test_long_texts_without_spaces_or_sentences_cost_little() -> None:
    for text in ("nr" * 50_000, "." * 100_000, "väntat " * 20_000):
        assert excerpt(text) is None


# --- which are chosen --------------------------------------------------------------------------------------------


def test_the_first_is_the_typical_one_and_all_differ() -> None:
    found = quotations(cases(WAITING), n=4)
    assert len(found) == 4
    assert [q.typical for q in found] == [True, False, False, False]
    assert len({q.text for q in found}) == len({q.case_id for q in found}) == 4
    assert all(excerpt(WAITING[int(q.case_id[1:])]) == q.text for q in found)


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = cases(WAITING)
    first = quotations(rows, n=5)
    for seed in range(3):
        assert quotations(rows.sample(frac=1, random_state=seed), n=5) == first


def test_never_two_of_one_case_or_one_customer() -> None:
    assert len(quotations(cases(WAITING, case_id=["a"] * 8))) == 1
    assert len(quotations(cases(WAITING, customer=["Kund 1", "kund 1 "] * 4))) == 1
    assert len(quotations(cases(WAITING, customer=["1", "1", "1", "2", "2", "2", "", ""]), n=8)) <= 4


def test_one_of_two_copies_only() -> None:
    copies = ["Ingen svarar i telefon.", "Ingen svarar i telefon!!", "ingen svarar i telefon här"]
    assert len(quotations(cases(copies))) == 1


def test_sure_cases_come_before_doubtful_ones_and_the_pool_is_a_cap() -> None:
    doubtful = [i != 3 for i in range(8)]
    (only,) = quotations(cases(WAITING, needs_review=doubtful), pool=1)
    assert only == Quotation("c3", WAITING[3], typical=True)


def test_evidence_of_the_primary_cause_says_which_sentence() -> None:
    text = "Fakturan kom före varan i mars. Jag har väntat på svar i fyra veckor."
    both = 'wait_time: "väntat på svar", "fyra veckor"; invoice_before_delivery: "Fakturan kom före varan"'
    for cause, wanted in (("wait_time", "Jag har väntat"), ("invoice_before_delivery", "Fakturan kom")):
        (found,) = quotations(cases([text], evidence=[both], primary=[cause]))
        assert found.text.startswith(wanted)


def test_where_nothing_is_fit_nothing_is_quoted() -> None:
    assert quotations(cases([])) == []
    assert quotations(cases(["Lisa!", "", "Ring 070-174 06 12 nu genast."])) == []
    assert quotations(cases(WAITING), n=0) == []
