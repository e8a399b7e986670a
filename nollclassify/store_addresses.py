"""Where an SQLite store of MLflow says that its artefacts lie: from the root of the disk, though a store may move."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

ARTEFACTS = "mlartifacts"
# Where MLflow writes down where artefacts lie, always from the root of the disk.
_ADDRESSES = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}


def database_of(uri: str) -> Path | None:
    """The file of an SQLite store, None of any other."""
    scheme, _, rest = uri.partition(":///")
    return Path(rest.partition("?")[0]).absolute() if scheme.startswith("sqlite") and rest else None


def follow(database: Path) -> None:
    """Rewrite the addresses of artefacts in a store that was moved or copied together with its artefacts."""
    here = database.parent / ARTEFACTS
    if not database.is_file() or not here.is_dir():
        return
    with closing(sqlite3.connect(database, timeout=60)) as connection, connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables.issuperset(_ADDRESSES):
            return
        for (root,) in connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall():
            if root and root.startswith("file:") and root.endswith(f"/{ARTEFACTS}") and root != here.as_uri():
                _rewrite(connection, root, here.as_uri())


def _rewrite(connection: sqlite3.Connection, old: str, new: str) -> None:
    for table, columns in _ADDRESSES.items():
        for column in columns:
            # The names are ours, no user's.
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, length(?) + 1) "
                f"WHERE {column} = ? OR substr({column}, 1, length(?) + 1) = ? || '/'",
                (new, old, old, old, old),
            )
