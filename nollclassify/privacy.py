"""Finding and masking personal data, before a text becomes anything else.

Each finding is replaced by the name of its kind (`<personnummer>`, `<telefon>` ...), so that the text stays readable.
Check digits are judged by libraries; the words that announce a name, an account or a reference stand in
`data/privacy.toml`.
"""

from __future__ import annotations

import re
import tomllib
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files

import phonenumbers
from personnummer.personnummer import Personnummer, PersonnummerException
from stdnum import iban, luhn

MASKS = ("<e-post>", "<iban>", "<personnummer>", "<kort>", "<referens>", "<konto>", "<telefon>", "<namn>")

_AT_SIGNS = ("@", "＠", "(at)", "[at]")
_DIGIT = re.compile(r"\d")
_FEWEST_DIGITS = 6  # of anything that is masked
# Patterns of names, in the order in which they are tried, and the lists of phrases that come before a name.
_NAME_PHRASES = {"sign_off": "sign_offs", "introduction": "introductions", "greeting": "greetings"}
_DASH = "[-‐‑‒–—−+]"
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+\s?(?:@|\(at\)|\[at\]|＠)\s?(?:[\w-]+\.)+[a-zåäö]{2,}", re.IGNORECASE)
# A Swedish one has 20 digits after its check digits, whatever number follows it.
_IBAN = re.compile(
    r"(?<!\w)(?:se\d{2}(?:[\s-]?\d){20}|[a-z]{2}\d{2}[\s-]?[a-z0-9]{4}(?:[\s-]?\d{4}){1,6}(?:[\s-]?\d{1,3})?)(?!\w)",
    re.IGNORECASE,
)
_PERSONAL = re.compile(
    rf"(?<![\d<])(?:19|20)?\d{{2}}[\s./-]?(?:0\d|1[0-2])[\s./-]?\d\d(?:\s?(?:{_DASH}|[/.])\s?|\s)?\d{{3}}\s?\d(?!\d)"
)
_CARD = re.compile(rf"(?<!\d)(?:4\d|5[1-5]|2[2-7]|3[47]|6[05])\d{{2}}(?:(?:[\s.]|{_DASH})?\d){{9,13}}(?!\d)")
_TELEPHONE_HINT = re.compile(r"(?:\+|00|\(?0)\d?[\d\s()./‐‑‒–—−-]{6,}\d")
# Ten digits of a mobile, or a landline in the usual groups: found beside other numbers, where the matcher is lost.
_TELEPHONE = re.compile(
    rf"(?<![\d-])\(?0(?:7\d\)?(?:(?:[\s./]|{_DASH}){{0,3}}\d){{7}}"
    rf"|[1-9]\d{{0,2}}\)?(?:\s|\s?(?:/|{_DASH})\s?)(?:\d{{3}}\s\d{{3}}\s\d\d|\d{{2,3}}\s\d\d\s\d\d|\d{{3}}\s\d\d))(?!\d)"
)
_ACCOUNT_SHAPE = re.compile(r"(?<![\d-])\d{4}(?:-\d)?[ ,]+\d{2,3}[ .]\d{3}[ .]\d{3}(?:[ -]?\d)?(?![\d-])")
_HOURS = re.compile(r"\d{1,2}[.:]\d{2}\s*-\s*\d{1,2}[.:]\d{2}|[0-2]\d[0-5]\d\s*-\s*[0-2]\d[0-5]\d$")
# A date, or an amount: what also follows the words for accounts and references.
_NO_NUMBER = r"(?:19|20)\d\d-\d\d-\d\d(?!\d)|\d{1,3}(?:[\s.]?\d{3})*(?:,\d{2})?\s?(?:(?:kr|kronor|sek)\b|:-)"
_NUMBER = rf"(?:[\s:.#(=]|är|nr|nummer|clearing|och)*(?!{_NO_NUMBER})((?:\d[ .,–-]{{0,2}}){{5,}}\d)"
_NAME_WORD = r"[A-ZÅÄÖÉ][a-zåäöéü]+(?:-[A-ZÅÄÖÉ]?[a-zåäöéü]+)?"
_ANY_WORD = r"[^\W\d_]{2,}(?:-[^\W\d_]+)?\.?"


@cache
def _words() -> dict[str, list[str]]:
    return tomllib.loads((files("nollclassify") / "data" / "privacy.toml").read_text(encoding="utf-8"))


def _any_of(key: str) -> str:
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in sorted(_words()[key], key=len, reverse=True))


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {
        "reference": re.compile(rf"(?<!\w)(?:{_any_of('reference_words')}){_NUMBER}", re.IGNORECASE),
        "account": re.compile(rf"(?<!\w)(?:{_any_of('account_words')}){_NUMBER}", re.IGNORECASE),
        "sign_off": re.compile(
            rf"(?<!\w)(?i:{_any_of('sign_offs')})[\s,.!/:–-]*?"
            rf"(?P<name>(?<=[\s,.!/:–-]){_ANY_WORD}(?:[ /]{_ANY_WORD}){{0,2}})"
            r"(?=[\s.!,]*(?:$|\n|<(?!namn>)|[+\d(]|tel\b|mobil\b))"
        ),
        "introduction": re.compile(
            rf"(?<!\w)(?i:{_any_of('introductions')})\s*(?P<name>{_NAME_WORD}(?:\s{_NAME_WORD}){{0,2}}|[^\W\d_]{{2,}})"
        ),
        "greeting": re.compile(
            rf"(?<!\w)(?i:{_any_of('greetings')})\s(?P<name>{_NAME_WORD}(?:\s{_NAME_WORD})?)(?=\s*(?:[,!.\n]|$))"
        ),
    }


def mask(text: str) -> str:
    """The text with personal data replaced by the names of their kinds.

    Masked are: e-mail addresses; IBANs with right check digits; Swedish personal and coordination numbers with a
    right check digit, with or without century, dash or spaces; payment cards (Luhn); numbers announced as OCR,
    invoice reference or bank account, and accounts in the banks' grouping; Swedish and international telephone
    numbers; names after a sign-off, a greeting or `jag heter`. Masking twice is masking once.
    """
    while (masked := _mask_once(text)) != text:
        text = masked
    return text


def mask_all(texts: Iterable[str]) -> list[str]:
    """`mask` of every text, in order."""
    return [mask(text) for text in texts]


def _mask_once(text: str) -> str:
    # Most texts hold nothing to mask, and the patterns take most of labelling's time: cheap questions come first.
    plain = " ".join(text.casefold().split())
    if any(sign in plain for sign in _AT_SIGNS):
        text = _EMAIL.sub("<e-post>", text)
    if len(_DIGIT.findall(text)) >= _FEWEST_DIGITS:
        text = _mask_numbers(text)
    for kind, phrases in _NAME_PHRASES.items():
        if any(phrase in plain for phrase in _shortest(phrases)):
            text = _patterns()[kind].sub(_name_masked, text)
    return text


@cache
def _shortest(key: str) -> tuple[str, ...]:
    """The phrases of a list that hold no other one: where none of them stands, none of the list does."""
    phrases = [phrase.casefold() for phrase in _words()[key]]
    return tuple(p for p in phrases if not any(other in p for other in phrases if other != p))


def _mask_numbers(text: str) -> str:
    text = _replace(_IBAN, "<iban>", text, lambda found: bool(iban.is_valid(found)))
    text = _replace(_PERSONAL, "<personnummer>", text, is_personal_number)
    text = _replace(_CARD, "<kort>", text, _is_card)
    text = _replace_number(_patterns()["reference"], "<referens>", text)
    text = _replace_number(_patterns()["account"], "<konto>", text)
    text = _ACCOUNT_SHAPE.sub("<konto>", text)
    return _mask_telephones(text) if _TELEPHONE_HINT.search(text) else text


def _replace(pattern: re.Pattern[str], name: str, text: str, is_one: Callable[[str], bool]) -> str:
    return pattern.sub(lambda match: name if is_one(match[0]) else match[0], text)


def _replace_number(pattern: re.Pattern[str], name: str, text: str) -> str:
    return pattern.sub(lambda m: m[0][: m.start(1) - m.start()] + name, text)


def is_personal_number(written: str) -> bool:
    """Whether digits, however spaced, are a personal or coordination number with a right check digit."""
    digits = re.sub(r"\D", "", written)
    if len(digits) not in (10, 12):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Personnummer(digits)
    except (PersonnummerException, ValueError):
        return False
    return True


def _is_card(written: str) -> bool:
    digits = re.sub(r"\D", "", written)
    return len(digits) in (15, 16) and bool(luhn.is_valid(digits))


def _mask_telephones(text: str) -> str:
    text = _replace(_TELEPHONE, "<telefon>", text, _is_telephone)
    # Other dashes than the hyphen are not understood by the matcher; one character for one keeps the offsets.
    plain = re.sub(r"[‐‑‒–—−/]", "-", text)
    found = phonenumbers.PhoneNumberMatcher(plain, "SE", leniency=phonenumbers.Leniency.VALID)
    for match in reversed([match for match in found if not _HOURS.match(match.raw_string)]):
        text = text[: match.start] + "<telefon>" + text[match.end :]
    return text


def _is_telephone(written: str) -> bool:
    return phonenumbers.is_valid_number(phonenumbers.parse(re.sub(r"\D", "", written), "SE"))


def _name_masked(match: re.Match[str]) -> str:
    name, before = match["name"], match[0][: match.start("name") - match.start()]
    first = name.split()[0].strip(".").lower()
    if first in _words()["not_names"]:
        return match[0]
    return before + "<namn>" + match[0][match.end("name") - match.start() :]
