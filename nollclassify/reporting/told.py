"""What a page tells beside its figures: the customers' words, what rose, measures, candidates, repeated matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from nollclassify.ledger import ALL_PRODUCTS, FEW_PRODUCTS, Ledger
from nollclassify.reporting.candidates import Candidate
from nollclassify.reporting.effects import FELL, ROSE, TOO_FEW, Effect
from nollclassify.reporting.estimates import PLAIN
from nollclassify.reporting.figures import earlier_months
from nollclassify.reporting.language import Language
from nollclassify.reporting.lookup import Figure, Lookup, interval, say
from nollclassify.reporting.measures import Measure
from nollclassify.reporting.quotations import excerpt, quotations
from nollclassify.reporting.summary import certain, is_shown
from nollclassify.reporting.words import new_words

_MOST_ALARMS, _EXAMPLES = 10, 3
# Quotations a cause, and the complaints that are looked at for them: masking them is what a page takes its time for.
_QUOTATIONS, _POOL = 5, 150
_PRODUCT_QUOTATIONS, _PRODUCT_POOL = 3, 60


@dataclass(frozen=True)
class Told:
    """Sentences and lists of one page, ready to be shown.

    Attributes:
        quotations: cause id -> quotations, the most typical first.
        words: cause id -> the words that set it apart.
        alarms: what rose, and what is new in its words (may be empty).
        measures: title and sentences of each measure; None where the page does not tell of measures.
        candidates: heading and examples of each candidate for a new cause; None where the page does not tell of them.
        repeats: sentences on copies and chains.
    """

    quotations: Mapping[str, Sequence[str]]
    words: Mapping[str, Sequence[str]]
    alarms: Sequence[tuple[str, str]]
    measures: Sequence[tuple[str, Sequence[str]]] | None
    candidates: Sequence[tuple[str, Sequence[str]]] | None
    repeats: Sequence[str]


def spoken(look: Lookup, month: str, product: str, cases: pd.DataFrame) -> dict[str, list[str]]:
    """Quotations for each cause whose figure is shown; `cases` are those of the page's month and product."""
    most, pool = (_QUOTATIONS, _POOL) if product == ALL_PRODUCTS else (_PRODUCT_QUOTATIONS, _PRODUCT_POOL)
    found = {}
    for cause, part in cases.groupby("primary"):
        row = look.get(month, product, "primary", str(cause))
        if row and row.shown:
            found[str(cause)] = [quotation.text for quotation in quotations(part, most, pool)]
    return found


def telling(look: Lookup, month: str, words: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Of the words that set the causes of the month apart, those of causes that are shown."""
    return {c: w for c, w in words.items() if (row := look.get(month, ALL_PRODUCTS, "primary", c)) and row.shown}


# --- what rose ---------------------------------------------------------------------------------------------------


def risen(look: Lookup, month: str) -> list[Figure]:
    """The changes against the month before (else the year before) that rose for certain, the surest first."""
    products = look.products[month]
    for figure in earlier_months(month):
        rows = [
            r
            for p in products
            if p != FEW_PRODUCTS
            for c in look.causes(month, p)
            if (r := look.get(month, p, figure, c))
        ]
        if rows:
            sure = [r for r in rows if certain(r) and r.low > 1 and is_shown(look, r, month)]
            return sorted(sure, key=lambda r: (r.product != ALL_PRODUCTS, r.q, r.product, r.cause))
    return []


def alarms(
    rows: Sequence[Figure],
    look: Lookup,
    cases: pd.DataFrame,
    names: Mapping[str, str],
    language: Language,
    min_cell: int,
) -> list[tuple[str, str]]:
    """A sentence for each change that rose, and what is new in the words of its complaints."""
    said = []
    for row in rows[:_MOST_ALARMS]:
        values = {"cause": names[row.cause], "product": language.product(row.product), "before": language.month(row.of)}
        now = look.get(row.month, row.product, "primary", row.cause)
        if row.shown:
            sentence = language("alarm", ratio=say(row, language), interval=interval(row, language), **values)
        else:
            count = say(now, language) if now else ""
            sentence = language("alarm_from_few", count=count, **values)
        here = cases if row.product == ALL_PRODUCTS else cases[cases["product"] == row.product]
        risen_ones = here[(here["month"] == row.month) & (here["primary"] == row.cause)]
        # Against all complaints of then: of a cause that hardly was there, there are no words to compare with.
        words = new_words(risen_ones, here[here["month"] == row.of], max(min_cell, 5))
        said.append(
            (sentence, language("alarm_words", words=", ".join(words), before=values["before"]) if words else "")
        )
    return said


# --- measures, candidates, repeated matters ------------------------------------------------------------------------


def measured(
    effect: Effect, names: Mapping[str, str], language: Language, min_cell: int, models: Mapping[str, frozenset[str]]
) -> tuple[str, list[str]]:
    """A title and the sentences of a measure; `models` has the versions that labelled each month."""
    said = _measure_sentences(effect, language, min_cell)
    versions = frozenset().union(*(models[month] for side in effect.months for month in side))
    if effect.measure.cause and effect.method == PLAIN and len(versions) > 1:
        said.append(language("m_models"))
    return _measure_title(effect.measure, names, language), said


def not_yet(measure: Measure, names: Mapping[str, str], language: Language) -> tuple[str, list[str]]:
    """The same for a measure that has no months on both sides."""
    return _measure_title(measure, names, language), [language("m_not_yet")]


def _measure_title(measure: Measure, names: Mapping[str, str], language: Language) -> str:
    product = measure.product or language.product(ALL_PRODUCTS)
    cause = names.get(measure.cause, "") or language("every_cause")
    return language("m_title", day=measure.day.isoformat(), action=measure.text, product=product, cause=cause)


def _measure_sentences(effect: Effect, t: Language, min_cell: int) -> list[str]:
    said = [_verdict(effect, t, min_cell), _sides(effect, t)]
    certain_one = effect.verdict in (FELL, ROSE)
    if effect.power is not None and not certain_one:
        said.append(t("m_power", power=t.number(100 * effect.power)))
    if effect.smallest_fall is not None and not certain_one:
        said.append(t("m_smallest", fall=t.percent(effect.smallest_fall, 0)))
    if effect.warning:
        said.append(t("m_warning", words=", ".join(effect.words)))
    if effect.placebos[1] and certain_one:
        said.append(t("m_placebos", n=effect.placebos[0], of=effect.placebos[1]))
    if effect.overlapping:
        said.append(t("m_overlapping", others="; ".join(m.text for m in effect.overlapping)))
    if effect.measure.owner:
        said.append(t("m_owner", owner=effect.measure.owner))
    return said


def _verdict(effect: Effect, t: Language, min_cell: int) -> str:
    if effect.verdict == TOO_FEW:
        return t("m_few")
    if effect.touched is None and effect.cases == (None, None):
        return t({FELL: "m_fell_hidden", ROSE: "m_rose_hidden"}.get(effect.verdict, "m_open_hidden"))
    counts = [t("under", least=min_cell) if n is None else t.count(round(n, 1)) for n in effect.cases]
    verdict = t({FELL: "m_fell", ROSE: "m_rose"}.get(effect.verdict, "m_open"), before=counts[0], after=counts[1])
    change = effect.difference or effect.touched
    if change is None or change.ratio != change.ratio:
        return verdict
    ends = t.between(t.number(change.low, 2), t.number(change.high, 2))
    against = t("m_against_others") if effect.difference else t("m_against_before")
    return f"{verdict} {t('m_ratio', against=against, ratio=t.number(change.ratio, 2), interval=ends)}"


def _sides(effect: Effect, t: Language) -> str:
    """The months of both sides with what was sold in them: an effect of the exposure must be seen to be one."""
    sides = []
    for months, exposure in zip(effect.months, effect.exposure, strict=True):
        per = t("m_exposure", n=t.number(exposure, 2)) if effect.per == "purchases" else ""
        sides.append(t.listed([t.month(month) for month in months]) + per)
    return t("m_months", before=sides[0], after=sides[1])


def proposed(
    found: Sequence[Candidate], cases: pd.DataFrame, language: Language, min_cell: int
) -> list[tuple[str, list[str]]]:
    """A heading and a few examples for each candidate for a new cause; `cases` are those its members point into."""
    said = []
    for candidate in found:
        heading = language("candidate", words=", ".join(candidate.words), n=language.number(candidate.cases))
        # Of fewer than may be shown before, the ratio would tell how many.
        if candidate.growth and (candidate.before or 0) >= min_cell:
            ends = (language.number(candidate.growth.low, 1), language.number(candidate.growth.high, 1))
            ratio = language.number(candidate.growth.ratio, 1)
            heading += language("candidate_growth", ratio=ratio, interval=language.between(*ends))
        texts = [excerpt(cases["text"].iloc[i]) for i in candidate.members[:30]]
        said.append((heading, list(dict.fromkeys(text for text in texts if text))[:_EXAMPLES]))
    return said


def repeated(ledger: Ledger, month: str, names: Mapping[str, str], language: Language, min_cell: int) -> list[str]:
    """Sentences on copies that were not counted, and on complaints about waiting that continue an earlier one."""
    said = []
    copies = ledger.duplicates[ledger.duplicates["month"] == month]
    if len(copies):
        n = language.number(len(copies)) if len(copies) >= min_cell else language("under_capital", least=min_cell)
        said.append(language("copies", n=n))
    here = ledger.cases[(ledger.cases["month"] == month) & (ledger.cases["first_case"] != "")]
    if 0 < len(here) < min_cell:
        said.append(language("repeats_few", least=min_cell))
    elif len(here):
        said.append(language("repeats", n=language.number(len(here))))
        primary = ledger.cases.drop_duplicates("case_id").set_index("case_id")["primary"]
        began = here["first_case"].map(primary).value_counts()
        causes = [f"{names[str(c)]} ({n})" for c, n in began.items() if n >= min_cell and c in names]
        if causes:
            said.append(language("repeats_first", causes=language.listed(causes)))
    return said
