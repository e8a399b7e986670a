"""What the blocks of a file before this one have: memory must not grow with the file."""

from __future__ import annotations

import numpy as np


class NumberOf:
    """A number for each text met so far, in 16 bytes each, so that memory does not grow with the file.

    Texts are told apart by their 64-bit hash: among a million one pair is taken for the same with probability 3e-8.
    """

    _RECENT = 100_000

    def __init__(self) -> None:
        self._recent: dict[int, int] = {}
        self._keys, self._values = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)

    def get(self, text: str) -> int:
        """The number of a text, 0 where it has none."""
        key = hash(text)
        if key in self._recent or not len(self._keys):
            return self._recent.get(key, 0)
        at = min(int(self._keys.searchsorted(key)), len(self._keys) - 1)
        return int(self._values[at]) if self._keys[at] == key else 0

    def set(self, text: str, number: int) -> None:
        self._recent[hash(text)] = number
        if len(self._recent) == self._RECENT:
            self._keep()
            self._recent.clear()

    def _keep(self) -> None:
        """Put the recent ones among the sorted keys; in place, for a sort of them all would double the memory."""
        keys = np.fromiter(self._recent.keys(), dtype=np.int64)
        order = np.argsort(keys)
        keys, values = keys[order], np.fromiter(self._recent.values(), dtype=np.int64)[order]
        at = self._keys.searchsorted(keys)
        known = at < len(self._keys)
        known[known] = self._keys[at[known]] == keys[known]
        self._values[at[known]] = values[known]
        self._keys = np.insert(self._keys, at[~known], keys[~known])
        self._values = np.insert(self._values, at[~known], values[~known])


class Earlier:
    """What the tables before have.

    Attributes:
        ids: of each case id the row that has it.
        contents: of each digest that an id was made of, how many rows it was made for.
    """

    def __init__(self) -> None:
        self.ids, self.contents = NumberOf(), NumberOf()
