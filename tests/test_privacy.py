"""Personal data is masked however it is spelled, and what is no personal data stands as it was.

All numbers are fictitious: personal numbers with the serials 238x and 239x that the Swedish Tax Agency gives to nobody,
telephone numbers of the series that the Post and Telecom Authority keeps for fiction, cards and accounts of manuals.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import iban, luhn

from nollclassify.privacy import MASKS, is_personal_number, mask, mask_all


def personal(born: str, serial: str) -> tuple[str, str]:
    """A birthday of six digits, and the four digits after it with the right check digit."""
    return born, serial + luhn.calc_check_digit(born + serial)


BORN, LAST = personal("811218", "238")
ASKED, ASKED_LAST = personal("811278", "239")  # A coordination number: the day plus 60.
YEAR, MONTH, DAY = BORN[:2], BORN[2:4], BORN[4:]
CARD, AMEX = "4111 1111 1111 1111", "3782 822463 10005"
IBAN = "SE45 5000 0000 0583 9825 7466"

PERSONAL_NUMBERS = [
    *(f"{BORN}-{LAST}", f"{BORN}–{LAST}", f"{BORN}—{LAST}", f"{BORN}−{LAST}", f"{BORN}\u2011{LAST}", f"{BORN}+{LAST}"),
    *(f"{BORN}{LAST}", f"{BORN} {LAST}", f"{BORN} - {LAST}", f"{BORN}\u00a0{LAST}", f"{BORN}/{LAST}", f"{BORN}.{LAST}"),
    *(f"19{BORN}{LAST}", f"19{BORN}-{LAST}", f"19{BORN} {LAST}", f"19{BORN}–{LAST}", f"19{BORN} – {LAST}"),
    *(f"{YEAR} {MONTH} {DAY} {LAST}", f"19{YEAR} {MONTH} {DAY} - {LAST}", f"19{YEAR}-{MONTH}-{DAY}-{LAST}"),
    *(f"{YEAR}-{MONTH}-{DAY}-{LAST}", f"{YEAR}.{MONTH}.{DAY}-{LAST}", f"{YEAR}/{MONTH}/{DAY}-{LAST}"),
    *(f"{BORN}-{LAST[:3]} {LAST[3]}", f"{YEAR}\u00a0{MONTH}\u00a0{DAY}\u00a0{LAST}"),
    *(f"{ASKED}-{ASKED_LAST}", f"{ASKED}{ASKED_LAST}", f"19{ASKED} {ASKED_LAST}", f"19{ASKED}–{ASKED_LAST}"),
]
TELEPHONES = [
    *(
        "070-174 06 05",
        "0701740606",
        "070 174 06 07",
        "070-1740608",
        "070–174 06 09",
        "070\u2011174 06 10",
        "070−1740611",
    ),
    *(
        "+46 70 174 06 12",
        "+46701740613",
        "0046701740614",
        "0046 70 174 06 15",
        "+46 (0)70 174 06 16",
        "+46-70-1740617",
    ),
    *(
        "070/174 06 18",
        "070.174.06.19",
        "(070) 174 06 20",
        "070 - 174 06 21",
        "070\u00a0174\u00a006\u00a022",
        "070-174-06-23",
    ),
    *("08-465 004 00", "08 465 004 01", "0846500402", "+46 8 465 004 03", "08/465 004 04", "08-46500405"),
]
CARDS = [
    *(CARD, CARD.replace(" ", ""), CARD.replace(" ", "-"), CARD.replace(" ", "."), CARD.replace(" ", "–")),
    *(CARD.replace(" ", "\u00a0"), AMEX, AMEX.replace(" ", "")),
]
IBANS = [
    *(IBAN, IBAN.replace(" ", ""), IBAN.lower(), IBAN.replace(" ", "-"), IBAN.replace(" ", "\u00a0")),
    *("NO93 8601 1117 947", "DE89 3704 0044 0532 0130 00", "GB29 NWBK 6016 1331 9268 19", "DK50 0040 0440 1162 43"),
]
EMAILS = [
    *("anna.ek@example.com", "Anna.Ek+klagomål@example.com", "anna_ek@mail.example.com", "anna @ example.com"),
    *("anna(at)example.com", "ANNA(AT)EXAMPLE.COM", "anna [at] example.com", "anna＠example.com", "åsa@example.com"),
]
SPELLINGS = {
    "<personnummer>": PERSONAL_NUMBERS,
    "<telefon>": TELEPHONES,
    "<kort>": CARDS,
    "<iban>": IBANS,
    "<e-post>": EMAILS,
    "<konto>": ["8327-9 123 456 789-0", "8327-9, 123 456 789-0", "6000 123 456 789"],
}


@pytest.mark.parametrize(("kind", "written"), [(kind, written) for kind, all_ in SPELLINGS.items() for written in all_])
def test_personal_data_is_masked_however_it_is_spelled(kind: str, written: str) -> None:
    assert mask(f"Det gäller {written} som ni har.") == f"Det gäller {kind} som ni har."
    assert mask(f"Nr: {written}.\n{written}!") == f"Nr: {kind}.\n{kind}!"


@pytest.mark.parametrize("written", ["070-174 06 05", "0701740606", "08-465 004 00", "08 465 004 01"])
def test_a_telephone_number_is_masked_beside_other_numbers(written: str) -> None:
    for beside in ("kl 12", "order 12345", "2020-03-14", "249 kr", "3"):
        assert mask(f"Ring {beside} {written} 08-16 tack") == f"Ring {beside} <telefon> 08-16 tack"


@pytest.mark.parametrize(
    ("written", "masked"),
    [
        *((f"{word} {{}}", "<referens>") for word in ("OCR", "ocr:", "OCR-nr", "OCR-nummer är", "Ocr-numret", "ocr =")),
        *(
            (f"{word} {{}}", "<referens>")
            for word in ("fakturanummer", "Fakturanr.", "fakturan nr", "betalningsreferens")
        ),
        *((f"{word} {{}}", "<konto>") for word in ("konto", "Kontonummer:", "kontot är", "clearingnr")),
    ],
)
@pytest.mark.parametrize("number", ["73829104", "7382910456", "1234 5678 9012", "5000-1234567", "5000, 123 45 67"])
def test_a_number_is_masked_after_a_word_that_announces_it(written: str, masked: str, number: str) -> None:
    text = mask(written.format(number) + " och sedan.")
    assert text.endswith(f"{masked} och sedan.")
    assert not any(c.isdigit() for c in text)


@pytest.mark.parametrize(
    "harmless",
    [
        # orders, parcels, articles, companies
        *("ordernummer 100234567", "order 81121823", "order nr 4111111111111112", "K-200314-01", "ärende 123456789012"),
        *("paket 00373325381234567890", "kolli UA123456789SE", "artikelnummer 7340123456789", "art.nr 0123-4567"),
        *("art nr 100.234.56", "isbn 978-91-0-012345-6", "serienummer 356938035643809", "kvitto 2020-0314-0012"),
        *("orgnr 556737-0431", "momsnr SE556737043101", "version 10.0.19041.450", "postnummer 111 22 Stockholm"),
        # amounts
        *("1 249 kr", "1249:-", "1 249,50 kr", "2 000 000 kr", "10 000 000 kronor", "100 000 - 200 000 kr", "0,00 kr"),
        *("500-1000 kr", "199 kr + 49 kr = 248 kr", "3 x 249 kr", "3 499:- till 2 999:-", "moms 25 %"),
        *("kontot 1 249,50 kr", "kontot 100 000 kr", "fakturanr på 30 dagar"),
        # dates and opening hours
        *("2020-03-14", "20200314", "14/3 2020", "14.3.2020", "2020-03-14 10:15", "2020-03-14–2020-04-14"),
        *("den 14 mars 2020 kl 10.15", "2020-04-01 2020-05-01 2020-06-01", "1/3-31/3 2020", "kontot 2020-03-14"),
        *(
            "08:00-16:00",
            "08.00–16.00",
            "0800-1600",
            "kl 09-18",
            "09:00 - 18:00",
            "mån-fre 08.00-18.00, lör 10.00-14.00",
        ),
        # a personal number, a card and an account with a wrong check digit
        *(f"{BORN}-{LAST[:3]}{(int(LAST[3]) + 1) % 10}", "4111 1111 1111 1112", "SE46 5000 0000 0583 9825 7466"),
    ],
)
def test_what_is_no_personal_data_stands_as_it_was(harmless: str) -> None:
    text = f"Det gäller {harmless} hos er, tack."
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Skorna kom aldrig.\nMvh Anna Ek", "Skorna kom aldrig.\nMvh <namn>"),
        ("Ring mig. Mvh\nAnna Ek\n070-174 06 05", "Ring mig. Mvh\n<namn>\n<telefon>"),
        ("med vänliga hälsningar, per-olof", "med vänliga hälsningar, <namn>"),
        ("Hej Anna! Var är mina skor?", "Hej <namn>! Var är mina skor?"),
        ("Jag heter Lisa Berg och är arg", "Jag heter <namn> och är arg"),
        ("Hej Klarna! Var är mina skor?\nMvh kund", "Hej Klarna! Var är mina skor?\nMvh kund"),
        ("Mvh Kalle Svensson. Jag vill ha svar", "Mvh <namn>. Jag vill ha svar"),
        ("Hälsningar Anna Berg, ring mig", "Hälsningar <namn>, ring mig"),
        ("mvh kalle svensson, ring mig", "mvh <namn>, ring mig"),
        ("Hälsningar Solveig Mvh Xerxes Qvarnlund, tack", "Hälsningar <namn> Mvh <namn>, tack"),
        ("Nu räcker det! /Anna-Karin", "Nu räcker det! /<namn>"),
        ("Vänligen Återkom snarast", "Vänligen Återkom snarast"),
        ("Vänligen återbetala pengarna, tack", "Vänligen återbetala pengarna, tack"),
        ("Kund: ja. / Agent: nej", "Kund: ja. / Agent: nej"),
        ("Hej Igår kom en faktura", "Hej Igår kom en faktura"),
        ("Allt gott om er app kan jag inte säga", "Allt gott om er app kan jag inte säga"),
    ],
)
def test_names_are_masked_after_sign_offs_greetings_and_introductions(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_an_amount_beside_an_account_does_not_hide_it() -> None:
    assert mask(f"{IBAN} 1 249 kr drogs") == "<iban> 1 249 kr drogs"
    assert mask("kontot 6000-1234567; 500 kr drogs") == "kontot <konto>; 500 kr drogs"
    assert mask("på konto 60001234567 krävde ni") == "på konto <konto> krävde ni"


# --- rules for all texts -----------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("mvh", "Hej", "Anna", "Erik", "Olof", "jag heter", "konto", "ocr", "nr", "kund:", "är", "och", "kr", "at"),
        *(
            "bg",
            "pg",
            "swish",
            "M.v.h",
            "snabel-a",
            "punkt",
            "se",
            "\u200b",
            "１",
            "12 34 56-6",
            "1234567890",
            "clearing",
        ),
        *("\n", " ", ",", ".", "-", "/", "(", ")", "<", ">", "@", "+46", "0", "1", "123", "701740605", *MASKS),
        *(f"{BORN}-{LAST}", f"{BORN}{LAST}", "070-174 06 05", CARD, IBAN, "anna@example.com", "8327-9 123 456 789-0"),
    ]
)
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from(["", " ", "  "])), max_size=14).map(
    lambda pieces: "".join(piece + space for piece, space in pieces)
)


@settings(max_examples=600, deadline=None)
@given(TEXTS | st.text())
def test_masking_twice_is_masking_once(text: str) -> None:
    assert mask(mask(text)) == mask(text)


def test_a_name_masked_at_the_end_makes_no_other_words_a_name() -> None:
    assert mask("mvh erik olof mvh anna") == "mvh erik olof mvh <namn>"


@settings(deadline=None)
@given(st.text("abcåäö ,.!?\n", max_size=30), st.text("abcåäö ,.!?\n", max_size=30), st.sampled_from(PERSONAL_NUMBERS))
def test_a_personal_number_is_masked_among_any_words(before: str, after: str, number: str) -> None:
    assert mask(f"{before} {number} {after}") == mask(f"{before} <personnummer> {after}")


@settings(deadline=None)
@given(st.text(st.characters(categories=["Ll", "Zs"]), max_size=60))
def test_a_text_in_small_letters_without_names_or_numbers_is_left_alone(text: str) -> None:
    words = " ".join(f"z{word}" for word in text.split())
    assert mask(words) == words


def test_texts_are_masked_in_order() -> None:
    assert mask_all(["a", f"nr {BORN}-{LAST}", ""]) == ["a", "nr <personnummer>", ""]


@pytest.mark.parametrize("digits", [BORN, f"{BORN}{LAST}0", "811318" + LAST, "0000000000", "", "811278-2380"])
def test_other_digits_are_no_personal_number(digits: str) -> None:
    assert not is_personal_number(digits)


def test_the_check_digits_of_the_examples_are_right() -> None:
    assert is_personal_number(BORN + LAST)
    assert luhn.is_valid(CARD.replace(" ", ""))
    assert all(iban.is_valid(written) for written in IBANS)


@pytest.mark.parametrize("piece", ["at", "a.", "1 ", "0 ", "konto ", "mvh ", "mvh Anna ", "+", "(0)", "jag heter "])
def test_a_long_dull_text_is_masked_in_a_moment(piece: str) -> None:
    start = time.process_time()
    mask(piece * (20_000 // len(piece)) + "x")
    assert time.process_time() - start < 2
