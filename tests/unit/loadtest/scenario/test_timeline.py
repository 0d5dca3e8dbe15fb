"""What people do follows the scenario, whatever the seed."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.danmaku import Line, sample
from loadtest.scenario.errors import ScenarioError
from loadtest.scenario.load import load_scenario, scenario_of_values
from loadtest.scenario.model import Scenario
from loadtest.scenario.timeline import (
    SHORTEST_TURN_S,
    Action,
    Ask,
    Chat,
    Join,
    Leave,
    Like,
    Person,
    TakeMic,
    timeline,
)

LINES = sample()

joins = st.one_of(
    st.fixed_dictionaries({"at": st.floats(0, 20), "over": st.floats(0, 20)}),
    st.fixed_dictionaries(
        {"at": st.floats(0, 20), "bursts": st.integers(1, 6), "every": st.floats(0.1, 3)}
    ),
)
bounds = st.tuples(st.floats(0.2, 10), st.floats(0, 20)).map(lambda b: [b[0], b[0] + b[1]])
rates = st.none() | st.floats(0.1, 20)
groups = st.fixed_dictionaries(
    {
        "role": st.just("guest"),
        "count": st.integers(0, 12),
        "join": joins,
        "stay": st.none() | bounds,
        "socket": st.just("json"),
        "publish": st.just({}),
        "chat": rates,
        "ask": rates,
        "like": rates,
        "mic": st.fixed_dictionaries(
            {
                "every": st.none() | st.floats(0.5, 10),
                "hold": st.none() | st.floats(0.2, 10),
            }
        ),
    }
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    made = draw(st.dictionaries(st.sampled_from(["a", "b", "c"]), groups, min_size=1))
    for group in made.values():
        if group["stay"] is not None:
            group["back_after"] = draw(st.none() | bounds)
    return scenario_of_values({"duration": 60, "groups": made}, "drawn")


def run(scenario: Scenario, seed: int = 1) -> list[Action]:
    return list(timeline(scenario, LINES, Random(seed)))


@settings(deadline=None)
@given(scenarios(), st.integers(0, 1000))
def test_actions_are_in_order_within_the_run_and_the_same_for_the_same_seed(
    scenario: Scenario, seed: int
) -> None:
    actions = run(scenario, seed)
    assert actions == run(scenario, seed)
    times = [action.at_s for action in actions]
    assert times == sorted(times)
    assert all(0 <= at_s < scenario.duration_s for at_s in times)


@settings(deadline=None)
@given(scenarios(), st.integers(0, 1000))
def test_nobody_acts_outside_of_their_stay(scenario: Scenario, seed: int) -> None:
    inside: set[Person] = set()
    for action in run(scenario, seed):
        match action:
            case Join(_, person):
                assert person not in inside
                inside.add(person)
            case Leave(_, person):
                inside.remove(person)
            case _:
                assert action.person in inside


@settings(deadline=None)
@given(scenarios(), st.integers(0, 1000))
def test_everybody_comes_once_and_again_only_where_the_group_does(
    scenario: Scenario, seed: int
) -> None:
    actions = run(scenario, seed)
    joined = Counter(action.person for action in actions if isinstance(action, Join))
    left = Counter(action.person for action in actions if isinstance(action, Leave))
    for name, group in scenario.groups.items():
        people = {person for person in joined if person.group == name}
        assert {person.number for person in people} == set(range(group.count))
        assert all(person.role == group.role for person in people)
        for person in people:
            assert 0 <= joined[person] - left[person] <= 1
            if group.back_after_s is None:
                assert joined[person] == 1
            if group.stay_s is None:
                assert left[person] == 0


@settings(deadline=None)
@given(scenarios(), st.integers(0, 1000))
def test_stays_and_absences_are_as_long_as_the_group_says(scenario: Scenario, seed: int) -> None:
    since: dict[Person, Action] = {}
    for action in run(scenario, seed):
        if not isinstance(action, Join | Leave):
            continue
        group, before = scenario.groups[action.person.group], since.get(action.person)
        if before is not None:
            allowed = group.stay_s if isinstance(action, Leave) else group.back_after_s
            assert allowed is not None
            low, high = allowed
            assert low - 1e-6 <= action.at_s - before.at_s <= high + 1e-6
        since[action.person] = action


@settings(deadline=None)
@given(scenarios(), st.integers(0, 1000))
def test_a_turn_at_the_mic_is_one_at_a_time_and_within_stay_and_run(
    scenario: Scenario, seed: int
) -> None:
    ends: dict[Person, float] = {}
    turns = Counter[str]()
    for action in run(scenario, seed):
        if isinstance(action, Leave):
            assert ends.get(action.person, 0.0) <= action.at_s + 1e-9
        if not isinstance(action, TakeMic):
            continue
        turns[action.person.group] += 1
        mic = scenario.groups[action.person.group].mic
        assert mic is not None
        wanted_s = math.inf if mic.hold_s is None else mic.hold_s
        assert min(wanted_s, SHORTEST_TURN_S) <= action.hold_s <= wanted_s
        assert ends.get(action.person, 0.0) <= action.at_s
        ends[action.person] = action.at_s + action.hold_s
        assert ends[action.person] <= scenario.duration_s + 1e-9
    for name, group in scenario.groups.items():
        if group.mic is not None and group.mic.every_s is None and group.stay_s is None:
            assert turns[name] == group.count, "everybody takes it on joining"


def one_group(**group: Any) -> Scenario:  # noqa: ANN401 -- the keys of a group
    values = {"duration": 1000, "groups": {"g": {"socket": "json", **group}}}
    return scenario_of_values(values, "one")


@pytest.mark.parametrize("seed", range(5))
def test_rates_are_met_within_sampling_error(seed: int) -> None:
    actions = run(one_group(count=20, chat="5/s", ask="1/s", like="90/min"), seed)
    for kind, per_s in ((Chat, 5.0), (Ask, 1.0), (Like, 1.5)):
        said = [action for action in actions if isinstance(action, kind)]
        # Poisson: the deviation is the root of the mean; five of them are one in two million.
        assert abs(len(said) - per_s * 1000) < 5 * math.sqrt(per_s * 1000)
        by_person = Counter(action.person for action in said)
        each = per_s * 1000 / 20
        assert len(by_person) == 20
        assert all(abs(count - each) < 5 * math.sqrt(each) for count in by_person.values())
    assert {action.count for action in actions if isinstance(action, Like)} == {1, 2, 3, 4, 5}


def test_a_part_of_a_group_says_its_part_only() -> None:
    half_gone = one_group(count=100, stay=["500s", "500s"], chat="10/s", join={"bursts": 1})
    ramp = one_group(count=100, chat="10/s", join={"over": "999s"})
    for scenario in (half_gone, ramp):
        said = sum(isinstance(action, Chat) for action in run(scenario))
        assert abs(said - 5000) < 5 * math.sqrt(5000)


def test_bursts_are_equal_and_a_ramp_is_even() -> None:
    storm = run(one_group(count=90, join={"at": "3s", "bursts": 3, "every": "10s"}))
    assert Counter(action.at_s for action in storm) == {3.0: 30, 13.0: 30, 23.0: 30}
    ramp = run(one_group(count=4, join={"at": "1s", "over": "2s"}))
    assert [action.at_s for action in ramp] == [1.0, 1.5, 2.0, 2.5]


def test_turns_come_at_their_pace_and_to_everybody() -> None:
    actions = run(one_group(role="guest", publish={}, count=3, mic={"every": "10s", "hold": "4s"}))
    turns = [action for action in actions if isinstance(action, TakeMic)]
    assert [turn.at_s for turn in turns] == [pytest.approx(10.0 * n) for n in range(1, 100)]
    assert {turn.person.number for turn in turns} == {0, 1, 2}
    assert {turn.hold_s for turn in turns} == {4.0}


def test_nobody_takes_the_mic_twice_when_all_have_it() -> None:
    actions = run(one_group(role="guest", publish={}, count=2, mic={"every": "1s"}))
    turns = [action for action in actions if isinstance(action, TakeMic)]
    assert sorted(turn.person.number for turn in turns) == [0, 1]


def test_texts_are_dealt_round_by_their_kind() -> None:
    lines = [
        Line(n, "u", f"{'q' if is_question else 'c'}{n}", is_question)
        for n, is_question in enumerate([False, True, False, True, False])
    ]
    actions = list(timeline(one_group(chat="2/s", ask="2/s"), lines, Random(1)))
    chats = [action.text for action in actions if isinstance(action, Chat)]
    asked = [action.text for action in actions if isinstance(action, Ask)]
    for said, kind in ((chats, ["c0", "c2", "c4"]), (asked, ["q1", "q3"])):
        start = kind.index(said[0])
        round_ = itertools.cycle(kind[start:] + kind[:start])
        assert said == list(itertools.islice(round_, len(said)))


def test_what_one_group_does_is_the_same_whoever_comes_after_it() -> None:
    first = {"socket": "json", "count": 5, "chat": 1, "stay": [5, 9], "back_after": [1, 2]}
    alone = scenario_of_values({"groups": {"a": first}}, "x")
    among = scenario_of_values({"groups": {"a": first, "b": {"socket": "json", "chat": 3}}}, "x")
    assert run(alone) == [action for action in run(among) if action.person.group == "a"]


def test_lines_that_lack_a_kind_are_refused_before_anything_happens() -> None:
    questions = [line for line in LINES if line.is_question]
    with pytest.raises(
        ScenarioError, match=r"groups\.g\.chat: the danmaku file has questions only"
    ):
        timeline(one_group(chat=1), questions, Random(1))
    chats = [line for line in LINES if not line.is_question]
    with pytest.raises(ScenarioError, match=r"groups\.g\.ask: the danmaku file has no questions"):
        timeline(one_group(ask=1), chats, Random(1))
    assert list(timeline(one_group(chat=1), chats, Random(1)))


def test_memory_does_not_grow_with_the_length_of_the_run() -> None:
    marathon = load_scenario("marathon")

    def held_bytes(duration_s: float) -> int:
        """After reading it all, while it is still there."""
        longer = marathon.model_copy(update={"duration_s": duration_s})
        actions = timeline(longer, LINES, Random(1))
        tracemalloc.start()
        try:
            for _ in itertools.takewhile(lambda action: action.at_s < duration_s - 60, actions):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    short, long = held_bytes(600), held_bytes(3600)
    # Python's own noise; the hour has 25,000 actions, of 100 bytes at the least.
    assert long < short + 100_000


def test_nothing_is_made_before_it_is_read() -> None:
    endless = scenario_of_values(
        {
            "duration": "48h",
            "groups": {"g": {"socket": "json", "count": 100_000, "chat": "100000/s"}},
        },
        "x",
    )
    first = list(itertools.islice(timeline(endless, LINES, Random(1)), 10))
    assert [action.at_s for action in first] == [0.0] * 10


def test_the_smoke_scenario_asks_no_more_than_one_person_may() -> None:
    smoke = load_scenario("smoke")
    actions = list(timeline(smoke, LINES, Random(smoke.seed)))
    asked = Counter(action.person for action in actions if isinstance(action, Ask))
    assert 1 <= max(asked.values()) <= 3, "rooms grant three at once"
    assert sum(isinstance(action, TakeMic) for action in actions) == 1
