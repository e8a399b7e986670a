"""What texts look like to a model, and what its training texts looked like when they were new to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nollclassify import swedish
from nollclassify.expected import Kept, kept
from nollclassify.model import CauseModel, Reading, tokenise
from nollclassify.text_labels import many_unknown

# The columns of `looks`, and how many.
WORDS, UNKNOWN, STRANGE, FOREIGN = range(4)
N_LOOKS = 4
# The lengths that are kept: the shares of texts that are shorter.
LENGTHS_AT = (0.1, 0.25, 0.5, 0.75, 0.9)
_CHUNK = 2_500


def looks(reading: Reading) -> np.ndarray:
    """Of each text, shape (n_texts, 4).

    Its number of words; the share of them that training did not see in two texts; whether it is unlike anything in
    training, or has mostly unknown words; whether it looks like another language.
    """
    strange = reading.unlike | many_unknown(reading)
    lengths = np.diff(reading.words.batch.first)
    return np.stack([lengths, reading.unknown_share(), strange, swedish.looks_foreign(reading.signs)], axis=1)


def looks_of(model: CauseModel, texts: Sequence[str]) -> np.ndarray:
    """The `looks` of raw texts, shape (n_texts, 4)."""
    parts = [looks(model.read(tokenise(texts[at : at + _CHUNK]))) for at in range(0, len(texts), _CHUNK)]
    return np.concatenate([np.zeros((0, 4)), *parts])


@dataclass(frozen=True)
class Reference:
    """The training texts as they looked when they were new: each to a model of the other folds.

    Attributes:
        texts: how many.
        unknown, strange, foreign: weighted means of the columns of `looks`, 0 to 1.
        lengths: words that `LENGTHS_AT` of the texts fall below.
        right: the share whose primary cause was right.
        labelled, others: how the probability of the primary cause was kept where one was labelled, and where none was.
    """

    texts: int
    unknown: float
    strange: float
    foreign: float
    lengths: tuple[float, ...]
    right: float
    labelled: Kept
    others: Kept

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the manifest of a model."""
        return asdict(self)


def make_reference(
    seen: np.ndarray,
    weight: np.ndarray,
    probabilities: np.ndarray,
    decided: np.ndarray,
    primary: Sequence[int] | np.ndarray,
    group: np.ndarray,
) -> Reference:
    """The figures of held-out texts.

    Args:
        seen: their `looks`, shape (n, 4).
        weight: of each text, shape (n,): a user's own texts count more than the starter corpus.
        probabilities, decided: shape (n, k).
        primary: the number of each text's true primary cause, k for none.
        group: n group numbers.
    """
    said, promised = primary_promise(probabilities, decided)
    right = said == np.asarray(primary)
    given = decided.astype(bool).any(axis=1)
    means = np.average(seen, axis=0, weights=weight)
    lengths = np.quantile(seen[:, WORDS], LENGTHS_AT, weights=weight, method="inverted_cdf")
    parts = [kept(promised[at], right[at], group[at]) for at in (given, ~given)]
    share = float(np.average(right, weights=weight))
    unknown, strange, foreign = (float(means[at]) for at in (UNKNOWN, STRANGE, FOREIGN))
    return Reference(len(seen), unknown, strange, foreign, tuple(map(float, lengths)), share, *parts)


def read_reference(plain: Any) -> Reference | None:
    """The reference of a manifest; None where there is none, or what is there is no such thing."""
    try:
        labelled, others = (Kept(**_numbers(plain[name])) for name in ("labelled", "others"))
        lengths = tuple(map(_number, plain["lengths"]))
        rest = _numbers({name: plain[name] for name in ("unknown", "strange", "foreign", "right")})
        found = Reference(int(_number(plain["texts"])), lengths=lengths, labelled=labelled, others=others, **rest)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
        return None
    return found if found.texts > 0 and len(lengths) == len(LENGTHS_AT) else None


def _numbers(plain: Any) -> dict[str, Any]:
    return {name: _number(value) for name, value in plain.items()}


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e9:
        raise ValueError("no number")
    return float(value)


def primary_promise(probabilities: np.ndarray, decided: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each text the number of the labelled primary cause, k for none, and how probable that answer is; both (n,).

    The probability is that of the cause, or that no cause is there; `kept` says how it is kept.
    """
    n, k = probabilities.shape
    given = decided.astype(bool)
    best = np.where(given, probabilities, -1.0).argmax(axis=1)
    none = ~given.any(axis=1)
    promised = np.where(none, (1 - probabilities).prod(axis=1), probabilities[np.arange(n), best])
    return np.where(none, k, best), promised
