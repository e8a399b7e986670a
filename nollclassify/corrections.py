"""The ledger of corrections: who decided what of which case, when, and what stood there before.

One SQLite file that is only ever added to: its own triggers refuse changes and deletions. An import is one transaction,
so that one which is killed leaves the ledger as it was. Texts and comments lie in it masked.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from nollclassify.errors import InputError

# Raise it when the tables change, and let `_prepared` bring older files up to it.
SCHEMA = 1
# Tells our files from other SQLite files: "noll" in ASCII.
APPLICATION = 0x6E6F6C6C
WAIT_SECONDS = 30.0

# What became of a row that was handed in.
NEW, CHANGED, UNCHANGED, TAKEN_BACK = "new", "changed", "unchanged", "taken_back"
COLLISION, NOTHING_THERE = "collision", "nothing_there"

# What the user hands in, in the order of the table.
_GIVEN = (
    *("key", "case_id", "text", "received", "channel", "product", "causes", "taken_back", "comment", "reviewer"),
    *("file", "line", "chosen", "probability", "reason", "model_version", "taxonomy_version"),
)
COLUMNS = ("number", *_GIVEN[:6], "old_causes", *_GIVEN[6:10], "imported_at", *_GIVEN[10:])
_TYPES = {"number": "INTEGER PRIMARY KEY", "taken_back": "INTEGER", "line": "INTEGER", "probability": "REAL"}
# What a reviewer says of a case: two rows that are alike in these say the same.
_SAID = ("causes", "taken_back", "comment")
_STATEMENT = ("file", "key", "reviewer", *_SAID)
_SCHEMA = f"""
CREATE TABLE decisions ({", ".join(f"{name} {_TYPES.get(name, 'TEXT NOT NULL')}" for name in COLUMNS)});
CREATE INDEX decisions_of ON decisions (key, reviewer, number);
CREATE TABLE statements (number INTEGER PRIMARY KEY, {", ".join(_STATEMENT)});
CREATE INDEX statements_of ON statements (key, reviewer, file, number);
""" + "".join(
    f"""
CREATE TRIGGER {table}_{event.lower()} BEFORE {event} ON {table} {when}
BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END;
"""
    for table in ("decisions", "statements")
    for event, when in (
        ("UPDATE", ""),
        ("DELETE", ""),
        # INSERT OR REPLACE deletes without asking the trigger above.
        ("INSERT", f"WHEN EXISTS (SELECT 1 FROM {table} WHERE number = NEW.number)"),
    )
)
_LATEST = "SELECT max(number) FROM decisions GROUP BY key, reviewer"
_SENTENCES = {
    sqlite3.SQLITE_FULL: "går inte att skriva (disken är full); gör plats och försök igen",
    sqlite3.SQLITE_BUSY: "används av en annan körning; försök igen om en stund",
    sqlite3.SQLITE_LOCKED: "används av en annan körning; försök igen om en stund",
    sqlite3.SQLITE_READONLY: "går inte att skriva (det är inte tillåtet); ändra rättigheterna eller välj en annan fil",
    sqlite3.SQLITE_CANTOPEN: "går inte att öppna; kontrollera mappen och rättigheterna",
    sqlite3.SQLITE_IOERR: "går inte att läsa eller skriva (disken svarar inte som den ska, eller är full)",
    sqlite3.SQLITE_NOTADB: "är ingen liggare med rättelser; ange en annan fil som corrections i nollclassify.toml",
}
_DAMAGED = "är skadad; lägg tillbaka en säkerhetskopia, eller flytta undan den och läs in böckerna på nytt"


@dataclass(frozen=True)
class Imported:
    """What became of each row that was handed in, in order: one of the names above; the last two were not taken in."""

    outcomes: tuple[str, ...]

    def count(self, outcome: str) -> int:
        return Counter(self.outcomes)[outcome]


class Corrections:
    """The ledger in one file, which is made when something is first added to it.

    Raises:
        InputError: from every method, where the file is damaged, of another kind, of a newer version, or in use.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    # --- adding --------------------------------------------------------------------------------------------------

    def append(self, rows: pd.DataFrame) -> Imported:
        """Add decisions, all in one transaction or none at all.

        A row adds nothing where its reviewer's latest decision of the case is the same already, or where the same file
        said the same when it was last read: an old book that is read again does not undo what was decided since.
        Rows of one import that say different things of one case under one name are a collision: none is taken in.
        A row without a file is one that a person gives by hand, and holds however often it was given before.

        Args:
            rows: one row a decision: `key`, `case_id`, `text` and `comment` (masked), `received`, `channel`, `product`,
                `proposed` and `causes` (ids joined by `;`), `taken_back` (bool), `reviewer`, `file`, `line`, `chosen`,
                `probability` (0 to 1, or not a number), `reason`, `model_version`, `taxonomy_version`.
        """
        records = [_plain(row) for row in rows.to_dict("records")]
        with self._open(create=True) as connection:
            spelled = {name.casefold(): name for (name,) in connection.execute("SELECT reviewer FROM decisions")}
            for record in records:
                name = " ".join(record["reviewer"].split())
                record["reviewer"] = spelled.setdefault(name.casefold(), name)
            told = [_is_told(connection, record) for record in records]
            colliding = _colliding(records, told)
            now = datetime.now(UTC).isoformat(timespec="seconds")
            return Imported(
                tuple(
                    COLLISION if _who(record) in colliding else UNCHANGED if known else _add(connection, record, now)
                    for record, known in zip(records, told, strict=True)
                )
            )

    # --- reading -------------------------------------------------------------------------------------------------

    def history(self) -> pd.DataFrame:
        """Everything that was ever decided, in order: the columns of `COLUMNS`, `taken_back` as bool."""
        return self._read("ORDER BY number")

    def current(self) -> pd.DataFrame:
        """The latest decision of each case and reviewer, without those that were taken back; columns as `history`."""
        return self._read(f"WHERE taken_back = 0 AND number IN ({_LATEST}) ORDER BY number")

    def settled(self) -> pd.DataFrame:
        """One row a case whose reviewers all agree: on the primary cause, and on the set of causes.

        Of the reviewers' rows it is that of the first by name, whatever the order in which they came in; `reviewer`
        names all, joined by `; `, `number` and `imported_at` are those of the latest. Ordered by key.
        """
        current, agreed = self._judged()
        ours = current[agreed].sort_values(["key", "reviewer"], ignore_index=True)
        by_case = ours.groupby("key", sort=True)
        settled = ours[~ours["key"].duplicated()].reset_index(drop=True)
        settled["reviewer"] = by_case["reviewer"].agg("; ".join).to_numpy()
        for name in ("number", "imported_at"):
            settled[name] = by_case[name].max().to_numpy()
        return settled

    def conflicts(self) -> pd.DataFrame:
        """The current decisions of the cases whose reviewers disagree, by case and reviewer; columns as `history`."""
        current, agreed = self._judged()
        return current[~agreed].sort_values(["case_id", "key", "reviewer"], ignore_index=True)

    def _judged(self) -> tuple[pd.DataFrame, pd.Series]:
        """The current decisions, and for each whether all decisions of its case agree."""
        current = self.current()
        alike = {causes: _meaning(causes) for causes in set(current["causes"])}
        meant = current["causes"].map(alike).astype(str)
        return current, meant.groupby(current["key"]).transform("nunique") == 1

    def _read(self, rest: str) -> pd.DataFrame:
        # Killed before it had made its tables, a first import leaves an empty file.
        if not self.path.exists() or not self.path.stat().st_size:
            records: list[Any] = []
        else:
            with self._open() as connection:
                records = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM decisions {rest}").fetchall()
        frame = pd.DataFrame(records, columns=list(COLUMNS))
        kinds = {"number": "int64", "line": "int64", "probability": "float64", "taken_back": "bool"}
        return frame.astype({name: kinds.get(name, "str") for name in COLUMNS})

    # --- the file ------------------------------------------------------------------------------------------------

    @contextmanager
    def _open(self, create: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection within one transaction, which is kept when the block ends well; with `create`, to add."""
        try:
            if create:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            address = f"{self.path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
            connection = sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS, isolation_level=None)
            with closing(connection):
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("BEGIN IMMEDIATE" if create else "BEGIN")
                self._prepare(connection)
                yield connection
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CANTOPEN) & 0xFF
            raise InputError(f"{self.path}: filen {_SENTENCES.get(code, _DAMAGED)}.") from None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the tables in an empty file; refuse one that is not ours, too new, or damaged."""
        application, version = (connection.execute(f"PRAGMA {p}").fetchone()[0] for p in _MARKS)
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not (application or version or tables):
            for statement in _statements(_SCHEMA):
                connection.execute(statement)
            for pragma, value in _MARKS.items():
                connection.execute(f"PRAGMA {pragma} = {value}")
        elif application != APPLICATION:
            raise InputError(f"{self.path}: filen {_SENTENCES[sqlite3.SQLITE_NOTADB]}.")
        elif version > SCHEMA:
            raise InputError(
                f"{self.path}: liggaren är skriven av en nyare version av nollclassify; uppdatera programmet."
            )
        elif connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise InputError(f"{self.path}: filen {_DAMAGED}.")


_MARKS = {"application_id": APPLICATION, "user_version": SCHEMA}


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _meaning(causes: str) -> str:
    """The primary cause, then the others in one order: reviewers agree where this is the same."""
    first, *others = causes.split(";")
    return ";".join([first, *sorted(others)])


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """A row as SQLite takes it: text, whole numbers, None for a probability that is not known."""
    plain: dict[str, Any] = {}
    for name in (*_GIVEN, "proposed"):
        if name in ("taken_back", "line"):
            plain[name] = int(row[name])
        elif name == "probability":
            plain[name] = None if pd.isna(row[name]) else float(row[name])
        else:
            plain[name] = str(row[name])
    if plain["taken_back"]:
        plain["causes"] = ""
    return plain


def _said(record: dict[str, Any] | None) -> tuple[Any, ...] | None:
    return tuple(record[name] for name in _SAID) if record else None


def _who(record: dict[str, Any]) -> tuple[str, str]:
    return record["key"], record["reviewer"]


def _is_told(connection: sqlite3.Connection, record: dict[str, Any]) -> bool:
    """Whether the record's file said the same of the case when it was last read."""
    last = _last(connection, "statements", record, ("key", "reviewer", "file"))
    return bool(record["file"]) and _said(last) == _said(record)


def _colliding(records: Sequence[dict[str, Any]], told: Sequence[bool]) -> set[tuple[str, str]]:
    """The cases and reviewers of which the records say more than one thing.

    What a file said before is no part of it: there the order of the imports has told which decision is the later one.
    Only where files of one name say different things is there no such order.
    """
    said: dict[tuple[str, ...], set[Any]] = {}
    for record, known in zip(records, told, strict=True):
        said.setdefault((*_who(record), record["file"]), set()).add(_said(record))
        if not known:
            said.setdefault(_who(record), set()).add(_said(record))
    return {(key, reviewer) for (key, reviewer, *_), answers in said.items() if len(answers) > 1}


def _add(connection: sqlite3.Connection, record: dict[str, Any], now: str) -> str:
    last = _last(connection, "decisions", record, ("key", "reviewer"))
    stands = last is not None and not last["taken_back"]
    if record["taken_back"] and last is None:
        return NOTHING_THERE
    _insert(connection, "statements", {name: record[name] for name in _STATEMENT})
    if _said(last) == _said(record) or (record["taken_back"] and not stands):
        return UNCHANGED
    old = last["causes"] if last and stands else record["proposed"]
    decision = {name: record[name] for name in _GIVEN} | {"old_causes": old, "imported_at": now}
    _insert(connection, "decisions", decision)
    if record["taken_back"]:
        return TAKEN_BACK
    return CHANGED if stands else NEW


def _insert(connection: sqlite3.Connection, table: str, values: dict[str, Any]) -> None:
    # Names of our own, no user's.
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))


def _last(
    connection: sqlite3.Connection, table: str, record: dict[str, Any], by: Sequence[str]
) -> dict[str, Any] | None:
    """The latest row of a table that is like the record in the columns `by`, of it what was said."""
    where = " AND ".join(f"{name} = ?" for name in by)
    found = connection.execute(
        f"SELECT {', '.join(_SAID)} FROM {table} WHERE {where} ORDER BY number DESC LIMIT 1",
        [record[name] for name in by],
    ).fetchone()
    return dict(zip(_SAID, found, strict=True)) if found else None
