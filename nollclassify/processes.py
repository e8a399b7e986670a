"""Which process something on the disk belongs to, so that what a dead one left behind can be put right."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from pathlib import Path

# What a process of another computer left is taken for forgotten after so many seconds: nobody here can ask it.
_A_DAY = 86_400
MARK = re.compile(r"([0-9a-f]{8})-(\d+)-(\d+)")


def mark() -> str:
    """Names this process: a digest of the computer's name, the number of the process, and when it began."""
    return f"{_host()}-{os.getpid()}-{_began(os.getpid())}"


def is_gone(mark: str, age: float) -> bool:
    """Whether the process that made a mark, `age` seconds ago, is dead; False for what is no mark."""
    found = MARK.fullmatch(mark)
    if not found:
        return False
    host, pid, began = found[1], int(found[2]), int(found[3])
    if host != _host() or os.name != "posix":
        return age > _A_DAY
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    # The number may be another process's by now.
    return _began(pid) != began


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _began(pid: int) -> int:
    """When a process began, as Linux counts it; 0 where that cannot be read, or where the process has ended."""
    try:
        state, *fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return 0
    return 0 if state in "XZ" else int(fields[18])
