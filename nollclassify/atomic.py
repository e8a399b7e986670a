"""Files that are either the old one or the new one, never half of either.

What is being written lies under a temporary name beside the final one, and that name says which process writes it. So
what an earlier, killed process left can be told from what another one is writing now.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nollclassify.errors import InputError, NollclassifyError
from nollclassify.processes import MARK, is_gone, mark

_REASONS = {
    errno.ENOSPC: "disken är full",
    errno.EDQUOT: "utrymmet är slut",
    errno.EFBIG: "filen blir för stor för disken",
    errno.EACCES: "det är inte tillåtet",
    errno.EPERM: "det är inte tillåtet",
    errno.EROFS: "disken går bara att läsa",
    errno.EIO: "disken svarar inte som den ska",
    errno.ENOTDIR: "en fil ligger där en mapp behövs",
    errno.EEXIST: "en fil ligger där en mapp behövs",
    errno.EISDIR: "en mapp har samma namn",
    errno.ENAMETOOLONG: "namnet är för långt",
    errno.ENOENT: "mappen är borta",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; when the block ends well it is flushed to disk and takes `path`'s place.

    When the block raises, the temporary file is removed and `path` is as it was. What killed processes left in the
    folder is swept. InputError where the disk or the folder does not let it be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        handle, name = tempfile.mkstemp(prefix=temporary_prefix(path.stem), suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        sync(temporary)
        # mkstemp makes the file private; a result is read by colleagues, as any file of theirs.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        sync_folder(path.parent)
    except NollclassifyError:
        raise
    except Exception as error:
        # XlsxWriter wraps what the disk said.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        raise InputError(f"{path}: filen går inte att skriva ({reason(cause)}); välj en annan mapp.") from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 in the manner of `replacing`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` in the manner of `replacing`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def temporary_prefix(name: str) -> str:
    """What the temporary name of something begins with: hidden, and marked as this process's."""
    # Cut, so that what has as long a name as the disk allows can be written too.
    return f".{name[:40]}.{mark()}."


def strays(folder: Path, name: str | None = None) -> Iterator[Path]:
    """What dead processes left in a folder under temporary names; with `name`, only what was to have that name."""
    for path in folder.iterdir():
        parts = path.name.split(".")
        marked = [at for at, part in enumerate(parts) if MARK.fullmatch(part)]
        if not marked or parts[0] or (name is not None and ".".join(parts[1 : marked[-1]]) != name[:40]):
            continue
        # What vanishes meanwhile is no longer a stray.
        with contextlib.suppress(FileNotFoundError):
            if is_gone(parts[marked[-1]], time.time() - path.stat().st_mtime):
                yield path


def sync(path: Path) -> None:
    """Have the disk keep what a file holds; OSError."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder, where the system can; the names are right either way."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def reason(error: OSError) -> str:
    """What the system says went wrong, in Swedish where it is known."""
    return _REASONS.get(error.errno or 0) or error.strerror or type(error).__name__


def _sweep(folder: Path) -> None:
    # What cannot be swept is no reason not to write.
    with contextlib.suppress(OSError):
        for stray in strays(folder):
            if stray.is_file():
                stray.unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
