"""Swedish text: repairing, normalising, words with their places.

The only room that knows spaCy. What every complaint passes through on its way to a label (`repair`, `tokens`) is
plain string work, for spaCy's tokenizer is slower than all the rest of labelling together; spaCy reads for
breakdowns and notebooks, where its Swedish stop words and token classes are worth a second of start-up.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

# Signs that UTF-8 was once read as Windows-1252: only such texts are given to ftfy, which is slow.
_GARBLED = re.compile("[ÃÂâ�]")
_SPACES = re.compile(r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
# A mask, a word (with inner hyphen or apostrophe), a run of exclamation or question marks, or a single symbol (emoji).
_TOKEN = re.compile(r"<[a-zåäö-]+>|[^\W_]+(?:[-'’][^\W_]+)*|[!?]+|[^\w\s]", re.UNICODE)
_DIGIT = re.compile(r"\d")
_LONG_RUN = re.compile(r"([^\W\d_])\1{2,}")
_PUNCTUATION = set(".,;:\"'’”“()[]{}/\\-–—_*#&+=~^|<>%@§°´`…")


class Token(NamedTuple):
    """A word as features see it, and where it stands in the repaired text."""

    word: str
    start: int
    end: int


def repair(text: str) -> str:
    """The text with garbled å ä ö restored, composed to NFC, and invisible characters removed."""
    if _GARBLED.search(text):
        import ftfy

        text = ftfy.fix_encoding(text)
    return _SPACES.sub("", unicodedata.normalize("NFC", text))


def tokens(text: str) -> list[Token]:
    """The words of a repaired text, normalised, with their offsets.

    Lower case; every digit becomes 0, so that no number can be told from a model; a letter that is drawn out three
    times or more (`sååå`) is written twice; single punctuation marks are left out, `!` and `?` are kept.
    """
    return [
        Token(_normal(match[0]), match.start(), match.end())
        for match in _TOKEN.finditer(text)
        if match[0] not in _PUNCTUATION
    ]


def words(text: str) -> list[str]:
    """The normalised words of a repaired text, without their offsets."""
    return [_normal(word) for word in _TOKEN.findall(text) if word not in _PUNCTUATION]


@lru_cache(maxsize=100_000)  # few words make up most of any text
def _normal(word: str) -> str:
    word = _DIGIT.sub("0", word.lower())
    if word[0] in "!?":
        return "?" if "?" in word else "!"
    return _LONG_RUN.sub(r"\1\1", word)


@cache
def _small_words() -> tuple[frozenset[str], frozenset[str]]:
    table = tomllib.loads((files("nollclassify") / "data" / "languages.toml").read_text(encoding="utf-8"))
    swedish = frozenset(table["swedish"])
    return swedish, frozenset(table["foreign"]) - swedish


def looks_foreign(text_words: Sequence[str]) -> bool:
    """Whether other scripts, or other languages' small words, outweigh the Swedish ones (at least two of them)."""
    letters = [w[0] for w in text_words if w[0].isalpha()]
    if sum(ord(c) > 0x250 for c in letters) * 2 > len(letters):
        return True
    swedish, foreign = _small_words()
    others = sum(w in foreign for w in text_words)
    return others >= 2 and others > 2 * sum(w in swedish for w in text_words)


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
