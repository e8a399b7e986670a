"""The page of one product, or of all: what the tidy table says, as HTML that stands alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd

from nollclassify.ledger import ALL_PRODUCTS, NO_MONTH, Definition
from nollclassify.reporting.charts import Column, Dot, changes_chart, kinds_chart, months_chart
from nollclassify.reporting.coding import Coding
from nollclassify.reporting.estimates import PLAIN
from nollclassify.reporting.exposure import Exposure
from nollclassify.reporting.figures import OTHER_KINDS, earlier_months
from nollclassify.reporting.language import Language
from nollclassify.reporting.lookup import Figure, Lookup, interval, say
from nollclassify.reporting.summary import certain, summary, told_of_models
from nollclassify.reporting.told import Told
from nollclassify.taxonomy import OTHER, Taxonomy

_KINDS = {"own", "authority", "social", OTHER_KINDS}
_MOST_BARS = 12


@dataclass(frozen=True)
class Context:
    """What all pages of a report have in common.

    Attributes:
        look: the tidy table.
        month: YYYY-MM.
        names: cause id -> name in the language, other last.
        taxonomy, definition, exposure, language: as loaded.
        min_cell: below this many cases nothing is shown.
        readings: cause id -> recall and precision of the model, measured; empty where unknown.
        notes: sentences on what is not counted.
        files: names of the CSV file and the workbook.
        models: month -> versions of the models that labelled it.
        undated: complaints without a date.
        unsold: products with complaints of the month but no purchases, where there is a table of them.
        coding: which causes the months were coded by.
    """

    look: Lookup
    month: str
    names: Mapping[str, str]
    taxonomy: Taxonomy
    definition: Definition
    exposure: Exposure
    language: Language
    min_cell: int
    readings: Mapping[str, tuple[float, float]]
    notes: Sequence[str]
    files: tuple[str, str]
    models: Mapping[str, frozenset[str]]
    undated: int
    unsold: Sequence[str]
    coding: Coding


def page_name(stem: str, product: str) -> str:
    """`klagomal-2020-03.html` for all, `klagomal-2020-03-manadsfaktura.html` for a product."""
    return f"{stem}.html" if product == ALL_PRODUCTS else f"{stem}-{slug(product)}.html"


def slug(name: str) -> str:
    """A name for files: letters a to z, digits and hyphens, at most 40."""
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or "produkt"


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    # autoescape: texts, products and headings come from files that anybody may have written.
    source = (files("nollclassify") / "reporting" / "page.html").read_text("utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        source
    )


def render(context: Context, product: str, told: Told, pages: Sequence[tuple[str, str]]) -> str:
    """The HTML of one page; `pages` are names and files of all pages of the report."""
    c, t = context, context.language
    cases = c.look.get(c.month, product, "cases")
    shown = bool(cases and cases.shown)
    return str(
        _template().render(
            t=t,
            title=t("title", when=t.when(c.month), product=t.product(product)),
            summary=summary_of(c, product),
            shown=shown,
            pictures=_pictures(c, product) if shown else [],
            table=_table(c, product) if shown else None,
            matrix=_matrix(c) if product == ALL_PRODUCTS and len(c.look.products[c.month]) > 2 else None,
            told=told,
            names=c.names,
            definitions=definitions(c, product),
            made_by=t("made_by", taxonomy=c.taxonomy.version, model=_models(c), csv=c.files[0], workbook=c.files[1]),
            pages=[(t.product(name), file, name == product) for name, file in pages],
        )
    )


def _models(c: Context) -> str:
    return ", ".join(sorted(frozenset().union(*c.models.values()))) or "–"


def summary_of(context: Context, product: str) -> list[str]:
    """The sentences at the head of a page."""
    c = context
    aim = c.exposure.aims.get((c.month, product))
    undated = c.undated if product == ALL_PRODUCTS else 0
    said = summary(c.look, c.month, product, c.names, aim, c.language, c.min_cell, undated)
    said += told_of_models(c.look, c.month, product, c.names, c.models, c.language)
    said += c.coding.told(c.taxonomy, c.language)
    if c.unsold and product == ALL_PRODUCTS:
        said.append(c.language("s_unsold", products=c.language.listed([c.language.product(p) for p in c.unsold])))
    return said


def definitions(context: Context, product: str) -> list[tuple[str, str]]:
    """The terms of a page and what they mean; the workbook has those of all products."""
    c, t = context, context.language
    d, english = c.definition, c.language.english
    return [
        (t("d_definition", version=d.version), " ".join([d.text_en if english else d.text_sv, *c.notes])),
        (t("d_formal"), f"{d.formal_en if english else d.formal_sv} {_formal(c, product)}"),
        (t("d_interval"), t("d_interval_text")),
        (t("d_few"), t("d_few_text", least=c.min_cell)),
        *((c.names[x.id], x.definition_en if english else x.definition_sv) for x in c.taxonomy.causes),
        (c.names[OTHER], t("other_definition")),
    ]


def _formal(c: Context, product: str) -> str:
    t = c.language
    if product != ALL_PRODUCTS:
        return t("d_formal_all")
    row = c.look.get(c.month, product, "formal")
    if row and row.shown:
        return t("d_formal_count", month=t.month(c.month), n=say(row, t), interval=interval(row, t))
    return t("d_formal_few", month=t.month(c.month))


# --- pictures ----------------------------------------------------------------------------------------------------


def _pictures(c: Context, product: str) -> list[dict[str, str]]:
    t, found = c.language, []
    columns, per = _columns(c, product)
    names = [*c.names.values(), t("few_part")]
    what = t("y_rate" if per else "y_count")
    told = "; ".join(f"{' '.join(col.label.split())} {t.number(col.total, 1 if per else 0)}" for col in columns if col)
    found.append(
        {
            "heading": t("rates_heading"),
            "svg": months_chart(columns, names, what, t("aim")),
            "note": _months_note(c, columns),
            "alt": t("alt_rates", what=what, months=told),
        }
    )
    if series := [f for f in earlier_months(c.month) if c.look.get(c.month, product, f)]:
        rows, values = _dots(c, product, series)
        against = [t("against", month=t.month(earlier_months(c.month)[f])) for f in series]
        svg = changes_chart(rows, against, t("x_ratio" if per else "x_ratio_counts"), t("too_few"))
        found.append(
            {"heading": t("changes_heading"), "svg": svg, "note": t("arrows"), "alt": t("alt_changes", values=values)}
        )
    panels = [(t(key), _bars(c, product, figure)) for key, figure in (("channels", "channel"), ("sources", "source"))]
    told = "; ".join(f"{name} {value:.0f}" for _, bars in panels for name, value in bars)
    found.append(
        {
            "heading": t("kinds_heading"),
            "svg": kinds_chart(panels, t("x_cases")),
            "note": "",
            "alt": t("alt_kinds", values=told),
        }
    )
    return found


def _months_note(c: Context, columns: Sequence[Column | None]) -> str:
    said = [c.language("not_corrected_column")] if any(col and "*" in col.label for col in columns) else []
    said += [c.language("b_line")] if any(col and col.breaks for col in columns) else []
    return " ".join([*said, *c.coding.told(c.taxonomy, c.language)])


def _columns(c: Context, product: str) -> tuple[list[Column | None], bool]:
    """The months from a year ago to now, as rates where there are purchases, else as counts."""
    if c.month == NO_MONTH:
        return [_column(c, c.month, product, "cases", "primary")], False
    wanted = [str(pd.Period(c.month, freq="M") - back) for back in range(12, -1, -1)]
    per = c.look.get(c.month, product, "rate_all") is not None
    columns = [_column(c, m, product, *(("rate_all", "rate") if per else ("cases", "primary"))) for m in wanted]
    while columns and columns[0] is None:
        columns = columns[1:]
    return _with_breaks(c, columns, wanted[len(wanted) - len(columns) :]), per


def _with_breaks(c: Context, columns: Sequence[Column | None], months: Sequence[str]) -> list[Column | None]:
    """The columns, with a break before each that was coded by other causes than the one before it."""
    found: list[Column | None] = []
    last: list[str] = []
    for month, column in zip(months, columns, strict=True):
        coded = c.look.causes(month, ALL_PRODUCTS)
        found.append(replace(column, breaks=bool(last) and coded != last) if column else None)
        last = coded if column else last
    return found


def _column(c: Context, month: str, product: str, whole: str, part: str) -> Column | None:
    total = c.look.get(month, product, whole)
    if total is None or not total.shown:
        return None
    rows = [row for cause in c.names if (row := c.look.get(month, product, part, cause))]
    parts = {c.names[row.cause]: row.value for row in rows if row.shown}
    parts[c.language("few_part")] = round(sum(row.value for row in rows if not row.shown), 2)
    name, _, year = c.language.month(month).partition(" ")
    aim = c.exposure.aims.get((month, product)) if whole == "rate_all" else None
    methods = {row.method for m in c.look.months for row in [c.look.get(m, ALL_PRODUCTS, "primary", OTHER)] if row}
    mark = "*" if len(methods) > 1 and rows and rows[0].method == PLAIN else ""
    return Column(f"{name[:3]}{mark}\n{year}", parts, total.value, total.low, total.high, aim)


def _dots(c: Context, product: str, series: Sequence[str]) -> tuple[list[tuple[str, list[Dot | None]]], str]:
    rows, told = [], []
    for cause, name in {"": c.language("everything"), **c.names}.items():
        found = [c.look.get(c.month, product, figure, cause) for figure in series]
        if cause in c.coding.splits and not any(found):
            continue
        rows.append((name, [_dot(row) for row in found]))
        said = [
            say(row, c.language) if row and row.shown and pd.notna(row.value) else c.language("too_few")
            for row in found
        ]
        told.append(f"{name} {', '.join(said)}")
    return rows, "; ".join(told)


def _dot(row: Figure | None) -> Dot | None:
    if row is None:
        return None
    if not row.shown or pd.isna(row.value):
        return Dot(None, 0, 0)
    return Dot(row.value, row.low, row.high if pd.notna(row.high) else float("inf"))


def _bars(c: Context, product: str, figure: str) -> list[tuple[str, float]]:
    """Names and counts, largest first; what may not be shown one by one is put together at the end."""
    rows = c.look.every(c.month, product, figure)
    bars = sorted(((_kind(c, row.of), row.value) for row in rows if row.shown), key=lambda bar: (-bar[1], bar[0]))
    rest = sum(value for _, value in bars[_MOST_BARS:])
    hidden = sum(row.value for row in rows if not row.shown)
    more = [(c.language("other_kinds"), rest)] if rest else []
    return [*bars[:_MOST_BARS], *more, *([(c.language("few_part"), hidden)] if hidden else [])]


def _kind(c: Context, written: str) -> str:
    return c.language(written) if written in _KINDS else written or c.language("unknown_kind")


# --- tables ------------------------------------------------------------------------------------------------------


def _table(c: Context, product: str) -> dict[str, Any]:
    t = c.language
    cases, bought = (c.look.get(c.month, product, figure) for figure in ("cases", "purchases"))
    series = [f for f in earlier_months(c.month) if c.look.get(c.month, product, f)]
    primary = [row for cause in c.names if (row := c.look.get(c.month, product, "primary", cause))]
    plain = bool(primary) and primary[0].method == PLAIN and bool(c.readings)
    heads = [t("primary"), t("share"), *([t("rate")] if bought else []), t("mentioned")]
    heads += [t("against", month=t.month(earlier_months(c.month)[f])) for f in series]
    figures = ["primary", "share", *(["rate"] if bought else []), "mentioned", *series]
    assert cases is not None
    return {
        "caption": t(
            "table_caption",
            n=t.number(cases.value),
            purchases=t("purchases_of", n=t.number(bought.value)) if bought else "",
        ),
        "heads": [t("cause"), *heads, *([t("reading")] if plain else [])],
        "rows": [_cells(c, product, row.cause, figures, plain) for row in primary],
        "sum": _sum_row(c, product, bool(bought), series, plain),
        "note": t("reading_note") if plain else "",
    }


def _cells(c: Context, product: str, cause: str, figures: Sequence[str], plain: bool) -> list[tuple[str, str]]:
    primary = c.look.get(c.month, product, "primary", cause)
    now_shown = bool(primary and primary.shown)
    cells = [(c.names[cause], "")]
    cells += [_cell(c, c.look.get(c.month, product, figure, cause), now_shown) for figure in figures]
    if plain:
        reading = c.readings.get(cause)
        cells.append((" / ".join(c.language.percent(v, 0) for v in reading), "") if reading else ("–", ""))
    return cells


def _cell(c: Context, row: Figure | None, now_shown: bool) -> tuple[str, str]:
    """The value and, small beneath it, its interval."""
    t = c.language
    if row is None:
        return "–", ""
    if not row.shown:
        ratio = row.figure.startswith("ratio") and now_shown
        return (t("new_from_few") if ratio else t("too_few")), ""
    if pd.isna(row.value):
        return t("too_few"), ""
    sure = " ●" if row.figure.startswith("ratio") and certain(row) else ""
    return say(row, t) + sure, f"({interval(row, t)})"


def _sum_row(c: Context, product: str, bought: bool, series: Sequence[str], plain: bool) -> list[tuple[str, str]]:
    t = c.language
    figures = ["cases", "", *(["rate_all"] if bought else []), "", *series]
    cells = [(t("sum"), "")]
    for figure in figures:
        row = c.look.get(c.month, product, figure) if figure else None
        cells.append(_cell(c, row, True) if row else ("", ""))
    cells[2] = (t.percent(1), "")
    return [*cells, ("", "")] if plain else cells


def _matrix(c: Context) -> dict[str, Any]:
    """Products by causes, with sums: the counts add up both ways."""
    t, rows = c.language, []
    products = [p for p in c.look.products[c.month] if p != ALL_PRODUCTS]
    causes = c.look.causes(c.month, ALL_PRODUCTS)
    for product in [*products, ALL_PRODUCTS]:
        cells = [c.look.get(c.month, product, "primary", cause) for cause in causes]
        total = c.look.get(c.month, product, "cases")
        said = [say(row, t) if row and row.shown else "–" for row in cells]
        said.append(t.number(total.value) if total and total.shown else "–")
        rows.append((t("sum") if product == ALL_PRODUCTS else t.product(product), said))
    return {
        "caption": t("matrix_caption", least=c.min_cell),
        "heads": [t("product"), *(c.names[cause] for cause in causes), t("sum")],
        "rows": rows,
    }
