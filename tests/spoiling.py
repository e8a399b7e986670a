"""How a model directory is spoilt: tools for `hostile_models`, which names the ways."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

MANIFEST, NPZ, HELD_OUT, TAXONOMY, NAMES = (
    *("manifest.json", "arrays.npz", "held_out.npz"),
    *("taxonomy.toml", "vocabulary.json"),
)
FILES = (MANIFEST, NPZ, HELD_OUT, TAXONOMY, NAMES)
SENTINEL = "executed"
Spoil = Callable[[Path], object]


class Payload:
    """What a pickle would run: it makes a file in the working directory."""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (SENTINEL, "w"))


def seal(directory: Path) -> None:
    """Make the manifest's digests right again, as somebody does who wants the change to go unseen."""
    told = json.loads((directory / MANIFEST).read_text("utf-8"))
    told["files"] = {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in FILES[1:]}
    (directory / MANIFEST).write_text(json.dumps(told), encoding="utf-8")


def arrays(spoil: Callable[[dict[str, Any]], object], file: str, directory: Path) -> None:
    """Change the arrays of an npz file."""
    with np.load(directory / file) as there:
        named = dict(there)
    spoil(named)
    np.savez(directory / file, **named)


def setting(name: str, value: Callable[[np.ndarray], Any], file: str = NPZ) -> Spoil:
    return partial(arrays, lambda a: a.update({name: value(a[name])}), file)


def members(directory: Path, file: str = NPZ) -> dict[str, bytes]:
    with zipfile.ZipFile(directory / file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(directory: Path, parts: list[tuple[str, bytes]], file: str = NPZ, method: int = 0) -> None:
    with zipfile.ZipFile(directory / file, "w", method, compresslevel=1) as archive:
        for name, content in parts:
            archive.writestr(name, content)


def extra(name: str, content: bytes, directory: Path) -> None:
    """One more member in the npz file, whatever its name."""
    with zipfile.ZipFile(directory / NPZ, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), content)


def member(name: str, content: Callable[[bytes], bytes], file: str = NPZ) -> Spoil:
    """One member of an npz file as other bytes."""

    def spoil(directory: Path) -> None:
        parts = members(directory, file)
        zipped(directory, [(n, content(c) if n == f"{name}.npy" else c) for n, c in parts.items()], file)

    return spoil


def headed(text: str, data: bytes = b"", magic: bytes = b"\x93NUMPY\x01\x00") -> bytes:
    """A member with a header of one's own."""
    body = text.encode() + b"\n"
    return magic + len(body).to_bytes(2 if magic[6] == 1 else 4, "little") + body + data


def header(descr: str, shape: str, order: str = "False", data: bytes = bytes(64)) -> Spoil:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}"
    return member("intercepts", lambda _: headed(text, data))


def patched(offsets: dict[bytes, int], value: bytes, directory: Path) -> None:
    """Overwrite a field of every local and central header of the npz file."""
    content = bytearray((directory / NPZ).read_bytes())
    for signature, offset in offsets.items():
        at = content.find(signature)
        while at >= 0:
            content[at + offset : at + offset + len(value)] = value
            at = content.find(signature, at + 4)
    (directory / NPZ).write_bytes(content)


def manifest(directory: Path, **changes: Any) -> None:
    told = json.loads((directory / MANIFEST).read_text("utf-8")) | changes
    (directory / MANIFEST).write_text(json.dumps({k: v for k, v in told.items() if v is not ...}), encoding="utf-8")


def telling(**changes: Any) -> Spoil:
    return partial(manifest, **changes)


def vocabulary(change: Callable[[dict[str, Any]], object], directory: Path) -> None:
    names = json.loads((directory / NAMES).read_text("utf-8"))
    changed = change(names)
    (directory / NAMES).write_text(json.dumps(names if changed is None else changed), encoding="utf-8")


def naming(key: str, value: Callable[[Any], Any]) -> Spoil:
    return partial(vocabulary, lambda names: names.update({key: value(names[key])}))


def text(file: str, change: Callable[[str], str], directory: Path) -> None:
    (directory / file).write_text(change((directory / file).read_text("utf-8")), encoding="utf-8")


def content(file: str, change: Callable[[bytes], bytes], directory: Path) -> None:
    (directory / file).write_bytes(change((directory / file).read_bytes()))


def instead(file: str, make: Callable[[Path], object], directory: Path) -> None:
    """Something else in the place of a file."""
    (directory / file).unlink()
    make(directory / file)


def link_outside(file: str, directory: Path) -> None:
    outside = directory.parent / f"outside-{file}"
    (directory / file).rename(outside)
    (directory / file).symlink_to(outside)


def at(array: np.ndarray, place: Any, value: Any) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed
