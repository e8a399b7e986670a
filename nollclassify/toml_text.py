"""TOML text that nobody vouches for."""

from __future__ import annotations

import re
import tomllib
from typing import Any

_SIZE_LIMIT = 1_000_000
# Fifty parts of a key in a row, `a.b.c ...`: the parser's memory grows with the square of their number, so that a key
# of 200 kB takes all there is. Possessive, so that the search itself stays linear.
_DEEP_KEY = re.compile(r"""(?<![^\s."'])(?:(?:"[^"\n]*+"|'[^'\n]*+'|[^\s."']++)[ \t]*+\.[ \t]*+){50}""")


def parse_toml(text: str) -> dict[str, Any]:
    """What TOML text says.

    Raises:
        ValueError: it is not TOML, or is larger or deeper than anything a person writes.
    """
    if len(text) > _SIZE_LIMIT or _DEEP_KEY.search(text):
        raise ValueError("för stor eller för djup")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("för djup") from None
