"""Tables of words that belong together (payment, delivery, answers, denials ...), for the second reading."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from nollclassify.errors import SettingsError
from nollclassify.toml_text import parse_toml

_NO_DOTS = str.maketrans("åäö", "aao")
_LONG_ENOUGH = 4
# One word, or one of the two signs that are kept, as `swedish.words` gives them.
_PATTERN = re.compile(r"(?:[^\s*!?1-9]+|[!?])\*?")


@dataclass(frozen=True)
class WordClasses:
    """Named classes of words, in the order of their columns.

    Attributes:
        names: m names.
        patterns: m lists of lower-case words; `*` at the end means "begins with". Digits are written 0.

    >>> WordClasses(("payment", "delay"), (("faktur*", "kr"), ("dröj*",))).membership(["fakturan", "krav", "drojer"])
    array([[ True, False],
           [False, False],
           [False,  True]])
    """

    names: tuple[str, ...]
    patterns: tuple[tuple[str, ...], ...]

    def membership(self, words: Sequence[str]) -> np.ndarray:
        """Whether each word is of each class, shape (n_words, m), bool."""
        member = np.zeros((len(words), len(self.names)), dtype=bool)
        for i, word in enumerate(words):
            member[i, self._whole.get(word, [])] = True
            for end in range(1, len(word) + 1):
                if word[:end] in self._beginnings:
                    member[i, self._beginnings[word[:end]]] = True
        return member

    @cached_property
    def _whole(self) -> dict[str, list[int]]:
        return self._index(stars=False)

    @cached_property
    def _beginnings(self) -> dict[str, list[int]]:
        return self._index(stars=True)

    def _index(self, stars: bool) -> dict[str, list[int]]:
        """Word or beginning of one -> its classes; as written, and without the dots that go missing in real texts."""
        index: dict[str, list[int]] = {}
        for column, patterns in enumerate(self.patterns):
            for pattern in (p.removesuffix("*") for p in patterns if p.endswith("*") == stars):
                # A short beginning without its dots is the beginning of too many other words.
                undotted = {pattern.translate(_NO_DOTS)} if not stars or len(pattern) >= _LONG_ENOUGH else set()
                for spelling in {pattern} | undotted:
                    index.setdefault(spelling, []).append(column)
        return index


def load_word_classes(path: Path | None = None) -> WordClasses:
    """Read a file of word classes, or the one that comes with the package.

    Raises:
        SettingsError: the file is missing, is not TOML, or holds something else than lists of words.
    """
    source = path or files("nollclassify") / "data" / "word_classes.toml"
    try:
        table = parse_toml(source.read_text(encoding="utf-8").removeprefix("\ufeff"))
    except OSError:
        raise SettingsError(f"{source}: ordklassfilen går inte att läsa; ange en fil som finns.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{source}: ordklassfilen är inte UTF-8; spara den som UTF-8.") from None
    except ValueError as error:
        raise SettingsError(f"{source}: filen är inte giltig TOML ({error}); rätta raden.") from None
    try:
        return word_classes(table)
    except ValueError as error:
        raise SettingsError(f"{source}: {error}") from None


def word_classes(table: Any) -> WordClasses:
    """Word classes of a name -> list of patterns; ValueError with a sentence in Swedish where it is something else."""
    if not isinstance(table, dict) or not table:
        raise ValueError('här finns inga ordklasser; skriv minst en, som betalning = ["faktur*", "kr"].')
    for name, patterns in table.items():
        if not isinstance(patterns, list) or not patterns or not all(isinstance(p, str) for p in patterns):
            raise ValueError(f'ordklassen {name!r} ska vara en lista med ord, som betalning = ["faktur*", "kr"].')
        for pattern in patterns:
            if not _PATTERN.fullmatch(pattern) or pattern != pattern.lower():
                raise ValueError(
                    f"{pattern!r} i ordklassen {name!r} duger inte; skriv ett ord i taget med små bokstäver, "
                    "varje siffra som 0, och stjärna bara sist."
                )
    named = {name: tuple(unicodedata.normalize("NFC", p) for p in patterns) for name, patterns in table.items()}
    return WordClasses(tuple(named), tuple(named.values()))
