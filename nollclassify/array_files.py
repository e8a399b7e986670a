"""Arrays in an npz file that nobody vouches for: plain numbers and short texts, or nothing.

numpy's own reader leaves the sizes to the file, and evaluates its headers as Python literals. Here only what numpy
writes for plain arrays is taken, and no array is made before its header agrees with the bytes that are there.
"""

from __future__ import annotations

import io
import json
import math
import re
import stat
import sys
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

# Array name -> its shape, its kind of values (numpy's letter), and the smallest and largest of them.
Wanted = Mapping[str, tuple[tuple[int, ...], str, tuple[float, float] | None]]
# Thirty times what the arrays of the starter corpus's model unpack to.
UNPACKED_LIMIT = 200_000_000
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([<>|][biufU]\d{1,4})', 'fortran_order': (?:True|False), 'shape': \(([\d, ]*)\), \} *\n"
)


def read_arrays(content: bytes, names: Collection[str]) -> dict[str, np.ndarray]:
    """The arrays of an npz file, which has to hold just these.

    Raises:
        ValueError, or what `zipfile` and `zlib` raise: other names, names twice, an encrypted or oddly compressed
            member, too large altogether, or an array that is not plain or whose header lies.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sorted(entry.filename for entry in entries) != sorted(f"{name}.npy" for name in names):
            raise ValueError("other arrays than those wanted")
        if sum(entry.file_size for entry in entries) > UNPACKED_LIMIT:
            raise ValueError("too large")
        if any(e.flag_bits & 1 or e.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for e in entries):
            raise ValueError("encrypted or oddly compressed")
        return {entry.filename.removesuffix(".npy"): _array(archive.read(entry)) for entry in entries}


def _array(content: bytes) -> np.ndarray:
    end = 10 + int.from_bytes(content[8:10], "little")
    header = _HEADER.fullmatch(content, 10, end)
    if not content.startswith(_MAGIC) or not header:
        raise ValueError("not a plain array")
    dtype, shape = np.dtype(header[1].decode()), tuple(map(int, header[2].replace(b",", b" ").split()))
    if not dtype.itemsize or math.prod(shape) * dtype.itemsize != len(content) - end:
        raise ValueError("the header lies about the size")
    array: np.ndarray = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    if dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise ValueError("a truth value that is neither true nor false")
    if dtype.kind == "U" and (np.frombuffer(content, f"{dtype.str[0]}u4", offset=end) > sys.maxunicode).any():
        raise ValueError("text of what are no characters")
    return array


def check(arrays: dict[str, np.ndarray], wanted: Wanted) -> None:
    """ValueError where an array has not the wanted shape, kind and range; NaN is in no range."""
    for name, (shape, kind, ends) in wanted.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind != kind:
            raise ValueError(f"{name}: another shape or kind")
        if ends and not (np.isfinite(array) & (array >= ends[0]) & (array <= ends[1])).all():
            raise ValueError(f"{name}: out of range")


def read_plain(path: Path, limit: int) -> bytes:
    """What a plain file holds; ValueError for a link, a pipe or a device, or for more than `limit` bytes."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
        raise ValueError(path.name)
    return path.read_bytes()


def read_names(content: bytes, most_lists: int) -> dict[str, Any]:
    """The lists of names of a JSON file; ValueError where it is none, or has more lists than that."""
    # A list takes twenty times its bytes in memory, and words hold no brackets.
    if content.count(b"[") + content.count(b"{") > most_lists:
        raise ValueError("too many lists")
    names: dict[str, Any] = json.loads(content)
    return names


def different_words(value: Any, longest: int) -> tuple[str, ...]:
    """A list of different texts of 1 to `longest` characters; ValueError where it is something else."""
    words = tuple(value) if isinstance(value, list) and all(isinstance(word, str) for word in value) else ("",)
    if not all(0 < len(word) <= longest for word in words) or len(set(words)) != len(words):
        raise ValueError("not a list of different words")
    "".join(words).encode()  # Half an emoji is a ValueError here.
    return words
