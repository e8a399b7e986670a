"""Five hundred hostile strings in texts, ids, products, channels and headings: nothing in page or workbook is alive.

The report is made once, for the whole set; the tests read what it left behind. Payloads set `document.title`, so that
the pages can be opened in a browser too: a title `PWNED` would be a script that ran.
"""

from __future__ import annotations

import csv
import random
import re
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import openpyxl
import pytest

from nollclassify.reporting import Breakdown, report
from nollclassify.reporting.workbook import sheet_name
from tests.hostile_strings import FORMULAS, HOSTILE, MARKUP

# Several to a name where each name of its own would cost a row in every table: every fifth string stands first in one.
TOGETHER = [" ".join(HOSTILE[at : at + 5]) for at in range(0, len(HOSTILE), 5)]
# Products with a page of their own: each of these alone, the others many to a name.
ALONE = [
    *(
        MARKUP[0],
        MARKUP[10],
        MARKUP[16],
        FORMULAS[0],
        "=cmd|'/c calc'!A1",
        "../../../etc/passwd",
        "CON",
        "Å",
        "å!",
        "𝐅𝐚𝐤𝐭𝐮𝐫𝐚",
    ),
    *("{{7*7}}", "$\\frac{1}{0}$", "History", "🧾"),
]
CAUSES = ("wait_time", "", "invoice_before_delivery", "naming_confusion;wait_time")
WORDS = (
    *("kön", "fakturan", "paketet", "svaret", "appen", "kortet", "kontot"),
    *("avgiften", "pengarna", "returen", "brevet", "beloppet", "koden", "kassan"),
)


@dataclass(frozen=True)
class Written:
    """What the hostile report left behind."""

    parent: Path
    folder: Path
    breakdown: Breakdown
    products: list[str]
    warnings: list[str]


def _filler(draw: random.Random) -> str:
    return " ".join(draw.choices(WORDS, k=9))


def _rows(products: list[str]) -> Iterator[list[str]]:
    """Two months; every product has eight complaints in each, every string stands in every column."""
    draw = random.Random(0)
    number = 0
    for month in ("2020-02", "2020-03"):
        for p, product in enumerate(products):
            for k in range(8):
                at = [HOSTILE[(number * 7 + shift) % len(HOSTILE)] for shift in range(8)]
                causes = CAUSES[(k // 2 + p) % len(CAUSES)]
                channel = (product, TOGETHER[number % len(TOGETHER)])[
                    k // 6
                ]  # six of one channel, so that the picture shows it; two of others
                source = (at[2], "Facebook", "Konsumentverket", "")[k % 4]
                text = f"{_filler(draw)} {at[4]} {_filler(draw)}. Jag väntar på svar om {at[5]} sen länge."
                evidence = f'{causes.split(";")[0]}: "{at[6]}", "{at[7]}"' if causes else at[6]
                case, customer = f"{at[0]}-{number}", f"{at[3]}{number}"
                yield [
                    case,
                    f"{month}-{k + 1:02d}",
                    product,
                    channel,
                    source,
                    customer,
                    text,
                    causes,
                    evidence,
                    "false",
                ]
                number += 1
    for k, string in enumerate(HOSTILE):  # each alone, in too few complaints to be shown
        text = f"{string} {_filler(draw)}"
        channel = TOGETHER[k // 5]
        yield [
            f"{string}-{number + k}",
            "2020-03-20",
            string,
            channel,
            string,
            f"{string}{k}",
            text,
            "",
            string,
            "true",
        ]


HEADINGS = ["ärende", "datum", "produkt", "kanal", "källa", "kund", "text", "causes", "evidence", "needs_review"]


def _write(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="", errors="surrogatepass") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    parent = tmp_path_factory.mktemp("hostile")
    rest = [s for s in HOSTILE if s not in ALONE]
    products = [*ALONE, *(" ".join(rest[at::8]) for at in range(8))]
    labelled = _write(parent / "a.labelled.csv", [HEADINGS, *_rows(products)])
    headings = [
        *HEADINGS,
        *(f"{s}{n}" if s.strip().casefold() in ("source", "produkt") else s for n, s in enumerate(HOSTILE)),
    ]
    extra = [[f"X-{n}", "2020-01-05", "", "", "", "", f"{_filler(random.Random(n))} {n}", "", "", ""] for n in range(6)]
    wide = _write(parent / "b.labelled.csv", [headings, *([*row, *HOSTILE] for row in extra)])
    half = "\ud83d faktura \udfff"  # half an emoji, as a broken export leaves it
    broken = [[f"Y-{n}", "2020-03-05", half, half, half, half, f"{half} {n}", "wait_time", half, ""] for n in range(6)]
    lone = _write(parent / "c.labelled.csv", [HEADINGS, *broken])
    bought = [
        [month, s, str(1000 + n)] for month in ("2020-02", "2020-03") for n, s in enumerate([*products, *HOSTILE])
    ]
    bought = [row for row in bought if row[1].strip().casefold() not in ("alla produkter", "all products")]
    purchases = _write(parent / "köp.csv", [["månad", "produkt", "köp"], *bought])
    said = [["2020-02-28", product, "", product, product] for product in products[::3]]
    measures = [["datum", "produkt", "orsak", "åtgärd", "ansvarig"], *said]
    folder = parent / "ut"
    table = _write(parent / "åtgärder.csv", measures)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        breakdown = report(labelled, wide, lone, output=folder, purchases=purchases, measures=table)
    return Written(parent, folder, breakdown, products, sorted({str(w.message) for w in said}))


# --- the pages -----------------------------------------------------------------------------------------------------

OURS = {
    *("html", "head", "meta", "title", "style", "body", "header", "nav", "ul", "li", "strong", "a", "h1", "h2", "h3"),
    *("main", "figure", "svg", "defs", "g", "path", "use", "text", "tspan", "rect", "clippath", "metadata", "rdf:rdf"),
    *(
        "cc:work",
        "dc:type",
        "dc:format",
        "div",
        "table",
        "caption",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "th",
        "td",
        "small",
        "p",
    ),
    *("blockquote", "dl", "dt", "dd", "footer", "circle", "line"),
}
ADDRESSES = {"href", "src", "xlink:href", "action", "formaction", "data", "srcdoc", "poster", "background"}


class Reader(HTMLParser):
    """Every element and attribute of a page, and its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.comments: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def _read(page: Path) -> Reader:
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    reader.close()
    return reader


@pytest.fixture(scope="module")
def pages(written: Written) -> dict[Path, Reader]:
    return {page: _read(page) for page in sorted(written.folder.glob("*.html"))}


def test_there_are_five_hundred_different_hostile_strings() -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) >= 500


_NAMED = 90  # longer names are cut


def test_every_hostile_product_has_a_page_that_names_it(written: Written, pages: dict[Path, Reader]) -> None:
    names = set(written.breakdown.pages)
    assert set(pages) == set(written.breakdown.pages.values())
    assert len(pages) == len(names) >= len(written.products)
    for product in written.products:
        kept = next(name for name in names if _plain(name).startswith(_plain(product)[:_NAMED]))
        assert _plain(product)[:_NAMED] in _plain("".join(pages[written.breakdown.pages[kept]].text))


def _plain(text: str) -> str:
    """Without blanks and what HTML may turn into another character: null bytes and carriage returns."""
    return re.sub(r"[\s\0\x00-\x1f]+", "", text)


def test_no_name_spoils_a_picture(written: Written) -> None:
    assert not written.warnings  # of letters that the font lacks, or of names that leave no room for the bars


def test_no_script_can_run_in_a_page(pages: dict[Path, Reader]) -> None:
    for page, reader in pages.items():
        assert {tag for tag, _ in reader.found} <= OURS, page
        for tag, attributes in reader.found:
            assert not [name for name in attributes if name.startswith("on")], (page, tag, attributes)
            assert "url(" not in attributes.get("style", "").replace("url(#", ""), (page, tag)
            assert not re.search(r"javascript|expression|@import", attributes.get("style", ""), re.IGNORECASE)
        styles = sum(tag == "style" for tag, _ in reader.found)
        assert styles <= 1 + sum(tag == "svg" for tag, _ in reader.found)
        policy = [a["content"] for tag, a in reader.found if a.get("http-equiv") == "Content-Security-Policy"]
        assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_comments_in_a_page_are_not_broken_out_of(pages: dict[Path, Reader]) -> None:
    for page, reader in pages.items():
        assert not [c for c in reader.comments if ">" in c or "<" in c or "PWNED" in c], page


def test_links_of_a_page_lead_to_pages_beside_it_only(pages: dict[Path, Reader]) -> None:
    for page, reader in pages.items():
        for tag, attributes in reader.found:
            for name in ADDRESSES & attributes.keys():
                address = attributes[name]
                if tag == "use" or address.startswith("#"):
                    assert address.startswith("#"), (page, tag, address)
                else:
                    assert (tag, name) == ("a", "href"), (page, tag, name)
                    assert re.fullmatch(r"[\w.-]+\.html", unquote(address)), (page, address)
                    assert (page.parent / address).is_file(), (page, address)


def test_ids_of_a_page_are_unique_and_its_own(pages: dict[Path, Reader]) -> None:
    for page, reader in pages.items():
        ids = [attributes["id"] for _, attributes in reader.found if "id" in attributes]
        assert len(ids) == len(set(ids)), page
        assert not [i for i in ids if not re.fullmatch(r"[\w.-]+", i)], page


def test_templates_are_not_worked_out_a_second_time(written: Written, pages: dict[Path, Reader]) -> None:
    text = "".join(pages[written.breakdown.pages["{{7*7}}"]].text)
    assert "{{7*7}}" in text
    assert "{% for x in range(9) %}" in "".join("".join(reader.text) for reader in pages.values())


def test_all_files_lie_in_the_folder_under_names_that_every_system_takes(written: Written) -> None:
    assert {path.name for path in written.parent.iterdir()} == {
        *("a.labelled.csv", "b.labelled.csv", "c.labelled.csv", "köp.csv", "åtgärder.csv", "ut")
    }
    names = [path.name for path in written.folder.rglob("*")]
    assert not [name for name in names if not re.fullmatch(r"klagomal-2020-03[a-z0-9-]*\.(?:html|csv|xlsx)", name)]
    assert len({name.casefold() for name in names}) == len(names)
    assert max(map(len, names)) < 100


# --- workbook and CSV ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def book(written: Written) -> openpyxl.Workbook:
    return openpyxl.load_workbook(written.breakdown.workbook)


def test_the_workbook_has_no_formula_and_no_link(written: Written, book: openpyxl.Workbook) -> None:
    for sheet in book:
        for row in sheet.iter_rows():
            assert not [cell for cell in row if cell.data_type == "f" or cell.hyperlink], sheet.title
    # Filters are the one kind of defined name that the sheets bring along.
    assert not book.defined_names
    with zipfile.ZipFile(written.breakdown.workbook) as archive:
        for name in archive.namelist():
            assert not re.search(r"externalLink|vbaProject|connections|embeddings|customUI|activeX|ddeLink", name)
            part = archive.read(name).decode()
            assert not re.search(r"<(?:\w+:)?(?:f|hyperlink|oleObject|ddeLink|webPublishItem)[ >/]", part), name
            assert 'TargetMode="External"' not in part


def test_sheet_names_are_those_that_excel_takes(book: openpyxl.Workbook) -> None:
    names = book.sheetnames
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert 1 <= len(name.encode("utf-16-le")) // 2 <= 31, name  # Excel counts half an emoji as one
        assert not re.search(r"[\[\]:*?/\\\x00-\x1f]", name), name
        assert name.strip("'") == name
        assert name.casefold() != "history"


def test_names_that_are_cut_to_the_same_sheet_name_are_told_apart_and_fit() -> None:
    taken: set[str] = set()
    names = [sheet_name(wanted, taken) for wanted in ("🧾" * 40, *["Delbetalning av möbler i butik nummer"] * 101)]
    assert len({name.casefold() for name in names}) == len(names)
    assert max(len(name.encode("utf-16-le")) // 2 for name in names) <= 31


def test_products_stand_in_the_workbook_as_they_were_written(book: openpyxl.Workbook) -> None:
    cells = {str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if cell}
    assert {"=cmd|'/c calc'!A1", "../../../etc/passwd", MARKUP[0], "{{7*7}}"} <= cells


def test_the_csv_file_reads_back_row_for_row(written: Written) -> None:
    with written.breakdown.csv.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file, delimiter=";", strict=True))
    assert {len(row) for row in rows} == {13}
    assert len(rows) == len(written.breakdown.table) + 1
    assert [row[1] for row in rows[1:]] == written.breakdown.table["product"].tolist()
