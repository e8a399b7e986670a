"""A workbook from a stranger: refused in a sentence, or read for what it says, soon and in little memory."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from nollclassify.case_files import read_table
from nollclassify.cases import known_headings
from nollclassify.errors import InputError

pytest.importorskip("resource")

UNREADABLE = "arbetsboken går inte att läsa; öppna den i Excel och spara om den."
TOO_LARGE = "arbetsboken packas upp till för mycket data; dela den eller spara som CSV."
OUTSIDE = "ett blad har celler utanför Excels gränser; öppna boken i Excel och spara om den."
LOCKED = (
    "arbetsboken är lösenordsskyddad eller av en äldre sort; öppna den i Excel och spara den som .xlsx utan lösenord."
)
SHEET, STRINGS, BOOK, STYLES = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"
SPACE = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
LAUGHS = b'<!DOCTYPE a [<!ENTITY a "haha">' + b"".join(
    b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10 if n else b"&a;" * 10) for n in range(10)
)


def far(row: int, column: str) -> str:
    number = openpyxl.utils.column_index_from_string(column)
    return (
        f"ett blad har en ifylld cell långt utanför tabellen, rad {row} eller kolumn {number} är den yttersta; "
        "ta bort den eller spara som CSV."
    )


def book(**parts: bytes) -> bytes:
    """A small workbook of complaints, with parts that are replaced or added; names with `__` for `/`."""
    whole, out = io.BytesIO(), io.BytesIO()
    with xlsxwriter.Workbook(whole) as workbook:
        sheet = workbook.add_worksheet("A")
        sheet.write_column(0, 0, ["text", "hej"])
        sheet.write_formula(1, 1, "=1+1", None, "två")
    named = {name.replace("__", "/"): content for name, content in parts.items()}
    with zipfile.ZipFile(whole) as there, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made:
        for name, content in ({n: there.read(n) for n in there.namelist()} | named).items():
            made.writestr(name, content)
    return out.getvalue()


def sheet(cells: bytes, head: bytes = b"", declared: bytes = b"") -> bytes:
    content = b'<?xml version="1.0"?>%s<worksheet %s>%s<sheetData>%s</sheetData></worksheet>'
    return book(**{SHEET: content % (declared, SPACE, head, cells)})


def cell(place: bytes, value: bytes = b"text") -> bytes:
    return b'<c r="%s" t="str"><v>%s</v></c>' % (place, value)


DATA = b'<row r="1">' + cell(b"A1") + b'</row><row r="2">' + cell(b"A2", b"hej") + b"</row>"


def declaring(part: str) -> bytes:
    """A workbook with a billion laughs in one of its parts."""
    with zipfile.ZipFile(io.BytesIO(book())) as archive:
        head, _, body = archive.read(part).partition(b"?>")
    return book(**{part: head + b"?>" + LAUGHS + b"]>" + body.replace(b"</", b"&a9;</", 1)})


def patched(content: bytes, offset: int, value: bytes, name: bytes = b"xl/worksheets/sheet1.xml") -> bytes:
    """Overwrite a field in the central header of a part."""
    at = content.rfind(name) - 46 + offset
    return content[:at] + value + content[at + len(value) :]


def lying(size: int, declared: int) -> bytes:
    """A sheet that unpacks to more than the zip file says."""
    return patched(sheet(DATA + b" " * size), 24, struct.pack("<I", declared))


def nested() -> bytes:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a", bytes(30_000_000))
    return book(xl__media__a=bomb.getvalue())


def declared_gigabytes() -> bytes:
    """Ten parts that share what is packed, each 4 GB by its header."""
    content = book(**{f"xl/media/{n}.bin": b"x" for n in range(10)})
    for n in range(10):
        content = patched(content, 24, struct.pack("<I", 2**32 - 2), f"xl/media/{n}.bin".encode())
    return content


def old(*after: int, first_small: int = 0xFFFFFFFE) -> bytes:
    """An older workbook (a compound file) whose sectors follow one another like this."""
    head = bytearray(512)
    head[:8] = bytes.fromhex("d0cf11e0a1b11ae1")
    struct.pack_into("<5H", head, 24, 0x3E, 3, 0xFFFE, 9, 6)
    struct.pack_into("<2I", head, 44, 1, 1)
    struct.pack_into("<5I", head, 56, 4096, first_small, 1, 0xFFFFFFFE, 0)
    struct.pack_into("<109I", head, 76, 0, *[0xFFFFFFFF] * 108)
    chains = struct.pack("<128I", *after, *[0xFFFFFFFF] * (128 - len(after)))
    directory = bytearray(512)
    for at, name, start in ((0, "Root Entry", 0xFFFFFFFE), (128, "Workbook", 2)):
        directory[at : at + 2 * len(name)] = name.encode("utf-16-le")
        directory[at + 64], directory[at + 66] = 2 * len(name) + 2, 5 if at == 0 else 2
        struct.pack_into("<IQ", directory, at + 116, start, 100_000)
    return bytes(head) + chains + bytes(directory) + bytes(512)


def renamed(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


END = 0xFFFFFFFE
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "a bomb of 350 MB.xlsx": (lambda: book(xl__media__a=bytes(350_000_000)), TOO_LARGE),
    "a sheet of 60 MB of nothing.xlsx": (lambda: sheet(DATA + b" " * 60_000_000), TOO_LARGE),
    "ten parts of 4 GB.xlsx": (declared_gigabytes, TOO_LARGE),
    "a size that lies.xlsx": (lambda: lying(100_000_000, 700), UNREADABLE),
    "a size that lies by one.xlsx": (lambda: lying(1_000, 1_400), UNREADABLE),
    "a size of nothing.xlsx": (lambda: lying(1_000, 0), UNREADABLE),
    "laughs in the sheet.xlsx": (lambda: declaring(SHEET), UNREADABLE),
    "laughs in the strings.xlsx": (lambda: declaring(STRINGS), UNREADABLE),
    "laughs in the book.xlsx": (lambda: declaring(BOOK), UNREADABLE),
    "laughs in the styles.xlsx": (lambda: declaring(STYLES), UNREADABLE),
    "laughs after a long comment.xlsx": (
        lambda: sheet(DATA, declared=b"<!--" + b"x" * 1_999_990 + b"-->" + LAUGHS + b"]>"),
        UNREADABLE,
    ),
    "an entity from a file.xlsx": (
        lambda: sheet(DATA, declared=b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>'),
        UNREADABLE,
    ),
    "a million empty columns.xlsx": (lambda: sheet(b'<row r="1">' + b"<c/>" * 1_000_000 + b"</row>"), OUTSIDE),
    "a million columns.xlsx": (lambda: sheet(b'<row r="1">' + b"<c><v>1</v></c>" * 1_000_000 + b"</row>"), OUTSIDE),
    "a far cell.xlsx": (lambda: sheet(DATA + cell(b"XFD1048576")), far(1_048_576, "XFD")),
    "a far cell that lies about it.xlsx": (
        lambda: sheet(DATA + cell(b"XFD1048576"), b'<dimension ref="A1:B2"/>'),
        far(1_048_576, "XFD"),
    ),
    "a far cell in small letters.xlsx": (lambda: sheet(DATA + cell(b"xfd99999")), far(99_999, "XFD")),
    "a far cell in single quotes.xlsx": (
        lambda: sheet(DATA + b"<c a='>'\n r = 'XFD99999'><v>1</v></c>"),
        far(99_999, "XFD"),
    ),
    "a far cell of another name.xlsx": (
        lambda: sheet(DATA + b'<row r="99999"><x:c r="XFD99999"><x:v>1</x:v></x:c></row>'),
        far(99_999, "XFD"),
    ),
    "a far cell by its row.xlsx": (
        lambda: sheet(b'<row r="1">' + cell(b"ZZ1") + b'</row><row r="1000000"><c><v>1</v></c></row>'),
        far(1_000_000, "ZZ"),
    ),
    "a far cell behind empty ones.xlsx": (
        lambda: sheet(DATA + b'<row r="3">' + b'<c r="A3"/>' * 100_000 + cell(b"ALL50000") + b"</row>"),
        far(50_000, "ALL"),
    ),
    "a cell with two places.xlsx": (
        lambda: sheet(DATA + b'<c r="A3" a=">" r="XFD1048576"><v>1</v></c>'),
        far(1_048_576, "XFD"),
    ),
    "a cell after an empty far one.xlsx": (
        lambda: sheet(b'<row r="99999">' + cell(b"A1") + b'<c r="XFC1"/><c><v>1</v></c></row>'),
        far(99_999, "XFD"),
    ),
    "a cell beyond the last.xlsx": (lambda: sheet(DATA + cell(b"ZZZZZZZZ1")), OUTSIDE),
    "a cell of a megabyte.xlsx": (
        lambda: sheet(DATA + b"<c" + b" \n\t" * 1_000_000 + b'r="XFD1048576"><v>1</v></c>'),
        UNREADABLE,
    ),
    "a part twice.xlsx": (lambda: book(**{"XL/worksheets/sheet1.xml": b"<worksheet/>"}), UNREADABLE),
    "30,000 parts.xlsx": (lambda: book(**{f"a/{n}": b"" for n in range(30_000)}), UNREADABLE),
    "a password.xlsx": (lambda: old(0xFFFFFFFD, END, END), LOCKED),
    "an older one in a circle.xlsx": (lambda: old(0xFFFFFFFD, 1), LOCKED),
    "sectors in a circle.xls": (lambda: old(0xFFFFFFFD, 1), UNREADABLE),
    "a book in a circle.xls": (lambda: old(0xFFFFFFFD, END, 2), UNREADABLE),
    "small sectors in a circle.xls": (lambda: old(0xFFFFFFFD, END, END, 3, first_small=2), UNREADABLE),
    "an older one cut off.xls": (lambda: old(0xFFFFFFFD, END, END)[:700], UNREADABLE),
    "a page.xlsx": (lambda: b"<html><table><tr><td>text</td></tr></table></html>", UNREADABLE),
    "a page.xls": (lambda: b"<html><table><tr><td>text</td></tr></table></html>", UNREADABLE),
    "a binary one.xlsx": (lambda: renamed("xl/workbook.bin", bytes(100)), UNREADABLE),
    "an open document.xlsx": (lambda: renamed("content.xml", b"<office/>"), UNREADABLE),
    "a new one.xls": (book, UNREADABLE),
    "cut off.xlsx": (lambda: book()[:-30], UNREADABLE),
    "without its beginning.xlsx": (lambda: book()[100:], UNREADABLE),
    "a wrong checksum.xlsx": (lambda: patched(book(), 16, b"abcd"), UNREADABLE),
    "an encrypted part.xlsx": (lambda: patched(book(), 8, b"\x01\x00"), UNREADABLE),
    "an unknown compression.xlsx": (lambda: patched(book(), 10, b"\x63\x00"), UNREADABLE),
}
FORMATTED = b"".join(b'<c r="%s1" s="0"/>' % openpyxl.utils.get_column_letter(n).encode() for n in range(2, 16_385))
INNOCENT: dict[str, Callable[[], bytes]] = {
    "a formula with its value.xlsx": book,
    "a row that is formatted to the end.xlsx": lambda: sheet(DATA.replace(b"</row>", FORMATTED + b"</row>", 1)),
    "a column for everyone.xlsx": lambda: sheet(DATA, b'<cols><col min="1" max="1000000" width="9"/></cols>'),
    "a size that is not there.xlsx": lambda: sheet(DATA, b'<dimension ref="A1:XFD1048576"/>'),
    "an empty far cell.xlsx": lambda: sheet(DATA + b'<row r="1048576"><c r="XFD1048576" s="1"/></row>'),
    "a link to another book.xlsx": lambda: book(xl__externalLinks__a=b'<externalLink r="http://example.invalid"/>'),
    "a command.xlsx": lambda: sheet(DATA[:-6] + b'<c r="B2"><f>cmd|" /C calc"!A0</f><v>2</v></c></row>'),
    "macros.xlsm": lambda: book(xl__vbaProject_bin=old(0xFFFFFFFD, 1)),
    "a bomb in a bomb.xlsx": nested,
    "a part that goes up.xlsx": lambda: book(**{"../../escaped": b"x", "/tmp/escaped": b"x"}),
    "a chart of 20,000 points.xlsx": lambda: book(xl__charts__a=b"<c:pt><c:v>1</c:v></c:pt>" * 20_000),
}
PROGRAM = """
import json, os, resource, sys, time
from pathlib import Path
from nollclassify.case_files import read_table
from nollclassify.cases import known_headings
from nollclassify.errors import InputError
from python_calamine import CalamineWorkbook
allowed = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 200_000_000
resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
for path in map(Path, sys.argv[1:]):
    began, found = time.perf_counter(), {"error": "", "message": ""}
    try:
        table = read_table(path, known_headings)
        found["rows"] = [row[0] for row in table.rows]
    except BaseException as error:
        found |= {"error": type(error).__name__, "message": str(error)}
    print(json.dumps({"file": path.name, "seconds": time.perf_counter() - began, **found}), flush=True)
"""


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """What reading each workbook gave, in a process that may take 200 MB more than its imports."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not tell how much memory a process has")
    folder = tmp_path_factory.mktemp("workbooks")
    makers = {name: make for name, (make, _) in REFUSED.items()} | INNOCENT
    for name, make in makers.items():
        (folder / name).write_bytes(make())
    command = [sys.executable, "-c", PROGRAM, *(str(folder / name) for name in makers)]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    found = {line["file"]: line | {"folder": str(folder)} for line in map(json.loads, done.stdout.splitlines())}
    assert list(found) == list(makers), done.stderr[-2_000:]
    assert done.returncode == 0
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_workbook_is_refused_in_a_sentence_that_says_what_to_do(
    name: str, tried: dict[str, dict[str, object]]
) -> None:
    found = tried[name]
    assert (found["error"], found["message"]) == ("InputError", f"{found['folder']}/{name}: {REFUSED[name][1]}")


@pytest.mark.parametrize("name", INNOCENT)
def test_a_workbook_that_only_looks_hostile_is_read_for_what_it_says(
    name: str, tried: dict[str, dict[str, object]]
) -> None:
    assert (tried[name]["message"], tried[name].get("rows")) == ("", ["hej"])


def test_none_takes_a_second(tried: dict[str, dict[str, object]]) -> None:
    assert [found for found in tried.values() if float(str(found["seconds"])) >= 1] == []


def test_a_formula_gives_the_value_that_was_stored(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(book())
    assert read_table(tmp_path / "a.xlsx", known_headings).rows == [["hej", "två"]]


def test_a_workbook_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    whole, path = book(), tmp_path / "a.xlsx"
    for end in range(1, len(whole), 97):
        path.write_bytes(whole[:end])
        with pytest.raises(InputError) as caught:
            read_table(path, known_headings)
        assert str(caught.value) == f"{path}: {UNREADABLE}"


def test_a_large_sheet_with_many_columns_is_read(tmp_path: Path) -> None:
    path, headings = tmp_path / "a.xlsx", ["text", *map(str, range(39))]
    with xlsxwriter.Workbook(str(path)) as workbook:
        tab = workbook.add_worksheet()
        for row in range(2_000):
            tab.write_row(row, 0, headings)
    table = read_table(path, known_headings)
    assert (len(table.rows), len(table.columns)) == (1_999, 40)
