"""What a month of labelled files says, worked out anew: formulas, reading, and the estimates of its parts."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pandas as pd
from scipy import stats

ALL, FEW, MISSING, UNDATED = "Alla produkter", "Produkter med få klagomål", "Produkt saknas", "utan datum"
CAUSES = {
    "invoice_before_delivery": "faktura före leverans",
    "cancelled_event_or_trip": "inställt evenemang eller resa",
    "campaign_backlash": "kampanjkritik",
    "naming_confusion": "namnförväxling",
    "wait_time": "väntetid",
    "other": "övrigt",
}
RENAMED = {"klarna konto": "Delbetalningskonto"}
PRODUCTS = (
    *("Faktura", "Delbetalningskonto", "Automatisk betalning", "Appen", "Kort", "Månadsfaktura", "Engångskort"),
    "Sparkonto",
)
AUTHORITIES = (
    *("myndighet", "konsumentverket", "arn", "allmänna reklamationsnämnden", "finansinspektionen"),
    *("datainspektionen", "imy", "integritetsskyddsmyndigheten", "hallå konsument", "konsumentvägledare", "authority"),
)
SOCIAL = (
    *("sociala medier", "social media", "appbutik", "app store", "recensionssajt", "review site", "recension"),
    *("facebook", "instagram", "twitter", "trustpilot"),
)
KIND_NAMES = {"own": "Egen kundtjänst", "authority": "Myndighet", "social": "Sociala medier"}
COUNTED_SOURCES = {"1": {"own", "authority"}, "2": {"own", "authority", "social"}}
FORMAL_SOURCES, OPINIONS = {"own", "authority"}, {"campaign_backlash"}
FIGURES = {
    "cases": "klagomål",
    "rate_all": "klagomål per miljon köp",
    "purchases": "köp",
    "primary": "klagomål med huvudorsaken",
    "share": "andel av klagomålen",
    "rate": "per miljon köp",
    "mentioned": "nämns i",
    "mentioned_share": "nämns i andel",
    "formal": "formella klagomål",
    "formal_rate": "formella klagomål per miljon köp",
    "ratio_month": "gånger så många som månaden före",
    "ratio_year": "gånger så många som samma månad året före",
    "channel": "per kanal",
    "channel_share": "andel per kanal",
    "source": "per källa",
    "source_share": "andel per källa",
}
DIGITS = defaultdict(lambda: 2, primary=1, mentioned=1, formal=1, share=3, mentioned_share=3, channel_share=3)
# Mentions are at least as many as the primary ones, which are rounded so.
ADDED_UP = {"primary", "share", "rate", "channel_share", "source_share", "mentioned", "mentioned_share"}
MIN_CELL = [5]  # below this many nothing is shown; an option changes it
OWN_AUDIT = 20  # a product with as many audited complaints is corrected by its own
Z = stats.norm.ppf(0.975)
Cell = tuple[str, str, str, str, str]  # month, product, cause, figure, of


# --- formulas ------------------------------------------------------------------------------------------------------


def wilson(share: float, n: float) -> tuple[float, float]:
    """Roots of (share - p)^2 = z^2 p (1 - p) / n."""
    a, b, c = 1 + Z**2 / n, -(2 * share + Z**2 / n), share**2
    root = math.sqrt(max(b * b - 4 * a * c, 0))
    return max((-b - root) / (2 * a), 0.0), min((-b + root) / (2 * a), 1.0)


def garwood(count: float) -> tuple[float, float]:
    """Exact 95 % limits of a Poisson mean, as quantiles of gamma."""
    return (stats.gamma.ppf(0.025, count) if count > 0 else 0.0), stats.gamma.ppf(0.975, count + 1)


def clopper_pearson(k: float, m: float) -> tuple[float, float]:
    """Exact limits of a binomial share, k of k + m."""
    low = stats.beta.ppf(0.025, k, m + 1) if k > 0 else 0.0
    return low, (stats.beta.ppf(0.975, k + 1, m) if m > 0 else 1.0)


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    """The least level at which each would be rejected."""
    order = sorted(range(len(p)), key=lambda i: -p[i])
    adjusted, least = [0.0] * len(p), 1.0
    for place, i in enumerate(order):
        least = min(least, p[i] * len(p) / (len(p) - place))
        adjusted[i] = least
    return adjusted


@dataclass
class Estimate:
    """Share of one cause among `n` complaints, how many it is worth, and which part of them was not audited."""

    share: float
    worth: float
    n: int
    unaudited: float = 0.0

    @property
    def limits(self) -> tuple[float, float]:
        low, high = wilson(self.share, self.worth)
        low = min(low, self.share)
        if self.unaudited and self.share > 0:
            # Wilson's lower end gives way to Jeffreys' where that is lower, by as much as is not known.
            jeffreys = stats.beta.ppf(0.025, self.count_of_worth + 0.5, self.worth - self.count_of_worth + 0.5)
            low -= self.unaudited * max(low - jeffreys, 0.0)
        return low, max(high, self.share)

    @property
    def count_of_worth(self) -> float:
        return self.share * self.worth

    @property
    def count(self) -> float:
        return self.share * self.n

    def equivalent(self) -> tuple[float, float]:
        """A Poisson count with the estimated count's coefficient of variation; and by what it is to be divided.

        The count is N x share with N Poisson: squared, its coefficient is 1/N + (1 - share)/(share worth).
        """
        if not self.share:
            # The limit of the formula, as the share goes to nothing.
            return 0.0, self.worth / self.n
        effective = 1 / (1 / self.n + (1 - self.share) / (self.share * self.worth))
        return effective, effective / self.count

    @property
    def count_limits(self) -> tuple[float, float]:
        effective, per = self.equivalent()
        low, high = garwood(effective)
        return low / per, high / per


# --- reading -------------------------------------------------------------------------------------------------------


def read_rows(path: Path, sheet: str | None = None) -> list[dict[str, object]]:
    """Rows by folded heading, of a sheet or a CSV file."""
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path, read_only=True)
        cells = [list(row) for row in (book[sheet] if sheet else book.worksheets[0]).iter_rows(values_only=True)]
        book.close()
    else:
        raw = path.read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252")
        cells = [list(row) for row in csv.reader(text.splitlines(keepends=True), delimiter=";")]
    head = [str(cell or "").strip().casefold() for cell in cells[0]]
    return [{h: "" if v is None else v for h, v in zip(head, row, strict=False)} for row in cells[1:]]


def first_of(row: Mapping[str, object], *names: str) -> str:
    for name in names:
        if name in row:
            value = row[name]
            return (
                (value.date() if isinstance(value, datetime) else value).isoformat()
                if isinstance(value, date)
                else str(value)
            )
    return ""


def product_name(written: str) -> str:
    folded = " ".join(written.casefold().split())
    known = {name.casefold(): name for name in PRODUCTS} | RENAMED
    return known.get(folded, written.strip()) or MISSING


def source_kind(source: str, channel: str) -> str:
    folded = " ".join((source.strip() or channel.strip()).casefold().split())
    return "authority" if folded in AUTHORITIES else "social" if folded in SOCIAL else "own"


def cause_ids(written: str) -> list[str]:
    by_name = {name: cause for cause, name in CAUSES.items()} | {cause: cause for cause in CAUSES}
    return [by_name[" ".join(part.casefold().split())] for part in re.split(r"[;,|\n]", written) if part.strip()]


def read_complaints(paths: Sequence[Path], copies: Mapping[str, str], definition: str) -> pd.DataFrame:
    """The complaints that the definition counts, once each."""
    found = []
    for place, path in enumerate(paths):
        seen: set[str] = set()
        for row in read_rows(path):
            if not first_of(row, "klagomål", "text").strip():
                continue
            case = first_of(row, "ärende", "case_id", "id").strip()
            if case in seen:
                continue  # refused: the number stands in the file already
            seen.add(case)
            named = cause_ids(first_of(row, "causes", "orsaker"))
            main = cause_ids(first_of(row, "primary_cause", "huvudorsak"))
            ordered = list(dict.fromkeys([*(c for c in main if c in named), *named])) or ["other"]
            day, channel = first_of(row, "datum", "received").strip()[:10], first_of(row, "kanal", "channel").strip()
            source = source_kind(first_of(row, "källa", "source"), channel)
            product = product_name(first_of(row, "produkt", "product"))
            counted = source in COUNTED_SOURCES[definition]
            found.append((case, copies.get(case, case), day, product, channel, source, ordered, counted, place))
    names = ["case", "matter", "day", "product", "channel", "source", "causes", "counted", "place"]
    rows = pd.DataFrame(found, columns=names)
    rows["month"] = rows["day"].str[:7].where(rows["day"] != "", UNDATED)
    rows["main"] = rows["causes"].str[0]
    rows["order"] = rows["day"].replace("", "9999")
    rows = rows.sort_values(["counted", "order", "case", "place"], ascending=[False, True, True, True])
    # What was posted first and sent in later is formal: the first formal copy tells the source.
    formal = rows[rows["source"].isin(FORMAL_SOURCES)].groupby("matter", sort=False)["source"].first()
    kept = rows[rows["counted"] & (rows["case"] == rows["matter"])].drop_duplicates("matter")
    own = kept["source"].isin(FORMAL_SOURCES)
    return kept.assign(source=kept["source"].where(own, kept["matter"].map(formal).fillna(kept["source"])))


def read_purchases(path: Path | None) -> dict[tuple[str, str], int]:
    bought: Counter[tuple[str, str]] = Counter()
    for row in read_rows(path) if path else ():
        number = re.sub(r"\s", "", first_of(row, "köp", "purchases"))
        if number:
            month, product = first_of(row, "månad", "month")[:7], product_name(first_of(row, "produkt", "product"))
            bought[month, product] += int(float(number.replace(",", ".")))
            bought[month, ALL] += int(float(number.replace(",", ".")))
    return dict(bought)


@dataclass
class Audit:
    """The stratum of every complaint of a month, and the answers, main cause first."""

    stratum: dict[str, str] = field(default_factory=dict)
    answers: dict[str, list[str]] = field(default_factory=dict)


def read_audits(paths: Iterable[Path]) -> dict[str, Audit]:
    found: dict[str, Audit] = {}
    for path in paths:
        frame = read_rows(path, "ram")
        audit = found.setdefault(first_of(frame[0], "månad"), Audit())
        audit.stratum = {first_of(row, "ärende"): first_of(row, "stratum") for row in frame}
        for row in read_rows(path, "granskning"):
            given = [c for name in ("huvudorsak", "orsak 2", "orsak 3") for c in cause_ids(first_of(row, name))]
            if given:
                audit.answers[first_of(row, "ärende")] = list(dict.fromkeys(given))
    return found


# --- estimates -----------------------------------------------------------------------------------------------------


class Month:
    """One month's complaints, counted or, where audited, estimated by strata."""

    def __init__(self, cases: pd.DataFrame, audit: Audit | None) -> None:
        sizes = Counter(cases["product"])
        few = {p for p, n in sizes.items() if n < MIN_CELL[0]}
        if 0 < sum(sizes[p] for p in few) < MIN_CELL[0] and len(few) < len(sizes):
            # Too few together: the next smallest product joins them.
            few.add(min(sizes.keys() - few, key=lambda p: (sizes[p], p)))
        self.cases = cases.assign(product=[FEW if p in few else p for p in cases["product"]])
        self.audit = audit
        if audit:
            answered = self.cases[self.cases["case"].isin(audit.answers)]
            by_product = answered["product"].value_counts()
            group = [p if by_product.get(p, 0) >= OWN_AUDIT else "" for p in self.cases["product"]]
            stratum = [audit.stratum.get(c, m) for c, m in zip(self.cases["case"], self.cases["main"], strict=True)]
            self.cases = self.cases.assign(group=group, stratum=stratum)
            self.answered = self.cases[self.cases["case"].isin(audit.answers)]

    @property
    def products(self) -> list[str]:
        return [ALL, *sorted(set(self.cases["product"]))]

    def part(self, product: str) -> pd.DataFrame:
        return self.cases if product == ALL else self.cases[self.cases["product"] == product]

    def n_audited(self, part: pd.DataFrame) -> int:
        return int(part["case"].isin(self.audit.answers).sum()) if self.audit else 0

    def estimate(self, part: pd.DataFrame, wanted: set[str], mentions: bool = False, plain: bool = False) -> Estimate:
        """The share of complaints whose main cause is wanted (or that mention one that is)."""
        n = len(part)
        if not self.audit or plain:
            hits = sum(bool(wanted & set(c if mentions else c[:1])) for c in part["causes"])
            return Estimate(hits / n if n else 0.0, float(max(n, 1)), n)
        answers = self.audit.answers

        def has(case: str) -> bool:
            return bool(wanted & set(answers[case] if mentions else answers[case][:1]))

        share = smooth = square = within = 0.0
        for (group, stratum), rows in part.groupby(["group", "stratum"]):
            alike = self.answered[self.answered["stratum"] == stratum]
            here = alike[alike["group"] == group]
            weight, drawn, hits = len(rows) / n, len(here), sum(map(has, here["case"]))
            if drawn:
                level = hits / drawn
            elif len(alike):
                level = sum(map(has, alike["case"])) / len(alike)
            else:
                level = float(stratum in wanted)
            # For the variance, half a case of each kind is added (Jeffreys).
            drawn_in = (hits + 0.5) / (drawn + 1)
            share += weight * level
            smooth += weight * drawn_in
            square += weight * drawn_in**2
            within += weight**2 * drawn_in * (1 - drawn_in) / max(drawn, 1)
        if not n:
            return Estimate(0.0, 1.0, 0)
        variance = within + (square - smooth**2) / n
        worth = min(smooth * (1 - smooth) / max(variance, 1e-12), n)
        return Estimate(share, worth, n, 1 - worth / n)
