"""Who is heard when more people write than a room can read."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from signaling.chat_gate import WINDOW_S, ChatGate, Choice
from signaling.ids import Subject
from signaling.limits import Allowance

RATE = 100.0
BURST = 50.0
Line = tuple[str, int]


def gate(**bounds: int) -> ChatGate[Line]:
    return ChatGate(Allowance(RATE, BURST), 0.0, **bounds)


def exhausted(now: float) -> ChatGate[Line]:
    """A gate in a flood, at the end of a window that took everything there was to give."""
    opened = gate()
    for number in range(200):
        opened.offer(Subject(f"early{number}"), ("early", number), now - WINDOW_S)
    opened.take(now)
    return opened


def test_a_quiet_room_passes_everything_at_once() -> None:
    quiet = gate()
    now = 0.0
    for number in range(1_000):
        now += 1.1 / RATE
        assert quiet.offer(Subject("ann"), ("ann", number), now) == Choice((("ann", number),), ())
    assert (quiet.passed, quiet.shed, quiet.next_deadline()) == (1_000, 0, None)


def test_in_a_flood_a_window_decides_for_everybody() -> None:
    busy = gate()
    passed = 0
    while busy.offer(Subject(f"p{passed}"), ("p", passed), 1.0).passed:
        passed += 1
    assert passed == BURST / 2, "the other half is for the quiet ones of the first window"
    assert busy.next_deadline() == 1.0 + WINDOW_S
    assert busy.take(1.0 + WINDOW_S / 2) == Choice((), ())


def test_a_shouter_never_displaces_somebody_quiet() -> None:
    now = 10.0
    busy = exhausted(now)
    heard: list[Counter[str]] = []
    for window in range(2):
        for number in range(40):
            author = "shout" if number % 2 else f"quiet{window}-{number}"
            busy.offer(Subject(author), (author, number), now)
        now += WINDOW_S
        heard.append(Counter(author for author, _ in busy.take(now).passed))
    assert all(set(each.values()) == {1} for each in heard), "one line of each"
    assert [sum(each.values()) for each in heard] == [RATE * WINDOW_S] * 2
    assert [each["shout"] for each in heard] == [1, 0], "heard once, then it is others' turn"


def test_nothing_is_left_without_an_answer_and_order_holds() -> None:
    busy = exhausted(10.0)
    decided: list[Line] = []
    for number in range(500):
        author = f"p{number % 70}"
        decided += busy.offer(Subject(author), (author, number), 10.0).shed
    choice = busy.take(10.0 + WINDOW_S)
    assert [n for _, n in choice.passed] == sorted(n for _, n in choice.passed)
    assert len({n for _, n in [*decided, *choice.passed, *choice.shed]}) == 500
    assert busy.next_deadline() is None


def test_waiting_is_bounded() -> None:
    small = gate(max_waiting=10)
    held = 0
    for number in range(500):
        choice = small.offer(Subject(f"p{number}"), ("p", number), 0.0)
        held += not choice.passed and not choice.shed
    assert held == 10


@pytest.mark.parametrize("seed", range(5))
def test_in_a_long_flood_everybody_is_heard_alike_and_never_too_much_passes(seed: int) -> None:
    dice = random.Random(seed)
    flooded = gate()
    heard: Counter[str] = Counter()
    said: Counter[str] = Counter()
    now, number = 0.0, 0
    while now < 20.0:
        number += 1
        now += dice.expovariate(2_300.0)
        deadline = flooded.next_deadline()
        if deadline is not None and deadline <= now:
            heard.update(author for author, _ in flooded.take(deadline).passed)
        # A tenth of the lines come from 500 quiet people, the rest from ten shouters.
        author = f"quiet{dice.randrange(500)}" if dice.random() < 0.1 else f"shout{number % 10}"
        said[author] += 1
        choice = flooded.offer(Subject(author), (author, number), now)
        heard.update(author for author, _ in choice.passed)
    assert BURST / 2 <= sum(heard.values()) <= BURST + RATE * now
    assert sum(heard.values()) > 0.9 * RATE * now, "the room's rate is used, not wasted"
    shouters = [heard[f"shout{n}"] / said[f"shout{n}"] for n in range(10)]
    quiet_said = sum(count for who, count in said.items() if who.startswith("quiet"))
    quiet_heard = sum(count for who, count in heard.items() if who.startswith("quiet"))
    assert quiet_heard / quiet_said > 5 * max(shouters)
    assert max(shouters) < 2 * min(shouters) + 0.01
