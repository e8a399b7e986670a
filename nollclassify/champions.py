"""Who was champion from when till when: a list that one tag of the registered model holds, and what follows from it.

The list and the alias `champion` are two writings, and a process may die between them. So the list is written first,
with its new last reign marked as not yet begun; then the alias, which decides; then the list without the mark.
`settled` makes a list right that was left in between, and notices a champion that was chosen by hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from textwrap import shorten

PROMOTED, FORCED, ROLLED_BACK, FOUND = "promoted", "promoted by force", "rolled back to", "found as champion"
# Databases other than SQLite keep 5,000 characters of a registered model's tag: the oldest reigns are left out.
_LONGEST_TAG = 4_900
# The whole reason is a tag of the version that was taken back; the list must have room for some reigns.
_LONGEST_WHY = 100


@dataclass(frozen=True)
class Reign:
    """A time during which one version was champion.

    Attributes:
        version: its number in the registry.
        since: when it began, ISO 8601 in UTC.
        how: `promoted`, `promoted by force`, `rolled back to`, or `found as champion` where nobody told.
        begun: false while the registry has not been told yet.
        why: a person's reason for going back to it, shortened; empty where none was given.
    """

    version: str
    since: str
    how: str
    begun: bool = True
    why: str = ""


def parse(text: str | None) -> tuple[Reign, ...]:
    """The reigns, oldest first, that a tag tells of; none where it is missing or somebody spoilt it."""
    try:
        # Lists of earlier versions of this package have no reason at the end.
        return tuple(
            Reign(str(v), str(since), str(how), bool(begun), *map(str, why[:1]))
            for v, since, how, begun, *why in json.loads(text or "")
        )
    except (ValueError, TypeError):
        return ()


def dump(reigns: Sequence[Reign]) -> str:
    """The text of the tag."""
    for first in range(len(reigns)):
        text = json.dumps([[r.version, r.since, r.how, r.begun, r.why] for r in reigns[first:]])
        if len(text) <= _LONGEST_TAG:
            return text
    return "[]"


def settled(reigns: Sequence[Reign], champion: str, now: str) -> tuple[Reign, ...]:
    """The reigns as they are, given who bears the alias: what was only meant is dropped, what was not told is added."""
    kept = tuple(replace(r, begun=True) for r in reigns if r.begun or r.version == champion)
    if kept and kept[-1].version == champion:
        return kept
    return (*kept, Reign(champion, now, FOUND))


def crowned(reigns: Sequence[Reign], version: str, how: str, now: str, why: str = "") -> tuple[Reign, ...]:
    """The reigns with a new one, not yet begun; the same where the version is champion already."""
    if reigns and reigns[-1].version == version:
        return tuple(reigns)
    return (*reigns, Reign(version, now, how, begun=False, why=shorten(why, _LONGEST_WHY, placeholder=" …")))


def line(reigns: Sequence[Reign]) -> list[str]:
    """The champions that rollbacks walk back through, the present one last.

    A promotion puts a version at the end; a rollback takes away all after the version that it went back to.
    """
    standing: list[str] = []
    for reign in reigns:
        if reign.how == ROLLED_BACK and reign.version in standing:
            del standing[len(standing) - standing[::-1].index(reign.version) :]
        elif standing[-1:] != [reign.version]:
            standing.append(reign.version)
    return standing


def ends(reigns: Sequence[Reign]) -> dict[str, tuple[str, str]]:
    """Version -> when its last reign began and ended, the end empty for the present champion."""
    times = {reign.version: (reign.since, after.since) for reign, after in pairwise(reigns)}
    return times | {reign.version: (reign.since, "") for reign in reigns[-1:]}


def as_table(reigns: Sequence[Reign], most: int = 10) -> str:
    """The last reigns as a table in Markdown, the present one first."""
    rows = [["champion", "since (UTC)", "until (UTC)", "how", "why"]]
    until = [*(_minute(after.since) for after in reigns[1:]), "now"]
    for reign, end in list(zip(reigns, until, strict=False))[::-1][:most]:
        rows.append([f"version {reign.version}", _minute(reign.since), end, reign.how, reign.why.replace("|", "/")])
    return markdown_table(rows)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its headings first. MLflow sets cells without a gap: hard spaces keep them apart."""
    lines = ["|" + "|".join(f" {cell}\u00a0\u00a0\u00a0 " for cell in row) + "|" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
