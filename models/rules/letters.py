"""The nearest plain letter of a character: for Windows-1252, and for file names that every server takes."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# What Unicode does not take apart by itself.
_OWN = {
    "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "Ð": "D", "ð": "d", "Ħ": "H", "ħ": "h", "Ŧ": "T", "ŧ": "t", "Ø": "O",
    "ø": "o", "ı": "i", "ĸ": "k", "Ŋ": "N", "ŋ": "n", "ẞ": "SS", "ß": "ss", "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe",  # noqa: RUF001 -- that letter is meant
    "Þ": "TH", "þ": "th", "Ɓ": "B", "ƀ": "b", "Ɗ": "D", "Ɖ": "D", "Ə": "A", "ə": "a", "Ɛ": "E", "ɛ": "e", "Ƒ": "F",
    "ƒ": "f", "Ɠ": "G", "Ɨ": "I", "ɨ": "i", "Ƙ": "K", "ƙ": "k", "Ɲ": "N", "Ɔ": "O", "ɔ": "o", "Ƶ": "Z", "ƶ": "z",
}  # fmt: skip


@lru_cache(maxsize=4096)
def nearest(character: str) -> str:
    """Give the nearest letters or digits in ASCII: Ł -> L, é -> e, ﬁ -> fi; empty when there are none.

    Never anything but letters and digits: a sign that came out of this could be a delimiter, or begin a formula.
    """
    if character in _OWN:
        return _OWN[character]
    plain = "".join(_OWN.get(part, part) for part in unicodedata.normalize("NFKD", character))
    bare = "".join(part for part in plain if not unicodedata.combining(part))
    return bare if bare.isascii() and bare.isalnum() else ""
