"""What became of the codes of causes: dated events, checked, and what an old code means in the codes of today.

A code means one thing for ever. So an old code says by itself how old a label is, and a label is read by following
the events of its code in order of date.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nollclassify.errors import SettingsError

OTHER = "other"
MOST_EVENTS, _MOST_CODES = 500, 50
_SPLIT = "split"
_MANY = _MOST_CODES
# The fewest and most codes of `from` and of `to`, and what to write.
_KINDS = {
    "rename": ((1, 1), (1, 1), "ett id i from och ett i to"),
    "merge": ((2, _MANY), (1, 1), "minst två id i from (också det som blir kvar) och ett i to"),
    _SPLIT: ((1, 1), (2, _MANY), "ett id i from och minst två i to"),
    "add": ((0, 0), (1, _MANY), "inget i from och minst ett id i to"),
    "retire": ((1, _MANY), (0, 0), "minst ett id i from och inget i to"),
}
_FIELDS = ("date", "kind", "from", "to", "old_names", "note")


@dataclass(frozen=True)
class Event:
    """What happened to some causes on a day.

    Attributes:
        day: the first day on which complaints were labelled in the new way.
        kind: `rename`, `merge`, `split`, `add` or `retire`.
        old, new: codes before and after (`from` and `to`).
        old_names: what the cause was called before, where its name alone changed.
        note: why.
    """

    day: date
    kind: str
    old: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    old_names: tuple[str, ...] = ()
    note: str = ""

    @property
    def gone(self) -> tuple[str, ...]:
        """The codes that are not used any more."""
        return tuple(code for code in self.old if code not in self.new)


@dataclass(frozen=True)
class Fate:
    """What became of a code that is not used any more.

    Attributes:
        code: the code that its rows are read as: one of today, `other`, or, where `split` stands, the one that was.
        parts: the codes of today that its rows may belong to.
        heirs: all codes that came after it, those that are gone again too.
        split: the event that makes it impossible to tell which of the parts a row belongs to.
    """

    code: str
    parts: frozenset[str]
    heirs: frozenset[str]
    split: Event | None = None


def fates(events: Sequence[Event]) -> dict[str, Fate]:
    """What became of each code that is gone; `events` in order of date, as `read_events` gives them."""
    found: dict[str, Fate] = {}
    for event in reversed(events):
        after = [found.get(code, Fate(code, frozenset([code]), frozenset())) for code in event.new or (OTHER,)]
        parts = frozenset[str]().union(*(fate.parts for fate in after))
        heirs = frozenset(event.new).union(*(fate.heirs for fate in after))
        for code in event.gone:
            if event.kind != _SPLIT:
                found[code] = Fate(after[0].code, parts, heirs, after[0].split)
            elif len(parts) == 1:  # What was split is together again.
                found[code] = Fate(min(parts), parts, heirs)
            else:
                found[code] = Fate(code, parts, heirs, event)
    return found


def read_events(
    tables: Sequence[Mapping[str, Any]], living: Collection[str], retired: Collection[str], name: str
) -> tuple[Event, ...]:
    """The events of a taxonomy, checked.

    Args:
        tables: as TOML has them.
        living, retired: codes of the causes of today, and of those that are gone.
        name: of the file, for errors.

    Raises:
        SettingsError: an event that says something impossible, alone or beside the others and the causes.
    """
    if len(tables) > MOST_EVENTS:
        raise SettingsError(f"{name}: {len(tables)} händelser är fler än {MOST_EVENTS}; ta bort de äldsta.")
    events = tuple(_event(table, number, name) for number, table in enumerate(tables, 1))
    ledger = _Ledger(name, living, retired)
    for event in events:
        ledger.add(event)
    ledger.close()
    return events


def _event(table: Mapping[str, Any], number: int, name: str) -> Event:
    where = f"{name}: händelse {number}"
    if unknown := sorted(set(table) - set(_FIELDS)):
        raise SettingsError(f"{where}: okänt fält {unknown[0]!r}; tillåtna är {', '.join(_FIELDS)}.")
    day, kind = table.get("date"), table.get("kind")
    if type(day) is not date:
        raise SettingsError(f"{where}: date saknas eller är fel; skriv dagen utan citattecken, som 2021-03-01.")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise SettingsError(f"{where} ({day}): kind ska vara något av {', '.join(_KINDS)}.")
    where = f"{name}: händelse {number} ({day}, {kind})"
    old, new, names = (_texts(table.get(key, []), key, where) for key in ("from", "to", "old_names"))
    (least_old, most_old), (least_new, most_new), wanted = _KINDS[kind]
    if not (least_old <= len(old) <= most_old and least_new <= len(new) <= most_new):
        raise SettingsError(f"{where}: skriv {wanted}.")
    event = Event(day, kind, old, new, names, _note(table.get("note", ""), where))
    _check_alone(event, where)
    return event


def _texts(value: Any, key: str, where: str) -> tuple[str, ...]:
    is_list = isinstance(value, list) and all(isinstance(text, str) and text.strip() for text in value)
    if not is_list or len(value) > _MOST_CODES:
        raise SettingsError(f'{where}: {key} ska vara en lista med högst {_MOST_CODES} texter, som ["wait_time"].')
    if len(set(value)) < len(value):
        raise SettingsError(f"{where}: samma text står två gånger i {key}; ta bort den ena.")
    return tuple(value)


def _note(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{where}: note ska vara en text.")
    return value


def _check_alone(event: Event, where: str) -> None:
    same = event.kind == "rename" and event.old == event.new
    if same != bool(event.old_names):
        wanted = (
            "skriv det gamla namnet i old_names" if same else "old_names hör till rename med samma id i from och to"
        )
        raise SettingsError(f"{where}: {wanted}.")
    if event.kind == _SPLIT and not event.gone:
        raise SettingsError(
            f"{where}: {event.old[0]} står i både from och to, och betydde då två saker; ge den smalare ett eget id."
        )
    if OTHER in event.old or (OTHER in event.new and event.kind != _SPLIT):
        raise SettingsError(f"{where}: Övrigt ({OTHER}) kan bara stå i to för split; skriv retire för en som utgår.")


class _Ledger:
    """The events so far: which codes are gone, and since when."""

    def __init__(self, name: str, living: Collection[str], retired: Collection[str]) -> None:
        self.name, self.living, self.retired = name, set(living), set(retired)
        self.gone: dict[str, date] = {}
        self.latest: dict[str, date] = {}
        self.day = date.min

    def add(self, event: Event) -> None:
        where = f"{self.name}: händelsen {event.day} ({event.kind})"
        if event.day < self.day:
            raise SettingsError(f"{where} står efter {self.day}; ställ händelserna i tidsordning.")
        self.day = event.day
        for code in sorted({*event.old, *event.new} - {OTHER}):
            self._check(code, event, where)
            self.latest[code] = event.day
        self.gone |= dict.fromkeys(event.gone, event.day)

    def _check(self, code: str, event: Event, where: str) -> None:
        if code not in self.living | self.retired:
            raise SettingsError(f"{where}: okänt id {code!r}; lägg orsaken under [[causes]] eller [[retired]].")
        if code in self.gone:
            raise SettingsError(
                f"{where}: {code} utgick {self.gone[code]}, och ett id får inte få en ny betydelse; välj ett nytt id."
            )
        if self.latest.get(code) == event.day:
            raise SettingsError(f"{where}: {code} har redan en händelse den dagen; skriv en händelse per id och dag.")
        if code in self.latest and code not in event.old and event.kind != _SPLIT:
            wanted = "skriv merge med båda i from" if event.kind in ("rename", "merge") else "välj ett nytt id"
            raise SettingsError(f"{where}: {code} fanns redan {self.latest[code]}; {wanted}.")

    def close(self) -> None:
        if both := sorted(self.living & self.gone.keys()):
            raise SettingsError(
                f"{self.name}: {both[0]} utgick {self.gone[both[0]]} men står under [[causes]]; "
                "byt den rubriken till [[retired]]."
            )
        if untold := sorted(self.retired - self.gone.keys()):
            raise SettingsError(
                f"{self.name}: ingen händelse säger vad som blev av {untold[0]}; lägg till ett stycke [[events]]."
            )
