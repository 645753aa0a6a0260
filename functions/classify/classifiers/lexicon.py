"""Words of other languages in English: the embeddings know English best, and so do the lists here.

`lexicon.json` has, by English word, what shops in German, French, Spanish, Italian, Portuguese,
Dutch and some more languages call it. Words that mean something else in English are left out.
"""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from pathlib import Path

SHORTEST_PART = 4
SHORTEST_HEAD = 5
SHORTEST_COMPOUND = 9
LINKS = ("", "s", "n", "en", "es")
"""What German and Dutch put between the parts of a compound."""


def plain(text: str) -> str:
    """Without accents: e for é. Letters of other scripts stay as they are."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def in_english(word: str) -> tuple[str, ...]:
    """A word in lower case, without accents; itself where it is not in the lexicon.

    A compound becomes its parts: `bestellnummer` is order, number.
    """
    known = _lexicon()
    if word in known:
        return known[word]
    if len(word) < SHORTEST_COMPOUND:
        return (word,)
    for at in range(len(word) - SHORTEST_PART, SHORTEST_PART - 1, -1):
        if word[at:] in known:
            for link in LINKS:
                first = word[:at].removesuffix(link)
                if first in known:
                    return known[first] + known[word[at:]]
    # The last part says what it is: an `einzelpreis` is a price.
    heads = (word[at:] for at in range(1, len(word) - SHORTEST_HEAD + 1))
    return next((known[head] for head in heads if head in known), (word,))


@cache
def _lexicon() -> dict[str, tuple[str, ...]]:
    listed: dict[str, str] = json.loads(Path(__file__).with_name("lexicon.json").read_text("utf-8"))
    return {
        plain(foreign): tuple(english.split())
        for english, words in listed.items()
        for foreign in words.split()
    }
