"""The breakdown of a month: pages, workbook and tidy table."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import pandas as pd

from nollclassify.atomic import write_text
from nollclassify.auditing import ENOUGH_AUDITED, Audit, chosen_month, read_audit, read_ledger
from nollclassify.case_writing import write_table
from nollclassify.errors import InputError, NollclassifyError
from nollclassify.ledger import ALL_PRODUCTS, FEW_PRODUCTS, NO_MONTH, Ledger, load_definition
from nollclassify.model_store import read_manifest
from nollclassify.reporting.bridge import read_bridge
from nollclassify.reporting.candidates import Candidate, candidates
from nollclassify.reporting.coding import coding_of
from nollclassify.reporting.effects import Effect, effects
from nollclassify.reporting.exposure import Exposure, complete, read_exposure
from nollclassify.reporting.figures import tidy_table
from nollclassify.reporting.language import Language
from nollclassify.reporting.lookup import Lookup
from nollclassify.reporting.measures import read_measures
from nollclassify.reporting.page import Context, definitions, page_name, render, slug, summary_of
from nollclassify.reporting.told import Told, alarms, measured, not_yet, proposed, repeated, risen, spoken, telling
from nollclassify.reporting.words import characteristic_words
from nollclassify.reporting.workbook import for_file, write_workbook
from nollclassify.settings import Settings, load_settings
from nollclassify.taxonomy import Taxonomy, load_taxonomy

_MANY = 20_000  # starting another process takes three seconds


@dataclass(frozen=True)
class Breakdown:
    """What a report gave: the month, the summary's sentences, the tidy table, and where each file lies.

    Attributes:
        month: YYYY-MM.
        summary: the sentences at the head of the page of all products.
        table: see `figures.tidy_table`.
        page: the page of all products; `pages` maps every product to its page, that one included.
        workbook, csv: the same figures.
        n_rejected: rows of the labelled files that were refused.
    """

    month: str
    summary: tuple[str, ...]
    table: pd.DataFrame
    page: Path
    pages: dict[str, Path]
    workbook: Path
    csv: Path
    n_rejected: int


def report(
    *labelled: str | Path,
    output: str | Path,
    purchases: str | Path | None = None,
    audits: Sequence[str | Path] = (),
    measures: str | Path | None = None,
    bridge: str | Path | None = None,
    month: str | None = None,
    language: str = "sv",
    settings: Settings | None = None,
) -> Breakdown:
    """Break labelled complaints down by product, month and cause, and write pages, workbook and tidy CSV.

    Args:
        labelled: files that `label` wrote, corrected or not; earlier months too, to compare with.
        output: the folder to write to.
        purchases: a table of purchases (and aims) by month and product, for rates per million.
        audits: workbooks that `audit` wrote, filled in; at most one a month.
        measures: a table of measures, to see whether they helped.
        bridge: a table of complaints coded before and after a cause was split, to recode the months before.
        month: the month of the pages (YYYY-MM); by default the latest of the files.
        language: `sv` or `en`.
        settings: by default those of the working directory.

    Raises:
        InputError: a file that cannot be used, or a month without complaints.
    """
    settings, t = settings or load_settings(), Language(language)
    taxonomy = load_taxonomy(Path(settings.taxonomy) if settings.taxonomy else None)
    ledger, n_rejected = read_ledger(labelled, taxonomy, settings)
    chosen = chosen_month(ledger.cases, month, labelled)
    exposure, unsold = complete(read_exposure(Path(purchases), taxonomy) if purchases else Exposure(), ledger.cases)
    checked = _audits(audits, taxonomy, ledger, settings.definition)
    definition = load_definition(settings.definition, taxonomy)
    coding = coding_of(ledger.cases, taxonomy, read_bridge(Path(bridge), taxonomy) if bridge else None)
    names = coding.names(taxonomy, t)
    with _reading(ledger.cases, chosen, max(settings.min_cell, 5)) as reading:
        rest = (exposure, checked, definition, settings.min_cell, chosen, coding)
        table = tidy_table(ledger.cases, coding.causes, *rest)
        stem = f"klagomal-{chosen.replace(' ', '-')}"
        folder = Path(output)
        csv, workbook = folder / f"{stem}.csv", folder / f"{stem}.xlsx"
        context = Context(
            look=Lookup(table),
            month=chosen,
            names=names,
            taxonomy=taxonomy,
            definition=definition,
            exposure=exposure,
            language=t,
            min_cell=settings.min_cell,
            readings=_readings(ledger, settings),
            notes=_notes(ledger, checked.get(chosen), t),
            files=(csv.name, workbook.name),
            models={str(m): frozenset(v) - {""} for m, v in ledger.cases.groupby("month")["model_version"]},
            undated=int((ledger.cases["month"] == NO_MONTH).sum()),
            unsold=unsold.get(chosen, []),
            coding=coding,
        )
        products = [p for p in context.look.products[chosen] if p != FEW_PRODUCTS]
        write_workbook(workbook, table, names, definitions(context, ALL_PRODUCTS), chosen, products, t)
        write_table(for_file(table, names, t), csv)
        told = _Telling(context, ledger, _measures(measures, ledger, checked, context), checked.get(chosen), reading)
        pages = _write_pages(context, told, folder, products, stem)
    summary = tuple(summary_of(context, ALL_PRODUCTS))
    return Breakdown(chosen, summary, table, pages[ALL_PRODUCTS], pages, workbook, csv, n_rejected)


def _audits(paths: Sequence[str | Path], taxonomy: Taxonomy, ledger: Ledger, definition: str) -> dict[str, Audit]:
    found: dict[str, Audit] = {}
    for path in map(Path, paths):
        audit = read_audit(path, taxonomy)
        if audit.month in found:
            raise InputError(f"{path}: {audit.month} har redan en granskning; ange en per månad.")
        if audit.definition not in ("", definition):
            raise InputError(
                f"{path}: granskningen lottades med definition {audit.definition} av klagomål, men {definition} "
                "gäller; lotta en ny, eller ändra definition i nollclassify.toml."
            )
        ids = set(ledger.cases.loc[ledger.cases["month"] == audit.month, "case_id"])
        n = len(ids & audit.answers.keys())
        if not n:
            raise InputError(f"{path}: inget granskat ärende finns i de märkta filerna; ange månadens märkta fil.")
        if n < ENOUGH_AUDITED:
            raise InputError(
                f"{path}: {n} granskade klagomål är för få för att rätta något; fyll i minst {ENOUGH_AUDITED}."
            )
        found[audit.month] = audit
    return found


def _readings(ledger: Ledger, settings: Settings) -> dict[str, tuple[float, float]]:
    """Recall and precision of each cause by the model that labelled, where it is the one in use; else nothing."""
    try:
        manifest = read_manifest(Path(settings.champion))
    except NollclassifyError:
        return {}
    if set(ledger.cases["model_version"]) - {""} != {manifest.get("model_version")}:
        return {}
    try:
        scores = manifest["scores"]["causes"]
        known = [row for row in scores if row["recall"] is not None and row["precision"] is not None]
        return {row["cause"]: (float(row["recall"]), float(row["precision"])) for row in known}
    except (LookupError, TypeError, ValueError):  # Somebody has changed the manifest.
        return {}


def _notes(ledger: Ledger, audit: Audit | None, t: Language) -> list[str]:
    counts = {"d_outside": ledger.outside, "d_unknown": ledger.unknown_sources}
    said = [t(key, n=t.number(n)) for key, n in counts.items() if n]
    if audit and len(audit.answers) < audit.n_drawn:
        said.append(t("s_unanswered", n=len(audit.answers), drawn=audit.n_drawn))
    return said


Said = tuple[str, list[str]]  # a heading and sentences
Read = tuple[dict[str, list[str]], list[Candidate]]  # words of each cause, candidates for new ones


def _measures(
    path: str | Path | None, ledger: Ledger, audits: dict[str, Audit], context: Context
) -> list[tuple[str, Said]] | None:
    """For each measure its product (empty for all) and what is said of it; None without a table of measures."""
    if path is None:
        return None
    c = context
    measures = read_measures(Path(path), c.taxonomy)
    found = effects(measures, ledger.cases, c.taxonomy, audits, c.exposure, c.month, c.min_cell, c.coding)
    told = {e.measure: measured(_seen(e, c.look), c.names, c.language, c.min_cell, c.models) for e in found}
    return [(m.product, told.get(m) or not_yet(m, c.names, c.language)) for m in measures]


def _seen(effect: Effect, look: Lookup) -> Effect:
    """The effect without its counts and ratios where a month of it is hidden: by another report they would tell it."""
    product, cause = effect.measure.product or ALL_PRODUCTS, effect.measure.cause
    figure = "primary" if cause else "cases"
    cells = [look.get(month, product, figure, cause) for side in effect.months for month in side]
    if all(cell is not None and cell.shown for cell in cells):
        return effect
    return replace(effect, cases=(None, None), touched=None, difference=None)


class _Telling:
    """What the pages tell beside the figures; what they have in common is worked out once."""

    def __init__(
        self,
        context: Context,
        ledger: Ledger,
        measures: list[tuple[str, Said]] | None,
        audit: Audit | None,
        reading: Callable[[], Read],
    ) -> None:
        self.context, self.measures = context, measures
        self.answers = audit.answers if audit else {}
        cases = ledger.cases
        self.here = cases[cases["month"] == context.month]
        self.cases = cases
        self._reading = reading
        self.risen = risen(context.look, context.month)
        self.repeats = repeated(ledger, context.month, context.names, context.language, context.min_cell)

    @cached_property
    def read(self) -> tuple[dict[str, list[str]], list[Said]]:
        """The words that set causes apart, and the candidates for new ones."""
        c, (words, found) = self.context, self._reading()
        return telling(c.look, c.month, words), proposed(found, self.cases, c.language, c.min_cell)

    def of(self, product: str) -> Told:
        c, whole = self.context, product == ALL_PRODUCTS
        cases = self.here if whole else self.here[self.here["product"] == product]
        rows = self.risen if whole else [row for row in self.risen if row.product == product]
        return Told(
            quotations=spoken(c.look, c.month, product, cases[self.agreed(cases)]),
            words=self.read[0] if whole else {},
            alarms=alarms(rows, c.look, self.cases, c.names, c.language, c.min_cell),
            measures=self._measures_of(product),
            candidates=self.read[1] if whole else None,
            repeats=self.repeats if whole else [],
        )

    def agreed(self, cases: pd.DataFrame) -> list[bool]:
        """Of which complaints no person has said that the primary cause is another."""
        pairs = zip(cases["case_id"], cases["primary"], strict=True)
        return [self.answers.get(case_id, (primary,))[0] == primary for case_id, primary in pairs]

    def _measures_of(self, product: str) -> list[Said] | None:
        if self.measures is None:
            return None
        return [said for of, said in self.measures if product == ALL_PRODUCTS or of in ("", product)]


@contextmanager
def _reading(cases: pd.DataFrame, month: str, least: int) -> Iterator[Callable[[], Read]]:
    """What gives the result of `_read`; many complaints are read by another process, beside the figures."""
    from joblib import Parallel, delayed

    needed = cases[["case_id", "month", "primary", "needs_review", "text"]]
    if len(cases) < _MANY:
        yield lambda: _read(needed, month, least)
        return
    results = Parallel(n_jobs=2, return_as="generator")([delayed(_read)(needed, month, least)])
    try:
        yield partial(next, results)
    finally:
        deque(results, maxlen=0)  # After a fault the process is waited for: joblib cannot break off in peace.


def _read(cases: pd.DataFrame, month: str, least: int) -> Read:
    return characteristic_words(cases[cases["month"] == month], least), candidates(cases, month, least)


def _write_pages(context: Context, told: _Telling, folder: Path, products: Sequence[str], stem: str) -> dict[str, Path]:
    """Write the page of each product, and last the one that leads to them; older pages of the month go."""
    names = _page_names(products, stem)
    for product in reversed(products):  # all products stand first
        write_text(folder / names[product], render(context, product, told.of(product), list(names.items())))
    for old in folder.glob(f"{stem}-*.html"):
        if old.name not in names.values():
            with suppress(OSError):  # another report of the month may have done it
                old.unlink()
    return {product: folder / name for product, name in names.items()}


def _page_names(products: Sequence[str], stem: str) -> dict[str, str]:
    """A file name for each product; products that would have the same one are numbered."""
    names: dict[str, str] = {}
    for product in products:
        name, number = page_name(stem, product), 2
        while name in names.values():
            name, number = f"{stem}-{slug(product)}-{number}.html", number + 1
        names[product] = name
    return names
