"""Swedish text: repairing, normalising, words with their places.

The only room that knows spaCy. What every complaint passes through on its way to a label (`repair`, `words`) is
plain string work, for spaCy's tokenizer is slower than all the rest of labelling together; spaCy reads for
breakdowns and notebooks, where its Swedish stop words and token classes are worth a second of start-up.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

# Signs that UTF-8 was once read as Windows-1252, Mac Roman or DOS: only such texts are given to ftfy, which is slow.
_GARBLED = re.compile("[ÃÂâ�√├]")
_SPACES = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
# A mask, a word (with inner hyphen or apostrophe), a run of exclamation or question marks, or a single symbol (emoji).
_TOKEN = re.compile(r"<[a-zåäö-]+>|[^\W_]+(?:[-'’][^\W_]+)*|[!?]+|[^\w\s]", re.UNICODE)
_DIGIT = re.compile(r"\d")
_LONG_RUN = re.compile(r"([^\W\d_])\1{2,}")
_MOST_TOKENS = 100_000
_PUNCTUATION = set(".,;:\"'’”“()[]{}/\\-–—_*#&+=~^|<>%@§°´`…")


def repair(text: str) -> str:
    """The text with garbled å ä ö restored, composed to NFC, and invisible characters removed."""
    if _GARBLED.search(text):
        import ftfy

        text = ftfy.fix_encoding(text)
    return _SPACES.sub("", unicodedata.normalize("NFC", text))


def words(text: str) -> list[str]:
    """The words of a repaired text, normalised.

    Lower case; every digit becomes 0, so that no number can be told from a model; a letter that is drawn out three
    times or more (`sååå`) is written twice; single punctuation marks are left out, `!` and `?` are kept.
    """
    return list(filter(None, map(_normal_of.__getitem__, _TOKEN.findall(text))))


def spans(text: str) -> list[tuple[int, int]]:
    """Where each of the words of a repaired text begins and ends."""
    return [match.span() for match in _TOKEN.finditer(text) if match[0] not in _PUNCTUATION]


class _Normal(dict[str, str]):
    """What each token is as a word, empty for punctuation; worked out once, for few words make up most of any text."""

    def __missing__(self, token: str) -> str:
        if len(self) > _MOST_TOKENS:
            self.clear()
        word = self[token] = "" if token in _PUNCTUATION else _normal(token)
        return word


_normal_of = _Normal()


def _normal(token: str) -> str:
    word = _DIGIT.sub("0", token.lower())
    if word[0] in "!?":
        return "?" if "?" in word else "!"
    return _LONG_RUN.sub(r"\1\1", word)


@cache
def _small_words() -> tuple[frozenset[str], frozenset[str]]:
    table = tomllib.loads((files("nollclassify") / "data" / "languages.toml").read_text(encoding="utf-8"))
    swedish = frozenset(table["swedish"])
    return swedish, frozenset(table["foreign"]) - swedish


def signs(some_words: Sequence[str]) -> np.ndarray:
    """What tells of a word's language, shape (n_words, 4), bool.

    Whether it begins with a letter, with a letter of another script, is a small word of Swedish, or one of another
    language that Swedish does not have.
    """
    swedish, foreign = _small_words()
    found = [(w[0].isalpha(), w[0].isalpha() and ord(w[0]) > 0x250, w in swedish, w in foreign) for w in some_words]
    return np.array(found, dtype=bool).reshape(-1, 4)


def looks_foreign(counted: np.ndarray) -> np.ndarray:
    """Whether other scripts, or other languages' small words, outweigh the Swedish ones (at least two of them).

    Args:
        counted: the `signs` of each text's words, added up; shape (n_texts, 4).
    """
    letters, other_script, swedish, foreign = counted.T
    result: np.ndarray = (2 * other_script > letters) | ((foreign >= 2) & (foreign > 2 * swedish))
    return result


# --- with spaCy --------------------------------------------------------------------------------------------------


@cache
def _tokenizer() -> Any:
    """spaCy's Swedish tokenizer (there is no trained Swedish pipeline to install)."""
    import spacy

    return spacy.blank("sv").tokenizer


def content_words(texts: Iterable[str]) -> list[list[str]]:
    """The words of each text that carry matter: letters only, lower case, without spaCy's Swedish stop words."""
    documents = _tokenizer().pipe(texts)
    return [[t.lower_ for t in doc if t.is_alpha and not t.is_stop and len(t) > 2] for doc in documents]
