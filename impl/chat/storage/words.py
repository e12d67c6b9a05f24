"""Texts as words, the same for what is stored and for what is searched.

Case, accents and the difference between full and compatibility forms do not count. In scripts that
are written without spaces, each character is a word of its own.
"""

import unicodedata
from collections.abc import Iterator
from itertools import islice

LONGEST_WORD = 64  # characters; the rest of a longer one is ignored
# Han, kana and what lies between; Thai, Lao, Khmer and Burmese letters.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
END_OF_PREFIX = "\U0010ffff"  # sorts after everything that goes on after a prefix


def folded(text: str) -> str:
    """The text without case and accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in apart if not unicodedata.combining(one))


def words(text: str, limit: int) -> list[str]:
    """The first `limit` words of a text, folded, in their order."""
    return list(islice(_words(folded(text)), limit))


def _words(text: str) -> Iterator[str]:
    start = None
    for i, one in enumerate(text):
        if one.isalnum() and not _is_unspaced(one):
            start = i if start is None else start
            continue
        if start is not None:
            yield text[start : min(i, start + LONGEST_WORD)]
            start = None
        if one.isalnum():
            yield one
    if start is not None:
        yield text[start : start + LONGEST_WORD]


def _is_unspaced(character: str) -> bool:
    code = ord(character)
    return code >= _UNSPACED[0][0] and any(low <= code <= high for low, high in _UNSPACED)
