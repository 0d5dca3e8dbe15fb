"""Many forms looked for at once: each place of a text tries only forms that can begin there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from signaling.asking.forms import Sets, first_characters, source_of


class Hit(NamedTuple):
    """Forms of `group` matched here."""

    group: int
    start: int
    end: int


class Matcher:
    """Finds groups of forms in normal texts. A group is known by its place in the list it was made
    of; where two begin at one place the earlier is told first. Raises `FormError`.

    Cost: places of the text times the groups that can begin with the character there, a handful.
    """

    def __init__(self, groups: Iterable[tuple[str, ...]], sets: Sets) -> None:
        by_first: dict[str, dict[int, list[str]]] = {}
        anywhere: dict[int, list[str]] = {}
        for group, forms in enumerate(groups):
            for form in forms:
                source = source_of(form, sets)
                first = first_characters(form, sets)
                if first is None:
                    anywhere.setdefault(group, []).append(source)
                for character in first or ():
                    by_first.setdefault(character, {}).setdefault(group, []).append(source)
        self._by_first = {character: _Entry(found) for character, found in by_first.items()}
        self._anywhere = _Entry(anywhere) if anywhere else None

    def hits(self, text: str, places: list[int]) -> Iterator[Hit]:  # hot path
        """Every group at every place where it matches, from left to right."""
        by_first = self._by_first
        for place in places:
            entry = by_first.get(text[place])
            if entry is not None and entry.any_match(text, place) is not None:
                yield from entry.hits(text, place)
        if (entry := self._anywhere) is not None:
            for found in entry.any_search(text):
                yield from entry.hits(text, found.start())

    def apart(self, text: str, places: list[int]) -> Iterator[Hit]:  # hot path
        """As `hits`, but what one has matched no other may begin in."""
        by_first = self._by_first
        free = 0
        for place in places:
            if place < free:
                continue
            entry = by_first.get(text[place])
            if entry is not None and entry.any_match(text, place) is not None:
                hit = next(entry.hits(text, place))
                free = hit.end
                yield hit


class _Entry:
    """The groups that can begin with one character. `any_match` tries all of them in one call:
    at most places there is nothing, and that costs no more however many groups there are."""

    __slots__ = ("_groups", "any_match", "any_search")

    def __init__(self, groups: dict[int, list[str]]) -> None:
        ordered = sorted(groups.items())
        self._groups = tuple(
            (re.compile("|".join(sources)).match, group) for group, sources in ordered
        )
        every = re.compile("|".join(source for _, sources in ordered for source in sources))
        self.any_match = every.match
        self.any_search = every.finditer

    def __len__(self) -> int:
        return len(self._groups)

    def hits(self, text: str, place: int) -> Iterator[Hit]:
        for match, group in self._groups:
            if (found := match(text, place)) is not None:
                yield Hit(group, place, found.end())


def places_of(text: str) -> list[int]:
    """Where something can begin: not inside of Latin words and numbers."""
    places = []
    in_word = False
    for place, character in enumerate(text):
        is_word = character.isascii() and character.isalnum()
        if not (is_word and in_word):
            places.append(place)
        in_word = is_word
    return places
