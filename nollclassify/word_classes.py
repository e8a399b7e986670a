"""Tables of words that belong together (payment, delivery, answers, denials ...), for the second reading."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from nollclassify.errors import SettingsError

_NO_DOTS = str.maketrans("åäö", "aao")


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
                for spelling in {pattern, pattern.translate(_NO_DOTS)}:
                    index.setdefault(spelling, []).append(column)
        return index


def load_word_classes(path: Path | None = None) -> WordClasses:
    """Read a file of word classes, or the one that comes with the package.

    Raises:
        SettingsError: the file is missing, is not TOML, or holds something else than lists of words.
    """
    try:
        source = path or files("nollclassify") / "data" / "word_classes.toml"
        table = tomllib.loads(source.read_text(encoding="utf-8").removeprefix("\ufeff"))
    except OSError:
        raise SettingsError(f"{path}: ordklassfilen går inte att läsa; ange en fil som finns.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: ordklassfilen är inte UTF-8; spara den som UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: filen är inte giltig TOML ({error}); rätta raden.") from None
    try:
        return word_classes(table)
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


def word_classes(table: Mapping[str, Any]) -> WordClasses:
    """Word classes of a name -> list of patterns; ValueError with a sentence in Swedish where it is something else."""
    for name, patterns in table.items():
        if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
            raise ValueError(f'ordklassen {name} ska vara en lista med ord, som {name} = ["faktur*", "kr"].')
        for pattern in patterns:
            if not pattern.removesuffix("*") or pattern != pattern.strip().lower() or "*" in pattern[:-1]:
                raise ValueError(
                    f"{pattern!r} i ordklassen {name} duger inte; skriv ett ord med små bokstäver, "
                    "och stjärna bara sist."
                )
    return WordClasses(tuple(table), tuple(tuple(patterns) for patterns in table.values()))
