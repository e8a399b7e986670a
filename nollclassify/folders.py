"""Directories that are replaced whole, while others read them and whatever process dies.

No system renames a directory over another one. So the old one is taken away and the new one put in its place, and for a
moment between these two renamings there is neither: readers wait that moment out, and put the old one back where a
process died in it.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from nollclassify.atomic import strays, sync, sync_folder, temporary_prefix

T = TypeVar("T")

# The last part of the name of what was taken away begins with this.
_OLD = "old-"
# Renaming takes no time: whoever has not put a directory in an empty place after so many seconds never will.
_STUCK = 1.0
# Seconds, and times, that a reader waits.
_PAUSE, _TRIES = 0.02, 100


@contextmanager
def replacing_folder(directory: Path) -> Iterator[Path]:
    """Give a new directory beside `directory`; when the block ends well it is flushed to disk and put in its place.

    When the block raises, the new directory is removed and `directory` is as it was. OSError where the disk refuses.
    """
    new = Path(tempfile.mkdtemp(prefix=temporary_prefix(directory.name), dir=directory.parent))
    try:
        new.chmod(0o755)
        yield new
        for path in new.iterdir():
            sync(path)
        sync_folder(new)
        _put(new, directory)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _put(new: Path, directory: Path) -> None:
    old = Path(tempfile.mkdtemp(prefix=f"{temporary_prefix(directory.name)}{_OLD}", dir=directory.parent))
    try:
        for attempt in range(_TRIES):
            before = old / str(attempt)
            with contextlib.suppress(FileNotFoundError):
                directory.rename(before)
            try:
                new.rename(directory)
                break
            except OSError:
                if not directory.exists():
                    if before.exists():
                        before.rename(directory)
                    raise
                # Another process has put its own here meanwhile: the last one stays.
                if attempt == _TRIES - 1:
                    raise
        sync_folder(directory.parent)
    finally:
        # Where the old one could not be put back, `settle` will.
        if directory.exists() or not any(old.iterdir()):
            shutil.rmtree(old, ignore_errors=True)


def settle(directory: Path) -> None:
    """Put back what a process took away and died before replacing, and sweep what dead ones left beside it."""
    with contextlib.suppress(OSError):  # that another process does the same, or that there is no such folder
        for old in [] if directory.exists() else _taken_away(directory):
            if time.time() - old.stat().st_mtime > _STUCK:
                max(old.iterdir(), key=lambda path: int(path.name)).rename(directory)
                break
        for stray in strays(directory.parent, directory.name):
            if directory.exists() or not _is_old(stray):
                shutil.rmtree(stray, ignore_errors=True)


def until_steady(directory: Path, read: Callable[[], T], refusal: type[Exception]) -> T:
    """What `read` makes of a directory; when it is refused while another process replaces it, it reads once more.

    Raises:
        refusal: as `read` raised it for a directory that nobody was replacing.
    """
    for _ in range(_TRIES):
        there = _identity(directory)
        try:
            return read()
        except refusal:
            settle(directory)
            if there == _identity(directory) and (there or not _is_on_its_way(directory)):
                raise
            time.sleep(_PAUSE)
    return read()


def _identity(directory: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        status = directory.stat()
        return status.st_dev, status.st_ino
    return None


def _is_on_its_way(directory: Path) -> bool:
    try:
        return bool(_taken_away(directory))
    except OSError:
        return directory.parent.is_dir()


def _taken_away(directory: Path) -> list[Path]:
    """Where directories that stood in this place were moved to, to be replaced; the last one first."""
    start = f".{directory.name[:40]}."
    found = [p for p in directory.parent.iterdir() if p.name.startswith(start) and _is_old(p) and any(p.iterdir())]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _is_old(path: Path) -> bool:
    return path.name.rpartition(".")[2].startswith(_OLD)
