"""Case files as companies export them: each is its bytes and what a reader must make of them, row by row.

The same 2,000 and more at every call. CSV files here; workbooks, JSON Lines and Parquet in `file_corpus_tables.py`.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle, product

COMPLAINTS = """\
Fakturan kom tre veckor före skorna, och påminnelseavgiften på 60 kr ska jag också betala!
Jag har väntat på svar i två månader. Ingen ringer, ingen mejlar, ingen bryr sig.
Konserten ställdes in men pengarna är fortfarande inte tillbaka på kontot.
Resan till Åre blev inställd på grund av snöbrist – vem betalar hotellet?
Ni skriver "ränta", men på kvittot står det "avgift". Vilket är det?
Kampanjen "20 % på allt" gällde tydligen inte det som jag köpte.
Är det här Klarnan eller någon annan? Namnen går inte att skilja åt.
Sitter i telefonkö; blir utkastad; börjar om från början.
Varför får jag räkning på något som ännu inte har skickats från lagret?
Kaféet i Malmö stängde före min bokning, ändå drogs 1 249 kr.
Har ringt 14 gånger, skrivit 3 mejl, och väntat i 2 veckor.
Det står "betald" i appen; i brevet står det "obetald".
Usel reklam i tunnelbanan, skäms på er som spelar på folks oro.
Paketet är på väg enligt er. Det har det varit sedan i mars.
Löparloppet flyttades till hösten, jag kan inte då och vill ha återbetalning.
Jag är så arg att jag inte vet vad jag ska göra längre...
Trodde att det var banken som skrev, men det var ert andra bolag.
Chatten svarar inte. Telefonen svarar inte. Mejlen studsar.
Ägg, mjölk och bröd på fakturan, men jag beställde en hårtork
Byxorna är för små och returen är skickad, ändå kommer det krav.
Kundtjänst sade: "vi återkommer". Det var för sex veckor sedan.
Handläggaren skulle höra av sig på måndag. Vilken måndag?
Tåget gick aldrig, biljetten gäller inte längre, och ni skyller på varandra
Idén med kampanjen var kanske rolig på kontoret, inte här hemma.
""".splitlines()
HARD = [
    *("NA", "null", "None", "nan", "#N/A", "007", "-", "=1+1", "+46 70 174 06 05", "TRUE", "1E5", "2020-03-14", "''"),
    *(
        '"Hej" sa ni, och sedan: "hej då"',
        '"',
        'skärmen är 27" bred',
        "rad ett\nrad två\n\nrad fyra; slut",
        "å\r\nä\rö",
    ),
    *(
        "  indraget och avslutat  ",
        "flik\toch\tflik",
        "a;b,c\td|e",
        ";;;",
        "hårt\u00a0blanksteg",
        "mjukt\u00adbindestreck",
    ),
    *(
        "😡👍🏽 👨\u200d👩\u200d👧 usel service",
        "fo\u0308re och a\u030a",
        "noll\u200bbredd",
        "sid\u2028brytning och \u0085",
    ),
    *(
        "Ordet \ufeff mitt i",
        "dyrt: 199 € …",
        "{}[]<b>&amp;</b>\\n",
        "väntat " * 4_500,
        "Ð Ñ Œ ß ł",
        "_x0041_ och _x000D_",
    ),
]
IDS = ["12345678901234567", "007", "000", "1E5", "TRUE", "2020-03-14", "K-1/2020", "+4670", "=1", "Å-7", "1.0", "NaN"]
# The codec, and the byte order mark before the text.
ENCODINGS = {
    "utf-8": ("utf-8", b""),
    "utf-8-bom": ("utf-8", b"\xef\xbb\xbf"),
    "utf-16-le": ("utf-16-le", b"\xff\xfe"),
    "utf-16-be": ("utf-16-be", b"\xfe\xff"),
    "utf-16-le-no-bom": ("utf-16-le", b""),
    "utf-16-be-no-bom": ("utf-16-be", b""),
    **{name: (name, b"") for name in ("cp1252", "latin-1", "cp850", "mac-roman")},
}
NEWLINES = {"lf": ["\n"], "crlf": ["\r\n"], "cr": ["\r"], "mixed": ["\r\n", "\n", "\n", "\r"]}
DELIMITERS = {"semicolon": ";", "comma": ",", "tab": "\t", "pipe": "|"}
# Refusals, as the sentence goes on after the file's name.
UNCLOSED, UNDECODABLE = "har ett citattecken som aldrig avslutas", "filens teckenkodning är skadad"
BAD_LETTERS = "har tecken i en annan teckenkodning än filen"


@dataclass(frozen=True)
class Row:
    """A row that was put in, and what must become of it.

    Attributes:
        case_id: the id as it stands; empty where the reader is to make one.
        mark: the value of a column of the company's own, which must not be shifted.
        reason: a part of the reason with which it must be rejected; empty where it must be among the cases.
        raw: the whole row as it stands in the file, where it is so damaged that its columns cannot be told.
        number: the row's number as Excel shows it.
    """

    case_id: str
    text: str
    mark: str = ""
    reason: str = ""
    raw: str = ""
    number: int = 0


@dataclass(frozen=True)
class CaseFile:
    """A file: its name, its bytes, its rows in order, and a part of the sentence that must refuse it ("": read it)."""

    name: str
    content: bytes
    rows: list[Row]
    refusal: str = ""


@dataclass
class Draft:
    """A CSV file in the making: the dialect, and its records as they will stand, each with its row, if it is one."""

    name: str
    delimiter: str
    encoding: str
    quoting: str
    newlines: list[str]
    chance: random.Random
    columns: list[str] = field(default_factory=lambda: ["id", "text", "märke"])
    records: list[tuple[str | bytes, Row | None]] = field(default_factory=list)
    first_line: str = ""
    ends_with_newline: bool = True
    refusal: str = ""

    def line(self, *cells: str) -> str:
        return self.delimiter.join(self.cell(cell) for cell in cells)

    def cell(self, text: str) -> str:
        special = any(c in text for c in (self.delimiter, '"', "\n", "\r"))
        if self.quoting == "all" or (special and self.quoting == "minimal"):
            return '"' + text.replace('"', '""') + '"'
        return text

    def row_line(self, row: Row) -> str:
        values = {"id": row.case_id, "text": row.text, "märke": row.mark}
        return self.line(*(values.get(column.strip().casefold(), "x") for column in self.columns))

    def can_hold(self, text: str) -> bool:
        """Whether the encoding has the letters, and the quoting the signs, of a text."""
        try:
            text.encode(self.encoding)
        except UnicodeEncodeError:
            return False
        # Without quotation marks a text that begins with one cannot be told from a quoted one.
        free = self.quoting != "none"
        return free or not (any(c in text for c in (self.delimiter, "\n", "\r")) or text.startswith('"'))

    def write(self, rows: list[Row]) -> None:
        self.records = [(self.line(*self.columns), None), *((self.row_line(row), row) for row in rows)]

    def rows(self) -> list[Row]:
        return [row for _, row in self.records if row]

    def place(self, which: int) -> int:
        """Where the record of a row stands."""
        return [at for at, (_, row) in enumerate(self.records) if row][which]

    def change(self, which: int, line: str | bytes, **changes: str) -> None:
        """Let a row stand, and fare, otherwise."""
        at = self.place(which)
        row = self.records[at][1]
        assert row
        self.records[at] = (line, replace(row, **changes))

    def finished(self, bom: bytes) -> CaseFile:
        """The file, its rows numbered as Excel numbers them: every record and empty line counts, `sep=;` does not."""
        lines = [self.first_line] * bool(self.first_line) + [line for line, _ in self.records]
        ends = [self.newlines[n % len(self.newlines)] for n in range(len(lines) - 1)]
        ends.append(self.newlines[0] * self.ends_with_newline)
        content = bom + b"".join(self.encoded(a) + self.encoded(b) for a, b in zip(lines, ends, strict=True))
        rows = [replace(row, number=number) for number, (_, row) in enumerate(self.records, 1) if row]
        return CaseFile(f"{self.name}.csv", content, rows, self.refusal)

    def encoded(self, line: str | bytes) -> bytes:
        return line if isinstance(line, bytes) else line.encode(self.encoding)


# --- how a sound file may look -----------------------------------------------------------------------------------


def names_its_delimiter(draft: Draft) -> None:
    draft.first_line = draft.chance.choice(["sep={}", '"sep={}"', "SEP={}"]).format(draft.delimiter)


def has_empty_lines(draft: Draft) -> None:
    for at in (0, 2, len(draft.records) + 2):
        draft.records.insert(at, ("", None))


def has_lines_of_delimiters(draft: Draft) -> None:
    for at in (0, 3, len(draft.records) + 2):
        draft.records.insert(at, (draft.delimiter * (len(draft.columns) - 1), None))


def has_spaces_around_headings(draft: Draft) -> None:
    draft.columns = [f"  {column} " for column in draft.columns]
    draft.write(draft.rows())


def has_headings_in_other_case_and_order(draft: Draft) -> None:
    draft.columns = ["Märke", "TEXT", "Id"]
    draft.write(draft.rows())


def has_more_columns(draft: Draft) -> None:
    extra = ["Pris", "Pris", "", " ", "datum", "Nöjdhet (1-5)"]
    draft.columns = [*draft.columns, *extra]
    draft.write(draft.rows())
    blank = [""] * len(extra)
    for which, row in enumerate(draft.rows()):
        draft.change(which, draft.line(row.case_id, row.text, row.mark, *blank))


def ends_every_line_with_a_delimiter(draft: Draft) -> None:
    draft.records = [(f"{line}{draft.delimiter}", row) for line, row in draft.records]


def has_no_last_newline(draft: Draft) -> None:
    draft.ends_with_newline = False


def has_no_ids(draft: Draft) -> None:
    draft.columns = ["märke", "text"]
    draft.write([replace(row, case_id="") for row in draft.rows()])


def has_decomposed_headings(draft: Draft) -> None:
    """As a Mac writes them: å is a and a ring."""
    headings = [{"text": "Klagomål", "id": "Ärende"}.get(column, column) for column in draft.columns]
    line = unicodedata.normalize("NFD", draft.line(*headings))
    draft.records[0] = (line if draft.can_hold("a\u030a") else draft.line(*headings), None)


LAYOUTS: list[Callable[[Draft], None]] = [
    *(names_its_delimiter, has_empty_lines, has_lines_of_delimiters, has_spaces_around_headings),
    *(has_headings_in_other_case_and_order, has_more_columns, ends_every_line_with_a_delimiter),
    *(has_no_last_newline, has_no_ids, has_decomposed_headings),
]

# --- how a file may be damaged -----------------------------------------------------------------------------------


def has_an_unquoted_delimiter(draft: Draft) -> None:
    first, second = draft.cell("Sist "), draft.cell(" kom det")
    line = draft.delimiter.join([draft.cell("id-1"), first, second, draft.cell("x")])
    draft.change(1, line, raw=line, reason="4 fält, rubrikraden har 3; sätt citattecken om text med")


def lacks_a_cell(draft: Draft) -> None:
    line = draft.line("id-1", "Ärendet är avslutat utan svar")
    draft.change(
        1, line, raw=line, reason="2 fält, rubrikraden har 3; raden är avhuggen eller bruten, exportera den på nytt"
    )


def is_cut_off_in_a_row(draft: Draft) -> None:
    line = draft.line("id-9", "Ärendet är av")
    draft.ends_with_newline = False
    draft.change(
        -1, line, raw=line, reason="2 fält, rubrikraden har 3; raden är avhuggen eller bruten, exportera den på nytt"
    )


def has_a_stray_quotation_mark(draft: Draft) -> None:
    line = draft.delimiter.join(["id-1", '"Hej" sade ni, och sedan inget mer på hela våren', "x  "])
    draft.change(1, line, raw=line, reason="citattecken på fel plats; dubbla citattecken som hör till texten")


def is_cut_off_inside_quotation_marks(draft: Draft) -> None:
    draft.ends_with_newline = False
    draft.change(-1, draft.delimiter.join(["id-9", '"Jag väntade och']))
    draft.refusal = UNCLOSED


def is_cut_off_inside_a_character(draft: Draft) -> None:
    draft.ends_with_newline = False
    line = draft.delimiter.join([draft.line("id-9", "Nu räcker det"), "å"]).encode(draft.encoding)[:-1]
    if draft.encoding.startswith("utf-16"):
        draft.refusal = UNDECODABLE
    draft.change(-1, line, raw=line.decode(draft.encoding, "replace"), reason=BAD_LETTERS)


def mixes_two_encodings(draft: Draft) -> None:
    line = draft.line("id-1", "Får inget svar på måndag", "x").encode("cp1252")
    draft.change(1, line, raw=line.decode("utf-8", "replace"), reason=BAD_LETTERS)


def repeats_its_headings(draft: Draft) -> None:
    """As two exports do that were put together, the byte order mark of the second with it."""
    mark = "\ufeff" if draft.can_hold("\ufeff") else ""
    row = Row(
        f"{mark}{draft.cell('id')}" if mark else "id",
        "text",
        "märke",
        reason="rubrikraden står här en gång till; ta bort raden",
    )
    draft.records.insert(draft.place(1), (mark + draft.line("id", "text", "märke"), row))


def has_a_row_without_text(draft: Draft) -> None:
    row = replace(draft.rows()[1], text=" ", reason="texten är tom; fyll i klagomålet eller ta bort raden")
    draft.records[draft.place(1)] = (draft.row_line(row), row)


def has_an_id_twice(draft: Draft) -> None:
    row = replace(draft.rows()[2], case_id=draft.rows()[0].case_id, reason="ärendenumret står redan på rad ")
    draft.records[draft.place(2)] = (draft.row_line(row), row)


def has_control_characters(draft: Draft) -> None:
    row = replace(draft.rows()[1], text="Klart\0 \x07slut\x1a \x0b\x0c\x1c nu får ni \x7f ge er")
    draft.records[draft.place(1)] = (draft.row_line(row), row)


DIRT: list[Callable[[Draft], None]] = [
    *(has_an_unquoted_delimiter, lacks_a_cell, is_cut_off_in_a_row, has_a_stray_quotation_mark),
    *(is_cut_off_inside_quotation_marks, is_cut_off_inside_a_character, mixes_two_encodings),
    *(repeats_its_headings, has_a_row_without_text, has_an_id_twice, has_control_characters),
]


# --- the files ---------------------------------------------------------------------------------------------------


def rows(chance: random.Random, can_hold: Callable[[str], bool] = bool, extra: int = 3) -> list[Row]:
    """Three complaints and a few hard texts, with hard ids, in any order."""
    plain = [text for text in COMPLAINTS if can_hold(text)]
    texts = chance.sample(plain, 3) + chance.sample([text for text in HARD if can_hold(text)], extra)
    chance.shuffle(texts)
    ids = chance.sample([case_id for case_id in IDS if can_hold(case_id)], len(texts))
    return [Row(case_id, text, f"m-{n}") for n, (case_id, text) in enumerate(zip(ids, texts, strict=True))]


def applies(dirt: Callable[[Draft], None], encoding: str) -> bool:
    """Eight-bit code pages have no characters of several bytes, and UTF-16 no lines of another encoding."""
    multibyte = {is_cut_off_inside_a_character: ("utf-8", "utf-16"), mixes_two_encodings: ("utf-8",)}
    return encoding.startswith(multibyte.get(dirt, ("",)))


def csv_files() -> Iterator[CaseFile]:
    """Every dialect as it is, laid out otherwise, and damaged."""
    dialects = product(DELIMITERS, ENCODINGS, ("minimal", "all", "none"), NEWLINES)
    layouts, dirt = cycle(LAYOUTS), cycle(DIRT)
    for delimiter, encoding, quoting, newlines in dialects:
        damage = next(damage for damage in dirt if applies(damage, encoding))
        for change in (None, next(layouts), damage):
            kind = change.__name__ if change else "plain"
            name = f"{kind}-{delimiter}-{encoding}-{quoting}-{newlines}"
            codec, bom = ENCODINGS[encoding]
            draft = Draft(name, DELIMITERS[delimiter], codec, quoting, NEWLINES[newlines], random.Random(name))
            draft.write(rows(draft.chance, draft.can_hold))
            if change:
                change(draft)
            yield draft.finished(bom)
