"""Turns a scenario into what people do and when: a core, lazy, the same for the same seed.

Memory is bounded by the number of people, never by the length of the run: each group keeps one
next event for each of its people and for each thing it does, and is merged with the other groups as
it is read.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

from loadtest.danmaku import Line
from loadtest.scenario.actions import Action, Ask, Chat, Join, Leave, Like, Person, TakeMic
from loadtest.scenario.errors import ScenarioError
from loadtest.scenario.model import Group, Scenario
from loadtest.scenario.present import Present

__all__ = ["Action", "Ask", "Chat", "Join", "Leave", "Like", "Person", "TakeMic", "timeline"]

MOST_LIKES: Final = 5
"""Likes come summed up, a few taps a message."""
SHORTEST_TURN_S: Final = 2.0
"""A turn at the mic that a leave or the end would cut shorter is not begun: it could only fail."""


def timeline(scenario: Scenario, lines: Sequence[Line], rng: Random) -> Iterator[Action]:
    """Everything that happens, ordered by `at_s` (seconds from the start, below `duration_s`).

    Texts are dealt from `lines` round and round: questions to those who ask, all others to those
    who chat. Raises `ScenarioError` at once when `lines` has none of a kind that is needed.
    """
    chats = [line.text for line in lines if not line.is_question]
    questions = [line.text for line in lines if line.is_question]
    _check(scenario, chats, questions)
    runs = [
        # A generator each: what one group does is the same whoever else is there.
        _GroupRun(name, group, scenario.duration_s, chats, questions, Random(rng.getrandbits(64)))
        for name, group in scenario.groups.items()
    ]
    return heapq.merge(*(run.actions() for run in runs), key=lambda action: action.at_s)


def _check(scenario: Scenario, chats: Sequence[str], questions: Sequence[str]) -> None:
    problems: list[str] = []
    for name, group in scenario.groups.items():
        if group.chat_per_s is not None and not chats:
            problems.append(f"groups.{name}.chat: the danmaku file has questions only")
        if group.ask_per_s is not None and not questions:
            problems.append(f"groups.{name}.ask: the danmaku file has no questions")
    if problems:
        raise ScenarioError(problems)


_Handler = Callable[[float, int], Iterator[Action]]


class _GroupRun:
    """One group as a simulation of events: the earliest is taken, acts, and puts its next."""

    def __init__(
        self,
        name: str,
        group: Group,
        end_s: float,
        chats: Sequence[str],
        questions: Sequence[str],
        rng: Random,
    ) -> None:
        self._name = name
        self._group = group
        self._end_s = end_s
        self._rng = rng
        self._chats = _dealt(chats, rng)
        self._questions = _dealt(questions, rng)
        self._people: list[Person] = []
        """All who came so far, by number."""
        self._inside = Present()
        self._off_mic = Present()
        """Inside, and free to take the mic."""
        self._leaves_s: dict[int, float] = {}
        """Of those inside."""
        self._events: list[tuple[float, int, _Handler, int]] = []
        self._order = itertools.count()
        """Breaks ties, so that what was put first happens first."""

    def actions(self) -> Iterator[Action]:
        group = self._group
        if not group.count:
            return
        self._put(self._first_join_s(0), self._arrive, 0)
        said = (
            (group.chat_per_s, self._chat),
            (group.ask_per_s, self._ask),
            (group.like_per_s, self._like),
        )
        for per_s, say in said:
            if per_s is not None:
                self._put(group.join.at_s + self._rng.expovariate(per_s), say, 0)
        if group.mic is not None and group.mic.every_s is not None:
            self._put(group.join.at_s + group.mic.every_s, self._turn, 0)
        while self._events:
            at_s, _, handle, number = heapq.heappop(self._events)
            yield from handle(at_s, number)

    def _put(self, at_s: float, handle: _Handler, number: int) -> None:
        if at_s < self._end_s:
            heapq.heappush(self._events, (at_s, next(self._order), handle, number))

    def _first_join_s(self, number: int) -> float:
        join, count = self._group.join, self._group.count
        if join.bursts is not None:
            return join.at_s + join.every_s * (number * join.bursts // count)
        return join.at_s + join.over_s * number / count

    # Coming and going. `number` is the person's.

    def _arrive(self, at_s: float, number: int) -> Iterator[Action]:
        self._people.append(Person(self._name, number, f"{self._name}-{number}", self._group.role))
        if number + 1 < self._group.count:
            self._put(self._first_join_s(number + 1), self._arrive, number + 1)
        yield from self._enter(at_s, number)

    def _enter(self, at_s: float, number: int) -> Iterator[Action]:
        stay = self._group.stay_s
        leaves_s = at_s + self._rng.uniform(*stay) if stay is not None else math.inf
        self._leaves_s[number] = leaves_s
        self._inside.add(number)
        self._off_mic.add(number)
        self._put(leaves_s, self._leave, number)
        yield Join(at_s, self._people[number])
        if self._group.mic is not None and self._group.mic.every_s is None:
            yield from self._take_mic(at_s, number)

    def _leave(self, at_s: float, number: int) -> Iterator[Action]:
        del self._leaves_s[number]
        self._inside.discard(number)
        self._off_mic.discard(number)
        if self._group.back_after_s is not None:
            self._put(at_s + self._rng.uniform(*self._group.back_after_s), self._enter, number)
        yield Leave(at_s, self._people[number])

    # What a group says: a Poisson process of the whole group. A place of it is drawn, and an
    # arrival for somebody who is not there passes: so part of a group says its part only, and the
    # first of a ramp do not speak for all.

    def _chat(self, at_s: float, _: int) -> Iterator[Action]:
        self._put(at_s + self._wait_s(self._group.chat_per_s), self._chat, 0)
        person = self._speaker()
        if person is not None:
            yield Chat(at_s, person, next(self._chats))

    def _ask(self, at_s: float, _: int) -> Iterator[Action]:
        self._put(at_s + self._wait_s(self._group.ask_per_s), self._ask, 0)
        person = self._speaker()
        if person is not None:
            yield Ask(at_s, person, next(self._questions))

    def _like(self, at_s: float, _: int) -> Iterator[Action]:
        self._put(at_s + self._wait_s(self._group.like_per_s), self._like, 0)
        person = self._speaker()
        if person is not None:
            yield Like(at_s, person, self._rng.randint(1, MOST_LIKES))

    def _wait_s(self, per_s: float | None) -> float:
        return self._rng.expovariate(per_s) if per_s is not None else math.inf

    def _speaker(self) -> Person | None:
        place = self._rng.randrange(self._group.count)
        return self._people[self._inside[place]] if place < len(self._inside) else None

    # The mic.

    def _turn(self, at_s: float, _: int) -> Iterator[Action]:
        mic = self._group.mic
        if mic is not None and mic.every_s is not None:
            self._put(at_s + mic.every_s, self._turn, 0)
        if len(self._off_mic):
            number = self._off_mic[self._rng.randrange(len(self._off_mic))]
            yield from self._take_mic(at_s, number)

    def _take_mic(self, at_s: float, number: int) -> Iterator[Action]:
        mic = self._group.mic
        wanted_s = mic.hold_s if mic is not None and mic.hold_s is not None else math.inf
        hold_s = min(wanted_s, self._leaves_s[number] - at_s, self._end_s - at_s)
        if hold_s < min(wanted_s, SHORTEST_TURN_S):
            return
        self._off_mic.discard(number)
        self._put(at_s + hold_s, self._free_mic, number)
        yield TakeMic(at_s, self._people[number], hold_s)

    def _free_mic(self, _: float, number: int) -> Iterator[Action]:
        # A turn that ends with the stay ends after it: then nobody is there to be freed.
        if number in self._leaves_s:
            self._off_mic.add(number)
        return iter(())


def _dealt(texts: Sequence[str], rng: Random) -> Iterator[str]:
    """Round and round, from a place drawn by chance, so that groups do not speak in chorus."""
    if not texts:
        return iter(())
    first = rng.randrange(len(texts))
    return itertools.cycle([*texts[first:], *texts[:first]])
