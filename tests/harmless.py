"""Numbers that are nobody's, made by chance, in sentences as customers and agents write them: nothing is to mask."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import date, timedelta

from tests.carriers import HARMLESS

Make = Callable[[random.Random], str]


def _filled(form: str) -> Make:
    """Every # of the form is a digit, and the first of a number is no zero."""

    def make(rng: random.Random) -> str:
        before = ""
        for sign in form:
            first = not before[-1:].isdigit()
            before += str(rng.randrange(int(first), 10)) if sign == "#" else sign
        return before

    return make


def _amount(form: str) -> Make:
    def make(rng: random.Random) -> str:
        kronor = rng.choice([rng.randrange(20, 1000), rng.randrange(1000, 20_000), rng.randrange(20_000, 3_000_000)])
        return form.format(kronor, f"{kronor:,}".replace(",", " "), f"{kronor:,}".replace(",", "."), rng.randrange(100))

    return make


def _day(form: str) -> Make:
    def make(rng: random.Random) -> str:
        day = date(2017, 1, 1) + timedelta(days=rng.randrange(1500))
        later = day + timedelta(days=rng.randrange(1, 60))
        return form.format(day, later, f"{day.day}/{day.month}", f"{later.day}/{later.month}")

    return make


def _hours(form: str) -> Make:
    def make(rng: random.Random) -> str:
        minutes = ["00", "15", "30", "45"]
        start, end = rng.randrange(7, 11), rng.randrange(14, 22)
        return form.format(f"{start:02d}", rng.choice(minutes), f"{end:02d}", rng.choice(minutes))

    return make


# Every # is a digit; the braces are filled by the makers above.
_FILLED = {
    "order": """#####|######|#######|########|#########|############|W########|###-#######|#######-##|SO-######|20#####
        |### ### ###|####-####""",
    "case": "#####|######|########|CAS-#######-#####|#########|K-######-##|INC########|####/##|20##-4711",
    "article": """73###########|#############|####-####|###.###.##|A######|######-##|GTX ####|######|#######|SN########
        |##-###-####""",
    "parcel": """0037071#############|00373###############|UA#########SE|RR#########SE|LX #########CN|###########
        |JJSE###########|CG ### ### ### SE|1Z###A########|PBRB##########""",
    "place": """### ## Borås|#####  Umeå|Storgatan ##, ### ## Solna|S-### ## Lund|Box ###, ### ## Kalmar
        |Ringvägen ##B lgh 1###, ### ##""",
    "other": """#,# %|##,## %|# av 10|# till ##|##.#.#####.###|#.#.##|# eller #, kanske #, ##|3 st, 2 st och # st
        |1#-2# grader|##x###x### cm|192.168.#.##|1, 2, 3, 4, 5, 6, 7|#####-##### kr|## ### av ## ###""",
}
_AMOUNTS = """{0} kr|{1} kr|{1} kronor|{0}:-|{1}:-|{2} kr|{1},{3:02d} kr|{0},{3:02d} kr|{0}.{3:02d} SEK|SEK {1}|{0}kr
    |{1}\u00a0kr|{0} sek|{1} kr + 49 kr + 60 kr|ca {1} kr|{1} kr plus 195 kr i avgift och 60 kr i påminnelse|{0} spänn
    |{1}–{1} kr"""
_DAYS = """{0:%Y-%m-%d}|{0:%y%m%d}|{0:%Y%m%d}|{2}|{2} {0:%Y}|{0:%d.%m.%Y}|{0:%d/%m/%Y}|{0:%Y-%m-%d} {1:%Y-%m-%d}
    |{0:%Y-%m-%d}–{1:%Y-%m-%d}|{2}-{3}|{0:%Y-%m-%d} kl 10.15|{0:%Y-%m-%d} 10:15|{0:%y%m%d}-{1:%y%m%d}|{0:%d %m %Y}
    |{0:%Y-%m-%d}, {1:%Y-%m-%d} och {0:%Y-%m-%d}|{0:%Y-%m-%d}, 1249 kr,|{0:%Y-%m-%d} 2 495 kr|{0:%y%m%d} och {1:%y%m%d}
    |vecka {0:%V} {0:%Y}"""
_TIMES = """{0}:{1}-{2}:{3}|{0}.{1}-{2}.{3}|{0}.{1}–{2}.{3}|{0}:{1} - {2}:{3}|{0}-{2}|{0}{1}-{2}{3}|kl {0}.{1}
    |mån-fre {0}.{1}-{2}.{3}, lör 10.00-14.00|{0}.{1}-{2}.{3}, {0}.{1}-14.00|{0}:{1}, {2}:{3} och 20:30
    |mellan {0} och {2}|vardagar {0}:{1} – {2}:{3} och söndagar 11:00 – 15:00|{0}.{1} till {2}.{3} varje dag"""


def _forms() -> Iterator[tuple[str, Make]]:
    makers = [("amount", _amount, _AMOUNTS), ("date", _day, _DAYS), ("time", _hours, _TIMES)]
    for kind, maker, forms in [*((kind, _filled, forms) for kind, forms in _FILLED.items()), *makers]:
        yield from ((kind, maker(form.strip())) for form in forms.split("|"))


def harmless(n_each: int = 20, seed: int = 0) -> list[tuple[str, str]]:
    """Kind and text: `n_each` of every form of every kind."""
    rng = random.Random(seed)
    return [(kind, rng.choice(HARMLESS[kind]).format(make(rng))) for kind, make in _forms() for _ in range(n_each)]
