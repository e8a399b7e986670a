"""Whether an Excel workbook that nobody vouches for is safe to hand to a reader: looked at without being unpacked.

The reader (calamine) runs nothing, but takes all the memory that a workbook asks for. So what a zip file declares is
inflated and counted here first, a block at a time; what an older workbook (.xls) chains together is followed once.
"""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Iterator
from copy import copy
from functools import reduce
from pathlib import Path

from nollclassify.errors import InputError

# A workbook that unpacks to more than this is not a month's complaints (4 MB can hide 1 GB).
UNPACKED_LIMIT = 400_000_000
# Nor does a sheet of complaints pack a hundred to one (5 to 20 is usual); small parts may.
_RATIO_LIMIT, _SMALL = 100, 20_000_000
# Nor is a sheet with more cells than this; a single stray cell in the far corner makes 17 billion.
SHEET_CELL_LIMIT = 50_000_000
# The rectangle around the cells may hold so many for each one that is filled; a small one may be as sparse as it likes.
_SPARSE, _SMALL_SHEET = 20, 1_000_000
_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384
_DIRECTORY_LIMIT = 1_000_000
# Bytes that are inflated at a time; a cell may hold 32,767 signs, and all of them be entities.
_BLOCK, _LONGEST_CELL = 1_000_000, 1_000_000

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
# Cells without content: the reader passes them over. Just this spelling, so that nothing else passes for one.
# A cell or a row that is not plainly among the first 26 columns and 99,999 rows.
_FAR = re.compile(rb'<(?:[^<>\s/!?:]+:)?(?:c|row)(?=[\s/>])(?! r="[A-Z]?\d{1,5}"(?![^<]*\sr\s*=))')
# A cell without content, which the reader passes over (just this spelling, so that nothing else passes for one); or
# any other row or cell.
_ROW_OR_CELL = re.compile(rb'(<c(?:\s+\w+="[^"<>]*")*\s*(?:/>|></c>))|<(?:[^<>\s/!?:]+:)?(row|c)(?=[\s/>])([^<]*)')
# A row or a cell that does not begin with its place, in capitals, and have no other place.
_ODD = re.compile(rb'<(?:[^<>\s/!?:]+:)?(?:c|row)(?=[\s/>])(?! r="[A-Z]{0,3}\d{1,7}"(?![^<]*\sr\s*=))')
_EMPTY_CELL = re.compile(rb'<c(?: \w+="[^"<>]*")*/>')
_PLAIN_CELL = re.compile(rb'<(?:[^<>\s/!?:]+:)?c r="([A-Z]+)(\d+)"')
_PLAIN_ROW = re.compile(rb'<(?:[^<>\s/!?:]+:)?row r="(\d+)"')
_PLACE = re.compile(rb"""\sr\s*=\s*["']\s*([A-Za-z]{0,8})(\d{0,10})""")


def check_workbook(path: Path) -> None:
    """Refuse a workbook that would take more memory or time than a month's complaints do.

    Raises:
        InputError: too large, or not of the kind that its ending says.
        ValueError, or what `zipfile` and `zlib` raise: damaged.
    """
    with path.open("rb") as file:
        beginning = file.read(8)
    if beginning == _OLE:
        _check_old(path)
    elif beginning.startswith(b"PK"):
        _check_zip(path)
    else:
        raise ValueError("neither kind of workbook")


def _too_large(path: Path) -> InputError:
    return InputError(f"{path}: arbetsboken packas upp till för mycket data; dela den eller spara som CSV.")


# --- .xlsx -------------------------------------------------------------------------------------------------------


def _check_zip(path: Path) -> None:
    _check_directory(path)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len({entry.filename.lower() for entry in entries}) != len(entries):
            raise ValueError("a part twice")
        size, packed = sum(entry.file_size for entry in entries), path.stat().st_size
        if size > UNPACKED_LIMIT or size > max(_SMALL, _RATIO_LIMIT * packed):
            raise _too_large(path)
        # All of them, for a sheet may lie anywhere and have any name.
        for entry in entries:
            if _has_far_cells(_pieces(archive, entry)):
                _check_extent(path, _pieces(archive, entry))


def _check_directory(path: Path) -> None:
    """ValueError where the list of the parts has no or several ends, or is longer than that of any workbook."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 66_000))
        tail = file.read()
    end = tail.rfind(b"PK\x05\x06")
    if tail.count(b"PK\x05\x06") != 1 or struct.unpack("<I", tail[end + 12 : end + 16])[0] > _DIRECTORY_LIMIT:
        raise ValueError("no list of parts")


def _blocks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """A part's bytes; ValueError where it unpacks to another size than the zip file says."""
    whole, unpacked = copy(entry), 0
    whole.file_size = UNPACKED_LIMIT + 1  # Else zipfile stops at the declared size, and the reader does not.
    with archive.open(whole) as file:
        while block := file.read(_BLOCK):
            unpacked += len(block)
            if unpacked > entry.file_size:
                break
            yield block
    if unpacked != entry.file_size:
        raise ValueError("a part that lies about its size")


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """A part's bytes, cut where an element begins; ValueError where it declares entities."""
    rest = b""
    for block in _blocks(archive, entry):
        block = rest + block
        at = block.rfind(b"<")
        if block[at + 1 : at + 2] in (b"/", b""):  # An empty cell and its end are not parted.
            at = block.rfind(b"<", 0, max(at, 0))
        if len(block) - at > _LONGEST_CELL:
            if at >= 0 and _ROW_OR_CELL.match(block, at):
                raise ValueError("a cell without an end")
            at = len(block)
        if _DECLARATION.search(block):
            raise ValueError("a part that declares entities")
        yield block[:at]
        rest = block[at:]
    yield rest


def _has_far_cells(pieces: Iterator[bytes]) -> bool:
    """Whether a cell may stand far out. Reads all, so that every part has been unpacked and looked at."""
    return sum(bool(_FAR.search(piece)) for piece in pieces) > 0


def _check_extent(path: Path, pieces: Iterator[bytes]) -> None:
    """InputError where the rectangle around a sheet's filled cells is too large, or nearly empty."""
    extent = _Extent()
    for piece in pieces:
        if not (extent.add_odd if _ODD.search(piece) else extent.add_plain)(piece):
            raise InputError(
                f"{path}: ett blad har celler utanför Excels gränser; öppna boken i Excel och spara om den."
            )
    filled, last_row, last_column = extent.filled, extent.last_row, extent.last_column
    cells = last_row * last_column
    if cells > max(_SMALL_SHEET, _SPARSE * filled):
        raise InputError(
            f"{path}: ett blad har en ifylld cell långt utanför tabellen, rad {last_row} eller kolumn {last_column} "
            "är den yttersta; ta bort den eller spara som CSV."
        )
    if cells > SHEET_CELL_LIMIT:
        raise _too_large(path)


class _Extent:
    """The rectangle of a sheet's filled cells, as the reader will find it or larger."""

    def __init__(self) -> None:
        self.filled = self.last_row = self.last_column = 0
        self._row = self._column = 0

    def add_plain(self, piece: bytes) -> bool:
        """Add rows and cells that all have plain places; False where one lies beyond the last."""
        every = _PLAIN_CELL.findall(piece)
        cells = _PLAIN_CELL.findall(_EMPTY_CELL.sub(b"", piece)) if b"/>" in piece else every
        self.filled += len(cells)
        self.last_row = max([self.last_row, *map(int, {digits for _, digits in cells})])
        self.last_column = max([self.last_column, *map(_number, {letters for letters, _ in cells})])
        # Where an odd piece that follows goes on; too far to the right rather than too little.
        self._row = max(map(int, _PLAIN_ROW.findall(piece)), default=self._row)
        self._column = max(map(_number, {letters for letters, _ in every}), default=self._column)
        return self.last_row <= _LAST_ROW and self.last_column <= _LAST_COLUMN

    def add_odd(self, piece: bytes) -> bool:
        """Add rows and cells one by one, whatever they look like; False where one lies beyond the last."""
        for empty, kind, rest in _ROW_OR_CELL.findall(piece):
            places = _PLACE.findall(empty or rest)
            if kind == b"row":
                self._row, self._column = max((int(digits or 0) for _, digits in places), default=self._row + 1), 0
                continue
            column = self._column = max((_number(letters) for letters, _ in places), default=self._column + 1)
            here = max((int(digits or 0) for _, digits in places), default=self._row)
            if here > _LAST_ROW or column > _LAST_COLUMN:
                return False
            if not empty:
                self.filled += 1
                self.last_row, self.last_column = max(self.last_row, here), max(self.last_column, column)
        return True


def _number(letters: bytes) -> int:
    """The number of a column, from its letters."""
    return reduce(lambda columns, letter: columns * 26 + (letter & 31), letters, 0)


# --- .xls --------------------------------------------------------------------------------------------------------


def _check_old(path: Path) -> None:
    """An older workbook, whose sectors are chained: the reader follows a chain that bites its tail for ever."""
    if path.suffix.lower() != ".xls":
        raise InputError(
            f"{path}: arbetsboken är lösenordsskyddad eller av en äldre sort; öppna den i Excel och spara den som "
            ".xlsx utan lösenord."
        )
    content = path.read_bytes()
    size = {9: 512, 12: 4096}[struct.unpack_from("<H", content, 30)[0]]
    sectors = [content[at : at + size] for at in range(size, len(content), size)]
    at, n = struct.unpack_from("<2I", content, 68)
    tables = [number for number in struct.unpack_from("<109I", content, 76) if number < len(sectors)]
    for _ in range(min(n, len(sectors))):
        if at >= len(sectors):
            break
        *more, at = struct.unpack(f"<{size // 4}I", sectors[at])
        tables += [number for number in more if number < len(sectors)]
    after = [number for table in tables for number in struct.unpack(f"<{size // 4}I", sectors[table])]
    if at < len(sectors) or _bites_its_tail(after):
        raise ValueError("sectors in a circle")
    mini: list[int] = []
    at = struct.unpack_from("<I", content, 60)[0]
    while at < min(len(after), len(sectors)):
        mini += struct.unpack(f"<{size // 4}I", sectors[at])
        at = after[at]
    if _bites_its_tail(mini):
        raise ValueError("small sectors in a circle")


def _bites_its_tail(after: list[int]) -> bool:
    """Whether two chains meet or one is a circle; `after` has the number of the sector that follows each."""
    linked = [number for number in after if number < len(after)]
    if len(set(linked)) != len(linked):
        return True
    seen = 0
    for at in set(range(len(after))) - set(linked):
        while at < len(after):
            seen, at = seen + 1, after[at]
    return seen != len(after)
