"""The breakdown of a month: summary in words, page, workbook and tidy table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from nollclassify.atomic import replacing, write_text
from nollclassify.case_writing import write_sheet, write_table
from nollclassify.cases import check_unique_ids, read_cases
from nollclassify.errors import InputError
from nollclassify.estimation import poisson_rate
from nollclassify.reporting.charts import cause_bars
from nollclassify.reporting.tables import ALL_PRODUCTS, NO_MONTH, case_table, cause_names, read_purchases, tidy_table
from nollclassify.reporting.words import characteristic_words
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import OTHER, Taxonomy, load_taxonomy

_FEW = "few"
_CAUTION = (
    "Siffrorna är räknade på klassificerarens etiketter och är inte korrigerade för dess fel. "
    "Ett klagomål räknas under sin huvudorsak, så att delarna summerar till helheten; "
    "”nämns” räknar alla klagomål där orsaken finns med."
)


@dataclass(frozen=True)
class Breakdown:
    """What a report gave: the month, the summary's sentences, the tidy table, and where each file lies."""

    month: str
    summary: tuple[str, ...]
    table: pd.DataFrame
    page: Path
    workbook: Path
    csv: Path
    n_rejected: int


def report(
    *labelled: str | Path,
    output: str | Path,
    purchases: str | Path | None = None,
    month: str | None = None,
    settings: Settings | None = None,
) -> Breakdown:
    """Break labelled complaints down by product, month and cause, and write page, workbook and tidy CSV.

    Args:
        labelled: files that `label` wrote, corrected or not.
        output: the folder to write to.
        purchases: a table of purchases by month and product, for rates per million.
        month: the month of the page (YYYY-MM); by default the latest of the files.
        settings: by default those of the working directory.

    Raises:
        InputError: a file that cannot be used, or a month without complaints.
    """
    settings = settings or load_settings()
    taxonomy = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    many = [read_cases(Path(path), taxonomy, labelled=True) for path in labelled]
    check_unique_ids(many)
    cases = case_table(many, taxonomy)
    if cases.empty:
        raise InputError(f"{', '.join(map(str, labelled))}: inga märkta klagomål att sammanställa; ange en märkt fil.")
    chosen = _month(cases, month, labelled)
    bought = read_purchases(Path(purchases), taxonomy) if purchases else None
    table = tidy_table(cases, taxonomy, bought, settings.min_cell)
    here, now = cases[cases["month"] == chosen], table[table["month"] == chosen]
    undated = int((cases["month"] == NO_MONTH).sum()) if chosen != NO_MONTH else 0
    summary = _summary(chosen, now, undated)
    folder = Path(output)
    page, workbook, csv = (folder / f"klagomal-{chosen.replace(' ', '-')}{end}" for end in (".html", ".xlsx", ".csv"))
    write_text(page, _page(chosen, now, here, summary, taxonomy, settings, (csv.name, workbook.name)))
    _write_workbook(workbook, table, taxonomy)
    write_table(_for_file(table), csv)
    n_rejected = sum(len(cases.rejected) for cases in many)
    return Breakdown(chosen, tuple(summary), table, page, workbook, csv, n_rejected)


def _month(cases: pd.DataFrame, wanted: str | None, labelled: Sequence[str | Path]) -> str:
    months = sorted(set(cases["month"]) - {NO_MONTH})
    if wanted and wanted not in months:
        raise InputError(
            f"{', '.join(map(str, labelled))}: inga klagomål i {wanted}; månader som finns: {', '.join(months)}."
        )
    return wanted or (months[-1] if months else NO_MONTH)


# --- in words ----------------------------------------------------------------------------------------------------


def _summary(month: str, now: pd.DataFrame, undated: int) -> list[str]:
    rows: list[dict[Any, Any]] = now[now["product"] == ALL_PRODUCTS].to_dict("records")
    causes = [row for row in rows if row["cause"] != OTHER]
    sentences = [f"{rows[0]['cases']} klagomål i {month}."]
    if pd.notna(rows[0]["purchases"]):
        sentences.append(f"Det är {_rate_of_all(rows[0])} klagomål per miljon köp.")
    first = max(causes, key=lambda row: int(row["primary"]))
    if first["shown"]:
        share = _share(first)
        sentences.append(f"Vanligaste orsaken är {first['cause_name']}: {first['primary']} klagomål, {share} av alla.")
    rest = rows[-1]
    if rest["shown"]:
        sentences.append(f"{rest['primary']} klagomål ({_percent(rest['share'])}) har ingen av orsakerna.")
    if few := [row["cause_name"] for row in rows if not row["shown"]]:
        sentences.append(f"För få för att säga något: {', '.join(few)}.")
    if undated:
        sentences.append(f"{undated} klagomål i filerna saknar datum och är inte med i månaden.")
    return sentences


def _rate_of_all(row: dict[Any, Any]) -> str:
    rate = poisson_rate(int(row["cases"]), float(row["purchases"]) / 1e6)
    return f"{_decimal(rate.estimate)} ({_decimal(rate.low)}–{_decimal(rate.high)})"


def _decimal(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}".replace(".", ",")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _share(row: dict[Any, Any]) -> str:
    return f"{_percent(row['share'])} ({100 * row['share_low']:.0f}–{_percent(row['share_high'])})"


def _thousands(value: float) -> str:
    return f"{int(value):,}".replace(",", " ")


# --- page and workbook -------------------------------------------------------------------------------------------


def _page(
    month: str,
    now: pd.DataFrame,
    here: pd.DataFrame,
    summary: list[str],
    taxonomy: Taxonomy,
    settings: Settings,
    file_names: tuple[str, str],
) -> str:
    from jinja2 import Environment

    names = cause_names(taxonomy)
    order = now[now["product"] != ALL_PRODUCTS].groupby("product")["cases"].first().sort_values(ascending=False)
    shown = now.assign(cause=now["cause"].where(now["shown"], _FEW))
    counts = shown.pivot_table(index="product", columns="cause", values="primary", aggfunc="sum", fill_value=0)
    counts = counts.reindex(index=order.index, columns=[*names, _FEW], fill_value=0)
    words = characteristic_words(here, max(settings.min_cell, 5))
    # autoescape: texts, products and headings come from files that anybody may have written.
    template = Environment(autoescape=True).from_string(
        (files("nollclassify") / "reporting" / "page.html").read_text("utf-8")
    )
    return template.render(
        month=month,
        summary=summary,
        caution=_CAUTION,
        picture=cause_bars(counts, names | {_FEW: "för få för att visas var för sig"}),
        alternative=f"Staplar: klagomål i {month} per produkt och huvudorsak. Samma siffror står i tabellerna.",
        products=[_product_view(now, product) for product in [ALL_PRODUCTS, *order.index]],
        words=[(names[c], words[c]) for c in names if words.get(c)],
        causes=taxonomy.causes,
        taxonomy_version=taxonomy.version,
        csv_name=file_names[0],
        workbook_name=file_names[1],
    )


def _product_view(now: pd.DataFrame, product: str) -> dict[str, Any]:
    rows: list[dict[Any, Any]] = now[now["product"] == product].to_dict("records")
    bought = rows[0]["purchases"]
    return {
        "name": product,
        "cases": rows[0]["cases"],
        "purchases": _thousands(bought) if pd.notna(bought) else "",
        "rows": [
            {
                "name": row["cause_name"],
                "shown": row["shown"],
                "primary": row["primary"],
                "mentioned": row["mentioned"],
                "share": _share(row),
                "rate": _rate(row) if pd.notna(bought) else "",
            }
            for row in rows
        ],
    }


def _rate(row: dict[Any, Any]) -> str:
    return f"{_decimal(row['rate'], 2)} ({_decimal(row['rate_low'], 2)}–{_decimal(row['rate_high'], 2)})"


_SV = {
    "month": "månad",
    "product": "produkt",
    "cause": "orsak_id",
    "cause_name": "orsak",
    "cases": "klagomål",
    "primary": "huvudorsak",
    "mentioned": "nämns",
    "share": "andel",
    "share_low": "andel_låg",
    "share_high": "andel_hög",
    "purchases": "köp",
    "rate": "per_miljon_köp",
    "rate_low": "per_miljon_låg",
    "rate_high": "per_miljon_hög",
    "method": "metod",
}
_FIGURES = [c for c in _SV if c not in ("month", "product", "cause", "cause_name", "cases", "purchases", "method")]


def _for_file(table: pd.DataFrame) -> pd.DataFrame:
    """The tidy table under Swedish headings; figures of cells that are too small are left out."""
    rounded = table.round(dict.fromkeys(["share", "share_low", "share_high", "rate", "rate_low", "rate_high"], 4))
    hidden = rounded.astype(object)
    hidden.loc[~table["shown"], _FIGURES] = None
    hidden.loc[~table["shown"], "method"] = "för få för att säga något"
    return hidden.drop(columns="shown").astype(object).where(lambda t: t.notna(), "").rename(columns=_SV)


def _write_workbook(path: Path, table: pd.DataFrame, taxonomy: Taxonomy) -> None:
    import xlsxwriter

    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    definitions = pd.DataFrame(
        [(c.name_sv, c.id, c.definition_sv, "; ".join(c.excludes)) for c in taxonomy.causes],
        columns=["orsak", "id", "text", "inte detta"],
    ).rename(columns={"text": "betydelse"})
    with replacing(path) as temporary, xlsxwriter.Workbook(str(temporary), options) as workbook:
        write_sheet(workbook, workbook.add_worksheet("Sammanställning"), _for_file(table))
        write_sheet(workbook, workbook.add_worksheet("Orsaker"), definitions)
