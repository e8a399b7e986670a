"""Finding and masking personal data, before a text becomes anything else.

Each finding is replaced by the name of its kind (`<personnummer>`, `<telefon>` ...), so that the text stays readable.
Check digits are judged by libraries; the words that announce a name, an account or a reference stand in
`data/privacy.toml`. Numbers and addresses are looked for in a plain copy of the text, in which every dash is a hyphen,
every space a space and every digit one of 0 to 9, and invisible characters are left out.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.resources import files

import phonenumbers
from personnummer.personnummer import Personnummer, PersonnummerException
from stdnum import iban, luhn

MASKS = ("<e-post>", "<iban>", "<personnummer>", "<kort>", "<referens>", "<konto>", "<telefon>", "<namn>")

Span = tuple[int, int]
# Without one of these, as they stand in small letters, there is no e-mail address.
_AT_SIGNS = ("@", "＠", "﹫", "(at)", "[at]", "{at}", "(a)", "snabel", " at ")
# Nor, without six digits near each other, any number that is masked; invisible signs may stand between them.
_DIGITS = re.compile(r"\d(?:[\W_]{0,6}\d){5}")
# Patterns of names, in the order in which they are tried, and the lists of phrases that come before a name.
_NAME_PHRASES = {
    "sign_off": "sign_offs",
    "sure_sign_off": "sure_sign_offs",
    "introduction": "introductions",
    "greeting": "greetings",
}
# Stands in the plain copy where something has been found: no digit, no letter, no space.
_FOUND = "\ufffc"
# All that is not plain; letters with accents, curly quotation marks and the ellipsis are.
_ODD = re.compile("[^\x00-\x7f\u00c0-\u00ff\u2018-\u201f\u2026]")
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\u20e3]")

# --- patterns, of the plain copy -----------------------------------------------------------------------------------

_DOT = r"(?:\s\.\s?|\s?[(\[{](?:dot|punkt)[)\]}]\s?|\s(?:dot|punkt)\s)"
_TOP = r"(?:se|com|nu|net|org|eu|info|no|dk|fi|de|uk|io|me)"
_PROVIDER = r"(?:gmail|hotmail|outlook|live|icloud|yahoo|telia|msn|comhem|spray)\b"
_EMAIL = re.compile(
    rf"(?<![\w.+%-])[\w.+%-]+\s{{0,2}}(?:@|[(\[{{](?:at|a|snabel-?a)[)\]}}]|snabel-?a|(?<=\s)at(?=\s{_PROVIDER}))\s{{0,2}}"
    rf"(?:[\w-]+(?:(?:\.|{_DOT})[\w-]+){{0,4}}?{_DOT}{_TOP}(?!\w)|(?:[\w-]+\.)+[a-zåäö]{{2,}})",
    re.IGNORECASE,
)
# Whatever number follows it: where it ends is judged by its check digits.
_IBAN = re.compile(r"(?:(?<!\w)|(?<=iban))[a-z]{2}\d{2}[\s.-]?[a-z0-9]{4}(?:[\s.-]?\d){7,26}(?!\d)", re.IGNORECASE)
_NO_AMOUNT = r"(?!\d|,\d\d(?!\d)|\s?(?:kr|kronor|sek|spänn|:-)(?!\w))"
_PERSONAL = re.compile(
    rf"(?<!\d)(?:19|20)?\d\d(?P<by>[\s./-]?)(?:0\d|1[0-2])(?P=by)\d\d(?:\s{{0,2}}[-+/.]\s?|,?\s|\s?(?P<open>\())?"
    rf"\d{{3}}\s?\d(?(open)\)){_NO_AMOUNT}"
)
# A date of our days with a time of day or a running number; a date and, after a comma, some other number.
_NO_PERSONAL = re.compile(r"20(?:1[1-9]|[2-9]\d)(?:\D|\d{4}(?:\D*\s|\.))|(?!\d{6},)[^,]+,")
# As it is printed, with one and the same sign between the groups; and in any groups of one size.
_PRINTED_CARD = re.compile(
    r"(?<!\d)(?:[2456]\d{3}(?P<by>\s?[-.,/]\s?|\s)\d{4}(?P=by)\d{4}(?P=by)\d{4}"
    r"|3[47]\d\d(?P<and>\s?[-.,/]\s?|\s)\d{6}(?P=and)\d{5})(?!\d)"
)
_CARD = re.compile(r"(?<!\d)(?:(?:4\d|5[1-5]|2[2-7]|6[05])\d\d(?:[\s.-]?\d){12}|3[47]\d\d(?:[\s.-]?\d){11})(?!\d)")
# One digit at a time, as it is read out in the telephone.
_SPELLED_OUT = re.compile(r"(?<!\d)\d(?:(?:\s|\s?-\s?)\d){9,15}(?!\d)")
_SLASH, _LONE_SLASH = re.compile(r"(?<=[\d)])/(?=[\d(])"), re.compile(r"(?<=\s)/(?=\s)")
_TELEPHONE_HINT = re.compile(r"(?:\+|00|\(?0)\d?[\d\s()./-]{6,}\d")
# Ten digits of a mobile, or a landline in the usual groups: found beside other numbers, where the matcher is lost.
_CODE = r"(?:\(?(?:\+\s?|00)46\)?|(?<!\w)46)[\s./-]{0,3}(?:\(0\)|0)?[\s./-]{0,3}"
_TELEPHONE = re.compile(
    rf"(?<!\d)(?<!\d-)(?:{_CODE}|\(?0\s?)(?:7\s?\d(?:\)|,)?(?:[\s./-]{{0,3}}\d){{7}}"
    rf"|[1-9]\d{{0,2}}\)?(?:\s|\s?[/-]\s?)(?:\d{{3}}\s\d{{3}}\s\d\d|\d{{2,3}}\s\d\d\s\d\d|\d{{3}}\s\d\d|\d{{5,8}})"
    rf"|(?<=46)[1-9]\d{{7,8}}){_NO_AMOUNT}"
)
_ACCOUNT_SHAPE = re.compile(r"(?<![\d-])\d{4}(?:-\d)?(?:[ ,]{1,3}|-)\d{2,3}[ .]\d{3}[ .]\d{3}(?:[ -]?\d)?(?![\d-])")
_PLUSGIRO_SHAPE = re.compile(r"(?<![\d-])(?<!\d\s)\d{1,2}(?: \d\d){2,3}-\d(?![\d-])")
_SWISH = re.compile(r"(?<!\d)123(?:[\s-]?\d){7}(?!\d)")
# Opening hours; a day before its year; the end of one number and a date after it.
_NO_TELEPHONE = re.compile(
    r"\d{1,2}[.:]\d{2}\s*-\s*\d{1,2}[.:]\d{2}|[0-2]\d[0-5]\d\s*-\s*[0-2]\d[0-5]\d$"
    r"|[0-3]\d[\s./-](?:0\d|1[0-2])[\s./-](?:19|20)\d\d(?!\d)"
    r"|\d{1,4}\s+(?:19|20)\d\d-\d\d-\d\d$"
)
# A date, or an amount: what also follows the words for accounts and references.
_NO_NUMBER = r"(?:19|20)\d\d-\d\d-\d\d(?!\d)|\d{1,3}(?:[\s.]?\d{3})*(?:,\d{2})?\s?(?:(?:kr|kronor|sek)\b|:-)"
_ANY_WORD = r"[^\W\d_]{2,}(?:-[^\W\d_]+)?\.?"
_NAME_WORD = r"[A-ZÅÄÖÉ][a-zåäöéü]+(?:-[A-ZÅÄÖÉ]?[a-zåäöéü]+)?"
_FIRST_NAME = rf"(?:{_NAME_WORD}|[A-ZÅÄÖÉ]{{2,}}|[A-ZÅÄÖ]\b\.?)"
_NEXT_NAME = rf"(?:(?:von|af|de)\s)?(?:{_NAME_WORD}|[A-ZÅÄÖÉ]{{2,}})"


@cache
def _words() -> dict[str, list[str]]:
    return tomllib.loads((files("nollclassify") / "data" / "privacy.toml").read_text(encoding="utf-8"))


def _any_of(key: str) -> str:
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in sorted(_words()[key], key=len, reverse=True))


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    filling = rf"(?:[\s:.,#(=]|(?<!\w)(?:{_any_of('number_fillings')})(?!\w))"
    digits = rf"(?:\d|(?<=\d)[\s.,-]{{1,2}}(?!{_NO_NUMBER})(?=\d)){{5,}}(?<=\d)"
    clearing = rf"(?:\d{{4}}(?:[\s-]?\d)?{filling}*(?:{_any_of('account_words')}){filling}*)?"
    # A second sign-off right after a name is none of its words.
    name = rf"{_FIRST_NAME}(?:\s(?!(?i:{_any_of('sign_offs')})(?!\w)){_NEXT_NAME}){{0,2}}"
    slash = r"(?:(?<=[\n.!?)])|^)\s{0,2}/{1,2}\s?"
    return {
        "reference": re.compile(
            rf"(?<!\w)(?:{_any_of('reference_words')}){filling}*(?!{_NO_NUMBER})({digits})", re.IGNORECASE
        ),
        "account": re.compile(
            rf"(?<!\w)(?:{_any_of('account_words')}){filling}*(?!{_NO_NUMBER})({clearing}{digits})", re.IGNORECASE
        ),
        "sign_off": re.compile(
            rf"(?<!\w)(?i:{_any_of('sign_offs')})[\s,.!/:–-]*?(?<=[\s,.!/:–-])"
            rf"(?P<name>{_ANY_WORD}(?:[ /]{_ANY_WORD}){{0,2}}(?=[\s.!,]*(?:$|\n|<(?!namn>)|[+\d(]|tel\b|mobil\b))"
            rf"|{name}(?![\w@]))"
        ),
        "sure_sign_off": re.compile(
            rf"(?<!\w)(?i:{_any_of('sure_sign_offs')})[\s,.!/:–-]+(?P<name>{_ANY_WORD}(?: {_ANY_WORD})?)(?=\s?[.,!?])"
        ),
        "slash": re.compile(rf"{slash}(?P<name>{name})(?![\w@])"),
        "introduction": re.compile(
            rf"(?<!\w)(?i:{_any_of('introductions')})\s*(?P<name>{_NAME_WORD}(?:\s{_NAME_WORD}){{0,2}}|[^\W\d_]{{2,}})"
        ),
        "greeting": re.compile(
            rf"(?<!\w)(?i:{_any_of('greetings')})\s(?P<name>{_NAME_WORD}(?:\s{_NAME_WORD})?)(?=\s*(?:[,!.\n]|$))"
        ),
    }


# --- masking -------------------------------------------------------------------------------------------------------


def mask(text: str) -> str:
    """The text with personal data replaced by the names of their kinds.

    Masked are: e-mail addresses, also with `(at)` and `punkt`; IBANs with right check digits; Swedish personal and
    coordination numbers with a right check digit, with or without century, dash or spaces; payment cards (Luhn);
    numbers announced as OCR, invoice reference, bank account, plusgiro, bankgiro or Swish, and accounts in the banks'
    grouping; Swedish and international telephone numbers; names after a sign-off, a greeting or `jag heter`. Digits
    of other scripts, all dashes and spaces, line breaks and invisible characters hide nothing. An account that
    nothing announces, and in no such grouping, cannot be told from an order number and stays.
    Masking twice is masking once.
    """
    while (masked := _mask_once(text)) != text:
        text = masked
    return text


def mask_all(texts: Iterable[str]) -> list[str]:
    """`mask` of every text, in order."""
    return [mask(text) for text in texts]


def _mask_once(text: str) -> str:
    # Most texts hold nothing to mask, and the patterns take most of labelling's time: cheap questions come first.
    folded = " ".join(text.casefold().split())
    mail = any(sign in folded for sign in _AT_SIGNS)
    if mail or _DIGITS.search(text):
        text = _mask_signs(text, mail)
    if "/" in text:
        text = _patterns()["slash"].sub(_name_masked, text)
    for kind, phrases in _NAME_PHRASES.items():
        if any(phrase in folded for phrase in _shortest(phrases)):
            text = _patterns()[kind].sub(_name_masked, text)
    return text


@cache
def _shortest(key: str) -> tuple[str, ...]:
    """The phrases of a list that hold no other one: where none of them stands, none of the list does."""
    phrases = [phrase.casefold() for phrase in _words()[key]]
    return tuple(p for p in phrases if not any(other in p for other in phrases if other != p))


def _mask_signs(text: str, mail: bool) -> str:
    """Mask addresses and numbers: find them in the plain copy, replace them in the text."""
    plain, places = _plain(text)
    found: list[tuple[int, int, str]] = []
    for name, find in _FINDERS[0 if mail else 1 :]:
        spans = find(plain)
        found += [(start, end, name) for start, end in spans]
        for start, end in spans:
            plain = plain[:start] + _FOUND * (end - start) + plain[end:]
    for start, end, name in sorted(found, reverse=True):
        text = text[: places[start]] + name + text[places[end] :]
    return text


def _plain(text: str) -> tuple[str, Sequence[int]]:
    """The plain copy, and where each of its characters (and its end) stands in the text."""
    if not _ODD.search(text):
        return text, range(len(text) + 1)
    plain = text.translate(_plain_signs())
    if not _INVISIBLE.search(plain):
        return plain, range(len(text) + 1)
    seen = [i for i, sign in enumerate(plain) if not _INVISIBLE.match(sign)]
    return "".join(plain[i] for i in seen), [*seen, len(text)]


@cache
def _plain_signs() -> dict[int, str]:
    """Digits, spaces, dashes and wide signs of all scripts -> the one sign of ASCII that is meant."""
    signs = {}
    for code in (*range(0x80, 0x3100), *range(0xFE00, 0xFF5F), *range(0x1D7CE, 0x1D800)):
        sign = chr(code)
        composed = unicodedata.normalize("NFKC", sign)
        if sign.isdecimal():
            signs[code] = str(unicodedata.decimal(sign))
        elif sign.isspace():
            signs[code] = " "
        elif unicodedata.category(sign) == "Pd" or sign == "−":
            signs[code] = "-"
        elif len(composed) == 1 and composed.isascii():
            signs[code] = composed
    return signs


# --- finding -------------------------------------------------------------------------------------------------------


def _judged(pattern: re.Pattern[str], is_one: Callable[[str], bool]) -> Callable[[str], list[Span]]:
    """A finder of what matches the pattern and is judged to be one.

    What is not one may begin with another number ("2020 811218-2385"), so the search goes on inside it.
    """

    def find(plain: str) -> list[Span]:
        spans, at = [], 0
        while match := pattern.search(plain, at):
            if is_one(match[0]):
                spans.append(match.span())
            at = match.end() if is_one(match[0]) else match.start() + 1
        return spans

    return find


def _announced(kind: str) -> Callable[[str], list[Span]]:
    def find(plain: str) -> list[Span]:
        folded = " ".join(plain.casefold().split())
        if not any(word in folded for word in _shortest(f"{kind}_words")):
            return []
        return [match.span(1) for match in _patterns()[kind].finditer(plain)]

    return find


def _always(_: str) -> bool:
    return True


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


def _is_personal(written: str) -> bool:
    return not _NO_PERSONAL.match(written) and is_personal_number(written)


def _is_card(written: str) -> bool:
    digits = re.sub(r"\D", "", written)
    return len(digits) in (15, 16) and bool(luhn.is_valid(digits))


def _is_evenly_grouped_card(written: str) -> bool:
    """Whether it is a card, and not the end of one number and the beginning of the next."""
    groups = [len(group) for group in re.split(r"\D+", written)]
    return (len(set(groups)) == 1 or groups == [4, 6, 5]) and _is_card(written)


def _is_giro(written: str) -> bool:
    return bool(luhn.is_valid(re.sub(r"\D", "", written)))


def _is_telephone(written: str) -> bool:
    if _NO_TELEPHONE.match(written):
        return False
    digits = re.sub(r"^(?:00)?460?|^0", "", re.sub(r"\D", "", written))
    return phonenumbers.is_valid_number(phonenumbers.parse("0" + digits, "SE"))


def _is_spelled_out(written: str) -> bool:
    return is_personal_number(written) or _is_card(written)


def _ibans(plain: str) -> list[Span]:
    return [(m.start(), m.start() + length) for m in _IBAN.finditer(plain) if (length := _iban_length(m[0]))]


def _iban_length(written: str) -> int:
    """How much of what begins as an IBAN is one; 0 where nothing is."""
    ends = [
        end for end in range(len(written), 14, -1) if written[end - 1].isalnum() and not written[end:][:1].isalnum()
    ]
    compact = ((end, re.sub(r"[\s.-]", "", written[:end])) for end in ends)
    return next((end for end, whole in compact if iban.is_valid(whole)), 0)


def _swishes(plain: str) -> list[Span]:
    return [match.span() for match in _SWISH.finditer(plain)] if "swish" in plain.casefold() else []


def _matched_telephones(plain: str) -> list[Span]:
    if not _TELEPHONE_HINT.search(plain):
        return []
    # To the matcher a slash is always part of a number; one character for one keeps the offsets.
    dashed = _SLASH.sub("-", _LONE_SLASH.sub(";", plain))
    found = phonenumbers.PhoneNumberMatcher(dashed, "SE", leniency=phonenumbers.Leniency.VALID)
    return [(match.start, match.end) for match in found if not _NO_TELEPHONE.match(match.raw_string)]


# In this order: what has been found is out of the others' way.
_FINDERS: tuple[tuple[str, Callable[[str], list[Span]]], ...] = (
    ("<e-post>", _judged(_EMAIL, _always)),
    ("<iban>", _ibans),
    ("<kort>", _judged(_PRINTED_CARD, _is_card)),
    ("<personnummer>", _judged(_PERSONAL, _is_personal)),
    ("<personnummer>", _judged(_SPELLED_OUT, _is_spelled_out)),
    ("<kort>", _judged(_CARD, _is_evenly_grouped_card)),
    ("<referens>", _announced("reference")),
    ("<konto>", _swishes),
    ("<konto>", _announced("account")),
    ("<konto>", _judged(_ACCOUNT_SHAPE, _always)),
    ("<konto>", _judged(_PLUSGIRO_SHAPE, _is_giro)),
    ("<telefon>", _judged(_TELEPHONE, _is_telephone)),
    ("<telefon>", _matched_telephones),
)


def _name_masked(match: re.Match[str]) -> str:
    name, before = match["name"], match[0][: match.start("name") - match.start()]
    first = name.split()[0].strip(".").lower()
    if first in _words()["not_names"]:
        return match[0]
    return before + "<namn>" + match[0][match.end("name") - match.start() :]
