"""Swedish text: repaired, cut into normalised words with their places, told from other languages."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nollclassify.swedish import content_words, looks_foreign, repair, signs, spans, words

# --- repairing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["före", "Påminnelseavgift på 60 kr", "Ärendet är åtgärdat", "få hjälp – nu…"])
@pytest.mark.parametrize("page", ["cp1252", "latin-1", "mac_roman"])
def test_letters_garbled_by_the_wrong_encoding_are_restored(text: str, page: str) -> None:
    assert repair(text.encode().decode(page)) == text


@given(st.text("abcdefghijklmnopqrstuvwxyzåäöÅÄÖé ,.!?0123456789\n"))
def test_clean_swedish_is_not_touched(text: str) -> None:
    assert repair(text) == text


@pytest.mark.parametrize(
    "text", ["Crème brûlée på Château, â la carte", "roten ur √9 är 3", "São Paulo", "5 m² à 199 €"]
)
def test_clean_text_with_the_signs_of_garbled_text_is_not_touched(text: str) -> None:
    assert repair(text) == text


def test_letters_garbled_by_dos_are_restored_where_there_are_several() -> None:
    text = "Påminnelseavgiften kom före skorna"
    assert repair(text.encode().decode("cp437")) == text


def test_letters_are_composed_and_invisible_signs_removed() -> None:
    assert repair("fo\u0308re a\u030a") == "före å"
    assert repair("\ufefffak\u00adtura\u200b och\u200e") == "faktura och"


# --- words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("Skorna KOM aldrig.", ["skorna", "kom", "aldrig"]),
        ("1 249 kr den 14/3, 070", ["0", "000", "kr", "den", "00", "0", "000"]),
        ("Sååååå läääänge, tack", ["såå", "läänge", "tack"]),
        ("Vad?! Nej!!! Va???", ["vad", "?", "nej", "!", "va", "?"]),
        ("e-faktura it's <personnummer> <e-post>", ["e-faktura", "it's", "<personnummer>", "<e-post>"]),
        ("arg 😡 (mycket) …", ["arg", "😡", "mycket"]),
        ("", []),
        ("--- ... ;", []),
    ],
)
def test_words_are_normalised(text: str, normalised: list[str]) -> None:
    assert words(text) == normalised


def test_every_word_knows_where_it_stands() -> None:
    assert spans("Ja,  NEJ!!") == [(0, 2), (5, 8), (8, 10)]


@given(st.text())
@example("İ ﬀ ǅ ß")
def test_each_place_holds_its_word(text: str) -> None:
    assert [words(text[start:end]) for start, end in spans(text)] == [[word] for word in words(text)]
    assert all(end <= start for (_, end), (start, _) in pairwise(spans(text)))


@given(st.text(st.characters(categories=["Nd", "Ll", "Zs"])))
@example("１２３ ٣٤٥ 811218")
def test_no_number_can_be_told_from_the_words(text: str) -> None:
    assert {c for word in words(text) for c in word if c.isdecimal()} <= {"0"}


@given(st.text("abcåäöABCÅÄÖ"), st.integers(3, 9))
def test_a_letter_drawn_out_longer_says_no_more(text: str, times: int) -> None:
    drawn = "".join(letter * times for letter in text)
    longer = "".join(letter * (times + 1) for letter in text)
    assert words(drawn) == words(longer)


# --- languages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("the parcel was late and you have not paid", "ich habe das paket nicht und warte mit der rechnung"),
        *("ikke betalt og jeg venter", "я не получил посылку", "لم أستلم الطرد"),
    ],
)
def test_other_languages_and_scripts_look_foreign(text: str) -> None:
    assert looks_foreign(signs(words(text)).sum(axis=0, keepdims=True)) == [True]


@pytest.mark.parametrize(
    "text",
    [
        *("Skorna kom aldrig men fakturan kom", "jag har inte fatt hem paketet", "fakturan", "", "123 456"),
        *("the app funkar inte och jag får vänta", "support was helt värdelös och ni svarar inte", "my"),
    ],
)
def test_swedish_with_a_few_borrowed_words_does_not_look_foreign(text: str) -> None:
    assert looks_foreign(signs(words(text)).sum(axis=0, keepdims=True)) == [False]


def test_content_words_are_the_words_without_small_ones_and_numbers() -> None:
    texts = ["Jag har inte fått mina skor, men fakturan på 249 kr kom.", ""]
    assert content_words(texts) == [["skor", "fakturan"], []]
