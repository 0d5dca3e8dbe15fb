"""Terms of a text: product names, sizes, skin types and the like, by which questions differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from signaling.asking.forms import source_of
from signaling.asking.lexicon import TermData

_NUMERALS: Final = str.maketrans("一二三四五六七八九", "123456789")
_LEADING_ZEROS: Final = re.compile(r"(?<![0-9])0+(?=[0-9])")
MAX_TERMS: Final = 16
"""Of one text: more tell nothing, and a list of a whole catalogue is no question."""


class TermFinder:
    """Finds terms, the longest at each place first. One index, built once; cost: linear."""

    def __init__(self, data: TermData) -> None:
        known = {term: term for terms in data.terms.values() for term in terms}
        self._index = _Index(known | dict(data.same))
        self._sizes = re.compile("|".join(source_of(form, {}) for form in data.sizes))

    def find(self, normal: str, products: RoomTerms | None = None) -> tuple[str, ...]:
        """Terms of a normal text in order of appearance, each once, at most `MAX_TERMS`."""
        found: dict[str, None] = {}
        for _, _, term in self._hits(normal, products):
            found[term] = None
            if len(found) == MAX_TERMS:
                break
        return tuple(found)

    def without(self, normal: str, terms: frozenset[str], products: RoomTerms | None = None) -> str:
        """The text without these terms."""
        kept = []
        at = 0
        for start, end, term in self._hits(normal, products):
            if term in terms:
                kept.append(normal[at:start])
                at = end
        return "".join((*kept, normal[at:]))

    def _hits(self, normal: str, products: RoomTerms | None) -> Iterator[tuple[int, int, str]]:
        sizes = {m.start(): (m.end(), _size(m[0])) for m in self._sizes.finditer(normal)}
        at = 0
        while at < len(normal):
            hit = products.index.at(normal, at) if products is not None else None
            hit = hit or sizes.get(at) or self._index.at(normal, at)
            if hit is None:
                at += 1
                continue
            yield at, *hit
            at = hit[0]


class RoomTerms:
    """Names of products and words of one room, as the shop wrote them; build it when they change.

    At most `MAX_WORDS` are kept; names longer than `MAX_CHARS` are cut.
    """

    MAX_WORDS: Final = 2000
    MAX_CHARS: Final = 60

    def __init__(self, words: Iterable[str] = ()) -> None:
        kept: dict[str, str] = {}
        for word in words:
            name = " ".join(word.lower().split())[: self.MAX_CHARS]
            if name and len(kept) < self.MAX_WORDS:
                kept[name] = name
        self.index = _Index(kept)


class _Index:
    """Words by their first character, longest first."""

    def __init__(self, words: dict[str, str]) -> None:
        self._by_first: dict[str, list[tuple[str, str]]] = {}
        for word in sorted(words, key=lambda word: (-len(word), word)):
            self._by_first.setdefault(word[0], []).append((word, words[word]))

    def at(self, text: str, at: int) -> tuple[int, str] | None:
        """Where the word at this place ends, and what it means."""
        for word, meaning in self._by_first.get(text[at], ()):
            if text.startswith(word, at) and not (word.isascii() and _inside(text, at, len(word))):
                return at + len(word), meaning
        return None


def _inside(text: str, at: int, length: int) -> bool:
    """True when a Latin word goes on at either side."""
    before, after = text[at - 1 : at], text[at + length : at + length + 1]
    return (before.isascii() and before.isalnum()) or (after.isascii() and after.isalnum())


def _size(found: str) -> str:
    """02号色, 2号 and 二号 are one number; M码 and M one size."""
    plain = _LEADING_ZEROS.sub("", found.translate(_NUMERALS))
    return plain.removesuffix("色").removesuffix("码") or found
