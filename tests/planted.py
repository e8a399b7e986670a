"""Personal data made by chance, in every spelling we know, set in the sentences of customers and agents.

Nothing here is anybody's: personal numbers have the serials 238 and 239 that the Swedish Tax Agency gives to nobody,
the rest is drawn from a seed. Check digits are right, for otherwise nothing would have to be masked.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import phonenumbers
from stdnum import iban, luhn

from tests.carriers import ANYBODY, CARRIERS

INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff\ufe0f\u20e3"
_SEPARATORS = re.compile(rf"[\s.,/()\-‐‑‒–—−{INVISIBLE}]+")
_AT = re.compile(r"\s*(?:@|[(\[{](?:at|a|snabel-a)[)\]}]|\bat\b|snabel-?a)\s*")
_DOT = re.compile(r"\s*(?:\.|\bdot\b|\bpunkt\b)\s*")

Spelling = Callable[[str], str]
Made = Callable[[random.Random], tuple[str, str]]


@dataclass(frozen=True)
class Planted:
    """One planted item.

    Attributes:
        kind: of `CARRIERS`.
        spelling: its name, to see which spellings are not understood.
        written: as it stands in the text.
        secret: its digits (or letters and digits, or the address in small letters, or the name) and nothing else.
        carrier: the sentence, with braces in the item's place.
    """

    kind: str
    spelling: str
    written: str
    secret: str
    carrier: str

    @property
    def text(self) -> str:
        return self.carrier.replace("{}", self.written)


# --- reading as a person reads -----------------------------------------------------------------------------------


def digits_of(text: str) -> str:
    """All digits of a text, in ASCII."""
    return "".join(str(unicodedata.digit(c)) for c in text if c.isdecimal())


def squeezed(text: str) -> str:
    """The text as one who looks for the digits or the address themselves reads it: no separators, one spelling."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = _DOT.sub(".", _AT.sub("@", "".join(c for c in text if c not in INVISIBLE)))
    return _SEPARATORS.sub("", text)


def is_left(item: Planted, masked: str) -> bool:
    """Whether anything of an item can be read in its masked text: of a number any digit, of a name any part.

    So it is too where a digit of the sentence around it was masked with it.
    """
    if item.kind == "e-post":
        local = squeezed(item.secret.split("@")[0])
        return local in squeezed(masked) or squeezed(item.secret.split("@")[1].split(".")[0]) in squeezed(masked)
    if item.kind == "namn":
        return any(part in masked.lower() for part in item.secret.lower().split())
    return digits_of(masked) != digits_of(item.carrier) or (
        item.kind == "iban" and item.secret[4:8].lower() in squeezed(masked)
    )


# --- making ------------------------------------------------------------------------------------------------------


def plant(n_each: int = 8, seed: int = 0) -> list[Planted]:
    """`n_each` items of every spelling of every kind, in an order that depends on the seed alone."""
    rng = random.Random(seed)
    items = []
    for kind, name, make in _all_spellings():
        carriers = [*CARRIERS[kind], *([] if kind == "namn" else ANYBODY)]
        for _ in range(n_each):
            written, secret = make(rng)
            items.append(Planted(kind, name, written, secret, rng.choice(carriers)))
    rng.shuffle(items)
    return items


def _all_spellings() -> Iterator[tuple[str, str, Made]]:
    for kind, (source, spellings) in _KINDS.items():
        for name, spell in spellings.items():
            yield kind.split(":")[0], f"{kind} {name}", _make(source, spell, kind)


def _make(source: Callable[[random.Random], str], spell: Spelling, kind: str) -> Made:
    def make(rng: random.Random) -> tuple[str, str]:
        base = source(rng)
        written = spell(base)
        if kind.startswith(("e-post", "namn")):
            return written, base
        return written, squeezed(base).lstrip("+") if kind == "iban" else digits_of(written)

    return make


def _digits(rng: random.Random, n: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(n))


def _luhn(digits: str) -> str:
    return digits + str(luhn.calc_check_digit(digits))


def _personal(rng: random.Random) -> str:
    """Twelve digits; every fifth a coordination number."""
    born = date(1920, 1, 1) + timedelta(days=rng.randrange(91 * 365))
    day = born.day + 60 * (rng.random() < 0.2)
    return str(born.year // 100) + _luhn(f"{born:%y%m}{day:02d}{rng.choice(['238', '239'])}")


def _mobile(rng: random.Random) -> str:
    return rng.choice(["070", "072", "073", "076", "079"]) + str(rng.randrange(1, 10)) + _digits(rng, 6)


def _landline(rng: random.Random) -> str:
    """Of the series that the Post and Telecom Authority keeps for fiction; area and number parted by a hyphen."""
    return rng.choice([f"08-465004{_digits(rng, 2)}", f"031-39006{rng.randrange(40):02d}",
                       f"040-62804{rng.randrange(100):02d}", f"0980-3192{_digits(rng, 2)}"])  # fmt: skip


def _foreign(rng: random.Random) -> str:
    while True:
        region = rng.choice(["NO", "DK", "FI", "DE", "GB", "PL", "US", "NL"])
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        assert example is not None
        example.national_number = example.national_number // 1000 * 1000 + rng.randrange(1000)
        if phonenumbers.is_valid_number(example):
            return phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def _card(rng: random.Random) -> str:
    start = rng.choice(["4", "51", "52", "53", "54", "55"])
    return _luhn(start + _digits(rng, 15 - len(start)))


def _amex(rng: random.Random) -> str:
    return _luhn(rng.choice(["34", "37"]) + _digits(rng, 12))


def _account(rng: random.Random) -> str:
    """Clearing number and account number, parted by a hyphen."""
    return f"{rng.choice('35689')}{_digits(rng, 3)}-{rng.choice('123456789')}{_digits(rng, rng.choice([6, 8]))}"


def _plusgiro(rng: random.Random) -> str:
    return _luhn(rng.choice("123456789") + _digits(rng, rng.choice([5, 6])))


def _bankgiro(rng: random.Random) -> str:
    return _luhn(rng.choice("56") + _digits(rng, rng.choice([5, 6])))


def _swish(rng: random.Random) -> str:
    return "123" + _digits(rng, 7)


def _iban(rng: random.Random) -> str:
    country, n = rng.choice([("SE", 20), ("SE", 20), ("NO", 11), ("DE", 18), ("DK", 14), ("FI", 14), ("GB", 14)])
    account = ("NWBK" if country == "GB" else "") + _digits(rng, n)
    if country in ("NO", "FI"):  # These have check digits of their own.
        return rng.choice(["NO9386011117947", "FI2112345600000785"])
    return f"{country}{iban.calc_check_digits(f'{country}00{account}')}{account}"


def _email(rng: random.Random) -> str:
    first = rng.choice(["xerxes", "qvintus", "zäta", "wilhelmina", "quirina", "zebulon"])
    last = rng.choice(["qvarnlund", "zetterqvast", "wrangelhjelm", "xanderby"])
    local = rng.choice([f"{first}.{last}", f"{first}_{last}", f"{first}{last}", f"{first[0]}.{last}+butik"])
    return f"{local}{rng.randrange(10, 99)}@{rng.choice(['qbrev.example.com', 'zpost.se', 'qxmejl.nu'])}"


def _name(rng: random.Random) -> str:
    first = rng.choice(["Xerxes", "Qvintus", "Zäta", "Wilhelmina", "Anna-Quirina", "Zebulon", "Åke"])
    return f"{first} {rng.choice(['Qvarnlund', 'Zetterqvast', 'Wrangelhjelm', 'Xanderby'])}"


# --- spelling ----------------------------------------------------------------------------------------------------


def _grouped(sizes: tuple[int, ...], between: str) -> Spelling:
    """Digits in groups of these sizes, the last one as long as it has to be."""

    def spell(digits: str) -> str:
        parts, at = [], 0
        for size in sizes:
            parts.append(digits[at : at + size])
            at += size
        return between.join([*parts, *([digits[at:]] if digits[at:] else [])])

    return spell


def _wide(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and (c.isdigit() or c == "@") else c for c in text)


def _keycaps(text: str) -> str:
    return "".join(c + "\ufe0f\u20e3" if c.isdigit() else c for c in text)


def _pierced(sign: str) -> Spelling:
    return lambda text: sign.join(text)


def _after(*steps: Spelling) -> Spelling:
    def spell(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return spell


def _swap(old: str, new: str) -> Spelling:
    return lambda text: text.replace(old, new)


def _form(form: str) -> Spelling:
    return lambda text: form.replace("{}", text)


_SPACES = {"space": " ", "no-break space": "\u00a0", "thin space": "\u2009", "narrow no-break": "\u202f"}
_DASHES = {"hyphen": "-", "en dash": "–", "em dash": "—", "minus": "−", "no-break hyphen": "\u2011"}
_ODD: dict[str, Spelling] = {
    "full-width": _wide, "keycaps": _keycaps, "zero-width": _pierced("\u200b"), "soft hyphen": _pierced("\u00ad"),
    "word joiner": _pierced("\u2060"), "spaced out": _pierced(" "), "brackets": _form("({})"),
    "square brackets": _form("[{}]"), "angle brackets": _form("<{}>"), "quoted": _form("”{}”"),
}  # fmt: skip
_BETWEEN = {**_SPACES, **_DASHES, "dot": ".", "line break": "\n", "no separator": "", "spaced dash": " – "}


def _short(digits: str) -> str:
    return digits[2:]


def _split(at: int, between: str, start: int = 0) -> Spelling:
    return lambda digits: f"{digits[start:at]}{between}{digits[at:]}"


_PERSONAL = {
    **{f"10 {name}": _split(8, sign, 2) for name, sign in {**_BETWEEN, "slash": "/", "plus": "+"}.items()},
    **{f"12 {name}": _split(8, sign) for name, sign in _BETWEEN.items()},
    **{f"date by {name}": _after(_grouped((4, 2, 2), sign)) for name, sign in {"-": "-", ".": ".", " ": " "}.items()},
    **{f"short date by {name}": _after(_short, _grouped((2, 2, 2), name)) for name in "-. /"},
    "last one apart": _after(_short, _grouped((6, 3), " ")),
    "last four in parentheses": lambda d: f"{d[2:8]} ({d[8:]})",
    "comma": _split(8, ", ", 2),
    **{f"glued by {sign}": _after(_split(8, "-", 2), _form(f"pnr{sign}{{}}")) for sign in (":", ",", "=", "", ".")},
    **{f"odd {name}": _after(_short, spell) for name, spell in _ODD.items()},
}
_MOBILE = {
    **{f"3-3-2-2 {name}": _grouped((3, 3, 2), sign) for name, sign in _BETWEEN.items()},
    **{f"2-digit groups {name}": _grouped((2, 2, 2, 2), sign) for name, sign in (("space", " "), ("dash", "-"))},
    **{f"3-7 {name}": _grouped((3,), sign) for name, sign in {**_BETWEEN, "slash": "/", "comma": ", "}.items()},
    **{f"4-2-2-2 {name}": _grouped((4, 2, 2), sign) for name, sign in (("space", " "), ("dash", "-"))},
    **{f"{code} {name}": _after(lambda d: d[1:], _grouped((2, 3, 2), sign), _form(code + sign + "{}"))
       for code in ("+46", "0046", "46", "(+46)", "+46(0)", "+46 (0)", "＋46", "+ 46")
       for name, sign in (("no separator", ""), ("space", " "), ("dash", "-"), ("thin", "\u2009"))},
    "area in parentheses": lambda d: f"({d[:3]}) {d[3:6]} {d[6:8]} {d[8:]}",
    "spaced dash": lambda d: f"{d[:3]} - {d[3:6]} {d[6:8]} {d[8:]}",
    **{f"glued by {sign}": _form(f"tel{sign}{{}}") for sign in (":", ",", ".", "")},
        **{f"odd {name}": spell for name, spell in _ODD.items()},
}  # fmt: skip
_LANDLINE = {
    **{f"hyphen as {name}": _swap("-", sign) for name, sign in {**_BETWEEN, "slash": "/"}.items()},
    "grouped": lambda d: f"{d[:-5]} {d[-5:-2]} {d[-2:]}" if len(d) > 10 else f"{d[:-4]} {d[-4:-2]} {d[-2:]}",
    "grouped no-break": lambda d: f"{d[:-4]}\u00a0{d[-4:-2]}\u00a0{d[-2:]}",
    "+46": lambda d: f"+46 {d[1:]}", "0046": lambda d: f"0046{d[1:].replace('-', '')}",
    "+46 (0)": lambda d: f"+46 (0){d[1:]}", "46": lambda d: f"46{d[1:].replace('-', '')}",
    "glued": _form("tel:{}"), "odd full-width": _wide, "odd zero-width": _pierced("\u200b"),
    "area in parentheses": lambda d: "({}) {}".format(*d.split("-")),
}  # fmt: skip
_FOREIGN = {
    "plain": str, "no separator": lambda d: "+" + digits_of(d), "00": lambda d: "00" + digits_of(d),
    "00 grouped": _swap("+", "00"), "no-break": _swap(" ", "\u00a0"), "dash": _swap(" ", "-"),
    "dot": _swap(" ", "."), "odd full-width": _wide, "odd zero-width": _pierced("\u200b"),
}  # fmt: skip
_CARD = {
    **{f"by four {name}": _grouped((4, 4, 4), sign) for name, sign in _BETWEEN.items()},
    "slash": _grouped((4, 4, 4), "/"), "comma": _grouped((4, 4, 4), ", "),
    **{f"glued by {sign}": _form(f"kortnr{sign}{{}}") for sign in (":", ",", "")},
    **{f"odd {name}": spell for name, spell in _ODD.items()},
}  # fmt: skip
_AMEX = {name: _grouped((4, 6), sign) for name, sign in _BETWEEN.items()}


def _parted(clearing: str, between: str, group: str | None = None) -> Spelling:
    def spell(account: str) -> str:
        first, rest = account.split("-")
        shown = rest if group is None else group.join(rest[i : i + 3] for i in range(0, len(rest), 3))
        return clearing + first + between + shown

    return spell


_WORDS_OF_ACCOUNTS = ["konto ", "kontonr ", "Kontonummer: ", "mitt konto ", "kontonr:", "bankkonto ", "kto ", "k-nr ",
                      "clearing ", "clearingnr ", "cl.nr ", "lönekonto: ", "sparkontot ", "konto nr ",
                      "bankkontot i Swedbank ", "konto i Handelsbanken: ", "Nordea ", "SEB ",
                      "konto hos SEB "]  # fmt: skip
_ACCOUNT = {
    **{f"{word.strip()} {name}": _parted(word, sign) for word in _WORDS_OF_ACCOUNTS
       for name, sign in (("dash", "-"), ("space", " "))},
    **{f"konto {name}": _parted("konto ", sign, group) for name, sign, group in (
        ("comma", ", ", None), ("groups", " ", " "), ("dash and groups", "-", " "), ("dots", "-", "."),
        ("en dash", "–", None), ("thin", "\u2009", "\u2009"), ("no separator", "", None), ("line break", "\n", " "))},
    "in two": _parted("clearing ", " kontonummer "), "and": _parted("clearingnr ", " och konto ", " "),
    "in two, colon": _parted("Clearing: ", ", konto: "), "in two lines": _parted("Clearingnr: ", "\nKontonr: "),
    "in parentheses": _form("kontot ({})"), "full-width": _after(_wide, _form("konto {}")),
    "zero-width": _after(_pierced("\u200b"), _form("konto {}")), "keycaps": _after(_keycaps, _form("konto {}")),
}  # fmt: skip


def _pairs(digits: str) -> str:
    """As a plusgiro is printed: pairs from the right, the check digit after a hyphen."""
    number = digits[:-1]
    first = len(number) % 2
    pairs = [number[:first], *(number[i : i + 2] for i in range(first, len(number), 2))]
    return " ".join(p for p in pairs if p) + "-" + digits[-1]


def _hyphened(digits: str) -> str:
    return f"{digits[:-4]}-{digits[-4:]}"


_PLUSGIRO = {f"{word.strip()} {name}": _after(spell, _form(word + "{}"))
             for word in ("pg ", "PG: ", "plusgiro ", "Plusgironr ", "postgiro ", "plusgirot ", "pg:", "plusgirokonto ")
             for name, spell in (("plain", str), ("pairs", _pairs), ("hyphen", _split(-1, "-")),
                                 ("thin", _after(_pairs, _swap(" ", "\u2009"), _swap("-", "–"))))}  # fmt: skip
_BANKGIRO = {f"{word.strip()} {name}": _after(spell, _form(word + "{}"))
             for word in ("bg ", "BG: ", "bankgiro ", "Bankgironr ", "bankgirot ", "bg:", "bankgironummer ")
             for name, spell in (("plain", str), ("hyphen", _hyphened), ("space", _after(_hyphened, _swap("-", " "))),
                                 ("en dash", _after(_hyphened, _swap("-", "–"))))}  # fmt: skip
_SWISH = {f"{word.strip()} {name}": _after(spell, _form(word + "{}"))
          for word in ("swish ", "Swish: ", "swishnummer ", "swishade till ", "swishnr:")
          for name, spell in (("plain", str), ("3-3-2-2", _grouped((3, 3, 2), " ")), ("3-7", _grouped((3,), "-")),
                              ("3-3-4", _grouped((3, 3), "\u00a0")))}  # fmt: skip
_IBAN = {
    **{f"by four {name}": _grouped((4, 4, 4, 4, 4), sign) for name, sign in {**_SPACES, "dash": "-", "": ""}.items()},
    "small letters": str.lower, "line break": _grouped((12,), "\n"), "glued": _form("iban:{}"),
    "in brackets": _form("({})"), "odd full-width": _wide, "odd zero-width": _pierced("\u200b"),
    "dots": _grouped((4, 4, 4, 4, 4), "."), "en dashes": _grouped((4, 4, 4, 4, 4), "–"),
}  # fmt: skip
_EMAIL = {
    "plain": str, "capitals": str.upper,
    **{f"at as {sign}": _swap("@", sign) for sign in (
        " @ ", "(at)", "[at]", " (at) ", " [at] ", "{at}", "＠", "(a)", "@\n", " snabel-a ", "(snabel-a)", "\n@",
        "\u00a0@\u00a0", "\u2009@\u2009", "﹫", " @", "@ ")},
    "spaced dots": lambda e: e.replace("@", " @ ").rpartition(".")[0] + " . " + e.rpartition(".")[2],
    "word dots": lambda e: e.replace("@", " (at) ").rpartition(".")[0] + " punkt " + e.rpartition(".")[2],
    "english": lambda e: e.replace("@", "[at]").rpartition(".")[0] + "[dot]" + e.rpartition(".")[2],
    **{f"glued by {sign}": _form(f"mejl{sign}{{}}") for sign in (":", ",", ":\n")},
    "mailto": _form("<mailto:{}>"), "brackets": _form("({})"), "angle brackets": _form("<{}>"),
    "zero-width": _pierced("\u200b"), "soft hyphen": lambda e: e[:4] + "\u00ad" + e[4:],
    "full-width": _wide,
}  # fmt: skip
_NAME = {
    **{f"{word}": _form(f"{word} {{}}") for word in (
        "Mvh", "mvh", "MVH", "Mvh,", "/", "//", "Hälsningar", "Hälsningar,", "Med vänlig hälsning", "Vänligen",
        "Med vänliga hälsningar,", "Vänliga hälsningar", "Hälsar", "Bästa hälsningar", "Hälsn.", "Högaktningsfullt",
        "M.v.h", "Hälsning", "Allt gott", "Varma hälsningar", "Jag heter", "Mitt namn är", "Undertecknat")},
    **{f"{word} small": _after(str.lower, _form(f"{word} {{}}")) for word in ("mvh", "med vänlig hälsning,", "mvh/")},
    "next line": _form("Mvh\n{}"), "two lines": _form("Med vänlig hälsning,\n\n{}"),
}  # fmt: skip

_KINDS: dict[str, tuple[Callable[[random.Random], str], dict[str, Spelling]]] = {
    "personnummer": (_personal, _PERSONAL),
    "telefon:mobile": (_mobile, _MOBILE),
    "telefon:landline": (_landline, _LANDLINE),
    "telefon:foreign": (_foreign, _FOREIGN),
    "kort": (_card, _CARD),
    "kort:amex": (_amex, _AMEX),
    "konto": (_account, _ACCOUNT),
    "konto:plusgiro": (_plusgiro, _PLUSGIRO),
    "konto:bankgiro": (_bankgiro, _BANKGIRO),
    "konto:swish": (_swish, _SWISH),
    "iban": (_iban, _IBAN),
    "e-post": (_email, _EMAIL),
    "namn": (_name, _NAME),
}
