"""What a busy product owner needs, in sentences: the rate against the aim, what rose, what fell, what is uncertain."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from nollclassify.ledger import NO_MONTH
from nollclassify.reporting.estimates import CORRECTED, PLAIN, SHARED
from nollclassify.reporting.figures import earlier_months
from nollclassify.reporting.language import Language
from nollclassify.reporting.lookup import Figure, Lookup, interval, say
from nollclassify.taxonomy import OTHER

# An alarm is raised, and a change called certain, at this false discovery rate over all products and causes.
CERTAIN = 0.05


def summary(
    look: Lookup,
    month: str,
    product: str,
    names: Mapping[str, str],
    aim: float | None,
    language: Language,
    min_cell: int = 5,
    undated: int = 0,
) -> list[str]:
    """The sentences at the head of a product's page (or of all products'), in order.

    Args:
        look: the tidy table.
        month, product: of the page.
        names: cause id -> name, other last.
        aim: complaints per million purchases, at most; None where there is none.
        language: of the sentences.
        min_cell: for the sentence that there are too few.
        undated: how many complaints have no date.
    """
    cases = look.get(month, product, "cases")
    if cases is None or not cases.shown:
        return [language("s_count_few", least=min_cell, when=language.when(month))]
    sentences = [language("s_count", n=language.number(cases.value), when=language.when(month))]
    sentences += _rate(look, month, product, aim, language)
    sentences += _changes(look, month, product, names, language)
    sentences += _causes(look, month, product, names, language)
    if undated and month != NO_MONTH:
        sentences.append(language("s_undated", n=language.number(undated)))
    return sentences


def _rate(look: Lookup, month: str, product: str, aim: float | None, language: Language) -> list[str]:
    rate = look.get(month, product, "rate_all")
    if rate is None:
        return [language("s_no_purchases")]
    said = [language("s_rate", rate=language.number(rate.value, 1), interval=_short(rate, language))]
    if aim is not None:
        verdict = "s_aim_over" if rate.low > aim else "s_aim_under" if rate.high <= aim else "s_aim_open"
        said.append(language(verdict, aim=language.number(aim, 0 if aim == int(aim) else 1)))
    return said


def told_of_models(
    look: Lookup,
    month: str,
    product: str,
    names: Mapping[str, str],
    models: Mapping[str, frozenset[str]],
    language: Language,
) -> list[str]:
    """That figures of a page come from several models: within a month, and between the months that are compared.

    Figures that audits correct do not depend on the model. `models` has the versions that labelled each month.
    """
    cases, primary = look.get(month, product, "cases"), look.get(month, product, "primary", OTHER)
    if cases is None or not cases.shown:
        return []
    compared = plain_changes(look, month, product, names)
    here = [month] if compared or (primary and primary.method == PLAIN) else []
    said = []
    if mixed := [language.when(m) for m in (*compared, *here) if len(models[m]) > 1]:
        said.append(language("s_models_mixed", when=language.listed(mixed)))
    others = [m for m in compared if len(models[m]) == len(models[month]) == 1 and models[m] != models[month]]
    if others:
        months = language.listed([language.month(m) for m in (*others, month)])
        said.append(language("s_models", months=months[0].upper() + months[1:]))
    return said


def plain_changes(look: Lookup, month: str, product: str, names: Mapping[str, str]) -> list[str]:
    """The earlier months, oldest first, against which changes by cause are not corrected by audits of both."""
    rows = [look.get(month, product, figure, cause) for figure in earlier_months(month) for cause in names]
    return sorted({row.of for row in rows if row and row.method == PLAIN})


def _short(row: Figure, language: Language) -> str:
    return language.between(language.number(row.low, 1), language.number(row.high, 1))


def _changes(look: Lookup, month: str, product: str, names: Mapping[str, str], language: Language) -> list[str]:
    said = []
    for figure in earlier_months(month):
        if (total := look.get(month, product, figure)) and pd.notna(total.value) and total.shown:
            per = language("per_purchases") if look.get(month, product, "rate_all") else ""
            values = {"ratio": say(total, language), "interval": interval(total, language), "per": per}
            said.append(language("s_total_change", before=language.month(total.of), **values))
    return said + _rose_and_fell(look, month, product, names, language)


def _rose_and_fell(look: Lookup, month: str, product: str, names: Mapping[str, str], language: Language) -> list[str]:
    """About the month before where it is in the files, else about the same month of the year before."""
    figure = next((f for f in earlier_months(month) if look.get(month, product, f)), None)
    if figure is None:
        return [language("no_comparison")]
    every = [row for cause in names if (row := look.get(month, product, figure, cause))]
    now = [row for row in every if is_shown(look, row, month)]
    if not any(now or is_shown(look, row, row.of) for row in every):
        return []
    before = language.month(every[0].of)
    rose = sorted((row for row in now if certain(row) and row.low > 1), key=lambda row: -row.low)
    fell = [row for row in every if certain(row) and row.high < 1]
    fell = [row for row in fell if row in now or is_shown(look, row, row.of)]
    open_ones = [names[row.cause] for row in now if not certain(row)]
    said = [_most_risen(look, rose[0], before, names, language) if rose else language("s_none_rose", before=before)]
    if len(rose) > 1:
        said.append(language("s_rose_too", causes=language.listed([names[row.cause] for row in rose[1:]])))
    fallen = {"before": before, "causes": language.listed([names[row.cause] for row in fell])}
    said.append(language("s_fell", **fallen) if fell else language("s_none_fell", before=before))
    if open_ones:
        said.append(language("s_open", before=before, causes=language.listed(open_ones)))
    return said


def is_shown(look: Lookup, row: Figure, month: str) -> bool:
    """Whether the cell of a change is shown in one of its months."""
    cell = look.get(month, row.product, "primary", row.cause)
    return cell is not None and cell.shown


def _most_risen(look: Lookup, row: Figure, before: str, names: Mapping[str, str], language: Language) -> str:
    if not row.shown:
        now = look.get(row.month, row.product, "primary", row.cause)
        count = say(now, language) if now else ""
        return language("s_rose_from_few", before=before, cause=names[row.cause], count=count)
    values = {"cause": names[row.cause], "ratio": say(row, language), "interval": interval(row, language)}
    return language("s_rose", before=before, **values)


def certain(row: Figure) -> bool:
    """Whether a change holds at the false discovery rate, and with its own interval on one side of 1."""
    if pd.isna(row.q) or row.q > CERTAIN:
        return False
    return bool(row.low > 1 or row.high < 1)


def _causes(look: Lookup, month: str, product: str, names: Mapping[str, str], language: Language) -> list[str]:
    rows = [row for cause in names if (row := look.get(month, product, "primary", cause))]
    shown = [row for row in rows if row.shown and row.cause != OTHER]
    said = []
    if shown:
        first = max(shown, key=lambda row: row.value)
        share = look.get(month, product, "share", first.cause)
        if share is not None:
            values = {"share": say(share, language), "interval": interval(share, language)}
            said.append(language("s_first", cause=names[first.cause], count=say(first, language), **values))
    if few := [names[row.cause] for row in rows if not row.shown]:
        said.append(language("s_few", causes=language.listed(few)))
    if not rows:
        return said
    said.append(how_estimated(rows[0], language))
    plain = plain_changes(look, month, product, names) if rows[0].method != PLAIN else []
    return said + [language("s_plain_changes", before=language.month(before)) for before in plain]


def how_estimated(row: Figure, language: Language) -> str:
    """Whether the figures are corrected for the classifier's errors, and by how many audited complaints."""
    key = {CORRECTED: "s_corrected", SHARED: "s_shared"}.get(row.method, "s_plain")
    return language(key, n=language.number(row.audited))
