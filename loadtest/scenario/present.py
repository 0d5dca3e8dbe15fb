"""A set of numbers to draw from by place: adding, discarding, indexing take constant time."""

from __future__ import annotations


class Present:
    """The places of its numbers change whenever one goes."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._places: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: int) -> int:
        return self._numbers[place]

    def __contains__(self, number: object) -> bool:
        return number in self._places

    def add(self, number: int) -> None:
        """May be repeated."""
        if number not in self._places:
            self._places[number] = len(self._numbers)
            self._numbers.append(number)

    def discard(self, number: int) -> None:
        """The last one takes the place that becomes free."""
        place = self._places.pop(number, None)
        if place is None:
            return
        last = self._numbers.pop()
        if last != number:
            self._numbers[place] = last
            self._places[last] = place
