"""Causes and products: the label contract, read from `taxonomy.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from nollclassify.errors import SettingsError
from nollclassify.taxonomy_events import OTHER as OTHER  # part of what this module offers
from nollclassify.taxonomy_events import Event, Fate, fates, read_events
from nollclassify.toml_text import parse_toml

OTHER_NAME_SV = "Övrigt"
_ID = re.compile(r"[a-z][a-z0-9_]{1,49}")
# Written to a terminal, they are commands to it.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Spellings with which people say that no cause fits.
_OTHER_SPELLINGS = {"other", "övrigt", "ovrigt", "ingen", "none"}


@dataclass(frozen=True)
class Cause:
    """One root cause with its definition (Swedish and English), what belongs, what does not, and examples."""

    id: str
    name_sv: str
    name_en: str
    definition_sv: str
    definition_en: str = ""
    belongs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    counter_examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Product:
    """A product under one of its names. A renamed product stands several times with the same id."""

    id: str
    name_sv: str
    aliases: tuple[str, ...] = ()
    valid_from: date = date.min
    valid_until: date = date.max

    def spellings(self) -> set[str]:
        """Every spelling of the name, case-folded."""
        return {_fold(name) for name in (self.id, self.name_sv, *self.aliases)}


@dataclass(frozen=True)
class Taxonomy:
    """The causes and products of one version of the label contract.

    Attributes:
        version: as the file names it.
        causes, products: those of today.
        source: the TOML text it was read from.
        retired: causes that are not used any more.
        events: what became of them, in order of date.
    """

    version: str
    causes: tuple[Cause, ...]
    products: tuple[Product, ...]
    source: str
    retired: tuple[Cause, ...] = ()
    events: tuple[Event, ...] = ()

    @property
    def cause_ids(self) -> tuple[str, ...]:
        return tuple(cause.id for cause in self.causes)

    def cause(self, cause_id: str) -> Cause:
        """The cause with this id, of today or retired; KeyError where there is none."""
        return {cause.id: cause for cause in (*self.causes, *self.retired)}[cause_id]

    def names_sv(self, causes: str) -> str:
        """Causes written as ids joined by `;`, as people read them; an id that is not known stays as it is."""
        names = {cause.id: cause.name_sv for cause in (*self.causes, *self.retired)} | {
            "": OTHER_NAME_SV,
            OTHER: OTHER_NAME_SV,
        }
        return ", ".join(names.get(cause, cause) for cause in causes.split(";"))

    @cached_property
    def _cause_spellings(self) -> dict[str, str]:
        return {_fold(name): code for name, code in _spellings((*self.retired, *self.causes), self.events)}

    @cached_property
    def _fates(self) -> dict[str, Fate]:
        return fates(self.events)

    def find_cause(self, name: str, keep_split: bool = False) -> str | None:
        """The id of today of a cause written as id, Swedish or English name, old ones too; `other` for Övrigt.

        None where it is unknown. A cause that was split has no id of today: None too, or its old id (`keep_split`).
        """
        folded = _fold(name)
        code = OTHER if folded in _OTHER_SPELLINGS else self._cause_spellings.get(folded)
        fate = self._fates.get(code or "")
        if fate is None:
            return code
        return fate.code if keep_split or not fate.split else None

    def is_retired(self, name: str) -> bool:
        """Whether a name is that of a cause which ended without another in its place."""
        code = self._cause_spellings.get(_fold(name), "")
        return code in self._fates and self._fates[code].code == OTHER

    def fate(self, name: str) -> Fate | None:
        """What became of a cause, by its id or name; None where it is used today, or unknown."""
        return self._fates.get(self._cause_spellings.get(_fold(name), ""))

    def told_split(self, name: str) -> str:
        """Why a name cannot be read as a cause of today, and what to do; empty where it was not split."""
        fate = self.fate(name)
        if fate is None or not fate.split:
            return ""
        names = [c.name_sv for c in self.causes if c.id in fate.parts]
        names += [OTHER_NAME_SV] * (OTHER in fate.parts)
        parts = " och ".join([", ".join(names[:-1]), names[-1]])
        return f"orsaken {self.cause(fate.code).name_sv} delades {fate.split.day} i {parts}; märk raden om"

    def with_heirs(self, codes: Iterable[str]) -> frozenset[str]:
        """The codes and all that came after them."""
        given = frozenset(codes)
        return given.union(*(self._fates[code].heirs for code in given if code in self._fates))

    def find_product(self, name: str, day: date | None = None) -> str | None:
        """The id of the product that bore `name` on `day`, else on any day (old names live on); else None."""
        folded = _fold(name)
        named = [p for p in self.products if folded in p.spellings()]
        then = [p for p in named if day is not None and p.valid_from <= day <= p.valid_until]
        return next((p.id for p in then or named), None)

    def product_name(self, product_id: str, day: date | None = None) -> str:
        """The Swedish name of a product on `day`, or its latest one."""
        named = [p for p in self.products if p.id == product_id]
        then = [p for p in named if day is not None and p.valid_from <= day <= p.valid_until]
        if then:  # A name without dates holds on any day: the one that ends first, or began last, is meant.
            return min(then, key=lambda p: (p.valid_until, -p.valid_from.toordinal())).name_sv
        return max(named, key=lambda p: (p.valid_until, p.valid_from)).name_sv


def load_taxonomy(path: Path | None = None) -> Taxonomy:
    """Read a taxonomy file, or the one that comes with the package.

    Raises:
        SettingsError: the file is missing, is not TOML, or lacks or repeats something.
    """
    if path is None:
        return parse_taxonomy((files("nollclassify") / "data" / "taxonomy.toml").read_text(encoding="utf-8"))
    try:
        return parse_taxonomy(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError:
        raise SettingsError(f"{path}: taxonomifilen går inte att läsa; ange en fil som finns.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: taxonomifilen är inte UTF-8; spara den som UTF-8.") from None


def parse_taxonomy(source: str, name: str = "taxonomy.toml") -> Taxonomy:
    """Make a taxonomy of TOML text; errors as `load_taxonomy`."""
    try:
        tree = parse_toml(source)
    except ValueError as error:
        raise SettingsError(f"{name}: filen är inte giltig TOML ({error}); rätta raden.") from None
    version = tree.get("version")
    if not isinstance(version, str) or not version:
        raise SettingsError(f'{name}: version saknas; skriv till exempel version = "2026.1" överst.')
    causes = tuple(_entry(Cause, item, name) for item in _tables(tree, "causes", name))
    products = tuple(_entry(Product, item, name) for item in _tables(tree, "products", name))
    retired = tuple(_entry(Cause, item, name) for item in _tables(tree, "retired", name))
    _check_causes(causes, name)
    _check_ids(retired, {cause.id for cause in causes}, name)
    ids = [cause.id for cause in causes], [cause.id for cause in retired]
    events = read_events(_tables(tree, "events", name), *ids, name)
    _check_old_names(causes, retired, events, name)
    return Taxonomy(version, causes, products, source, retired, events)


def _tables(tree: dict[str, Any], key: str, name: str) -> list[dict[str, Any]]:
    tables = tree.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SettingsError(f"{name}: skriv varje post i {key} som ett eget stycke med rubriken [[{key}]].")
    return tables


def _entry(kind: type, item: dict[str, Any], name: str) -> Any:
    where = f"{name}: {kind.__name__} {item.get('id', '(utan id)')}"
    types = {f.name: str(f.type) for f in fields(kind)}
    required = {"id", "name_sv"} | ({"name_en", "definition_sv"} if kind is Cause else set())
    if missing := sorted(required - item.keys()):
        raise SettingsError(f"{where}: {', '.join(missing)} saknas; fyll i.")
    for key, value in item.items():
        if key not in types:
            raise SettingsError(f"{where}: okänt fält {key}; tillåtna är {', '.join(types)}.")
        if not _fits(value, types[key]):
            raise SettingsError(f"{where}: fältet {key} har fel slags värde; se de andra posterna i filen.")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in item.items()})


def _fits(value: Any, wanted: str) -> bool:
    if wanted == "date":
        return type(value) is date
    if wanted == "str":
        return isinstance(value, str) and bool(value.strip()) and not _CONTROL.search(value)
    return isinstance(value, list) and all(_fits(part, "str") for part in value)


def _check_causes(causes: Sequence[Cause], name: str) -> None:
    _check_ids(causes, set(), name)
    spelled = set(_OTHER_SPELLINGS)
    for cause in causes:
        names = {_fold(spelling) for spelling in (cause.id, cause.name_sv, cause.name_en)}
        if taken := sorted(names & spelled):
            raise SettingsError(f"{name}: orsaken {cause.id} delar namnet {taken[0]!r} med en annan; byt det ena.")
        spelled |= names
    if not causes:
        raise SettingsError(f"{name}: inga orsaker; lägg till minst ett stycke [[causes]].")


def _check_ids(causes: Sequence[Cause], taken: set[str], name: str) -> None:
    for cause in causes:
        if not _ID.fullmatch(cause.id) or cause.id == OTHER:
            raise SettingsError(f"{name}: orsakens id {cause.id!r} duger inte; små bokstäver, siffror och understreck.")
        if cause.id in taken:
            raise SettingsError(f"{name}: orsaken {cause.id} står två gånger; ta bort den ena.")
        taken.add(cause.id)


def _spellings(causes: Iterable[Cause], events: Iterable[Event]) -> list[tuple[str, str]]:
    """Everything that causes are and were called, each with the code that it stands for."""
    names = [(old, event.old[0]) for event in events for old in event.old_names]
    return names + [(name, c.id) for c in causes for name in (c.id, c.name_sv, c.name_en)]


def _check_old_names(causes: Sequence[Cause], retired: Sequence[Cause], events: Sequence[Event], name: str) -> None:
    """An old name may be one of today's only where both are read as the same cause."""
    became, read_as = fates(events), {_fold(spelling): OTHER for spelling in _OTHER_SPELLINGS}
    for spelling, code in _spellings((*causes, *retired), events):
        now = became[code].code if code in became else code
        if read_as.setdefault(_fold(spelling), now) != now:
            raise SettingsError(
                f"{name}: det gamla namnet {_fold(spelling)!r} kan betyda två orsaker; ge den ena ett annat namn."
            )


def _fold(name: str) -> str:
    return " ".join(name.casefold().split())
