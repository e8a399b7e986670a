"""What a breakdown says, in Swedish or English: phrases from `phrases.toml`, and how numbers and months are written."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from nollclassify.errors import InputError
from nollclassify.ledger import ALL_PRODUCTS, FEW_PRODUCTS, NO_MONTH, NO_PRODUCT

_THIN_SPACE = "\u202f"
_RESERVED = {
    ALL_PRODUCTS: "all_products",
    FEW_PRODUCTS: "few_products",
    NO_PRODUCT: "no_product",
    NO_MONTH: "no_month",
}


@cache
def _phrases() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("nollclassify") / "reporting" / "phrases.toml").read_text(encoding="utf-8"))


class Language:
    """Phrases and numbers of one language, `sv` or `en`.

    Raises:
        InputError: another language.
    """

    def __init__(self, code: str) -> None:
        if code not in ("sv", "en"):
            raise InputError(f"--language {code}: välj sv eller en.")
        self.code = code
        self._months = _phrases()["months"][code].split()

    def __call__(self, key: str, **values: Any) -> str:
        """The phrase of this key with its values put in; KeyError where there is none."""
        return _phrases()[key][self.code].format(**values)

    @property
    def english(self) -> bool:
        return self.code == "en"

    def number(self, value: float, digits: int = 0) -> str:
        """A number with the language's decimal sign and thousands apart."""
        written = f"{value:,.{digits}f}".replace("-", "−")
        return written if self.english else written.replace(",", _THIN_SPACE).replace(".", ",")

    def count(self, value: float) -> str:
        """A whole number as such, an estimated count with one decimal."""
        return self.number(value, 0 if float(value).is_integer() else 1)

    def percent(self, share: float, digits: int = 1) -> str:
        return self.number(100 * share, digits) + ("%" if self.english else "\u00a0%")

    def between(self, low: str, high: str) -> str:
        return f"{low}–{high}"

    def month(self, month: str) -> str:
        """`2020-03` as `mars 2020`."""
        year, _, number = month.partition("-")
        return f"{self._months[int(number) - 1]} {year}" if number.isdigit() else self(_RESERVED[NO_MONTH])

    def when(self, month: str) -> str:
        """`2020-03` as `i mars 2020`."""
        return f"{self('in')} {self.month(month)}" if month[:1].isdigit() else self.month(month)

    def product(self, product: str) -> str:
        return self(_RESERVED[product]) if product in _RESERVED else product

    def listed(self, items: list[str]) -> str:
        """`a, b och c`."""
        return f"{', '.join(items[:-1])} {self('and')} {items[-1]}" if len(items) > 1 else "".join(items)
